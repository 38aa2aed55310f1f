//! A registry in memory that can be away, and that gives its claims in parts as a large one does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aso_guard::arm::Identity;
use aso_guard::claim::{EpochRecord, MemberName, Record, TransferName};
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion, Registry,
    RegistryError, UnreadableRecord, Versioned,
};
use aso_guard::transfer::Transfer;
use async_trait::async_trait;

/// A registry to show things with.
pub struct Stage {
    inner: MemoryRegistry,
    part: usize,
    away: AtomicBool,
    unreadable: Mutex<Vec<UnreadableRecord>>,
    /// How many parts of lists were asked for.
    parts: AtomicUsize,
}

impl Stage {
    /// One that gives `part` claims at a time.
    pub fn new(part: usize) -> Self {
        Self {
            inner: MemoryRegistry::new(),
            part,
            away: AtomicBool::new(false),
            unreadable: Mutex::default(),
            parts: AtomicUsize::new(0),
        }
    }

    /// From now on it does not answer, or does again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// From now on it holds this record too, which cannot be read.
    #[allow(dead_code, reason = "the example has none")]
    pub fn spoil(&self, unreadable: UnreadableRecord) {
        self.unreadable.lock().unwrap().push(unreadable);
    }

    fn unreadable(&self, kind: &str) -> Vec<UnreadableRecord> {
        let all = self.unreadable.lock().unwrap();
        all.iter().filter(|one| one.kind == kind).cloned().collect()
    }

    /// How many parts of lists it was asked for since this was last asked.
    #[allow(dead_code, reason = "the example does not ask")]
    pub fn parts_asked(&self) -> usize {
        self.parts.swap(0, Ordering::Relaxed)
    }

    fn there(&self) -> Result<&MemoryRegistry, RegistryError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(RegistryError::Unavailable {
                registry: "kubernetes:hub.kubeconfig".to_owned(),
                why: "no answer within 5s".to_owned(),
            });
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Registry for Stage {
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        self.there()?.claim(identity).await
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.there()?.put_claim(record, expected).await
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        self.parts.fetch_add(1, Ordering::Relaxed);
        let mut claims = self.there()?.claims_page(scope, None).await?.claims;
        let from = at.map_or(Ok(0), |at| at.as_str().parse::<usize>());
        let from = from.map_err(|_| RegistryError::Unavailable {
            registry: "kubernetes:hub.kubeconfig".to_owned(),
            why: "The provided continue parameter is too old".to_owned(),
        })?;
        let to = (from + self.part).min(claims.len());
        let next = (to < claims.len()).then(|| Cursor::new(to.to_string()));
        let claims = claims.drain(from.min(to)..to).collect();
        Ok(ClaimPage {
            claims,
            unreadable: if from == 0 {
                self.unreadable("claim")
            } else {
                Vec::new()
            },
            next,
        })
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.there()?.member(name).await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.there()?.put_member(member, expected).await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.there()?.remove_member(name, expected).await
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        let mut listed = self.there()?.members().await?;
        listed.unreadable = self.unreadable("member");
        Ok(listed)
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.there()?.epoch().await
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.there()?.put_epoch(epoch, expected).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        self.there()?.transfer(name).await
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.there()?.put_transfer(transfer, expected).await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.there()?.remove_transfer(name, expected).await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        let mut listed = self.there()?.transfers().await?;
        listed.unreadable = self.unreadable("transfer");
        Ok(listed)
    }
}
