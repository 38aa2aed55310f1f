//! What Flux applies to a cluster: its Kustomizations, each rendered, its variables filled in, and
//! those that come out of it in turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use crate::check::yaml::{YamlNode, documents};

use super::super::files::{KUSTOMIZATIONS, SourceFiles};
use super::substitute::{Variables, substitute};
use super::{Output, kustomize};

/// How many Kustomizations one cluster may have.
const MOST: usize = 1000;

/// What a Kustomization may do to what it applies, and is not done here.
const LEFT_OUT: [&str; 5] = [
    "targetNamespace",
    "patches",
    "components",
    "namePrefix",
    "nameSuffix",
];

/// A directory that is applied, and with which variables.
struct AppliedDirectory {
    directory: PathBuf,
    variables: Variables,
}

/// What a rendered text has of Flux's.
#[derive(Default)]
struct FluxObjects {
    steps: Vec<Kustomization>,
    /// The ConfigMaps and Secrets, by namespace and name.
    values: BTreeMap<(String, String), Variables>,
}

/// A Flux Kustomization.
struct Kustomization {
    id: (String, String),
    path: String,
    variables: Variables,
    /// The ConfigMaps and Secrets that more variables come from.
    from: Vec<(String, String)>,
    /// Which of its fields are left out.
    left_out: Vec<&'static str>,
}

/// Renders what Flux applies, beginning at a directory.
pub(super) fn render(directory: &Path) -> Result<Vec<Output>, String> {
    let root = root_of(directory)?;
    let mut outputs = Vec::new();
    let mut steps = VecDeque::from([AppliedDirectory {
        directory: directory.to_owned(),
        variables: Variables::new(),
    }]);
    let (mut met, mut values) = (BTreeSet::new(), BTreeMap::new());
    let mut waiting: Vec<Kustomization> = Vec::new();
    while let Some(step) = steps.pop_front() {
        let is_kustomization = KUSTOMIZATIONS
            .iter()
            .any(|name| step.directory.join(name).is_file());
        let mut found = FluxObjects::default();
        if is_kustomization {
            let text = substitute(&kustomize(&step.directory)?, &step.variables);
            found.take(&text);
            let name = format!("flux:{}", step.directory.display());
            outputs.push(Output::Text(name, text));
        } else {
            SourceFiles::default().read_plain(&step.directory, |_, text| {
                found.take(&substitute(text, &step.variables));
            })?;
            outputs.push(Output::Directory(step.directory, step.variables));
        }
        outputs.extend(found.steps.iter().filter_map(Kustomization::remark));
        values.append(&mut found.values);
        waiting.extend(
            found
                .steps
                .into_iter()
                .filter(|one| met.insert(one.id.clone())),
        );
        if met.len() > MOST {
            return Err(format!(
                "{}: more than {MOST} Kustomizations",
                directory.display()
            ));
        }
        // What applies a cluster's own directory is among what is in it.
        if steps.is_empty() {
            let next = waiting.drain(..).map(|one| one.step(&root, &values));
            steps.extend(next.filter(|step| !is_same(&step.directory, directory)));
        }
    }
    Ok(outputs)
}

impl Kustomization {
    /// Nothing is left out in silence.
    fn remark(&self) -> Option<Output> {
        let (namespace, name) = &self.id;
        let fields = self.left_out.join(" and ");
        let text = format!(
            "flux: {fields} of the Kustomization {namespace}/{name} not applied; to check what \
             comes of it: flux build kustomization {name}"
        );
        (!self.left_out.is_empty()).then_some(Output::Remark(text))
    }

    fn step(self, root: &Path, values: &BTreeMap<(String, String), Variables>) -> AppliedDirectory {
        let mut variables = Variables::new();
        for from in &self.from {
            variables.extend(values.get(from).cloned().unwrap_or_default());
        }
        variables.extend(self.variables);
        let below = self.path.trim_start_matches("./").trim_start_matches('/');
        let in_repository = root.join(below);
        // A repository may be a directory of another one: then all is seen from here.
        let directory = if in_repository.exists() {
            in_repository
        } else {
            PathBuf::from(below)
        };
        AppliedDirectory {
            directory,
            variables,
        }
    }
}

impl FluxObjects {
    fn take(&mut self, text: &str) {
        for document in documents(text).0 {
            let text = |path: &[&str]| document.find(path).and_then(YamlNode::text);
            let (Some(version), Some(kind), Some(name)) = (
                text(&["apiVersion"]),
                text(&["kind"]),
                text(&["metadata", "name"]),
            ) else {
                continue;
            };
            let namespace = text(&["metadata", "namespace"]).unwrap_or("flux-system");
            let id = (namespace.to_owned(), name.to_owned());
            match (version, kind) {
                ("v1", "ConfigMap") => {
                    self.values.insert(id, texts(document.get("data")));
                }
                ("v1", "Secret") => {
                    // What is encrypted says nothing.
                    let mut values = texts(document.get("stringData"));
                    values.retain(|_, value| !value.starts_with("ENC["));
                    self.values.insert(id, values);
                }
                (version, "Kustomization")
                    if version.starts_with("kustomize.toolkit.fluxcd.io/") =>
                {
                    let from = document.find(&["spec", "postBuild", "substituteFrom"]);
                    let from = from.map(YamlNode::items).unwrap_or_default().iter();
                    let from = from.filter_map(|one| one.get("name")?.text());
                    self.steps.push(Kustomization {
                        path: text(&["spec", "path"]).unwrap_or(".").to_owned(),
                        variables: texts(document.find(&["spec", "postBuild", "substitute"])),
                        from: from.map(|name| (id.0.clone(), name.to_owned())).collect(),
                        left_out: LEFT_OUT
                            .into_iter()
                            .filter(|field| document.find(&["spec", field]).is_some())
                            .collect(),
                        id,
                    });
                }
                _ => {}
            }
        }
    }
}

fn texts(node: Option<&YamlNode<'_>>) -> Variables {
    node.map(YamlNode::texts).unwrap_or_default()
}

/// The repository that a directory is in: paths of Kustomizations begin there.
fn root_of(directory: &Path) -> Result<PathBuf, String> {
    let failed = |error| format!("{}: {error}", directory.display());
    let full = fs::canonicalize(directory).map_err(failed)?;
    let mut above = full.ancestors();
    let repository = above.find(|above| above.join(".git").exists());
    Ok(match repository {
        // Relative, as the findings' places are to be.
        Some(root) => relative(root, &std::env::current_dir().map_err(failed)?),
        None => PathBuf::new(),
    })
}

fn relative(root: &Path, here: &Path) -> PathBuf {
    let here = fs::canonicalize(here).unwrap_or_else(|_| here.to_owned());
    match here.strip_prefix(root) {
        Ok(below) => below.components().map(|_| "..").collect(),
        Err(_) => root.to_owned(),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
