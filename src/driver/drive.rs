//! The four steps, driven: decides, acts, looks again, until nothing is left to do.
//!
//! What is to be done is decided anew in each round, by [`crate::transfer::next`], from claims
//! and objects; nothing else is kept. So it can be cut off anywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::claim::{NamespaceRef, Record};
use crate::object::ObjectKey;
use crate::registry::{ClaimScope, Registry, RegistryError, transfers};
use crate::transfer::TransferStep;
use crate::transfer::order::due;

use super::call::CallError;
use super::progress::{ProgressCounts, ProgressSink};
use super::state::TransferState;
use super::steps::{CopyState, StepResult, act, look_at};
use super::stored::StoredObject;

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
pub struct TransferDriver<'a> {
    /// Where its claims are.
    pub registry: &'a dyn Registry,
    /// What was found.
    pub state: TransferState,
    /// How many objects are changed at once.
    pub parallel: usize,
    /// How long to wait for an acknowledgement while nothing else happens.
    pub patience: Duration,
    /// Who is told how far it is.
    pub view: &'a dyn ProgressSink,
}

/// Why it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum DriveOutcome {
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
    pub async fn drive(&mut self) -> Result<DriveOutcome, RegistryError> {
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
                self.view.say(&format!("{error}; trying again"));
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            let rows = self.state.rows();
            let now = due(&rows);
            self.view.progress(self.counts());
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
        let what = item.awaited(self.state.step(item));
        self.view
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
    fn counts(&self) -> ProgressCounts {
        let mut counts = ProgressCounts::default();
        for item in &self.state.items {
            counts.add(self.state.step(item), item.failed.is_some());
        }
        counts
    }

    /// Writes down how far the transfer is, for those who look; nothing depends on it.
    pub async fn note(&self) {
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
            self.view.say(&format!("{fault}; trying again"));
            tokio::time::sleep(POLL[1]).await;
            return;
        }
        let state = &self.state;
        let view = self.view;
        let items = items.iter().copied();
        let items = items.filter(|&at| {
            !state.items[at].is_kept() || state.step(&state.items[at]) != TransferStep::Delete
        });
        let acts = stream::iter(items.collect::<Vec<usize>>())
            .map(|at| async move {
                let item = &state.items[at];
                let step = state.step(item);
                let came = act(state, item, step).await;
                view.acted(step);
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
