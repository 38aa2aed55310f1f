//! Requests, and the verdicts of guards that have one registry or both.

use aso_guard::claim::{
    Acquire, Attempt, Delete, Intent, KnownEpoch, PairAnswer, PairCall, PairKnown, PairOutcome,
    PairVerdict, Place as Of, Proof, Record, RegistryAnswer, RegistryCall, RequestUid, StoredCopy,
    confirm,
};
use aso_guard::policy::Policy;

use super::enrolments::{Config, Process};
use super::world::{Dice, LIMIT, Object, Place, World, time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Create,
    Activate,
    Delete,
}

/// A request, until it is stored, given up or refused.
#[derive(Clone, Debug)]
pub struct Request {
    pub number: u16,
    pub place: Place,
    pub kind: Kind,
    pub process: usize,
    /// The version and uid of the object that it is about.
    pub on: u16,
    uid: u16,
    /// When it came.
    pub at: u16,
    pub admitted: bool,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    /// Nothing was done yet.
    Begin,
    /// A guard with one registry: which, by what, and how far it is.
    Alone(usize, KnownEpoch, Box<Attempt<u64>>),
    /// A guard with both; the first of them; and the calls on claims that it is at.
    Pair(usize, Box<PairVerdict>, Option<Box<Attempt<u64>>>),
}

impl Request {
    pub fn new(
        number: u16,
        place: Place,
        kind: Kind,
        process: usize,
        object: Option<Object>,
        at: u16,
    ) -> Self {
        Self {
            number,
            place,
            kind,
            process,
            on: object.map_or(0, |object| object.version),
            uid: object.map_or(0, |object| object.uid),
            at,
            admitted: false,
            way: Way::Begin,
        }
    }

    pub fn is_a_delete_to_come(&self) -> bool {
        self.kind == Kind::Delete && self.admitted
    }

    fn attempt(&self, now: u16) -> Box<Attempt<u64>> {
        let (copy, request) = (self.place.copy(), self.request());
        let deadline = time(now + LIMIT);
        let version = Proof::ResourceVersion(self.on.to_string().into());
        let acquire = |proof| Acquire {
            copy: copy.clone(),
            request: request.clone(),
            proof,
            deadline,
            at: time(now),
            by: "x".into(),
            assumed: false,
        };
        let aim = match self.kind {
            Kind::Create => Intent::Create(acquire(Proof::Uid(self.number.to_string().into()))),
            Kind::Activate => Intent::Activate(acquire(version)),
            Kind::Delete => Intent::Delete(Delete {
                copy: copy.clone(),
                stored: StoredCopy {
                    uid: self.uid.to_string().into(),
                    policy: Policy::Manage,
                    terminating: false,
                    busy: false,
                },
                wakes: false,
                request: request.clone(),
                proof: version,
                deadline,
                at: time(now),
                by: "x".into(),
            }),
        };
        Box::new(Attempt::new(aim, vec![self.place.identity()]))
    }

    fn request(&self) -> RequestUid {
        RequestUid::new(&self.number.to_string())
    }
}

/// What a step of a verdict came to.
enum Went {
    On(Box<Way>),
    Admitted(usize),
    Refused,
    /// For want of a registry to judge by.
    Unjudged(String),
}

impl World {
    /// A guard goes on with a request, by one call or some in a row.
    pub fn go_on_with_a_request(&mut self, dice: &mut Dice) {
        for _ in 0..=dice.below(4) {
            self.go_on_once(dice);
        }
    }

    fn go_on_once(&mut self, dice: &mut Dice) {
        let open: Vec<usize> = (0..self.requests.len())
            .filter(|&at| !self.requests[at].admitted)
            .collect();
        if open.is_empty() {
            return;
        }
        let at = open[dice.below(open.len())];
        let request = self.requests[at].clone();
        if self.now > request.at + LIMIT {
            self.requests.remove(at);
            return;
        }
        match self.next(&request) {
            Went::On(way) => self.requests[at].way = *way,
            Went::Admitted(by) => {
                self.tally.admitted[by] += 1;
                self.note(format!("{} is admitted by {by}", request.number));
                self.requests[at].admitted = true;
            }
            Went::Refused => {
                self.tally.refused += 1;
                self.note(format!("{} is refused", request.number));
                self.requests.remove(at);
            }
            Went::Unjudged(why) => {
                self.note(format!("{} is not judged: {why}", request.number));
                self.requests.remove(at);
                if self.bounds.both && self.tally.lost == 0 {
                    self.wrong = Some(format!("a refusal for the move's sake: {why}"));
                }
            }
        }
    }

