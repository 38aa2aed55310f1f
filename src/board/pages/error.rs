//! What is shown where a page cannot be: why, what it means, and what to do.

use askama::Template;

use crate::registry::RegistryError;

use super::{PageError, PageLayout, PageRequest, Section};

/// What is known of a page before it fails.
pub(super) struct ErrorContext {
    live: PageLayout,
    still: PageLayout,
    /// The same list from its beginning, where a later part of one was asked for.
    again: Option<String>,
}

impl ErrorContext {
    pub(super) fn of(look: &PageRequest) -> Self {
        let is_part = !look.query.get("at").is_empty();
        let again = is_part.then(|| crate::board::search::ClaimSearch::of(&look.query).link(None));
        Self {
            live: look.live(),
            still: look.still(),
            again,
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "trouble.html")]
pub(super) struct ErrorTemplate {
    frame: PageLayout,
    title: &'static str,
    /// What happened, in the words of who saw it.
    words: String,
    /// What it means, or what to do, a paragraph each.
    advice: Vec<&'static str>,
    /// Where to go on.
    again: Option<String>,
    recovers: bool,
}

impl ErrorTemplate {
    pub(super) fn new(about: ErrorContext, trouble: PageError) -> Self {
        let ErrorContext { live, still, again } = about;
        let is_part = again.is_some();
        let (title, words, advice, recovers) = match trouble {
            PageError::Registry(error) => of_registry(&error),
            PageError::Missing(words) => ("There is no such thing", words, Vec::new(), false),
            PageError::Template(error) => (
                "This page cannot be shown",
                error.to_string(),
                vec!["That is a defect of aso-guard."],
                false,
            ),
        };
        // A place in a list is good for some minutes: asking again for one that is not is vain.
        let recovers = recovers && !is_part;
        Self {
            frame: if recovers { live } else { still },
            title,
            words,
            advice,
            again,
            recovers,
        }
    }
}

fn of_registry(error: &RegistryError) -> (&'static str, String, Vec<&'static str>, bool) {
    let words = error.to_string();
    match error {
        RegistryError::Unavailable { .. } | RegistryError::Crowded(_) => (
            "The registry does not answer",
            words,
            vec![
                "If the guards cannot reach it either, those in enforce mode refuse what could do \
                 harm until it is back. Parking, parked copies and ASO’s own updates go on, and \
                 nothing that is claimed is lost.",
            ],
            true,
        ),
        RegistryError::Forbidden { .. } => (
            "The registry refuses to be read",
            words,
            vec![
                "Who runs this board needs get and list on claims, members and transfers in the group \
                 asoguard.io: a kubeconfig with these rights, by --registry \
                 kubernetes:KUBECONFIG#CONTEXT.",
            ],
            true,
        ),
        RegistryError::Corrupt(_) => (
            "The registry holds a record that cannot be read",
            words,
            vec![
                "Somebody edited it, or a newer aso-guard wrote it. Guards decide nothing on such \
                 a record, and refuse what it could forbid. Compare this board’s version with \
                 theirs, then look at the record with kubectl.",
            ],
            true,
        ),
    }
}
