//! Requests that give what is inside a resource another name, as the claim of that says.

use crate::arm::Identity;

use super::acquire::Acquire;
use super::names::CopyRef;
use super::record::{InFlight, Record};

/// A request that gives what is inside a resource another name, as the claim of that says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Announced {
    /// What they are taken to be in until then.
    pub(super) from: Identity,
    /// The object that the request is on.
    pub(super) owner: CopyRef,
    pub(super) request: InFlight,
}

impl Announced {
    /// Those by others of a copy's namespace, in the claims of what contains it.
    pub(super) fn to(ask: &Acquire, claims: &[Record]) -> Vec<Self> {
        let mut found = Vec::new();
        for claim in claims {
            let near = claim.copies.iter();
            for (owner, held) in near.filter(|(owner, _)| owner.shares_namespace(&ask.copy)) {
                let others = held
                    .renaming
                    .iter()
                    .filter(|one| one.request != ask.request);
                found.extend(others.map(|request| Self {
                    from: claim.identity.clone(),
                    owner: owner.clone(),
                    request: request.clone(),
                }));
            }
        }
        found
    }
}
