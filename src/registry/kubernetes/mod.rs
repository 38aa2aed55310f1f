//! The registry in a Kubernetes API server: `Claim`, `Member` and `Transfer` objects, so etcd.
//!
//! A read without a `resourceVersion` is a quorum read, and a replace with one is
//! a compare-and-set: together they are the contract of [`Registry`].

mod convert;
pub mod crd;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::arm::Identity;
use crate::claim::{MemberName, Record, TransferName};
use crate::transfer::Transfer;

use super::{
    Cursor, MemberRecord, Page, Put, RecordVersion, Registry, RegistryError, Scope, Versioned,
};
use crd::{Claim, Member};

/// How many claims one page of a list holds.
const PAGE: u32 = 500;
/// How long one call may take. The client has no limit of its own, and a connection that died
/// without a word (a node gone, a firewall that forgot it) answers nothing for ever.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one page of a list may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(15);

/// A registry in an API server: the member's own, or a hub's.
#[derive(Clone)]
pub struct KubernetesRegistry {
    claims: Api<Claim>,
    members: Api<Member>,
    transfers: Api<crd::Transfer>,
    name: String,
}

impl KubernetesRegistry {
    /// A registry behind this client, called `name` in messages.
    ///
    /// The client must not retry on its own (`Config::default_retry` off): a call
    /// has one deadline, and every failure is a named outcome.
    pub fn new(client: Client, name: &str) -> Self {
        Self {
            claims: Api::all(client.clone()),
            members: Api::all(client.clone()),
            transfers: Api::all(client),
            name: name.to_owned(),
        }
    }

    fn error(&self, error: &kube::Error) -> RegistryError {
        let registry = self.name.clone();
        match error {
            kube::Error::Api(status) if status.code == 401 => RegistryError::Forbidden {
                registry,
                why: format!(
                    "{}: its kubeconfig's credential is not accepted (any more). A kubeconfig is \
                     read at the start; if it was replaced, restart aso-guard: \
                     kubectl rollout restart",
                    status.message
                ),
            },
            kube::Error::Api(status) if matches!(status.code, 403 | 422) => {
                RegistryError::Forbidden {
                    registry,
                    why: status.message.clone(),
                }
            }
            kube::Error::Api(status) if status.code == 404 => RegistryError::Unavailable {
                registry,
                why: "it has no Claim, Member and Transfer resources; install them with: \
                      aso-guard crds | kubectl apply -f -"
                    .to_owned(),
            },
            kube::Error::Api(status) => RegistryError::Unavailable {
                registry,
                why: status.message.clone(),
            },
            error => RegistryError::Unavailable {
                registry,
                why: causes(error),
            },
        }
    }

    fn corrupt(&self, record: &str, why: String) -> RegistryError {
        RegistryError::Corrupt {
            registry: self.name.clone(),
            record: record.to_owned(),
            why,
        }
    }

    fn read_claim(&self, claim: &Claim) -> Result<Versioned<Record>, RegistryError> {
        let record =
            convert::from_claim(claim).map_err(|why| self.corrupt(&claim.name_any(), why))?;
        Ok(Versioned {
            record,
            version: version_of(claim),
        })
    }

    fn read_member(&self, member: &Member) -> Result<Versioned<MemberRecord>, RegistryError> {
        let record =
            convert::from_member(member).map_err(|why| self.corrupt(&member.name_any(), why))?;
        Ok(Versioned {
            record,
            version: version_of(member),
        })
    }

    fn read_transfer(
        &self,
        transfer: &crd::Transfer,
    ) -> Result<Versioned<Transfer>, RegistryError> {
        let record = convert::from_transfer(transfer)
            .map_err(|why| self.corrupt(&transfer.name_any(), why))?;
        Ok(Versioned {
            record,
            version: version_of(transfer),
        })
    }

