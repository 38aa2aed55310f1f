//! A resource that an open transfer moves: what its claim says of that.
//!
//! The claim itself says it, and not a list somewhere else: an admission reads and
//! writes the claim anyway, so nobody goes live or deletes without seeing the
//! reservation, and it costs no call. Whoever reserves writes first and looks after
//! for deletes that were admitted before, as an acquire does.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::object::text::is_dns_label;

use super::names::{CopyRef, MemberName};
use super::record::Record;

/// The name of a transfer: a DNS label (RFC 1123), for it becomes a label's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferName(Arc<str>);

/// Why a transfer name was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a transfer's name: use 1 to 63 lower-case letters, digits and dashes, \
     beginning and ending with a letter or digit"
)]
pub struct TransferNameError(String);

impl TransferName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TransferName {
    type Err = TransferNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_dns_label(text) {
            Ok(Self(text.into()))
        } else {
            Err(TransferNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for TransferName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A namespace of a member cluster, written `member/namespace`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceRef {
    /// The cluster.
    pub member: MemberName,
    /// The namespace in it.
    pub namespace: Arc<str>,
}

/// Why a text names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place: write <cluster>/<namespace>, such as west/team-a")]
pub struct NamespaceRefError(String);

impl NamespaceRef {
    /// Whether a copy is in this place.
    pub fn has(&self, copy: &CopyRef) -> bool {
        copy.member == self.member && copy.object.namespace == self.namespace
    }
}

impl FromStr for NamespaceRef {
    type Err = NamespaceRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NamespaceRefError(text.to_owned());
        let (member, namespace) = text.split_once('/').ok_or_else(wrong)?;
        if !is_dns_label(namespace) {
            return Err(wrong());
        }
        Ok(Self {
            member: member.parse().map_err(|_| wrong())?,
            namespace: namespace.into(),
        })
    }
}

impl fmt::Display for NamespaceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.member, self.namespace)
    }
}

/// What a claim says of the open transfer that moves its resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reservation {
    /// The transfer.
    pub transfer: TransferName,
    /// From where the resource is moved.
    pub from: NamespaceRef,
    /// To where: only there may it go live.
    pub to: NamespaceRef,
}

/// The record reserved for a transfer, or turned to another direction by the same
/// one; `None` where it says that already.
///
/// # Errors
/// Another transfer has reserved it.
pub fn reserve<'a>(
    record: &'a Record,
    reservation: &Reservation,
) -> Result<Option<Record>, &'a Reservation> {
    match &record.reserved {
        Some(held) if held.transfer != reservation.transfer => Err(held),
        Some(held) if held == reservation => Ok(None),
        _ => {
            let mut next = record.clone();
            next.reserved = Some(reservation.clone());
            Ok(Some(next))
        }
    }
}