    fn next(&mut self, request: &Request) -> Went {
        match request.way.clone() {
            Way::Begin => match self.processes[request.process].config {
                Config::Alone(registry) => self.begin_alone(request, registry),
                Config::Pair(first) => Went::On(Box::new(Way::Pair(first, Box::default(), None))),
            },
            Way::Alone(registry, known, mut attempt) => {
                if self.call(registry, &mut attempt) {
                    return Went::On(Box::new(Way::Alone(registry, known, attempt)));
                }
                if attempt.outcome().is_err() {
                    self.take_back(registry, request);
                    return Went::Refused;
                }
                if self.stands(request.process, registry, &known) {
                    Went::Admitted(registry)
                } else {
                    self.take_back(registry, request);
                    Went::Unjudged("the epoch is another one".to_owned())
                }
            }
            Way::Pair(first, mut verdict, attempt) => {
                let registry = |place| if place == Of::Old { first } else { 1 - first };
                let answer = match (verdict.call(), attempt) {
                    (PairCall::Judge(..), None) => {
                        let attempt = request.attempt(self.now);
                        return Went::On(Box::new(Way::Pair(first, verdict, Some(attempt))));
                    }
                    (PairCall::Write, None) if self.rules.written_in_both => {
                        let attempt = Box::new(request.attempt(self.now).by_force());
                        return Went::On(Box::new(Way::Pair(first, verdict, Some(attempt))));
                    }
                    (PairCall::Write, None) => PairAnswer::Written,
                    (PairCall::Judge(place, known), Some(mut attempt)) => {
                        let known = known.clone();
                        if self.call(registry(place), &mut attempt) {
                            return Went::On(Box::new(Way::Pair(first, verdict, Some(attempt))));
                        }
                        let refused = attempt.outcome().is_err();
                        let stands = self.stands(request.process, registry(place), &known);
                        if refused || !stands {
                            self.take_back(registry(place), request);
                        }
                        match (refused, stands) {
                            (true, _) => PairAnswer::Refused,
                            (false, true) => PairAnswer::Admitted { by_claims: true },
                            (false, false) => PairAnswer::Unconfirmed,
                        }
                    }
                    (PairCall::Write, Some(mut attempt)) => {
                        if self.call(1 - first, &mut attempt) {
                            return Went::On(Box::new(Way::Pair(first, verdict, Some(attempt))));
                        }
                        PairAnswer::Written
                    }
                    (PairCall::Done(outcome), _) => {
                        return self.ended(request, outcome, first);
                    }
                    (call, _) => self.answer(request.process, first, &call),
                };
                if answer == PairAnswer::Unconfirmed {
                    self.tally.tried_again += 1;
                }
                let refused = answer == PairAnswer::Refused;
                verdict.answer(answer);
                if refused && let PairCall::Confirm(place, known) = verdict.call() {
                    // Nothing comes in between that matters to whom it refuses.
                    let known = known.clone();
                    if self.stands(request.process, registry(place), &known) {
                        return Went::Refused;
                    }
                    verdict.answer(PairAnswer::Unconfirmed);
                }
                Went::On(Box::new(Way::Pair(first, verdict, None)))
            }
        }
    }

    fn begin_alone(&mut self, request: &Request, registry: usize) -> Went {
        let known = self.processes[request.process].epochs[registry]
            .known
            .clone();
        let heeds = self.rules.marks_are_heeded;
        let known = known.filter(|known| known.migration.is_none() || !heeds);
        match known {
            Some(known) => Went::On(Box::new(Way::Alone(
                registry,
                known,
                request.attempt(self.now),
            ))),
            None => Went::Unjudged("it is not whole, or moves".to_owned()),
        }
    }

