//! The registry in Azure Blob Storage: a blob for each record, changed on condition of its ETag.
//!
//! Blob Storage is [strongly consistent][consistency]: a read or a list that begins after a write
//! was answered sees it. A write [on condition][conditions] that the blob has an ETag, or is not
//! there, is a compare-and-set: together they are the contract of [`Registry`]. One claim is one
//! blob, and one write; there are no leases, which would have to be waited for when their holder
//! died.
//!
//! A blob's content is the object that holds the record on a hub, as JSON, so that one tool reads
//! both. What lists go by is in its [name](names) and its [metadata](summary), written in the same
//! call.
//!
//! # The library
//!
//! `object_store` knows Azure's credentials (workload identity, managed identity, a client's secret,
//! keys, signatures) and how calls are signed, on our own HTTP client and with `ring` alone. The
//! calls themselves are made [here](container): it has no delete on condition, so that removed
//! claims would have to stay as tombstones, and no metadata in lists, so that each list would read
//! every claim. Microsoft's `azure_storage_blob` has both, but no keys, which Azurite needs.
//!
//! [consistency]: https://learn.microsoft.com/azure/storage/blobs/concurrency-manage
//! [conditions]: https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations

mod container;
mod credential;
mod failure;
mod follow;
mod inbox;
mod listing;
mod names;
mod place;
mod summary;
mod transport;
mod writing;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::arm::Identity;
use crate::claim::{EpochRecord, MemberName, Record, TransferName};
use crate::object::json::from_json;
use crate::object::text::causes;
use crate::transfer::Transfer;

use super::kubernetes::{convert, crd};
use super::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion, Registry,
    RegistryError, UnreadableRecord, Versioned,
};
use container::{Blob, Container};
use inbox::Peers;
use listing::ListedBlob;

pub use credential::{CredentialError, Environment, Fallback};
pub use place::{ContainerUrl, ContainerUrlError};

/// What kinds of records are called where one cannot be read.
const CLAIM: &str = "claim";
const MEMBER: &str = "member";
const TRANSFER: &str = "transfer";

/// How many blobs one page of a list names where most of them are read, and where few are. Azure
/// gives at most 5,000.
const PAGE: u32 = 500;
const SPARSE_PAGE: u32 = 5_000;
/// How many blobs are read at once.
const AT_ONCE: usize = 32;

/// A registry in a container of a storage account.
pub struct AzureRegistry {
    container: Container,
    peers: Peers,
    flags: String,
}

