//! A Claim's name and labels, by which lists find it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::arm::Identity;
use crate::claim::{ClaimState, Record};
use crate::registry::{ClaimScope, CopyFilter};

const SUBSCRIPTION_LABEL: &str = "asoguard.io/subscription";
const RESOURCE_GROUP_LABEL: &str = "asoguard.io/resource-group";
/// `true` on claims with more than one live copy.
const CONFLICT_LABEL: &str = "asoguard.io/conflict";
/// The open transfer that a claim is reserved for.
const TRANSFER_LABEL: &str = "asoguard.io/transfer";
/// `true` on claims whose copies are all parked.
const ORPHANED_LABEL: &str = "asoguard.io/orphaned";
/// Followed by a member's name; the value says whether a request of it is under way.
const MEMBER_LABEL_PREFIX: &str = "member.asoguard.io/";
const IN_FLIGHT: &str = "in-flight";
const SETTLED: &str = "settled";

/// The name of an identity's Claim: what the resource is called, for people, and
/// a hash of the whole identity, to tell apart.
pub(in crate::registry::kubernetes) fn claim_name(identity: &Identity) -> String {
    let mut slug: String = identity
        .name()
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    slug = slug.trim_matches('-').to_owned();
    if slug.is_empty() {
        slug.push('c');
    }
    format!("{slug}-{}", short_hash(&identity.key()))
}

fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest[..10].iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A label's value for this text, which may be no label value itself: names in
/// ARM are longer and wilder than labels. Two texts may share a value.
///
/// The hub's policy (`deploy/hub/claims.yaml`) computes the same.
fn label_value(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let plain = text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text.chars().all(inner);
    if plain {
        return text;
    }
    let spelt = text.chars().map(|c| if inner(c) { c } else { '_' });
    format!("x{}x", spelt.take(61).collect::<String>())
}

/// The label selector that finds (at least) the claims in a scope.
pub(in crate::registry::kubernetes) fn selector(scope: &ClaimScope) -> String {
    match scope {
        ClaimScope::All => String::new(),
        ClaimScope::Below(identity) => below(identity),
        ClaimScope::InConflict => format!("{CONFLICT_LABEL}=true"),
        ClaimScope::Reserved(None) => TRANSFER_LABEL.to_owned(),
        ClaimScope::Reserved(Some(transfer)) => format!("{TRANSFER_LABEL}={transfer}"),
        ClaimScope::Orphaned(member) => {
            format!("{ORPHANED_LABEL}=true,{MEMBER_LABEL_PREFIX}{member}")
        }
        ClaimScope::Of(member, CopyFilter::AnyCopy) => format!("{MEMBER_LABEL_PREFIX}{member}"),
        ClaimScope::Beside(member, subscriptions) => {
            let values: Vec<String> = subscriptions.iter().map(|one| label_value(one)).collect();
            let values = values.join(",");
            format!("{SUBSCRIPTION_LABEL} in ({values}),!{MEMBER_LABEL_PREFIX}{member}")
        }
        ClaimScope::Of(member, CopyFilter::InFlight) => {
            format!("{MEMBER_LABEL_PREFIX}{member}={IN_FLIGHT}")
        }
    }
}

/// The label selector that finds (at least) the claims below an identity. What is below
/// something outside of resource groups, or of subscriptions, is outside of them, too.
fn below(identity: &Identity) -> String {
    let one = |label: &str, value: Option<&str>| match value {
        Some(value) => format!("{label}={}", label_value(value)),
        None => format!("!{label}"),
    };
    let in_subscription = one(SUBSCRIPTION_LABEL, identity.subscription());
    if identity.is_subscription() {
        return in_subscription;
    }
    let in_group = one(RESOURCE_GROUP_LABEL, identity.resource_group());
    format!("{in_subscription},{in_group}")
}

/// The labels of the Claim that holds a record.
pub(super) fn labels(record: &Record) -> BTreeMap<String, String> {
    let identity = &record.identity;
    let mut labels = BTreeMap::new();
    if let Some(subscription) = identity.subscription() {
        labels.insert(SUBSCRIPTION_LABEL.to_owned(), label_value(subscription));
    }
    if let Some(group) = identity.resource_group() {
        labels.insert(RESOURCE_GROUP_LABEL.to_owned(), label_value(group));
    }
    for (copy, held) in &record.copies {
        let label = labels
            .entry(format!("{MEMBER_LABEL_PREFIX}{}", copy.member))
            .or_insert_with(|| SETTLED.to_owned());
        if held.next_deadline().is_some() {
            IN_FLIGHT.clone_into(label);
        }
    }
    if let Some(held) = &record.reserved {
        labels.insert(TRANSFER_LABEL.to_owned(), held.transfer.to_string());
    }
    let finding = match record.state() {
        ClaimState::Conflict => Some(CONFLICT_LABEL),
        ClaimState::Parked => Some(ORPHANED_LABEL),
        _ => None,
    };
    labels.extend(finding.map(|label| (label.to_owned(), "true".to_owned())));
    labels
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::in_a_group(
        "/subscriptions/s/resourceGroups/RG/providers/P.Q/t/n",
        "asoguard.io/subscription=s,asoguard.io/resource-group=rg"
    )]
    #[case::in_a_subscription(
        "/subscriptions/s/providers/P.Q/t/n",
        "asoguard.io/subscription=s,!asoguard.io/resource-group"
    )]
    #[case::a_subscription("/subscriptions/s", "asoguard.io/subscription=s")]
    #[case::in_the_tenant(
        "/providers/P.Q/t/n",
        "!asoguard.io/subscription,!asoguard.io/resource-group"
    )]
    fn what_is_below_a_resource_is_listed_without_the_rest(
        #[case] identity: &str,
        #[case] expected: &str,
    ) {
        let scope = ClaimScope::Below(identity.parse().unwrap());
        assert_eq!(selector(&scope), expected);
    }
}
