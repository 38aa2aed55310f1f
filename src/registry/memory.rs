//! The registry in this process's memory: for trying things out, and for tests.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::arm::Identity;
use crate::claim::{ClaimState, EpochRecord, MemberName, Record, TransferName};
use crate::transfer::Transfer;

use super::{
    ClaimPage, ClaimScope, CopyFilter, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion,
    Registry, RegistryError, UnreadableRecord, Versioned,
};

/// A registry that lives and dies with the process.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    tables: Mutex<MemoryTables>,
}

#[derive(Debug, Default)]
struct MemoryTables {
    /// The version the next write gets: one count for all, so that none is ever
    /// used twice for one record.
    next: u64,
    /// By the lower-cased identity, so that what is below one stands behind it.
    claims: BTreeMap<String, (u64, Record)>,
    members: BTreeMap<MemberName, (u64, MemberRecord)>,
    transfers: BTreeMap<TransferName, (u64, Transfer)>,
    epoch: Option<(u64, EpochRecord)>,
}

impl MemoryRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes all claims and the epoch, as somebody may who deletes all claims of a hub.
    pub fn lose_claims(&self) {
        let tables = &mut *self.tables.lock();
        tables.claims.clear();
        tables.epoch = None;
    }
}

fn version(number: u64) -> RecordVersion {
    RecordVersion::new(&number.to_string())
}

fn versioned<T: Clone>((number, record): &(u64, T)) -> Versioned<T> {
    Versioned {
        record: record.clone(),
        version: version(*number),
    }
}

/// Compare-and-set on one table. `None` as a record removes it.
fn put<K: Ord, T>(
    next: &mut u64,
    table: &mut BTreeMap<K, (u64, T)>,
    key: K,
    record: Option<T>,
    expected: Option<&RecordVersion>,
) -> PutOutcome {
    let held = table.get(&key).map(|(number, _)| version(*number));
    if held.as_ref() != expected {
        return PutOutcome::Conflict;
    }
    let Some(record) = record else {
        table.remove(&key);
        return PutOutcome::Stored(None);
    };
    *next += 1;
    table.insert(key, (*next, record));
    PutOutcome::Stored(Some(version(*next)))
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        Ok(self
            .tables
            .lock()
            .claims
            .get(&identity.key())
            .map(versioned))
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let stored = (!record.is_empty()).then(|| record.clone());
        let tables = &mut *self.tables.lock();
        let key = record.identity.key();
        Ok(put(
            &mut tables.next,
            &mut tables.claims,
            key,
            stored,
            expected,
        ))
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        _: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        let tables = self.tables.lock();
        let claims = match scope {
            ClaimScope::Below(identity) => {
                let key = identity.key();
                let from_here = tables.claims.range(key.clone()..);
                from_here
                    .take_while(|(other, _)| other.starts_with(&key))
                    .map(|(_, row)| row)
                    .filter(|(_, record)| record.identity.is_below(identity))
                    .map(versioned)
                    .collect()
            }
            scope => tables
                .claims
                .values()
                .filter(|(_, record)| scope.covers(record))
                .map(versioned)
                .collect(),
        };
        Ok(ClaimPage {
            claims,
            ..ClaimPage::default()
        })
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        Ok(self.tables.lock().members.get(name).map(versioned))
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let tables = &mut *self.tables.lock();
        let name = member.name.clone();
        let stored = Some(member.clone());
        Ok(put(
            &mut tables.next,
            &mut tables.members,
            name,
            stored,
            expected,
        ))
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        let tables = &mut *self.tables.lock();
        let (next, members) = (&mut tables.next, &mut tables.members);
        Ok(put(next, members, name.clone(), None, Some(expected)))
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        Ok(self.tables.lock().members.values().map(versioned).collect())
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        Ok(self.tables.lock().epoch.as_ref().map(versioned))
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let tables = &mut *self.tables.lock();
        let held = tables.epoch.as_ref().map(|(number, _)| version(*number));
        if held.as_ref() != expected {
            return Ok(PutOutcome::Conflict);
        }
        tables.next += 1;
        let mut stored = epoch.clone();
        stored.epoch.id = match tables.epoch.take() {
            Some((_, known)) => known.epoch.id,
            None => Uuid::new_v4().to_string().into(),
        };
        tables.epoch = Some((tables.next, stored));
        Ok(PutOutcome::Stored(Some(version(tables.next))))
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        Ok(self.tables.lock().transfers.get(name).map(versioned))
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let tables = &mut *self.tables.lock();
        let (next, transfers) = (&mut tables.next, &mut tables.transfers);
        let (name, stored) = (transfer.name.clone(), Some(transfer.clone()));
        Ok(put(next, transfers, name, stored, expected))
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        let tables = &mut *self.tables.lock();
        let (next, transfers) = (&mut tables.next, &mut tables.transfers);
        Ok(put(next, transfers, name.clone(), None, Some(expected)))
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        Ok(self
            .tables
            .lock()
            .transfers
            .values()
            .map(versioned)
            .collect())
    }
}

impl ClaimScope {
    /// Whether a claim that cannot be read may be in this scope.
    pub fn may_cover(&self, unreadable: &UnreadableRecord) -> bool {
        match (self, &unreadable.identity) {
            (Self::Below(top), Some(identity)) => identity.is_below(top),
            _ => true,
        }
    }

    /// Whether a record is in this scope.
    pub fn covers(&self, record: &Record) -> bool {
        match self {
            Self::All => true,
            Self::Below(identity) => record.identity.is_below(identity),
            Self::InConflict => record.state() == ClaimState::Conflict,
            Self::Reserved(transfer) => record.reserved.as_ref().is_some_and(|held| {
                transfer
                    .as_ref()
                    .is_none_or(|transfer| held.transfer == *transfer)
            }),
            Self::Orphaned(member) => {
                record.state() == ClaimState::Parked
                    && record.copies.keys().any(|copy| copy.member == *member)
            }
            Self::Beside(member, subscriptions) => {
                let subscription = record.identity.subscription();
                subscription.is_some_and(|one| subscriptions.contains(&one.to_ascii_lowercase()))
                    && record.copies.keys().all(|copy| copy.member != *member)
            }
            Self::Of(member, holding) => record.copies.iter().any(|(copy, held)| {
                copy.member == *member
                    && (*holding == CopyFilter::AnyCopy || held.next_deadline().is_some())
            }),
        }
    }
}
