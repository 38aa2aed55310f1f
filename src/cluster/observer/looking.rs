//! A look at one object: each claim that it has, had or should have, in the order that
//! [`Look`] asks for.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::debug;

use crate::arm::Identity;
use crate::claim::{
    ClaimState, CopyRef, Look, LookAnswer, LookCall, Looked, MemberCopy, ObservedObject,
    ObservedResolution, Record, RequestUid,
};
use crate::cluster::ClusterError;
use crate::cluster::deadlines::WrittenDeadlines;
use crate::cluster::resolve::{self, Freshness, ResolvedObject};
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::{PutOutcome, RecordVersion};

use super::{ObserveError, Observer, PAST};

/// A look at one claim of one object of this cluster.
type ClusterLook = Look<RecordVersion, Arc<ObjectFacts>>;

/// What a look at one claim of one object came to.
struct LookOutcome {
    /// What the object stands for now.
    stands_for: Vec<Identity>,
    /// Whether the object has a copy in the claim.
    held: bool,
    /// What the claim says now.
    state: ClaimState,
    /// The requests under way, with their deadlines as written.
    under_way: Vec<(RequestUid, Timestamp)>,
    /// When to look again.
    recheck: Option<Instant>,
}

impl Observer {
    /// Brings every claim that an object has, had or should have up to date.
    ///
    /// # Errors
    /// The registry or the API server did not do its part for one of them; the others are
    /// up to date.
    pub async fn look(&self, key: &ObjectKey) -> Result<(), ObserveError> {
        self.look_in(key, None).await
    }

