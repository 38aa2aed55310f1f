//! Destructive deletes: those that take the resource in Azure with them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::arm::Identity;

use super::names::{CopyRef, RequestUid};
use super::record::{InFlight, Proof, Record, StoredCopy, add_in_flight};
use super::refusal::{Dependent, Holder, Refusal};

/// A request that would delete the resource in Azure through this copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delete {
    /// The copy that would be deleted.
    pub copy: CopyRef,
    /// The copy as the request shows it stored.
    pub stored: StoredCopy,
    /// Whether the copy is terminating already, and the request would turn its
    /// safe delete into one that deletes the resource.
    pub wakes: bool,
    /// The webhook's call.
    pub request: RequestUid,
    /// What will show that the request is over: deletes too are bound to the
    /// resourceVersion they were computed on.
    pub proof: Proof,
    /// When the API server has given up on the request at the latest.
    pub deadline: Timestamp,
    /// Now, by this cluster's clock.
    pub at: Timestamp,
    /// The user who asks.
    pub by: Arc<str>,
}

/// Marks the copy as being deleted, unless any other copy of the resource is
/// there, live or parked: it depends on the resource.
///
/// The mark is written before the webhook says yes, and [`dependents`] is asked
/// after it is written.
///
/// # Errors
/// [`Refusal::TransferDepends`] while an open transfer moves the resource, or
/// [`Refusal::PeersDepend`], or [`Refusal::WakesDelete`] for a copy that is
/// terminating already, naming the other copies.
pub fn mark_deleting(
    record: Option<&Record>,
    identity: &Identity,
    ask: &Delete,
) -> Result<Record, Refusal> {
    may_delete(record, identity, ask)?;
    Ok(mark_by_force(record, identity, ask))
}

/// Whether neither a transfer nor another copy depends on the resource.
pub(super) fn may_delete(
    record: Option<&Record>,
    identity: &Identity,
    ask: &Delete,
) -> Result<(), Refusal> {
    others_depend(record, identity, &ask.copy).map_err(|refusal| match refusal {
        Refusal::PeersDepend { identity, peers } if ask.wakes => {
            Refusal::WakesDelete { identity, peers }
        }
        refusal => refusal,
    })
}

/// Marks the copy as being deleted, whoever depends on it: for a request that the
/// API server will carry out whatever the protocol says of it.
pub fn mark_by_force(record: Option<&Record>, identity: &Identity, ask: &Delete) -> Record {
    let mut next = record.map_or_else(|| Record::new(identity.clone()), Record::clone);
    let copy = next.entry(&ask.copy, ask.at, &ask.by);
    if copy.is_vacant() {
        copy.stored = Some(ask.stored.clone());
    }
    let request = InFlight {
        request: ask.request.clone(),
        proof: ask.proof.clone(),
        deadline: ask.deadline,
        to: None,
    };
    add_in_flight(&mut copy.deleting, request);
    next
}

/// Whether a destructive delete through `copy` would take the resource from an open
/// transfer, or from other copies of it, live or parked.
///
/// # Errors
/// [`Refusal::TransferDepends`], or [`Refusal::PeersDepend`] naming the copies.
pub fn others_depend(
    record: Option<&Record>,
    identity: &Identity,
    copy: &CopyRef,
) -> Result<(), Refusal> {
    if let Some(reservation) = record.and_then(|record| record.reserved.as_ref()) {
        return Err(Refusal::TransferDepends {
            identity: identity.clone(),
            moved: identity.clone(),
            reservation: reservation.clone(),
        });
    }
    let others = record.into_iter().flat_map(|record| record.others(copy));
    let peers: Vec<Holder> = others
        .filter(|(_, held)| held.is_copy())
        .map(|(other, held)| Holder::of(other, held))
        .collect();
    if peers.is_empty() {
        return Ok(());
    }
    Err(Refusal::PeersDepend {
        identity: identity.clone(),
        peers,
    })
}

