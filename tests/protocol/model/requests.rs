//! Requests that need the guard's yes, from their asking to its verdict.

use aso_guard::claim::{
    Acquire, Attempt, Delete, Intent, Refusal, RegistryAnswer, RegistryCall, RequestUid, StoredCopy,
};
use aso_guard::policy::Policy;

use super::course::Course;
use super::coverage::Coverage;
use super::namespace::{Namespace, Peeked, proof};
use super::places::{ALL, PLACES, Place, resource_of};
use super::rules::Rules;
use super::sealed::Sealed;
use super::world::{Kind, Phase, Request, Word, World};
use super::written::Writer;
use super::{name, time};

impl World {
    /// A user asks. The guard has made no call yet. Gives the request's number.
    pub fn ask(&mut self, rules: &Rules, place: Place, kind: Kind) -> u16 {
        self.ask_by(rules, place, kind, false)
    }

    /// The same, with `by_force`: it is let through whatever it comes to.
    pub fn ask_by(&mut self, rules: &Rules, place: Place, kind: Kind, by_force: bool) -> u16 {
        let number = self.number(place);
        if !by_force && self.is_refused_as_fenced(rules, place, kind) {
            self.note(Coverage::Fenced);
            return number;
        }
        let namespace = self.namespace.as_ref();
        let on = match kind {
            Kind::Unpark => namespace.map_or(0, |namespace| namespace.version),
            _ => self.object(place).map_or(0, |object| object.version),
        };
        let mut request = Request {
            number,
            place,
            kind,
            on,
            deadline: self.clock(place),
            phase: Phase::Admitted,
            peeked: None,
            counted: [0; PLACES],
            counts: true,
            by_force,
            inherits: matches!(kind, Kind::Inherit | Kind::Bare),
            lasts: false,
            word: Word::Kept,
            known: None,
            stood: true,
        };
        let known = self
            .epochs
            .as_ref()
            .and_then(|epochs| epochs.known(place.member()));
        request.known = known.cloned().map(Sealed::new);
        request.stood = rules.epoch_after_claims || self.stands(rules, &request);
        request.peeked = self.peek(rules, &request).map(Sealed::new);
        let course = self.course_of(rules, &request);
        self.requests.push(request);
        self.requests.sort_by_key(|request| request.number);
        if kind != Kind::Arrive || rules.register_parked {
            self.judged_by(number, course);
        }
        number
    }

    fn course_of(&self, rules: &Rules, request: &Request) -> Course {
        match request.kind {
            Kind::Inherit | Kind::Bare | Kind::Spare => return self.arrival(rules, request),
            Kind::Unpark => return Self::scan(request),
            _ => {}
        }
        let mut identities = request.place.identities();
        if !rules.every_identity {
            identities.truncate(1);
        }
        let mut attempt = Attempt::new(self.aim(rules, request), identities);
        if request.by_force && rules.claim_by_force {
            attempt = attempt.by_force();
        }
        Course::attempt(request.place, attempt)
    }

    /// What a request acquires for the copy here.
    pub fn acquire(&self, rules: &Rules, request: &Request, place: Place) -> Acquire {
        let early = u8::from(!rules.deadline_covers_request);
        Acquire {
            copy: place.copy().clone(),
            request: RequestUid::new(&name(request.number)),
            proof: proof(request),
            deadline: time(request.deadline) - jiff::SignedDuration::from_secs(early.into()),
            at: time(self.clock(place)),
            by: "".into(),
            assumed: false,
        }
    }

    /// The delete of the resource that a request comes to, through the copy here.
    pub fn deletion(&self, request: &Request, place: Place) -> Delete {
        let object = self.object(place);
        Delete {
            copy: place.copy().clone(),
            stored: StoredCopy {
                uid: name(object.map_or(0, |object| object.uid)).into(),
                policy: Policy::Manage,
                terminating: object.is_some_and(|object| object.terminating),
                busy: false,
            },
            wakes: matches!(request.kind, Kind::Wake | Kind::Unpark),
            request: RequestUid::new(&name(request.number)),
            proof: proof(request),
            deadline: time(request.deadline),
            at: time(self.clock(place)),
            by: "".into(),
        }
    }

    /// What a request would do, once its policy is known.
    pub fn aim(&self, rules: &Rules, request: &Request) -> Intent {
        let acquire = self.acquire(rules, request, request.place);
        let delete = self.deletion(request, request.place);
        match request.kind {
            Kind::Create => Intent::Create(acquire),
            Kind::Arrive | Kind::Inherit => Intent::Arrive(acquire),
            Kind::Activate | Kind::Bare | Kind::Unpark => Intent::Activate(acquire),
            Kind::Wake => Intent::Wake(acquire, delete),
            Kind::Delete | Kind::Spare => Intent::Delete(delete),
        }
    }

