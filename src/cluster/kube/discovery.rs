//! Which of ASO's kinds are installed.
//!
//! Only what the API server serves counts: ASO installs its CRDs by pattern. One
//! aggregated call tells all of them; a CRD's body is read only for a kind that
//! the table of kinds lacks.
//!
//! Objects are read in the version that they are stored in, for the API server converts
//! them to any other by asking ASO, and ASO may be gone. All that is read of an object is the
//! same in every version.

pub(super) mod stored;

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use kube::Client;
use kube::api::ApiResource;
use tracing::{info, warn};

use crate::api_server::{ServedVersion, is_storage, served_versions};
use crate::arm::{self, Kinds};
use crate::cluster::ClusterError;

use super::{call, failed};
use stored::read_as_stored;

/// How many groups are asked about together.
const AT_ONCE: usize = 8;

/// A kind that the API server serves.
#[derive(Clone, Debug)]
struct Served {
    /// How it is read: in the version that it is stored in, where that can be told.
    read: ApiResource,
    /// Its versions: those people use first, in the server's order; ASO's storage versions last.
    versions: Vec<String>,
    /// The generation of its CRD when that was asked.
    generation: Option<i64>,
}

/// The kinds that the API server serves, each as it is read.
#[derive(Debug, Default)]
pub(super) struct InstalledKinds {
    resources: HashMap<String, HashMap<String, Served>>,
    /// The CRDs, by plural and group, whose kinds it does not serve now.
    unserved: HashSet<String>,
    /// Whether the API server said of all in which version they are stored.
    knows_storage: bool,
    /// The groups whose kinds have storage versions as ASO's have.
    like_asos: BTreeSet<String>,
}

impl InstalledKinds {
    /// Asks the API server. Of the CRDs of these generations, the stored version is not asked for
    /// where it is known from `before`.
    pub(super) async fn discover(
        client: &Client,
        generations: &HashMap<String, Option<i64>>,
        before: &Self,
    ) -> Result<Self, ClusterError> {
        let served = served_versions(client).await;
        let served = served.map_err(|error| failed("its API groups", &error))?;
        let mut resources: HashMap<String, HashMap<String, Served>> = HashMap::new();
        let mut like_asos = BTreeSet::new();
        for one in served {
            if is_storage(&one.version) {
                like_asos.insert(one.group.clone());
            }
            add_version(resources.entry(one.group.clone()).or_default(), one);
        }
        let mut unknown: HashMap<String, Vec<&mut Served>> = HashMap::new();
        for kind in resources.values_mut().flat_map(HashMap::values_mut) {
            kind.generation = generations.get(&crd_name(&kind.read)).copied().flatten();
            if !before.knows(kind) {
                unknown
                    .entry(kind.read.group.clone())
                    .or_default()
                    .push(kind);
            }
        }
        let mut asked: Vec<BoxFuture<'_, bool>> = Vec::new();
        for (group, kinds) in unknown {
            asked.push(read_as_stored(client, group, kinds).boxed());
        }
        let asked = stream::iter(asked).buffer_unordered(AT_ONCE);
        let answers: Vec<bool> = asked.collect().await;
        Ok(Self {
            resources,
            unserved: HashSet::new(),
            knows_storage: answers.into_iter().all(|answered| answered),
            like_asos,
        })
    }

    /// Has a kind read as it was before. Whether its CRD has not changed since.
    fn knows(&self, now: &mut Served) -> bool {
        let of_group = self.resources.get(&now.read.group);
        let Some(before) = of_group.and_then(|kinds| kinds.get(&now.read.kind)) else {
            return false;
        };
        if now.versions.contains(&before.read.version) {
            now.read_in(&before.read.version);
        }
        now.generation.is_some()
            && now.generation == before.generation
            && now.versions == before.versions
    }

    /// The same, squared with the CRDs there are, by plural and group: what was installed
    /// `before` and has its CRD still is installed, served or not, and what has none is not.
    ///
    /// An API server that has just started serves CRDs' kinds a while after all else. To take
    /// them for uninstalled would be to take all their objects for gone. And it goes on to
    /// serve a kind for a while whose CRD is gone, and all its objects with it.
    pub(super) fn with_crds(mut self, crds: &HashMap<String, Option<i64>>, before: &Self) -> Self {
        let served: HashSet<String> = self.all().map(crd_name).collect();
        let names = crds.keys().filter(|name| !served.contains(*name));
        self.unserved = names.cloned().collect();
        for kinds in self.resources.values_mut() {
            kinds.retain(|_, kind| crds.contains_key(&crd_name(&kind.read)));
        }
        for known in before.resources.values().flat_map(HashMap::values) {
            let read = &known.read;
            if self.unserved.contains(&crd_name(read)) {
                let kinds = self.resources.entry(read.group.clone()).or_default();
                kinds.insert(read.kind.clone(), known.clone());
            }
        }
        self
    }

    /// Whether every CRD's kind is served, and it is known how each is stored.
    pub(super) fn is_complete(&self) -> bool {
        self.unserved.is_empty() && self.knows_storage
    }

    /// Whether the group has a CRD whose kind is not served now.
    pub(super) fn lacks_some_of(&self, group: &str) -> bool {
        let mut names = self.unserved.iter();
        names.any(|name| name.split_once('.').is_some_and(|(_, of)| of == group))
    }

    /// How a kind is asked for.
    pub(super) fn get(&self, group: &str, kind: &str) -> Option<&ApiResource> {
        Some(&self.resources.get(group)?.get(kind)?.read)
    }

    /// The version of a kind that people use.
    pub(super) fn version(&self, group: &str, kind: &str) -> Option<&str> {
        let versions = &self.resources.get(group)?.get(kind)?.versions;
        versions.first().map(String::as_str)
    }

