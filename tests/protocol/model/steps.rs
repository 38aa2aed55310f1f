//! What can happen next.

use aso_guard::claim::{LookCall, Record, RegistryAnswer};
use aso_guard::policy::Policy;

use super::checked::Protocol;
use super::coverage::{Coverage, Noted};
use super::losses::Loss;
use super::namespace::Namespace;
use super::places::{ALL, Place};
use super::rules::Rules;
use super::sealed::Sealed;
use super::transfers::{Task, Transfers};
use super::world::{Kind, Object, Phase, Word, World};
use super::written::Writer;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A user asks for something that needs the guard's yes.
    Ask(Place, Kind),
    /// The same, and it is let through whatever it comes to: in audit mode, or overridden.
    Force(Place, Kind),
    /// The guard makes the request's next call on the registry.
    Call(u16),
    /// It does, but the answer is lost: it refuses, and takes nothing back.
    LoseAnswer(u16),
    /// It does, the answer is lost, and it tries again.
    Repeat(u16),
    /// The guard dies over the request, or its time is up; the API server refuses.
    Die(u16),
    /// The API server stores what was admitted.
    Store(u16),
    /// The API server rejects what was admitted.
    Reject(u16),
    /// A live copy is parked.
    Park(Place),
    /// Parking is admitted, and the API server rejects it: only where a copy is
    /// released at admission.
    ParkInVain(Place),
    /// A user asks to create a parked copy.
    CreateParked(Place),
    /// A parked copy is deleted: ASO's finalizer is to come.
    DeleteParked(Place),
    /// A copy is deleted that its namespace is believed to park.
    Spare(Place),
    /// A write that changes nothing but the resourceVersion.
    Touch(Place),
    /// Kubernetes' garbage collector asks to delete a child whose owner is gone.
    Collect(Place),
    /// ASO is done with a terminating object, and it is gone.
    Gone(Place),
    /// A cluster's clock goes on, past all deadlines set so far.
    Tick(usize),
    /// A replica begins to look at a copy of this resource: it reads the record.
    Look(Place, usize),
    /// The same, and it begins from what the replica wrote last.
    Recall(Place, usize, Writer),
    /// A replica without a claim for the copy makes one from its cache.
    Adopt(Place, usize),
    /// A namespace is parked, and the copies in it that say nothing of their own.
    ParkNamespace,
    /// Its member takes changes of its policy out of its record that are over.
    SettleChanges,
    /// A look goes on with its next call, and has one of the answers that there may be.
    GoOn(usize, usize),
    /// The replica dies over its look.
    Crash(usize),
    /// A step of a transfer's life begins.
    Begin(Task),
    /// It goes on with its next call.
    GoOnWith(usize),
    /// Whoever is at it dies.
    Abandon(usize),
    /// A transfer's record is deleted by hand.
    Undeclare,
    /// The guard asks for the registry's epoch, after its last call on claims.
    Confirm(u16),
    /// The registry loses what it knew.
    Lose(Loss),
    /// A member makes its next call on its way to the registry's epoch.
    Enrol(usize),
    /// The process of its guard dies over it.
    ForgetEnrolment(usize),
    /// ASO begins an operation in Azure.
    Operate(Place),
    /// It is over.
    Finish(Place),
    /// A person declares cluster a lost, or takes that back.
    Fence(bool),
    /// Somebody begins to release what it has in the claim of this resource.
    TakeOver(usize),
    /// And goes on with the next call.
    GoOnTakingOver,
}

