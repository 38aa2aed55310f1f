//! The registry in a Kubernetes API server: `Claim`, `Member` and `Transfer` objects, so etcd.
//!
//! A read without a `resourceVersion` is a quorum read, and a replace with one is
//! a compare-and-set: together they are the contract of [`Registry`].

pub(super) mod convert;
pub mod crd;
mod failure;
mod follow;
mod lenient;
mod snapshot;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::header::ACCEPT;
use jiff::Timestamp;
use kube::api::{
    Api, DeleteParams, GetParams, ListParams, ObjectList, ObjectMeta, Patch, PatchParams,
    PostParams, Preconditions,
};
use kube::core::{PartialObjectMeta, Request};
use kube::{Client, Resource as _, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::api_server::{CALL_TIMEOUT, PAGE, PAGE_TIMEOUT, is_conflict, is_missing_object, within};
use crate::arm::Identity;
use crate::claim::{EpochRecord, MemberName, Record, TransferName};
use crate::transfer::Transfer;

use super::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion, Registry,
    RegistryError, UnreadableRecord, Versioned,
};
use crd::{Claim, EPOCH, Member};
use lenient::LenientObject;

pub use snapshot::{SnapshotError, snapshot};

/// What an API server is asked to answer: an object's metadata alone.
const METADATA: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// What kinds of records are called where one cannot be read.
const CLAIM: &str = "claim";
const MEMBER: &str = "member";
const TRANSFER: &str = "transfer";

/// A registry in an API server: the member's own, or a hub's.
#[derive(Clone)]
pub struct KubernetesRegistry {
    client: Client,
    claims: Api<Claim>,
    members: Api<Member>,
    transfers: Api<crd::Transfer>,
    name: String,
    flags: String,
    kubectl_flags: String,
}

impl KubernetesRegistry {
    /// A registry behind this client, called `name` in messages: its URL, and its server's address.
    ///
    /// The client must not retry on its own (`Config::default_retry` off): a call
    /// has one deadline, and every failure is a named outcome.
    pub fn new(client: Client, name: &str) -> Self {
        Self {
            claims: Api::all(client.clone()),
            members: Api::all(client.clone()),
            transfers: Api::all(client.clone()),
            client,
            name: name.to_owned(),
            flags: String::new(),
            kubectl_flags: String::new(),
        }
    }

    /// The same, which people reach by these [flags](Registry::flags).
    #[must_use]
    pub fn reached_by(self, flags: &str, kubectl_flags: &str) -> Self {
        Self {
            flags: flags.to_owned(),
            kubectl_flags: kubectl_flags.to_owned(),
            ..self
        }
    }

    /// Reads one object, or says what is wrong with it.
    fn read<K: kube::Resource, T>(
        &self,
        kind: &'static str,
        found: LenientObject<K>,
        convert: impl Fn(&K) -> Result<T, String>,
    ) -> Result<Versioned<T>, UnreadableRecord> {
        let read = found.object.and_then(|object| {
            let record = convert(&object)?;
            let version = version_of(object.meta());
            Ok(Versioned { record, version })
        });
        read.map_err(|why| UnreadableRecord {
            registry: self.name.clone(),
            kind,
            name: found.name,
            identity: found.identity.and_then(|text| text.parse().ok()),
            why,
        })
    }

    /// Every record of a kind of which there are few.
    async fn all<K, T>(
        &self,
        kind: &'static str,
        api: &Api<K>,
        convert: impl Fn(&K) -> Result<T, String>,
    ) -> Result<RecordList<T>, RegistryError>
    where
        K: Clone + DeserializeOwned + Debug + kube::Resource,
    {
        let mut all: RecordList<T> = std::iter::empty().collect();
        let mut at = None;
        loop {
            let (found, next) = self.list(api, "", at.as_ref()).await?;
            for one in found {
                match self.read(kind, one, &convert) {
                    Ok(read) => all.records.push(read),
                    Err(unreadable) => all.unreadable.push(unreadable),
                }
            }
            if next.is_none() {
                return Ok(all);
            }
            at = next;
        }
    }

