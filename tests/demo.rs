//! `aso-guard demo`, as a person runs it.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails its test"
)]

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use aso_guard::server::tls::install_crypto_provider;
use rstest::rstest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// No test waits longer for anything.
const BOUND: Duration = Duration::from_mins(1);

fn demo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aso-guard"));
    command.arg("demo").args(args).kill_on_drop(true);
    command
}

/// The same text for each run: without ports and times.
fn normalised(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words = line
            .split(' ')
            .map(|word| match word.split_once("127.0.0.1:") {
                Some((before, after)) => {
                    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                    format!("{before}127.0.0.1:PORT{rest}")
                }
                None => word.to_owned(),
            });
        let line = words.collect::<Vec<_>>().join(" ");
        let line = between(&line, "(since ", "Z", "TIME");
        between(&line, "last heard from ", ")", "JUST NOW")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Replaces what stands between two marks.
fn between(line: &str, before: &str, after: &str, new: &str) -> String {
    let found = line.split_once(before).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(after)?;
        Some(format!("{head}{before}{new}{after}{tail}"))
    });
    found.unwrap_or_else(|| line.to_owned())
}

async fn told() -> (ExitStatus, String, String) {
    let output = timeout(BOUND, demo(&[]).output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status, text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn it_tells_its_story_and_ends_well() {
    let (status, out, err) = told().await;
    assert_eq!((status.code(), err.as_str()), (Some(0), ""), "{out}");
    insta::assert_snapshot!(normalised(&out));
}

/// A demo that was left up, and what it printed last.
struct Kept {
    child: Child,
    _out: Lines<BufReader<ChildStdout>>,
    ca: String,
    review: String,
    url: String,
}

impl Kept {
    async fn start() -> Self {
        let mut child = demo(&["--keep"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let curl = async {
            while let Some(line) = out.next_line().await.unwrap() {
                if let Some(command) = line.trim().strip_prefix("curl ") {
                    return command.to_owned();
                }
            }
            panic!("no curl line was printed");
        };
        let curl = timeout(BOUND, curl).await.unwrap();
        let words: Vec<&str> = curl.split(' ').collect();
        let ["--cacert", ca, "--data", review, url] = words[..] else {
            panic!("another curl line than expected: {curl}");
        };
        Self {
            child,
            _out: out,
            ca: ca.to_owned(),
            review: review.strip_prefix('@').unwrap().to_owned(),
            url: url.to_owned(),
        }
    }

    /// What `curl` would do.
    async fn ask(&self, review: Vec<u8>) -> Value {
        install_crypto_provider();
        let (server, path) = self.url.rsplit_once('/').unwrap();
        let mut config = kube::Config::new(server.parse().unwrap());
        let ca = CertificateDer::from_pem_file(&self.ca).unwrap();
        config.root_cert = Some(vec![ca.to_vec()]);
        config.read_timeout = Some(BOUND);
        let client = kube::Client::try_from(config).unwrap();
        let request = http::Request::post(format!("/{path}"))
            .body(review)
            .unwrap();
        client.request(request).await.unwrap()
    }

    async fn stop(mut self, signal: &str) -> ExitStatus {
        let process = self.child.id().unwrap().to_string();
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", signal, &process]).status().await.unwrap();
        assert!(sent.success());
        timeout(BOUND, self.child.wait()).await.unwrap().unwrap()
    }
}

#[rstest]
#[case::ctrl_c("INT")]
#[case::terminate("TERM")]
#[tokio::test]
async fn kept_guards_answer_until_a_signal_comes(#[case] signal: &str) {
    let kept = Kept::start().await;
    let review = std::fs::read_to_string(&kept.review).unwrap();

    let refused = kept.ask(review.clone().into_bytes()).await;
    assert_eq!(refused["response"]["allowed"], false, "{refused}");
    assert_eq!(refused["response"]["status"]["reason"], "LiveElsewhere");
    let other = review.replace("rg-shop", "rg-other");
    let admitted = kept.ask(other.into_bytes()).await;
    assert_eq!(admitted["response"]["allowed"], true, "{admitted}");

    let directory = Path::new(&kept.ca).parent().unwrap().to_owned();
    assert!(directory.is_dir());
    let status = kept.stop(signal).await;
    assert_eq!(status.code(), Some(0));
    assert!(!directory.exists(), "{} was left", directory.display());
}
#[tokio::test]
async fn the_refusals_in_the_readme_are_those_of_the_demo() {
    let readme = include_str!("../README.md");
    let (_, out, _) = told().await;
    let said = normalised(&out);
    let said: Vec<&str> = said.lines().map(str::trim).collect();
    let blocks: Vec<&str> = readme
        .split("```")
        .filter(|block| block.contains("Error from server ("))
        .collect();
    assert_eq!(blocks.len(), 2, "the README shows both mistakes");
    for line in blocks.iter().flat_map(|block| block.lines().skip(1)) {
        let line = normalised(line);
        let line = line.trim().trim_start_matches("$ ");
        assert!(
            said.iter().any(|told| told.ends_with(line)),
            "the README shows what the demo does not say: {line}"
        );
    }
}
