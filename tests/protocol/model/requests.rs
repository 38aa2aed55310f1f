//! Requests that need the guard's yes, from their asking to their end.

use aso_guard::claim::{
    Acquire, Aim, Answer, Attempt, Call, Delete, Proof, Refusal, RequestUid, Stored,
};
use aso_guard::policy::Policy;

use super::places::{ALL, PLACES, Place};
use super::rules::Rules;
use super::sealed::Sealed;
use super::sights::Sight;
use super::world::{Kind, Object, Phase, Request, Word, World, bit};
use super::{name, time};

impl World {
    /// A user asks. The guard has made no call yet. Gives the request's number.
    pub fn ask(&mut self, rules: &Rules, place: Place, kind: Kind) -> u16 {
        self.ask_by(rules, place, kind, false)
    }

    /// The same, with `by_force`: it is let through whatever it comes to.
    pub fn ask_by(&mut self, rules: &Rules, place: Place, kind: Kind, by_force: bool) -> u16 {
        let number = self.number(place);
        let on = self.object(place).map_or(0, |object| object.version);
        let deadline = self.clock(place);
        let mut request = Request {
            number,
            place,
            kind,
            on,
            deadline,
            phase: Phase::Admitted,
            peeked: None,
            counted: [0; PLACES],
            counts: true,
            by_force,
            word: Word::Kept,
        };
        let identities = vec![place.identity().clone()];
        let mut attempt = Attempt::new(self.aim(rules, &request), identities);
        if by_force && rules.claim_by_force {
            attempt = attempt.by_force();
        }
        request.peeked = self.peek(rules, &request);
        if kind != Kind::Arrive || rules.register_parked {
            request.phase = Phase::Judged(Sealed::new(attempt));
        }
        self.requests.push(request);
        self.requests.sort_by_key(|request| request.number);
        number
    }

    fn aim(&self, rules: &Rules, request: &Request) -> Aim {
        let early = u8::from(!rules.deadline_covers_request);
        let deadline = time(request.deadline) - jiff::SignedDuration::from_secs(early.into());
        let (place, object) = (request.place, self.object(request.place));
        let uid = RequestUid::new(&name(request.number));
        let acquire = Acquire {
            copy: place.copy().clone(),
            request: uid.clone(),
            proof: match request.kind {
                Kind::Create | Kind::Arrive => Proof::Uid(name(request.number).into()),
                _ => Proof::ResourceVersion(name(request.on).into()),
            },
            deadline,
            at: time(self.clock(place)),
            by: "".into(),
            assumed: false,
        };
        let delete = Delete {
            copy: place.copy().clone(),
            stored: Stored {
                uid: name(object.map_or(0, |object| object.uid)).into(),
                policy: object.map_or(Policy::Manage, |object| object.policy),
                terminating: object.is_some_and(|object| object.terminating),
                busy: false,
            },
            wakes: request.kind == Kind::Wake,
            request: uid,
            proof: acquire_proof(request),
            deadline,
            at: time(self.clock(place)),
            by: "".into(),
        };
        match request.kind {
            Kind::Create => Aim::Create(acquire),
            Kind::Arrive => Aim::Arrive(acquire),
            Kind::Activate => Aim::Activate(acquire),
            Kind::Wake => Aim::Wake(acquire, delete),
            Kind::Delete => Aim::Delete(delete),
        }
    }

    /// Only where the look that must come last comes first.
    fn peek(
        &mut self,
        rules: &Rules,
        request: &Request,
    ) -> Option<Sealed<Vec<aso_guard::claim::Record>>> {
        let identity = request.place.identity();
        let call = match request.kind {
            Kind::Create | Kind::Activate if !rules.claim_before_ancestors => {
                Call::Claims(identity.ancestors())
            }
            Kind::Wake | Kind::Delete if !rules.mark_before_children => Call::Below(identity),
            _ => return None,
        };
        match self.make(rules, &call) {
            Answer::Claims(records) => Some(Sealed::new(records)),
            _ => None,
        }
    }

    fn find(&self, number: u16) -> Option<usize> {
        self.requests.iter().position(|one| one.number == number)
    }

