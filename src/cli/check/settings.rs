//! What a check was told: flags and the file, checked as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::check::{ClusterSettings, NamespaceSettings, Rule, is_subscription};
use crate::claim::MemberName;
use crate::policy::Policy;

use super::{ClusterArgs, SourceFiles};
use crate::cli::problems::Problems;

/// The file that is read where no other is named.
const DEFAULT_FILE: &str = "aso-guard.yaml";

/// What there is to do.
pub(in crate::cli) struct CheckPlan {
    pub(in crate::cli) clusters: Vec<PlannedCluster>,
    pub(in crate::cli) ignore: Vec<Rule>,
}

/// One cluster of it.
pub(in crate::cli) struct PlannedCluster {
    pub(in crate::cli) settings: ClusterSettings,
    pub(super) paths: Vec<PathBuf>,
    /// Where objects are that don't say.
    pub(super) default_namespace: String,
}

impl PlannedCluster {
    fn new(name: MemberName, paths: Vec<PathBuf>) -> Self {
        Self {
            settings: ClusterSettings::of(name),
            paths,
            default_namespace: "default".to_owned(),
        }
    }
}

/// `aso-guard.yaml`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsFile {
    clusters: Vec<SettingsFileCluster>,
    #[serde(default)]
    ignore: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsFileCluster {
    name: String,
    /// Relative to the file.
    #[serde(default)]
    paths: Vec<PathBuf>,
    subscription: Option<String>,
    default_policy: Option<String>,
    /// The namespaces that ASO runs in.
    #[serde(default)]
    aso_namespaces: Vec<String>,
    default_namespace: Option<String>,
    #[serde(default)]
    namespaces: BTreeMap<String, SettingsFileNamespace>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsFileNamespace {
    subscription: Option<String>,
    policy: Option<String>,
    #[serde(default)]
    credentials: BTreeMap<String, String>,
}

impl CheckPlan {
    /// Checks all of it. `members`: clusters that there have to be, with manifests or without;
    /// `problems`: what is wrong already.
    ///
    /// # Errors
    /// All that is wrong.
    pub(in crate::cli) fn of<'m>(
        args: &ClusterArgs,
        members: impl Iterator<Item = &'m MemberName>,
        problems: Option<Problems>,
    ) -> Result<Self, Problems> {
        let mut problems = problems.unwrap_or_default();
        let file = file(args.config.as_deref(), &mut problems);
        let mut clusters = file.clusters;
        let mut given: Vec<MemberName> = Vec::new();
        for flag in &args.clusters {
            cluster_flag(flag, &mut clusters, &mut given, &mut problems);
        }
        // What is stated of a member that is replayed has to count, with objects or without.
        let members: Vec<&MemberName> = members.collect();
        for member in &members {
            if !clusters
                .iter()
                .any(|planned| planned.settings.name == **member)
            {
                clusters.push(PlannedCluster::new((*member).clone(), Vec::new()));
            }
        }
        for flag in &args.subscriptions {
            subscription_flag(flag, &mut clusters, &mut problems);
        }
        for flag in &args.default_policies {
            let (_, policy) = split(flag);
            problems.parse::<Policy>("--default-policy", policy);
            for planned in chosen("--default-policy", flag, &mut clusters, &mut problems) {
                planned.settings.default_policy = Some(policy.into());
            }
        }
        let ignore = args.ignore.iter().map(|name| ("--ignore", name));
        let ignore = ignore.chain(file.ignore.iter().map(|name| ("ignore", name)));
        let ignore = ignore
            .filter_map(|(flag, name)| problems.parse(flag, name))
            .collect();
        for planned in &clusters {
            if planned.paths.is_empty() && members.is_empty() {
                let name = &planned.settings.name;
                problems.add(format!(
                    "cluster {name} has no paths: --cluster {name}=PATH"
                ));
            }
            for path in &planned.paths {
                if let Err(problem) = SourceFiles::find(path) {
                    problems.add(problem);
                }
            }
        }
        if clusters.is_empty() && problems.is_empty() {
            problems.add(
                "nothing to check: name each cluster and its manifests, \
                 --cluster a=clusters/a --cluster b=clusters/b, or write them into aso-guard.yaml",
            );
        }
        if problems.is_empty() {
            Ok(Self { clusters, ignore })
        } else {
            Err(problems)
        }
    }
}

/// What the file says, with the clusters in it.
struct FileSettings {
    clusters: Vec<PlannedCluster>,
    ignore: Vec<String>,
}

fn file(path: Option<&Path>, problems: &mut Problems) -> FileSettings {
    let none = FileSettings {
        clusters: Vec::new(),
        ignore: Vec::new(),
    };
    let path = match path {
        Some(path) => path,
        None if Path::new(DEFAULT_FILE).is_file() => Path::new(DEFAULT_FILE),
        None => return none,
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.add(format!("--config: {}: {error}", path.display()));
            return none;
        }
    };
    let file: SettingsFile = match serde_yaml::from_str(&text) {
        Ok(file) => file,
        Err(error) => {
            let line = error.location().map_or(1, |at| at.line());
            problems.add(format!("{}:{line}: {error}", path.display()));
            return none;
        }
    };
    let base = path.parent().unwrap_or(Path::new(""));
    let mut clusters: Vec<PlannedCluster> = Vec::new();
    for cluster in file.clusters {
        let Some(planned) = planned(cluster, base, path, problems) else {
            continue;
        };
        let name = &planned.settings.name;
        if clusters.iter().any(|other| other.settings.name == *name) {
            problems.add(format!("{}: cluster {name} is there twice", path.display()));
        }
        clusters.push(planned);
    }
    FileSettings {
        clusters,
        ignore: file.ignore,
    }
}

