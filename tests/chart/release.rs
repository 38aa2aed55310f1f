//! The workflows of CI and of a release, as far as they can be tried where they do not run: they
//! parse, what they call is there, and the scripts do what they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;
use serde_json::Value;

use crate::helm::helm;
use crate::lab::binaries;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn workflow(name: &str) -> Value {
    let text = fs::read_to_string(root(&format!(".github/workflows/{name}.yml"))).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// The steps of all jobs.
fn steps(workflow: &Value) -> Vec<Value> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    let steps = jobs.filter_map(|job| job["steps"].as_array());
    steps.flatten().cloned().collect()
}

fn script(name: &str, args: &[&str]) -> Output {
    let name = root(&format!("deploy/release/{name}"));
    Command::new(name).args(args).output().unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[rstest]
#[case("ci")]
#[case("release")]
fn what_a_workflow_calls_is_there(#[case] name: &str) {
    let workflow = workflow(name);
    // Without it, a pipe or `$(…)` that fails goes unnoticed.
    assert_eq!(workflow["defaults"]["run"]["shell"], "bash");
    let steps = steps(&workflow);
    assert!(!steps.is_empty());
    // What GitHub fills in is a word to the shell.
    let filled_in = regex::Regex::new(r"\$\{\{.*?\}\}").unwrap();
    for step in &steps {
        if let Some(uses) = step["uses"].as_str() {
            let (_, version) = uses.split_once('@').unwrap();
            assert!(version.starts_with('v'), "{uses}: of no version");
        }
        let Some(run) = step["run"].as_str() else {
            continue;
        };
        let run = filled_in.replace_all(run, "x");
        let checked = Command::new("bash")
            .args(["-n", "-c", &run])
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
        for word in run.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"')) {
            if word.starts_with("deploy/") || word.starts_with(".ci/") {
                assert!(root(word).exists(), "{word} is not there");
            }
        }
    }
    let jobs = workflow["jobs"].as_object().unwrap();
    for (job, is) in jobs {
        let needs = match &is["needs"] {
            Value::Array(needs) => needs.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        for need in needs {
            assert!(
                jobs.contains_key(need.as_str().unwrap()),
                "{job} needs {need}"
            );
        }
        if let Some(called) = is["uses"].as_str() {
            assert!(root(called).exists(), "{job} calls {called}");
        }
    }
}

#[test]
fn nothing_is_published_before_the_tests_are_through() {
    let workflow = workflow("release");
    let needs = |job: &str| workflow["jobs"][job]["needs"].to_string();
    assert!(needs("image").contains("\"test\""));
    for before in ["test", "binaries", "image", "chart"] {
        assert!(
            needs("release").contains(&format!("\"{before}\"")),
            "{before}"
        );
    }
    // Who may write what is said job by job.
    assert_eq!(
        workflow["permissions"],
        serde_json::json!({"contents": "read"})
    );
}

#[test]
fn the_toolchain_and_the_profile_are_those_of_the_project() {
    let manifest = fs::read_to_string(root("Cargo.toml")).unwrap();
    assert!(manifest.contains("[profile.dist]"));
    let workflow = workflow("release");
    let builds = &workflow["jobs"]["binaries"]["steps"].to_string();
    assert!(
        builds.contains("--profile dist --bin aso-guard"),
        "{builds}"
    );
    let helm = workflow["jobs"]["chart"]["steps"].to_string();
    let own = fs::read_to_string(root("tests/helm/go.mod")).unwrap();
    let version = own
        .lines()
        .find_map(|line| line.trim().split_once("helm.sh/helm/v3 "));
    let (_, rest) = version.unwrap();
    let version = rest.split(' ').next().unwrap();
    assert!(helm.contains(version), "the tests' Helm is {version}");
}

/// A tag that something does not agree with is no release.
#[test]
fn a_version_is_one_where_all_agree() {
    let copy = tempfile::tempdir().unwrap();
    let place = |file: &str| copy.path().join(file);
    for directory in ["deploy/release", "deploy/chart"] {
        fs::create_dir_all(place(directory)).unwrap();
    }
    fs::copy(
        root("deploy/release/version"),
        place("deploy/release/version"),
    )
    .unwrap();
    let write = |file: &str, text: &str| fs::write(place(file), text).unwrap();
    let version = |tag: &str| {
        let program = place("deploy/release/version");
        Command::new(program).arg(tag).output().unwrap()
    };
    write("Cargo.toml", "[package]\nversion = \"1.2.3\"\n");
    write(
        "deploy/chart/Chart.yaml",
        "version: 1.2.3\nappVersion: 1.2.3\n",
    );
    write("CHANGELOG.md", "## 1.2.3, 2026-01-31\n\nNew.\n");
    assert_eq!(printed(&version("v1.2.3")), "1.2.3\n");
    assert!(!version("v1.2.4").status.success());
    write("CHANGELOG.md", "## 1.2.3, not released yet\n");
    assert!(!version("v1.2.3").status.success());
    write("CHANGELOG.md", "## 1.2.3, 2026-01-31\n");
    write(
        "deploy/chart/Chart.yaml",
        "version: 1.2.3\nappVersion: 1.2.2\n",
    );
    assert!(!version("v1.2.3").status.success());
}

#[test]
fn the_notes_are_those_of_the_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(!printed(&script("notes", &[version])).trim().is_empty());
    assert!(!script("notes", &["99.0.0"]).status.success());
}

