//! The four steps, driven: decides, acts, looks again, until nothing is left to do.
//!
//! What is to be done is decided anew in each round, by [`crate::transfer::next`], from claims
//! and objects; nothing else is kept. So it can be cut off anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::claim::{NamespaceRef, Record};
use crate::object::ObjectKey;
use crate::registry::{ClaimScope, Registry, RegistryError, transfers};
use crate::transfer::order::{DueItems, due};
use crate::transfer::{Ready, StuckReason, TransferStep};

use super::call_error::CallError;
use super::endpoint::StoredObject;
use super::show::{ProgressCounts, ProgressDisplay};
use super::state::{TransferItem, TransferState};
use super::steps::{CopyState, StepResult, act, look_at};

/// How long to wait before claims are read again, at first and at most.
const POLL: [Duration; 2] = [Duration::from_millis(150), Duration::from_secs(1)];
/// How long to wait before objects are read again that somebody else may have changed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// After how long it is said what is waited for.
const SAY: Duration = Duration::from_secs(10);
/// How often the transfer's record is told how far it is.
const NOTE: Duration = Duration::from_secs(2);
/// How often a copy is parked that somebody wakes again.
const PARKINGS: u32 = 3;

/// Drives one transfer.
pub(super) struct TransferDriver<'a> {
    pub(super) registry: &'a dyn Registry,
    pub(super) state: TransferState,
    /// How many objects are changed at once.
    pub(super) parallel: usize,
    /// How long to wait for an acknowledgement while nothing else happens.
    pub(super) patience: Duration,
    pub(super) show: ProgressDisplay,
}

/// Why it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DriveOutcome {
    /// Nothing is left to do, by itself.
    Settled,
    /// What it waited for did not come.
    Impatient(Vec<usize>),
}

