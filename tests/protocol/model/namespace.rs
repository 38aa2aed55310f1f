//! A namespace of cluster a whose policy its copies inherit, and the changes of it.

use std::sync::Arc;

use aso_guard::claim::{
    ActivatedCopy, Arrival, ArrivalAnswer, ArrivalCall, Arrived, Attempt, Inherited, Intent,
    PolicyChange, PolicyScan, PolicyScanAnswer, PolicyScanCall, Proof, Record, Relies, RequestUid,
};
use aso_guard::object::ObjectFacts;
use aso_guard::policy::Policy;

use super::course::Course;
use super::coverage::Coverage;
use super::name;
use super::places::{ALL, Place};
use super::rules::Rules;
use super::sealed::Sealed;
use super::world::{Kind, Object, Phase, Request, Word, World};

/// The namespace of [`Place::ParentA`] and [`Place::ChildA`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace {
    /// The policies that it has had, the one that it has first: a replica may remember any.
    pub had: Vec<Policy>,
    /// Its resourceVersion.
    pub version: u16,
    /// The changes of it in the member's record, each with its deadline.
    pub changes: Vec<(PolicyChange, u16)>,
}

/// What was read before its turn: only where a rule is taken out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peeked {
    Claims(Vec<Record>),
    Changes(Vec<PolicyChange>),
    Inherited(Inherited),
    InFlight(Vec<Record>, Vec<(Arc<ObjectFacts>, Option<Arc<str>>)>),
    Objects(Vec<(Arc<ObjectFacts>, Option<Arc<str>>)>),
}

impl Namespace {
    pub fn new(policies: &[Policy]) -> Self {
        Self {
            had: policies.to_vec(),
            version: 1,
            changes: Vec::new(),
        }
    }

    /// Whether a copy can be here.
    pub fn has(place: Place) -> bool {
        place.copy().shares_namespace(Place::ParentA.copy())
    }

    pub fn policy(&self) -> Policy {
        self.had[0]
    }

    /// Whether a replica may believe it parked.
    pub fn was_parked(&self) -> bool {
        self.had.contains(&Policy::Skip)
    }

    fn change_to(&mut self, policy: Policy) {
        self.had.retain(|&had| had != policy);
        self.had.insert(0, policy);
        self.version += 1;
    }

    fn inherited(&self) -> Inherited {
        Inherited {
            resource_version: name(self.version).into(),
            namespace: (self.policy() == Policy::Skip).then(|| "skip".into()),
            operator: None,
        }
    }

    fn changes(&self) -> Vec<PolicyChange> {
        self.changes
            .iter()
            .map(|(change, _)| change.clone())
            .collect()
    }
}

impl World {
    /// The namespace is parked. The objects themselves don't change.
    pub fn park_namespace(&mut self) {
        self.give_namespace(Policy::Skip, Word::Kept);
    }

    fn give_namespace(&mut self, policy: Policy, word: Word) {
        let Some(namespace) = &mut self.namespace else {
            return;
        };
        namespace.change_to(policy);
        for object in self.objects.iter_mut().flatten() {
            if object.inherits {
                object.policy = policy;
                object.word = word;
            }
        }
    }

    /// The policy of what says nothing of its own.
    pub fn inherited_policy(&self) -> Policy {
        let namespace = self.namespace.as_ref();
        namespace.map_or(Policy::Manage, Namespace::policy)
    }

    /// Whether what inherits is live, or may be by a change that is admitted.
    pub fn may_wake(&self) -> bool {
        let is_current = |request: &&Request| {
            let version = self.namespace.as_ref().map(|one| one.version);
            request.kind == Kind::Unpark && version == Some(request.on)
        };
        let admitted = |one: &&Request| one.phase == Phase::Admitted && one.word != Word::Unheard;
        let mut changes = self.requests.iter().filter(is_current).filter(admitted);
        self.inherited_policy().is_live() || changes.next().is_some()
    }

    /// The member takes changes out of its record that are over: the namespace has another
    /// version, or their deadline has passed.
    pub fn settle_changes(&mut self) {
        let clock = self.clock(Place::ParentA);
        if let Some(namespace) = &mut self.namespace {
            let version = name(namespace.version);
            let is_under_way = |(change, deadline): &(PolicyChange, u16)| {
                *change.resource_version == *version && clock <= *deadline
            };
            namespace.changes.retain(is_under_way);
        }
    }