    fn ended(&self, request: &Request, outcome: &PairOutcome, first: usize) -> Went {
        let _ = request;
        match outcome {
            PairOutcome::Of(place) => {
                let moving = &self.registries[first].epoch_record();
                let both = moving.is_some_and(|record| record.migration.is_some());
                let by = match place {
                    Of::Old if both => 2,
                    Of::Old => first,
                    Of::New => 1 - first,
                };
                Went::Admitted(by)
            }
            other => Went::Unjudged(format!("{other:?}")),
        }
    }

    fn answer(&mut self, process: usize, first: usize, call: &PairCall<'_>) -> PairAnswer {
        let registry = |place| if place == Of::Old { first } else { 1 - first };
        let same = |is_so| {
            if is_so {
                PairAnswer::Same
            } else {
                PairAnswer::Unconfirmed
            }
        };
        match call {
            PairCall::Recall => {
                let epochs = &self.processes[process].epochs;
                let (old, new) = (&epochs[first], &epochs[1 - first]);
                PairAnswer::Known(Box::new(PairKnown {
                    old: old.record.clone(),
                    old_known: old.known.clone(),
                    new: new.record.clone(),
                    new_known: new.known.clone(),
                }))
            }
            PairCall::IsSame(epoch) => {
                let new = 1 - first;
                let now = self.registries[new].epoch_record();
                let is_same = now.is_some_and(|now| now.epoch == **epoch);
                let Process { member, .. } = self.processes[process];
                let writes = self.registries[new].writes[member];
                same(is_same && writes >= self.least_writes(process, new))
            }
            PairCall::Confirm(place, known) => {
                let stands = self.stands(process, registry(*place), known);
                same(stands)
            }
            PairCall::Look => {
                self.look_at_epoch(process, first);
                self.look_at_epoch(process, 1 - first);
                PairAnswer::Looked
            }
            PairCall::Judge(..) | PairCall::Write | PairCall::Done(_) => PairAnswer::Failed,
        }
    }

    /// How often the member of a process wrote its own record, at least, by what that knows.
    fn least_writes(&self, process: usize, registry: usize) -> u32 {
        let Process {
            member,
            config,
            epochs,
        } = &self.processes[process];
        let kept = self.clusters[*member].memory[config.slot(registry)].as_ref();
        epochs[registry].least_writes(kept)
    }

    fn stands(&self, process: usize, registry: usize, known: &KnownEpoch) -> bool {
        let seen = self.registries[registry].epoch_record();
        let least = self.least_writes(process, registry);
        let Process { member, epochs, .. } = &self.processes[process];
        let writes = self.registries[registry].writes[*member];
        let before = KnownEpoch {
            writes: known.writes.max(least),
            ..known.clone()
        };
        let is_known = epochs[registry].known.as_ref() == Some(known);
        is_known && confirm(Some(&before), seen, Some(writes)).is_ok()
    }

    /// Makes the next call of an attempt. Gives whether there was one.
    fn call(&mut self, registry: usize, attempt: &mut Attempt<u64>) -> bool {
        let registry = &mut self.registries[registry];
        let answer = match attempt.call() {
            None => return false,
            Some(RegistryCall::Claim(identity)) => {
                RegistryAnswer::Claim(registry.claims.get(identity).cloned())
            }
            Some(RegistryCall::Put(record, version)) => {
                let (record, version) = (record.clone(), version.copied());
                if registry.put_claim(&record, version) {
                    RegistryAnswer::Stored
                } else {
                    RegistryAnswer::Conflict
                }
            }
            Some(RegistryCall::Claims(wanted)) => {
                let found = wanted.iter().filter_map(|one| registry.claims.get(one));
                RegistryAnswer::Claims(found.map(|(record, _)| record.clone()).collect())
            }
            Some(RegistryCall::Below(identity)) => {
                let all = registry.claims.values().map(|(record, _)| record);
                let below = all.filter(|record: &&Record| record.identity.is_below(identity));
                RegistryAnswer::Claims(below.cloned().collect())
            }
        };
        attempt.answer(answer);
        true
    }

    fn take_back(&mut self, registry: usize, request: &Request) {
        let aim = Intent::TakeBack(request.place.copy(), request.request());
        let mut attempt = Attempt::new(aim, vec![request.place.identity()]);
        while self.call(registry, &mut attempt) {}
    }
}
