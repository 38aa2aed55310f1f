//! `docs/cli.md`: the reference of all commands and flags, made from the program, and checked
//! here to be what the program says. What else is made from it is tested here as well.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use rstest::rstest;

use super::Cli;
use super::generate::{CompletionsArgs, ManArgs, completions, man};

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    let below = command.get_subcommands();
    below.filter(|below| !below.is_hide_set() && below.get_name() != "help")
}

/// The reference of all commands and flags, in Markdown.
fn reference(command: &Command) -> String {
    let mut text = "# The command line\n\n\
        Generated from the program: `INSTA_UPDATE=always cargo test --lib reference` writes it \
        anew. Exit codes: 0 fine, 1 findings or a failure, 2 a flag, a file or a setting is \
        wrong, 3 something could not be reached.\n"
        .to_owned();
    section(&mut text, command, "");
    text
}

fn section(text: &mut String, command: &Command, above: &str) {
    let name = format!("{above}{}", command.get_name());
    let about = command.get_long_about().or(command.get_about());
    *text += &format!("\n## {name}\n");
    if let Some(about) = about {
        *text += &format!("\n{about}\n");
    }
    let flags: Vec<&clap::Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && arg.get_id() != "help")
        .collect();
    if !flags.is_empty() {
        *text += "\n| flag | environment | default | what it says |\n| --- | --- | --- | --- |\n";
    }
    for flag in flags {
        *text += &row(flag);
    }
    for below in visible(command) {
        section(text, below, &format!("{name} "));
    }
}

fn row(flag: &clap::Arg) -> String {
    let values: Vec<String> = flag
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let value = if flag.get_action().takes_values() {
        values.join(" ")
    } else {
        String::new()
    };
    let name = match (flag.get_short(), flag.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("--{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, None) => String::new(),
    };
    let name = format!("{name} {value}").trim().to_owned();
    let environment = flag
        .get_env()
        .map(|env| format!("`{}`", env.to_string_lossy()));
    let defaults: Vec<String> = flag
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let possible: Vec<String> = flag
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    let help = flag.get_long_help().or(flag.get_help());
    let mut words = help.map(ToString::to_string).unwrap_or_default();
    if !possible.is_empty() && flag.get_action().takes_values() {
        words += &format!(" [{}]", possible.join(", "));
    }
    let paragraphs = words
        .split("\n\n")
        .map(|paragraph| paragraph.trim_end_matches('.'));
    let words = paragraphs.collect::<Vec<_>>().join(". ");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    format!(
        "| `{}` | {} | {} | {} |\n",
        name.replace('|', "\\|"),
        environment.unwrap_or_default(),
        defaults.join(", "),
        cell(&words)
    )
}

#[test]
fn the_reference_says_what_the_program_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let said = reference(&Cli::command());
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &said).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == said,
        "docs/cli.md is not what the program says; write it anew with: \
         INSTA_UPDATE=always cargo test --lib reference"
    );
}

#[test]
fn every_flag_of_the_long_run_has_an_environment_variable() {
    for command in visible(&Cli::command()).filter(|one| one.get_name() == "serve") {
        for flag in command
            .get_arguments()
            .filter(|flag| flag.get_id() != "help")
        {
            let env = flag.get_env().map(|env| env.to_string_lossy().into_owned());
            let env = env.unwrap_or_else(|| panic!("--{} has none", flag.get_id()));
            assert!(env.starts_with("ASO_GUARD_"), "{env}");
        }
    }
}

#[rstest]
#[case(Shell::Bash)]
#[case(Shell::Zsh)]
#[case(Shell::Fish)]
#[case(Shell::PowerShell)]
fn shells_complete_every_command(#[case] shell: Shell) {
    let mut out = Vec::new();
    completions(&CompletionsArgs { shell }, Cli::command(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for command in visible(&Cli::command()) {
        assert!(text.contains(command.get_name()), "{}", command.get_name());
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("man");
    let mut out = Vec::new();
    man(&ManArgs { dir: dir.clone() }, Cli::command(), &mut out).unwrap();
    for name in ["aso-guard", "aso-guard-serve", "aso-guard-claims-release"] {
        let page = fs::read_to_string(dir.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH"), "{page}");
        assert!(page.contains(&name.replace('-', "\\-")), "{page}");
    }
}
