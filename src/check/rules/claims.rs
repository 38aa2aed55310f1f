//! What the claims would be, with every object in them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::arm::{Identity, Resolution};
use crate::check::cluster::{CheckedResolution, Unknown, in_subscription};
use crate::check::finding::Related;
use crate::check::manifest::{FieldLocations, Manifest};
use crate::check::place::Location;
use crate::claim::{CopyRef, Observation, ObservedHold, ObservedObject, Record, observe};

/// The claims of all clusters, and the objects behind them.
#[derive(Default)]
pub(super) struct CheckedClaims<'a> {
    /// One for each resource.
    pub records: BTreeMap<Identity, Record>,
    /// Every object that stands for something.
    pub copies: BTreeMap<CopyRef, ClaimedObject<'a>>,
}

/// An object, and what it stands for.
pub(super) struct ClaimedObject<'a> {
    /// In the order in which it was met: clusters as they were given, then objects by name.
    order: usize,
    /// Where its parts are written.
    pub marks: &'a FieldLocations,
    /// The resources that it stands for.
    pub resolution: Resolution,
    /// What its resource-id annotation names.
    annotated: Option<Identity>,
    /// What its identity lacks to be more than assumed.
    pub unknown: Option<Unknown>,
}

/// The live copies whose subscription is known, by the rest of their identity.
pub(super) struct LiveByResource<'r>(BTreeMap<String, &'r CopyRef>);

impl LiveByResource<'_> {
    /// One whose identity is the same but for the subscription.
    pub fn but_for_subscription(&self, identity: &Identity) -> Option<&CopyRef> {
        self.0.get(&in_subscription(identity)?).copied()
    }
}

impl ClaimedObject<'_> {
    /// Whether its spec names this resource, and not only its annotation or its status.
    pub fn names(&self, identity: &Identity) -> bool {
        let other_name =
            || self.resolution.also.contains(identity) && self.annotated.as_ref() != Some(identity);
        self.resolution.identity == *identity || other_name()
    }
}

impl<'a> CheckedClaims<'a> {
    /// Makes the object a copy of all that it stands for, as its observer would.
    pub fn stand(&mut self, copy: CopyRef, manifest: &'a Manifest, resolved: CheckedResolution) {
        let Ok(resolution) = resolved.identity else {
            return;
        };
        let policy = resolved.policy.policy;
        for identity in resolution.identities() {
            let observed = ObservedObject {
                uid: (&*manifest.facts.uid).into(),
                resource_version: (&*manifest.facts.resource_version).into(),
                terminating: manifest.facts.terminating,
                busy: false,
                held: Some(ObservedHold {
                    policy,
                    assumed: resolution.assumed,
                }),
            };
            let seen = Observation {
                copy: &copy,
                judged_at: Timestamp::UNIX_EPOCH,
                object: Some(observed),
                seen_uids: &[],
            };
            let record = observe(self.records.get(identity), identity, &seen).record;
            self.records.insert(identity.clone(), record);
        }
        let standing = ClaimedObject {
            order: self.copies.len(),
            marks: &manifest.marks,
            resolution,
            annotated: manifest
                .facts
                .annotations
                .resource_id
                .as_deref()
                .and_then(|id| Identity::parse(id).ok()),
            unknown: resolved.unknown,
        };
        self.copies.insert(copy, standing);
    }

    /// All copies, in the order in which they were met.
    pub fn in_order(&self) -> impl Iterator<Item = (&CopyRef, &ClaimedObject<'a>)> {
        let mut all: Vec<_> = self.copies.iter().collect();
        all.sort_by_key(|(_, standing)| standing.order);
        all.into_iter()
    }

    /// The live copies whose subscription is known.
    pub fn live_and_known(&self) -> LiveByResource<'_> {
        let live = self.records.values().flat_map(Record::live);
        let live = live.filter_map(|(copy, _)| Some((copy, self.copies.get(copy)?)));
        let known = live.filter(|(_, standing)| standing.unknown.is_none());
        let known = known.filter_map(|(copy, standing)| {
            Some((in_subscription(&standing.resolution.identity)?, copy))
        });
        LiveByResource(known.collect())
    }

    /// The copies of a record that stand for its identity by their spec, in order.
    pub fn own<'r>(
        &'r self,
        identity: &'r Identity,
        copies: impl Iterator<Item = &'r CopyRef>,
    ) -> Vec<(&'r CopyRef, &'r ClaimedObject<'a>)> {
        let known = copies.filter_map(|copy| Some((copy, self.copies.get(copy)?)));
        let mut own: Vec<_> = known
            .filter(|(_, standing)| standing.names(identity))
            .collect();
        own.sort_by_key(|(_, standing)| standing.order);
        own
    }
}

/// Another copy, as a finding names it.
pub(super) fn related(copy: &CopyRef, standing: &ClaimedObject<'_>) -> Related {
    Related {
        copy: copy.clone(),
        place: standing.marks.object.clone(),
    }
}

/// ` (file:line)`, where it is known.
pub(super) fn in_brackets(place: Option<&Location>) -> String {
    place.map_or_else(String::new, |place| format!(" ({place})"))
}
