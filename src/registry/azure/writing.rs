//! The order of tries and reads by which a conditional write comes to a certain end, or to the
//! knowledge that it has none.
//!
//! A write carries a request id of its own into the blob. Where the answer to it is no certain
//! one, the blob is read: if it holds the id, the write is done, whoever's word was lost. It is
//! tried again only where the server has answered, so that no try can still be on its way, and
//! only while the blob is what the write expects. A try without an answer may land at any time
//! later: it is never repeated.
//!
//! A create whose try was carried out and answered as if it had failed, and whose blob somebody
//! removed before it was read, is carried out twice. A create only adds to what is claimed, and
//! what is claimed for nothing is released by the next look.

use std::time::Duration;

use crate::registry::RecordVersion;

/// How a try of a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// It is stored, at this version.
    Stored(RecordVersion),
    /// The blob is not what was expected.
    Conflict,
    /// The server answered that it cannot now, and perhaps how long to wait.
    Busy(Option<Duration>),
    /// No answer came.
    Unanswered,
}

/// What a blob is: its version, and the request that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) version: RecordVersion,
    pub(super) request: Option<String>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Read the blob.
    Read,
    /// Wait so long, and try once more.
    TryAgain(Duration),
    /// It is stored, at this version.
    Stored(RecordVersion),
    /// Somebody else was there first; nothing was changed.
    Conflict,
    /// Nobody can tell from here: the write may be done, or be done yet.
    Unknown,
}

/// A write of one blob, and what is known of its end.
#[derive(Clone, Debug)]
pub(super) struct Writing {
    request: String,
    expected: Option<RecordVersion>,
    /// How many tries were answered with "not now".
    busy: u32,
    last: Option<Tried>,
}

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

impl Writing {
    /// A write that expects this version, or no blob.
    pub(super) fn new(request: String, expected: Option<&RecordVersion>) -> Self {
        Self {
            request,
            expected: expected.cloned(),
            busy: 0,
            last: None,
        }
    }

    /// What the blob is to hold of it.
    pub(super) fn request(&self) -> &str {
        &self.request
    }

    /// A try has ended.
    pub(super) fn tried(&mut self, tried: Tried) -> Step {
        let step = match &tried {
            Tried::Stored(version) => Step::Stored(version.clone()),
            Tried::Conflict if self.busy == 0 => Step::Conflict,
            // What it met may be what an earlier try of its own has left there.
            Tried::Conflict | Tried::Busy(_) | Tried::Unanswered => Step::Read,
        };
        self.busy += u32::from(matches!(tried, Tried::Busy(_)));
        self.last = Some(tried);
        step
    }

    /// The blob was read, after the last try had ended.
    pub(super) fn read(&self, found: Option<&Found>) -> Step {
        if let Some(found) = found
            && found.request.as_ref() == Some(&self.request)
        {
            return Step::Stored(found.version.clone());
        }
        let unchanged = found.map(|found| &found.version) == self.expected.as_ref();
        match &self.last {
            Some(Tried::Busy(wait)) if unchanged => Step::TryAgain(pause(self.busy, *wait)),
            _ => Step::Unknown,
        }
    }
}