    /// The same; or of the claims in one shard alone, as far as they are known.
    pub(super) async fn look_in(
        &self,
        key: &ObjectKey,
        shard: Option<usize>,
    ) -> Result<(), ObserveError> {
        let is_wanted =
            |identity: &Identity| shard.is_none_or(|shard| self.shard_of(identity) == shard);
        let mut todo = self.looks(key).await?;
        todo.retain(|(identity, _)| is_wanted(identity));
        let began = Instant::now();
        let mut done: Vec<Identity> = Vec::new();
        let mut under_way = Vec::new();
        let mut recheck: Option<Instant> = None;
        let mut failed = None;
        while let Some((identity, look)) = todo.pop() {
            done.push(identity.clone());
            let step = match self.carry_out(key, look).await {
                Ok(step) => step,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            if step.held {
                self.claim_index.enter(key, &identity);
                self.claim_index.set_state(key, &identity, step.state);
            } else {
                self.claim_index.strike(key, &identity);
            }
            under_way.extend(step.under_way);
            recheck = recheck.into_iter().chain(step.recheck).min();
            for other in step.stands_for {
                if is_wanted(&other)
                    && !done.contains(&other)
                    && todo.iter().all(|(known, _)| *known != other)
                {
                    todo.push((other.clone(), Look::new(self.copy(key), other)));
                }
            }
        }
        if let Some(at) = recheck {
            self.queue.add_at(key.clone(), at);
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if shard.is_some() {
            // Of the object's other claims nothing was seen.
            return Ok(());
        }
        self.catch_up_on_overrides(key, &self.claim_index.identities(key))
            .await?;
        self.deadlines.keep_only(key, &under_way, began);
        self.claim_index.set_expecting(key, recheck.is_some());
        self.claim_index.close(key);
        Ok(())
    }

    /// The looks at the claims of an object that are known, else at those that it should have.
    async fn looks(&self, key: &ObjectKey) -> Result<Vec<(Identity, ClusterLook)>, ObserveError> {
        let identities = self.claim_index.identities(key).into_iter();
        let looks: Vec<_> = identities
            .map(|identity| (identity.clone(), Look::new(self.copy(key), identity)))
            .collect();
        if looks.is_empty() {
            return self.adopt(key).await;
        }
        Ok(looks)
    }

    /// The looks for an object of which no claim is known. Once everything is registered, such an
    /// object is one that another replica admitted: then its claims are read first.
    async fn adopt(&self, key: &ObjectKey) -> Result<Vec<(Identity, ClusterLook)>, ObserveError> {
        let Some(object) = self.cluster.object(key, Freshness::Known).await? else {
            self.show_gone(key);
            return Ok(Vec::new());
        };
        let resolved = self.resolve(&object, Freshness::Known).await?;
        self.show_resolution(key, &object.uid, &resolved);
        let (resolved, now) = (ObservedResolution::from(&resolved), Timestamp::now());
        let identities = resolved.identities.clone().into_iter();
        let has_caught_up = self.has_caught_up();
        let looks = identities.map(|identity| {
            let copy = self.copy(key);
            if has_caught_up {
                return (identity.clone(), Look::new(copy, identity));
            }
            let (observed, resolved) = (ObservedObject::from(&*object), resolved.clone());
            let look = Look::adopting(copy, identity.clone(), observed, resolved, now);
            (identity, look)
        });
        Ok(looks.collect())
    }

    /// Makes the calls of a look at one claim of one object.
    ///
    /// Deadlines are judged by this process's own clock: the look sees them as the tracker
    /// shows them, and they are stored as they were written.
    async fn carry_out(
        &self,
        key: &ObjectKey,
        mut look: ClusterLook,
    ) -> Result<LookOutcome, ObserveError> {
        let copy = self.copy(key);
        let (mut written, mut resolved) = (None, None);
        let looked = loop {
            let answer = match look.call() {
                LookCall::Begin(identity)
                    if let Some(mut known) = self.registry.take_written(identity) =>
                {
                    let now = Timestamp::now();
                    written = self.show_deadlines(key, &copy, &mut known.record, now);
                    LookAnswer::Written(known.record, known.version, now)
                }
                LookCall::Begin(identity) | LookCall::Claim(identity) => {
                    let mut known = self.registry.claim(identity).await?;
                    let now = Timestamp::now();
                    let record = known.as_mut().map(|known| &mut known.record);
                    written =
                        record.and_then(|record| self.show_deadlines(key, &copy, record, now));
                    LookAnswer::Claim(known.map(|known| (known.record, known.version)), now)
                }
                LookCall::Uids => LookAnswer::Uids(self.claim_index.uids(key)),
                LookCall::Object => {
                    let object = self.cluster.object(key, Freshness::Store).await?;
                    if object.is_none() {
                        self.show_gone(key);
                    }
                    LookAnswer::Object(
                        object.map(|object| (ObservedObject::from(&*object), object)),
                    )
                }
                LookCall::Resolve(object, trust) => {
                    let now = self.resolve(object, trust).await?;
                    let answer = LookAnswer::Resolved(ObservedResolution::from(&now));
                    resolved = Some((object.uid.clone(), now));
                    answer
                }
                LookCall::Put(record, version) => {
                    let record = as_written(record, &copy, written.as_ref());
                    match self.registry.put_claim(&record, version).await? {
                        PutOutcome::Conflict => LookAnswer::Conflict,
                        PutOutcome::Stored(_) => LookAnswer::Stored,
                    }
                }
                LookCall::Done(looked) => break looked.clone(),
            };
            look.answer(answer);
        };
        if let Some((uid, resolved)) = resolved {
            self.show_resolution(key, &uid, &resolved);
        }
        Ok(self.step(&copy, looked, written.as_ref()))
    }

    /// Puts this process's deadlines in place of those that are written of a copy.
    fn show_deadlines(
        &self,
        key: &ObjectKey,
        copy: &CopyRef,
        record: &mut Record,
        now: Timestamp,
    ) -> Option<WrittenDeadlines> {
        let held = record.copies.get_mut(copy)?;
        Some(self.deadlines.show(key, held, now))
    }

    /// What a look came to, for all that is known of the object.
    fn step(
        &self,
        copy: &CopyRef,
        looked: Looked,
        written: Option<&WrittenDeadlines>,
    ) -> LookOutcome {
        let record = as_written(&looked.record, copy, written);
        let (before, now) = (looked.before, record.state());
        if looked.changed {
            let identity = &record.identity;
            debug!(%identity, %copy, state = now.as_str(), "brought up to date");
        }
        if before != Some(now) && [before, Some(now)].contains(&Some(ClaimState::Conflict)) {
            self.reported.news.notify_one();
        }
        let held = record.copies.get(copy);
        let under_way = held.into_iter().flat_map(MemberCopy::in_flight);
        LookOutcome {
            held: held.is_some(),
            state: now,
            under_way: under_way
                .map(|one| (one.request.clone(), one.deadline))
                .collect(),
            recheck: looked
                .recheck
                .zip(written)
                .map(|(at, written)| written.moment(at) + PAST),
            stands_for: looked.stands_for,
        }
    }

    /// What an object resolves to, by what is known or by what is stored.
    pub(super) async fn resolve(
        &self,
        object: &ObjectFacts,
        trust: Freshness,
    ) -> Result<ResolvedObject, ClusterError> {
        let resolved = resolve::resolve(&*self.cluster, object, trust).await;
        if let Err(error) = &resolved {
            self.show_unresolved(&object.key, &object.uid, &error.to_string());
        }
        resolved
    }

    pub(super) fn copy(&self, key: &ObjectKey) -> CopyRef {
        CopyRef {
            member: self.member.clone(),
            object: key.clone(),
        }
    }
}

/// A record with the deadlines of a copy as they were written.
fn as_written(record: &Record, copy: &CopyRef, written: Option<&WrittenDeadlines>) -> Record {
    let mut record = record.clone();
    if let (Some(written), Some(held)) = (written, record.copies.get_mut(copy)) {
        written.restore(held);
    }
    record
}
