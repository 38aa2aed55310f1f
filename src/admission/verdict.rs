//! What the webhook answers.

use crate::claim::{Justification, Reason, RefusalMessage};

/// Whether refusals block.
///
/// In order: the stricter one is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Mode {
    /// There is no verdict. Only a namespace can have this mode.
    #[value(skip)]
    Off,
    /// A refusal becomes a warning; nothing is ever blocked.
    Audit,
    /// A refusal blocks the request.
    Enforce,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Off, Self::Audit, Self::Enforce];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }

    /// The mode that a namespace's label sets; `None` for a value that is no mode.
    pub fn of_label(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == value)
    }
}

/// What a request passed by, or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerdictPath {
    /// It was judged.
    Judged,
    /// Its refusal was overridden, for this reason.
    Overridden(Justification),
    /// It was not judged: its user, or its namespace, is left alone.
    Unjudged,
}

/// What to do with an object whose Azure resource cannot be worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnUnresolved {
    /// Let it through with a warning.
    Warn,
    /// Refuse it.
    Deny,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the API server may go on.
    pub allowed: bool,
    /// Why not, or why there is a warning; `None` for a plain yes.
    pub reason: Option<Reason>,
    /// The HTTP code for the client of a refused request.
    pub code: u16,
    /// What the client of a refused request is told.
    pub message: String,
    /// What the client is told besides.
    pub warnings: Vec<String>,
    /// The message or the warnings in brief, for Events and the log; empty where they are brief
    /// themselves.
    pub brief: String,
    /// What it passed by.
    pub pass: VerdictPath,
}

/// Why a request would not be let through, before the mode is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The reason token.
    pub reason: Reason,
    /// 403 for the policy's refusals, 503 where the guard cannot know, 400 for
    /// what it cannot read. Never 409: that makes clients retry.
    pub code: u16,
    /// In words.
    pub words: RefusalMessage,
}

/// Where to read more, for people.
pub(super) fn more(reason: Reason) -> String {
    format!("More: aso-guard explain {}", reason.as_str())
}

impl Verdict {
    /// A plain yes.
    pub fn allow() -> Self {
        Self {
            allowed: true,
            reason: None,
            code: 200,
            message: String::new(),
            warnings: Vec::new(),
            brief: String::new(),
            pass: VerdictPath::Judged,
        }
    }

    /// A yes with warnings that have a reason.
    pub fn warn(reason: Reason, warnings: Vec<String>) -> Self {
        Self {
            reason: Some(reason),
            warnings,
            ..Self::allow()
        }
    }

    /// What an objection comes to in a mode.
    pub fn object(violation: &Violation, mode: Mode) -> Self {
        let words = &violation.words;
        match mode {
            Mode::Enforce => Self {
                allowed: false,
                reason: Some(violation.reason),
                code: violation.code,
                message: format!("{}\n{}", words.message(), more(violation.reason)),
                brief: format!("refused: {}", words.brief()),
                ..Self::allow()
            },
            Mode::Audit | Mode::Off => {
                let mut warnings = words.warnings();
                warnings.push(more(violation.reason));
                Self {
                    brief: format!("aso-guard would refuse this: {}", words.brief()),
                    ..Self::warn(violation.reason, warnings)
                }
            }
        }
    }

    /// The same, with another warning.
    #[must_use]
    pub fn noting(mut self, warning: String) -> Self {
        self.warnings.push(warning);
        self
    }

    /// The verdict in one word, for logs, metrics and the audit log.
    pub fn label(&self) -> &'static str {
        match (&self.pass, self.allowed, self.warnings.is_empty()) {
            (_, false, _) => "refused",
            (VerdictPath::Overridden(_), ..) => "overridden",
            (VerdictPath::Unjudged, ..) => "unjudged",
            (VerdictPath::Judged, _, true) => "allowed",
            (VerdictPath::Judged, _, false) => "warned",
        }
    }
}
