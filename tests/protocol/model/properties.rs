//! What must hold in every state.

use super::coverage::{Coverage, Tally};
use super::places::{ALL, Place, RESOURCES};
use super::rules::Rules;
use super::world::{Kind, Object, Phase, Request, Word, World};

/// More calls than any request makes.
const CALLS: usize = 16;

impl World {
    /// I1: no resource has two live copies, but for those that were let through by force;
    /// and none was acquired beside another one, forced or not.
    pub fn has_no_conflict(&self) -> bool {
        let rightly = |resource| self.count(resource, Object::is_rightly_live);
        !self.doubled && (0..RESOURCES).all(|resource| rightly(resource) <= 1)
    }

    /// I2: no destructive delete was stored while somebody depended on the resource,
    /// and nobody came to depend on it while it is being deleted.
    pub fn takes_nothing_from_others(&self) -> bool {
        let live = |place| {
            self.object(place)
                .is_some_and(|object| object.is_rightly_live())
        };
        let rightly = |place| {
            self.object(place)
                .is_some_and(|object| object.end == Word::Kept)
        };
        let harms = |place: Place| {
            ALL.into_iter()
                .any(|other| place.takes(other) && live(other))
        };
        !self.harmed
            && !ALL
                .into_iter()
                .any(|place| self.deletes(place) && rightly(place) && harms(place))
    }

    fn deletes(&self, place: Place) -> bool {
        self.object(place).is_some_and(|object| object.deletes())
    }

    /// Every live object is live in its claim, and every destructively terminating one
    /// is marked; and so is what the API server may yet store. So it is with what was let
    /// through by force, but for what the guard had no verdict on.
    pub fn claims_cover_the_truth(&self) -> bool {
        // Claims that were lost cover nothing, until all are whole again.
        if self
            .epochs
            .as_ref()
            .is_some_and(|epochs| !epochs.is_whole())
        {
            return true;
        }
        let stored = ALL.into_iter().all(|place| {
            self.object(place).is_none_or(|object| {
                let wakes = object.inherits && self.may_wake();
                let live = (object.is_live() || wakes) && object.word != Word::Unheard;
                let deletes = object.deletes() || object.terminating && wakes;
                let deletes = deletes && object.end != Word::Unheard;
                self.covers(place, live, deletes) && (!object.busy || self.tells_busy(place))
            })
        });
        let admitted =
            |request: &&Request| request.phase == Phase::Admitted && request.word != Word::Unheard;
        stored
            && self.requests.iter().filter(admitted).all(|request| {
                let inherits = request.inherits && self.may_wake();
                let object = self.object(request.place).filter(|_| !request.creates());
                let goes = request.deletes() || request.kind == Kind::Spare;
                let deletes = match object {
                    Some(object) if object.inherits => goes && self.may_wake(),
                    _ => request.deletes(),
                };
                self.covers(request.place, request.wakes() || inherits, deletes)
            })
    }

    fn covers(&self, place: Place, live: bool, deletes: bool) -> bool {
        place.resources().iter().all(|&resource| {
            let record = self.claims[resource].as_ref();
            let copy = record.and_then(|record| record.copies.get(place.copy()));
            (!live || copy.is_some_and(aso_guard::claim::MemberCopy::is_live))
                && (!deletes || copy.is_some_and(aso_guard::claim::MemberCopy::is_deleting))
        })
    }

    /// Whether the claims say that ASO may have something under way for a copy in Azure.
    fn tells_busy(&self, place: Place) -> bool {
        place.resources().iter().all(|&resource| {
            let record = self.claims[resource].as_ref();
            let copy = record.and_then(|record| record.copies.get(place.copy()));
            copy.is_some_and(|copy| {
                copy.is_live() || copy.stored.as_ref().is_some_and(|stored| stored.busy)
            })
        })
    }

    /// When nothing is under way, the observers bring the claims in line with what is
    /// stored, whoever of them is left and whatever it remembers; and then whoever
    /// wants a resource that is live nowhere gets it.
    pub fn comes_to_rest(&self, rules: &Rules, places: &[Place], tally: &Tally) -> bool {
        if !self.is_quiet() {
            return true;
        }
        let Some(rest) = self.settled(rules) else {
            return false;
        };
        if rest.claims != self.claims {
            tally.count_one(Coverage::HandedOver);
        }
        let is_right = |place| rest.says_what_is_stored(place) && rest.can_be_claimed(rules, place);
        rest.reserves_rightly() && places.iter().all(|&place| is_right(place))
    }

    fn says_what_is_stored(&self, place: Place) -> bool {
        let object = self.object(place);
        place.resources().iter().all(|&resource| {
            let claim = self.claims[resource].as_ref();
            let copy = claim.and_then(|record| record.copies.get(place.copy()));
            let stored = copy.and_then(|copy| copy.stored.as_ref());
            stored.map(|stored| (stored.policy, stored.terminating, stored.busy))
                == object.map(|object| {
                    let busy = object.busy && !object.is_live();
                    (object.policy, object.terminating, busy)
                })
                && copy.is_none_or(|copy| copy.next_deadline().is_none())
        })
    }

    /// Whether a live copy is admitted here, unless the resource is live somewhere, brought
    /// elsewhere, or inside of what is being deleted.
    fn can_be_claimed(&self, rules: &Rules, place: Place) -> bool {
        let above_goes = |above| place.is_inside(above) && self.deletes(above);
        let is_live = |&resource: &usize| self.live(resource) > 0;
        let leads_elsewhere = |&resource: &usize| {
            let record = self.claims[resource].as_ref();
            let reserved = record.and_then(|record| record.reserved.as_ref());
            reserved.is_some_and(|one| !one.to.has(place.copy()))
        };
        let mut resources = place.resources().iter();
        if resources.any(|one| is_live(one) || leads_elsewhere(one))
            || ALL.into_iter().any(above_goes)
        {
            return true;
        }
        let mut world = self.clone();
        world.fencing = super::fencing::Fencing::default();
        let kind = match world.object(place) {
            None => Kind::Create,
            Some(object) if object.terminating => return true,
            Some(_) => Kind::Activate,
        };
        let number = world.ask(rules, place, kind);
        for _ in 0..CALLS {
            world.call(rules, number);
            world.confirm(rules, number);
        }
        let admitted = |one: &Request| one.number == number && one.phase == Phase::Admitted;
        world.requests.iter().any(admitted)
    }

    /// The move that all this is for: what began live in a is live in b alone.
    pub fn has_moved(&self) -> bool {
        let live = |place| self.object(place).is_some_and(|object| object.is_live());
        let was_in_a = self.versions[Place::ParentA as usize] > 0;
        was_in_a && live(Place::ParentB) && !live(Place::ParentA)
    }

    /// A resource was deleted in Azure.
    pub fn has_deleted(&self) -> bool {
        ALL.into_iter().any(|place| self.deletes(place))
    }
}
