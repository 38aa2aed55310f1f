//! How far a verdict is, for whoever has to be told that its time was not enough.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// With fewer objects it is not their number that takes long.
const MANY: usize = 50;

/// How far a verdict is in which many objects have a part.
#[derive(Debug, Default)]
pub(super) struct VerdictProgress {
    of: AtomicUsize,
    done: AtomicUsize,
    lasts: AtomicBool,
    safe: AtomicBool,
}

impl VerdictProgress {
    /// The request by itself is a safe step: what is left to be found out is only good to know.
    pub(super) fn set_safe(&self) {
        self.safe.store(true, Ordering::Relaxed);
    }

    /// Whether it is a safe step as far as is known: nothing else was found that it affects.
    pub(super) fn is_safe_so_far(&self) -> bool {
        self.safe.load(Ordering::Relaxed) && self.of.load(Ordering::Relaxed) == 0
    }

    /// So many objects more are to be looked at.
    pub(super) fn begin(&self, objects: usize) {
        self.of.fetch_add(objects, Ordering::Relaxed);
    }

    /// One of them was.
    pub(super) fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// What was done counts for the next try.
    pub(super) fn lasts(&self) {
        self.lasts.store(true, Ordering::Relaxed);
    }

    /// Whether the next try goes on where this one stops.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasts.load(Ordering::Relaxed)
    }

    /// How many were, and of how many; `None` where it is not their number that takes
    /// long.
    pub(super) fn words(&self) -> Option<String> {
        let (done, of) = (
            self.done.load(Ordering::Relaxed),
            self.of.load(Ordering::Relaxed),
        );
        (of >= MANY && done > 0 && done < of)
            .then(|| format!("{done} of the {of} objects that it is about"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nobody_answers(1500, 0, None)]
    #[case::few(2, 1, None)]
    #[case::through(1500, 1500, None)]
    #[case::many(1500, 600, Some("600 of the 1500 objects that it is about"))]
    fn only_many_objects_are_too_many(
        #[case] of: usize,
        #[case] done: usize,
        #[case] words: Option<&str>,
    ) {
        let progress = VerdictProgress::default();
        progress.begin(of);
        (0..done).for_each(|_| progress.step());
        assert_eq!(progress.words().as_deref(), words);
    }
}
