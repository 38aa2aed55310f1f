//! `Transfer`: a declared move, which people and GitOps write the `spec` of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Condition;

/// A move of resources from one place to another.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "asoguard.io",
    version = "v1alpha1",
    kind = "Transfer",
    category = "aso-guard",
    status = "TransferStatus",
    doc = "A move of resources from one namespace or cluster to another. While it is there, nothing deletes them in Azure, and they go live in the target only. To end it: aso-guard transfer finish NAME, or delete it.",
    printcolumn = r#"{"name":"From","type":"string","jsonPath":".status.from"}"#,
    printcolumn = r#"{"name":"To","type":"string","jsonPath":".status.to"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Done","type":"string","jsonPath":".status.done"}"#,
    printcolumn = r#"{"name":"Progress","type":"string","jsonPath":".status.progress"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Resources","type":"string","jsonPath":".status.selection","priority":1}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".spec.reason","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.from.member != self.to.member || self.from.__namespace__ != self.to.__namespace__",
        "message": "a transfer leads from one place to another one"
    },
    {
        "rule": "self.from.member == oldSelf.from.member && self.from.__namespace__ == oldSelf.from.__namespace__ && self.to.member == oldSelf.to.member && self.to.__namespace__ == oldSelf.to.__namespace__",
        "message": "a transfer keeps its ends: finish it, and declare another one"
    }
]))]
pub struct TransferSpec {
    /// From where.
    pub from: TransferPlace,
    /// To where.
    pub to: TransferPlace,
    /// Which resources of the source; all, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<TransferResources>,
    /// Why, for people.
    #[schemars(length(max = 250))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A namespace of a member cluster.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TransferPlace {
    /// The member cluster.
    #[schemars(length(max = 63), extend("pattern" = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub member: String,
    /// The namespace.
    #[schemars(length(max = 63), extend("pattern" = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub namespace: String,
}

/// Which resources are moved: all that is said has to hold.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TransferResources {
    /// Those with one of these ARM IDs, and those below them.
    #[schemars(length(max = 100), inner(length(max = 1000)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<String>,
    /// Those in a resource group of one of these names, and these groups.
    #[schemars(length(max = 100), inner(length(max = 90)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_groups: Vec<String>,
    /// Those of one of these kinds: StorageAccount, or StorageAccount.storage.azure.com.
    #[schemars(length(max = 300), inner(length(max = 200)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// A label selector, as kubectl takes it: app=shop,tier in (web,data). The labels are those
    /// that the objects have when the transfer opens.
    #[schemars(length(max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
}

/// How far a transfer is. Written by aso-guard; not to be edited by hand.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TransferStatus {
    /// Opening, Open, Undoing, Closing, Finished or Undone.
    pub state: String,
    /// The source: cluster/namespace.
    pub from: String,
    /// The target: cluster/namespace.
    pub to: String,
    /// Which resources, in words.
    pub selection: String,
    /// Opening while claims are reserved, Open, Closing while they are given free, Finished.
    pub phase: String,
    /// Whether it is being undone: everything goes back.
    #[serde(default)]
    pub turned: bool,
    /// How many resources were reserved when it opened.
    pub covered: u32,
    /// How many have arrived, of how many: 12/37.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// How many are at which stage, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// The same as numbers: live, busy, parked, coming, moved, done, waiting, conflict,
    /// deleting, lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<BTreeMap<String, u32>>,
    /// When they were counted, by the counting cluster's clock.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Timestamp>,
    /// Complete: True once every resource has arrived.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// What people did to it, the latest last.
    #[serde(default)]
    pub history: Vec<TransferEntry>,
}

/// One thing that a person did to a transfer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.action) || has(self.deed)", "message": "action is missing: what was done"}
]))]
pub struct TransferEntry {
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who did it; empty where nobody knows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// What was done: start, undo or finish.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Deprecated: the name that `action` had before 0.1.0. It is read, and no longer written.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deed: Option<String>,
    /// Why, in the person's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many resources had not arrived then.
    #[serde(default)]
    pub unfinished: u32,
}
