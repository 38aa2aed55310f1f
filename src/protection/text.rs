//! A refusal in the one line that an API server's policy has for it.

use crate::claim::{Action, CopyRef, Heartbeats, Refusal, RefusedRequest};
use crate::object::text::printable;

/// How long a line is at most: what is written down is small, and is read by every request.
const LONGEST: usize = 400;

/// What would go wrong, and who stands in the way.
pub(super) fn line(refusal: &Refusal, copy: &CopyRef, action: Action) -> String {
    let words = refusal.words(&RefusedRequest {
        copy,
        action,
        heard: &Heartbeats::new(),
        registry: "",
    });
    let mut line = words.summary;
    if let Some(first) = words.holders.first() {
        line = format!("{line}: {first}");
    }
    if words.holders.len() > 1 {
        line = format!("{line}, and {} more", words.holders.len() - 1);
    }
    short(&line)
}

/// A text that is not too long, and is one line.
pub(super) fn short(text: &str) -> String {
    printable(text, LONGEST)
}