fn planned(
    cluster: SettingsFileCluster,
    base: &Path,
    path: &Path,
    problems: &mut Problems,
) -> Option<PlannedCluster> {
    let name: MemberName = match cluster.name.parse() {
        Ok(name) => name,
        Err(error) => {
            problems.add(format!("{}: {error}", path.display()));
            return None;
        }
    };
    let stated = cluster.namespaces.values();
    let stated = stated.flat_map(|one| one.subscription.iter().chain(one.credentials.values()));
    for id in stated.chain(&cluster.subscription) {
        if !is_subscription(id) {
            problems.add(format!(
                "{}: cluster {name}: {id:?} is no subscription's ID",
                path.display()
            ));
        }
    }
    let namespaces = cluster.namespaces.into_iter().map(|(namespace, stated)| {
        let credentials = stated.credentials.into_iter();
        let settings = NamespaceSettings {
            subscription: stated.subscription.map(Arc::from),
            policy: stated.policy.map(Arc::from),
            credentials: credentials
                .map(|(name, id)| (name, Arc::from(id)))
                .collect(),
        };
        (namespace, settings)
    });
    let below = |path: PathBuf| match path.to_str().and_then(|path| path.split_once(':')) {
        _ if path == Path::new("-") => path,
        Some((tool @ ("kustomize" | "flux" | "helm"), rest)) => {
            let parts = rest
                .split(':')
                .map(|part| base.join(part).display().to_string());
            PathBuf::from(format!("{tool}:{}", parts.collect::<Vec<_>>().join(":")))
        }
        _ => base.join(path),
    };
    Some(PlannedCluster {
        settings: ClusterSettings {
            name,
            subscription: cluster.subscription.map(Arc::from),
            default_policy: cluster.default_policy.map(Arc::from),
            operators: cluster.aso_namespaces.into_iter().map(Arc::from).collect(),
            namespaces: namespaces.collect(),
        },
        paths: cluster.paths.into_iter().map(below).collect(),
        default_namespace: cluster
            .default_namespace
            .unwrap_or_else(|| "default".to_owned()),
    })
}

/// `--cluster NAME=PATH[,PATH…]`: the first for a name takes the place of the file's paths.
fn cluster_flag(
    flag: &str,
    clusters: &mut Vec<PlannedCluster>,
    given: &mut Vec<MemberName>,
    problems: &mut Problems,
) {
    let Some((name, paths)) = flag.split_once('=') else {
        problems.add(format!(
            "--cluster: {flag:?} has no path; write it like a=clusters/a"
        ));
        return;
    };
    let Some(name) = problems.parse::<MemberName>("--cluster", name) else {
        return;
    };
    let paths: Vec<PathBuf> = paths
        .split(',')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect();
    let known = clusters
        .iter_mut()
        .find(|known| known.settings.name == name);
    match known {
        Some(known) if given.contains(&name) => known.paths.extend(paths),
        Some(known) => known.paths = paths,
        None => clusters.push(PlannedCluster::new(name.clone(), paths)),
    }
    given.push(name);
}

/// `--subscription [CLUSTER[/NAMESPACE[/SECRET]]=]ID`.
fn subscription_flag(flag: &str, clusters: &mut [PlannedCluster], problems: &mut Problems) {
    let (name, id) = split(flag);
    if !id.is_empty() && !is_subscription(id) {
        problems.add(format!("--subscription: {id:?} is no subscription's ID"));
    }
    let mut parts = name.unwrap_or_default().splitn(3, '/');
    let (cluster, namespace, secret) = (parts.next(), parts.next(), parts.next());
    let about = match cluster.filter(|name| !name.is_empty()) {
        Some(cluster) => format!("{cluster}={id}"),
        None => flag.to_owned(),
    };
    for planned in chosen("--subscription", &about, clusters, problems) {
        let settings = &mut planned.settings;
        let Some(namespace) = namespace else {
            settings.subscription = Some(id.into());
            continue;
        };
        let of = settings.namespaces.entry(namespace.to_owned()).or_default();
        match secret {
            None => of.subscription = Some(id.into()),
            Some(secret) => {
                of.credentials.insert(secret.to_owned(), id.into());
            }
        }
    }
}

/// `NAME=VALUE` or `VALUE`.
fn split(flag: &str) -> (Option<&str>, &str) {
    match flag.split_once('=') {
        Some((name, value)) => (Some(name), value),
        None => (None, flag),
    }
}

/// The clusters that a flag is about.
fn chosen<'c>(
    flag: &str,
    text: &str,
    clusters: &'c mut [PlannedCluster],
    problems: &mut Problems,
) -> Vec<&'c mut PlannedCluster> {
    let (name, value) = split(text);
    let chosen: Vec<&mut PlannedCluster> = clusters
        .iter_mut()
        .filter(|planned| name.is_none_or(|name| planned.settings.name.as_str() == name))
        .collect();
    if value.is_empty() {
        problems.add(format!("{flag}: {text:?} says nothing after the ="));
    }
    if let (Some(name), true) = (name, chosen.is_empty()) {
        problems.add(format!("{flag}: there is no cluster {name}"));
    }
    chosen
}
