//! The verdicts of a guard whose fleet moves from one registry to another one.

use std::sync::Arc;
use std::time::{self, Duration};

use tokio::time::{Instant, timeout_at};

use crate::claim::{
    EpochRecord, KnownEpoch, PairAnswer, PairCall, PairKnown, PairOutcome, PairVerdict, Place,
    Reason,
};
use crate::registry::{self, RegistryError};

use super::guard::Guard;
use super::judging::Judged;
use super::review::AdmissionRequest;
use super::verdict::Verdict;

/// Of what is let through whatever claims say.
const SAFE: PairAnswer = PairAnswer::Admitted { by_claims: false };

/// Gives verdicts for one member, by one registry or while the fleet moves to another one.
#[derive(Clone)]
pub enum Guards {
    /// By one.
    One(Arc<Guard>),
    /// By two.
    Two(Arc<GuardPair>),
}

impl From<Arc<Guard>> for Guards {
    fn from(guard: Arc<Guard>) -> Self {
        Self::One(guard)
    }
}

impl Guards {
    /// The verdict on a request, within `timeout`: see [`Guard::judge`].
    pub async fn judge(&self, request: &AdmissionRequest<'_>, timeout: Duration) -> Verdict {
        match self {
            Self::One(guard) => guard.judge(request, timeout).await,
            Self::Two(pair) => registry::admission(pair.judge(request, timeout)).await,
        }
    }
}

/// The guards of one member by two registries: the one that the fleet moves from, and the one that
/// it moves to. They make the calls that [`PairVerdict`] asks for.
pub struct GuardPair {
    /// By the one that the fleet moves from.
    pub old: Arc<Guard>,
    /// By the one that it moves to.
    pub new: Arc<Guard>,
}

impl GuardPair {
    async fn judge(&self, request: &AdmissionRequest<'_>, timeout: Duration) -> Verdict {
        let begun = time::Instant::now();
        let over = Instant::now() + timeout;
        let mut way = PairVerdict::default();
        let mut last = None;
        let mut not_written = None;
        loop {
            let answer = match way.call() {
                PairCall::Recall => PairAnswer::Known(Box::new(self.known())),
                PairCall::Judge(place, known) => {
                    let known = Some(Arc::new(known.clone()));
                    let guard = self.of(place);
                    let judged = guard.judge_by(request, left(over), known, None).await;
                    let answer = answer_of(&judged);
                    last = Some(judged);
                    answer
                }
                PairCall::Write if request.dry_run == Some(true) => PairAnswer::Written,
                PairCall::Write => match self.new.write(request, left(over)).await {
                    Ok(()) => PairAnswer::Written,
                    Err(verdict) => {
                        not_written = Some(verdict);
                        PairAnswer::Failed
                    }
                },
                PairCall::IsSame(epoch) => within(over, self.new.epoch.is_same(epoch)).await,
                PairCall::Confirm(place, known) => {
                    let known = Arc::new(known.clone());
                    let confirming = self.of(place).epoch.confirm(Some(&known));
                    let is_same = async { Ok(confirming.await?.is_ok()) };
                    within(over, is_same).await
                }
                PairCall::Look => {
                    self.look(over).await;
                    PairAnswer::Looked
                }
                PairCall::Done(outcome) => {
                    let outcome = outcome.clone();
                    let (guard, judged) = self
                        .ended(request, &outcome, (last, not_written), over)
                        .await;
                    return guard.tell(request, judged, begun);
                }
            };
            way.answer(answer);
            if left(over).is_zero() && !matches!(way.call(), PairCall::Done(_)) {
                let judged = self.too_late(request, last, timeout).await;
                return self.old.tell(request, judged, begun);
            }
        }
    }

