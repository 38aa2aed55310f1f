//! When lists of the member's claims are worth asking for again.

use std::time::Duration;

use tokio::time::Instant;

use crate::claim::MemberName;
use crate::registry::{RecordVersion, Registry};

use super::pace;

/// How often they are asked for where nothing says that anything changed, at least.
pub(super) const AT_LEAST: Duration = Duration::from_mins(5);

/// How soon they are asked for again where they did not come.
const AGAIN: Duration = Duration::from_secs(30);

/// What was known when they were asked for last.
#[derive(Debug, Default)]
pub(super) struct ListsDue {
    /// The inbox then, and until when it need not be looked past.
    last: Option<(RecordVersion, Instant)>,
}

impl ListsDue {
    /// Whether to ask, where the member's inbox is this now; `None` where there is none, or it
    /// cannot be told. To be asked before the lists, so that what changes meanwhile is another
    /// time's.
    fn take(&mut self, inbox: Option<RecordVersion>, now: Instant) -> bool {
        let Some(inbox) = inbox else {
            self.last = None;
            return true;
        };
        if let Some((seen, until)) = &self.last
            && *seen == inbox
            && now < *until
        {
            return false;
        }
        self.last = Some((inbox, now + pace::spread(AT_LEAST)));
        true
    }

    /// Whether lists of the member's claims, and of what stands in them, may say something new.
    pub(super) async fn are_due(&mut self, registry: &dyn Registry, member: &MemberName) -> bool {
        match registry.inbox(member).await {
            Ok(inbox) => self.take(inbox, Instant::now()),
            // The lists would fare alike. Who was never told asks: they say what is wrong.
            Err(_) => self.are_overdue(Instant::now()),
        }
    }

    fn are_overdue(&self, now: Instant) -> bool {
        let last = self.last.as_ref();
        last.is_none_or(|(_, until)| now >= *until)
    }

    /// Whether a list costs so much that an inbox says when one is due.
    pub(super) fn are_dear(&self) -> bool {
        self.last.is_some()
    }

    /// They were due, and did not come: they are due again soon, each member's in its own time, so
    /// that a registry that is back is not asked for all of them at once.
    pub(super) fn failed(&mut self) {
        if let Some((_, until)) = &mut self.last {
            *until = Instant::now() + pace::spread(AGAIN);
        }
    }

    /// They are due, whatever was known.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(version: &str) -> RecordVersion {
        RecordVersion::new(version)
    }

    #[test]
    fn lists_are_due_when_the_inbox_changed_or_long_after() {
        let (mut lists, start) = (ListsDue::default(), Instant::now());
        assert!(lists.take(Some(inbox("1")), start));
        assert!(!lists.take(Some(inbox("1")), start + AT_LEAST / 3));
        assert!(lists.take(Some(inbox("2")), start + AT_LEAST / 3));
        assert!(!lists.take(Some(inbox("2")), start + AT_LEAST * 3 / 4));
        assert!(lists.take(Some(inbox("2")), start + AT_LEAST * 2));
        lists.forget();
        assert!(lists.take(Some(inbox("2")), start + AT_LEAST * 2));
    }

    #[test]
    fn without_an_inbox_they_are_always_due() {
        let (mut lists, now) = (ListsDue::default(), Instant::now());
        assert!(lists.take(None, now) && lists.take(None, now));
    }

    #[tokio::test(start_paused = true)]
    async fn lists_that_did_not_come_are_due_again_soon_and_not_at_once() {
        let mut lists = ListsDue::default();
        assert!(lists.are_overdue(Instant::now()));
        assert!(lists.take(Some(inbox("1")), Instant::now()));
        lists.failed();
        assert!(!lists.are_overdue(Instant::now()));
        assert!(!lists.take(Some(inbox("1")), Instant::now()));
        tokio::time::advance(AGAIN).await;
        assert!(lists.are_overdue(Instant::now()));
        assert!(lists.take(Some(inbox("1")), Instant::now()));
    }
}
