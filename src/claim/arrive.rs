//! Arriving parked: what an admission writes for a copy that ASO will only read.

use crate::arm::Identity;

use super::acquire::Acquire;
use super::record::{InFlight, MemberCopy, Record, add_in_flight};

/// Registers a copy that may yet be stored as parked: from now on it counts for those
/// who would delete the resource. Nobody is refused, and nobody is kept from going live.
///
/// `ask` is the request that creates it; it ends as an acquire does.
pub fn arrive(record: Option<&Record>, identity: &Identity, ask: &Acquire) -> Record {
    add(record, identity, ask, None, |copy| &mut copy.arriving)
}

/// Says that what has the copy as its owner is taken for something inside this resource until
/// a request is stored, and for something inside `to` afterwards. Nobody is refused.
pub(super) fn announce_rename(
    record: Option<&Record>,
    identity: &Identity,
    ask: &Acquire,
    to: Option<&Identity>,
) -> Record {
    add(record, identity, ask, to, |copy| &mut copy.renaming)
}

fn add(
    record: Option<&Record>,
    identity: &Identity,
    ask: &Acquire,
    to: Option<&Identity>,
    list: impl Fn(&mut MemberCopy) -> &mut Vec<InFlight>,
) -> Record {
    let mut next = record.map_or_else(|| Record::new(identity.clone()), Record::clone);
    let copy = next.entry(&ask.copy, ask.at, &ask.by);
    if copy.is_vacant() {
        copy.assumed = ask.assumed;
    }
    let request = InFlight {
        request: ask.request.clone(),
        proof: ask.proof.clone(),
        deadline: ask.deadline,
        to: to.cloned(),
    };
    add_in_flight(list(copy), request);
    next
}

#[cfg(test)]
mod tests {
    use super::super::acquire::{acquire, withdraw};
    use super::super::delete::{dependents, mark_deleting};
    use super::super::names::RequestUid;
    use super::super::record::ClaimState;
    use super::super::refusal::{Hold, Refusal};
    use super::super::testing::{
        GIVEN, Story, account, account_copy, at, copy, creating, deleting, group, look, observed,
    };
    use super::*;
    use crate::policy::Policy::{Manage, Skip};

    /// Live in a, and about to be parked in b.
    fn story() -> Story {
        let live = Story::default().found(&copy("a"), Manage);
        let ask = creating(&copy("b"), "r", "uid-1", 0);
        Story(Some(arrive(live.0.as_ref(), &group(), &ask)))
    }

    #[test]
    fn what_arrives_parked_counts_for_a_delete_before_it_is_stored() {
        let story = story();
        assert_eq!(story.record().state(), ClaimState::Live);
        let ask = deleting(&copy("a"), "d", "1", 1);
        let refusal = mark_deleting(story.0.as_ref(), &group(), &ask).unwrap_err();
        let Refusal::PeersDepend { peers, .. } = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(peers[0].hold, Hold::Arriving(at(GIVEN)));
        let inside = arrive(None, &account(), &creating(&account_copy("b"), "r", "u", 0));
        assert!(dependents(&group(), &copy("a"), [&inside]).is_err());
    }

    #[test]
    fn it_keeps_nobody_from_going_live() {
        let ask = creating(&copy("b"), "r", "uid-1", 0);
        let arriving = arrive(None, &group(), &ask);
        assert!(!arriving.copies[&copy("b")].is_live());
        assert_eq!(arriving.state(), ClaimState::Parked);
        assert!(
            acquire(
                Some(&arriving),
                &group(),
                &creating(&copy("a"), "s", "u", 0)
            )
            .is_ok()
        );
    }

    #[test]
    fn it_ends_where_it_is_seen_where_its_deadline_has_passed_and_where_it_is_taken_back() {
        let (b, story) = (copy("b"), story());
        assert_eq!(story.held(&b).next_deadline(), Some(at(GIVEN)));
        let early = story.clone().sees(&look(&b, None, GIVEN));
        assert_eq!(early.held(&b).arriving.len(), 1);

        let seen = story.clone().sees(&look(&b, Some(observed(Skip)), 1));
        assert!(seen.held(&b).arriving.is_empty() && seen.held(&b).stored.is_some());
        let late = story.clone().sees(&look(&b, None, GIVEN + 1));
        assert!(!late.record().copies.contains_key(&b));
        let back = withdraw(story.record(), &b, &RequestUid::new("r")).unwrap();
        assert!(!back.copies.contains_key(&b));
    }

    #[test]
    fn a_lost_response_makes_no_second_entry() {
        let ask = creating(&copy("b"), "r", "uid-1", 0);
        let once = arrive(None, &group(), &ask);
        assert_eq!(arrive(Some(&once), &group(), &ask), once);
    }

    #[test]
    fn what_an_owner_says_of_those_below_it_is_no_copy() {
        let live = Story::default().found(&copy("a"), Manage);
        let ask = creating(&copy("b"), "r", "uid-1", 0);
        let announced = announce_rename(live.0.as_ref(), &group(), &ask, None);
        let delete = deleting(&copy("a"), "d", "1", 1);
        assert!(mark_deleting(Some(&announced), &group(), &delete).is_ok());
        let ask = creating(&account_copy("b"), "r", "u", 0);
        let inside = announce_rename(None, &account(), &ask, None);
        assert!(dependents(&group(), &copy("a"), [&inside]).is_ok());
    }

    #[test]
    fn however_much_is_said_of_those_below_a_copy_stays_one() {
        let mut record = story().record().clone();
        for number in 0..40 {
            let ask = creating(&copy("b"), &format!("n{number}"), "uid-1", 0);
            record = announce_rename(Some(&record), &group(), &ask, None);
        }
        let delete = deleting(&copy("a"), "d", "1", 1);
        assert!(mark_deleting(Some(&record), &group(), &delete).is_err());
    }
}
