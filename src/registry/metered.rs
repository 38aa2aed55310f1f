//! A registry whose calls are counted and timed, and of which no more admissions ask than may at once.
//! It remembers the claims that were written through it, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as Exposition;

use tracing::{error, info};

use crate::arm::Identity;
use crate::claim::{EpochRecord, MemberName, Record, TransferName};
use crate::telemetry::calls::CallMetrics;
use crate::transfer::Transfer;

use super::crowd::Crowd;
use super::written::WrittenClaims;
use super::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion, Registry,
    RegistryError, UnreadableRecord, Versioned,
};

/// From a registry in memory to the longest that a call may take, in seconds.
const BUCKETS: [f64; 11] = [
    0.000_1, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 15.0,
];

/// For how long a record that cannot be read is counted after it was met last: longer than
/// it takes to compare everything with the registry.
const REMEMBERED: Duration = Duration::from_mins(15);

/// Every kind of record there is.
const KINDS: [&str; 3] = ["claim", "member", "transfer"];

/// Every call there is.
const OPERATIONS: [&str; 14] = [
    "claim",
    "put_claim",
    "claims",
    "member",
    "put_member",
    "members",
    "remove_member",
    "inbox",
    "epoch",
    "put_epoch",
    "transfer",
    "put_transfer",
    "transfers",
    "remove_transfer",
];

/// Counts calls, and records that cannot be read.
#[derive(Clone, Debug)]
pub struct RegistryMetrics {
    calls: CallMetrics<CallLabels>,
    unreadable: Family<RecordKindLabels, Gauge>,
    met: Arc<Mutex<BTreeMap<KnownUnreadable, Instant>>>,
}

/// A record that cannot be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct KnownUnreadable {
    kind: &'static str,
    name: String,
    why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RecordKindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    outcome: &'static str,
}

impl Default for RegistryMetrics {
    fn default() -> Self {
        Self {
            calls: CallMetrics::timed(&BUCKETS),
            unreadable: Family::default(),
            met: Arc::default(),
        }
    }
}

impl RegistryMetrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Exposition) {
        for operation in OPERATIONS {
            let outcome = "ok";
            self.calls
                .show(operation, &CallLabels { operation, outcome });
        }
        self.calls.register(
            registry,
            (
                "registry_calls",
                "Calls of the registry, by operation and outcome: ok, conflict (somebody else was there first), unavailable, crowded (not made: too many admissions wait for the registry), forbidden, corrupt",
            ),
            ("registry_call_duration", "How long calls of the registry took"),
        );
        self.meet(&[]);
        registry.register(
            "registry_unreadable_records",
            "Records of the registry that cannot be read, by kind: nothing is decided on them, and the others are not affected",
            self.unreadable.clone(),
        );
    }

    /// Counts records that cannot be read, and logs each once.
    fn meet(&self, unreadable: &[UnreadableRecord]) {
        let now = Instant::now();
        let mut met = self.met.lock();
        for one in unreadable {
            let key = KnownUnreadable {
                kind: one.kind,
                name: one.name.clone(),
                why: one.why.clone(),
            };
            if met.insert(key, now).is_none() {
                error!(error = %one, "a record cannot be read: nothing is decided on it");
            }
        }
        for (gone, _) in met.extract_if(.., |_, at| now.duration_since(*at) > REMEMBERED) {
            info!(kind = gone.kind, record = %gone.name, "a record that could not be read was not met again");
        }
        for kind in KINDS {
            let names = met.keys().filter(|one| one.kind == kind);
            let mut names: Vec<&str> = names.map(|one| &*one.name).collect();
            names.dedup();
            let count = i64::try_from(names.len()).unwrap_or(i64::MAX);
            self.unreadable
                .get_or_create(&RecordKindLabels { kind })
                .set(count);
        }
    }
}

/// A registry, and what is counted of it.
pub struct MeteredRegistry {
    inner: Arc<dyn Registry>,
    metrics: RegistryMetrics,
    crowd: Crowd,
    written: WrittenClaims,
}

