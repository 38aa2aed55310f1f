//! The registry as one replica reaches it: over a line with a latency, which a region's outage cuts,
//! from a service with limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aso_guard::arm::Identity;
use aso_guard::claim::{EpochRecord, MemberName, Record, TransferName};
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion, Registry,
    RegistryError, Versioned,
};
use aso_guard::transfer::Transfer;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::meter::CallKind::{
    self, Busy, ClaimList, ClaimRead, ClaimWrite, EpochRead, EpochWrite, InboxRead, InboxWrite,
    Lost, MemberList, MemberRead, MemberWrite, TransferList, TransferRead, TransferWrite,
};
use super::meter::Meter;
use super::random::Random;
use super::scopes::Scopes;
use super::service::{Backend, Request, Service, Turn};

/// How many blobs the product reads at once, and how many a page of a list names: as in
/// `registry::azure`. On a hub, a page is of 500 objects.
const AT_ONCE: usize = 32;
const BLOBS: usize = 5_000;
const OBJECTS: usize = 500;

/// What all lines lead to.
pub struct Store {
    /// The records.
    pub memory: MemoryRegistry,
    /// What does the work.
    pub service: Service,
    /// Counts it.
    pub meter: Meter,
    scopes: Mutex<Scopes>,
    inboxes: Mutex<BTreeMap<MemberName, u64>>,
    /// The regions that do not reach it.
    cut: Mutex<BTreeSet<usize>>,
}

/// The line of one replica.
pub struct Line {
    /// Where it leads.
    pub store: Arc<Store>,
    member: MemberName,
    region: usize,
    latency: Duration,
    random: Mutex<Random>,
}

impl Store {
    /// An empty registry.
    pub fn new(service: Service) -> Self {
        Self {
            memory: MemoryRegistry::new(),
            service,
            meter: Meter::new(),
            scopes: Mutex::default(),
            inboxes: Mutex::default(),
            cut: Mutex::default(),
        }
    }

    /// Has these regions reach it no more, and all others.
    pub fn cut_off(&self, regions: impl IntoIterator<Item = usize>) {
        *self.cut.lock() = regions.into_iter().collect();
    }

    /// How many claims there are.
    pub fn claims(&self) -> usize {
        self.scopes.lock().total
    }

    fn is_cut(&self, region: usize) -> bool {
        self.cut.lock().contains(&region)
    }
}

fn unavailable(why: &str) -> RegistryError {
    RegistryError::Unavailable {
        registry: "the simulated registry".to_owned(),
        why: why.to_owned(),
    }
}

impl Line {
    /// A line from a region, over which a call and its answer take about so long.
    pub fn new(
        store: Arc<Store>,
        member: MemberName,
        region: usize,
        latency: Duration,
        random: Random,
    ) -> Self {
        Self {
            store,
            member,
            region,
            latency,
            random: Mutex::new(random),
        }
    }

    /// One call in a hundred takes ten times as long.
    fn there_and_back(&self) -> Duration {
        let random = &mut *self.random.lock();
        let half = self.latency / 2;
        let usual = half + random.part_of(self.latency);
        if random.below(100) == 0 {
            usual * 10
        } else {
            usual
        }
    }

    /// Has a request done. What it asks for is done when this returns, and its answer is there.
    async fn ask(&self, request: Request) -> Result<(), RegistryError> {
        let (store, began) = (&self.store, Instant::now());
        let lost = |count| {
            store.meter.add(Lost, count, 0.0);
            unavailable("no way there")
        };
        for tries in 0.. {
            sleep(self.there_and_back()).await;
            if store.is_cut(self.region) {
                return Err(lost(request.count));
            }
            match store.service.turn(&request) {
                Turn::After(wait) => {
                    let work = store.service.work(&request);
                    store.meter.add(request.kind, request.count, work);
                    if !wait.is_zero() {
                        sleep(wait).await;
                    }
                    return Ok(());
                }
                Turn::Busy => store.meter.add(Busy, request.count, 0.0),
            }
            let Some(pause) = store.service.again(tries, began) else {
                break;
            };
            sleep(pause).await;
        }
        sleep(store.service.gives_up_after()).await;
        Err(unavailable("too much to do"))
    }

    async fn ask_for(&self, kind: CallKind) -> Result<(), RegistryError> {
        self.ask(Request::one(kind)).await
    }

