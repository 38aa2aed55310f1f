//! What the program says to bad flags, files and servers, and how it ends.

#![allow(
    clippy::unwrap_used,
    reason = "what a test expects fails it otherwise, in its helpers too"
)]

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rstest::rstest;

const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");

/// Runs it in a directory, without what the environment says of clusters.
fn run_in(directory: &Path, args: &[&str]) -> Output {
    Command::new(GUARD)
        .args(args)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A kubeconfig of a server at this address.
fn kubeconfig(directory: &Path, server: &str) -> String {
    let path = directory.path_of("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: one\n\
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n\
         contexts: [{{name: one, context: {{cluster: c, user: u}}}}]\n"
    );
    fs::write(&path, text).unwrap();
    path
}

trait PathOf {
    fn path_of(&self, name: &str) -> String;
}

impl PathOf for Path {
    fn path_of(&self, name: &str) -> String {
        self.join(name).to_str().unwrap().to_owned()
    }
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Nothing of how Rust writes its own values.
fn is_plain(words: &str) {
    for debug in [
        "Some(", "Error {", "Err(", "Kind(", "Custom {", "Os {", "::", "'\"",
    ] {
        assert!(!words.contains(debug), "{debug} in {words}");
    }
}

#[rstest]
#[case(&["claims", "list"])]
#[case(&["claims", "show", "rg"])]
#[case(&["claims", "release", "rg", "--reason", "why"])]
#[case(&["members", "list"])]
#[case(&["members", "forget", "a"])]
#[case(&["transfer", "list"])]
#[case(&["transfer", "status", "shop"])]
#[case(&["transfer", "finish", "shop"])]
#[case(&["transfer", "start", "shop", "--from", "a/x", "--to", "b/x"])]
#[case(&["webhook", "test"])]
#[case(&["webhook", "delete"])]
fn what_does_not_answer_is_named_and_ends_with_3(#[case] command: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let server = nobody();
    let kubeconfig = kubeconfig(directory.path(), &server);
    let args = [command, &["--kubeconfig", &kubeconfig]].concat();
    let output = run_in(directory.path(), &args);
    let words = said(&output);
    assert_eq!(output.status.code(), Some(3), "{words}");
    let address = server.trim_start_matches("http://");
    assert!(words.contains(address), "no {address} in {words}");
    is_plain(&words);
}

#[test]
fn a_hub_that_does_not_answer_makes_no_member() {
    let directory = tempfile::tempdir().unwrap();
    let server = nobody();
    let hub = kubeconfig(directory.path(), &server);
    let out = directory.path().path_of("a.kubeconfig");
    let args = ["members", "add", "a", "--hub", &hub, "--out", &out];
    let output = run_in(directory.path(), &args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(!Path::new(&out).exists());
}

#[rstest]
#[case::file(&["members", "add", "a", "--hub", "missing", "--out", "x"], "missing")]
#[case::kubeconfig(&["claims", "list", "--kubeconfig", "missing"], "missing")]
#[case::directory(&["claims", "list", "--kubeconfig", "."], "cannot read the kubeconfig .: ")]
#[case::context(&["claims", "list", "--kubeconfig", "kubeconfig", "--context", "two"], "no context two; it has one")]
#[case::no_context(&["claims", "list", "--registry", "kubernetes:empty"], "empty has no current context")]
#[case::no_yaml(&["claims", "list", "--registry", "kubernetes:broken"], "broken is no kubeconfig: line 1 column 4")]
#[case::no_ca_there(&["claims", "list", "--registry", "kubernetes:without-ca"], "without-ca names nowhere/ca.pem, which cannot be read")]
#[case::nothing(&["claims", "list"], "name a kubeconfig with --kubeconfig")]
#[case::audit(&["audit"], "cannot read the kubeconfig ")]
#[case::contexts(&["claims", "list", "--registry", "kubernetes:kubeconfig#one", "--context", "one"], "names a context already")]
#[case::of_test(&["webhook", "test", "--kubeconfig", "kubeconfig", "--context", "two"], "two")]
#[case::insecure(&["webhook", "--url", "http://guard/validate", "--without-ca"], "https only")]
#[case::no_url(&["webhook", "--url", "guard validate", "--without-ca"], "this is no URL")]
#[case::no_pem(&["webhook", "--url", "https://guard/validate", "--ca-file", "kubeconfig"], "no certificate in PEM")]
#[case::no_ca(&["webhook", "--url", "https://guard/validate"], "aso-guard certs")]
#[case::color(&["claims", "list", "--color", "red"], "never")]
fn a_wrong_flag_or_file_is_named_and_ends_with_2(#[case] args: &[&str], #[case] named: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = kubeconfig(directory.path(), "https://127.0.0.1:1");
    let sound = fs::read_to_string(path).unwrap();
    let without_ca = sound.replace("server:", "certificate-authority: nowhere/ca.pem, server:");
    for (name, text) in [
        ("empty", "{}"),
        ("broken", "a: ["),
        ("without-ca", &without_ca),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let output = run_in(directory.path(), args);
    let words = said(&output);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains(named), "{words}");
    is_plain(&words);
}

/// `aso-guard … | head -1` ends without a word.
#[rstest]
#[case(&["crds"])]
#[case(&["hub"])]
#[case(&["completions", "bash"])]
#[case(&["--help"])]
#[case(&["version"])]
#[case(&["explain"])]
fn who_has_read_enough_hears_no_complaint(#[case] args: &[&str]) {
    let mut child = Command::new(GUARD)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut words = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(words, "");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn it_says_its_version() {
    let directory = tempfile::tempdir().unwrap();
    for args in [["version"], ["--version"]] {
        let output = run_in(directory.path(), &args);
        let expected = format!("aso-guard {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

/// Where nobody sees colour there is none, unless it is asked for.
#[rstest]
#[case(&[], false)]
#[case(&["--color", "never"], false)]
#[case(&["--color=always"], true)]
fn colour_is_as_it_is_asked_for(#[case] color: &[&str], #[case] painted: bool) {
    let directory = tempfile::tempdir().unwrap();
    let manifest = "apiVersion: resources.azure.com/v1api20200601\nkind: ResourceGroup\n\
         metadata: {name: rg, namespace: x}\nspec: {location: westeurope}\n";
    for name in ["a.yaml", "b.yaml"] {
        fs::write(directory.path().join(name), manifest).unwrap();
    }
    let check = ["check", "--cluster", "a=a.yaml", "--cluster", "b=b.yaml"];
    let output = run_in(directory.path(), &[color, &check].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.contains("\u{1b}["), painted, "{text}");
}
