//! What pipelines run: the steps of the GitHub action, as a script.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rstest::rstest;
use serde_json::Value;

use crate::run::{check_in, repository, said};

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[rstest]
#[case::by_its_file("", Some(1), " errors, ")]
#[case::by_an_input("b=clusters/b/shop/network.yaml", Some(0), "nothing found")]
fn the_action_annotates_sums_up_and_ends_as_the_check_does(
    #[case] clusters: &str,
    #[case] code: Option<i32>,
    #[case] summary: &str,
) {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("summary");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/github-action/check");
    let mut command = Command::new(script);
    command
        .env("ASO_GUARD", env!("CARGO_BIN_EXE_aso-guard"))
        .env("ASO_GUARD_CHECK_CLUSTER", clusters)
        .env("GITHUB_STEP_SUMMARY", &page);
    // Named clusters stand beside those of the file: here there is none.
    let at = if clusters.is_empty() {
        repository()
    } else {
        directory.path().to_owned()
    };
    if !clusters.is_empty() {
        fs::create_dir_all(at.join("clusters/b/shop")).unwrap();
        let text = fs::read(repository().join("clusters/b/shop/network.yaml")).unwrap();
        fs::write(at.join("clusters/b/shop/network.yaml"), text).unwrap();
    }
    let said = said(command, &at, "");
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    assert_eq!(
        said.out.contains("::error file="),
        code == Some(1),
        "{}",
        said.out
    );
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains(summary), "{page}");
}

#[test]
fn the_action_and_the_hook_are_what_they_have_to_be() {
    let action: Value = serde_yaml::from_str(&file("deploy/github-action/action.yml")).unwrap();
    assert_eq!(action["runs"]["using"], "composite");
    let step = &action["runs"]["steps"][0];
    assert!(
        step["run"]
            .as_str()
            .unwrap()
            .contains("GITHUB_ACTION_PATH/check")
    );
    // Inputs are handed on as environment variables, never pasted into a shell's line.
    assert!(!step["run"].as_str().unwrap().contains("${{"));
    let hooks: Value = serde_yaml::from_str(&file(".pre-commit-hooks.yaml")).unwrap();
    assert_eq!(hooks[0]["entry"], "aso-guard check");
    assert_eq!(hooks[0]["pass_filenames"], false);
}

/// A group whose only copy is parked.
const PARKED: &str = "apiVersion: resources.azure.com/v1api20200601\nkind: ResourceGroup\nmetadata:\n  name: rg\n  \
     namespace: shop\n  annotations: {serviceoperator.azure.com/reconcile-policy: skip}\n";
/// A live network in it.
const LIVE: &str = "---\napiVersion: network.azure.com/v1api20240301\nkind: VirtualNetwork\nmetadata:\n  name: net\n  \
     namespace: shop\nspec:\n  owner: {name: rg}\n";

#[rstest]
#[case::a_note(PARKED, "warning", Some(0))]
#[case::a_warning(&[PARKED, LIVE].concat(), "warning", Some(1))]
#[case::a_warning_where_errors_count(&[PARKED, LIVE].concat(), "error", Some(0))]
#[case::an_error(&PARKED.replace("skip", "Skip"), "error", Some(1))]
fn what_fails_is_what_is_asked_for(
    #[case] text: &str,
    #[case] fail_on: &str,
    #[case] code: Option<i32>,
) {
    let directory = tempfile::tempdir().unwrap();
    let args = ["--cluster=a=-", "--fail-on", fail_on, "-o=json"];
    let said = check_in(directory.path(), &args, text);
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    assert!(!said.findings().is_empty(), "{}", said.out);
}

#[test]
fn a_reader_who_reads_no_further_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aso-guard"))
        .args(["check", "--cluster=a=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    // Only at the end of its input does it write.
    child
        .stdin
        .take()
        .unwrap()
        .write_all(PARKED.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