    /// The guard begins with what nothing of the copy itself parks.
    pub fn arrival(&self, rules: &Rules, request: &Request) -> Course {
        let relies = match request.kind {
            Kind::Spare => Relies::OnKept,
            _ => Relies::OnParked,
        };
        let place = request.place;
        let aim = Intent::Arrive(self.acquire(rules, request, place));
        if !rules.inherited_from_store {
            let registers = request.kind == Kind::Inherit;
            let attempt = Attempt::new(aim, place.identities());
            let attempts = registers.then_some((place, attempt));
            return Course::Attempts(attempts.into_iter().collect());
        }
        let facts = facts(
            place,
            self.object(place).filter(|_| !request.creates()),
            true,
        );
        let registering = Attempt::new(aim, place.identities());
        Course::Arrival(Arrival::new(relies, &facts, Some(registering)))
    }

    /// The guard begins with a change that takes the namespace's `skip` off.
    pub fn scan(request: &Request) -> Course {
        let change = PolicyChange {
            namespace: Place::ParentA.copy().object.namespace.clone(),
            resource_version: name(request.on).into(),
            request: RequestUid::new(&name(request.number)),
            policy: None,
        };
        let member = Place::ParentA.copy().member.clone();
        let scan = PolicyScan::new(member, change, Some("skip"), vec![None], false);
        Course::PolicyScan(scan.expect("a change that wakes"))
    }

    /// What is read before its turn.
    pub fn peek_inherited(&self, rules: &Rules, request: &Request) -> Option<Peeked> {
        let namespace = self.namespace.as_ref()?;
        match request.kind {
            Kind::Inherit | Kind::Bare | Kind::Spare if !rules.register_before_changes => {
                Some(Peeked::Changes(namespace.changes()))
            }
            Kind::Inherit | Kind::Bare | Kind::Spare if !rules.changes_before_namespace => {
                Some(Peeked::Inherited(namespace.inherited()))
            }
            Kind::Unpark if !rules.change_before_look => {
                Some(Peeked::InFlight(self.records(), self.inhabitants()))
            }
            Kind::Unpark if !rules.in_flight_before_objects => {
                Some(Peeked::Objects(self.inhabitants()))
            }
            _ => None,
        }
    }

    /// Makes the next call of a course that is none on a claim, and goes on to what follows.
    pub fn call_on_namespace(&mut self, rules: &Rules, number: u16) {
        let Some(at) = self.find(number) else { return };
        let peeked = self.requests[at].peeked.clone();
        let deadline = self.requests[at].deadline;
        let Phase::Judged(course) = &self.requests[at].phase else {
            return;
        };
        let mut course = (**course).clone();
        match &mut course {
            Course::Arrival(arrival) => {
                let answer = self.answer_arrival(arrival, peeked.as_deref());
                arrival.answer(answer);
            }
            Course::PolicyScan(scan) => {
                let answer = self.answer_scan(scan, peeked.as_deref(), deadline);
                scan.answer(answer);
            }
            Course::Attempts(_) => return,
        }
        self.requests[at].phase = Phase::Judged(Sealed::new(course));
        self.go_on(rules, number);
    }

    fn answer_arrival(&self, arrival: &Arrival<()>, peeked: Option<&Peeked>) -> ArrivalAnswer<()> {
        let Some(namespace) = &self.namespace else {
            return ArrivalAnswer::Unavailable;
        };
        match (arrival.call(), peeked) {
            (Some(ArrivalCall::Changes), Some(Peeked::Changes(then))) => {
                ArrivalAnswer::Changes(then.clone())
            }
            (Some(ArrivalCall::Inherited), Some(Peeked::Inherited(then))) => {
                ArrivalAnswer::Inherited(then.clone())
            }
            (Some(ArrivalCall::Changes), _) => ArrivalAnswer::Changes(namespace.changes()),
            _ => ArrivalAnswer::Inherited(namespace.inherited()),
        }
    }

    fn answer_scan(
        &mut self,
        scan: &PolicyScan,
        peeked: Option<&Peeked>,
        deadline: u16,
    ) -> PolicyScanAnswer {
        match (scan.call(), peeked) {
            (Some(PolicyScanCall::Register(change)), _) => {
                if let Some(namespace) = &mut self.namespace {
                    namespace.changes.push((change.clone(), deadline));
                }
                PolicyScanAnswer::Registered
            }
            (Some(PolicyScanCall::InFlight), Some(Peeked::InFlight(then, _))) => {
                PolicyScanAnswer::InFlight(then.clone())
            }
            (Some(PolicyScanCall::InFlight), _) => PolicyScanAnswer::InFlight(self.records()),
            (_, Some(Peeked::InFlight(_, then) | Peeked::Objects(then))) => {
                PolicyScanAnswer::Objects(then.clone())
            }
            _ => PolicyScanAnswer::Objects(self.inhabitants()),
        }
    }

