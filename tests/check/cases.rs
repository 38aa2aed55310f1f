//! Small inputs, and all that is to be found in each.
//!
//! A file of `cases` has several, each so:
//!
//! ```text
//! === what it shows
//! args: --ignore owner-missing          (what is said besides the clusters)
//! --- a/rg.yaml                         (a file of cluster a; other directories are added to both
//! {kind: ResourceGroup, …}               where `common` says so)
//! --- expected
//! error conflict b/rg.yaml:1 assumed    (level, rule, place, words in it)
//! remark is a kustomization             (words of a remark, of the summary, or of the counts)
//! ```
//!
//! Findings that are not expected fail a case, and so do expected ones that are not found.

use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;
use serde_json::Value;

use crate::run::{Said, check_in};

/// One case, as it is written.
struct Case<'a> {
    title: &'a str,
    args: Vec<&'a str>,
    files: Vec<(&'a str, String)>,
    expected: Vec<&'a str>,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    text.split("=== ").skip(1).map(case).collect()
}

fn case(text: &str) -> Case<'_> {
    let mut parts = text.split("--- ");
    let mut head = parts.next().unwrap().lines();
    let title = head.next().unwrap();
    let args = head.filter_map(|line| line.strip_prefix("args: "));
    let args = args.flat_map(str::split_whitespace).collect();
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    for part in parts {
        let (name, body) = part.split_once('\n').unwrap();
        if name == "expected" {
            expected.extend(body.lines().filter(|line| !line.trim().is_empty()));
        } else {
            files.push((name, body.replace("\\---", "---")));
        }
    }
    Case {
        title,
        args,
        files,
        expected,
    }
}

/// What is wrong with what was said; empty where nothing is.
fn differences(case: &Case<'_>, said: &Said) -> Vec<String> {
    let report: Value = match serde_json::from_str(&said.out) {
        Ok(report) => report,
        Err(_) => return vec![format!("no report: {}", said.err)],
    };
    let mut findings = report["findings"].as_array().unwrap().clone();
    let mut wrong = Vec::new();
    for line in &case.expected {
        if let Some(words) = line.strip_prefix("remark ") {
            let told = ["remarks", "summary", "clusters"].map(|part| report[part].to_string());
            let told = told.join("\n");
            if !told.contains(words) {
                wrong.push(format!("no remark {words:?} in {told}"));
            }
            continue;
        }
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (level, rule, place, words) = (next(), next(), next(), next());
        let at = findings.iter().position(|found| {
            let told = format!("{}\n{}", found["message"], found["next"]);
            found["level"] == level
                && found["rule"] == rule
                && place_of(found) == place
                && told.contains(words)
        });
        match at {
            Some(at) => drop(findings.remove(at)),
            None => wrong.push(format!("not found: {line}")),
        }
    }
    for more in &findings {
        let words = format!("{} {}", more["message"], more["next"]);
        let (level, rule) = (&more["level"], &more["rule"]);
        wrong.push(format!(
            "found besides: {level} {rule} {} {words}",
            place_of(more)
        ));
    }
    let fails = |line: &&str| line.starts_with("error ") || line.starts_with("warning ");
    let code = i32::from(case.expected.iter().any(fails));
    if said.code != Some(code) {
        wrong.push(format!("exit code {:?}, and not {code}", said.code));
    }
    wrong
}

fn place_of(finding: &Value) -> String {
    let place = &finding["place"];
    match place["file"].as_str() {
        Some(file) => format!("{file}:{}", place["line"]),
        None => "-".to_owned(),
    }
}

fn run(case: &Case<'_>, directory: &Path) -> Said {
    for (name, text) in &case.files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let common = if directory.join("common").is_dir() {
        ",common"
    } else {
        ""
    };
    let clusters = ["a", "b"].into_iter();
    let clusters = clusters.filter(|name| directory.join(name).is_dir());
    let clusters: Vec<String> = clusters
        .map(|name| format!("--cluster={name}={name}{common}"))
        .collect();
    let mut args: Vec<&str> = clusters.iter().map(String::as_str).collect();
    args.extend(&case.args);
    args.push("-o=json");
    check_in(directory, &args, "")
}

#[rstest]
fn what_is_in_a_case_is_found_and_nothing_else(#[files("tests/check/cases/*.txt")] file: PathBuf) {
    let text = fs::read_to_string(&file).unwrap();
    let mut wrong = Vec::new();
    for case in cases(&text) {
        let directory = tempfile::tempdir().unwrap();
        let said = run(&case, directory.path());
        let found = differences(&case, &said);
        if !found.is_empty() {
            wrong.push(format!("{}:\n  {}", case.title, found.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What comes from a pull request goes to terminals, logs and a runner that takes lines for
/// commands.
#[rstest]
#[case("table")]
#[case("json")]
#[case("yaml")]
#[case("sarif")]
#[case("github")]
#[case("policyreport")]
#[case("openreports")]
fn nothing_that_is_read_writes_a_line_or_a_control_character_of_its_own(#[case] form: &str) {
    let text = fs::read_to_string("tests/check/cases/hostile.txt").unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (number, case) in cases(&text).into_iter().enumerate() {
        for (name, text) in &case.files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path.with_file_name(format!("{number}.yaml")), text).unwrap();
        }
    }
    let object = "apiVersion: resources.azure.com/v1\nkind: ResourceGroup\nmetadata: {name: rg}\n";
    for (number, name) in ["x\n::error::y", "x\x1b[2J", "x\u{202e}y"]
        .iter()
        .enumerate()
    {
        let inside = directory.path().join(format!("a/{name}"));
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("kustomization.yaml"), "resources: []\n").unwrap();
        let object = object.replace("rg}", &format!("rg-{number}}}"));
        fs::write(directory.path().join(format!("a/{name}.yaml")), &object).unwrap();
        fs::write(directory.path().join(format!("b/{name}.yaml")), &object).unwrap();
    }
    let args = ["--cluster=a=a", "--cluster=b=b", "-o", form];
    let said = check_in(directory.path(), &args, "");
    assert!(
        said.out.contains("rg-1") && said.out.len() > 1000,
        "{}",
        said.out
    );
    let bad = |c: char| c.is_control() && c != '\n';
    assert!(!said.out.contains(bad), "{:?}", said.out);
    for line in said.out.lines() {
        let command = line.trim_start().strip_prefix("::");
        let own = command.is_none_or(|rest| form == "github" && rest.contains("title=aso-guard"));
        assert!(own, "{line:?}");
    }
}