impl World {
    /// What can happen next.
    pub fn steps(&self, model: &Protocol, steps: &mut Vec<Step>) {
        for &place in model.places {
            self.user_steps(&model.rules, place, steps);
            let member = place.member();
            let busy = self
                .looks
                .iter()
                .filter(|look| look.place.member() == member);
            if busy.count() < model.replicas {
                for &resource in place.resources() {
                    let writers = self.writers(place, resource);
                    let before = steps.len();
                    if self.left.recalls > 0 {
                        steps.extend(writers.map(|one| Step::Recall(place, resource, one)));
                    }
                    if before == steps.len() || !model.rules.recall_first {
                        steps.push(Step::Look(place, resource));
                    }
                    if self.object(place).is_some() && self.left.adoptions > 0 {
                        steps.push(Step::Adopt(place, resource));
                    }
                }
            }
        }
        self.namespace_steps(steps);
        self.transfer_steps(steps);
        self.fence_steps(steps);
        self.epoch_steps(steps);
        self.guard_steps(steps);
        for (at, look) in self.looks.iter().enumerate() {
            if at > 0 && self.looks[at - 1] == *look {
                continue;
            }
            let answers = 0..self.answers(look);
            steps.extend(answers.map(|choice| Step::GoOn(at, choice)));
            if matches!(look.machine.call(), LookCall::Put(..)) {
                steps.push(Step::Crash(at));
            }
        }
        if self.left.ticks > 0 {
            let mut members: Vec<usize> = model.places.iter().map(|one| one.member()).collect();
            members.sort_unstable();
            members.dedup();
            steps.extend(members.into_iter().map(Step::Tick));
        }
    }

    fn guard_steps(&self, steps: &mut Vec<Step>) {
        for request in &self.requests {
            let number = request.number;
            if request.phase == Phase::Admitted {
                steps.extend([Step::Store(number), Step::Reject(number)]);
                continue;
            }
            if matches!(request.phase, Phase::Confirming(_)) {
                steps.push(Step::Confirm(number));
                continue;
            }
            steps.push(Step::Call(number));
            if self.left.faults > 0 {
                steps.push(Step::Die(number));
                if self.writes_next(number) {
                    steps.extend([Step::LoseAnswer(number), Step::Repeat(number)]);
                }
            }
        }
    }

    fn epoch_steps(&self, steps: &mut Vec<Step>) {
        if self.epochs.is_none() {
            return;
        }
        if self.left.losses > 0 {
            let losses = [Loss::Claims, Loss::Everything, Loss::SetBack];
            steps.extend(losses.map(Step::Lose));
        }
        for member in self.enrolling() {
            steps.push(Step::Enrol(member));
            if self.left.faults > 0 {
                steps.push(Step::ForgetEnrolment(member));
            }
        }
    }

    fn namespace_steps(&self, steps: &mut Vec<Step>) {
        let Some(namespace) = &self.namespace else {
            return;
        };
        let is_parked = !namespace.policy().is_live();
        if !is_parked && self.left.acts > 0 {
            steps.push(Step::ParkNamespace);
        }
        if is_parked && self.left.asks > 0 && self.has_numbers(Place::ParentA) {
            steps.push(Step::Ask(Place::ParentA, Kind::Unpark));
        }
        if !namespace.changes.is_empty() {
            let mut settled = self.clone();
            settled.settle_changes();
            if settled.namespace.as_ref() != Some(namespace) {
                steps.push(Step::SettleChanges);
            }
        }
    }

    fn fence_steps(&self, steps: &mut Vec<Step>) {
        if self.left.fences > 0 {
            steps.push(Step::Fence(!self.fencing.is_fenced()));
        }
        let resources = 0..self.claims.len();
        let free = resources.filter(|&resource| self.can_take_over(resource));
        steps.extend(free.map(Step::TakeOver));
        if self.fencing.is_busy() {
            steps.push(Step::GoOnTakingOver);
        }
    }

    fn transfer_steps(&self, steps: &mut Vec<Step>) {
        let Some(transfers) = &self.transfers else {
            return;
        };
        if self.left.moves > 0 && transfers.has_room() {
            let tasks = transfers.tasks(self.is_reserved()).into_iter();
            steps.extend(tasks.map(Step::Begin));
        }
        if self.left.moves > 0 && transfers.is_declared() {
            steps.push(Step::Undeclare);
        }
        for (at, errand) in transfers.errands.iter().enumerate() {
            if at > 0 && transfers.errands[at - 1] == *errand {
                continue;
            }
            steps.push(Step::GoOnWith(at));
            if self.left.faults > 0 {
                steps.push(Step::Abandon(at));
            }
        }
    }

    /// Whether a replica may believe the namespace of a copy parked.
    fn may_be_parked(&self, place: Place) -> bool {
        let was_parked = self.namespace.as_ref().is_some_and(Namespace::was_parked);
        was_parked && Namespace::has(place)
    }