    /// Every object of a kind of which there are few.
    async fn all<K>(&self, api: &Api<K>) -> Result<Vec<K>, RegistryError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let mut all = Vec::new();
        let mut at = None;
        loop {
            let (mut listed, next) = self.list(api, "", at.as_ref()).await?;
            all.append(&mut listed);
            if next.is_none() {
                return Ok(all);
            }
            at = next;
        }
    }

    async fn get<K>(&self, api: &Api<K>, name: &str) -> Result<Option<K>, RegistryError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        match within(CALL_TIMEOUT, api.get(name)).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if is_missing_object(&status) => Ok(None),
            Err(error) => Err(self.error(&error)),
        }
    }

    /// Creates, or replaces the expected version.
    async fn store<K>(&self, api: &Api<K>, object: &K) -> Result<Put, RegistryError>
    where
        K: Clone + DeserializeOwned + serde::Serialize + Debug + kube::Resource,
    {
        let params = PostParams::default();
        let stored = if object.resource_version().is_none() {
            within(CALL_TIMEOUT, api.create(&params, object)).await
        } else {
            let name = object.name_any();
            within(CALL_TIMEOUT, api.replace(&name, &params, object)).await
        };
        match stored {
            Ok(stored) => Ok(Put::Stored(Some(version_of(&stored)))),
            Err(kube::Error::Api(status)) if is_conflict(&status) => Ok(Put::Conflict),
            Err(error) => Err(self.error(&error)),
        }
    }

    async fn remove<K>(
        &self,
        api: &Api<K>,
        name: &str,
        expected: &RecordVersion,
    ) -> Result<Put, RegistryError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                resource_version: Some(expected.as_str().to_owned()),
                uid: None,
            }),
            ..DeleteParams::default()
        };
        match within(CALL_TIMEOUT, api.delete(name, &params)).await {
            Ok(_) => Ok(Put::Stored(None)),
            Err(kube::Error::Api(status)) if is_conflict(&status) => Ok(Put::Conflict),
            Err(error) => Err(self.error(&error)),
        }
    }

    /// One page of a list, and where the next one begins.
    async fn list<K>(
        &self,
        api: &Api<K>,
        selector: &str,
        at: Option<&Cursor>,
    ) -> Result<(Vec<K>, Option<Cursor>), RegistryError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let mut params = ListParams::default().labels(selector).limit(PAGE);
        params.continue_token = at.map(|at| at.as_str().to_owned());
        let page = within(PAGE_TIMEOUT, api.list(&params)).await;
        let page = page.map_err(|error| self.error(&error))?;
        let next = page.metadata.continue_.filter(|token| !token.is_empty());
        Ok((page.items, next.map(Cursor::new)))
    }
}

/// The records in what `kubectl get claims.asoguard.io -o json` printed.
///
/// # Errors
/// It is something else, or a claim in it cannot be read; for a person.
pub fn snapshot(json: &str) -> Result<Vec<Record>, SnapshotError> {
    let list: ClaimList = serde_json::from_str(json)?;
    let read = |claim: &Claim| {
        let name = claim.name_any();
        convert::from_claim(claim).map_err(|why| SnapshotError::Claim { name, why })
    };
    list.items.iter().map(read).collect()
}

/// A text is no snapshot of a registry.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not a list of claims in JSON.
    #[error("this is not what kubectl get claims.asoguard.io -o json prints: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A claim in it cannot be read.
    #[error("the claim {name} cannot be read: {why}")]
    Claim {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Claims, as they are listed.
#[derive(serde::Deserialize)]
struct ClaimList {
    items: Vec<Claim>,
}

/// A call that ends, one way or another.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = kube::Result<T>>,
) -> kube::Result<T> {
    let silence = || kube::Error::Service(format!("no answer within {limit:?}").into());
    tokio::time::timeout(limit, answer)
        .await
        .unwrap_or_else(|_| Err(silence()))
}

fn version_of<K: kube::Resource>(object: &K) -> RecordVersion {
    RecordVersion::new(&object.resource_version().unwrap_or_default())
}

/// An object is missing, rather than the resource it would be of: then the API
/// server names the object.
pub(crate) fn is_missing_object(status: &kube::core::Status) -> bool {
    status.code == 404 && status.details.as_ref().is_some_and(|d| !d.name.is_empty())
}

/// Somebody else was there: a create that found one, a replace or delete of a
/// version that is gone.
fn is_conflict(status: &kube::core::Status) -> bool {
    status.code == 409 || is_missing_object(status)
}

/// An error with what caused it: client errors say little on their own.
fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = cause.source();
    }
    words
}

