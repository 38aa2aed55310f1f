//! What becomes of admitted requests in the API servers' stores.

use aso_guard::policy::Policy;

use super::coverage::Coverage;
use super::places::{ALL, Place};
use super::world::{Kind, Object, Phase, Request, Word, World, bit};

impl World {
    /// The API server gives up what is past its time, and what its optimistic locking
    /// will not let through any more.
    pub fn give_up(&mut self) {
        let (clocks, objects) = (self.clocks, self.objects);
        let namespace = self.namespace.as_ref().map(|namespace| namespace.version);
        let noted = &mut self.noted;
        self.requests.retain(|request| {
            let late = clocks[request.place.member()] > request.deadline;
            let object = objects[request.place as usize];
            let current = match request.kind {
                Kind::Unpark => namespace == Some(request.on),
                _ => object.is_some_and(|object| object.version == request.on),
            };
            let outdated = !request.creates() && !current;
            let over = request.phase == Phase::Admitted && (late || outdated);
            if over {
                noted.note(if late {
                    Coverage::GivenUp
                } else {
                    Coverage::Outdated
                });
            }
            !over
        });
    }

    /// The API server stores what was admitted, if optimistic locking lets it.
    pub fn store_request(&mut self, number: u16) {
        let Some(at) = self.find(number) else { return };
        let request = self.requests.remove(at);
        let stored = self.object(request.place);
        let current = stored.is_some_and(|object| object.version == request.on);
        if request.kind == Kind::Unpark {
            self.unpark_namespace(&request);
        } else if request.creates() && stored.is_none() {
            self.store_new(&request);
        } else if !request.creates() && current {
            self.store_change(&request);
        }
    }

    fn store_new(&mut self, request: &Request) {
        let place = request.place;
        if request.kind == Kind::Arrive || request.kind == Kind::Inherit {
            self.note(Coverage::Arrived);
        } else if self.versions[place as usize] > 0 {
            self.note(Coverage::LandedLate);
        }
        let policy = match request.kind {
            _ if request.inherits => self.inherited_policy(),
            Kind::Arrive => Policy::Skip,
            _ => Policy::Manage,
        };
        let object = Object {
            inherits: request.inherits,
            counts: request.counts,
            word: request.word,
            ..Object::new(request.number, policy)
        };
        self.store(place, object);
    }

    fn store_change(&mut self, request: &Request) {
        let (place, word) = (request.place, request.word);
        let inherited = self.inherited_policy();
        match request.kind {
            Kind::Activate | Kind::Wake | Kind::Bare => self.change(place, |object| {
                object.policy = if request.inherits {
                    inherited
                } else {
                    Policy::Manage
                };
                object.inherits = request.inherits;
                object.word = word;
                object.end = word;
            }),
            _ => self.change(place, |object| {
                object.terminating = true;
                object.end = word;
            }),
        }
        let deletes = self.object(place).is_some_and(|object| object.deletes());
        if deletes && word == Word::Kept {
            if request.kind == Kind::Wake {
                self.note(Coverage::Activated);
            }
            self.harmed |= self.takes_what_others_need(place, request);
        }
    }

    /// Whether a delete takes a copy that counted when the delete was marked, stored by
    /// now or still to be, or one that is rightly live, whether it counted or not.
    pub fn takes_what_others_need(&self, place: Place, request: &Request) -> bool {
        ALL.into_iter()
            .filter(|&other| place.takes(other))
            .any(|other| {
                let counted = |uid| request.counted[other as usize] & bit(uid) != 0;
                let arrives = |one: &Request| {
                    one.place == other && one.phase == Phase::Admitted && counted(one.number)
                };
                let object = self.object(other);
                object.is_some_and(|object| counted(object.uid) || object.is_rightly_live())
                    || self.requests.iter().any(arrives)
            })
    }
}
