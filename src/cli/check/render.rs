//! What a tool renders, where the tool is on the PATH.

mod flux;
mod substitute;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::object::text::printable;

use super::files::{SourceFiles, failed};

use substitute::substitute;

/// A path with a word before it that says how it is rendered.
enum Rendered {
    /// `kustomize:DIRECTORY`.
    Kustomize(PathBuf),
    /// `helm:CHART[:VALUES…]`.
    Helm(PathBuf, Vec<PathBuf>),
    /// `flux:DIRECTORY`: what Flux applies, beginning at a cluster's directory.
    Flux(PathBuf),
}

/// A text that was rendered, or a directory that is read as it stands.
enum Output {
    /// Under this name.
    Text(String, String),
    /// With variables filled in.
    Directory(PathBuf, substitute::Variables),
    /// What is to be said of it.
    Remark(String),
}

impl SourceFiles {
    /// Hands every file at a path to `each`, in the order of their names, or what a tool renders
    /// there. `namespace`: of a chart's objects that do not say.
    ///
    /// # Errors
    /// There is nothing at the path, or it cannot be read; with the path, for a person.
    pub(super) fn read(
        &mut self,
        path: &Path,
        namespace: &str,
        mut each: impl FnMut(&Arc<str>, &str),
    ) -> Result<(), String> {
        let Some(rendered) = Rendered::of(path) else {
            return match self.read_plain(path, each)? {
                0 => Err(format!(
                    "{}: there is no .yaml, .yml or .json file in it; what a tool renders is given \
                     as kustomize:DIR, flux:DIR or helm:CHART",
                    path.display()
                )),
                _ => Ok(()),
            };
        };
        for output in rendered.render(namespace)? {
            match output {
                Output::Text(name, text) => each(&printable(&name, usize::MAX).into(), &text),
                Output::Remark(remark) => self.remarks.push(printable(&remark, usize::MAX)),
                Output::Directory(directory, variables) => {
                    self.read_plain(&directory, |file, text| {
                        each(file, &substitute(text, &variables));
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Whether there is something at a path, where that can be told without a tool.
    ///
    /// # Errors
    /// There is nothing; with the path, for a person.
    pub(super) fn find(path: &Path) -> Result<(), String> {
        if path == Path::new("-") || Rendered::of(path).is_some() {
            return Ok(());
        }
        fs::metadata(path)
            .map(drop)
            .map_err(|error| failed(path, &error))
    }
}

impl Rendered {
    /// What a path says of it, if anything.
    fn of(path: &Path) -> Option<Self> {
        let (tool, rest) = path.to_str()?.split_once(':')?;
        match tool {
            "kustomize" => Some(Self::Kustomize(rest.into())),
            "flux" => Some(Self::Flux(rest.into())),
            "helm" => {
                let mut parts = rest.split(':').map(PathBuf::from);
                Some(Self::Helm(parts.next()?, parts.collect()))
            }
            _ => None,
        }
    }

    /// Renders it. `namespace`: of a chart's objects that do not say.
    ///
    /// # Errors
    /// A tool is not there, or complains; for a person.
    fn render(&self, namespace: &str) -> Result<Vec<Output>, String> {
        match self {
            Self::Kustomize(directory) => {
                let name = format!("kustomize:{}", directory.display());
                Ok(vec![Output::Text(name, kustomize(directory)?)])
            }
            Self::Helm(chart, values) => {
                let name = format!("helm:{}", chart.display());
                Ok(vec![Output::Text(name, helm(chart, values, namespace)?)])
            }
            Self::Flux(directory) => flux::render(directory),
        }
    }
}

/// The program, and the arguments before the directory, that render a kustomization.
const KUSTOMIZE: [(&str, &[&str]); 2] = [("kustomize", &["build"]), ("kubectl", &["kustomize"])];

fn kustomize(directory: &Path) -> Result<String, String> {
    for (program, args) in KUSTOMIZE {
        let mut command = Command::new(program);
        // As Flux and Argo CD call it: bases may lie beside the overlay.
        command
            .args(args)
            .arg("--load-restrictor=LoadRestrictionsNone")
            .arg(directory);
        if let Some(output) = run(command, program)? {
            return Ok(output);
        }
    }
    Err(missing("kustomize or kubectl", directory))
}

fn helm(chart: &Path, values: &[PathBuf], namespace: &str) -> Result<String, String> {
    let name = chart.file_name().and_then(|name| name.to_str());
    let mut command = Command::new("helm");
    command
        .args(["template", name.unwrap_or("release")])
        .arg(chart)
        .args(["--namespace", namespace]);
    for file in values {
        command.arg("--values").arg(file);
    }
    run(command, "helm")?.ok_or_else(|| missing("helm", chart))
}

fn missing(program: &str, path: &Path) -> String {
    format!(
        "{}: {program} is not on the PATH; install it, or render it elsewhere and give what it \
         writes: --cluster NAME=FILE",
        path.display()
    )
}

/// What a program writes; `None` where there is no such program.
fn run(mut command: Command, program: &str) -> Result<Option<String>, String> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{program}: {error}")),
    };
    if output.status.success() {
        let text = String::from_utf8(output.stdout);
        return text
            .map(Some)
            .map_err(|_| format!("{program} wrote no text"));
    }
    let mut why = format!("{program} failed ({})", output.status);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = complaint.lines().filter(|line| !line.trim().is_empty());
    for line in complaint.take(3) {
        let line = printable(line.trim(), 300);
        // Writing to a String cannot fail.
        let _ = write!(why, "; {line}");
    }
    Err(why)
}
