//! The manifests of the story, as they would lie in a team's repository.

use anyhow::Context as _;
use serde_json::Value;

use crate::object::ObjectKey;

/// A manifest in a file.
pub(super) struct ManifestFile {
    /// The file's name.
    pub(super) file: &'static str,
    text: &'static str,
}

const ALL: [ManifestFile; 3] = [
    ManifestFile {
        file: "shop/group.yaml",
        text: include_str!("shop/group.yaml"),
    },
    ManifestFile {
        file: "shop/account.yaml",
        text: include_str!("shop/account.yaml"),
    },
    ManifestFile {
        file: "parked/group.yaml",
        text: include_str!("parked/group.yaml"),
    },
];

/// The manifests that `kubectl -f path` would read: a file, or those in a directory.
pub(super) fn read(path: &str) -> impl Iterator<Item = &'static ManifestFile> {
    ALL.iter().filter(move |one| one.file.starts_with(path))
}

impl ManifestFile {
    /// The object in it.
    pub(super) fn object(&self) -> anyhow::Result<Value> {
        serde_yaml::from_str(self.text).with_context(|| self.file)
    }
}

/// A string in an object; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// An object's API group and version.
pub(super) fn group_version(object: &Value) -> (&str, &str) {
    let both = text(object, "/apiVersion");
    both.split_once('/').unwrap_or(("", both))
}

/// Names an object.
pub(super) fn key(object: &Value) -> ObjectKey {
    ObjectKey::new(
        group_version(object).0,
        text(object, "/kind"),
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_or_a_directory() {
        let files = |path| -> Vec<_> { read(path).map(|one| one.file).collect() };
        assert_eq!(files("shop/"), ["shop/group.yaml", "shop/account.yaml"]);
        assert_eq!(files("parked/group.yaml"), ["parked/group.yaml"]);
        assert!(files("nothing/").is_empty());
    }

    #[test]
    fn every_manifest_names_its_object() {
        let keys: Vec<_> = ALL
            .iter()
            .map(|one| key(&one.object().unwrap()).to_string())
            .collect();
        assert_eq!(
            keys,
            [
                "shop/ResourceGroup/shop",
                "shop/StorageAccount/shopdata",
                "shop/ResourceGroup/shop"
            ]
        );
    }
}
