//! What the fields of a member may hold.

use super::FieldGrammar::{self, Count, Label, Said, Short, Text, Time, Word};
use super::{ID, NAME, REASON};

pub(super) const MEMBER: &[(&str, FieldGrammar)] = &[
    ("spec.cluster", ID),
    ("spec.version", ID),
    ("spec.lastHeard", Time),
    ("spec.unresolved.count", Count),
    ("spec.unresolved.some", Short(16)),
    ("spec.unresolved.some.", Text(400)),
    ("spec.unresolved.since", Time),
    ("spec.unwatched.count", Count),
    ("spec.unwatched.some", Short(16)),
    ("spec.unwatched.some.", Text(400)),
    ("spec.unwatched.since", Time),
    ("spec.webhookGaps.count", Count),
    ("spec.webhookGaps.some", Short(16)),
    ("spec.webhookGaps.some.", Text(400)),
    ("spec.webhookGaps.since", Time),
    ("spec.secondLine.namespaces", Count),
    ("spec.secondLine.stale.count", Count),
    ("spec.secondLine.stale.some", Short(16)),
    ("spec.secondLine.stale.some.", Text(400)),
    ("spec.secondLine.stale.since", Time),
    ("spec.hubTokenExpires", Time),
    ("spec.mode", Word(&["enforce", "audit", "off"])),
    ("spec.fence.at", Time),
    ("spec.fence.by", NAME),
    ("spec.fence.why", Said(REASON)),
    (
        "spec.fence.proof",
        Word(&["cluster-gone", "credential-revoked"]),
    ),
    ("spec.fence.until", Time),
    ("spec.fence.heard", Time),
    ("spec.writes", Count),
    ("spec.epoch", ID),
    ("spec.policyChanges", Short(1000)),
    ("spec.policyChanges.namespace", Label),
    ("spec.policyChanges.resourceVersion", ID),
    ("spec.policyChanges.request", ID),
];
