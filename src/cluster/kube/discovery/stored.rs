//! In which version a kind is stored. An API server says it in its lists of resources, by a hash.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::cluster::ClusterError;
use crate::cluster::kube::call;

use super::Served;

/// Has each of these kinds of a group read in the version that it is stored in: the list of
/// resources of any version that it is served in says which that is. Whether it could be told;
/// where not, those that were asked for in vain are asked for again, as if their CRD had changed.
pub(super) async fn read_as_stored(
    client: &Client,
    group: String,
    mut unknown: Vec<&mut Served>,
) -> bool {
    while let Some(version) = most_common(&unknown) {
        let hashes = match stored_hashes(client, &format!("{group}/{version}")).await {
            Ok(hashes) => hashes,
            Err(error) => {
                warn!(%error, "cannot tell in which versions kinds are stored; trying again");
                for kind in &mut unknown {
                    kind.generation = None;
                }
                return false;
            }
        };
        let (listed, rest): (Vec<_>, Vec<_>) = unknown
            .into_iter()
            .partition(|kind| kind.versions.contains(&version));
        for kind in listed {
            let stored = hashes.get(&kind.read.plural);
            let is_stored = |version: &&String| {
                stored == Some(&storage_version_hash(&group, version, &kind.read.kind))
            };
            let mut versions = kind.versions.iter();
            if let Some(version) = versions.find(is_stored).or(kind.versions.first()).cloned() {
                kind.read_in(&version);
            }
        }
        unknown = rest;
    }
    true
}

/// What the API server says of the versions that the kinds of a group are stored in, by plural.
async fn stored_hashes(
    client: &Client,
    group_version: &str,
) -> Result<HashMap<String, String>, ClusterError> {
    let answer = async {
        match client.list_api_group_resources(group_version).await {
            // It is gone since a moment ago.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(APIResourceList::default()),
            listed => listed,
        }
    };
    let listed = call(&format!("the resources of {group_version}"), answer).await?;
    let resources = listed.resources.into_iter();
    Ok(resources
        .filter_map(|one| Some((one.name, one.storage_version_hash?)))
        .collect())
}

/// The version that most of these are served in.
fn most_common(kinds: &[&mut Served]) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for version in kinds.iter().flat_map(|kind| &kind.versions) {
        *counts.entry(version).or_default() += 1;
    }
    let most = counts
        .into_iter()
        .max_by_key(|&(version, count)| (count, version));
    most.map(|(version, _)| version.to_owned())
}

/// How an API server names the version in which it stores a kind, in its lists of resources.
pub(in super::super) fn storage_version_hash(group: &str, version: &str, kind: &str) -> String {
    let hash = Sha256::digest(format!("{group}/{version}/{kind}"));
    STANDARD.encode(&hash[..8])
}
