//! When lists of the member's claims are worth asking for again.

use std::time::Duration;

use tokio::time::Instant;

use crate::registry::RecordVersion;

use super::Observer;

/// How often they are asked for where nothing says that anything changed.
const AT_LEAST: Duration = Duration::from_mins(5);

/// What was known when they were asked for last.
#[derive(Debug, Default)]
pub(super) struct ListsDue {
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
        if let Some((seen, at)) = &self.last
            && *seen == inbox
            && now.duration_since(*at) < AT_LEAST
        {
            return false;
        }
        self.last = Some((inbox, now));
        true
    }

    /// They are due, whatever was known.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}

impl Observer {
    /// Whether lists of the member's claims may say something new.
    pub(super) async fn are_lists_due(&self, lists: &mut ListsDue) -> bool {
        // Who cannot be told asks: the lists say what is wrong.
        let inbox = self.registry.inbox(&self.member).await.unwrap_or_default();
        lists.take(inbox, Instant::now())
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
        assert!(!lists.take(Some(inbox("1")), start + AT_LEAST / 2));
        assert!(lists.take(Some(inbox("2")), start + AT_LEAST / 2));
        assert!(!lists.take(Some(inbox("2")), start + AT_LEAST));
        assert!(lists.take(Some(inbox("2")), start + AT_LEAST * 2));
        lists.forget();
        assert!(lists.take(Some(inbox("2")), start + AT_LEAST * 2));
    }

    #[test]
    fn without_an_inbox_they_are_always_due() {
        let (mut lists, now) = (ListsDue::default(), Instant::now());
        assert!(lists.take(None, now) && lists.take(None, now));
    }
}
