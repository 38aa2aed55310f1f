//! Which resources are moved.

use std::sync::Arc;

use crate::arm::{Identity, same_name};
use crate::object::ObjectKey;

/// Which of a namespace's resources are moved: all that is said has to hold, and where
/// nothing is said, all of them are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those with one of these ARM IDs, and those below them.
    pub below: Vec<Identity>,
    /// Those in a resource group of one of these names, and these groups; without regard
    /// to case, in any subscription.
    pub resource_groups: Vec<Arc<str>>,
    /// Those of one of these kinds, `StorageAccount` or `StorageAccount.storage.azure.com`;
    /// without regard to case.
    pub kinds: Vec<Arc<str>>,
    /// A label selector, as kubectl takes it. No claim knows the labels of its copies:
    /// whoever opens the transfer asks the source's API server for them.
    pub labels: Option<Arc<str>>,
}

impl Selection {
    /// Whether a copy of a resource is meant, as far as its claim tells: its labels are
    /// another matter.
    pub fn covers(&self, identity: &Identity, object: &ObjectKey) -> bool {
        let any = |list: &[Arc<str>], is: &dyn Fn(&str) -> bool| {
            list.is_empty() || list.iter().any(|one| is(one))
        };
        let group = identity.resource_group();
        (self.below.is_empty()
            || self
                .below
                .iter()
                .any(|top| identity == top || identity.is_below(top)))
            && any(&self.resource_groups, &|wanted| {
                group.is_some_and(|group| same_name(group, wanted))
            })
            && self.covers_kind(&object.group, &object.kind)
    }

    /// Whether copies of a kind may be meant.
    pub fn covers_kind(&self, group: &str, kind: &str) -> bool {
        let is_it = |wanted: &Arc<str>| match wanted.split_once('.') {
            Some((one, of)) => one.eq_ignore_ascii_case(kind) && of.eq_ignore_ascii_case(group),
            None => wanted.eq_ignore_ascii_case(kind),
        };
        self.kinds.is_empty() || self.kinds.iter().any(is_it)
    }

    /// The selection in words: `all`, or what has to hold.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        let mut say = |what: &str, list: Vec<&str>| {
            if !list.is_empty() {
                words.push(format!("{what} {}", list.join(", ")));
            }
        };
        say("below", self.below.iter().map(Identity::as_str).collect());
        let groups = self.resource_groups.iter().map(|one| &**one);
        say("resource group", groups.collect());
        say("kind", self.kinds.iter().map(|one| &**one).collect());
        say("labels", self.labels.as_deref().into_iter().collect());
        if words.is_empty() {
            "all".to_owned()
        } else {
            words.join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ACCOUNT: &str =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st";

    fn selection(below: &[&str], groups: &[&str], kinds: &[&str]) -> Selection {
        let texts = |list: &[&str]| list.iter().map(|&one| one.into()).collect();
        Selection {
            below: below.iter().map(|one| one.parse().unwrap()).collect(),
            resource_groups: texts(groups),
            kinds: texts(kinds),
            labels: None,
        }
    }

    #[rstest]
    #[case::everything(&[], &[], &[], true)]
    #[case::itself(&[ACCOUNT], &[], &[], true)]
    #[case::its_group(&["/subscriptions/S/resourcegroups/RG"], &[], &[], true)]
    #[case::a_longer_name(&["/subscriptions/s/resourceGroups/r"], &[], &[], false)]
    #[case::another(&["/subscriptions/t"], &[], &[], false)]
    #[case::one_of_two(&["/subscriptions/t", "/subscriptions/s"], &[], &[], true)]
    #[case::by_group(&[], &["RG"], &[], true)]
    #[case::by_another_group(&[], &["rg2"], &[], false)]
    #[case::by_kind(&[], &[], &["storageaccount"], true)]
    #[case::by_kind_and_group(&[], &[], &["StorageAccount.storage.azure.com"], true)]
    #[case::by_a_kind_of_another_group(&[], &[], &["StorageAccount.other.azure.com"], false)]
    #[case::not_all_that_is_said(&["/subscriptions/s"], &["rg"], &["VirtualNetwork"], false)]
    fn all_that_is_said_has_to_hold(
        #[case] below: &[&str],
        #[case] groups: &[&str],
        #[case] kinds: &[&str],
        #[case] covered: bool,
    ) {
        let object = ObjectKey::new("storage.azure.com", "StorageAccount", "team", "st");
        let selection = selection(below, groups, kinds);
        let covers = selection.covers(&ACCOUNT.parse().unwrap(), &object);
        assert_eq!(covers, covered, "{}", selection.words());
    }

    #[test]
    fn what_lies_in_no_group_is_in_none_of_the_named() {
        let tenant = "/providers/Microsoft.Subscription/aliases/x"
            .parse()
            .unwrap();
        let object = ObjectKey::new("subscription.azure.com", "Alias", "team", "x");
        assert!(selection(&[], &[], &[]).covers(&tenant, &object));
        assert!(!selection(&[], &["x"], &[]).covers(&tenant, &object));
    }

    #[test]
    fn a_selection_in_words() {
        assert_eq!(Selection::default().words(), "all");
        let some = selection(&["/subscriptions/s"], &["rg", "rg2"], &["VirtualNetwork"]);
        let expected = "below /subscriptions/s; resource group rg, rg2; kind VirtualNetwork";
        assert_eq!(some.words(), expected);
    }
}