    fn attempt(&self, number: u16) -> Option<Sealed<Attempt<()>>> {
        match &self.requests[self.find(number)?].phase {
            Phase::Judged(attempt) | Phase::Refused(attempt) => Some(attempt.clone()),
            Phase::Admitted => None,
        }
    }

    /// Whether the request's next call is a write.
    pub fn writes_next(&self, number: u16) -> bool {
        let attempt = self.attempt(number);
        attempt.is_some_and(|attempt| matches!(attempt.call(), Some(Call::Put(..))))
    }

    /// The guard makes the request's next call, and has the answer.
    ///
    /// What it reads to be written by compare-and-set it may as well read when it
    /// writes: a write in between would have it read again.
    pub fn call(&mut self, rules: &Rules, number: u16) {
        let reads = !self.writes_next(number);
        if let Some(answer) = self.unanswered(rules, number) {
            self.answer(number, answer);
        }
        if reads && rules.compare && self.writes_next(number) {
            self.call(rules, number);
        }
    }

    /// The guard makes the request's next call; the answer is still to come.
    pub fn unanswered(&mut self, rules: &Rules, number: u16) -> Option<Answer<()>> {
        let attempt = self.attempt(number)?;
        let call = attempt.call()?;
        let at = self.find(number)?;
        let peeked = self.requests[at].peeked.clone();
        if let (Call::Claims(_) | Call::Below(_), Some(peeked)) = (&call, peeked) {
            return Some(Answer::Claims((*peeked).clone()));
        }
        // Of the record that is being written, this request is not out of date.
        let request = self.requests.remove(at);
        let answer = self.make(rules, &call);
        self.requests.insert(at, request);
        if answer == Answer::Stored {
            let request = &self.requests[at];
            let acquires = request.wakes() && !request.by_force;
            if acquires && matches!(request.phase, Phase::Judged(_)) {
                self.doubled |= self.others_hold(request.place);
            }
            if self.requests[at].deletes() {
                self.requests[at].counted = self.counted();
            }
        }
        Some(answer)
    }

    /// Whether another copy of the resource is live, or admitted to be, and claimed.
    fn others_hold(&self, place: Place) -> bool {
        let other = |one: Place| one != place && one.resource() == place.resource();
        let is_claimed = |word| word != Word::Unheard;
        let stored = ALL.into_iter().filter(|&one| other(one)).any(|one| {
            self.object(one)
                .is_some_and(|object| object.is_live() && is_claimed(object.word))
        });
        let admitted = self.requests.iter().any(|one| {
            let holds = one.phase == Phase::Admitted && one.wakes() && is_claimed(one.word);
            holds && other(one.place)
        });
        stored || admitted
    }

    /// The guard has the answer to the request's call.
    pub fn answer(&mut self, number: u16, answer: Answer<()>) {
        let (Some(at), Some(attempt)) = (self.find(number), self.attempt(number)) else {
            return;
        };
        if answer == Answer::Conflict {
            self.note(Sight::Outrun);
        }
        let mut attempt = (*attempt).clone();
        let stored = answer == Answer::Stored;
        attempt.answer(answer);
        let judged = matches!(self.requests[at].phase, Phase::Judged(_));
        if attempt.call().is_some() {
            let attempt = Sealed::new(attempt);
            self.requests[at].phase = if judged {
                Phase::Judged(attempt)
            } else {
                Phase::Refused(attempt)
            };
        } else if !judged {
            if stored {
                self.note(Sight::TakenBack);
            }
            self.requests.remove(at);
        } else if self.requests[at].by_force {
            if attempt.outcome().is_err() {
                self.note(Sight::Forced);
                self.requests[at].word = Word::Forced;
            }
            self.requests[at].phase = Phase::Admitted;
        } else if let Err(refusal) = attempt.outcome() {
            self.note(sight_of(&refusal));
            let request = &mut self.requests[at];
            let uid = RequestUid::new(&name(number));
            let back = Aim::TakeBack(request.place.copy().clone(), uid);
            let identities = vec![request.place.identity().clone()];
            request.phase = Phase::Refused(Sealed::new(Attempt::new(back, identities)));
        } else {
            self.requests[at].phase = Phase::Admitted;
        }
    }

