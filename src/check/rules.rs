//! From clusters to findings.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::arm::{Identity, Resolution, Unresolved};
use crate::claim::{ClaimState, CopyRef, Held, Observation, Record, Sighting, observe};
use crate::object::{POLICY_ANNOTATION, RESOURCE_ID_ANNOTATION};
use crate::policy::{self, Policy};

use super::cluster::{Cluster, Owner, Resolved};
use super::finding::{Finding, Level, Related, Rule};
use super::manifest::{Manifest, Marks};
use super::place::Place;

/// Finds what is wrong within the clusters, and between them.
///
/// Where no subscription is known of any cluster, all are taken to be of the same one.
pub fn check(clusters: &mut [Cluster]) -> Vec<Finding> {
    let none_known = !clusters.iter().any(Cluster::knows_a_subscription);
    for cluster in clusters.iter_mut() {
        cluster.shares_subscription = none_known;
    }
    let mut checking = Checking {
        found: Vec::new(),
        claims: BTreeMap::new(),
        copies: BTreeMap::new(),
        none_known,
        no_subscription: BTreeSet::new(),
    };
    for cluster in clusters.iter() {
        checking.cluster(cluster);
    }
    checking.claims();
    let mut found = checking.found;
    found.sort_by(|a, b| (&a.place, a.rule, &a.copy).cmp(&(&b.place, b.rule, &b.copy)));
    found
}

struct Checking<'a> {
    found: Vec<Finding>,
    claims: BTreeMap<Identity, Record>,
    /// Every object that stands for something, in the order of the clusters.
    copies: BTreeMap<CopyRef, Standing<'a>>,
    none_known: bool,
    /// The reasons for which subscriptions are not known, each told once.
    no_subscription: BTreeSet<String>,
}

/// An object, and what it stands for.
struct Standing<'a> {
    /// In the order in which it was met: clusters as they were given, then objects by name.
    order: usize,
    marks: &'a Marks,
    resolution: Resolution,
    /// What its resource-id annotation names.
    annotated: Option<Identity>,
}

impl Standing<'_> {
    /// Whether its spec names this resource, and not only its annotation or its status.
    fn names(&self, identity: &Identity) -> bool {
        let other_name =
            || self.resolution.also.contains(identity) && self.annotated.as_ref() != Some(identity);
        self.resolution.identity == *identity || other_name()
    }
}

impl<'a> Checking<'a> {
    fn cluster(&mut self, cluster: &'a Cluster) {
        self.policies(cluster);
        for (first, later) in cluster.twice() {
            let copy = copy_of(cluster, later);
            let mut finding = Finding {
                place: later.marks.object.clone(),
                next: "Keep one of the two.".to_owned(),
                ..Finding::new(
                    Rule::WrittenTwice,
                    Level::Warning,
                    format!(
                        "{copy} is written twice{}",
                        also_at(first.marks.object.as_ref())
                    ),
                )
            };
            finding.related.push(Related {
                copy: copy.clone(),
                place: first.marks.object.clone(),
            });
            finding.copy = Some(copy);
            self.found.push(finding);
        }
        for manifest in cluster.objects() {
            self.object(cluster, manifest);
        }
    }

    /// Policies that ASO does not know, on namespaces and as the default.
    fn policies(&mut self, cluster: &Cluster) {
        let name = cluster.name();
        let default = cluster
            .default_policy()
            .map(|(policy, place)| ("DEFAULT_RECONCILE_POLICY".to_owned(), policy, place));
        let namespaces = cluster.policies().map(|(namespace, policy, place)| {
            (
                format!("the annotation {POLICY_ANNOTATION} of namespace {namespace}"),
                policy,
                place,
            )
        });
        for (what, policy, place) in namespaces.chain(default) {
            let Err(error) = policy.parse::<Policy>() else {
                continue;
            };
            if policy.is_empty() {
                continue;
            }
            self.found.push(Finding {
                place: place.cloned(),
                next: "Correct it; case and white space count.".to_owned(),
                ..Finding::new(
                    Rule::UnknownPolicy,
                    Level::Error,
                    format!("in cluster {name}, {what} is passed over by ASO: {error}"),
                )
            });
        }
    }

