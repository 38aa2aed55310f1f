//! What people's shells have of it: kubectl's plugin, completions, manual pages.

#![allow(
    clippy::unwrap_used,
    reason = "what a test expects fails it otherwise, in its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rstest::rstest;

const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");

fn said(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// kubectl runs a plugin by its file's name, and hands over what comes after it.
#[rstest]
#[case::of_all(&["--help"], "Usage: kubectl aso-guard [OPTIONS] <COMMAND>")]
#[case::of_one(&["claims", "release", "--help"], "Usage: kubectl aso-guard claims release ")]
fn as_kubectls_plugin_it_calls_itself_that(#[case] args: &[&str], #[case] usage: &str) {
    let directory = tempfile::tempdir().unwrap();
    let plugin = directory.path().join("kubectl-aso_guard");
    symlink(GUARD, &plugin).unwrap();
    let help = said(&plugin, args);
    assert!(help.contains(usage), "{help}");
    let own = said(Path::new(GUARD), args);
    assert!(!own.contains("kubectl aso-guard"), "{own}");
}

#[rstest]
fn each_shell_has_completions_of_all_commands(
    #[values("bash", "elvish", "fish", "powershell", "zsh")] shell: &str,
) {
    let completions = said(Path::new(GUARD), &["completions", shell]);
    for command in ["check", "audit", "release", "forget"] {
        assert!(completions.contains(command), "no {command} in {shell}'s");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man/man1");
    let told = said(Path::new(GUARD), &["man", pages.to_str().unwrap()]);
    assert!(told.contains("man -l "), "{told}");
    let written: BTreeSet<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected: BTreeSet<String> = commands()
        .into_iter()
        .map(|command| format!("{}.1", command.replace(' ', "-")))
        .collect();
    assert!(expected.contains("aso-guard-claims-list.1"), "{expected:?}");
    let missing: Vec<_> = expected.difference(&written).collect();
    assert!(missing.is_empty(), "no pages {missing:?} among {written:?}");
    for page in written {
        let text = fs::read_to_string(pages.join(&page)).unwrap();
        assert!(
            text.contains(".TH ") && text.contains(".SH SYNOPSIS"),
            "{page}:\n{text}"
        );
    }
}

/// Of `members add` for a container in Azure: run by a shell, with something in place of `az` that
/// notes how it was called.
#[test]
fn the_script_of_a_member_in_azure_runs_in_any_shell() {
    let directory = tempfile::tempdir().unwrap();
    let az = directory.path().join("az");
    let noting = "#!/bin/sh\nfor word; do printf '[%s]' \"$word\"; done >>\"$CALLS\"; echo >>\"$CALLS\"\n\
                  case \"$*\" in *'definition list'*) ;; *) echo ID ;; esac\n";
    fs::write(&az, noting).unwrap();
    fs::set_permissions(&az, fs::Permissions::from_mode(0o700)).unwrap();
    let args = [
        "members",
        "add",
        "west",
        "--registry",
        "azure://fleetclaims/claims",
        "--resource-group",
        "platform (prod)",
    ];
    let script = directory.path().join("west.sh");
    fs::write(&script, said(Path::new(GUARD), &args)).unwrap();
    let calls = directory.path().join("calls");
    let path = format!(
        "{}:{}",
        directory.path().display(),
        std::env::var("PATH").unwrap()
    );
    let run = |issuer: Option<&str>| {
        let mut sh = Command::new("sh");
        sh.arg(&script).env("PATH", &path).env("CALLS", &calls);
        sh.env_remove("ISSUER");
        if let Some(issuer) = issuer {
            sh.env("ISSUER", issuer);
        }
        sh.output().unwrap()
    };
    let asked = run(None);
    let error = String::from_utf8(asked.stderr).unwrap();
    assert!(
        !asked.status.success() && error.contains("oidcIssuerProfile"),
        "{error}"
    );
    assert!(!calls.exists(), "nothing is done before all is known");

    let done = run(Some("https://oidc.example/west/"));
    assert!(done.status.success(), "{done:?}");
    let words = String::from_utf8(done.stdout).unwrap();
    assert!(
        words.contains("--set registry.azure.clientId=ID"),
        "{words}"
    );
    let calls = fs::read_to_string(&calls).unwrap();
    let call = |named: &str| calls.lines().find(|line| line.starts_with(named)).unwrap();
    assert!(
        calls.contains("\"/subscriptions/ID\"") && !calls.contains("containers/delete"),
        "{calls}"
    );
    let assigned = call("[role][assignment][create]");
    assert!(
        assigned.contains("[ID/blobServices/default/containers/claims]"),
        "{assigned}"
    );
    assert!(
        assigned.contains("StringEquals 'members/west'))]"),
        "{assigned}"
    );
    let federated = call("[identity][federated-credential][create]");
    assert!(
        federated.contains("[https://oidc.example/west/]"),
        "{federated}"
    );
    assert!(
        federated.contains("[--resource-group][platform (prod)]"),
        "{federated}"
    );
}

/// All commands, as `docs/cli.md` lists them.
fn commands() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let docs = fs::read_to_string(docs).unwrap();
    let headings = docs.lines().filter_map(|line| line.strip_prefix("## "));
    headings.map(str::to_owned).collect()
}
