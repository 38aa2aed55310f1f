//! What an examination says, a line each.

use std::fmt;

/// One line: what was looked at, how it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub status: Status,
    /// What was seen, in words.
    pub words: String,
    /// What to do, where something is to be done.
    pub remedy: Option<String>,
}

/// What findings are about, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The cluster and its API server.
    Cluster,
    /// ASO in it.
    Aso,
    /// How API servers call the guard.
    Webhook,
    /// The guard itself.
    Guard,
    /// Where claims are kept.
    Registry,
    /// What is enforced where.
    Modes,
}

impl Topic {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Aso => "aso",
            Self::Webhook => "webhook",
            Self::Guard => "guard",
            Self::Registry => "registry",
            Self::Modes => "modes",
        }
    }
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    Ok,
    /// It could not be looked at, or does not apply.
    Skip,
    /// Somebody should look at it some day.
    Warn,
    /// Something is not guarded, or will not be.
    Fail,
}

impl Status {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Finding {
    pub(super) fn ok(topic: Topic, check: &'static str, words: impl Into<String>) -> Self {
        Self::new(topic, check, Status::Ok, words, None)
    }

    pub(super) fn skip(topic: Topic, check: &'static str, words: impl Into<String>) -> Self {
        Self::new(topic, check, Status::Skip, words, None)
    }

    pub(super) fn warn(
        topic: Topic,
        check: &'static str,
        words: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(topic, check, Status::Warn, words, Some(remedy.into()))
    }

    pub(super) fn fail(
        topic: Topic,
        check: &'static str,
        words: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(topic, check, Status::Fail, words, Some(remedy.into()))
    }

    fn new(
        topic: Topic,
        check: &'static str,
        status: Status,
        words: impl Into<String>,
        remedy: Option<String>,
    ) -> Self {
        Self {
            topic,
            check,
            status,
            words: words.into(),
            remedy,
        }
    }
}
