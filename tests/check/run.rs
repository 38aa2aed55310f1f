//! Running the binary.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The seeded repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/repository")
}

/// What a run said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Its findings, where it wrote JSON.
    pub fn findings(&self) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err));
        report["findings"].as_array().unwrap().clone()
    }

    /// `rule file:line`, for each finding.
    pub fn places(&self) -> Vec<String> {
        let findings = self.findings();
        let places = findings.iter().map(|finding| {
            let (rule, place) = (finding["rule"].as_str().unwrap(), &finding["place"]);
            format!(
                "{rule} {}:{}",
                place["file"].as_str().unwrap(),
                place["line"]
            )
        });
        places.collect()
    }
}

/// Runs `aso-guard check` in a directory.
pub fn check_in(directory: &Path, args: &[&str], input: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aso-guard"));
    command.arg("check").args(args);
    said(command, directory, input)
}

/// Runs a command in a directory.
pub fn said(mut command: Command, directory: &Path, input: &str) -> Said {
    let mut child = command
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // One that ends without reading its input is as good.
    let writing = std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs `aso-guard check` on one text as cluster a.
pub fn check_text(text: &str) -> Said {
    let directory = tempfile::tempdir().unwrap();
    check_in(directory.path(), &["--cluster", "a=-", "-o", "json"], text)
}