/// The record without its reservation for this transfer; `None` where it has none.
pub fn unreserve(record: &Record, transfer: &TransferName) -> Option<Record> {
    let held = record.reserved.as_ref()?;
    (held.transfer == *transfer).then(|| {
        let mut next = record.clone();
        next.reserved = None;
        next
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::acquire::acquire;
    use super::super::delete::{dependents, mark_deleting, others_depend};
    use super::super::refusal::{Reason, Refusal};
    use super::super::testing::{
        Story, account, account_copy, copy, creating, deleting, group, look, reservation, sighting,
    };
    use super::*;
    use crate::policy::Policy::{DetachOnDelete, Manage, Skip};

    fn moving(story: &Story) -> Story {
        let next = reserve(story.record(), &reservation()).unwrap();
        Story(next)
    }

    #[test]
    fn while_it_is_moved_it_goes_live_only_where_it_is_moved_to() {
        let story = moving(&Story::default().found(&copy("a"), Skip));
        for (place, reason) in [
            ("a", Some(Reason::InTransfer)),
            ("a/other", Some(Reason::InTransfer)),
            ("c", Some(Reason::InTransfer)),
            ("b/other", Some(Reason::InTransfer)),
            ("b", None),
        ] {
            let ask = creating(&copy(place), "r", "uid-2", 1);
            let came = acquire(story.0.as_ref(), &group(), &ask);
            assert_eq!(came.err().map(|no| no.reason()), reason, "in {place}");
        }
    }

    #[test]
    fn a_live_source_stands_in_the_way_of_the_target_as_ever() {
        let story = moving(&Story::default().found(&copy("a"), Manage));
        let ask = creating(&copy("b"), "r", "uid-2", 1);
        let refusal = acquire(story.0.as_ref(), &group(), &ask).unwrap_err();
        assert_eq!(refusal.reason(), Reason::LiveElsewhere);
        // Whom parking the source would not help is told so at once.
        let ask = creating(&copy("c"), "r", "uid-2", 1);
        let refusal = acquire(story.0.as_ref(), &group(), &ask).unwrap_err();
        assert_eq!(refusal.reason(), Reason::InTransfer);
    }

    #[rstest]
    #[case::the_source("a")]
    #[case::the_target("b")]
    #[case::somebody_else("c")]
    fn while_it_is_moved_nobody_deletes_it(#[case] place: &str) {
        let story = moving(&Story::default().found(&copy(place), Manage));
        let ask = deleting(&copy(place), "d", "1", 1);
        let refusal = mark_deleting(story.0.as_ref(), &group(), &ask).unwrap_err();
        assert_eq!(refusal.reason(), Reason::TransferDepends);
        let again = others_depend(story.0.as_ref(), &group(), &copy(place)).unwrap_err();
        assert_eq!(again, refusal);
    }

    #[test]
    fn nobody_deletes_what_contains_it_not_even_its_own_namespace() {
        let mut inside = Record::new(account());
        let held = Story::default().found(&copy("a"), Skip);
        inside
            .copies
            .insert(account_copy("a"), held.held(&copy("a")).clone());
        assert_eq!(dependents(&group(), &copy("a"), [&inside]), Ok(()));
        let inside = reserve(&inside, &reservation()).unwrap().unwrap();
        let refusal = dependents(&group(), &copy("a"), [&inside]).unwrap_err();
        let Refusal::TransferDepends { moved, .. } = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(moved, account());
    }

    #[test]
    fn the_safe_steps_leave_the_reservation_as_it_is() {
        let story = moving(&Story::default().found(&copy("a"), Manage))
            .found(&copy("a"), Skip)
            .acquires(&creating(&copy("b"), "r", "uid-1", 1))
            .sees(&look(&copy("b"), Some(sighting(DetachOnDelete)), 2))
            .sees(&look(&copy("a"), None, 3));
        assert_eq!(story.record().reserved, Some(reservation()));
        let story = story.sees(&look(&copy("b"), None, 4));
        assert_eq!(story.0, None, "the story keeps no record without copies");
        let mut kept = Record::new(group());
        kept.reserved = Some(reservation());
        assert!(
            !kept.is_empty(),
            "and a registry does, until the transfer ends"
        );
        assert!(
            unreserve(&kept, &reservation().transfer)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn one_transfer_at_a_time_and_it_may_turn_round() {
        let story = moving(&Story::default().found(&copy("a"), Manage));
        let again = reserve(story.record(), &reservation());
        assert_eq!(again, Ok(None));
        let other = Reservation {
            transfer: "other".parse().unwrap(),
            ..reservation()
        };
        assert_eq!(reserve(story.record(), &other), Err(&reservation()));
        let back = Reservation {
            from: reservation().to,
            to: reservation().from,
            ..reservation()
        };
        let turned = reserve(story.record(), &back).unwrap().unwrap();
        assert_eq!(turned.reserved, Some(back));
        assert_eq!(unreserve(&turned, &other.transfer), None);
    }

    #[rstest]
    #[case("a/team", true)]
    #[case("a", false)]
    #[case("a/", false)]
    #[case("/team", false)]
    #[case("A/team", false)]
    #[case("a/team/x", false)]
    fn places_are_a_cluster_and_a_namespace(#[case] text: &str, #[case] taken: bool) {
        let place = text.parse::<NamespaceRef>();
        assert_eq!(place.is_ok(), taken);
        assert!(place.is_ok_and(|place| place.to_string() == text) == taken);
        assert_eq!(
            text.replace('/', "-").parse::<TransferName>().is_ok(),
            text != "/team" && text != "a/" && text != "A/team"
        );
    }
}