    /// What was not known in time. `last`: the verdict so far, which counts where it is safe
    /// whatever claims say.
    async fn too_late(
        &self,
        request: &AdmissionRequest<'_>,
        last: Option<Judged>,
        timeout: Duration,
    ) -> Judged {
        let context = match last {
            Some(judged) if answer_of(&judged) == SAFE => return judged,
            Some(judged) => judged.context,
            None => self.old.context(request, Duration::ZERO, None).await,
        };
        let verdict = context.too_late(timeout, &self.old.member);
        let verdict = context.finish(request, verdict);
        Judged { verdict, context }
    }

    /// The verdict that it came to, and whose it is.
    async fn ended(
        &self,
        request: &AdmissionRequest<'_>,
        outcome: &PairOutcome,
        (last, not_written): (Option<Judged>, Option<Verdict>),
        over: Instant,
    ) -> (&Guard, Judged) {
        let (place, unclear) = match outcome {
            PairOutcome::Of(place) | PairOutcome::NotWhole(place) => (*place, None),
            PairOutcome::NotWritten => (Place::Old, None),
            PairOutcome::Unclear(why) => (Place::Old, Some(why.clone())),
        };
        let guard = self.of(place);
        let judged = match (outcome, last, not_written) {
            (PairOutcome::Of(_), Some(judged), _) => judged,
            (PairOutcome::NotWritten, Some(judged), failed) => not_in_both(judged, failed),
            // What is safe whatever claims say is let through.
            _ => guard.judge_by(request, left(over), None, unclear).await,
        };
        (guard, judged)
    }

    fn of(&self, place: Place) -> &Guard {
        match place {
            Place::Old => &self.old,
            Place::New => &self.new,
        }
    }

    /// What is known of both epochs. What may be judged by is asked for first: a record that was
    /// read after it is another one, or of the same epoch.
    fn known(&self) -> PairKnown {
        let known = |guard: &Guard| guard.epoch.known().map(|known| KnownEpoch::clone(&known));
        let seen = |guard: &Guard| guard.epoch.seen().map(|seen| EpochRecord::clone(&seen));
        PairKnown {
            old_known: known(&self.old),
            new_known: known(&self.new),
            old: seen(&self.old),
            new: seen(&self.new),
        }
    }

    /// Looks at both epochs. One that does not answer is as it was read last.
    async fn look(&self, over: Instant) {
        let looks = async { tokio::join!(self.old.epoch.look(), self.new.epoch.look()) };
        let _ = timeout_at(over, looks).await;
    }
}

fn left(over: Instant) -> Duration {
    over.saturating_duration_since(Instant::now())
}

/// Whether something is the same, as far as that is known in time.
async fn within(
    over: Instant,
    asking: impl Future<Output = Result<bool, RegistryError>>,
) -> PairAnswer {
    match timeout_at(over, asking).await {
        Ok(Ok(true)) => PairAnswer::Same,
        Ok(Ok(false)) => PairAnswer::Unconfirmed,
        Ok(Err(_)) | Err(_) => PairAnswer::Failed,
    }
}

/// What a verdict of one registry comes to.
fn answer_of(judged: &Judged) -> PairAnswer {
    let Judged { verdict, context } = judged;
    match (verdict.allowed, verdict.reason) {
        (_, Some(Reason::RegistryRebuilding)) => PairAnswer::Unconfirmed,
        (false, Some(Reason::RegistryUnavailable)) => PairAnswer::Failed,
        (false, _) => PairAnswer::Refused,
        (true, _) => PairAnswer::Admitted {
            by_claims: context.rests_on_epoch() && !context.lets_through(),
        },
    }
}

/// What is admitted by the registry that the fleet moves from, and could not be written in the
/// other one.
fn not_in_both(judged: Judged, failed: Option<Verdict>) -> Judged {
    let why = failed.map_or_else(String::new, |failed| failed.brief);
    let why = why.trim_start_matches("aso-guard would refuse this: ");
    let why = why.trim_start_matches("cannot tell whether this is safe: ");
    let verdict = judged.context.cannot_know(
        &format!("the registry that the fleet moves to did not take it down: {why}"),
        "Try again once it answers. If it does not, the move can be given up: aso-guard registry \
         move --cancel",
    );
    Judged { verdict, ..judged }
}
