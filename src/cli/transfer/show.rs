//! How far a transfer is, while it is driven: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use crate::driver::{ProgressCounts, ProgressSink};
use crate::transfer::TransferStep;

/// How often a plain line is written while nothing ends.
const LINE: Duration = Duration::from_secs(5);

/// Shows it on standard error.
pub(super) struct ProgressDisplay {
    bars: Option<ProgressBars>,
    last: Mutex<Option<(Instant, ProgressCounts)>>,
}

struct ProgressBars {
    all: MultiProgress,
    /// Parked, live, gone.
    steps: [ProgressBar; 3],
}

impl ProgressDisplay {
    pub(super) fn new() -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(ProgressBars::new),
            last: Mutex::default(),
        }
    }

    /// Takes the bars away, for the summary.
    pub(super) fn end(&self) {
        if let Some(bars) = &self.bars {
            // A terminal that cannot be cleared shows the bars above the summary.
            let _ = bars.all.clear();
        }
    }
}

impl ProgressSink for ProgressDisplay {
    fn progress(&self, counts: ProgressCounts) {
        if let Some(bars) = &self.bars {
            let done = [counts.parked, counts.live, counts.gone];
            for (bar, done) in bars.steps.iter().zip(done) {
                bar.set_length(counts.all as u64);
                bar.set_position(done as u64);
            }
            if let Some(bar) = bars.steps.last()
                && counts.trouble > 0
            {
                bar.set_message(format!("{} in trouble", counts.trouble));
            }
            return;
        }
        let mut last = self.last.lock();
        let printed = last.as_ref();
        let ended = |of: fn(&ProgressCounts) -> usize| {
            of(&counts) == counts.all
                && printed.is_none_or(|(_, printed)| of(printed) != printed.all)
        };
        let step = ended(|c| c.parked) || ended(|c| c.live) || ended(|c| c.gone);
        let due = printed.is_none_or(|(at, printed)| at.elapsed() > LINE && *printed != counts);
        if step || due {
            eprintln!("{}", counts.words());
            *last = Some((Instant::now(), counts));
        }
    }

    fn acted(&self, step: TransferStep) {
        if let Some(bars) = &self.bars {
            let at = match step {
                TransferStep::Park => 0,
                TransferStep::Delete => 2,
                _ => 1,
            };
            bars.steps[at].tick();
        }
    }

    fn say(&self, words: &str) {
        match &self.bars {
            Some(bars) => bars.all.suspend(|| eprintln!("aso-guard: {words}")),
            None => eprintln!("aso-guard: {words}"),
        }
    }
}

impl ProgressBars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let steps = ["1 park", "3 apply", "4 delete"].map(|name| {
            let bar = all.add(ProgressBar::new(0));
            // The template is one that indicatif takes.
            if let Ok(style) =
                ProgressStyle::with_template("{prefix:>9} [{bar:40}] {pos}/{len} {elapsed} {msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name);
            bar
        });
        Self { all, steps }
    }
}
