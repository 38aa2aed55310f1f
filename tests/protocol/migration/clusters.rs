//! What becomes of admitted requests, and the observers.

use aso_guard::claim::{Look, LookAnswer, LookCall, ObservedObject, ObservedResolution};
use aso_guard::policy::Policy;

use super::requests::Kind;
use super::world::{Dice, LIMIT, Object, Place, RESOURCES, World, time};

impl World {
    /// An API server stores what was admitted, if it is not too late.
    pub fn store(&mut self, dice: &mut Dice) {
        let admitted: Vec<usize> = (0..self.requests.len())
            .filter(|&at| self.requests[at].admitted)
            .collect();
        if admitted.is_empty() {
            return;
        }
        let request = self.requests.remove(admitted[dice.below(admitted.len())]);
        let Place { member, resource } = request.place;
        let version = self.number();
        let cluster = &mut self.clusters[member];
        let object = &mut cluster.objects[resource];
        let current = object.is_some_and(|object| object.version == request.on);
        match request.kind {
            Kind::Create if object.is_none() => {
                *object = Some(Object {
                    uid: request.number,
                    version,
                    live: true,
                });
                cluster.uids[resource].push(request.number);
                self.tally.stored += 1;
            }
            Kind::Activate if current => {
                *object = object.map(|object| Object {
                    version,
                    live: true,
                    ..object
                });
                self.tally.stored += 1;
            }
            Kind::Delete if current => {
                *object = None;
                self.tally.deleted += 1;
            }
            _ => {}
        }
        self.note(format!("{} is stored", request.number));
    }

    /// API servers give up what is past its time.
    pub fn give_up(&mut self) {
        let now = self.now;
        self.requests
            .retain(|request| !request.admitted || now <= request.at + LIMIT);
    }

    /// A replica looks at a copy.
    pub fn observe(&mut self, dice: &mut Dice) {
        let process = &self.processes[dice.below(self.processes.len())];
        let of = process.config.registries();
        let (member, registry) = (process.member, of[dice.below(of.len())]);
        let resource = dice.below(RESOURCES);
        self.look(registry, Place { member, resource });
    }

    /// A look at one claim of a copy, to its end.
    pub fn look(&mut self, registry: usize, place: Place) {
        let mut look: Look<u64, Object> = Look::new(place.copy(), place.identity());
        loop {
            let cluster = &self.clusters[place.member];
            let answer = match look.call() {
                LookCall::Begin(identity) | LookCall::Claim(identity) => {
                    let known = self.registries[registry].claims.get(identity).cloned();
                    LookAnswer::Claim(known, time(self.now))
                }
                LookCall::Uids => {
                    let uids = cluster.uids[place.resource].iter();
                    LookAnswer::Uids(uids.map(|uid| uid.to_string().into()).collect())
                }
                LookCall::Object => {
                    let object = cluster.objects[place.resource];
                    LookAnswer::Object(object.map(|object| (observed(object), object)))
                }
                LookCall::Resolve(object, _) => LookAnswer::Resolved(ObservedResolution {
                    identities: vec![place.identity()],
                    is_complete: true,
                    assumed: false,
                    policy: if object.live {
                        Policy::Manage
                    } else {
                        Policy::Skip
                    },
                    is_own_policy: true,
                }),
                LookCall::Put(record, version) => {
                    let (record, version) = (record.clone(), version.copied());
                    if self.registries[registry].put_claim(&record, version) {
                        LookAnswer::Stored
                    } else {
                        LookAnswer::Conflict
                    }
                }
                LookCall::Done(_) => return,
            };
            look.answer(answer);
        }
    }
}

fn observed(object: Object) -> ObservedObject {
    ObservedObject {
        uid: object.uid.to_string().into(),
        resource_version: object.version.to_string().into(),
        terminating: false,
        busy: false,
        held: None,
    }
}
