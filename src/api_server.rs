//! Calls of an API server: each within its time, lists page by page; and which kinds of ASO's
//! it serves.

pub mod watching;

use std::time::Duration;

use kube::Client;
use kube::api::{ListParams, ObjectList};

/// How long a call may take that is about one object. The client has no limit of its own, and a
/// connection that died without a word (a node gone, a firewall that forgot it) answers nothing
/// for ever.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one page of a list may take.
pub const PAGE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long either may take where a person waits for it, and nothing else does.
pub const PATIENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How many objects one page of a list holds.
pub const PAGE: u32 = 500;
/// The end of every API group of ASO's.
pub const GROUP_SUFFIX: &str = ".azure.com";

/// A call that ends, one way or another.
///
/// # Errors
/// It failed, or brought no answer in time.
pub async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = kube::Result<T>>,
) -> kube::Result<T> {
    let silence = || kube::Error::Service(format!("no answer within {limit:?}").into());
    tokio::time::timeout(limit, answer)
        .await
        .unwrap_or_else(|_| Err(silence()))
}

/// Goes through a list, page by page. `list` makes the call for one page.
///
/// # Errors
/// That of the first page that could not be listed.
pub async fn pages<K: Clone, E, F: Future<Output = Result<ObjectList<K>, E>>>(
    params: ListParams,
    list: impl Fn(ListParams) -> F,
    mut each: impl FnMut(K),
) -> Result<(), E> {
    let mut params = params.limit(PAGE);
    loop {
        let page = list(params.clone()).await?;
        page.items.into_iter().for_each(&mut each);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

/// An object is missing, rather than the resource it would be of: then the API
/// server names the object.
pub fn is_missing_object(status: &kube::core::Status) -> bool {
    status.code == 404 && status.details.as_ref().is_some_and(|d| !d.name.is_empty())
}

/// Somebody else was there: a create that found one, a replace or delete of a
/// version that is gone.
pub fn is_conflict(status: &kube::core::Status) -> bool {
    status.code == 409 || is_missing_object(status)
}

/// A namespaced kind of a group like ASO's, in a version in which it is served and watched.
pub struct ServedVersion {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// What its objects are called in paths.
    pub plural: String,
    /// The version.
    pub version: String,
}

/// Asks which kinds of groups like ASO's are served, each in the server's order of versions.
///
/// # Errors
/// The API server did not answer.
pub async fn served_versions(client: &Client) -> kube::Result<Vec<ServedVersion>> {
    let groups = within(CALL_TIMEOUT, client.list_api_groups_aggregated()).await?;
    let mut served = Vec::new();
    for group in groups.items {
        let name = group.metadata.and_then(|meta| meta.name);
        let Some(name) = name.filter(|name| name.ends_with(GROUP_SUFFIX)) else {
            continue;
        };
        for version in group.versions {
            let word = version.version.unwrap_or_default();
            for resource in version.resources {
                let is_watched = resource.verbs.iter().any(|verb| verb == "watch");
                let kind = resource.response_kind.and_then(|kind| kind.kind);
                if let (Some(kind), Some(plural)) = (kind, resource.resource)
                    && is_watched
                    && resource.scope.as_deref() == Some("Namespaced")
                {
                    let (group, version) = (name.clone(), word.clone());
                    served.push(ServedVersion {
                        group,
                        kind,
                        plural,
                        version,
                    });
                }
            }
        }
    }
    Ok(served)
}

/// Whether ASO stores objects in a version, rather than people writing them in it.
pub fn is_storage(version: &str) -> bool {
    version.ends_with("storage")
}