    /// Only where a look that must come later comes first.
    fn peek(&mut self, rules: &Rules, request: &Request) -> Option<Peeked> {
        let identity = request.place.identity();
        let call = match request.kind {
            Kind::Create | Kind::Activate if !rules.claim_before_ancestors => {
                RegistryCall::Claims(identity.ancestors())
            }
            Kind::Wake | Kind::Delete if !rules.mark_before_children => {
                RegistryCall::Below(identity)
            }
            _ => return self.peek_inherited(rules, request),
        };
        match self.make(rules, &call) {
            RegistryAnswer::Claims(records) => Some(Peeked::Claims(records)),
            _ => None,
        }
    }

    pub fn find(&self, number: u16) -> Option<usize> {
        self.requests.iter().position(|one| one.number == number)
    }

    pub fn course(&self, number: u16) -> Option<Sealed<Course>> {
        match &self.requests[self.find(number)?].phase {
            Phase::Judged(course) | Phase::Refused(course) => Some(course.clone()),
            Phase::Confirming(_) | Phase::Admitted => None,
        }
    }

    /// Whether the request's next call is a write of a claim.
    pub fn writes_next(&self, number: u16) -> bool {
        let course = self.course(number);
        course.is_some_and(|course| matches!(course.claim_call(), Some(RegistryCall::Put(..))))
    }

    /// The guard makes the request's next call, and has the answer.
    ///
    /// What it reads to be written by compare-and-set it may as well read when it
    /// writes: a write in between would have it read again.
    pub fn call(&mut self, rules: &Rules, number: u16) {
        let reads = !self.writes_next(number);
        let writes = self.is_about_to_write(number);
        let Some(answer) = self.unanswered(rules, number) else {
            return self.call_on_namespace(rules, number);
        };
        if let (Some((member, resource)), RegistryAnswer::Stored) = (writes, &answer) {
            self.remember_written(member, resource, Writer::Guard);
        }
        self.answer(number, answer);
        self.go_on(rules, number);
        if reads && rules.compare && self.writes_next(number) {
            self.call(rules, number);
        }
    }

    /// The guard makes the request's next call on a claim; the answer is still to come.
    pub fn unanswered(&mut self, rules: &Rules, number: u16) -> Option<RegistryAnswer<()>> {
        let course = self.course(number)?;
        let call = course.claim_call()?;
        let at = self.find(number)?;
        let peeked = self.requests[at].peeked.as_deref();
        if let (RegistryCall::Claims(_) | RegistryCall::Below(_), Some(Peeked::Claims(peeked))) =
            (&call, peeked)
        {
            return Some(RegistryAnswer::Claims(peeked.clone()));
        }
        // Of the record that is being written, this request is not out of date.
        let request = self.requests.remove(at);
        let answer = self.make(rules, &call);
        self.requests.insert(at, request);
        if let (RegistryCall::Put(record, _), RegistryAnswer::Stored) = (&call, &answer)
            && let Some(resource) = resource_of(&record.identity)
        {
            self.wrote(at, &course, resource);
        }
        Some(answer)
    }

    /// Keeps in mind what a write of a claim came across.
    fn wrote(&mut self, at: usize, course: &Course, resource: usize) {
        let request = &self.requests[at];
        let is_judged = matches!(request.phase, Phase::Judged(_));
        let acquires = request.wakes() || request.kind == Kind::Unpark;
        if let Some((place, _)) = course.current()
            && acquires
            && is_judged
            && !request.by_force
        {
            // What is not confirmed is taken back.
            self.doubled |= self.epochs.is_none() && self.others_hold(*place, resource);
            self.note_astray(*place, resource);
        }
        let request = &self.requests[at];
        if is_judged && (request.deletes() || request.kind == Kind::Unpark) {
            self.requests[at].counted = self.counted(resource);
        }
    }