    fn object(&mut self, cluster: &'a Cluster, manifest: &'a Manifest) {
        let copy = copy_of(cluster, manifest);
        let resolved = cluster.resolve(&manifest.facts);
        let about = |finding: Finding, place: &Option<Place>| Finding {
            copy: Some(copy.clone()),
            place: place.clone().or_else(|| manifest.marks.object.clone()),
            identity: resolved
                .identity
                .as_ref()
                .ok()
                .map(|found| found.identity.clone()),
            ..finding
        };
        if let Some(finding) = unknown_policy(&resolved) {
            self.found.push(about(finding, &manifest.marks.policy));
        }
        if let Some(finding) = owner_missing(&resolved) {
            self.found.push(about(finding, &manifest.marks.owner));
        }
        if let Some((finding, related)) = live_under_parked(cluster, manifest, &resolved) {
            let finding = Finding {
                related: vec![related],
                ..finding
            };
            self.found.push(about(finding, &manifest.marks.policy));
        }
        match resolved.identity {
            Ok(ref resolution) => {
                if let Some(why) = &resolution.bad_annotation {
                    let message =
                        format!("its annotation {RESOURCE_ID_ANNOTATION} is no ARM ID: {why}");
                    let finding = Finding::new(Rule::ForeignResourceId, Level::Warning, message);
                    self.found.push(about(finding, &manifest.marks.resource_id));
                }
                let resolution = resolution.clone();
                self.stand(copy, manifest, resolution, resolved.policy.policy);
            }
            Err(ref why) => {
                if let Some((finding, place)) = self.unresolved(cluster, manifest, why) {
                    self.found.push(about(finding, place));
                }
            }
        }
    }

    /// Makes the object a copy of all that it stands for, as its observer would.
    fn stand(
        &mut self,
        copy: CopyRef,
        manifest: &'a Manifest,
        resolution: Resolution,
        policy: Policy,
    ) {
        for identity in resolution.identities() {
            let sighting = Sighting {
                uid: (&*manifest.facts.uid).into(),
                resource_version: (&*manifest.facts.resource_version).into(),
                terminating: manifest.facts.terminating,
                busy: false,
                held: Some(Held {
                    policy,
                    assumed: resolution.assumed,
                }),
            };
            let seen = Observation {
                copy: &copy,
                judged_at: Timestamp::UNIX_EPOCH,
                object: Some(sighting),
                seen_uids: &[],
            };
            let record = observe(self.claims.get(identity), identity, &seen).record;
            self.claims.insert(identity.clone(), record);
        }
        let standing = Standing {
            order: self.copies.len(),
            marks: &manifest.marks,
            resolution,
            annotated: manifest
                .facts
                .annotations
                .resource_id
                .as_deref()
                .and_then(|id| Identity::parse(id).ok()),
        };
        self.copies.insert(copy, standing);
    }

