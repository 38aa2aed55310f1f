//! The record of a member, as an API server holds it.

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Condition;

/// A cluster that runs aso-guard against this registry.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "asoguard.io",
    version = "v1alpha1",
    kind = "Member",
    category = "aso-guard",
    status = "MemberStatus",
    doc = "A cluster that runs aso-guard against this registry. Written by aso-guard; delete the record of a cluster that is gone for good.",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".spec.state"}"#,
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".spec.mode"}"#,
    printcolumn = r#"{"name":"Unresolved","type":"integer","jsonPath":".spec.unresolved.count"}"#,
    printcolumn = r#"{"name":"Last heard","type":"date","jsonPath":".spec.lastHeard"}"#,
    printcolumn = r#"{"name":"Fenced","type":"date","jsonPath":".spec.fence.at"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".spec.version"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.cluster","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct MemberSpec {
    /// The cluster's own identity: the UID of its namespace kube-system.
    pub cluster: String,
    /// Enrolling while the member goes through objects older than its guard, then Ready.
    pub state: MemberState,
    /// When it last wrote, by its own clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_heard: Timestamp,
    /// The version of aso-guard that wrote last.
    pub version: String,
    /// Its objects whose Azure resource cannot be worked out: no claim shows them, and
    /// nobody guards them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<MemberSample>,
    /// The installed kinds, as kind.group, that its guard may not read: what becomes of
    /// their objects goes unseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwatched: Option<MemberSample>,
    /// What its API servers do not ask its guard about though they should, by its webhook
    /// configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_gaps: Option<MemberSample>,
    /// What it has written down for its API servers to refuse by while no guard answers; not
    /// there where it writes nothing down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_line: Option<MemberSecondLine>,
    /// When the token expires by which its guard asks the hub, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub hub_token_expires: Option<Timestamp>,
    /// The mode in force where a namespace sets none: enforce, audit or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// What a person said who knows that its ASO does not write to Azure any more. Set and taken
    /// off by aso-guard failover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<MemberFence>,
    /// Admitted changes of its namespaces' policies that may yet be stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_changes: Vec<MemberPolicyChange>,
    /// How often the member wrote this: a registry that went back in time counts fewer than the
    /// member remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<u32>,
    /// The UID of Claim 0 as the member remembers it: all its copies were brought in under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The registry that its guard has as the next one, to move to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<MemberNext>,
}

/// The registry that a member's guard has as the next one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberNext {
    /// The UID of its Claim 0.
    pub id: String,
    /// Since when every replica that wrote this has said so, by the member's own clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
}

/// A fence, in a member's record.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberFence {
    /// When it was said, by the clock of the machine where it was said.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who said so.
    pub by: String,
    /// Why, in their words.
    pub why: String,
    /// What makes sure that its ASO does not write: cluster-gone or credential-revoked.
    pub proof: String,
    /// Before this, by the same clock, nothing of it is released.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Timestamp,
    /// The member's last heartbeat then, by its own clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub heard: Timestamp,
}

/// A change of a namespace's policy, in a member's record.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberPolicyChange {
    /// The namespace.
    pub namespace: String,
    /// The change is over once the namespace has another resourceVersion.
    pub resource_version: String,
    /// The uid of the AdmissionRequest.
    pub request: String,
    /// The namespace's policy annotation after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// What a member has written down for its API servers to refuse by while no guard answers.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberSecondLine {
    /// In how many namespaces there is a Protection.
    pub namespaces: u32,
    /// The namespaces in which it may be out of date.
    pub stale: MemberSample,
}

/// How many of something a member has, and some of them by name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberSample {
    /// How many there are.
    pub count: u32,
    /// The first few: namespace/kind/name, kind.group, or in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub some: Vec<String>,
    /// Since when there have been some, or none, by the member's own clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
}

/// What a member's record says to those who wait for it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Unresolved: True while the Azure resource of some object cannot be worked out.
    /// Unwatched: True while there are kinds that the guard may not read.
    /// WebhookGaps: True while API servers do not ask the guard about everything.
    /// SecondLineStale: there where the member has a second line; True while it is out of date
    /// somewhere.
    /// HubTokenExpires: True, and there at all, from a week before the token's end.
    /// Fenced: True, and there at all, while a person says that its ASO does not write any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// How far a member is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It still goes through objects that are older than its guard.
    Enrolling,
    /// Every object it has is in the registry.
    Ready,
}
