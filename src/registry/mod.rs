//! Where the claims of all members are kept: records changed by compare-and-set.

pub mod archive;
pub mod azure;
mod calls;
mod crowd;
pub mod edit;
mod error;
mod follow;
pub mod hub;
pub mod kubernetes;
pub mod memory;
pub mod metered;
pub mod migration;
pub mod policy_changes;
mod read_only;
mod record;
pub mod sharded;
pub mod transfers;
mod url;
mod written;

pub use calls::make;
pub use crowd::{ADMISSIONS, admission};
pub use error::{RegistryError, UnreadableRecord};
pub use follow::{ClaimEvent, FollowClaims};
pub use read_only::ReadOnlyRegistry;
pub use record::{
    ClaimPage, ClaimScope, CopyFilter, Cursor, MemberRecord, MemberStanding, NextRegistry,
    PutOutcome, RecordList, RecordVersion, Sample, SecondLine, Versioned,
};
pub use url::{RegistryUrl, RegistryUrlError};

use async_trait::async_trait;

use crate::arm::Identity;
use crate::claim::{EpochRecord, MemberName, Record, TransferName};
use crate::transfer::Transfer;

use sharded::Shards;

/// A store of small records with compare-and-set.
///
/// **Contract.** Reads and writes are linearizable: a read that starts after a
/// write was answered sees that write or a later one. A put with an expectation
/// that does not hold changes nothing. A call that fails with
/// [`RegistryError::Unavailable`] may or may not have been carried out: read
/// again to know. Nothing here retries or waits on its own: the caller has one
/// deadline for all it does. A record that cannot be read keeps no other from being
/// listed: lists say which ones they are.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The flags by which somebody's `aso-guard` reaches it, for the commands in messages:
    /// none, or beginning with a space, such as ` --context hub`.
    fn flags(&self) -> &str {
        Default::default()
    }

    /// The same for `kubectl`, for commands in the cluster of the registry.
    fn kubectl_flags(&self) -> &str {
        Default::default()
    }

    /// The registries that it is made of, where claims are sharded. Each has members' records and an
    /// epoch of its own; what this one gives of these is the default shard's. `None` where it is one
    /// itself.
    fn shards(&self) -> Option<&Shards> {
        None
    }

    /// The record of an identity, and its version.
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError>;

    /// A claim as this process wrote it last, where it remembers that; it says so once. Nobody was
    /// asked, so others may have changed it since: nothing may rest on it but a write on condition
    /// of its version, and no verdict does.
    fn take_written(&self, _: &Identity) -> Option<Versioned<Record>> {
        None
    }

    /// Stores a record, if the registry still holds `expected` (`None`: no
    /// record). A record that says [nothing](Record::is_empty) is removed.
    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError>;

    /// A part of the records in a scope, in no order: the first one, or the one that
    /// begins `at` where the part before it ended. A member may have so many claims
    /// that nobody wants all of them in memory.
    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError>;

    /// The records in a scope, in no order.
    async fn claims(&self, scope: &ClaimScope) -> Result<RecordList<Record>, RegistryError> {
        let mut page = self.claims_page(scope, None).await?;
        let mut listed = RecordList {
            records: std::mem::take(&mut page.claims),
            unreadable: std::mem::take(&mut page.unreadable),
        };
        while let Some(at) = page.next {
            page = self.claims_page(scope, Some(&at)).await?;
            listed.records.append(&mut page.claims);
            listed.unreadable.append(&mut page.unreadable);
        }
        Ok(listed)
    }

    /// A member's record, and its version.
    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError>;

    /// Stores a member's record, if the registry still holds `expected`.
    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError>;

    /// Removes a member's record, if the registry still holds `expected`. Its copies
    /// stay in their claims.
    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError>;

    /// All members, in no order.
    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError>;

    /// What is another one whenever somebody else has changed a claim in which the member has a
    /// copy: until then, lists of such claims need not be asked for again. `None` where lists cost
    /// little. It is for what is shown: no verdict rests on it, and what it misses is found by a
    /// list now and then all the same.
    async fn inbox(&self, _: &MemberName) -> Result<Option<RecordVersion>, RegistryError> {
        Ok(None)
    }

    /// The registry's epoch, and who is awaited under it; `None` where it has none yet. What
    /// was lost with the claims, or before them, is not given: the record lives where they do.
    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError>;

    /// Stores the epoch's record, if the registry still holds `expected`. One that is made
    /// (`None`) gets an `id` that no record before it had; on a change, the `id` stays. There is
    /// no call that removes it.
    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError>;

    /// A transfer's record, and its version.
    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError>;

    /// Stores a transfer's record, if the registry still holds `expected`. What protects
    /// its resources stands in their claims: see [`transfers`].
    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError>;

    /// Removes a transfer's record, if the registry still holds `expected`.
    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError>;

    /// All transfers, those that are over included, in no order.
    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError>;
}