    fn user_steps(&self, rules: &Rules, place: Place, steps: &mut Vec<Step>) {
        let object = self.object(place);
        if !self.has_numbers(place) {
            return;
        }
        let change = object.and_then(|object| match (object.is_live(), object.terminating) {
            (false, false) => Some(Kind::Activate),
            (false, true) => Some(Kind::Wake),
            (true, false) => Some(Kind::Delete),
            (true, true) => None,
        });
        if self.left.asks > 0 && self.may_be_parked(place) {
            match object {
                None => steps.push(Step::Ask(place, Kind::Inherit)),
                Some(object) if !object.is_live() && !object.inherits && !object.terminating => {
                    steps.push(Step::Ask(place, Kind::Bare));
                }
                Some(_) => {}
            }
        }
        for kind in [Some(Kind::Create), change].into_iter().flatten() {
            if self.left.asks > 0 {
                steps.push(Step::Ask(place, kind));
            }
            if self.left.forced > 0 {
                steps.push(Step::Force(place, kind));
            }
        }
        match object {
            None if self.left.acts > 0 => steps.push(Step::CreateParked(place)),
            None => {}
            Some(object) => {
                if object.terminating {
                    steps.push(Step::Gone(place));
                }
                if object.busy {
                    steps.push(Step::Finish(place));
                } else if object.is_live() && self.left.operations > 0 {
                    steps.push(Step::Operate(place));
                }
                if self.left.acts > 0 {
                    self.acts_on(rules, place, object, steps);
                }
            }
        }
    }

    fn acts_on(&self, rules: &Rules, place: Place, object: Object, steps: &mut Vec<Step>) {
        if object.is_live() {
            steps.push(Step::Park(place));
            if !rules.release_on_observation {
                steps.push(Step::ParkInVain(place));
            }
        } else if !object.terminating && !object.inherits {
            steps.push(Step::DeleteParked(place));
        }
        if object.inherits && !object.terminating && self.may_be_parked(place) {
            steps.push(Step::Spare(place));
        }
        if self.is_garbage(place) && object.is_live() && !object.terminating {
            steps.push(Step::Collect(place));
        }
        let mut requests = self.requests.iter();
        if requests.any(|request| request.place == place && request.on == object.version) {
            steps.push(Step::Touch(place));
        }
    }

    /// Whether the copy's owner was there and is gone.
    fn is_garbage(&self, place: Place) -> bool {
        place
            .owner()
            .is_some_and(|owner| self.object(owner).is_none() && self.versions[owner as usize] > 0)
    }