    /// Whether another copy of the resource is live, or admitted to be, and claimed.
    pub fn others_hold(&self, place: Place, resource: usize) -> bool {
        let other = |one: Place| one != place && one.resources().contains(&resource);
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

    /// The guard has the answer to the request's call on a claim.
    pub fn answer(&mut self, number: u16, answer: RegistryAnswer<()>) {
        let (Some(at), Some(course)) = (self.find(number), self.course(number)) else {
            return;
        };
        let is_judged = matches!(self.requests[at].phase, Phase::Judged(_));
        match answer {
            RegistryAnswer::Conflict => self.note(Coverage::Outrun),
            RegistryAnswer::Stored if !is_judged => self.note(Coverage::TakenBack),
            _ => {}
        }
        let mut course = (*course).clone();
        course.answer(answer);
        let course = Sealed::new(course);
        self.requests[at].phase = if is_judged {
            Phase::Judged(course)
        } else {
            Phase::Refused(course)
        };
    }

    /// The guard judges a request by this from now on.
    pub fn judged_by(&mut self, number: u16, course: Course) {
        let Some(at) = self.find(number) else { return };
        self.requests[at].phase = if course.is_over() {
            Phase::Admitted
        } else {
            Phase::Judged(Sealed::new(course))
        };
    }

    /// What follows once a machine makes no more calls, or refuses.
    pub fn go_on(&mut self, rules: &Rules, number: u16) {
        let (Some(at), Some(course)) = (self.find(number), self.course(number)) else {
            return;
        };
        let request = &self.requests[at];
        if matches!(request.phase, Phase::Refused(_)) {
            if course.is_over() {
                self.forget_change(number);
                self.drop_request(number);
            }
            return;
        }
        match (&*course, course.refusal()) {
            (_, Some(refusal)) if !request.by_force => self.refuse(number, &course, &refusal),
            _ if !course.is_over() => {}
            (Course::Arrival(arrival), _) => self.arrived(rules, number, arrival.outcome()),
            (Course::PolicyScan(scan), _) => {
                self.activated(rules, number, scan.clone().into_activated());
            }
            (Course::Attempts(_), refusal) => {
                if refusal.is_some() {
                    self.note(Coverage::Forced);
                    self.requests[at].word = Word::Forced;
                }
                let is_confirmed = !self.is_to_be_confirmed(&self.requests[at]);
                self.requests[at].phase = if is_confirmed {
                    Phase::Admitted
                } else {
                    Phase::Confirming(course)
                };
            }
        }
    }

    fn refuse(&mut self, number: u16, course: &Course, refusal: &Refusal) {
        self.note(coverage_of(refusal));
        self.take_back(number, course);
    }

    /// The guard takes back what a request wrote.
    pub fn take_back(&mut self, number: u16, course: &Course) {
        let uid = RequestUid::new(&name(number));
        let back = Course::taking_back(&course.places(), &uid);
        if let Some(at) = self.find(number) {
            self.requests[at].phase = Phase::Refused(Sealed::new(back));
        }
    }

    /// A change of the namespace that was refused is taken out of the member's record.
    fn forget_change(&mut self, number: u16) {
        let uid = RequestUid::new(&name(number));
        let changes = self
            .namespace
            .iter_mut()
            .map(|one: &mut Namespace| &mut one.changes);
        changes.for_each(|all| all.retain(|(change, _)| change.request != uid));
    }

    /// The request is over, whatever it wrote.
    pub fn drop_request(&mut self, number: u16) {
        self.requests.retain(|request| request.number != number);
    }

    /// The guard has no verdict: the API server refuses, or lets through a parked copy, the
    /// delete of one, and what is let through whatever comes of it.
    pub fn leave_unjudged(&mut self, number: u16) {
        let Some(at) = self.find(number) else { return };
        let request = &mut self.requests[at];
        let coverage = match request.kind {
            _ if request.by_force => Coverage::Unheard,
            Kind::Spare => Coverage::Unheard,
            Kind::Arrive => Coverage::LetThrough,
            _ => return self.drop_request(number),
        };
        if request.kind != Kind::Arrive {
            request.word = Word::Unheard;
        }
        request.phase = Phase::Admitted;
        request.counts = false;
        self.note(coverage);
    }
}

impl Request {
    /// Whether it would delete the resource.
    pub fn deletes(&self) -> bool {
        matches!(self.kind, Kind::Wake | Kind::Delete)
    }

    /// Whether it creates an object, so that no optimistic locking ends it.
    pub fn creates(&self) -> bool {
        matches!(self.kind, Kind::Create | Kind::Arrive | Kind::Inherit)
    }

    /// Whether it would store a live object.
    pub fn wakes(&self) -> bool {
        matches!(self.kind, Kind::Create | Kind::Activate | Kind::Wake)
    }
}

fn coverage_of(refusal: &Refusal) -> Coverage {
    match refusal {
        Refusal::ChildrenDepend { .. } => Coverage::ChildrenDepend,
        Refusal::AncestorDeleting { .. } => Coverage::AncestorDeleting,
        Refusal::ForeignResourceId { .. } => Coverage::Foreign,
        Refusal::PeersDepend { .. } | Refusal::WakesDelete { .. } => Coverage::PeersDepend,
        Refusal::ReservedElsewhere { .. } => Coverage::InTransfer,
        Refusal::TransferDepends { .. } => Coverage::TransferDepends,
        _ => Coverage::LiveElsewhere,
    }
}
