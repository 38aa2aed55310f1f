//! Something to tell the people who own an object.

use std::sync::Arc;

use crate::object::ObjectKey;

/// Word about one object, for those who look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The object. One without a namespace is told of in namespace `default`.
    pub object: ObjectKey,
    /// Its `metadata.uid`; `None` where it is not known. `kubectl describe` shows
    /// only what was told of the same uid.
    pub uid: Option<Arc<str>>,
    /// Whether somebody has to do something.
    pub severity: Severity,
    /// The short reason token, such as `Conflict`; not longer than 128 bytes.
    pub reason: &'static str,
    /// What was done when it came up, such as `Admit` or `Observe`; not longer than
    /// 128 bytes.
    pub action: &'static str,
    /// What there is to say, commands ready to paste included. Line breaks become
    /// spaces, and what is beyond 1024 bytes is cut off. Never anything of a secret.
    pub message: String,
    /// What it was told on, and all replicas see alike: two that tell the same of one
    /// object on one occasion tell it once between them.
    pub occasion: String,
}

/// Whether a notice asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Nothing has to be done.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Passes notices on.
///
/// It never waits and never fails: a verdict must not depend on it. The same
/// notice told again and again, or one that differs in numbers only, is told once in
/// a while.
pub trait Notices: Send + Sync {
    /// Tells it, some time soon; or not, where there is too much to tell.
    fn report(&self, notice: Notice);
}

/// Tells nobody: for the demo, tests and benchmarks.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNotices;

impl Notices for NoNotices {
    fn report(&self, _: Notice) {}
}