impl AzureRegistry {
    /// The registry in a container, by the credential that the environment names. Nothing is
    /// asked yet.
    ///
    /// # Errors
    /// The environment names no credential that makes sense.
    pub fn new(
        place: &ContainerUrl,
        environment: &Environment,
        fallback: Fallback,
    ) -> Result<Self, CredentialError> {
        let other =
            |error: &(dyn std::error::Error + 'static)| CredentialError::Other(causes(error));
        let transport = transport::Transport::new().map_err(|error| other(&error))?;
        let http = transport.client();
        let access = credential::access(place, environment, fallback, transport)?;
        let store = access.builder.build().map_err(|error| other(&error))?;
        Ok(Self {
            container: Container {
                http,
                credentials: store.credentials().clone(),
                account: place.account().to_owned(),
                base: format!("{}/{}", access.endpoint, place.container()),
                name: place.to_string(),
            },
            peers: Peers::default(),
            flags: format!(" --registry {place}"),
        })
    }

    /// The same, for a member, who need not be told what it changes itself.
    #[must_use]
    pub fn for_member(self, member: &MemberName) -> Self {
        Self {
            peers: Peers::of(member.clone()),
            ..self
        }
    }

    /// Reads one blob's record, or says what is wrong with it.
    fn read<K: DeserializeOwned, T>(
        &self,
        kind: &'static str,
        name: &str,
        blob: &Blob,
        convert: impl Fn(&K) -> Result<T, String>,
    ) -> Result<Versioned<T>, UnreadableRecord> {
        let text = std::str::from_utf8(&blob.content).map_err(|error| error.to_string());
        let object = text.and_then(|text| from_json(text).map_err(|error| error.to_string()));
        let record = object.and_then(|object| convert(&object));
        let version = blob.version.clone();
        let unreadable = |why| UnreadableRecord {
            registry: self.container.name.clone(),
            kind,
            name: name.to_owned(),
            identity: names::claimed(name),
            why,
        };
        let record = record.map_err(unreadable)?;
        Ok(Versioned { record, version })
    }

    async fn one<K: DeserializeOwned, T>(
        &self,
        kind: &'static str,
        name: &str,
        convert: impl Fn(&K) -> Result<T, String>,
    ) -> Result<Option<Versioned<T>>, RegistryError> {
        match self.container.get(name).await? {
            Some(blob) => Ok(Some(self.read(kind, name, &blob, convert)?)),
            None => Ok(None),
        }
    }

    async fn put(
        &self,
        name: &str,
        object: &impl Serialize,
        metadata: &[(&'static str, String)],
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let content =
            serde_json::to_vec_pretty(object).map_err(|error| RegistryError::Unavailable {
                registry: self.container.name.clone(),
                why: format!("{name} cannot be written: {error}"),
            })?;
        let content = Bytes::from(content);
        self.container.put(name, content, metadata, expected).await
    }

    /// These blobs, each with its name; those that are gone meanwhile are left out.
    async fn blobs(&self, listed: Vec<ListedBlob>) -> Result<Vec<(String, Blob)>, RegistryError> {
        let reads = stream::iter(listed).map(|listed| async {
            let blob = self.container.get(&listed.name).await?;
            Ok::<_, RegistryError>(blob.map(|blob| (listed.name, blob)))
        });
        let read: Vec<Option<(String, Blob)>> = reads.buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// Every record of a kind of which there are few.
    async fn all<K: DeserializeOwned, T>(
        &self,
        kind: &'static str,
        prefix: &str,
        convert: impl Fn(&K) -> Result<T, String>,
    ) -> Result<RecordList<T>, RegistryError> {
        let mut all: RecordList<T> = std::iter::empty().collect();
        let mut marker = None;
        loop {
            let page = self.container.list(prefix, marker.as_deref(), PAGE).await?;
            for (name, blob) in self.blobs(page.blobs).await? {
                match self.read(kind, &name, &blob, &convert) {
                    Ok(read) => all.records.push(read),
                    Err(unreadable) => all.unreadable.push(unreadable),
                }
            }
            marker = page.next;
            if marker.is_none() {
                return Ok(all);
            }
        }
    }
}

#[async_trait]
impl Registry for AzureRegistry {
    fn flags(&self) -> &str {
        &self.flags
    }

    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        let about_it = |claim: &crd::Claim| match convert::from_claim(claim)? {
            record if record.identity == *identity => Ok(record),
            record => Err(format!("it is about {}, not {identity}", record.identity)),
        };
        let name = names::of_claim(identity);
        let known = self.one(CLAIM, &name, about_it).await?;
        if let Some(known) = &known {
            self.peers.was_read(&name, &known.record);
        }
        Ok(known)
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let name = names::of_claim(&record.identity);
        let put = match expected {
            None if record.is_empty() => {
                return match self.container.get(&name).await? {
                    None => Ok(PutOutcome::Stored(None)),
                    Some(_) => Ok(PutOutcome::Conflict),
                };
            }
            Some(expected) if record.is_empty() => self.container.delete(&name, expected).await?,
            expected => {
                let claim = convert::to_claim(record, None, Timestamp::now());
                let metadata = summary::of(record);
                self.put(&name, &claim, &metadata, expected).await?
            }
        };
        if put != PutOutcome::Conflict {
            inbox::write(&self.container, self.peers.was_written(&name, record)).await;
        }
        Ok(put)
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        let prefixes = names::prefixes(scope);
        let (number, marker) = Cursor::position(at);
        let Some(prefix) = prefixes.get(number) else {
            return Ok(ClaimPage::default());
        };
        let marker = marker.as_ref().map(Cursor::as_str);
        let size = listing::page_size(scope);
        let listed = self.container.list(prefix, marker, size).await?;
        let wanted = listed.blobs.into_iter();
        let wanted = wanted
            .filter(|blob| blob.name != names::EPOCH && summary::may_be_in(&blob.metadata, scope));
        let mut page = ClaimPage::default();
        for (name, blob) in self.blobs(wanted.collect()).await? {
            match self.read(CLAIM, &name, &blob, convert::from_claim) {
                Ok(read) if scope.covers(&read.record) => page.claims.push(read),
                Err(found) if scope.may_cover(&found) => page.unreadable.push(found),
                Ok(_) | Err(_) => {}
            }
        }
        page.next = Cursor::after(number, listed.next.as_deref(), prefixes.len());
        Ok(page)
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.one(MEMBER, &names::of_member(name), convert::from_member)
            .await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let object = convert::to_member(member, None);
        self.put(&names::of_member(&member.name), &object, &[], expected)
            .await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.container
            .delete(&names::of_member(name), expected)
            .await
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        self.all(MEMBER, names::MEMBERS, convert::from_member).await
    }

    async fn inbox(&self, member: &MemberName) -> Result<Option<RecordVersion>, RegistryError> {
        inbox::version(&self.container, member).await.map(Some)
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.one(CLAIM, names::EPOCH, convert::from_epoch).await
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let mut object = convert::to_epoch(epoch, None, Timestamp::now());
        object.metadata.uid = Some(match expected {
            Some(_) => epoch.epoch.id.to_string(),
            None => Uuid::new_v4().to_string(),
        });
        self.put(names::EPOCH, &object, &[], expected).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        self.one(TRANSFER, &names::of_transfer(name), convert::from_transfer)
            .await
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let object = convert::to_transfer(transfer);
        self.put(&names::of_transfer(&transfer.name), &object, &[], expected)
            .await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.container
            .delete(&names::of_transfer(name), expected)
            .await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        self.all(TRANSFER, names::TRANSFERS, convert::from_transfer)
            .await
    }
}
