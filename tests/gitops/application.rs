//! An application of Argo CD in each cluster, over one repository: cluster `a` has the directory
//! `clusters/a`, cluster `b` the directory `clusters/b`. Argo CD's own engine syncs; when it does,
//! and with which options, the story says, as the application controller would.

use std::fs;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::fleet::{lay_out, listing};
use crate::lab::binaries;
use crate::lab::object::Object;
use crate::lab::process::output;
use crate::lab::story::Story;
use crate::lab::world::Cluster;

/// A sync takes some seconds on a busy machine, for it looks at the whole cluster first.
const PATIENCE: Duration = Duration::from_mins(2);
/// What deletes, last.
pub const PRUNE_LAST: [&str; 2] = ["-prune", "-prune-last"];

/// The repository, and the two applications.
pub struct Applications<'a> {
    story: &'a Story<'a>,
    files: TempDir,
}

/// What an application's status says after a sync.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Synced {
    /// What was not as git says, before it.
    pub out_of_sync: Vec<String>,
    /// How it ended, such as `Succeeded`.
    pub phase: String,
    /// Why.
    pub message: String,
    /// What became of each object.
    pub resources: Vec<Resource>,
}

/// What became of an object.
#[derive(Debug, Deserialize)]
pub struct Resource {
    /// Kind and name.
    pub name: String,
    /// Such as `SyncFailed`.
    pub status: String,
    /// Why.
    pub message: String,
}

impl<'a> Applications<'a> {
    /// `shop` with these resources is in the repository, and in neither of the clusters.
    pub fn begin(story: &'a Story<'a>, resources: &[Object]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let all = Self { story, files };
        lay_out(resources, |file, content| all.writes(file, content));
        all
    }

    /// Edits a file.
    pub fn writes(&self, file: &str, content: &str) {
        let path = self.files.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Edits what a cluster has, besides a word on itself.
    pub fn lists(&self, cluster: &str, directories: &[&str]) {
        let (file, content) = listing(cluster, directories);
        self.writes(&file, &content);
    }

    /// A sync in `a`, with these options.
    pub async fn syncs_a(&self, options: &[&str]) -> Synced {
        self.syncs(&self.story.lab.a, options).await
    }

    /// A sync in `b`, with these options.
    pub async fn syncs_b(&self, options: &[&str]) -> Synced {
        self.syncs(&self.story.lab.b, options).await
    }

    /// Tries again where a busy guard had no time for a verdict, as `syncPolicy.retry` would.
    async fn syncs(&self, cluster: &Cluster, options: &[&str]) -> Synced {
        let until = Instant::now() + PATIENCE;
        loop {
            let synced = self.syncs_once(cluster, options).await;
            if !synced.is_unheard() || Instant::now() > until {
                return synced;
            }
        }
    }

    async fn syncs_once(&self, cluster: &Cluster, options: &[&str]) -> Synced {
        let program = binaries::argocd_sync().await.unwrap();
        let directory = self.files.path().join("clusters").join(cluster.name());
        let kubeconfig = cluster.control_plane.kubeconfig();
        let mut args = vec![
            "-directory",
            directory.to_str().unwrap(),
            "-kubeconfig",
            kubeconfig.to_str().unwrap(),
            "-namespace",
            self.story.a.namespace(),
        ];
        args.extend(options);
        let said = output(&program, &args, PATIENCE).await.unwrap();
        let log = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{log}");
        serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    }
}

impl Synced {
    /// Whether it failed because the guard, or the registry behind it, gave no verdict in time.
    fn is_unheard(&self) -> bool {
        let unheard = ["cannot tell whether this is safe", "failed calling webhook"];
        self.phase == "Failed" && unheard.iter().any(|words| self.message.contains(words))
    }

    /// All of it is applied.
    pub fn succeeds(&self) {
        assert_eq!(self.phase, "Succeeded", "{self:#?}");
    }

    /// It is refused, and the whole says so in these words, as does the object.
    pub fn fails(&self, object: &str, words: &str) {
        assert_eq!(self.phase, "Failed", "{self:#?}");
        let reason = "one or more objects failed to apply, reason: ";
        assert!(self.message.starts_with(reason), "{self:#?}");
        assert!(self.message.contains(words), "{self:#?}");
        let one = self.resources.iter().find(|one| one.name == object);
        let one = one.unwrap_or_else(|| panic!("nothing of {object}: {self:#?}"));
        assert_eq!(one.status, "SyncFailed", "{self:#?}");
        assert!(one.message.contains(words), "{self:#?}");
    }
}
