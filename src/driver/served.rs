//! In which versions a cluster serves ASO's kinds.

use std::collections::BTreeMap;

use kube::Client;
use kube::api::ApiResource;

use crate::api_server::{ServedVersion, is_storage, served_versions};

/// The kinds that a cluster serves.
#[derive(Clone, Debug, Default)]
pub struct ServedKinds(BTreeMap<(String, String), ServedKind>);

#[derive(Clone, Debug, Default)]
struct ServedKind {
    plural: String,
    /// Those people use first, in the server's order; ASO's own storage versions last.
    versions: Vec<String>,
}

impl ServedKinds {
    /// Asks the API server.
    ///
    /// # Errors
    /// It did not answer.
    pub async fn discover(client: &Client) -> kube::Result<Self> {
        let mut served = Self::default();
        for one in served_versions(client).await? {
            served.add(one);
        }
        Ok(served)
    }

    fn add(&mut self, one: ServedVersion) {
        let known = self.0.entry((one.group, one.kind)).or_default();
        known.plural = one.plural;
        known.versions.push(one.version);
        known.versions.sort_by_key(|version| is_storage(version));
    }

    /// How a kind is asked for in its preferred version.
    pub fn get(&self, group: &str, kind: &str) -> Option<ApiResource> {
        let found = self.0.get(&(group.to_owned(), kind.to_owned()))?;
        Some(found.resource(group, kind, found.versions.first()?))
    }

    /// How a kind is asked for in a version that both clusters serve, the one that this
    /// cluster prefers.
    pub fn common(&self, other: &Self, group: &str, kind: &str) -> Option<ApiResource> {
        let key = (group.to_owned(), kind.to_owned());
        let (here, there) = (self.0.get(&key)?, other.0.get(&key)?);
        let version = here
            .versions
            .iter()
            .find(|version| there.versions.contains(version))?;
        Some(here.resource(group, kind, version))
    }

    /// All kinds, by group and kind.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.keys().map(|(group, kind)| (&**group, &**kind))
    }

    /// The versions of a kind.
    pub fn versions(&self, group: &str, kind: &str) -> &[String] {
        let found = self.0.get(&(group.to_owned(), kind.to_owned()));
        found.map_or(&[], |found| &found.versions)
    }
}

impl ServedKind {
    fn resource(&self, group: &str, kind: &str, version: &str) -> ApiResource {
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: format!("{group}/{version}"),
            kind: kind.to_owned(),
            plural: self.plural.clone(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A cluster that serves these: group, kind, versions.
    pub(in crate::driver) fn serving(kinds: &[(&str, &str, &[&str])]) -> ServedKinds {
        let mut served = ServedKinds::default();
        for (group, kind, versions) in kinds {
            for version in *versions {
                served.add(ServedVersion {
                    group: (*group).to_owned(),
                    kind: (*kind).to_owned(),
                    plural: format!("{}s", kind.to_lowercase()),
                    version: (*version).to_owned(),
                });
            }
        }
        served
    }

    #[test]
    fn a_version_that_both_serve_is_taken_and_storage_versions_come_last() {
        let here = serving(&[("g", "K", &["v2storage", "v2", "v1"])]);
        let version = |there: &ServedKinds| Some(here.common(there, "g", "K")?.version);
        assert_eq!(here.get("g", "K").unwrap().version, "v2");
        let both = serving(&[("g", "K", &["v1", "v2"])]);
        assert_eq!(version(&both).as_deref(), Some("v2"));
        let older = serving(&[("g", "K", &["v1"])]);
        assert_eq!(version(&older).as_deref(), Some("v1"));
        assert_eq!(version(&serving(&[("g", "K", &["v3"])])), None);
        assert_eq!(version(&serving(&[])), None);
    }
}
