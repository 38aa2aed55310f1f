//! What the hub says of the clusters that were looked at, beside what is in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::arm::Identity;
use crate::check::{CheckedObject, Finding, Level, Rule};
use crate::claim::{MemberName, Record};
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::object::ObjectKey;
use crate::object::text::quoted;
use crate::registry::{ClaimScope, CopyFilter};

/// What differs, and what else there is to say.
#[derive(Default)]
pub(super) struct HubComparison {
    pub(super) findings: Vec<Finding>,
    pub(super) remarks: Vec<String>,
    /// Whether all of the hub could be read.
    pub(super) complete: bool,
}

/// Compares the objects of clusters with their claims. `clusters`: what each is called here, and
/// the UID that its member's record has.
///
/// # Errors
/// The hub cannot be reached, or the URL is none.
pub(super) async fn compare(
    url: &str,
    clusters: &[(MemberName, String)],
    objects: &[CheckedObject],
) -> Result<HubComparison, CommandError> {
    let registry = RegistryArgs::of(url).open().await?;
    let members = registry.members().await?;
    let mut compared = HubComparison {
        complete: members.unreadable.is_empty(),
        ..HubComparison::default()
    };
    for (here, uid) in clusters {
        let member = members
            .records
            .iter()
            .find(|one| *one.record.cluster == **uid);
        let Some(member) = member.map(|one| &one.record.name) else {
            let remark = format!("cluster {here} is no member on the hub: it has no claims there");
            compared.remarks.push(remark);
            continue;
        };
        let scope = ClaimScope::Of(member.clone(), CopyFilter::AnyCopy);
        let claims = registry.claims(&scope).await?;
        compared.complete &= claims.unreadable.is_empty();
        let records: Vec<Record> = claims.records.into_iter().map(|one| one.record).collect();
        let own = objects.iter().filter(|seen| seen.copy.member == *here);
        let found = differences(member, own, &records, registry.flags());
        compared.findings.extend(found);
    }
    Ok(compared)
}

/// What is live and not claimed, and what is claimed to be live and is not there. A request may be
/// under way meanwhile, so each is a warning.
fn differences<'s>(
    member: &MemberName,
    objects: impl Iterator<Item = &'s CheckedObject>,
    records: &[Record],
    registry: &str,
) -> Vec<Finding> {
    let claimed = claims_of(member, records);
    let (mut found, mut there) = (Vec::new(), BTreeSet::new());
    for seen in objects {
        there.insert(&seen.copy.object);
        let known = seen
            .identity
            .as_ref()
            .ok()
            .and_then(|id| Identity::parse(id).ok());
        let (Some(identity), true) = (known, seen.policy.policy.is_live()) else {
            continue;
        };
        let claims = claimed.get(&seen.copy.object);
        let is_claimed = claims.is_some_and(|claims| claims.contains(&(&identity, true)));
        if !is_claimed {
            found.push(Finding {
                copy: Some(seen.copy.clone()),
                next: format!(
                    "See whether aso-guard runs there, as {member}: aso-guard members list{registry}"
                ),
                ..differs(
                    format!(
                        "{} is live as {}, and the hub has no live claim of it: others are not kept \
                         from going live beside it",
                        identity.last_pair(),
                        seen.copy
                    ),
                    &identity,
                )
            });
        }
    }
    let gone = claimed
        .iter()
        .filter(|(object, _)| !there.contains(*object));
    for (object, claims) in gone {
        for (identity, _) in claims.iter().filter(|(_, live)| *live) {
            found.push(Finding {
                next: format!(
                    "If it stays so: aso-guard claims show {}{registry}",
                    quoted(identity.as_str())
                ),
                ..differs(
                    format!(
                        "the hub says that {} is live in {member} as {object}, which is not there",
                        identity.last_pair()
                    ),
                    identity,
                )
            });
        }
    }
    found
}

/// What a member's objects are claimed to be, and whether they are claimed to be live.
fn claims_of<'r>(
    member: &MemberName,
    records: &'r [Record],
) -> BTreeMap<&'r ObjectKey, Vec<(&'r Identity, bool)>> {
    let mut claimed: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records {
        let own = record
            .copies
            .iter()
            .filter(|(copy, _)| copy.member == *member);
        for (copy, held) in own {
            let claims = claimed.entry(&copy.object).or_default();
            claims.push((&record.identity, held.is_live()));
        }
    }
    claimed
}

fn differs(message: String, identity: &Identity) -> Finding {
    Finding {
        identity: Some(identity.clone()),
        ..Finding::new(Rule::ClaimDiffers, Level::Warning, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, CheckedCluster, ClusterSettings, manifest};
    use crate::claim::testing::observed;
    use crate::claim::{CopyRef, Observation, observe};
    use crate::policy::Policy;
    use jiff::Timestamp;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

    /// A cluster with these resource groups, the last one parked.
    fn objects(names: &[&str]) -> Vec<CheckedObject> {
        let mut cluster = CheckedCluster::new(ClusterSettings {
            subscription: Some(SUBSCRIPTION.into()),
            ..ClusterSettings::of("here".parse().unwrap())
        });
        for name in names {
            let text = format!(
                "apiVersion: resources.azure.com/v1\nkind: ResourceGroup\nmetadata:\n  name: {name}\n  \
                 namespace: shop\n  annotations: {{serviceoperator.azure.com/reconcile-policy: {}}}\n",
                if name.starts_with("parked") {
                    "skip"
                } else {
                    "manage"
                }
            );
            let contents = manifest::read(&"x.yaml".into(), &text, "default");
            contents
                .items
                .into_iter()
                .for_each(|item| cluster.add(item));
        }
        check::check(&mut [cluster]).objects
    }

    fn claim(member: &str, name: &str, policy: Policy) -> Record {
        let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}");
        let identity = Identity::parse(&id).unwrap();
        let copy = CopyRef {
            member: member.parse().unwrap(),
            object: ObjectKey::new("resources.azure.com", "ResourceGroup", "shop", name),
        };
        let seen = Observation {
            copy: &copy,
            judged_at: Timestamp::UNIX_EPOCH,
            object: Some(observed(policy)),
            seen_uids: &[],
        };
        observe(None, &identity, &seen).record
    }

    #[test]
    fn what_the_hub_and_the_cluster_say_differently_is_told() {
        let objects = objects(&["rg", "unclaimed", "as-parked", "parked"]);
        let claims = [
            claim("member", "rg", Policy::Manage),
            claim("member", "as-parked", Policy::Skip),
            claim("member", "gone", Policy::Manage),
            claim("member", "gone-parked", Policy::Skip),
            claim("other", "elsewhere", Policy::Manage),
        ];
        let found = differences(&"member".parse().unwrap(), objects.iter(), &claims, "");
        let messages: Vec<&str> = found.iter().map(|one| &*one.message).collect();
        assert_eq!(messages.len(), 3, "{messages:#?}");
        assert!(
            messages[0].starts_with("resourceGroups/as-parked is live as here/shop"),
            "{messages:#?}"
        );
        assert!(
            messages[1].starts_with("resourceGroups/unclaimed is live as here/shop"),
            "{messages:#?}"
        );
        assert!(
            messages[2]
                .contains("resourceGroups/gone is live in member as shop/ResourceGroup/gone"),
            "{messages:#?}"
        );
    }
}
