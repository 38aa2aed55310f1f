//! Going live: what an admission writes before it says yes.

use std::sync::Arc;

use jiff::Timestamp;

use crate::arm::Identity;

use super::names::{CopyRef, RequestUid};
use super::record::{InFlight, Proof, Record, add_in_flight};
use super::refusal::{Holder, Refusal};

/// A request that would make a copy live: a CREATE, or an UPDATE that changes
/// policy or identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acquire {
    /// The copy that would be live.
    pub copy: CopyRef,
    /// The webhook's call.
    pub request: RequestUid,
    /// What will show that the request is over.
    pub proof: Proof,
    /// When the API server has given up on the request at the latest: later than
    /// its own request timeout.
    pub deadline: Timestamp,
    /// Now, by this cluster's clock.
    pub at: Timestamp,
    /// The user who asks.
    pub by: Arc<str>,
    /// Whether the identity rests on an owner that is not there yet.
    pub assumed: bool,
}

impl Acquire {
    /// The same for a name that a request on an owner would give: the copy may be stored, and
    /// seen under another name, long before that. It holds for twice as long as a request may
    /// be under way, so that another try of that request can go on from there.
    #[must_use]
    pub fn until_owner_is_seen(self) -> Self {
        let longer = self.deadline.duration_since(self.at);
        Self {
            proof: Proof::Owner,
            deadline: self
                .deadline
                .saturating_add(longer)
                .unwrap_or(Timestamp::MAX),
            ..self
        }
    }
}

/// Makes the copy live in the record, unless another copy is live or may become so.
///
/// `record` is what the registry holds for `identity`, `None` where it holds
/// nothing. A call that finds its own acquire there already (its response was
/// lost) gets the same record again.
///
/// A request that is let through although it is refused here (audit mode, an
/// override, an exempt user) acquires by [force](acquire_by_force) instead: the API
/// server will store it, and the claims have to cover what is stored.
///
/// # Errors
/// [`Refusal::LiveElsewhere`] naming the other copy, or [`Refusal::ReservedElsewhere`]
/// where an open transfer brings the resource to another place.
pub fn acquire(
    record: Option<&Record>,
    identity: &Identity,
    ask: &Acquire,
) -> Result<Record, Refusal> {
    is_free(record, ask)?;
    Ok(acquire_by_force(record, identity, ask))
}

/// Whether no copy but the one that asks is live or may become so, none is on its way to delete the
/// resource, and no open transfer brings it to another place. The transfer comes first: it
/// stands in the way when the other copy no longer does.
///
/// A delete asks for itself: what is deleted may be live though the claim says parked, where it went
/// live by force and its guard died over that.
pub(super) fn is_free(record: Option<&Record>, ask: &Acquire) -> Result<(), Refusal> {
    let Some(record) = record else { return Ok(()) };
    if let Some(reservation) = &record.reserved
        && !reservation.to.has(&ask.copy)
    {
        return Err(Refusal::ReservedElsewhere {
            identity: record.identity.clone(),
            reservation: reservation.clone(),
        });
    }
    let mut others = record.others(&ask.copy);
    let holder = others.find(|(_, copy)| copy.is_live() || copy.is_deleting());
    holder.map_or(Ok(()), |(other, held)| {
        Err(Refusal::LiveElsewhere {
            identity: record.identity.clone(),
            holder: Holder::of(other, held),
            assumed: ask.assumed || held.assumed,
        })
    })
}

/// Makes the copy live in the record, whoever else is: for a request that the API
/// server will store whatever the protocol says of it. With another live copy, the
/// record says [`Conflict`](super::ClaimState::Conflict) from then on, and nobody
/// goes live before **both** are seen parked or gone.
pub fn acquire_by_force(record: Option<&Record>, identity: &Identity, ask: &Acquire) -> Record {
    let mut next = record.map_or_else(|| Record::new(identity.clone()), Record::clone);
    let turn = next.first_turn();
    let copy = next.entry(&ask.copy, ask.at, &ask.by);
    if !copy.is_live() {
        copy.newcomer = turn;
        copy.since = ask.at;
        copy.by = ask.by.clone();
        copy.assumed = ask.assumed;
    }
    let request = InFlight {
        request: ask.request.clone(),
        proof: ask.proof.clone(),
        deadline: ask.deadline,
        to: None,
    };
    add_in_flight(&mut copy.acquiring, request);
    next
}