impl MeteredRegistry {
    /// Counts the calls of `inner`.
    pub fn new(inner: Arc<dyn Registry>, metrics: RegistryMetrics) -> Self {
        Self {
            inner,
            metrics,
            crowd: Crowd::default(),
            written: WrittenClaims::default(),
        }
    }

    /// The same for a call that a verdict needs, which an admission makes only where it has a place among those
    /// that may.
    async fn count_in_crowd<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, RegistryError>>,
        outcome: impl FnOnce(&T) -> &'static str,
    ) -> Result<T, RegistryError> {
        if let Err(crowded) = self.crowd.enter() {
            let outcome = "crowded";
            self.metrics
                .calls
                .count_unmade(&CallLabels { operation, outcome });
            return Err(crowded);
        }
        self.count(operation, call, outcome).await
    }

    async fn count<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, RegistryError>>,
        outcome: impl FnOnce(&T) -> &'static str,
    ) -> Result<T, RegistryError> {
        let began = Instant::now();
        let answer = call.await;
        let outcome = match &answer {
            Ok(answer) => outcome(answer),
            Err(RegistryError::Unavailable { .. }) => {
                self.written.clear();
                "unavailable"
            }
            Err(RegistryError::Crowded(_)) => "crowded",
            Err(RegistryError::Forbidden { .. }) => "forbidden",
            Err(RegistryError::Corrupt(one)) => {
                self.metrics.meet(std::slice::from_ref(one));
                "corrupt"
            }
        };
        let call = CallLabels { operation, outcome };
        self.metrics.calls.count(operation, &call, began.elapsed());
        answer
    }
}

fn ok<T>(_: &T) -> &'static str {
    "ok"
}

fn of_put(put: &PutOutcome) -> &'static str {
    match put {
        PutOutcome::Stored(_) => "ok",
        PutOutcome::Conflict => "conflict",
    }
}

#[async_trait]
impl Registry for MeteredRegistry {
    fn flags(&self) -> &str {
        self.inner.flags()
    }

    fn kubectl_flags(&self) -> &str {
        self.inner.kubectl_flags()
    }

    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        let call = self.inner.claim(identity);
        self.count_in_crowd("claim", call, ok).await
    }

    fn take_written(&self, identity: &Identity) -> Option<Versioned<Record>> {
        self.written.take(identity, Instant::now())
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        // It is another one from now on, or somebody was quicker, or nobody knows.
        self.written.forget(&record.identity);
        let call = self.inner.put_claim(record, expected);
        let put = self.count_in_crowd("put_claim", call, of_put).await?;
        if let PutOutcome::Stored(Some(version)) = &put {
            self.written.add(record, version, Instant::now());
        }
        Ok(put)
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        let call = self.inner.claims_page(scope, at);
        let page = self.count_in_crowd("claims", call, ok).await?;
        self.metrics.meet(&page.unreadable);
        Ok(page)
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        let call = self.inner.member(name);
        self.count_in_crowd("member", call, ok).await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.put_member(member, expected);
        self.count("put_member", call, of_put).await
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        let listed = self.count("members", self.inner.members(), ok).await?;
        self.metrics.meet(&listed.unreadable);
        Ok(listed)
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.remove_member(name, expected);
        self.count("remove_member", call, of_put).await
    }

    async fn inbox(&self, member: &MemberName) -> Result<Option<RecordVersion>, RegistryError> {
        self.count("inbox", self.inner.inbox(member), ok).await
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.count("epoch", self.inner.epoch(), ok).await
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.put_epoch(epoch, expected);
        self.count("put_epoch", call, of_put).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        self.count("transfer", self.inner.transfer(name), ok).await
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.put_transfer(transfer, expected);
        self.count("put_transfer", call, of_put).await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.remove_transfer(name, expected);
        self.count("remove_transfer", call, of_put).await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        let call = self.inner.transfers();
        let listed = self.count("transfers", call, ok).await?;
        self.metrics.meet(&listed.unreadable);
        Ok(listed)
    }
}

#[cfg(test)]
mod tests;
