//! What people's shells have of it: kubectl's plugin, completions, manual pages.

#![allow(
    clippy::unwrap_used,
    reason = "what a test expects fails it otherwise, in its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
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

/// All commands, as `docs/cli.md` lists them.
fn commands() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let docs = fs::read_to_string(docs).unwrap();
    let headings = docs.lines().filter_map(|line| line.strip_prefix("## "));
    headings.map(str::to_owned).collect()
}