    fn unresolved<'m>(
        &mut self,
        cluster: &Cluster,
        manifest: &'m Manifest,
        why: &Unresolved,
    ) -> Option<(Finding, &'m Option<Place>)> {
        let marks = &manifest.marks;
        match why.reason() {
            // Told of the object that lacks its owner.
            "owner-missing" => None,
            "no-subscription" => {
                let why = cluster.subscription(&manifest.facts).err();
                let why = why.unwrap_or_else(|| manifest.facts.key.to_string());
                let first = self.no_subscription.insert(why.clone());
                let finding = Finding::new(Rule::Unresolved, Level::Warning, why);
                first.then_some((finding, &marks.credential))
            }
            // Only ASO can tell, once it runs.
            "name-pending" => {
                let finding = Finding::new(Rule::Unresolved, Level::Note, why.to_string());
                Some((finding, &marks.object))
            }
            "no-owner" | "bad-owner" => {
                let finding = Finding::new(Rule::Unresolved, Level::Warning, why.to_string());
                Some((finding, &marks.owner))
            }
            _ => {
                let finding = Finding::new(Rule::Unresolved, Level::Warning, why.to_string());
                Some((finding, &marks.object))
            }
        }
    }

    /// What the claims say once every object is in them.
    fn claims(&mut self) {
        let mut found = Vec::new();
        for (identity, record) in &self.claims {
            match record.state() {
                ClaimState::Conflict => found.extend(self.conflict(identity, record)),
                ClaimState::Parked => found.extend(self.only_parked(identity, record)),
                ClaimState::Live
                | ClaimState::Pending
                | ClaimState::Deleting
                | ClaimState::Free => {}
            }
        }
        for (copy, standing) in &self.copies {
            found.extend(self.foreign(copy, standing));
        }
        self.found.extend(found);
    }

    /// The copies of a record that stand for its identity by their spec, in order.
    fn own<'r>(
        &'r self,
        identity: &'r Identity,
        copies: impl Iterator<Item = &'r CopyRef>,
    ) -> Vec<(&'r CopyRef, &'r Standing<'a>)> {
        let known = copies.filter_map(|copy| Some((copy, self.copies.get(copy)?)));
        let mut own: Vec<_> = known
            .filter(|(_, standing)| standing.names(identity))
            .collect();
        own.sort_by_key(|(_, standing)| standing.order);
        own
    }

    /// A finding for each live copy but the first.
    fn conflict(&self, identity: &Identity, record: &Record) -> Vec<Finding> {
        let live = self.own(identity, record.live().map(|(copy, _)| copy));
        let Some(((first, held), others)) = live.split_first() else {
            return Vec::new();
        };
        let resource = identity.last_pair();
        let others = others.iter().filter(|(_, standing)| {
            // Two names of one pair of objects are one finding.
            standing.resolution.identity == *identity || held.resolution.identity == *identity
        });
        let finding = |(copy, standing): &(&CopyRef, &Standing<'_>)| {
            let unsure = match (self.none_known, standing.resolution.assumed) {
                (true, _) => " (taking both to be in one subscription: none is stated)",
                (false, true) => " (taking a missing owner's name for its name in Azure)",
                (false, false) => "",
            };
            Finding {
                place: standing.marks.object.clone(),
                copy: Some((*copy).clone()),
                identity: Some(identity.clone()),
                next: format!(
                    "Park one of the two: annotate it with {POLICY_ANNOTATION}: {}",
                    Policy::Skip
                ),
                related: vec![related(first, held)],
                ..Finding::new(
                    Rule::TwoLive,
                    Level::Error,
                    format!(
                        "{resource} would have two live reconcilers, {copy} and {first}{}{unsure}",
                        in_brackets(held.marks.object.as_ref()),
                    ),
                )
            }
        };
        others.map(finding).collect()
    }

    fn only_parked(&self, identity: &Identity, record: &Record) -> Option<Finding> {
        let parked = self.own(identity, record.copies.keys());
        let ((first, held), others) = parked.split_first()?;
        // A second name of the same object is not a second resource.
        if held.resolution.identity != *identity {
            return None;
        }
        let more = match others.len() {
            0 => String::new(),
            1 => " and one other copy".to_owned(),
            more => format!(" and {more} other copies"),
        };
        Some(Finding {
            place: held
                .marks
                .policy
                .clone()
                .or_else(|| held.marks.object.clone()),
            copy: Some((*first).clone()),
            identity: Some(identity.clone()),
            next: "Make one copy live, or leave this rule out if a cluster that is not checked \
                   here has it: --ignore parked-without-live"
                .to_owned(),
            related: others
                .iter()
                .map(|(copy, standing)| related(copy, standing))
                .collect(),
            ..Finding::new(
                Rule::ParkedWithoutLive,
                Level::Warning,
                format!(
                    "nobody reconciles {}: {first}{more} is parked, and no copy is live",
                    identity.last_pair()
                ),
            )
        })
    }

    /// A `resource-id` annotation that names another resource than the spec.
    fn foreign(&self, copy: &CopyRef, standing: &Standing<'_>) -> Option<Finding> {
        let resolution = &standing.resolution;
        let named = resolution
            .also
            .iter()
            .find(|other| !standing.names(other))?;
        let holders = self
            .claims
            .get(named)
            .into_iter()
            .flat_map(|record| record.copies.keys());
        let holders = holders.filter(|other| *other != copy);
        let holder = self.own(named, holders).into_iter().next();
        let (level, whose) = match holder {
            Some((other, held)) => (
                Level::Error,
                format!(
                    ", which is that of {other}{}",
                    in_brackets(held.marks.object.as_ref())
                ),
            ),
            None => (Level::Warning, String::new()),
        };
        Some(Finding {
            place: standing
                .marks
                .resource_id
                .clone()
                .or_else(|| standing.marks.object.clone()),
            copy: Some(copy.clone()),
            identity: Some(resolution.identity.clone()),
            next: format!("Leave {RESOURCE_ID_ANNOTATION} out; ASO sets it again."),
            related: holder
                .iter()
                .map(|(copy, standing)| related(copy, standing))
                .collect(),
            ..Finding::new(
                Rule::ForeignResourceId,
                level,
                format!(
                    "its annotation {RESOURCE_ID_ANNOTATION} names {}{whose}, and its spec {}: \
                     deleting it would delete the one named",
                    named.last_pair(),
                    resolution.identity.last_pair(),
                ),
            )
        })
    }
}