    /// The API groups of the installed kinds that are ASO's: other groups, such as those of
    /// AKS, have names like theirs. What is ASO's is so whether the guard can tell its
    /// resources in Azure or not: what nobody can place has to be shown.
    pub(super) fn groups(&self, kinds: &Kinds) -> BTreeSet<String> {
        let is_known = |one: &ApiResource| kinds.get(&one.group, &one.kind).is_some();
        self.all()
            .filter(|one| is_known(one) || self.like_asos.contains(&one.group))
            .map(|one| one.group.clone())
            .collect()
    }

    /// All installed kinds.
    pub(super) fn all(&self) -> impl Iterator<Item = &ApiResource> {
        let kinds = self.resources.values().flat_map(HashMap::values);
        kinds.map(|kind| &kind.read)
    }
}

/// The name of a kind's CRD.
pub(super) fn crd_name(resource: &ApiResource) -> String {
    format!("{}.{}", resource.plural, resource.group)
}

/// Adds a version to the kinds that are served in it.
fn add_version(kinds: &mut HashMap<String, Served>, one: ServedVersion) {
    let served = kinds.entry(one.kind.clone()).or_insert_with(|| Served {
        read: ApiResource {
            group: one.group,
            version: String::new(),
            api_version: String::new(),
            kind: one.kind,
            plural: one.plural,
        },
        versions: Vec::new(),
        generation: None,
    });
    served.versions.push(one.version);
    served.versions.sort_by_key(|version| is_storage(version));
    let first = served.versions[0].clone();
    served.read_in(&first);
}

impl Served {
    fn read_in(&mut self, version: &str) {
        self.read.api_version = format!("{}/{version}", self.read.group);
        version.clone_into(&mut self.read.version);
    }
}

/// The table of kinds, with what can be learned of installed kinds that it lacks.
pub(super) async fn learn(
    client: &Client,
    installed: &InstalledKinds,
    known: &Kinds,
) -> Option<Kinds> {
    let mut kinds: Option<Kinds> = None;
    for resource in installed.all() {
        if known.get(&resource.group, &resource.kind).is_some() {
            continue;
        }
        match learn_one(client, resource).await {
            Ok(kind) => {
                info!(kind = %resource.kind, group = %resource.group, "learned a kind from its CRD");
                kinds = Some(kinds.unwrap_or_else(|| known.clone()).with_learned(kind));
            }
            Err(why) => warn!(
                kind = %resource.kind, group = %resource.group, %why,
                "cannot tell which Azure resources this kind stands for"
            ),
        }
    }
    kinds
}

async fn learn_one(client: &Client, resource: &ApiResource) -> Result<arm::Kind, String> {
    let name = crd_name(resource);
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    let facts: arm::CrdFacts = call(&format!("CRD {name}"), client.request(request))
        .await
        .map_err(|error| error.to_string())?;
    arm::learn(&facts).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "resourcegroups.resources.azure.com";
    const ACCOUNTS: &str = "storageaccounts.storage.azure.com";

    fn serving(kinds: &[(&str, &str)]) -> InstalledKinds {
        let mut installed = InstalledKinds {
            knows_storage: true,
            ..InstalledKinds::default()
        };
        for (group, kind) in kinds {
            let mut served = Served {
                read: ApiResource {
                    group: (*group).to_owned(),
                    version: String::new(),
                    api_version: String::new(),
                    kind: (*kind).to_owned(),
                    plural: format!("{}s", kind.to_lowercase()),
                },
                versions: vec!["v1".to_owned()],
                generation: None,
            };
            served.read_in("v1");
            let of_group = installed.resources.entry((*group).to_owned());
            of_group.or_default().insert((*kind).to_owned(), served);
        }
        installed
    }

    fn crds(names: &[&str]) -> HashMap<String, Option<i64>> {
        names.iter().map(|&name| (name.to_owned(), None)).collect()
    }

    #[test]
    fn a_kind_that_is_not_served_for_a_moment_stays_installed() {
        let resource_group = ("resources.azure.com", "ResourceGroup");
        let before =
            serving(&[resource_group]).with_crds(&crds(&[GROUPS]), &InstalledKinds::default());
        assert!(before.is_complete());

        let now = serving(&[]).with_crds(&crds(&[GROUPS]), &before);
        assert!(now.get("resources.azure.com", "ResourceGroup").is_some());
        assert!(!now.is_complete());
        let later = serving(&[resource_group]).with_crds(&crds(&[GROUPS]), &now);
        assert!(later.is_complete());
        let uninstalled = serving(&[]).with_crds(&crds(&[]), &before);
        assert!(
            uninstalled
                .get("resources.azure.com", "ResourceGroup")
                .is_none()
        );
    }

    #[test]
    fn a_kind_whose_crd_is_gone_is_not_installed_however_long_it_is_served() {
        let resource_group = ("resources.azure.com", "ResourceGroup");
        let before =
            serving(&[resource_group]).with_crds(&crds(&[GROUPS]), &InstalledKinds::default());
        let now = serving(&[resource_group]).with_crds(&crds(&[]), &before);
        assert!(now.get("resources.azure.com", "ResourceGroup").is_none());
        assert!(now.is_complete() && now.groups(&Kinds::builtin()).is_empty());
    }

    #[test]
    fn a_group_with_a_crd_that_is_not_served_yet_is_told_from_others() {
        let now = serving(&[]).with_crds(&crds(&[ACCOUNTS]), &InstalledKinds::default());
        assert!(now.lacks_some_of("storage.azure.com"));
        assert!(!now.lacks_some_of("resources.azure.com"));
    }
}
