//! What a client is answered where claims say too little: the registry is not whole, or is moved from or
//! to.

use crate::claim::{
    MemberName, Migration, MigrationError, NAMED, Reason, Rebuilding, RefusalMessage,
};

use super::context::RequestContext;
use super::verdict::{Verdict, Violation};

impl RequestContext {
    /// For what the claims say too little of. `registry`: the flags by which people reach it.
    pub(super) fn rebuilding(&self, rebuilding: &Rebuilding, registry: &str) -> Verdict {
        let moving = match (&self.unclear, &rebuilding.migration) {
            (Some(why), _) => Some(of_two(why)),
            (None, Some(migration)) => Some(of_mark(migration, registry)),
            (None, None) => None,
        };
        if let Some(words) = moving {
            return self.on_unknown(&not_known(words));
        }
        let awaited = &rebuilding.awaited;
        let names: Vec<&str> = awaited.iter().take(NAMED).map(MemberName::as_str).collect();
        let more = match awaited.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (until, mut next) = match &names[..] {
            [] => (String::new(), Vec::new()),
            [one, ..] => (
                format!(
                    ", until these have brought their copies in: {}{more}",
                    names.join(", ")
                ),
                vec![format!(
                    "If one of them is gone for good, say so: aso-guard members forget {one}{registry}"
                )],
            ),
        };
        next.insert(
            0,
            format!(
                "Try again in a moment; parking is admitted meanwhile. See how far it is: aso-guard \
                 members list{registry}"
            ),
        );
        let words = RefusalMessage {
            summary: format!(
                "cannot tell whether this is safe: the registry is new, was emptied or was set back, \
                 and does not know all copies{until}"
            ),
            next,
            ..RefusalMessage::default()
        };
        self.on_unknown(&not_known(words))
    }
}

fn not_known(words: RefusalMessage) -> Violation {
    Violation {
        reason: Reason::RegistryRebuilding,
        code: 503,
        words,
    }
}

fn message(summary: &str, next: &[String]) -> RefusalMessage {
    RefusalMessage {
        summary: format!("cannot tell whether this is safe: {summary}"),
        next: next.to_vec(),
        ..RefusalMessage::default()
    }
}

/// For a guard that has one registry alone, which is moved from or to. `registry`: the flags by
/// which people reach it.
fn of_mark(migration: &Migration, registry: &str) -> RefusalMessage {
    let (summary, first) = match migration {
        Migration::After { .. } => (
            "the fleet still moves to this registry from another one, and this guard does not have \
             that one",
            "Start this cluster's guard with both: --registry with the old one, --next-registry with \
             this one",
        ),
        Migration::ClosingTo(_) => (
            "the fleet moves to another registry, and this guard does not have that one",
            "Start this cluster's guard with --next-registry, or give the move up: aso-guard registry \
             move --cancel",
        ),
        Migration::ClosedTo(_) => (
            "the fleet has moved to another registry",
            "Start this cluster's guard with that one as --registry",
        ),
    };
    let next = [
        format!("{first}. Parking is admitted meanwhile."),
        format!("See how far the move is: aso-guard registry status{registry}"),
    ];
    message(summary, &next)
}

/// For a guard that has two registries that say different things of a move.
fn of_two(why: &MigrationError) -> RefusalMessage {
    let next = [
        "See what both say: aso-guard registry status, with --registry for each; and that this \
         cluster's guard has the same --registry and --next-registry as the others."
            .to_owned(),
        "Where the fleet has moved already, start it with the new one alone.".to_owned(),
    ];
    message(&why.to_string(), &next)
}