/// Whether a resource may be acquired below these ancestors: not while one of
/// them is being deleted, for Azure deletes what is inside with it.
///
/// To be asked **after** the acquire is written: a delete writes its mark first
/// and looks for children after, so one of the two always sees the other.
///
/// # Errors
/// [`Refusal::AncestorDeleting`] naming the nearest such ancestor.
pub fn acquire_below<'a>(
    identity: &Identity,
    ancestors: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Refusal> {
    for ancestor in ancestors {
        if let Some((other, held)) = ancestor.being_deleted() {
            return Err(Refusal::AncestorDeleting {
                identity: identity.clone(),
                ancestor: ancestor.identity.clone(),
                holder: Holder::of(other, held),
            });
        }
    }
    Ok(())
}

/// Takes back what one call wrote, because the call is refused after all: the
/// API server will not store what a webhook refused. `None` where there is
/// nothing to take back.
pub fn withdraw(record: &Record, copy: &CopyRef, request: &RequestUid) -> Option<Record> {
    let mut next = record.clone();
    let held = next.copies.get_mut(copy)?;
    let before = held.in_flight().count();
    for list in held.in_flight_lists() {
        list.retain(|one| one.request != *request);
    }
    if held.in_flight().count() == before {
        return None;
    }
    if held.is_vacant() {
        next.copies.remove(copy);
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::record::MAX_IN_FLIGHT;
    use super::super::refusal::Hold;
    use super::super::testing::{
        GIVEN, Story, account, activating, at, copy, creating, deleting, group, look, observed,
        of_version,
    };
    use super::*;
    use crate::policy::Policy::{DetachOnDelete, Manage, Skip};

    fn uid(name: &str) -> RequestUid {
        RequestUid::new(name)
    }

    #[test]
    fn the_first_to_ask_is_live_before_anything_is_stored() {
        let a = copy("a");
        let story = Story::default().acquires(&creating(&a, "r1", "uid-1", 0));
        let held = story.held(&a);
        assert!(held.is_live() && !held.stored_live());
        assert_eq!((held.since, &*held.by), (at(0), "alice"));
        assert_eq!(held.next_deadline(), Some(at(GIVEN)));
    }

    #[rstest]
    #[case::a_create_under_way(Story::default().acquires(&creating(&copy("b"), "rb", "u", 0)), Hold::Pending(at(GIVEN)))]
    #[case::managed(Story::default().found(&copy("b"), Manage), Hold::Live)]
    #[case::detached(Story::default().found(&copy("b"), DetachOnDelete), Hold::Live)]
    #[case::being_deleted(Story::default().deletes(&deleting(&copy("b"), "rb", "1", 0)), Hold::Deleting)]
    #[case::being_deleted_though_it_was_seen_parked(
        Story::default().found(&copy("b"), Skip).deletes(&deleting(&copy("b"), "rb", "1", 0)),
        Hold::Deleting
    )]
    fn nobody_else_goes_live_meanwhile(#[case] story: Story, #[case] hold: Hold) {
        for place in ["a", "b/other", "c"] {
            let ask = creating(&copy(place), "r1", "uid-2", 1);
            let refusal = acquire(story.0.as_ref(), &group(), &ask).unwrap_err();
            let Refusal::LiveElsewhere {
                holder, assumed, ..
            } = refusal
            else {
                panic!("{refusal:?}");
            };
            assert_eq!(
                (holder.copy, holder.hold, assumed),
                (copy("b"), hold, false)
            );
        }
    }

    #[test]
    fn a_parked_copy_is_in_nobodys_way() {
        let story = Story::default().found(&copy("b"), Skip);
        let story = story.acquires(&creating(&copy("a"), "r1", "uid-1", 0));
        assert_eq!(story.record().live().count(), 1);
    }

    #[test]
    fn a_guess_on_either_side_is_told() {
        let guess = Acquire {
            assumed: true,
            ..creating(&copy("a"), "r1", "uid-1", 0)
        };
        let story = Story::default().acquires(&guess);
        let sure = creating(&copy("b"), "r2", "uid-2", 1);
        for (record, ask) in [
            (story.record(), &sure),
            (Story::default().acquires(&sure).record(), &guess),
        ] {
            let refusal = acquire(Some(record), &group(), ask).unwrap_err();
            assert!(matches!(
                refusal,
                Refusal::LiveElsewhere { assumed: true, .. }
            ));
        }
    }

    #[test]
    fn a_call_whose_response_was_lost_finds_its_own_acquire() {
        let ask = creating(&copy("a"), "r1", "uid-1", 0);
        let story = Story::default().acquires(&ask);
        let again = story.clone().acquires(&ask);
        assert_eq!(story.record(), again.record());
    }

    #[test]
    fn a_copy_may_ask_again_and_keeps_its_date() {
        let a = copy("a");
        let story = Story::default()
            .acquires(&creating(&a, "r1", "uid-1", 0))
            .acquires(&creating(&a, "r2", "uid-2", 5));
        assert_eq!(story.held(&a).acquiring.len(), 2);
        assert_eq!(story.held(&a).since, at(0));
    }

    #[test]
    fn taking_back_a_call_leaves_what_others_wrote() {
        let a = copy("a");
        let story = Story::default()
            .acquires(&creating(&a, "r1", "uid-1", 0))
            .acquires(&creating(&a, "r2", "uid-2", 0));
        assert_eq!(withdraw(story.record(), &a, &uid("r3")), None);
        assert_eq!(withdraw(story.record(), &copy("b"), &uid("r1")), None);
        let one = withdraw(story.record(), &a, &uid("r1")).unwrap();
        assert_eq!(one.copies[&a].acquiring.len(), 1);
        let none = withdraw(&one, &a, &uid("r2")).unwrap();
        assert!(none.copies.is_empty());
    }

    #[test]
    fn taking_back_leaves_what_is_stored() {
        let a = copy("a");
        let story =
            Story::default()
                .found(&a, Skip)
                .acquires(&activating(&a, "r1", of_version("1"), 0));
        let after = withdraw(story.record(), &a, &uid("r1")).unwrap();
        assert_eq!(after.copies[&a].stored, story.held(&a).stored);
        assert!(!after.copies[&a].is_live());
    }

    /// More calls than are kept apart, the last of them at `second`.
    fn crowd(calls: usize) -> Story {
        (0..calls).fold(Story::default(), |story, i| {
            let second = i64::try_from(i).unwrap();
            let (request, uid) = (format!("r{i}"), format!("uid-{i}"));
            story.acquires(&creating(&copy("a"), &request, &uid, second))
        })
    }

    #[rstest]
    #[case(MAX_IN_FLIGHT, 0)]
    #[case(MAX_IN_FLIGHT + 1, 2)]
    #[case(MAX_IN_FLIGHT * 4, MAX_IN_FLIGHT * 3 + 1)]
    fn a_crowd_is_folded_and_none_of_it_forgotten(#[case] calls: usize, #[case] folded: usize) {
        let a = copy("a");
        let story = crowd(calls);
        let list = &story.held(&a).acquiring;
        assert_eq!(list.len(), MAX_IN_FLIGHT);
        let last_folded = i64::try_from(folded).unwrap() - 1;
        if folded > 0 {
            assert_eq!(list[0].proof, Proof::Deadline);
            assert_eq!(list[0].deadline, at(last_folded + GIVEN));
        }
        // Taking back any one call ends that call alone.
        for i in 0..calls {
            let after = withdraw(story.record(), &a, &uid(&format!("r{i}")));
            let left = after.map_or(MAX_IN_FLIGHT, |after| after.copies[&a].acquiring.len());
            let expected = usize::from(i >= folded);
            assert_eq!(MAX_IN_FLIGHT - left, expected, "r{i}");
        }
        // What was folded ends by its deadline alone, not by a uid among it.
        let seen_uids = (0..calls)
            .map(|i| format!("uid-{i}").into())
            .collect::<Vec<_>>();
        let seen = |second| super::super::Observation {
            seen_uids: &seen_uids,
            ..look(&a, None, second)
        };
        let early = story.clone().sees(&seen(last_folded + GIVEN));
        assert_eq!(early.0.is_some(), folded > 0);
        assert_eq!(story.sees(&seen(last_folded + GIVEN + 1)).0, None);
    }

    #[test]
    fn not_inside_of_what_is_being_deleted() {
        let deleted = Story::default().deletes(&deleting(&copy("b"), "r1", "1", 0));
        let gone_soon = crate::claim::ObservedObject {
            terminating: true,
            ..observed(Manage)
        };
        let terminating = Story::default().sees(&look(&copy("b"), Some(gone_soon), 0));
        for story in [deleted, terminating] {
            let refusal = acquire_below(&account(), [story.record()]).unwrap_err();
            let Refusal::AncestorDeleting {
                ancestor, holder, ..
            } = refusal
            else {
                panic!("{refusal:?}");
            };
            assert_eq!((ancestor, holder.hold), (group(), Hold::Deleting));
        }
    }

    #[rstest]
    #[case::live(false, Manage)]
    #[case::terminating_and_parked(true, Skip)]
    #[case::terminating_and_detached(true, DetachOnDelete)]
    fn inside_of_what_stays(#[case] terminating: bool, #[case] policy: crate::policy::Policy) {
        let object = crate::claim::ObservedObject {
            terminating,
            ..observed(policy)
        };
        let story = Story::default().sees(&look(&copy("b"), Some(object), 0));
        assert_eq!(acquire_below(&account(), [story.record()]), Ok(()));
    }
}