impl TransferDriver<'_> {
    /// Goes on until nothing is left that can be done.
    ///
    /// # Errors
    /// The registry did not answer for as long as it is waited for.
    pub(super) async fn drive(&mut self) -> Result<DriveOutcome, RegistryError> {
        let mut since = Instant::now();
        let mut looked = since;
        let mut noted = since;
        let mut pause = POLL[0];
        let mut before = Vec::new();
        let mut said = false;
        self.refuse_strangers();
        loop {
            if let Err(error) = self.read_claims().await {
                if since.elapsed() > self.patience {
                    return Err(error);
                }
                self.show.say(&format!("{error}; trying again"));
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            let rows = self.state.rows();
            let now = due(&rows);
            self.show.progress(self.counts(&now));
            if noted.elapsed() > NOTE {
                self.note().await;
                noted = Instant::now();
            }
            if !now.act.is_empty() {
                self.act(&now.act).await;
                (since, pause) = (Instant::now(), POLL[0]);
                continue;
            }
            if now.wait.is_empty() {
                return Ok(DriveOutcome::Settled);
            }
            if rows != before {
                (since, pause, said) = (Instant::now(), POLL[0], false);
                before = rows;
            }
            if !said && since.elapsed() > SAY {
                self.say_what_is_awaited(&now.wait);
                said = true;
            }
            if since.elapsed() > self.patience {
                return Ok(DriveOutcome::Impatient(now.wait));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL[1]);
            if looked.elapsed() > LOOK_AGAIN {
                self.look_again(&now.wait).await;
                looked = Instant::now();
            }
        }
    }

    fn say_what_is_awaited(&self, items: &[usize]) {
        let Some(item) = items.first().map(|&at| &self.state.items[at]) else {
            return;
        };
        let (kind, name) = (&item.source_key.kind, &item.source_key.name);
        let more = match items.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let what = awaited(item, self.state.step(item));
        self.show
            .say(&format!("{kind}/{name}{more}: waiting for {what}"));
    }

    /// Leaves those alone whose name at the target belongs to something else.
    fn refuse_strangers(&mut self) {
        for item in &mut self.state.items {
            match &item.target_identity {
                Some(Ok(there)) if *there != item.identity => {
                    item.failed = Some(format!("its name is taken there, for {there}"));
                }
                Some(Err(why)) => {
                    item.failed = Some(format!("what the copy there is cannot be told: {why}"));
                }
                _ => {}
            }
        }
    }

    /// How far everything is.
    pub(super) fn counts(&self, now: &DueItems) -> ProgressCounts {
        let mut counts = ProgressCounts {
            all: self.state.items.len(),
            waiting: now.wait.len(),
            ..ProgressCounts::default()
        };
        for item in &self.state.items {
            match self.state.step(item) {
                TransferStep::Park | TransferStep::AwaitParked => {}
                TransferStep::Create | TransferStep::Wake | TransferStep::AwaitLive => {
                    counts.parked += 1;
                }
                TransferStep::AwaitReconciled | TransferStep::Delete | TransferStep::AwaitGone => {
                    counts.parked += 1;
                    counts.live += 1;
                }
                TransferStep::Done => {
                    counts.parked += 1;
                    counts.live += 1;
                    counts.gone += 1;
                }
                TransferStep::Stuck(_) => counts.trouble += 1,
            }
            counts.trouble += usize::from(item.failed.is_some());
        }
        counts
    }

    /// Writes down how far the transfer is, for those who look; nothing depends on it.
    pub(super) async fn note(&self) {
        let name = &self.state.transfer.name;
        if let Ok(Some(known)) = self.registry.transfer(name).await {
            // Whoever looks asks the claims themselves where this was not written.
            let _ = transfers::note(self.registry, &known).await;
        }
    }

    async fn read_claims(&mut self) -> Result<(), RegistryError> {
        let scope = ClaimScope::Reserved(Some(self.state.transfer.name.clone()));
        let claims = self.registry.claims(&scope).await?.records;
        let mut claims: BTreeMap<_, Record> = claims
            .into_iter()
            .map(|known| (known.record.identity.clone(), known.record))
            .collect();
        for item in &mut self.state.items {
            item.claim = claims.remove(&item.identity);
        }
        let way = &self.state.way;
        let (from, to) = (way.from.clone(), way.to.clone());
        for item in &mut self.state.items {
            let Some(claim) = &item.claim else { continue };
            // An object that was on its way out, and that its observer saw gone.
            let known = |key: &ObjectKey, place: &NamespaceRef| {
                let mut copies = claim.copies.keys();
                copies.any(|copy| place.has(copy) && copy.object == *key)
            };
            let is_gone = |object: &Option<StoredObject>, known: bool| {
                !known
                    && object
                        .as_ref()
                        .is_some_and(|object| object.facts.terminating)
            };
            if is_gone(&item.source, known(&item.source_key, &from)) {
                item.source = None;
            }
            if is_gone(&item.target, known(&item.target_key, &to)) {
                item.target = None;
            }
        }
        Ok(())
    }

    /// Reads the objects of these items again.
    async fn look_again(&mut self, items: &[usize]) {
        let state = &self.state;
        let looks = stream::iter(items.to_vec())
            .map(|at| async move { (at, look_at(state, &state.items[at]).await) })
            .buffer_unordered(self.parallel);
        let looks: Vec<(usize, Result<StepResult, CallError>)> = looks.collect().await;
        for (at, change) in looks {
            if let Ok(change) = change {
                self.apply(at, change);
            }
        }
    }

    /// Takes the steps that are due.
    async fn act(&mut self, items: &[usize]) {
        // What is not moved, and belongs to what is deleted, would be collected with it.
        let mut steps = items
            .iter()
            .map(|&at| self.state.step(&self.state.items[at]));
        if steps.any(|step| step == TransferStep::Delete)
            && let Err(fault) = self.state.relate_again().await
        {
            self.show.say(&format!("{fault}; trying again"));
            tokio::time::sleep(POLL[1]).await;
            return;
        }
        let state = &self.state;
        let show = &self.show;
        let items = items.iter().copied();
        let items = items.filter(|&at| {
            state.items[at].child_left.is_none()
                || state.step(&state.items[at]) != TransferStep::Delete
        });
        let acts = stream::iter(items.collect::<Vec<usize>>())
            .map(|at| async move {
                let item = &state.items[at];
                let step = state.step(item);
                let came = act(state, item, step).await;
                show.acted(step);
                (at, step, came)
            })
            .buffer_unordered(self.parallel);
        let acts: Vec<(usize, TransferStep, Result<StepResult, CallError>)> = acts.collect().await;
        for (at, step, came) in acts {
            match came {
                Ok(change) => self.apply(at, change),
                Err(fault) => self.state.items[at].failed = Some(fault.words),
            }
            let item = &mut self.state.items[at];
            item.parked += u32::from(step == TransferStep::Park);
            if item.parked > PARKINGS {
                let words = "somebody takes skip off again and again; a GitOps tool may do so";
                item.failed = Some(words.to_owned());
            }
        }
    }

    fn apply(&mut self, at: usize, change: StepResult) {
        match change.source {
            CopyState::Unseen => {}
            CopyState::Gone => self.state.items[at].source = None,
            CopyState::There(object) => self.state.items[at].source = Some(object),
        }
        match change.target {
            CopyState::Unseen => {}
            CopyState::Gone => self.state.put_target(at, None),
            CopyState::There(object) => self.state.put_target(at, Some(object)),
        }
    }
}

