//! From clusters to findings.

mod claims;
mod conflict;
mod foreign_id;
mod one_name;
mod only_parked;
mod owners;
mod policies;
mod seen;
mod unresolved;
mod written_twice;

use crate::arm::Kind;
use crate::claim::{ClaimState, CopyRef};
use crate::object::RESOURCE_ID_ANNOTATION;

use super::cluster::{CheckedCluster, CheckedResolution};
use super::finding::{ComparisonSummary, Finding, Level, Rule};
use super::manifest::Manifest;
use super::place::Location;

use claims::CheckedClaims;
pub use seen::CheckedObject;
use unresolved::UnknownSubscriptions;

/// What a check comes to.
#[derive(Debug, Default)]
pub struct CheckResult {
    /// What is wrong, by place.
    pub findings: Vec<Finding>,
    /// How well the objects could be compared.
    pub compared: ComparisonSummary,
    /// The objects, and what each stands for: clusters as they were given, then by name.
    pub objects: Vec<CheckedObject>,
}

/// Finds what is wrong within the clusters, and between them.
///
/// A subscription that is not known is compared with one that is not known.
pub fn check(clusters: &mut [CheckedCluster]) -> CheckResult {
    let learned: Vec<Kind> = clusters
        .iter()
        .flat_map(CheckedCluster::learned)
        .cloned()
        .collect();
    for cluster in clusters.iter_mut() {
        for kind in &learned {
            cluster.learn(kind.clone());
        }
    }
    let mut checking = Checker::default();
    for cluster in clusters.iter() {
        checking.cluster(cluster);
    }
    checking.resources();
    let mut checked = checking.checked;
    let findings = &mut checked.findings;
    findings.sort_by(|a, b| (&a.place, a.rule, &a.copy).cmp(&(&b.place, b.rule, &b.copy)));
    checked
}

#[derive(Default)]
struct Checker<'a> {
    checked: CheckResult,
    claims: CheckedClaims<'a>,
    unknowns: UnknownSubscriptions,
}

impl<'a> Checker<'a> {
    fn cluster(&mut self, cluster: &'a CheckedCluster) {
        let found = &mut self.checked.findings;
        found.extend(policies::of_cluster(cluster));
        found.extend(written_twice::find(cluster));
        found.extend(unresolved::foreign(cluster));
        for (_, why) in cluster.unread() {
            *self.checked.compared.not.entry(why).or_default() += 1;
        }
        for manifest in cluster.objects() {
            self.object(cluster, manifest);
        }
    }

    fn object(&mut self, cluster: &'a CheckedCluster, manifest: &'a Manifest) {
        let copy = copy_of(cluster, manifest);
        let marks = &manifest.marks;
        let resolved = cluster.resolve(&manifest.facts);
        self.checked
            .objects
            .push(CheckedObject::of(&copy, manifest, &resolved));
        let about = |finding: Finding, place: &Option<Location>| Finding {
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
            (owners::missing(cluster, &resolved), &marks.owner),
            (owners::parked(cluster, manifest, &resolved), &marks.policy),
        ];
        let alone = alone
            .into_iter()
            .filter_map(|(found, place)| Some(about(found?, place)));
        self.checked.findings.extend(alone);
        self.count(&resolved);
        let mut unresolved = Vec::new();
        match &resolved.identity {
            Ok(resolution) => {
                if let Some(why) = &resolution.bad_annotation {
                    let message =
                        format!("its annotation {RESOURCE_ID_ANNOTATION} is no ARM ID: {why}");
                    let finding = Finding::new(Rule::ForeignResourceId, Level::Warning, message);
                    unresolved.push(about(finding, &marks.resource_id));
                }
                // What would not resolve without what ASO wrote down is wrong all the same.
                let why = resolution.witness.as_ref().map(|(_, why)| why);
                let found = why.filter(|why| !why.is_pending());
                let found = found.and_then(|why| unresolved::find(manifest, why));
                unresolved.extend(found.map(|(finding, place)| about(finding, place)));
            }
            Err(why) => {
                let found = unresolved::find(manifest, why);
                unresolved.extend(found.map(|(finding, place)| about(finding, place)));
            }
        }
        self.checked.findings.extend(unresolved);
        if let Some(unknown) = &resolved.unknown {
            let live = resolved.policy.policy.is_live();
            self.unknowns.add(unknown, &copy, live);
        }
        self.claims.stand(copy, manifest, resolved);
    }

    fn count(&mut self, resolved: &CheckedResolution) {
        let compared = &mut self.checked.compared;
        let counted = match (&resolved.identity, &resolved.unknown) {
            (Err(why), _) => compared.not.entry(unresolved::in_short(why)),
            (Ok(_), Some(unknown)) => compared.assumed.entry(unknown.in_short()),
            (Ok(found), None) if found.assumed => compared.assumed.entry("an owner is missing"),
            (Ok(_), None) => {
                compared.sure += 1;
                return;
            }
        };
        *counted.or_default() += 1;
    }

    /// What the claims say once every object is in them.
    fn resources(&mut self) {
        let claims = &self.claims;
        let found = &mut self.checked.findings;
        let known = claims.live_and_known();
        for (identity, record) in &claims.records {
            match record.state() {
                ClaimState::Conflict => found.extend(conflict::find(claims, identity, record)),
                ClaimState::Parked => {
                    found.extend(only_parked::find(claims, identity, record, &known));
                }
                ClaimState::Live
                | ClaimState::Pending
                | ClaimState::Deleting
                | ClaimState::Free => {}
            }
        }
        for (copy, standing) in &claims.copies {
            found.extend(foreign_id::find(claims, copy, standing));
        }
        found.extend(one_name::find(claims));
        found.extend(self.unknowns.findings(claims, &known));
    }
}

fn copy_of(cluster: &CheckedCluster, manifest: &Manifest) -> CopyRef {
    CopyRef {
        member: cluster.name().clone(),
        object: manifest.facts.key.clone(),
    }
}