#[test]
fn krew_finds_the_archives_and_their_sums() {
    let out = tempfile::tempdir().unwrap();
    let directory = out.path().to_str().unwrap();
    let platforms = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"];
    for platform in platforms {
        let program = out.path().join(platform);
        fs::write(&program, platform).unwrap();
        let program = program.to_str().unwrap();
        printed(&script("archive", &[program, platform, directory]));
    }
    let home = "https://github.com/owner/aso-guard";
    let manifest = printed(&script("krew", &["0.1.0", home, directory]));
    let manifest: Value = serde_yaml::from_str(&manifest).unwrap();
    assert_eq!(manifest["spec"]["version"], "v0.1.0");
    assert_eq!(manifest["spec"]["homepage"], home);
    let listed = manifest["spec"]["platforms"].as_array().unwrap();
    assert_eq!(listed.len(), platforms.len());
    for (one, platform) in listed.iter().zip(platforms) {
        let labels = &one["selector"]["matchLabels"];
        let (os, arch) = (
            labels["os"].as_str().unwrap(),
            labels["arch"].as_str().unwrap(),
        );
        assert_eq!(format!("{os}-{arch}"), platform);
        let archive = format!("aso-guard-{platform}.tar.gz");
        let address = format!("{home}/releases/download/v0.1.0/{archive}");
        assert_eq!(one["uri"], address);
        let sum = Command::new("sha256sum")
            .arg(out.path().join(&archive))
            .output()
            .unwrap();
        let sum = printed(&sum);
        assert_eq!(one["sha256"], sum.split(' ').next().unwrap());
        let list = Command::new("tar")
            .arg("-tzf")
            .arg(out.path().join(&archive))
            .output();
        assert_eq!(printed(&list.unwrap()), "aso-guard\nLICENSE\n");
    }
}

/// Whoever installs it has to say nothing of where the image is.
#[tokio::test]
async fn the_chart_of_a_release_knows_its_image_and_its_documents() {
    let out = tempfile::tempdir().unwrap();
    let (image, docs) = ("ghcr.io/owner/aso-guard", "https://x.example/docs");
    let program = binaries::helm().await.unwrap();
    let directory = out.path().to_str().unwrap();
    let packaged = Command::new(root("deploy/release/chart"))
        .args(["9.8.7", image, docs, directory])
        .env("HELM", program)
        .output()
        .unwrap();
    printed(&packaged);
    let package = out.path().join("aso-guard-9.8.7.tgz");
    let rendered = helm(&[
        "template",
        "aso-guard",
        package.to_str().unwrap(),
        "--set=cluster=main,metrics.prometheusRule.enabled=true",
    ])
    .await
    .unwrap();
    assert!(
        rendered.contains(&format!("image: {image}:9.8.7")),
        "{rendered}"
    );
    assert!(
        rendered.contains(&format!("runbook_url: {docs}/alerts.md#")),
        "{rendered}"
    );
}
