//! A registry whose calls are counted and timed.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::registry::Registry as Exposition;

use crate::arm::Identity;
use crate::claim::{MemberName, Record, TransferName};
use crate::telemetry::calls::Calls;
use crate::transfer::Transfer;

use super::{
    Cursor, MemberRecord, Page, Put, RecordVersion, Registry, RegistryError, Scope, Versioned,
};

/// From a registry in memory to the longest that a call may take, in seconds.
const BUCKETS: [f64; 11] = [
    0.000_1, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 15.0,
];

/// Every call there is.
const OPERATIONS: [&str; 11] = [
    "claim",
    "put_claim",
    "claims",
    "member",
    "put_member",
    "members",
    "remove_member",
    "transfer",
    "put_transfer",
    "transfers",
    "remove_transfer",
];

/// Counts calls.
#[derive(Clone, Debug)]
pub struct Metrics {
    calls: Calls<Call>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    operation: &'static str,
    outcome: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Calls::timed(&BUCKETS),
        }
    }
}

impl Metrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Exposition) {
        for operation in OPERATIONS {
            let outcome = "ok";
            self.calls.show(operation, &Call { operation, outcome });
        }
        self.calls.register(
            registry,
            (
                "registry_calls",
                "Calls of the registry, by operation and outcome: ok, conflict (somebody else was there first), unavailable, forbidden, corrupt",
            ),
            ("registry_call_duration", "How long calls of the registry took"),
        );
    }
}

/// A registry, and what is counted of it.
pub struct Metered {
    inner: Arc<dyn Registry>,
    metrics: Metrics,
}

impl Metered {
    /// Counts the calls of `inner`.
    pub fn new(inner: Arc<dyn Registry>, metrics: Metrics) -> Self {
        Self { inner, metrics }
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
            Err(RegistryError::Unavailable { .. }) => "unavailable",
            Err(RegistryError::Forbidden { .. }) => "forbidden",
            Err(RegistryError::Corrupt { .. }) => "corrupt",
        };
        let call = Call { operation, outcome };
        self.metrics.calls.count(operation, &call, began.elapsed());
        answer
    }
}

fn ok<T>(_: &T) -> &'static str {
    "ok"
}

fn of_put(put: &Put) -> &'static str {
    match put {
        Put::Stored(_) => "ok",
        Put::Conflict => "conflict",
    }
}

#[async_trait]
impl Registry for Metered {
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        self.count("claim", self.inner.claim(identity), ok).await
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<Put, RegistryError> {
        let call = self.inner.put_claim(record, expected);
        self.count("put_claim", call, of_put).await
    }

    async fn claims_page(&self, scope: &Scope, at: Option<&Cursor>) -> Result<Page, RegistryError> {
        let call = self.inner.claims_page(scope, at);
        self.count("claims", call, ok).await
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.count("member", self.inner.member(name), ok).await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<Put, RegistryError> {
        let call = self.inner.put_member(member, expected);
        self.count("put_member", call, of_put).await
    }

    async fn members(&self) -> Result<Vec<Versioned<MemberRecord>>, RegistryError> {
        self.count("members", self.inner.members(), ok).await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<Put, RegistryError> {
        let call = self.inner.remove_member(name, expected);
        self.count("remove_member", call, of_put).await
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
    ) -> Result<Put, RegistryError> {
        let call = self.inner.put_transfer(transfer, expected);
        self.count("put_transfer", call, of_put).await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<Put, RegistryError> {
        let call = self.inner.remove_transfer(name, expected);
        self.count("remove_transfer", call, of_put).await
    }

    async fn transfers(&self) -> Result<Vec<Versioned<Transfer>>, RegistryError> {
        self.count("transfers", self.inner.transfers(), ok).await
    }
}
