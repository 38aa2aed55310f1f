//! Between the registry's epoch and the Claim that holds it.

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;

use crate::claim::{Epoch, EpochMember, EpochRecord, MOVING};
use crate::registry::RecordVersion;
use crate::registry::kubernetes::crd::{
    Claim, ClaimEpoch, ClaimEpochMember, ClaimSpec, ClaimStatus, EPOCH,
};

/// What Claim 0 says that it is about: a claim has to name something, and nobody has a claim of a
/// subscription.
const NOTHING: &str = "/subscriptions/0";

/// The object that holds the epoch's record.
pub(in crate::registry) fn to_epoch(
    epoch: &EpochRecord,
    version: Option<&RecordVersion>,
    now: Timestamp,
) -> Claim {
    let listed = |name: &str, state: EpochMember| ClaimEpochMember {
        name: name.to_owned(),
        state: state.as_str().to_owned(),
    };
    let members = epoch.members.iter();
    let members = members.map(|(name, state)| listed(name.as_str(), *state));
    // A guard that knows nothing of moves awaits it.
    let moving = epoch.migration.iter();
    let moving = moving.map(|_| listed(MOVING, EpochMember::Awaited));
    let awaited: Vec<&str> = epoch.awaited().map(|name| name.as_str()).collect();
    Claim {
        metadata: ObjectMeta {
            name: Some(EPOCH.to_owned()),
            uid: version.map(|_| epoch.epoch.id.to_string()),
            resource_version: version.map(|version| version.as_str().to_owned()),
            ..ObjectMeta::default()
        },
        spec: ClaimSpec {
            identity: NOTHING.to_owned(),
        },
        status: Some(ClaimStatus {
            resource: match (&awaited[..], &epoch.migration) {
                ([], None) => "the registry itself".to_owned(),
                ([], Some(migration)) => format!("the registry itself: {migration}"),
                (some, _) => format!("the registry itself: awaits {}", some.join(", ")),
            },
            state: if awaited.is_empty() {
                "Whole".to_owned()
            } else {
                "Rebuilding".to_owned()
            },
            last_heard: Some(now),
            epoch: Some(ClaimEpoch {
                round: epoch.epoch.round,
                members: members.chain(moving).collect(),
                shard: epoch.shard.as_ref().map(ToString::to_string),
                migration: epoch.migration.as_ref().map(ToString::to_string),
            }),
            ..ClaimStatus::default()
        }),
    }
}

/// The epoch's record that an object holds.
///
/// # Errors
/// What is wrong with it, for a person who edited it.
pub(in crate::registry) fn from_epoch(claim: &Claim) -> Result<EpochRecord, String> {
    let epoch = claim
        .status
        .as_ref()
        .and_then(|status| status.epoch.as_ref());
    let epoch = epoch.ok_or("it has no status.epoch")?;
    let shard = epoch.shard.as_ref().map(|text| {
        let read = text.parse();
        read.map_err(|error: String| format!("status.epoch.shard: {error}"))
    });
    let migration = epoch.migration.as_ref().map(|text| {
        let read = text.parse();
        read.map_err(|error: String| format!("status.epoch.migration: {error}"))
    });
    let migration = migration.transpose()?;
    let mut members = std::collections::BTreeMap::new();
    for one in &epoch.members {
        // Where an older guard has lost the mark, it is still awaited.
        if migration.is_some() && one.name == MOVING {
            continue;
        }
        let name = one
            .name
            .parse()
            .map_err(|error| format!("status.epoch.members: {error}"))?;
        let state = EpochMember::from_word(&one.state)
            .ok_or_else(|| format!("status.epoch.members: {:?} is no state", one.state))?;
        members.insert(name, state);
    }
    Ok(EpochRecord {
        epoch: Epoch {
            id: claim.uid().unwrap_or_default().into(),
            round: epoch.round,
        },
        members,
        shard: shard.transpose()?,
        migration,
    })
}
