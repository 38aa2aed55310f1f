//! Which claims are meant.

use clap::Args;

use crate::arm::{Identity, same_name};
use crate::claim::{ClaimState, CopyRef, MemberName, Record};
use crate::registry::{ClaimScope, CopyFilter, RecordList, Registry, RegistryError};

use crate::cli::problems::Problems;
use crate::cli::registry::CommandError;

/// Which claims to show; all that is said has to hold.
#[derive(Args, Default)]
pub(super) struct ClaimFilterArgs {
    /// Those with a copy in this member
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_CLAIMS_MEMBER")]
    member: Option<String>,
    /// Those with a copy in a namespace of this name
    #[arg(long, short, value_name = "NAME", env = "ASO_GUARD_CLAIMS_NAMESPACE")]
    namespace: Option<String>,
    /// Those in this Azure subscription
    #[arg(long, value_name = "ID", env = "ASO_GUARD_CLAIMS_SUBSCRIPTION")]
    subscription: Option<String>,
    /// Those in this resource group
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_CLAIMS_RESOURCE_GROUP")]
    resource_group: Option<String>,
    /// Those in this state
    #[arg(long, value_name = "STATE", env = "ASO_GUARD_CLAIMS_STATE", value_parser = ["live", "pending", "parked", "free", "deleting", "conflict"], ignore_case = true)]
    state: Option<String>,
    /// The one with this ARM ID, and those below it
    #[arg(long, value_name = "ARM_ID", env = "ASO_GUARD_CLAIMS_BELOW")]
    below: Option<String>,
}

/// A checked [`ClaimFilterArgs`].
pub(super) struct ClaimFilter {
    member: Option<MemberName>,
    namespace: Option<String>,
    subscription: Option<String>,
    resource_group: Option<String>,
    state: Option<String>,
    below: Option<Identity>,
}

impl ClaimFilterArgs {
    /// # Errors
    /// All that is wrong.
    pub(super) fn check(&self) -> Result<ClaimFilter, CommandError> {
        let mut problems = Problems::default();
        let member = self.member.as_deref();
        let member = member.and_then(|member| problems.parse("--member", member));
        let below = self.below.as_deref();
        let below = below.and_then(|below| problems.parse("--below", below));
        if !problems.is_empty() {
            return Err(problems.into());
        }
        Ok(ClaimFilter {
            member,
            namespace: self.namespace.clone(),
            subscription: self.subscription.clone(),
            resource_group: self.resource_group.clone(),
            state: self.state.clone(),
            below,
        })
    }
}

impl ClaimFilter {
    /// The claims that are meant, in the order of their resources. The registry is asked for
    /// no more than it has to tell.
    ///
    /// # Errors
    /// The registry did not answer.
    pub(super) async fn apply(
        &self,
        registry: &dyn Registry,
    ) -> Result<RecordList<Record>, CommandError> {
        let mut found = match (self.top(), &self.member) {
            (Some(top), _) => {
                let mut found = registry.claims(&ClaimScope::Below(top.clone())).await?;
                match registry.claim(&top).await {
                    Err(RegistryError::Corrupt(one)) => found.unreadable.push(one),
                    known => found.records.extend(known?),
                }
                found
            }
            (None, Some(member)) => {
                let scope = ClaimScope::Of(member.clone(), CopyFilter::AnyCopy);
                registry.claims(&scope).await?
            }
            (None, None) => registry.claims(&ClaimScope::All).await?,
        };
        found.records.retain(|known| self.covers(&known.record));
        found
            .records
            .sort_by(|a, b| a.record.identity.cmp(&b.record.identity));
        Ok(found)
    }

    /// What all that is meant is, or is inside.
    fn top(&self) -> Option<Identity> {
        let group = || {
            let subscription = self.subscription.as_deref()?;
            match &self.resource_group {
                Some(group) => format!("/subscriptions/{subscription}/resourceGroups/{group}")
                    .parse()
                    .ok(),
                None => format!("/subscriptions/{subscription}").parse().ok(),
            }
        };
        self.below.clone().or_else(group)
    }

