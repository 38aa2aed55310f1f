//! How far a transfer is, while it is driven.

use crate::transfer::TransferStep;

/// How many resources are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressCounts {
    /// How many there are.
    pub all: usize,
    /// Parked at the source, and acknowledged.
    pub parked: usize,
    /// Live at the target, and acknowledged.
    pub live: usize,
    /// Gone from the source, and acknowledged.
    pub gone: usize,
    /// Failed or stuck.
    pub trouble: usize,
}

impl ProgressCounts {
    /// Counts one more, by what is next for it.
    pub(super) fn add(&mut self, next: TransferStep, failed: bool) {
        let (parked, live, gone) = match next {
            TransferStep::Create | TransferStep::Wake | TransferStep::AwaitLive => {
                (true, false, false)
            }
            TransferStep::AwaitReconciled | TransferStep::Delete | TransferStep::AwaitGone => {
                (true, true, false)
            }
            TransferStep::Done => (true, true, true),
            TransferStep::Park | TransferStep::AwaitParked | TransferStep::Stuck(_) => {
                (false, false, false)
            }
        };
        self.all += 1;
        self.parked += usize::from(parked);
        self.live += usize::from(live);
        self.gone += usize::from(gone);
        self.trouble += usize::from(matches!(next, TransferStep::Stuck(_)) || failed);
    }

    /// In a line.
    pub fn words(&self) -> String {
        let all = self.all;
        let mut words = format!(
            "parked {}/{all}, live {}/{all}, gone {}/{all}",
            self.parked, self.live, self.gone
        );
        if self.trouble > 0 {
            words += &format!(", in trouble {}", self.trouble);
        }
        words
    }
}

/// Who is told how far a transfer is.
pub trait ProgressSink {
    /// So far it is.
    fn progress(&self, counts: ProgressCounts);
    /// One more was changed, and is not acknowledged yet.
    fn acted(&self, step: TransferStep);
    /// Something that a person should know.
    fn say(&self, words: &str);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_in_a_line() {
        let mut counts = ProgressCounts {
            all: 10,
            parked: 7,
            live: 3,
            ..ProgressCounts::default()
        };
        assert_eq!(counts.words(), "parked 7/10, live 3/10, gone 0/10");
        counts.trouble = 1;
        assert!(counts.words().ends_with(", in trouble 1"));
    }
}
