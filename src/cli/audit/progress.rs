//! How far an audit is: bars on a terminal, a line for each cluster elsewhere.

use std::io::IsTerminal as _;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars of all clusters.
pub(super) struct SurveyProgress {
    bars: Option<MultiProgress>,
}

/// That of one cluster.
pub(super) struct SurveyBar {
    name: String,
    bar: Option<ProgressBar>,
}

impl SurveyProgress {
    pub(super) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars }
    }

    /// The bar of a cluster of this name.
    pub(super) fn of(&self, name: &str) -> SurveyBar {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(0));
            // The template is one that indicatif takes.
            if let Ok(style) =
                ProgressStyle::with_template("{prefix:>16} [{bar:30}] {pos}/{len} kinds {msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name.to_owned());
            bar
        });
        SurveyBar {
            name: name.to_owned(),
            bar,
        }
    }

    /// Takes the bars away, for the report.
    pub(super) fn end(self) {
        if let Some(bars) = self.bars {
            // A terminal that cannot be cleared shows the bars above the report.
            let _ = bars.clear();
        }
    }
}

impl SurveyBar {
    /// So many kinds are to be looked at.
    pub(super) fn begin(&self, kinds: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(kinds as u64);
        }
    }

    /// One more was, and so many objects all in all.
    pub(super) fn step(&self, objects: usize) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(format!("{objects} objects"));
        }
    }

    /// All of them were.
    pub(super) fn end(&self, kinds: usize, objects: usize) {
        match &self.bar {
            Some(bar) => bar.finish(),
            None => eprintln!("{}: {kinds} kinds, {objects} objects", self.name),
        }
    }
}