#[async_trait]
impl Registry for KubernetesRegistry {
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        let name = convert::claim_name(identity);
        let Some(claim) = self.get(&self.claims, &name).await? else {
            return Ok(None);
        };
        let read = self.read_claim(&claim)?;
        if read.record.identity != *identity {
            let why = format!("it is about {}, not {identity}", read.record.identity);
            return Err(self.corrupt(&name, why));
        }
        Ok(Some(read))
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<Put, RegistryError> {
        if record.is_empty() {
            let name = convert::claim_name(&record.identity);
            return match expected {
                Some(expected) => self.remove(&self.claims, &name, expected).await,
                None => match self.get(&self.claims, &name).await? {
                    None => Ok(Put::Stored(None)),
                    Some(_) => Ok(Put::Conflict),
                },
            };
        }
        let claim = convert::to_claim(record, expected, Timestamp::now());
        self.store(&self.claims, &claim).await
    }

    async fn claims_page(&self, scope: &Scope, at: Option<&Cursor>) -> Result<Page, RegistryError> {
        let selector = convert::selector(scope);
        let (listed, next) = self.list(&self.claims, &selector, at).await?;
        let mut claims = Vec::new();
        for claim in &listed {
            let read = self.read_claim(claim)?;
            if scope.covers(&read.record) {
                claims.push(read);
            }
        }
        Ok(Page { claims, next })
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        match self.get(&self.members, name.as_str()).await? {
            Some(member) => self.read_member(&member).map(Some),
            None => Ok(None),
        }
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<Put, RegistryError> {
        self.store(&self.members, &convert::to_member(member, expected))
            .await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<Put, RegistryError> {
        self.remove(&self.members, name.as_str(), expected).await
    }

    async fn members(&self) -> Result<Vec<Versioned<MemberRecord>>, RegistryError> {
        let members = self.all(&self.members).await?;
        members
            .iter()
            .map(|member| self.read_member(member))
            .collect()
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        match self.get(&self.transfers, name.as_str()).await? {
            Some(transfer) => self.read_transfer(&transfer).map(Some),
            None => Ok(None),
        }
    }

    /// A change is a patch: a transfer that GitOps declared has labels and annotations of
    /// its own, which stay as they are.
    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<Put, RegistryError> {
        let Some(expected) = expected else {
            let object = convert::to_transfer(transfer);
            return self.store(&self.transfers, &object).await;
        };
        let patch = convert::patch_transfer(transfer, expected);
        let (name, params) = (transfer.name.as_str(), PatchParams::default());
        let patch = Patch::Merge(&patch);
        let patched = within(CALL_TIMEOUT, self.transfers.patch(name, &params, &patch)).await;
        match patched {
            Ok(stored) => Ok(Put::Stored(Some(version_of(&stored)))),
            Err(kube::Error::Api(status)) if is_conflict(&status) => Ok(Put::Conflict),
            Err(error) => Err(self.error(&error)),
        }
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<Put, RegistryError> {
        self.remove(&self.transfers, name.as_str(), expected).await
    }

    async fn transfers(&self) -> Result<Vec<Versioned<Transfer>>, RegistryError> {
        let transfers = self.all(&self.transfers).await?;
        transfers
            .iter()
            .map(|transfer| self.read_transfer(transfer))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    #[tokio::test]
    async fn a_credential_that_ended_is_said_to_need_a_restart() {
        let unauthorized = service_fn(async |_: Request<Body>| {
            let status = r#"{"kind": "Status", "status": "Failure", "message": "Unauthorized",
                "reason": "Unauthorized", "code": 401}"#;
            let body = Body::from(status.as_bytes().to_vec());
            Response::builder().status(401).body(body)
        });
        let registry = KubernetesRegistry::new(Client::new(unauthorized, "default"), "hub");
        let error = registry.members().await.unwrap_err().to_string();
        let expected = "the registry hub refused: Unauthorized: its kubeconfig's credential";
        assert!(error.starts_with(expected), "{error}");
        assert!(error.ends_with("kubectl rollout restart"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_never_answers_is_given_up_on() {
        let nobody = service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let registry = KubernetesRegistry::new(Client::new(nobody, "default"), "hub");
        let identity: Identity = "/subscriptions/s/resourceGroups/rg".parse().unwrap();
        let gives_up_after = |error: RegistryError, limit: Duration| {
            let said = error.to_string();
            assert!(
                said.ends_with(&format!("no answer within {limit:?}")),
                "{said}"
            );
        };
        gives_up_after(registry.claim(&identity).await.unwrap_err(), CALL_TIMEOUT);
        let listed = registry.claims(&Scope::All).await;
        gives_up_after(listed.unwrap_err(), PAGE_TIMEOUT);
    }
}
