//! A resource that an open transfer moves: what its claim says of that.
//!
//! The claim itself says it, and not a list somewhere else: an admission reads and
//! writes the claim anyway, so nobody goes live or deletes without seeing the
//! reservation, and it costs no call. Whoever reserves writes first and looks after
//! for deletes that were admitted before, as an acquire does.

use super::names::TransferName;
use super::record::{Record, Reservation};

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
        Story, account, account_copy, copy, creating, deleting, group, look, observed, reservation,
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
            .sees(&look(&copy("b"), Some(observed(DetachOnDelete)), 2))
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
}
