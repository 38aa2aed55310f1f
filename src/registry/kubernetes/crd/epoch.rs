//! The registry's epoch, in a Claim of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Claim that is about no resource, but about the registry: its UID is the epoch. Lists of
/// claims are in the order of names, and nothing stands before it, so that whoever deletes all of
/// them deletes it first.
pub const EPOCH: &str = "0";

/// Which contents the registry has, in Claim 0.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimEpoch {
    /// How often somebody was put on the list of those that are awaited.
    pub round: u32,
    /// The members that are known under it.
    #[serde(default)]
    pub members: Vec<ClaimEpochMember>,
    /// Which shard the registry is, and the map from subscriptions to shards, where claims are
    /// sharded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// How the registry stands to another one that the fleet moves from or to: after, closing to or
    /// closed to the UID of that one's Claim 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
}

/// How a member stands to the epoch.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimEpochMember {
    /// The member.
    pub name: String,
    /// Awaited until all its copies are in the registry, then Enrolled; Forgotten where a person
    /// said that it is gone for good.
    pub state: String,
}