/// Whether a destructive delete of `identity` through `copy` would take other
/// people's resources with it: claims below its ARM ID held from another
/// namespace or another cluster, or moved by an open transfer.
///
/// Children in the copy's own namespace are its own, and are not counted, unless they
/// are being moved.
///
/// # Errors
/// [`Refusal::TransferDepends`], or [`Refusal::ChildrenDepend`] naming them.
pub fn dependents<'a>(
    identity: &Identity,
    copy: &CopyRef,
    claims: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Refusal> {
    let inside = claims
        .into_iter()
        .filter(|claim| claim.identity.is_below(identity));
    let inside: Vec<&Record> = inside.collect();
    let moved = inside
        .iter()
        .filter_map(|claim| Some((&claim.identity, claim.reserved.as_ref()?)))
        .min_by_key(|(moved, _)| *moved);
    if let Some((moved, reservation)) = moved {
        return Err(Refusal::TransferDepends {
            identity: identity.clone(),
            moved: moved.clone(),
            reservation: reservation.clone(),
        });
    }
    let mut children: Vec<Dependent> = inside
        .into_iter()
        .filter_map(|claim| {
            let (other, held) = claim
                .copies
                .iter()
                .find(|(other, held)| !other.shares_namespace(copy) && held.is_copy())?;
            Some(Dependent {
                identity: claim.identity.clone(),
                holder: Holder::of(other, held),
            })
        })
        .collect();
    if children.is_empty() {
        return Ok(());
    }
    children.sort_by(|a, b| a.identity.cmp(&b.identity));
    Err(Refusal::ChildrenDepend {
        identity: identity.clone(),
        children,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::acquire::{acquire, withdraw};
    use super::super::testing::{
        Story, account, account_copy, at, copy, creating, deleting, group, stored,
    };
    use super::*;
    use crate::policy::Policy::{self, DetachOnDelete, Manage, Skip};

    #[test]
    fn the_mark_is_there_before_the_delete() {
        let a = copy("a");
        let story = Story::default().found(&a, Manage);
        let story = story.deletes(&deleting(&a, "r1", "1", 5));
        assert!(story.held(&a).is_deleting() && story.held(&a).is_live());
        assert_eq!(story.record().being_deleted().unwrap().0, &a);
        assert_eq!(story.held(&a).since, at(0));
    }

    #[test]
    fn a_copy_without_a_claim_gets_one_from_what_the_request_shows() {
        let a = copy("a");
        let story = Story::default().deletes(&deleting(&a, "r1", "1", 0));
        assert_eq!(story.held(&a).stored, Some(stored(Manage)));
        // Taken back, the mark is gone and the copy is not.
        let after = withdraw(story.record(), &a, &RequestUid::new("r1")).unwrap();
        assert!(after.copies[&a].is_live() && !after.copies[&a].is_deleting());
    }

    #[rstest]
    #[case(Skip)]
    #[case(DetachOnDelete)]
    #[case(Manage)]
    fn any_other_copy_depends(#[case] policy: Policy) {
        for place in ["a/other", "b"] {
            let peer = copy(place);
            let story = Story::default().found(&peer, policy);
            for wakes in [false, true] {
                let ask = Delete {
                    wakes,
                    ..deleting(&copy("a"), "r1", "1", 0)
                };
                let refusal = mark_deleting(story.0.as_ref(), &group(), &ask).unwrap_err();
                let (Refusal::PeersDepend { peers, .. } | Refusal::WakesDelete { peers, .. }) =
                    &refusal
                else {
                    panic!("{refusal:?}");
                };
                assert_eq!(peers.len(), 1);
                assert_eq!(peers[0].copy, peer);
                assert_eq!(matches!(refusal, Refusal::WakesDelete { .. }), wakes);
            }
        }
    }

    #[test]
    fn a_peer_that_may_yet_be_stored_depends_too() {
        let story = Story::default().acquires(&creating(&copy("b"), "r1", "u", 0));
        let ask = deleting(&copy("a"), "r2", "1", 0);
        let refusal = mark_deleting(story.0.as_ref(), &group(), &ask).unwrap_err();
        assert!(matches!(refusal, Refusal::PeersDepend { .. }));
    }

    #[test]
    fn a_call_whose_response_was_lost_finds_its_own_mark() {
        let a = copy("a");
        let ask = deleting(&a, "r1", "1", 0);
        let story = Story::default().found(&a, Manage).deletes(&ask);
        assert_eq!(story.record(), story.clone().deletes(&ask).record());
    }

    #[test]
    fn a_wake_up_call_taken_back_takes_back_both_its_acquire_and_its_mark() {
        let a = copy("a");
        let parked = Story::default().found(&a, Skip);
        let woken = parked
            .clone()
            .deletes(&deleting(&a, "r1", "1", 0))
            .acquires(&creating(&a, "r1", "uid-1", 0));
        assert!(woken.held(&a).is_live() && woken.held(&a).is_deleting());
        let after = withdraw(woken.record(), &a, &RequestUid::new("r1")).unwrap();
        let held = &after.copies[&a];
        assert_eq!(held.stored, parked.held(&a).stored);
        assert!(!held.is_live() && !held.is_deleting());
    }

    fn child(place: &str) -> Record {
        acquire(
            None,
            &account(),
            &creating(&account_copy(place), "r", "u", 0),
        )
        .unwrap()
    }

    #[rstest]
    #[case::in_its_own_namespace("a", true)]
    #[case::in_another_namespace("a/other", false)]
    #[case::in_another_cluster("b", false)]
    fn what_is_inside_depends_where_others_hold_it(#[case] place: &str, #[case] free: bool) {
        let claims = [child(place)];
        let outcome = dependents(&group(), &copy("a"), &claims);
        assert_eq!(outcome.is_ok(), free);
        // It counts for what contains it, and for nothing else.
        assert_eq!(dependents(&account(), &account_copy("a"), &claims), Ok(()));
        let namesake = "/subscriptions/s/resourceGroups/rg".parse().unwrap();
        assert_eq!(dependents(&namesake, &copy("a"), &claims), Ok(()));
    }

    #[test]
    fn a_peers_copy_of_an_own_child_depends() {
        let mut shared = child("a");
        shared.copies.extend(child("b").copies);
        let refusal = dependents(&group(), &copy("a"), [&shared]).unwrap_err();
        let Refusal::ChildrenDepend { children, .. } = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(children.len(), 1);
        assert_eq!(children[0].holder.copy, account_copy("b"));
    }
}
