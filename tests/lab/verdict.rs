//! What the API server said, and what a story expected it to say.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::object::Object;

/// The answer to a request: what is stored now, or why not.
pub type Outcome = Result<Answer, Refusal>;

/// A request that was let through.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The object as the API server answered with it.
    pub object: Object,
    /// The warnings that `kubectl` would print.
    pub warnings: Vec<String>,
}

/// A request that was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status; 0 if the API server gave no answer.
    pub code: u16,
    /// The short reason, such as `Forbidden`.
    pub reason: String,
    /// The words that `kubectl` would print.
    pub message: String,
    /// The warnings that came with it.
    pub warnings: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for Refusal {}

/// What became of one person's requests, reads and dry runs not counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// They were let through.
    pub admitted: AtomicUsize,
    /// A webhook refused them, for it knew better.
    pub refused: AtomicUsize,
    /// They came to nothing without a verdict: the webhook could not know, or was not there.
    pub unknown: AtomicUsize,
    under_way: AtomicUsize,
    /// How many were under way at once, at most.
    pub at_once: AtomicUsize,
}

impl Tally {
    /// One begins.
    pub fn begin(&self) {
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.at_once.fetch_max(now, Ordering::Relaxed);
    }

    /// Counts one that has ended.
    pub fn count(&self, outcome: &Outcome) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let by_webhook = |said: &Refusal| said.message.contains("admission webhook");
        let counter = match outcome {
            Ok(_) => &self.admitted,
            Err(refusal) if refusal.is_by_policy() => &self.refused,
            Err(refusal) if by_webhook(refusal) && refusal.code == 403 => &self.refused,
            Err(_) => &self.unknown,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a story says of an [`Outcome`]. Anything else fails the test, showing what came instead.
pub trait Verdict {
    /// It was let through.
    fn admitted(self) -> Answer;
    /// It was let through without a word.
    fn admitted_silently(self) -> Answer;
    /// An admission webhook said no. Other refusals, such as a missing namespace, don't count.
    fn refused(self) -> Refusal;
}

impl Verdict for Outcome {
    #[track_caller]
    fn admitted(self) -> Answer {
        match self {
            Ok(answer) => answer,
            Err(refusal) => panic!("expected to be admitted, but: {refusal}"),
        }
    }

    #[track_caller]
    fn admitted_silently(self) -> Answer {
        let answer = self.admitted();
        assert!(answer.warnings.is_empty(), "warned: {:?}", answer.warnings);
        answer
    }

    #[track_caller]
    fn refused(self) -> Refusal {
        match self {
            Ok(answer) => panic!(
                "expected to be refused, but {} was admitted (warnings: {:?})",
                answer.object, answer.warnings
            ),
            Err(refusal) => {
                let by_webhook = refusal.message.contains("admission webhook");
                assert!(by_webhook, "refused, but by no webhook: {refusal}");
                refusal
            }
        }
    }
}

impl Answer {
    /// The warnings say this.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use, reason = "the last link of a chain")]
    pub fn warning(self, words: &str) -> Self {
        let said = self.warnings.iter().any(|w| w.contains(words));
        assert!(said, "no warning says {words:?}: {:?}", self.warnings);
        self
    }
}

impl Refusal {
    /// Nobody said no: the guard was not reached, or could not know, in time.
    pub fn is_unheard(&self) -> bool {
        let reasons = ["RegistryUnavailable", "RegistryRebuilding"];
        reasons.contains(&self.reason.as_str()) || self.message.contains("failed calling webhook")
    }

    /// A policy of the API server said no, by what a guard wrote down.
    pub fn is_by_policy(&self) -> bool {
        self.message
            .contains("ValidatingAdmissionPolicy 'aso-guard-")
    }

    /// The message says this.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use, reason = "the last link of a chain")]
    pub fn because(self, words: &str) -> Self {
        assert!(self.message.contains(words), "no {words:?} in: {self}");
        self
    }

    /// The HTTP status is this.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use, reason = "the last link of a chain")]
    pub fn with_code(self, code: u16) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }
}