fn unknown_policy(resolved: &Resolved) -> Option<Finding> {
    let unknown = resolved.policy.unknown.as_ref()?;
    (unknown.at == policy::Source::Object).then(|| Finding {
        next: "Correct it; case and white space count.".to_owned(),
        ..Finding::new(
            Rule::UnknownPolicy,
            Level::Error,
            format!(
                "ASO passes over the policy {unknown}, and takes {}: it knows manage, skip and \
                 detach-on-delete",
                resolved.policy.policy
            ),
        )
    })
}

fn owner_missing(resolved: &Resolved) -> Option<Finding> {
    let Owner::Missing(owner) = &resolved.owner else {
        return None;
    };
    let then = if resolved.identity.is_ok() {
        "; its name is taken for its name in Azure"
    } else {
        ", so nobody can tell where in Azure it lies"
    };
    Some(Finding {
        next: "Add the owner, or name it by spec.owner.armId.".to_owned(),
        ..Finding::new(
            Rule::OwnerMissing,
            Level::Warning,
            format!("its owner {owner} is not there{then}"),
        )
    })
}

fn live_under_parked(
    cluster: &Cluster,
    manifest: &Manifest,
    resolved: &Resolved,
) -> Option<(Finding, Related)> {
    let Owner::Found(owner) = &resolved.owner else {
        return None;
    };
    let owner_is_parked = cluster.policy(owner).policy == Policy::Skip;
    if !resolved.policy.policy.deletes() || !owner_is_parked {
        return None;
    }
    let finding = Finding {
        next: "Park this object too, or set it to detach-on-delete.".to_owned(),
        ..Finding::new(
            Rule::LiveUnderParked,
            Level::Warning,
            format!(
                "{} is live, and its owner {} is parked: deleting the owner would delete this \
                 object, and its resource in Azure",
                manifest.facts.key, owner.key
            ),
        )
    };
    let written = cluster.object(&owner.key)?;
    let related = Related {
        copy: copy_of(cluster, written),
        place: written.marks.object.clone(),
    };
    Some((finding, related))
}

fn copy_of(cluster: &Cluster, manifest: &Manifest) -> CopyRef {
    CopyRef {
        member: cluster.name().clone(),
        object: manifest.facts.key.clone(),
    }
}

fn related(copy: &CopyRef, standing: &Standing<'_>) -> Related {
    Related {
        copy: copy.clone(),
        place: standing.marks.object.clone(),
    }
}

fn in_brackets(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!(" ({place})"))
}

fn also_at(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!(", first at {place}"))
}