    /// Whether a record is meant.
    pub(super) fn covers(&self, record: &Record) -> bool {
        let identity = &record.identity;
        let same = |wanted: &Option<String>, is: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| is.is_some_and(|is| same_name(is, wanted)))
        };
        // Member and namespace have to be those of one copy.
        let of_copy = |copy: &CopyRef| {
            self.member
                .as_ref()
                .is_none_or(|member| copy.member == *member)
                && self
                    .namespace
                    .as_deref()
                    .is_none_or(|namespace| *copy.object.namespace == *namespace)
        };
        let no_copy = self.member.is_none() && self.namespace.is_none();
        same(&self.subscription, identity.subscription())
            && same(&self.resource_group, identity.resource_group())
            && same(&self.state, Some(ClaimState::as_str(record.state())))
            && (no_copy || record.copies.keys().any(of_copy))
            && self
                .below
                .as_ref()
                .is_none_or(|below| identity == below || identity.is_below(below))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::claim::testing::observed;
    use crate::claim::{Observation, observe};
    use crate::object::ObjectKey;
    use crate::policy::Policy;

    fn record(identity: &str, places: &[(&str, &str)]) -> Record {
        let identity: Identity = identity.parse().unwrap();
        let mut record = Record::new(identity.clone());
        for (member, namespace) in places {
            let copy = CopyRef {
                member: member.parse().unwrap(),
                object: ObjectKey::new("g", "K", namespace, "x"),
            };
            let seen = Observation {
                copy: &copy,
                judged_at: jiff::Timestamp::UNIX_EPOCH,
                object: Some(observed(Policy::Manage)),
                seen_uids: &[],
            };
            record = observe(Some(&record), &identity, &seen).record;
        }
        record
    }

    #[rstest]
    #[case::all(ClaimFilterArgs::default(), true)]
    #[case::member(ClaimFilterArgs { member: Some("a".into()), ..Default::default() }, true)]
    #[case::other_member(ClaimFilterArgs { member: Some("c".into()), ..Default::default() }, false)]
    #[case::one_copy_is_both(ClaimFilterArgs { member: Some("a".into()), namespace: Some("two".into()), ..Default::default() }, false)]
    #[case::subscription(ClaimFilterArgs { subscription: Some("S".into()), ..Default::default() }, true)]
    #[case::group(ClaimFilterArgs { resource_group: Some("RG".into()), ..Default::default() }, true)]
    #[case::other_group(ClaimFilterArgs { resource_group: Some("r".into()), ..Default::default() }, false)]
    #[case::state(ClaimFilterArgs { state: Some("conflict".into()), ..Default::default() }, true)]
    #[case::other_state(ClaimFilterArgs { state: Some("live".into()), ..Default::default() }, false)]
    #[case::itself(ClaimFilterArgs { below: Some("/subscriptions/s/resourceGroups/rg".into()), ..Default::default() }, true)]
    #[case::above(ClaimFilterArgs { below: Some("/subscriptions/s".into()), ..Default::default() }, true)]
    #[case::beside(ClaimFilterArgs { below: Some("/subscriptions/s/resourceGroups/r".into()), ..Default::default() }, false)]
    fn filters_say_which(#[case] args: ClaimFilterArgs, #[case] covered: bool) {
        let record = record(
            "/subscriptions/s/resourceGroups/rg",
            &[("a", "one"), ("b", "two")],
        );
        let Ok(filter) = args.check() else { panic!() };
        assert_eq!(filter.covers(&record), covered);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let args = ClaimFilterArgs {
            member: Some("A".into()),
            below: Some("rg".into()),
            ..Default::default()
        };
        let Err(CommandError::Usage(words)) = args.check() else {
            panic!()
        };
        assert!(
            words.contains("--member: ") && words.contains("--below: "),
            "{words}"
        );
    }
}
