//! A git repository as Flux sees it: an archive behind HTTP, and the GitRepository whose status
//! names it. source-controller would clone a repository to make the two; here the files of a
//! directory become the archive, and kustomize-controller can't tell the difference.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::process::output;

const PACKING: Duration = Duration::from_secs(20);

type Archives = Arc<Mutex<HashMap<String, Bytes>>>;

/// A repository with one branch, `main`.
pub struct Repository {
    files: TempDir,
    archives: Archives,
    address: String,
}

impl Repository {
    /// An empty one, served for as long as the test runs.
    pub async fn start() -> Self {
        let archives = Archives::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, app(archives.clone())).into_future());
        Self {
            files: tempfile::tempdir().unwrap(),
            archives,
            address,
        }
    }

    /// Writes a file, with the directories on the way to it.
    pub fn write(&self, file: &str, content: &str) {
        let path = self.files.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits what the files are now, and has the GitRepository in each cluster know of it. The
    /// revision.
    pub async fn push(&self, clusters: [&Kubectl; 2]) -> String {
        let archive = self.archive().await;
        let digest = hex(&Sha256::digest(&archive));
        let name = format!("{digest}.tar.gz");
        let size = archive.len();
        let commit = digest[..40].to_owned();
        let path = format!("/{name}");
        self.archives.lock().unwrap().insert(path, archive);
        let revision = format!("main@sha1:{commit}");
        let artifact = json!({
            "digest": format!("sha256:{digest}"),
            "lastUpdateTime": jiff::Timestamp::now().round(jiff::Unit::Second).unwrap().to_string(),
            "path": name,
            "revision": revision,
            "size": size,
            "url": format!("{}/{name}", self.address),
        });
        for cluster in clusters {
            fetched(cluster, artifact.clone()).await;
        }
        revision
    }

    async fn archive(&self) -> Bytes {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("archive.tar.gz");
        let (from, to) = (self.files.path().to_str(), file.to_str());
        let args = ["-C", from.unwrap(), "-czf", to.unwrap(), "."];
        let packed = output(Path::new("tar"), &args, PACKING).await.unwrap();
        assert!(packed.status.success(), "{packed:?}");
        fs::read(file).unwrap().into()
    }
}

/// What source-controller does once it has fetched a commit.
async fn fetched(cluster: &Kubectl, artifact: Value) {
    let source = Object::new("source.toolkit.fluxcd.io/v1", "GitRepository", "fleet").with(
        "/spec",
        json!({"interval": "1h", "url": "https://git.example/fleet", "ref": {"branch": "main"}}),
    );
    cluster.apply(&source).await.unwrap();
    let status = json!({"artifact": artifact, "observedGeneration": 1});
    cluster.patch_status(&source, status).await.unwrap();
}

fn app(archives: Archives) -> Router {
    Router::new().fallback(async move |uri: Uri| {
        let archives = archives.lock().unwrap();
        archives
            .get(uri.path())
            .cloned()
            .ok_or(StatusCode::NOT_FOUND)
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