    /// The requests of a list: its pages, and on Blob Storage a read of each that is in it.
    async fn ask_list(
        &self,
        (pages, reads): (CallKind, CallKind),
        scanned: usize,
        found: usize,
    ) -> Result<(), RegistryError> {
        let is_blob = self.store.service.backend == Backend::Blob;
        let page = if is_blob { BLOBS } else { OBJECTS };
        // A hub gives a page's worth of what the selector finds.
        let count = if is_blob { scanned } else { found }.div_ceil(page).max(1);
        for number in 0..count {
            let first = number == 0;
            self.ask(Request {
                kind: pages,
                count: 1,
                scanned: scanned / count,
                returned: if first { found } else { 0 },
            })
            .await?;
        }
        if is_blob {
            for begin in (0..found).step_by(AT_ONCE) {
                let some = (found - begin).min(AT_ONCE);
                self.ask(Request::many(reads, some)).await?;
            }
        }
        Ok(())
    }

    /// Tells the others in a claim that it was changed.
    async fn tell(&self, before: Option<&Record>, now: &Record) {
        if self.store.service.backend != Backend::Blob {
            return;
        }
        let copies = before.into_iter().chain([now]);
        let copies = copies.flat_map(|record| record.copies.keys());
        let others: BTreeSet<MemberName> = copies
            .map(|copy| &copy.member)
            .filter(|other| **other != self.member)
            .cloned()
            .collect();
        if others.is_empty() {
            return;
        }
        let told = self.ask(Request::many(InboxWrite, others.len())).await;
        if told.is_ok() {
            let mut inboxes = self.store.inboxes.lock();
            for other in others {
                *inboxes.entry(other).or_default() += 1;
            }
        }
    }
}

#[async_trait]
impl Registry for Line {
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        self.ask_for(ClaimRead).await?;
        self.store.memory.claim(identity).await
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.ask_for(ClaimWrite).await?;
        let memory = &self.store.memory;
        let before = memory.claim(&record.identity).await?;
        let before = before.map(|known| known.record);
        let put = memory.put_claim(record, expected).await?;
        if put != PutOutcome::Conflict {
            self.store.scopes.lock().written(before.as_ref(), record);
            self.tell(before.as_ref(), record).await;
        }
        Ok(put)
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        _: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        let (found, total) = {
            let scopes = self.store.scopes.lock();
            (scopes.of(scope), scopes.total)
        };
        let memory = &self.store.memory;
        let mut page = ClaimPage::default();
        if let Some(found) = found {
            for identity in found {
                page.claims.extend(memory.claim(&identity).await?);
            }
            page.claims.retain(|known| scope.covers(&known.record));
        } else {
            page = memory.claims_page(scope, None).await?;
        }
        let found = page.claims.len();
        // Names are listed by their beginning on Blob Storage; a hub looks at labels.
        let is_below = matches!(scope, ClaimScope::Below(_));
        let is_blob = self.store.service.backend == Backend::Blob;
        let scanned = if is_below && is_blob { found } else { total };
        self.ask_list((ClaimList, ClaimRead), scanned, found)
            .await?;
        Ok(page)
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.ask_for(MemberRead).await?;
        self.store.memory.member(name).await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.ask_for(MemberWrite).await?;
        self.store.memory.put_member(member, expected).await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.ask_for(MemberWrite).await?;
        self.store.memory.remove_member(name, expected).await
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        let all = self.store.memory.members().await?;
        let count = all.records.len();
        self.ask_list((MemberList, MemberRead), count, count)
            .await?;
        Ok(all)
    }

    async fn inbox(&self, member: &MemberName) -> Result<Option<RecordVersion>, RegistryError> {
        if self.store.service.backend == Backend::Hub {
            return Ok(None);
        }
        self.ask_for(InboxRead).await?;
        let version = self.store.inboxes.lock().get(member).copied();
        let version = version.unwrap_or_default().to_string();
        Ok(Some(RecordVersion::new(&version)))
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.ask_for(EpochRead).await?;
        self.store.memory.epoch().await
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.ask_for(EpochWrite).await?;
        self.store.memory.put_epoch(epoch, expected).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        self.ask_for(TransferRead).await?;
        self.store.memory.transfer(name).await
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.ask_for(TransferWrite).await?;
        self.store.memory.put_transfer(transfer, expected).await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.ask_for(TransferWrite).await?;
        self.store.memory.remove_transfer(name, expected).await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        let all = self.store.memory.transfers().await?;
        let count = all.records.len();
        self.ask_list((TransferList, TransferRead), count, count)
            .await?;
        Ok(all)
    }
}
