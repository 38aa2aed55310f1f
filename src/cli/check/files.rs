//! Which files there are to read, and what they say.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::check::yaml::{YamlNode, documents};
use crate::check::{Finding, Level, Location, Position, Rule};
use crate::object::text::{printable, quoted};

/// How deep directories are searched.
const DEPTH: usize = 64;
/// What files of manifests end with.
const ENDS: [&str; 3] = ["yaml", "yml", "json"];
/// What makes a directory one that kustomize renders.
pub(super) const KUSTOMIZATIONS: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The files read so far.
#[derive(Default)]
pub(in crate::cli) struct SourceFiles {
    /// What could not be read as text.
    pub(super) findings: Vec<Finding>,
    /// What a person should know of how they were read.
    pub(super) remarks: Vec<String>,
    stdin: bool,
    /// The files that kustomizations patch with, which are no objects.
    patches: HashSet<PathBuf>,
}

impl SourceFiles {
    /// Hands every file at a path to `each`, in the order of their names, without rendering
    /// anything: how many files there are.
    pub(super) fn read_plain(
        &mut self,
        path: &Path,
        mut each: impl FnMut(&Arc<str>, &str),
    ) -> Result<usize, String> {
        if path == Path::new("-") {
            if std::mem::replace(&mut self.stdin, true) {
                return Err("-: standard input can be read only once".to_owned());
            }
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| failed(path, &error))?;
            self.text(path, bytes, &mut each);
            return Ok(1);
        }
        let mut found = Vec::new();
        let is_directory = fs::metadata(path)
            .map_err(|error| failed(path, &error))?
            .is_dir();
        if is_directory {
            self.search(path, DEPTH, &mut found)
                .map_err(|(path, error)| failed(&path, &error))?;
        } else {
            found.push(path.to_owned());
        }
        let files = found.len();
        found.retain(|file| !self.patches.contains(&plain_path(file)));
        for file in found {
            let bytes = fs::read(&file).map_err(|error| failed(&file, &error))?;
            self.text(&file, bytes, &mut each);
        }
        Ok(files)
    }

    fn text(&mut self, file: &Path, bytes: Vec<u8>, each: &mut impl FnMut(&Arc<str>, &str)) {
        let path = file.strip_prefix("./").unwrap_or(file);
        let name: Arc<str> = printable(&path.to_string_lossy(), usize::MAX).into();
        match String::from_utf8(bytes) {
            Ok(text) => each(&name, &text),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let before = &error.as_bytes()[..good];
                let lines = before.split(|&byte| byte == b'\n').count();
                let at = Position {
                    line: u32::try_from(lines).unwrap_or(u32::MAX),
                    column: 1,
                };
                let place = Location { file: name, at };
                let what = "this is no text: it is not UTF-8".to_owned();
                let finding = Finding::at(Rule::Unreadable, Level::Error, place, what);
                self.findings.push(finding);
            }
        }
    }

    /// The files of manifests below a directory. Hidden ones, and links to directories, are
    /// left out; so are a Helm chart's templates, which are no manifests.
    fn search(
        &mut self,
        directory: &Path,
        depth: usize,
        found: &mut Vec<PathBuf>,
    ) -> Result<(), (PathBuf, std::io::Error)> {
        let named = |error| (directory.to_owned(), error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory).map_err(named)? {
            entries.push(entry.map_err(named)?);
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        let has = |name: &str| entries.iter().any(|entry| entry.file_name() == *name);
        let is_chart = has("Chart.yaml");
        let path = directory.display();
        let word = quoted(&path.to_string());
        if is_chart {
            self.remarks.push(format!(
                "{path} is a Helm chart; its templates are not read. Render it: \
                 helm template NAME {word} | aso-guard check --cluster NAME=-"
            ));
        }
        let kustomization = KUSTOMIZATIONS.iter().find(|name| has(name));
        if let Some(name) = kustomization {
            let text = fs::read_to_string(directory.join(name)).unwrap_or_default();
            let patches = patches(&text).into_iter();
            let patches = patches.map(|patch| plain_path(&directory.join(patch)));
            self.patches.extend(patches);
            self.remarks.push(format!(
                "{path} is a kustomization; its files are read as they stand, not as they are \
                 patched. To check what is applied: \
                 kubectl kustomize {word} | aso-guard check --cluster NAME=-"
            ));
        }
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let kind = entry.file_type().map_err(|error| (path.clone(), error))?;
            if name.starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                if depth > 0 && !(is_chart && name == "templates") {
                    self.search(&path, depth - 1, found)?;
                }
                continue;
            }
            let end = path.extension().and_then(|end| end.to_str());
            let is_file = path.is_file() && end.is_some_and(|end| ENDS.contains(&end));
            if is_file && !KUSTOMIZATIONS.contains(&&*name) {
                found.push(path);
            }
        }
        Ok(())
    }
}

pub(super) fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// The files that a kustomization, or a component of one, takes for something else than objects.
fn patches(text: &str) -> Vec<String> {
    const FIELDS: [&str; 5] = [
        "patches",
        "patchesStrategicMerge",
        "patchesJson6902",
        "replacements",
        "transformers",
    ];
    let mut found = Vec::new();
    for document in documents(text).0 {
        let entries = FIELDS.iter().filter_map(|field| document.get(field));
        for entry in entries.flat_map(YamlNode::items) {
            let path = entry.get("path").unwrap_or(entry).text();
            found.extend(path.map(str::to_owned));
        }
    }
    found
}

/// A path without what leads nowhere: `a/../b/./c` is `b/c`.
fn plain_path(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