    /// The API server gives up what is past its time, and what its optimistic locking
    /// will not let through any more.
    pub fn give_up(&mut self) {
        let (clocks, objects) = (self.clocks, self.objects);
        let noted = &mut self.noted;
        self.requests.retain(|request| {
            let late = clocks[request.place.member()] > request.deadline;
            let object = objects[request.place as usize];
            let current = object.is_some_and(|object| object.version == request.on);
            let outdated = !request.creates() && !current;
            let over = request.phase == Phase::Admitted && (late || outdated);
            if over {
                noted.note(if late {
                    Sight::GivenUp
                } else {
                    Sight::Outdated
                });
            }
            !over
        });
    }

    /// The request is over, whatever it wrote.
    pub fn drop_request(&mut self, number: u16) {
        self.requests.retain(|request| request.number != number);
    }

    /// The guard has no verdict: the API server refuses, or lets through a parked copy,
    /// and what is let through whatever comes of it.
    pub fn leave_unjudged(&mut self, number: u16) {
        let Some(at) = self.find(number) else { return };
        if self.requests[at].by_force {
            self.note(Sight::Unheard);
            self.requests[at].word = Word::Unheard;
            self.requests[at].phase = Phase::Admitted;
            self.requests[at].counts = false;
            return;
        }
        if self.requests[at].kind == Kind::Arrive {
            self.note(Sight::LetThrough);
            self.requests[at].phase = Phase::Admitted;
            self.requests[at].counts = false;
        } else {
            self.drop_request(number);
        }
    }

    /// The API server stores what was admitted, if optimistic locking lets it.
    pub fn store_request(&mut self, number: u16) {
        let Some(at) = self.find(number) else { return };
        let request = self.requests.remove(at);
        let place = request.place;
        let stored = self.object(place);
        let current = stored.is_some_and(|object| object.version == request.on);
        let word = request.word;
        match request.kind {
            Kind::Create if stored.is_none() => {
                if self.versions[place as usize] > 0 {
                    self.note(Sight::LandedLate);
                }
                let object = Object::new(request.number, Policy::Manage);
                let counts = request.counts;
                self.store(
                    place,
                    Object {
                        counts,
                        word,
                        ..object
                    },
                );
            }
            Kind::Arrive if stored.is_none() => {
                self.note(Sight::Arrived);
                let object = Object::new(request.number, Policy::Skip);
                let counts = request.counts;
                self.store(place, Object { counts, ..object });
            }
            Kind::Activate | Kind::Wake if current => {
                self.change(place, |object| {
                    object.policy = Policy::Manage;
                    object.word = word;
                    object.end = word;
                });
            }
            Kind::Delete if current => self.change(place, |object| {
                object.terminating = true;
                object.end = word;
            }),
            _ => return,
        }
        if request.deletes() && word == Word::Kept {
            if request.kind == Kind::Wake {
                self.note(Sight::Woken);
            }
            self.harmed |= self.takes_what_others_need(&request);
        }
    }

    /// Whether a delete takes a copy that counted when the delete was marked, stored by
    /// now or still to be, or one that is rightly live, whether it counted or not.
    fn takes_what_others_need(&self, request: &Request) -> bool {
        ALL.into_iter()
            .filter(|&other| request.place.takes(other))
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

impl Request {
    /// Whether it would delete the resource.
    pub fn deletes(&self) -> bool {
        matches!(self.kind, Kind::Wake | Kind::Delete)
    }

    /// Whether it creates an object, so that no optimistic locking ends it.
    pub fn creates(&self) -> bool {
        matches!(self.kind, Kind::Create | Kind::Arrive)
    }

    /// Whether it would store a live object.
    pub fn wakes(&self) -> bool {
        matches!(self.kind, Kind::Create | Kind::Activate | Kind::Wake)
    }
}

fn sight_of(refusal: &Refusal) -> Sight {
    match refusal {
        Refusal::ChildrenDepend { .. } => Sight::ChildrenDepend,
        Refusal::AncestorDeleting { .. } => Sight::AncestorDeleting,
        Refusal::PeersDepend { .. } | Refusal::WakesDelete { .. } => Sight::PeersDepend,
        _ => Sight::LiveElsewhere,
    }
}

fn acquire_proof(request: &Request) -> Proof {
    Proof::ResourceVersion(name(request.on).into())
}