/// How long to wait for a server that was busy so many times in a row: at least as long as it
/// asks for, and each time longer.
pub(super) fn pause(busy: u32, asked: Option<Duration>) -> Duration {
    let own = FIRST_PAUSE * 2_u32.pow(busy.saturating_sub(1).min(5));
    own.max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> RecordVersion {
        RecordVersion::new(&number.to_string())
    }

    /// A blob, and who else is at it.
    #[derive(Clone, Debug)]
    struct Blob {
        now: Option<Found>,
        next: u32,
        /// How often the write under test was carried out.
        done: u32,
        /// A try without an answer that the server may still carry out.
        under_way: bool,
    }

    impl Blob {
        fn put(&mut self, request: &str, expected: Option<&RecordVersion>) -> Tried {
            if self.now.as_ref().map(|found| &found.version) != expected {
                return Tried::Conflict;
            }
            self.next += 1;
            let version = version(self.next);
            self.now = Some(Found {
                version: version.clone(),
                request: Some(request.to_owned()),
            });
            Tried::Stored(version)
        }

        fn own(&mut self, expected: Option<&RecordVersion>) -> Tried {
            let tried = self.put("own", expected);
            self.done += u32::from(matches!(tried, Tried::Stored(_)));
            tried
        }

        /// Nothing happens, somebody writes, or somebody removes the blob.
        fn others(&self) -> Vec<Self> {
            let (mut written, mut removed) = (self.clone(), self.clone());
            let now = self.now.as_ref().map(|found| found.version.clone());
            written.put("other", now.as_ref());
            removed.now = None;
            vec![self.clone(), written, removed]
        }
    }

    /// How many tries the longest courses have.
    const TRIES: u32 = 4;

    /// Every course of a write of at most so many tries; gives how many there are.
    fn explore(
        blob: &Blob,
        writing: &Writing,
        expected: Option<&RecordVersion>,
        tries: u32,
    ) -> u32 {
        if tries == 0 {
            return 1;
        }
        let mut courses = 0;
        for before in blob.others() {
            let (mut done, mut lost) = (before.clone(), before.clone());
            let answer = done.own(expected);
            lost.under_way = true;
            let ends = [
                (done.clone(), answer),
                (done.clone(), Tried::Busy(None)),
                (done, Tried::Unanswered),
                (before, Tried::Busy(None)),
                (lost, Tried::Unanswered),
            ];
            for (after, tried) in ends {
                let mut writing = writing.clone();
                match writing.tried(tried) {
                    Step::Read => {
                        for after in after.others() {
                            let step = writing.read(after.now.as_ref());
                            courses += judge(&after, &writing, &step, expected, tries);
                        }
                    }
                    step => courses += judge(&after, &writing, &step, expected, tries),
                }
            }
        }
        courses
    }

    fn judge(
        blob: &Blob,
        writing: &Writing,
        step: &Step,
        expected: Option<&RecordVersion>,
        tries: u32,
    ) -> u32 {
        match step {
            Step::Stored(_) => {
                let most = if expected.is_none() { TRIES } else { 1 };
                assert!((1..=most).contains(&blob.done), "{blob:?}");
            }
            Step::Conflict => assert!(blob.done == 0 && !blob.under_way, "{blob:?}"),
            Step::TryAgain(_) => {
                assert!(
                    !blob.under_way,
                    "repeated while a try is on its way: {blob:?}"
                );
                return explore(blob, writing, expected, tries - 1);
            }
            Step::Read => unreachable!("a read leads to an end"),
            Step::Unknown => {}
        }
        1
    }

    #[test]
    fn no_course_ends_with_a_word_that_is_not_so() {
        let mut courses = 0;
        for now in [None, Some(1)] {
            let found = now.map(|number| Found {
                version: version(number),
                request: Some("before".to_owned()),
            });
            let expected = found.as_ref().map(|found| found.version.clone());
            let blob = Blob {
                now: found,
                next: 1,
                done: 0,
                under_way: false,
            };
            let writing = Writing::new("own".to_owned(), expected.as_ref());
            courses += explore(&blob, &writing, expected.as_ref(), TRIES);
        }
        println!("{courses} courses");
        assert!(courses > 1_000);
    }

    #[test]
    fn a_lost_answer_is_found_in_the_blob() {
        let mut writing = Writing::new("own".to_owned(), None);
        assert_eq!(writing.tried(Tried::Unanswered), Step::Read);
        let found = Found {
            version: version(7),
            request: Some("own".to_owned()),
        };
        assert_eq!(writing.read(Some(&found)), Step::Stored(version(7)));
        assert_eq!(writing.read(None), Step::Unknown);
    }

    #[test]
    fn a_server_that_says_how_long_is_waited_for_so_long() {
        let mut writing = Writing::new("own".to_owned(), None);
        let second = Duration::from_secs(1);
        writing.tried(Tried::Busy(Some(second)));
        assert_eq!(writing.read(None), Step::TryAgain(second));
        writing.tried(Tried::Busy(Some(Duration::ZERO)));
        assert_eq!(writing.read(None), Step::TryAgain(FIRST_PAUSE * 2));
    }
}
