//! A person declares cluster a lost, and takes over what it held; and is wrong about all of it:
//! its guard, its observer and its API server go on as ever.

use aso_guard::claim::{
    CopyRef, Fence, FenceProof, HistoryAction, HistoryEntry, Justification, MemberSilence,
    Takeover, TakeoverAnswer, TakeoverCall, TakeoverOutcome,
};

use super::coverage::Coverage;
use super::places::{ALL, Place, identity_of};
use super::rules::Rules;
use super::sealed::Sealed;
use super::time;
use super::world::{Kind, Word, World};

/// The cluster that is declared lost.
const LOST: usize = 0;

/// The fence of cluster a, and what is being taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fencing {
    /// How often it was fenced.
    times: u16,
    /// Whether it is fenced.
    is_fenced: bool,
    /// Whether its clock has passed all deadlines since: its guard knows of the fence by now.
    is_settled: bool,
    /// The claim that is being taken over.
    takeover: Option<Sealed<TakenClaim>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TakenClaim {
    resource: usize,
    machine: Takeover<()>,
    /// The member's record, read before the claim: only where that rule is taken out.
    early: Option<(MemberSilence, bool)>,
}

impl Fencing {
    /// Whether a claim is being taken over.
    pub fn is_busy(&self) -> bool {
        self.takeover.is_some()
    }

    pub fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    fn fence(&self) -> Fence {
        Fence {
            at: time(0),
            by: format!("fence {}", self.times).as_str().into(),
            why: Justification::new("lost").expect("a reason"),
            proof: FenceProof::CredentialRevoked,
            until: time(1),
            heard: time(0),
        }
    }

    fn silence(&self) -> MemberSilence {
        MemberSilence {
            fence: self.is_fenced.then(|| self.fence()),
            heard: time(0),
        }
    }

    /// A clock passes all deadlines.
    pub fn tick(&mut self, member: usize) {
        self.is_settled |= self.is_fenced && member == LOST;
    }

    /// The claim was written: what was read of it before can no longer be stored.
    pub fn outdate(&mut self, resource: usize) {
        let rests_on_it = |one: &TakenClaim| {
            let is_read = !matches!(one.machine.call(), TakeoverCall::Claim(_));
            one.resource == resource && is_read
        };
        if self.takeover.as_ref().is_some_and(|one| rests_on_it(one)) {
            self.takeover = None;
        }
    }
}

impl World {
    /// A person fences the cluster, or takes that back.
    pub fn fence(&mut self, is_fenced: bool) {
        let fencing = &mut self.fencing;
        fencing.times += u16::from(is_fenced);
        fencing.is_fenced = is_fenced;
        fencing.is_settled = false;
    }

    /// Whether the guard refuses a request because its cluster is fenced. What it knows of that
    /// may be as old as a request takes; so it may let through what was asked before.
    pub fn is_refused_as_fenced(&self, rules: &Rules, place: Place, kind: Kind) -> bool {
        let goes_live = matches!(kind, Kind::Create | Kind::Activate | Kind::Wake);
        let is_judged = goes_live || kind == Kind::Delete;
        let fencing = &self.fencing;
        let is_known = fencing.is_fenced && fencing.is_settled;
        rules.heed_fence && is_judged && place.member() == LOST && is_known
    }

    /// Whether a claim can be taken over now.
    pub fn can_take_over(&self, resource: usize) -> bool {
        let claim = self.claims[resource].as_ref();
        let mut copies = claim.into_iter().flat_map(|claim| claim.copies.keys());
        let lost = Place::ParentA.copy();
        self.fencing.is_fenced
            && self.fencing.takeover.is_none()
            && copies.any(|copy| copy.member == lost.member)
    }

    /// Somebody begins to take over a claim: it is read.
    pub fn take_over(&mut self, rules: &Rules, resource: usize) {
        let fencing = &self.fencing;
        let member = Place::ParentA.copy().member.clone();
        let identity = identity_of(resource).clone();
        let taken = TakenClaim {
            resource,
            machine: Takeover::new(member, fencing.fence(), identity),
            early: (!rules.member_after_claim).then(|| (fencing.silence(), fencing.is_settled)),
        };
        self.fencing.takeover = Some(Sealed::new(taken));
        if rules.member_after_claim {
            self.go_on_taking_over(rules);
        }
    }

    /// The next call.
    pub fn go_on_taking_over(&mut self, rules: &Rules) {
        let Some(taken) = self.fencing.takeover.take() else {
            return;
        };
        let mut taken = (*taken).clone();
        let resource = taken.resource;
        let answer = match taken.machine.call() {
            TakeoverCall::Claim(_) => {
                let known = self.claims[resource].as_ref();
                TakeoverAnswer::Claim(known.map(|record| ((**record).clone(), ())))
            }
            TakeoverCall::Member(_) => {
                let now = (self.fencing.silence(), self.fencing.is_settled);
                let (silence, is_settled) = taken.early.take().unwrap_or(now);
                let is_over = is_settled || !rules.wait_out;
                TakeoverAnswer::Member(Some(silence), time(u16::from(is_over)))
            }
            TakeoverCall::Put(record, ()) => {
                let record = record.clone();
                if self.put(rules, &record, true) {
                    self.note(Coverage::TakenOver);
                    self.excuse(resource);
                    TakeoverAnswer::Stored
                } else {
                    TakeoverAnswer::Conflict
                }
            }
            TakeoverCall::Done(_) => return,
        };
        taken.machine.answer(answer, entry);
        let call = taken.machine.call();
        let is_over = match call {
            TakeoverCall::Done(TakeoverOutcome::Not(_)) => {
                self.note(Coverage::NotTakenOver);
                true
            }
            TakeoverCall::Done(TakeoverOutcome::Released(_)) => true,
            _ => false,
        };
        if !is_over {
            self.fencing.takeover = Some(Sealed::new(taken));
        }
    }

    /// What the lost cluster has stored of a resource by now, the person has answered for.
    fn excuse(&mut self, resource: usize) {
        let its = |place: &Place| place.member() == LOST && place.resources().contains(&resource);
        for place in ALL.into_iter().filter(its) {
            if let Some(object) = &mut self.objects[place as usize] {
                object.counts = false;
                if object.is_live() {
                    object.word = Word::Unheard;
                }
                if object.deletes() {
                    object.end = Word::Unheard;
                }
            }
            let requests = self.requests.iter_mut();
            for request in requests.filter(|request| request.place == place) {
                request.counts &= request.kind != Kind::Arrive;
            }
        }
    }
}

fn entry(copy: &CopyRef, action: HistoryAction) -> HistoryEntry {
    HistoryEntry {
        at: time(0),
        by: "".into(),
        copy: copy.clone(),
        action,
        why: Justification::new("lost").expect("a reason"),
        refusal: "".into(),
    }
}
