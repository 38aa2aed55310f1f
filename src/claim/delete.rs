//! Destructive deletes: those that take the resource in Azure with them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::arm::Identity;

use super::names::{CopyRef, RequestUid};
use super::record::{InFlight, Proof, Record, Stored, add_in_flight};
use super::refusal::{Dependent, Holder, Refusal};

/// A request that would delete the resource in Azure through this copy.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The copy that would be deleted.
    pub copy: CopyRef,
    /// The copy as the request shows it stored.
    pub stored: Stored,
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
/// [`Refusal::PeersDepend`], or [`Refusal::WakesDelete`] for a copy that is
/// terminating already, naming the other copies.
pub fn mark_deleting(
    record: Option<&Record>,
    identity: &Identity,
    ask: &Delete,
) -> Result<Record, Refusal> {
    peers_depend(record, identity, &ask.copy).map_err(|refusal| match refusal {
        Refusal::PeersDepend { identity, peers } if ask.wakes => {
            Refusal::WakesDelete { identity, peers }
        }
        refusal => refusal,
    })?;
    let mut next = record.map_or_else(|| Record::new(identity.clone()), Record::clone);
    let copy = next.entry(&ask.copy, ask.at, &ask.by);
    if copy.is_vacant() {
        copy.stored = Some(ask.stored.clone());
    }
    let request = InFlight {
        request: ask.request.clone(),
        proof: ask.proof.clone(),
        deadline: ask.deadline,
    };
    add_in_flight(&mut copy.deleting, request);
    Ok(next)
}

/// Whether a destructive delete through `copy` would take the resource from other
/// copies of it, live or parked.
///
/// # Errors
/// [`Refusal::PeersDepend`] naming them.
pub fn peers_depend(
    record: Option<&Record>,
    identity: &Identity,
    copy: &CopyRef,
) -> Result<(), Refusal> {
    let others = record.into_iter().flat_map(|record| record.others(copy));
    let peers: Vec<Holder> = others
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
/// namespace or another cluster.
///
/// Children in the copy's own namespace are its own, and are not counted.
///
/// # Errors
/// [`Refusal::ChildrenDepend`] naming them.
pub fn dependents<'a>(
    identity: &Identity,
    copy: &CopyRef,
    claims: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Refusal> {
    let mut children: Vec<Dependent> = claims
        .into_iter()
        .filter(|claim| claim.identity.is_below(identity))
        .filter_map(|claim| {
            let (other, held) = claim
                .copies
                .iter()
                .find(|(other, _)| !other.shares_namespace(copy))?;
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
