//! What must hold in every state.

use aso_guard::claim::{Acquire, Proof, RequestUid, acquire};

use super::places::{ALL, Place, RESOURCES};
use super::rules::Rules;
use super::time;
use super::world::World;

impl World {
    /// I1: no resource has two live copies.
    pub fn has_no_twins(&self) -> bool {
        (0..RESOURCES).all(|resource| self.live(resource) <= 1)
    }

    /// I2: no destructive delete was stored while somebody depended on the resource,
    /// and nobody came to depend on it while it is being deleted.
    pub fn takes_nothing_from_others(&self) -> bool {
        let live = |place| self.object(place).is_some_and(|object| object.is_live());
        let deletes = |place| self.object(place).is_some_and(|object| object.deletes());
        let harms = |place: Place| {
            ALL.into_iter()
                .any(|other| place.takes(other) && live(other))
        };
        !self.harmed && !ALL.into_iter().any(|place| deletes(place) && harms(place))
    }

    /// Every live object is live in its claim, and every destructively terminating one
    /// is marked.
    pub fn claims_cover_the_truth(&self) -> bool {
        ALL.into_iter().all(|place| {
            let Some(object) = self.object(place) else {
                return true;
            };
            let copy = self
                .claim(place)
                .and_then(|record| record.copies.get(place.copy()));
            (!object.is_live() || copy.is_some_and(aso_guard::claim::Copy::is_live))
                && (!object.deletes() || copy.is_some_and(aso_guard::claim::Copy::is_deleting))
        })
    }

    /// When nothing is under way, the observers bring the claims in line with what is
    /// stored; and then whoever wants a resource that is live nowhere gets it.
    pub fn comes_to_rest(&self, rules: &Rules) -> bool {
        if !self.is_quiet() {
            return true;
        }
        let rest = self.settled(rules);
        ALL.into_iter().all(|place| {
            let claim = rest.claim(place).map(|record| &**record);
            let copy = claim.and_then(|record| record.copies.get(place.copy()));
            let stored = copy.and_then(|copy| copy.stored.as_ref());
            let object = rest.object(place);
            let agrees = stored.map(|stored| (stored.policy, stored.terminating))
                == object.map(|object| (object.policy, object.terminating))
                && copy.is_none_or(|copy| copy.next_deadline().is_none());
            let ask = Acquire {
                copy: place.copy().clone(),
                request: RequestUid::new("the next"),
                proof: Proof::Deadline,
                deadline: time(u8::MAX),
                at: time(u8::MAX),
                by: "".into(),
                assumed: false,
            };
            let free =
                rest.live(place.resource()) > 0 || acquire(claim, place.identity(), &ask).is_ok();
            agrees && free
        })
    }

    /// The move that all this is for: what began live in a is live in b alone.
    pub fn has_moved(&self) -> bool {
        let live = |place| self.object(place).is_some_and(|object| object.is_live());
        live(Place::ParentB) && !live(Place::ParentA)
    }

    /// A resource was deleted in Azure.
    pub fn has_deleted(&self) -> bool {
        ALL.into_iter()
            .any(|place| self.object(place).is_some_and(|object| object.deletes()))
    }
}
