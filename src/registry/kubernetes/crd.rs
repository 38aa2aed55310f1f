//! The registry's custom resources, `Claim`, `Member` and `Transfer` in
//! `asoguard.io/v1alpha1`.
//!
//! A claim's truth is one record, and one write must cover all of it: so the
//! status is **not** a subresource, and its `metadata.resourceVersion` is the
//! version of compare-and-set.

mod epoch;
mod grammar;
mod member;
mod transfer;

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use epoch::{ClaimEpoch, ClaimEpochMember, EPOCH};
pub use member::{
    Member, MemberFence, MemberNext, MemberPolicyChange, MemberSample, MemberSecondLine,
    MemberSpec, MemberState, MemberStatus,
};
pub use transfer::{
    Transfer, TransferEntry, TransferPlace, TransferResources, TransferSpec, TransferStatus,
};

/// The registry's API group.
pub const GROUP: &str = "asoguard.io";

/// What a claim is about.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "asoguard.io",
    version = "v1alpha1",
    kind = "Claim",
    category = "aso-guard",
    status = "ClaimStatus",
    doc = "Who reconciles one Azure resource, and who else has a copy of it. Written by aso-guard; not to be edited by hand.",
    printcolumn = r#"{"name":"Resource","type":"string","jsonPath":".status.resource"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Holder","type":"string","jsonPath":".status.holder"}"#,
    printcolumn = r#"{"name":"Parked in","type":"string","jsonPath":".status.parkedIn"}"#,
    printcolumn = r#"{"name":"Last written","type":"date","jsonPath":".status.lastHeard"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Transfer","type":"string","jsonPath":".status.transfer.name","priority":1}"#,
    printcolumn = r#"{"name":"ARM ID","type":"string","jsonPath":".spec.identity","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSpec {
    /// The resource's ARM ID, or a synthetic key below one.
    pub identity: String,
}

/// The record of a claim.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStatus {
    /// The resource without subscription and provider, for people.
    pub resource: String,
    /// Live, Pending, Parked, Deleting, Conflict, or Free where there is no copy left.
    pub state: String,
    /// The live copy: cluster/namespace/kind/name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// The parked copies: cluster/namespace/kind/name, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_in: Option<String>,
    /// When a member last wrote this record, by its own clock.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<Timestamp>,
    /// Conflict: True while more than one copy is live. Orphaned: True while all are parked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Every copy.
    #[serde(default)]
    pub copies: Vec<ClaimCopy>,
    /// The open transfer that moves the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<ClaimTransfer>,
    /// What people did although aso-guard had refused it, and what it did on its own, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<ClaimEntry>,
    /// Of Claim 0 alone, which is about no resource: whether the registry knows all copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<ClaimEpoch>,
}

/// The open transfer that moves a claim's resource.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimTransfer {
    /// The transfer's name.
    pub name: String,
    /// From where the resource is moved.
    pub from: TransferPlace,
    /// To where: only there may it go live.
    pub to: TransferPlace,
}

/// One thing that was done although aso-guard had refused it, or by aso-guard itself.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.action) || has(self.deed)", "message": "action is missing: what was done"}
]))]
pub struct ClaimEntry {
    /// When, by the clock of the copy's own cluster.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
    /// What was done to the copy: create, update, delete, delete-with-namespace,
    /// delete-with-kind, release, or park (by aso-guard itself).
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Deprecated: the name that `action` had before 0.1.0. It is read, and no longer written.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deed: Option<String>,
    /// Why, in the person's own words.
    pub why: String,
    /// The reason of the refusal that was overridden; none where nothing was refused.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Deprecated: the name that `refusal` had before 0.1.0. It is read, and no longer written.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The copy's cluster.
    pub member: String,
    /// The copy's namespace.
    pub namespace: String,
    /// The copy's API group.
    pub group: String,
    /// The copy's kind.
    pub kind: String,
    /// The copy's name.
    pub name: String,
}

/// A condition of a claim, a member or a transfer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which condition: Conflict or Orphaned of a claim, Unresolved, Unwatched or HubTokenExpires of a member, Complete of a transfer.
    #[serde(rename = "type")]
    pub kind: String,
    /// True or False.
    pub status: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, naming the copies or the objects; empty where there is nothing to say.
    pub message: String,
    /// Since when, by the clock of the cluster that found it; of a claim, of the one whose copy changed last.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
}

/// One copy in a claim.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimCopy {
    /// The member cluster.
    pub member: String,
    /// The namespace.
    pub namespace: String,
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// When the copy came to be what it is, by its own cluster's clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The user who brought it about; empty when the observer found it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Whether the identity rests on an owner that was not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
    /// Its turn among the copies that were found live while another one was; 0: it is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub newcomer: u32,
    /// The object as its own cluster's observer last saw it stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<ClaimStored>,
    /// Admitted requests that may yet store this copy as live.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acquiring: Vec<ClaimRequest>,
    /// Admitted requests that may yet store this copy as parked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arriving: Vec<ClaimRequest>,
    /// Admitted requests on the object that make no copy of this resource: what has it as its owner is inside this resource until they are stored, and elsewhere afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renaming: Vec<ClaimRenaming>,
    /// Admitted requests that may yet delete this copy and the resource with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleting: Vec<ClaimRequest>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A stored object, in a claim.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStored {
    /// The object's uid.
    pub uid: String,
    /// Its effective policy: manage, skip or detach-on-delete.
    pub policy: String,
    /// Whether it is being deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminating: bool,
    /// Whether ASO has an operation under way for it in Azure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub busy: bool,
}

/// A request under way, in a claim.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRequest {
    /// The uid of the AdmissionRequest; empty where several were folded into one.
    #[serde(default)]
    pub request: String,
    /// The request is over once an object with this uid was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The request is over once the object has another resourceVersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// The request is about the copy's owner, and is over once the copy was seen with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owner: bool,
    /// The request is over by then, by the copy's own cluster's clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub deadline: Timestamp,
}

/// A request under way that gives what is below the copy another name, in a claim.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRenaming {
    /// The request.
    #[serde(flatten)]
    pub request: ClaimRequest,
    /// What they are in afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The registry's CRDs, as `aso-guard crds` prints them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![Claim::crd(), Member::crd(), Transfer::crd()];
    for version in crds.iter_mut().flat_map(|crd| &mut crd.spec.versions) {
        version.subresources = None;
    }
    crds.iter_mut().for_each(grammar::tighten);
    crds
}
