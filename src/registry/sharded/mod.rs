//! Several registries behind one: the claims of a subscription are in one of them, its shard.
//!
//! A claim's shard follows from its ARM ID ([`ShardMap`]), and so does that of all that is above it
//! or below it. Each shard has an epoch and members' records of its own, as it would have alone:
//! see [`Registry::shards`]. What is in no claim is in the default shard: transfers (what they
//! reserve stands in the claims, wherever those are), and what a member's record says of namespaces.

mod file;
mod follow;
mod touched;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;

use crate::arm::Identity;
use crate::claim::{EpochRecord, MemberName, Record, ShardMap, TransferName};
use crate::transfer::Transfer;

use super::{
    ClaimPage, ClaimScope, Cursor, FollowClaims, MemberRecord, PutOutcome, RecordList,
    RecordVersion, Registry, RegistryError, Versioned,
};

pub use file::{ShardsFile, ShardsFileError};
pub use touched::{noting, touch_all, touched};

/// The shards of a registry.
pub struct Shards {
    /// Which of them keeps what.
    pub map: ShardMap,
    /// The registries, in the order of the map: the first is the default.
    pub registries: Vec<Arc<dyn Registry>>,
}

/// The registries that a registry is made of, each with an epoch of its own: itself, where it is
/// one.
pub fn each(registry: &dyn Registry) -> Vec<&dyn Registry> {
    registry.shards().map_or_else(
        || vec![registry],
        |shards| shards.registries.iter().map(|one| &**one).collect(),
    )
}

/// A registry of several.
pub struct ShardedRegistry {
    shards: Shards,
    followed: Vec<Arc<dyn FollowClaims>>,
    flags: String,
}

impl ShardedRegistry {
    /// A registry of these shards. `followed`: the same, where claims are to be followed. `flags`:
    /// see [`Registry::flags`].
    pub fn new(shards: Shards, followed: Vec<Arc<dyn FollowClaims>>, flags: &str) -> Self {
        Self {
            shards,
            followed,
            flags: flags.to_owned(),
        }
    }

    fn of(&self, identity: &Identity) -> &dyn Registry {
        self.shard(self.shards.map.shard_of(identity))
    }

    fn default(&self) -> &dyn Registry {
        self.shard(0)
    }

    /// A shard that is about to be asked.
    fn shard(&self, number: usize) -> &dyn Registry {
        touched::touch(number);
        &*self.shards.registries[number]
    }

    /// The shards that may have claims in a scope.
    fn with(&self, scope: &ClaimScope) -> Vec<usize> {
        let map = &self.shards.map;
        match scope {
            ClaimScope::Below(identity) => vec![map.shard_of(identity)],
            ClaimScope::Beside(_, subscriptions) => {
                let shards = subscriptions.iter();
                let shards: BTreeSet<usize> =
                    shards.map(|one| map.shard_of_subscription(one)).collect();
                shards.into_iter().collect()
            }
            ClaimScope::All
            | ClaimScope::InConflict
            | ClaimScope::Reserved(_)
            | ClaimScope::Orphaned(_)
            | ClaimScope::Of(..) => (0..self.shards.registries.len()).collect(),
        }
    }
}

#[async_trait]
impl Registry for ShardedRegistry {
    fn flags(&self) -> &str {
        &self.flags
    }

    fn kubectl_flags(&self) -> &str {
        self.shards.registries[0].kubectl_flags()
    }

    fn shards(&self) -> Option<&Shards> {
        Some(&self.shards)
    }

    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        self.of(identity).claim(identity).await
    }

    /// What is remembered is asked of nobody, so no shard is about to be asked.
    fn take_written(&self, identity: &Identity) -> Option<Versioned<Record>> {
        let shard = self.shards.map.shard_of(identity);
        self.shards.registries[shard].take_written(identity)
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.of(&record.identity).put_claim(record, expected).await
    }

    /// What somebody put where it does not belong is not there.
    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        let shards = self.with(scope);
        let (number, at) = Cursor::position(at);
        let Some(shard) = shards.get(number) else {
            return Ok(ClaimPage::default());
        };
        let mut page = self.shard(*shard).claims_page(scope, at.as_ref()).await?;
        let map = &self.shards.map;
        page.claims
            .retain(|known| map.shard_of(&known.record.identity) == *shard);
        let rest = page.next.as_ref().map(Cursor::as_str);
        page.next = Cursor::after(number, rest, shards.len());
        Ok(page)
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.default().member(name).await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.default().put_member(member, expected).await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.default().remove_member(name, expected).await
    }

    /// Those of all shards, each once: as the first shard has it.
    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        let lists = self.shards.registries.iter().map(|shard| shard.members());
        let mut all: RecordList<MemberRecord> = std::iter::empty().collect();
        for list in try_join_all(lists).await? {
            let known = all.names();
            let news = list.records.into_iter();
            all.records
                .extend(news.filter(|one| !known.contains(&one.record.name)));
            all.unreadable.extend(list.unreadable);
        }
        Ok(all)
    }

    async fn inbox(&self, member: &MemberName) -> Result<Option<RecordVersion>, RegistryError> {
        let inboxes = self.shards.registries.iter().map(|one| one.inbox(member));
        let versions = try_join_all(inboxes).await?;
        // A shard without one has to be listed each time, so all of them do.
        let versions: Option<Vec<_>> = versions.into_iter().collect();
        Ok(versions.map(|versions| {
            let texts: Vec<&str> = versions.iter().map(RecordVersion::as_str).collect();
            RecordVersion::new(&texts.join(" "))
        }))
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.default().epoch().await
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.default().put_epoch(epoch, expected).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        self.default().transfer(name).await
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.default().put_transfer(transfer, expected).await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.default().remove_transfer(name, expected).await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        self.default().transfers().await
    }
}

#[cfg(test)]
mod tests;
