//! `serve` ends when it is told to, whoever does not answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test expects fails it otherwise, in its helpers too"
)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");

/// What a guard's log is called, in its directory.
const LOG: &str = "log";

/// The calls that are under way have 10 s, and the notice is over by then.
const ENDS: Duration = Duration::from_secs(20);

/// An API server that takes every call and answers none.
async fn silent_api_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    format!("http://{address}")
}

fn kubeconfig(directory: &Path, server: &str) -> String {
    let path = directory.join("kubeconfig");
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: it\n\
         clusters: [{{name: it, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: it, user: {{}}}}]\n\
         contexts: [{{name: it, context: {{cluster: it, user: it}}}}]\n"
    );
    fs::write(&path, config).unwrap();
    path.to_string_lossy().into_owned()
}

/// A guard that waits for its API server, and answers probes.
async fn waiting(directory: &Path, more: &[&str]) -> Child {
    let kubeconfig = kubeconfig(directory, &silent_api_server().await);
    let ops = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().to_string()
    };
    let log = File::create(directory.join(LOG)).unwrap();
    let mut guard = Command::new(GUARD);
    guard
        .current_dir(directory)
        .args(["serve", "--cluster=it", "--listen=127.0.0.1:0"])
        .args(["--kubeconfig", &kubeconfig, "--ops-listen", &ops])
        .args(more)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true);
    let guard = guard.spawn().unwrap();
    let begun = Instant::now();
    while !is_unready(&ops).await {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "it does not start"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    guard
}

async fn is_unready(ops: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(ops).await?;
        let request = b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    asked
        .await
        .is_ok_and(|answer| answer.starts_with("HTTP/1.1 503 "))
}

async fn signal(guard: &Child, signal: &str) {
    let id = guard.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", signal, &id]).status();
    assert!(sent.await.unwrap().success());
}

async fn ends_within(mut guard: Child, limit: Duration) {
    let ended = tokio::time::timeout(limit, guard.wait()).await;
    ended.expect("it does not end").unwrap();
}

/// Waits until a guard has logged these words.
async fn until_it_says(directory: &Path, words: &str) {
    let begun = Instant::now();
    while !fs::read_to_string(directory.join(LOG))
        .unwrap()
        .contains(words)
    {
        assert!(begun.elapsed() < ENDS, "it does not say: {words}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn certificates(directory: &Path) {
    let made = Command::new(GUARD)
        .arg("certs")
        .current_dir(directory)
        .stdout(Stdio::null())
        .status();
    assert!(made.await.unwrap().success());
}

#[tokio::test]
async fn it_ends_while_its_api_server_does_not_answer() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path()).await;
    let notice = "--shutdown-notice=1s";
    let own = [notice, "--tls-self-signed", "--tls-name=localhost"];
    for more in [&own[..], &[notice]] {
        let guard = waiting(directory.path(), more).await;
        signal(&guard, "TERM").await;
        ends_within(guard, ENDS).await;
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path()).await;
    let guard = waiting(directory.path(), &["--shutdown-notice=5m"]).await;
    signal(&guard, "TERM").await;
    // A second one that comes before the first was taken is the same one to the system.
    until_it_says(directory.path(), "send it again to end at once").await;
    signal(&guard, "TERM").await;
    ends_within(guard, Duration::from_secs(10)).await;
}