    /// What a request that is parked by nothing of its own comes to: it stays so, or it is
    /// judged as one that makes its copy live, or deletes the resource.
    pub fn arrived(&mut self, rules: &Rules, number: u16, arrived: Option<&Arrived>) {
        let Some(at) = self.find(number) else { return };
        let Some(arrived) = arrived else {
            self.drop_request(number);
            return;
        };
        let request = &mut self.requests[at];
        let holds = match request.kind {
            Kind::Spare => !arrived.effective.policy.deletes(),
            _ => !arrived.effective.policy.is_live(),
        };
        if holds {
            request.phase = Phase::Admitted;
            return;
        }
        request.lasts = arrived.change.is_some() && rules.last_as_the_change;
        request.kind = match request.kind {
            Kind::Inherit => Kind::Create,
            Kind::Bare => Kind::Activate,
            _ => Kind::Delete,
        };
        let under_change = arrived.change.is_some();
        let request = request.clone();
        if under_change {
            self.note(Coverage::UnderChange);
        }
        let place = request.place;
        let attempt = Attempt::new(self.aim(rules, &request), place.identities());
        self.judged_by(number, Course::attempt(place, attempt));
    }

    /// What is acquired for the copies that a change of the namespace wakes.
    pub fn activated(&mut self, rules: &Rules, number: u16, activated: Vec<ActivatedCopy>) {
        let Some(at) = self.find(number) else { return };
        let request = Request {
            lasts: true,
            ..self.requests[at].clone()
        };
        let attempts = activated.into_iter().filter_map(|activated| {
            let place = ALL.into_iter().find(|one| *one.copy() == activated.copy)?;
            let acquire = self.acquire(rules, &request, place);
            let aim = if activated.deletes && activated.object.is_some() {
                Intent::Wake(acquire, self.deletion(&request, place))
            } else {
                Intent::Activate(acquire)
            };
            Some((place, Attempt::new(aim, place.identities())))
        });
        let course = Course::Attempts(attempts.collect());
        self.judged_by(number, course);
    }

    /// The API server stores a namespace without `skip`.
    pub fn unpark_namespace(&mut self, request: &Request) {
        let is_current = |namespace: &Namespace| namespace.version == request.on;
        if !self.namespace.as_ref().is_some_and(is_current) {
            return;
        }
        let objects = self.objects.iter().flatten();
        if objects.filter(|object| object.inherits).count() > 0 {
            self.note(Coverage::ActivatedByNamespace);
        }
        self.give_namespace(Policy::Manage, request.word);
        for place in ALL {
            let object = self.object(place);
            if object.is_some_and(|one| one.inherits && one.deletes() && one.end == Word::Kept) {
                self.harmed |= self.takes_what_others_need(place, request);
            }
        }
    }

    fn records(&self) -> Vec<Record> {
        let claims = self.claims.iter().flatten();
        claims.map(|record| (**record).clone()).collect()
    }

    /// The objects that are in the namespace.
    fn inhabitants(&self) -> Vec<(Arc<ObjectFacts>, Option<Arc<str>>)> {
        let here = ALL.into_iter().filter(|&place| Namespace::has(place));
        let stored = here.filter_map(|place| Some((place, self.object(place)?)));
        let facts = stored.map(|(place, one)| facts(place, Some(one), one.inherits));
        facts.map(|one| (Arc::new(one), None)).collect()
    }
}

/// An object as the API server has it; `None`: one that is to be.
fn facts(place: Place, object: Option<Object>, inherits: bool) -> ObjectFacts {
    let mut facts = ObjectFacts::named(place.copy().object.clone());
    if let Some(object) = object {
        facts.uid = name(object.uid).into();
        facts.resource_version = name(object.version).into();
        facts.terminating = object.terminating;
        if !inherits {
            let parked = object.policy == Policy::Skip;
            facts.annotations.policy = Some(if parked { "skip" } else { "manage" }.into());
        }
    }
    facts
}

/// What shows the end of a request.
pub fn proof(request: &Request) -> Proof {
    match request.kind {
        _ if request.lasts => Proof::Deadline,
        Kind::Create | Kind::Arrive | Kind::Inherit => Proof::Uid(name(request.number).into()),
        _ => Proof::ResourceVersion(name(request.on).into()),
    }
}