/// Why each item that did not arrive did not, by item.
pub(super) fn troubles(state: &TransferState, end: &DriveOutcome) -> Vec<(usize, String)> {
    let rows = state.rows();
    let now = due(&rows);
    let held: BTreeSet<usize> = now.held.iter().copied().collect();
    let waited: BTreeSet<usize> = match end {
        DriveOutcome::Impatient(waited) => waited.iter().copied().collect(),
        DriveOutcome::Settled => BTreeSet::new(),
    };
    let why = |at: usize, item: &TransferItem| match (&item.failed, rows[at].step) {
        (Some(words), _) => Some(words.clone()),
        (None, TransferStep::Done) => None,
        (None, TransferStep::Stuck(StuckReason::NotReserved)) if item.claim.is_none() => {
            Some("the guard of the source has not registered it".to_owned())
        }
        (None, TransferStep::Stuck(trouble)) => Some(trouble.words().to_owned()),
        (None, step) if waited.contains(&at) => Some(format!("waited for {}", awaited(item, step))),
        (None, _) if item.child_left.is_some() => {
            Some("its parked copy stays, for something that is not moved belongs to it".to_owned())
        }
        (None, step) if held.contains(&at) => Some(format!(
            "not {}, for another one that it belongs to, or that belongs to it, did not get so far",
            if matches!(step, TransferStep::Delete) {
                "deleted at the source"
            } else {
                "created"
            }
        )),
        (None, _) => Some("not reached yet".to_owned()),
    };
    let items = state.items.iter().enumerate();
    items
        .filter_map(|(at, item)| Some((at, why(at, item)?)))
        .collect()
}

/// What an item waits for, for a person.
fn awaited(item: &TransferItem, step: TransferStep) -> String {
    let words = match step {
        TransferStep::AwaitParked => {
            "the source's guard to see it parked, and Azure to be done with it"
        }
        TransferStep::AwaitLive => "the target's guard to see it live",
        TransferStep::AwaitReconciled => return awaited_of_aso(item),
        TransferStep::AwaitGone if item.source.is_none() => {
            "a request that was cut off, and that may yet make a copy; a guard gives it up after \
             90 s (--claim-deadline)"
        }
        TransferStep::AwaitGone => "the copy to be gone; ASO takes its finalizer off",
        _ => "what it belongs to",
    };
    words.to_owned()
}

fn awaited_of_aso(item: &TransferItem) -> String {
    let place = &item.target_key.namespace;
    match item.target.as_ref().map(|target| Ready::of(&target.value)) {
        Some(Ready::No(said)) => format!("ASO in the target, which says of it: {said}"),
        _ => format!(
            "ASO in the target, which has not looked at it: see that it runs there, and that it \
             watches namespace {place} (AZURE_TARGET_NAMESPACES)"
        ),
    }
}
