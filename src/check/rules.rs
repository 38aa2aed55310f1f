//! From clusters to findings.

mod claims;
mod foreign_id;
mod only_parked;
mod owners;
mod policies;
mod two_live;
mod unresolved;
mod written_twice;

use std::collections::BTreeSet;

use crate::claim::{ClaimState, CopyRef};
use crate::object::RESOURCE_ID_ANNOTATION;

use super::cluster::Cluster;
use super::finding::{Finding, Level, Rule};
use super::manifest::Manifest;
use super::place::Place;

use claims::Claims;

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
        claims: Claims::default(),
        none_known,
        no_subscription: BTreeSet::new(),
    };
    for cluster in clusters.iter() {
        checking.cluster(cluster);
    }
    checking.resources();
    let mut found = checking.found;
    found.sort_by(|a, b| (&a.place, a.rule, &a.copy).cmp(&(&b.place, b.rule, &b.copy)));
    found
}

struct Checking<'a> {
    found: Vec<Finding>,
    claims: Claims<'a>,
    none_known: bool,
    /// The reasons for which subscriptions are not known, each told once.
    no_subscription: BTreeSet<String>,
}

impl<'a> Checking<'a> {
    fn cluster(&mut self, cluster: &'a Cluster) {
        self.found.extend(policies::of_cluster(cluster));
        self.found.extend(written_twice::find(cluster));
        for manifest in cluster.objects() {
            self.object(cluster, manifest);
        }
    }

    fn object(&mut self, cluster: &'a Cluster, manifest: &'a Manifest) {
        let copy = copy_of(cluster, manifest);
        let marks = &manifest.marks;
        let resolved = cluster.resolve(&manifest.facts);
        let about = |finding: Finding, place: &Option<Place>| Finding {
            copy: Some(copy.clone()),
            place: place.clone().or_else(|| marks.object.clone()),
            identity: resolved
                .identity
                .as_ref()
                .ok()
                .map(|found| found.identity.clone()),
            ..finding
        };
        let alone = [
            (policies::of_object(&resolved), &marks.policy),
            (owners::missing(&resolved), &marks.owner),
            (owners::parked(cluster, manifest, &resolved), &marks.policy),
        ];
        let alone = alone
            .into_iter()
            .filter_map(|(found, place)| Some(about(found?, place)));
        self.found.extend(alone);
        match resolved.identity {
            Ok(ref resolution) => {
                if let Some(why) = &resolution.bad_annotation {
                    let message =
                        format!("its annotation {RESOURCE_ID_ANNOTATION} is no ARM ID: {why}");
                    let finding = Finding::new(Rule::ForeignResourceId, Level::Warning, message);
                    self.found.push(about(finding, &marks.resource_id));
                }
                // What would not resolve without what ASO wrote down is wrong all the same.
                if let Some((_, why)) = &resolution.witness
                    && !why.is_pending()
                {
                    let told = &mut self.no_subscription;
                    let found = unresolved::find(manifest, why, told);
                    self.found
                        .extend(found.map(|(finding, place)| about(finding, place)));
                }
                let resolution = resolution.clone();
                let policy = resolved.policy.policy;
                self.claims.stand(copy, manifest, resolution, policy);
            }
            Err(ref why) => {
                let told = &mut self.no_subscription;
                let found = unresolved::find(manifest, why, told);
                self.found
                    .extend(found.map(|(finding, place)| about(finding, place)));
            }
        }
    }

    /// What the claims say once every object is in them.
    fn resources(&mut self) {
        let claims = &self.claims;
        for (identity, record) in &claims.records {
            match record.state() {
                ClaimState::Conflict => {
                    let found = two_live::find(claims, identity, record, self.none_known);
                    self.found.extend(found);
                }
                ClaimState::Parked => {
                    self.found
                        .extend(only_parked::find(claims, identity, record));
                }
                ClaimState::Live
                | ClaimState::Pending
                | ClaimState::Deleting
                | ClaimState::Free => {}
            }
        }
        for (copy, standing) in &claims.copies {
            self.found.extend(foreign_id::find(claims, copy, standing));
        }
    }
}

fn copy_of(cluster: &Cluster, manifest: &Manifest) -> CopyRef {
    CopyRef {
        member: cluster.name().clone(),
        object: manifest.facts.key.clone(),
    }
}
