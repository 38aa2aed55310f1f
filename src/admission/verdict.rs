//! What the webhook answers.

use crate::claim::{Reason, Words};

/// Whether refusals block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// A refusal blocks the request.
    Enforce,
    /// A refusal becomes a warning; nothing is ever blocked.
    Audit,
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
}

/// Why a request would not be let through, before the mode is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The reason token.
    pub reason: Reason,
    /// 403 for the policy's refusals, 503 where the guard cannot know, 400 for
    /// what it cannot read. Never 409: that makes clients retry.
    pub code: u16,
    /// In words.
    pub words: Words,
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
    pub fn object(objection: &Objection, mode: Mode) -> Self {
        match mode {
            Mode::Enforce => Self {
                allowed: false,
                reason: Some(objection.reason),
                code: objection.code,
                message: objection.words.message(),
                warnings: Vec::new(),
            },
            Mode::Audit => Self::warn(objection.reason, objection.words.warnings()),
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
        match (self.allowed, self.warnings.is_empty()) {
            (true, true) => "allowed",
            (true, false) => "warned",
            (false, _) => "refused",
        }
    }
}
