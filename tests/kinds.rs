//! The table of kinds against ASO's own CRDs, where a copy of them lies beside
//! the checkout in `../shared/aso`. Without it, only what the table says of
//! itself is checked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are the helpers of tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use aso_guard::arm::{CrdFacts, Kind, Kinds, LearnError, Naming, Scope, learn};

/// Kinds that no CRD tells everything about, and why.
const NOT_LEARNED: [(&str, &str, LearnError); 10] = [
    // Not ARM resources.
    ("dbformysql.azure.com", "User", LearnError::NoArmUri),
    ("dbforpostgresql.azure.com", "User", LearnError::NoArmUri),
    ("entra.azure.com", "SecurityGroup", LearnError::NoArmUri),
    ("sql.azure.com", "User", LearnError::NoArmUri),
    // The name is fixed, but a placeholder stands for it in the ARM URI.
    (
        "apimanagement.azure.com",
        "ApiPolicy",
        LearnError::NameUnknown,
    ),
    ("apimanagement.azure.com", "Policy", LearnError::NameUnknown),
    (
        "apimanagement.azure.com",
        "ProductPolicy",
        LearnError::NameUnknown,
    ),
    (
        "dbformysql.azure.com",
        "FlexibleServersAdministrator",
        LearnError::NameUnknown,
    ),
    (
        "sql.azure.com",
        "ServersAdministrator",
        LearnError::NameUnknown,
    ),
    (
        "sql.azure.com",
        "ServersDatabasesTransparentDataEncryption",
        LearnError::NameUnknown,
    ),
];

/// Kinds that get their names by rules of their own, which no CRD tells.
const NAMED_OTHERWISE: [(&str, &str); 2] = [
    ("authorization.azure.com", "RoleAssignment"),
    ("documentdb.azure.com", "SqlRoleAssignment"),
];

/// Kinds that are newer than the CRDs of v2.19.0.
const NEWER: [&str; 12] = [
    "apimanagement.azure.com/Diagnostic",
    "apimanagement.azure.com/ProductGroup",
    "cognitiveservices.azure.com/Project",
    "containerregistry.azure.com/RegistryCacheRule",
    "databasewatcher.azure.com/SharedPrivateLink",
    "databasewatcher.azure.com/Target",
    "databasewatcher.azure.com/Watcher",
    "entra.azure.com/Application",
    "kusto.azure.com/ClusterPrincipalAssignment",
    "network.azure.com/DdosProtectionPlan",
    "sql.azure.com/ServersEncryptionProtector",
    "sql.azure.com/ServersKey",
];

#[test]
fn the_table_is_whole() {
    let kinds = Kinds::builtin();
    assert!(kinds.len() >= 283, "{} rows", kinds.len());
    assert_eq!(kinds.groups().count(), 47);
    let count = |scope: fn(&Scope) -> bool| kinds.iter().filter(|kind| scope(&kind.scope)).count();
    assert_eq!(count(|scope| *scope == Scope::Extension), 8);
    assert_eq!(count(|scope| *scope == Scope::Subscription), 1);
    assert_eq!(count(|scope| matches!(scope, Scope::Inside { .. })), 3);
    for name in NEWER {
        let (group, kind) = name.split_once('/').unwrap();
        assert!(kinds.get(group, kind).is_some(), "{name}");
    }
}

#[test]
fn the_table_agrees_with_the_crds() {
    let Some(crds) = crds("crds-v2.19.0.tar.gz") else {
        return;
    };
    assert_eq!(crds.len(), 281);
    let kinds = Kinds::builtin();
    let mut wrong = Vec::new();
    for crd in &crds {
        let Some(kind) = kinds.get(&crd.group, &crd.kind) else {
            wrong.push(format!("{}/{} is not in the table", crd.group, crd.kind));
            continue;
        };
        if let Err(why) = compare(kind, crd) {
            wrong.push(format!("{}/{}: {why}", crd.group, crd.kind));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());

    let installed: BTreeMap<_, _> = crds
        .iter()
        .map(|crd| ((&*crd.group, &*crd.kind), crd))
        .collect();
    let newer: Vec<String> = kinds
        .iter()
        .filter(|kind| !installed.contains_key(&(&*kind.group, &*kind.kind)))
        .map(|kind| format!("{}/{}", kind.group, kind.kind))
        .collect();
    assert_eq!(newer, NEWER);
}

#[test]
fn what_has_lost_its_descriptions_is_in_the_table() {
    let Some(crds) = crds("crds-v2.16.1-stripped.tar.gz") else {
        return;
    };
    assert_eq!(crds.len(), 11);
    for crd in &crds {
        assert_eq!(learn(crd), Err(LearnError::NoArmUri), "{}", crd.kind);
        assert!(
            Kinds::builtin().get(&crd.group, &crd.kind).is_some(),
            "{}",
            crd.kind
        );
    }
}

/// Whether a row says what its CRD says.
fn compare(kind: &Kind, crd: &CrdFacts) -> Result<(), String> {
    let named_by_spec = crd.versions.iter().all(|version| version.azure_name);
    let has_no_name = matches!(kind.naming, Naming::Fixed(_) | Naming::Entra);
    if named_by_spec == has_no_name {
        return Err(format!(
            "{:?}, and spec.azureName: {named_by_spec}",
            kind.naming
        ));
    }
    let learned = learn(crd);
    let excepted = NOT_LEARNED
        .iter()
        .find(|(group, name, _)| (*group, *name) == (&*kind.group, &*kind.kind));
    if let Some((_, _, why)) = excepted {
        return (learned.as_ref() == Err(why))
            .then_some(())
            .ok_or_else(|| format!("expected {why:?}, learned {learned:?}"));
    }
    let learned = learned.map_err(|why| why.to_string())?;
    let same_naming =
        learned.naming == kind.naming || NAMED_OTHERWISE.contains(&(&kind.group, &kind.kind));
    let same = learned.arm_type.eq_ignore_ascii_case(&kind.arm_type)
        && learned.scope == kind.scope
        && same_naming;
    same.then_some(())
        .ok_or_else(|| format!("the table says {kind:?}, the CRD {learned:?}"))
}

/// The CRDs of an archive in `../shared/aso`, or `None` and a word about it
/// where the archive isn't there.
fn crds(archive: &str) -> Option<Vec<CrdFacts>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/aso")
        .join(archive);
    if !path.exists() {
        println!(
            "not checked against ASO's CRDs: there is no {}",
            path.display()
        );
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new("tar")
        .args(["-xzf".as_ref(), path.as_os_str()])
        .current_dir(directory.path())
        .status()
        .unwrap();
    assert!(status.success(), "tar could not read {}", path.display());
    let files = yaml_files(directory.path());
    // Each file is up to a megabyte of YAML, so they are shared among threads.
    let half = files.len().div_ceil(2).max(1);
    let read = std::thread::scope(|scope| {
        let readers: Vec<_> = files
            .chunks(half)
            .map(|files| scope.spawn(|| files.iter().map(|file| read(file)).collect::<Vec<_>>()))
            .collect();
        readers
            .into_iter()
            .flat_map(|reader| reader.join().unwrap())
            .collect()
    });
    Some(read)
}

fn read(file: &Path) -> CrdFacts {
    let text = std::fs::read_to_string(file).unwrap();
    serde_yaml::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

fn yaml_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    files.sort();
    files
}