    /// The object of a name, which may be none that can be read.
    async fn get<K>(
        &self,
        api: &Api<K>,
        name: &str,
    ) -> Result<Option<LenientObject<K>>, RegistryError>
    where
        K: DeserializeOwned + kube::Resource,
    {
        let request = Request::new(api.resource_url()).get(name, &GetParams::default());
        match self.request(CALL_TIMEOUT, request).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if is_missing_object(&status) => Ok(None),
            Err(error) => Err(self.error(&error)),
        }
    }

    async fn request<T: DeserializeOwned>(
        &self,
        limit: Duration,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> kube::Result<T> {
        let request = request.map_err(kube::Error::BuildRequest)?;
        within(limit, self.client.request(request)).await
    }

    /// Creates, or replaces the expected version. Of what is stored then, only its metadata is asked
    /// for.
    async fn store<K>(&self, api: &Api<K>, object: &K) -> Result<PutOutcome, RegistryError>
    where
        K: serde::Serialize + kube::Resource,
    {
        let (request, params) = (Request::new(api.resource_url()), PostParams::default());
        let body = serde_json::to_vec(object).map_err(kube::core::request::Error::SerializeBody);
        let request = if object.resource_version().is_none() {
            body.and_then(|body| request.create(&params, body))
        } else {
            body.and_then(|body| request.replace(&object.name_any(), &params, body))
        };
        let request = request.map(|mut request| {
            request.headers_mut().insert(ACCEPT, METADATA);
            request
        });
        let stored: kube::Result<PartialObjectMeta> = self.request(CALL_TIMEOUT, request).await;
        match stored {
            Ok(stored) => Ok(PutOutcome::Stored(Some(version_of(&stored.metadata)))),
            Err(kube::Error::Api(status)) if is_conflict(&status) => Ok(PutOutcome::Conflict),
            Err(error) => Err(self.error(&error)),
        }
    }

    async fn remove<K>(
        &self,
        api: &Api<K>,
        name: &str,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError>
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
            Ok(_) => Ok(PutOutcome::Stored(None)),
            Err(kube::Error::Api(status)) if is_conflict(&status) => Ok(PutOutcome::Conflict),
            Err(error) => Err(self.error(&error)),
        }
    }

    /// One page of a list, and where the next one begins.
    async fn list<K>(
        &self,
        api: &Api<K>,
        selector: &str,
        at: Option<&Cursor>,
    ) -> Result<(Vec<LenientObject<K>>, Option<Cursor>), RegistryError>
    where
        K: Clone + DeserializeOwned + kube::Resource,
    {
        let mut params = ListParams::default().labels(selector).limit(PAGE);
        params.continue_token = at.map(|at| at.as_str().to_owned());
        let request = Request::new(api.resource_url()).list(&params);
        let page = self.request(PAGE_TIMEOUT, request).await;
        let page: ObjectList<LenientObject<K>> = page.map_err(|error| self.error(&error))?;
        let next = page.metadata.continue_.filter(|token| !token.is_empty());
        Ok((page.items, next.map(Cursor::new)))
    }
}

fn version_of(metadata: &ObjectMeta) -> RecordVersion {
    RecordVersion::new(metadata.resource_version.as_deref().unwrap_or_default())
}

#[async_trait]
impl Registry for KubernetesRegistry {
    fn flags(&self) -> &str {
        &self.flags
    }

    fn kubectl_flags(&self) -> &str {
        &self.kubectl_flags
    }

    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        let name = convert::claim_name(identity);
        let Some(claim) = self.get(&self.claims, &name).await? else {
            return Ok(None);
        };
        let about_it = |claim: &Claim| match convert::from_claim(claim)? {
            record if record.identity == *identity => Ok(record),
            record => Err(format!("it is about {}, not {identity}", record.identity)),
        };
        Ok(Some(self.read(CLAIM, claim, about_it)?))
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        if record.is_empty() {
            let name = convert::claim_name(&record.identity);
            return match expected {
                Some(expected) => self.remove(&self.claims, &name, expected).await,
                None => match self.get(&self.claims, &name).await? {
                    None => Ok(PutOutcome::Stored(None)),
                    Some(_) => Ok(PutOutcome::Conflict),
                },
            };
        }
        let claim = convert::to_claim(record, expected, Timestamp::now());
        self.store(&self.claims, &claim).await
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        let selector = convert::selector(scope);
        let (listed, next) = self.list(&self.claims, &selector, at).await?;
        let (mut claims, mut unreadable) = (Vec::new(), Vec::new());
        for claim in listed.into_iter().filter(|one| one.name != EPOCH) {
            match self.read(CLAIM, claim, convert::from_claim) {
                Ok(read) if scope.covers(&read.record) => claims.push(read),
                Err(found) if scope.may_cover(&found) => unreadable.push(found),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(ClaimPage {
            claims,
            unreadable,
            next,
        })
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        match self.get(&self.members, name.as_str()).await? {
            Some(member) => Ok(Some(self.read(MEMBER, member, convert::from_member)?)),
            None => Ok(None),
        }
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.store(&self.members, &convert::to_member(member, expected))
            .await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.remove(&self.members, name.as_str(), expected).await
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        self.all(MEMBER, &self.members, convert::from_member).await
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        match self.get(&self.claims, EPOCH).await? {
            Some(found) => Ok(Some(self.read(CLAIM, found, convert::from_epoch)?)),
            None => Ok(None),
        }
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let claim = convert::to_epoch(epoch, expected, Timestamp::now());
        self.store(&self.claims, &claim).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        match self.get(&self.transfers, name.as_str()).await? {
            Some(found) => Ok(Some(self.read(TRANSFER, found, convert::from_transfer)?)),
            None => Ok(None),
        }
    }

    /// A change is a patch: a transfer that GitOps declared has labels and annotations of
    /// its own, which stay as they are.
    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let Some(expected) = expected else {
            let object = convert::to_transfer(transfer);
            return self.store(&self.transfers, &object).await;
        };
        let patch = convert::patch_transfer(transfer, expected);
        let (name, params) = (transfer.name.as_str(), PatchParams::default());
        let patch = Patch::Merge(&patch);
        let patched = within(CALL_TIMEOUT, self.transfers.patch(name, &params, &patch)).await;
        match patched {
            Ok(stored) => Ok(PutOutcome::Stored(Some(version_of(stored.meta())))),
            Err(kube::Error::Api(status)) if is_conflict(&status) => Ok(PutOutcome::Conflict),
            Err(error) => Err(self.error(&error)),
        }
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.remove(&self.transfers, name.as_str(), expected).await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        let convert = convert::from_transfer;
        self.all(TRANSFER, &self.transfers, convert).await
    }
}

#[cfg(test)]
mod tests;
