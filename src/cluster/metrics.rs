//! What is counted of the observer's work, and of what it found.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::claim::ClaimState;
use crate::registry::MemberRecord;
use crate::transfer::{StageCounts, TransferStage};

/// Counts what the observer does and finds.
#[derive(Clone, Debug, Default)]
pub struct ObserverMetrics {
    claims: Family<StateLabels, Gauge>,
    members: Family<MemberLabels, Gauge<f64, AtomicU64>>,
    transfers: Gauge,
    moving: Family<StageLabels, Gauge>,
    pub(super) conflicts: Gauge,
    pub(super) unresolved: Gauge,
    unwatched: Gauge,
    fenced: Gauge,
    fenced_members: Family<MemberLabels, Gauge>,
    protected: Gauge,
    stale: Gauge,
    hub_tokens: Family<MemberLabels, Gauge<f64, AtomicU64>>,
    pub(super) orphaned: Gauge,
    pub(super) parked: Counter,
    pub(super) waiting: Gauge,
    pub(super) lag: Gauge<f64, AtomicU64>,
    pub(super) enrolling: Gauge,
    pub(super) failures: Counter,
    rebuilding: Gauge,
    awaited: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MemberLabels {
    member: String,
}

impl ObserverMetrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        self.set_claims(&BTreeMap::new());
        registry.register(
            "claims",
            "Claims that this member has a copy in, by state, as its observer last saw them",
            self.claims.clone(),
        );
        self.set_transfers(0, &StageCounts::default());
        registry.register(
            "transfer_resources",
            "Resources of the open transfers from or to this member, by how far they are: live, busy, parked, coming, moved, done, waiting, conflict, deleting, lost",
            self.moving.clone(),
        );
        registry.register_with_unit(
            "member_last_heard_timestamp",
            "When each member last wrote its heartbeat, by its own clock",
            Unit::Seconds,
            self.members.clone(),
        );
        registry.register_with_unit(
            "member_hub_token_expiry_timestamp",
            "When the token of each member expires by which its guard asks the hub; not there where it does not, or does not say",
            Unit::Seconds,
            self.hub_tokens.clone(),
        );
        registry.register(
            "member_fenced",
            "1 for each member that a person has declared lost",
            self.fenced_members.clone(),
        );
        self.register_gauges(registry);
        self.register_rebuilding(registry);
        registry.register_with_unit(
            "observer_lag",
            "For how long some object has been waiting to be looked at; none waited longer",
            Unit::Seconds,
            self.lag.clone(),
        );
        registry.register(
            "newcomers_parked",
            "Copies that were parked because they came on top of a live one (--on-conflict park)",
            self.parked.clone(),
        );
        registry.register(
            "observer_failures",
            "Looks at an object that failed, and are made again",
            self.failures.clone(),
        );
    }

    fn register_rebuilding(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            (
                "registry_rebuilding",
                "1 while the registry does not know all copies, because it is new, was emptied or was set back: what rests on claims is refused",
                &self.rebuilding,
            ),
            (
                "registry_awaited_members",
                "Members whose copies the registry is waited for to know",
                &self.awaited,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    fn register_gauges(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            (
                "conflicts",
                "Resources with more than one live copy, one of them this member's",
                &self.conflicts,
            ),
            (
                "fenced",
                "1 while a person says that this cluster is lost: nothing goes live in it",
                &self.fenced,
            ),
            (
                "transfers_open",
                "Open transfers from or to this member",
                &self.transfers,
            ),
            (
                "unresolved_objects",
                "Objects whose Azure resource cannot be worked out",
                &self.unresolved,
            ),
            (
                "unwatched_kinds",
                "Installed kinds of ASO that the guard may not read, so that what becomes of their objects goes unseen",
                &self.unwatched,
            ),
            (
                "protected_namespaces",
                "Namespaces in which something is written down for API servers to refuse by while no guard answers",
                &self.protected,
            ),
            (
                "stale_protections",
                "Namespaces in which that may be out of date, for it could not be written or claims cannot be followed",
                &self.stale,
            ),
            (
                "orphaned",
                "Copies of this member whose resource nobody reconciles: all are parked, or the live one's member is gone from the registry",
                &self.orphaned,
            ),
            (
                "observer_queue_objects",
                "Objects that wait to be looked at",
                &self.waiting,
            ),
            (
                "enrolment_remaining_objects",
                "Objects older than the guard that are not in the registry yet",
                &self.enrolling,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    /// Says how many claims there are in each state.
    pub(super) fn set_claims(&self, counts: &BTreeMap<&'static str, i64>) {
        for state in ClaimState::ALL.map(ClaimState::as_str) {
            let count = counts.get(state).copied().unwrap_or(0);
            self.claims.get_or_create(&StateLabels { state }).set(count);
        }
    }

    /// Says how many transfers are open, and how far their resources are.
    pub(super) fn set_transfers(&self, open: i64, resources: &StageCounts) {
        self.transfers.set(open);
        for stage in TransferStage::ALL {
            let count = i64::try_from(resources.at(stage)).unwrap_or(i64::MAX);
            let stage = stage.as_str();
            self.moving.get_or_create(&StageLabels { stage }).set(count);
        }
    }

    /// Says in how many namespaces something is written down for API servers to refuse by, and in
    /// how many it may be out of date.
    pub fn set_second_line(&self, namespaces: usize, stale: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.protected.set(number(namespaces));
        self.stale.set(number(stale));
    }

    /// Says whether what rests on claims is refused until the registry knows all copies.
    pub(super) fn set_rebuilding(&self, rebuilding: bool) {
        self.rebuilding.set(rebuilding.into());
    }

    /// Says how many members are awaited.
    pub(super) fn set_awaited(&self, members: usize) {
        let members = i64::try_from(members).unwrap_or(i64::MAX);
        self.awaited.set(members);
    }

    /// Says how many installed kinds the guard may not read.
    pub fn set_unwatched(&self, kinds: usize) {
        let kinds = i64::try_from(kinds).unwrap_or(i64::MAX);
        self.unwatched.set(kinds);
    }

    /// Says whether a person has declared this cluster lost.
    pub fn set_fenced(&self, is_fenced: bool) {
        self.fenced.set(is_fenced.into());
    }

    /// Says which members there are, when each was last heard from, and when its hub token expires.
    pub fn set_members(&self, members: &[MemberRecord]) {
        self.members.clear();
        self.hub_tokens.clear();
        self.fenced_members.clear();
        for member in members {
            let labels = MemberLabels {
                member: member.name.to_string(),
            };
            let heard = member.heard.as_duration().as_secs_f64();
            self.members.get_or_create(&labels).set(heard);
            if member.fence.is_some() {
                self.fenced_members.get_or_create(&labels).set(1);
            }
            if let Some(end) = member.hub_token_expires {
                let end = end.as_duration().as_secs_f64();
                self.hub_tokens.get_or_create(&labels).set(end);
            }
        }
    }
}
