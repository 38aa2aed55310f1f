//! Certificates that are replaced while they are served.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::development_certificates::{
    CA_FILE, CA_KEY_FILE, CERTIFICATE_FILE, CertificateNames, DevelopmentCa, KEY_FILE, write,
};
use super::super::testing::{Running, config, connect, http1, presented, soon, start_with};
use super::super::tls::{CertificateError, CertificateFiles, ReloadOutcome, ReloadingCertificate};
use super::echo;

struct Files {
    dir: TempDir,
    certificate: Arc<ReloadingCertificate>,
    server: Running,
}

impl Files {
    async fn serve() -> Self {
        Self::serve_to(None).await
    }

    async fn serve_to(client_ca: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &CertificateNames::default(), 1, false).unwrap();
        let client_ca = client_ca.map(|pem| {
            let path = dir.path().join("clients.pem");
            fs::write(&path, pem).unwrap();
            path
        });
        let files = CertificateFiles {
            client_ca,
            ..files(dir.path())
        };
        let certificate = Arc::new(ReloadingCertificate::load(files).unwrap());
        let ca = fs::read_to_string(dir.path().join(CA_FILE)).unwrap();
        let server = start_with(echo(), config(), Arc::clone(&certificate), &ca).await;
        Self {
            dir,
            certificate,
            server,
        }
    }

    fn renew(&self) {
        write(self.dir.path(), &CertificateNames::default(), 1, false).unwrap();
    }
}

fn files(dir: &Path) -> CertificateFiles {
    CertificateFiles {
        certificate: dir.join(CERTIFICATE_FILE),
        key: dir.join(KEY_FILE),
        client_ca: None,
    }
}

#[tokio::test]
async fn a_connection_outlives_its_certificate() {
    let files = Files::serve().await;
    let stream = files.server.connect(b"http/1.1").await;
    let before = presented(&stream);
    let mut open = http1(stream).await;
    soon(open.call("/echo", "")).await.unwrap();

    assert_eq!(
        files.certificate.reload().unwrap(),
        ReloadOutcome::Unchanged
    );
    files.renew();
    let replaced = files.certificate.reload().unwrap();
    assert_eq!(
        replaced,
        ReloadOutcome::Replaced(files.certificate.summary())
    );

    assert_eq!(soon(open.call("/echo", "on")).await.unwrap().body(), "on");
    let after = files.server.connect(b"http/1.1").await;
    assert_ne!(before, presented(&after));
}

#[tokio::test]
async fn a_bad_replacement_leaves_the_last_good_pair_in_service() {
    let files = Files::serve().await;
    let before = presented(&files.server.connect(b"h2").await);
    let key_path = files.dir.path().join(KEY_FILE);
    let good_key = fs::read(&key_path).unwrap();
    let other_key = fs::read(files.dir.path().join(CA_KEY_FILE)).unwrap();

    fs::write(&key_path, other_key).unwrap();
    let error = files.certificate.reload().unwrap_err();
    assert!(
        matches!(error, CertificateError::KeyMismatch { .. }),
        "{error}"
    );
    fs::remove_file(&key_path).unwrap();
    let error = files.certificate.reload().unwrap_err();
    assert!(
        matches!(error, CertificateError::Unreadable { .. }),
        "{error}"
    );
    assert_eq!(before, presented(&files.server.connect(b"h2").await));

    fs::write(&key_path, good_key).unwrap();
    assert_eq!(
        files.certificate.reload().unwrap(),
        ReloadOutcome::Unchanged
    );
    files.renew();
    files.certificate.reload().unwrap();
    assert_ne!(before, presented(&files.server.connect(b"h2").await));
}

#[tokio::test]
async fn the_watch_follows_a_mounted_secret() {
    // The kubelet writes a new directory and moves the link `..data` to it.
    let mount = tempfile::tempdir().unwrap();
    let link = mount.path().join("..data");
    let ca = DevelopmentCa::generate().unwrap();
    let publish = |version: &str| {
        let dir = mount.path().join(version);
        let issued = ca.issue(&CertificateNames::default(), 1).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(CERTIFICATE_FILE), issued.certificate).unwrap();
        fs::write(dir.join(KEY_FILE), issued.key).unwrap();
        let new_link = mount.path().join("..data_tmp");
        std::os::unix::fs::symlink(version, &new_link).unwrap();
        fs::rename(new_link, &link).unwrap();
    };
    publish("..1");
    let certificate = Arc::new(ReloadingCertificate::load(files(&link)).unwrap());
    let server = start_with(echo(), config(), Arc::clone(&certificate), ca.certificate()).await;
    let stop = CancellationToken::new();
    let watch = tokio::spawn(certificate.watch(Duration::from_millis(10), stop.clone()));
    let before = presented(&server.connect(b"h2").await);
    publish("..2");
    fs::remove_dir_all(mount.path().join("..1")).unwrap();
    soon(async {
        while presented(&server.connect(b"h2").await) == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    stop.cancel();
    soon(watch).await.unwrap();
}

#[tokio::test]
async fn only_clients_of_the_client_ca_may_call_and_it_is_replaced_too() {
    let (first, second) = (
        DevelopmentCa::generate().unwrap(),
        DevelopmentCa::generate().unwrap(),
    );
    let files = Files::serve_to(Some(first.certificate())).await;
    let (address, ca) = (files.server.address, files.server.ca.as_str());
    let may_call = async |identity| {
        let Ok(stream) = connect(address, ca, b"http/1.1", identity).await else {
            return false;
        };
        // In TLS 1.3 the client learns of the refusal after its handshake.
        let mut client = http1(stream).await;
        soon(client.call("/echo", "")).await.is_ok()
    };
    let old_client = first.issue_client("kube-apiserver", 1).unwrap();
    let new_client = second.issue_client("kube-apiserver", 1).unwrap();
    assert!(may_call(Some(&old_client)).await);
    assert!(!may_call(Some(&new_client)).await);
    assert!(!may_call(None).await);

    let clients = files.dir.path().join("clients.pem");
    fs::write(clients, second.certificate()).unwrap();
    files.certificate.reload().unwrap();
    assert!(may_call(Some(&new_client)).await);
    assert!(!may_call(Some(&old_client)).await);
}