    /// The world after a step.
    pub fn after(&self, rules: &Rules, step: Step) -> Self {
        let mut world = self.clone();
        world.noted = Noted::default();
        match step {
            Step::Ask(place, kind) => {
                world.left.asks -= 1;
                world.ask(rules, place, kind);
            }
            Step::Force(place, kind) => {
                world.left.forced -= 1;
                world.ask_by(rules, place, kind, true);
            }
            Step::Call(number) => world.call(rules, number),
            Step::LoseAnswer(number) => {
                world.left.faults -= 1;
                if world.unanswered(rules, number) == Some(RegistryAnswer::Stored) {
                    world.note(Coverage::AnswerLost);
                }
                world.leave_unjudged(number);
            }
            Step::Repeat(number) => {
                world.left.faults -= 1;
                if let Some(answer) = world.unanswered(rules, number) {
                    if answer == RegistryAnswer::Stored {
                        world.note(Coverage::Repeated);
                    }
                    // The version it expects is not the one that it wrote itself.
                    world.answer(number, RegistryAnswer::Conflict);
                }
            }
            Step::Die(number) => {
                world.left.faults -= 1;
                world.note(Coverage::GuardDied);
                world.leave_unjudged(number);
            }
            Step::Store(number) => world.store_request(number),
            Step::Reject(number) => {
                world.note(Coverage::Rejected);
                world.drop_request(number);
            }
            Step::Tick(member) => {
                world.left.ticks -= 1;
                world.clocks[member] += 1;
                world.fencing.tick(member);
            }
            Step::Gone(place) => world.objects[place as usize] = None,
            Step::Look(place, resource) => world.begin_look(rules, place, resource, None),
            Step::Recall(place, resource, writer) => {
                world.left.recalls -= 1;
                world.begin_look(rules, place, resource, Some(writer));
            }
            Step::Adopt(place, resource) => {
                world.left.adoptions -= 1;
                world.adopt(rules, place, resource);
            }
            Step::ParkNamespace => {
                world.left.acts -= 1;
                world.park_namespace();
            }
            Step::SettleChanges => world.settle_changes(),
            Step::GoOn(at, choice) => world.go_on_looking(rules, at, choice),
            Step::Crash(at) => world.drop_look(at),
            Step::Collect(place) => {
                world.left.acts -= 1;
                world.note(Coverage::Collected);
                world.ask(rules, place, Kind::Delete);
            }
            Step::Begin(task) => {
                world.left.moves -= 1;
                world.begin_errand(task);
            }
            Step::GoOnWith(at) => world.go_on_with_errand(rules, at),
            Step::Abandon(at) => {
                world.left.faults -= 1;
                world.abandon_errand(at);
            }
            Step::Undeclare => {
                world.left.moves -= 1;
                world.transfers.iter_mut().for_each(Transfers::remove);
            }
            Step::Confirm(number) => world.confirm(rules, number),
            Step::Lose(loss) => {
                world.left.losses -= 1;
                world.lose(loss);
            }
            Step::Enrol(member) => world.enrol(rules, member),
            Step::ForgetEnrolment(member) => {
                world.left.faults -= 1;
                world.forget_enrolment(member);
            }
            Step::Operate(place) => {
                world.left.operations -= 1;
                world.change(place, |object| object.busy = true);
            }
            Step::Finish(place) => world.change(place, |object| object.busy = false),
            Step::Fence(is_fenced) => {
                world.left.fences -= 1;
                world.fence(is_fenced);
            }
            Step::TakeOver(resource) => world.take_over(rules, resource),
            Step::GoOnTakingOver => world.go_on_taking_over(rules),
            Step::Park(place)
            | Step::ParkInVain(place)
            | Step::CreateParked(place)
            | Step::DeleteParked(place)
            | Step::Spare(place)
            | Step::Touch(place) => world.act(rules, place, step),
        }
        world.give_up();
        world.forget();
        world.forget_written();
        world
    }

    /// What is let through at once.
    fn act(&mut self, rules: &Rules, place: Place, step: Step) {
        self.left.acts -= 1;
        match step {
            Step::Park(_) => {
                self.release_early(rules, place);
                self.change(place, |object| {
                    object.policy = Policy::Skip;
                    object.inherits = false;
                    object.word = Word::Kept;
                });
            }
            Step::ParkInVain(_) => self.release_early(rules, place),
            Step::CreateParked(_) => {
                self.ask(rules, place, Kind::Arrive);
            }
            Step::Spare(_) => {
                self.ask(rules, place, Kind::Spare);
            }
            Step::DeleteParked(_) => self.change(place, |object| object.terminating = true),
            _ => self.change(place, |_| {}),
        }
    }

    /// Only where a copy is released at admission.
    fn release_early(&mut self, rules: &Rules, place: Place) {
        if rules.release_on_observation {
            return;
        }
        let Some(record) = self.claim(place) else {
            return;
        };
        let mut record: Record = (**record).clone();
        if let Some(stored) = record
            .copies
            .get_mut(place.copy())
            .and_then(|copy| copy.stored.as_mut())
        {
            stored.policy = Policy::Skip;
        }
        self.claims[place.resource()] = Some(Sealed::new(record));
    }

    /// Whether nothing is under way.
    pub fn is_quiet(&self) -> bool {
        let is_idle = self.requests.is_empty() && self.looks.is_empty();
        let is_idle = is_idle && !self.has_errands() && !self.fencing.is_busy();
        is_idle && self.has_no_enrolment()
    }

    /// How many copies of a resource are live.
    pub fn live(&self, resource: usize) -> usize {
        self.count(resource, Object::is_live)
    }

    /// How many copies of a resource are like this.
    pub fn count(&self, resource: usize, like_this: impl Fn(&Object) -> bool) -> usize {
        let places = ALL
            .into_iter()
            .filter(|place| place.resources().contains(&resource));
        let objects = places.filter_map(|place| self.object(place));
        objects.filter(|object| like_this(object)).count()
    }
}
