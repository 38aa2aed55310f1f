//! How long each request under way has been known here, by a clock that only goes
//! forward.
//!
//! The deadline in a claim was written by the clock of the replica that admitted the
//! request. Another replica's clock may be an hour off, and any clock may jump: to
//! judge the one by the other could end a request that the API server still holds.
//! So what is written is for people to read. What is judged is how long this process
//! has known of the request: it was under way before, so it is over when it has been
//! known for as long as a request may be under way.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::claim::{InFlight, MemberCopy, Proof, RequestUid};
use crate::object::ObjectKey;

/// When each request under way was first seen.
#[derive(Debug)]
pub struct DeadlineTracker {
    /// How long a request may be under way.
    limit: Duration,
    known: Mutex<HashMap<ObjectKey, Vec<TrackedRequest>>>,
}

#[derive(Debug)]
struct TrackedRequest {
    request: RequestUid,
    /// As written. Requests that were folded into one have it in common with none
    /// that was seen before.
    written: Timestamp,
    since: Instant,
}

/// A copy's deadlines as they are written, while it shows them by this process's clock.
#[derive(Debug)]
pub struct WrittenDeadlines {
    deadlines: Vec<(InFlight, Timestamp)>,
    /// When they were shown: by the clock that they are shown by, and by the one that only
    /// goes forward.
    now: Timestamp,
    this_moment: Instant,
}

impl DeadlineTracker {
    /// For requests that are under way for no longer than `limit`.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            known: Mutex::default(),
        }
    }

    /// Notes a request on an object that is under way now, with its deadline as
    /// written. Gives when it is over; of one that was noted before, as it was then.
    pub fn note(&self, object: &ObjectKey, request: &RequestUid, written: Timestamp) -> Instant {
        let mut known = self.known.lock();
        let requests = known.entry(object.clone()).or_default();
        let found = requests
            .iter()
            .find(|known| known.request == *request && known.written == written);
        let since = found.map_or_else(Instant::now, |known| known.since);
        if found.is_none() {
            requests.push(TrackedRequest {
                request: request.clone(),
                written,
                since,
            });
        }
        since + self.limit
    }

    /// Puts this process's deadlines in place of those that are written, as times by
    /// the clock that shows `now`; of what an owner would give its name, twice as late. To be
    /// called when the copy was just read, or a look begins from how it was written: what is new
    /// in it is counted from now.
    pub fn show(
        &self,
        object: &ObjectKey,
        copy: &mut MemberCopy,
        now: Timestamp,
    ) -> WrittenDeadlines {
        let this_moment = Instant::now();
        let mut deadlines = Vec::new();
        for request in copy.in_flight_mut() {
            let as_written = request.deadline;
            let mut over = self.note(object, &request.request, as_written);
            if request.proof == Proof::Owner {
                over += self.limit;
            }
            request.deadline = shift(now, this_moment, over);
            deadlines.push((request.clone(), as_written));
        }
        WrittenDeadlines {
            deadlines,
            now,
            this_moment,
        }
    }

    /// Forgets all requests on an object but these, and those that came after
    /// `began`, when the claims were read that have no others.
    pub fn keep_only(
        &self,
        object: &ObjectKey,
        under_way: &[(RequestUid, Timestamp)],
        began: Instant,
    ) {
        let mut known = self.known.lock();
        let Some(requests) = known.get_mut(object) else {
            return;
        };
        requests.retain(|known| {
            known.since >= began
                || under_way.iter().any(|(request, written)| {
                    known.request == *request && known.written == *written
                })
        });
        if requests.is_empty() {
            known.remove(object);
        }
    }
}

impl WrittenDeadlines {
    /// When a deadline that is shown is over.
    pub fn moment(&self, stated: Timestamp) -> Instant {
        let ahead = Duration::try_from(stated.duration_since(self.now));
        self.this_moment + ahead.unwrap_or_default()
    }

    /// Puts the deadlines that are written back in their places.
    pub fn restore(&self, copy: &mut MemberCopy) {
        for request in copy.in_flight_mut() {
            let known = self.deadlines.iter().find(|(stated, _)| stated == request);
            if let Some((_, written)) = known {
                request.deadline = *written;
            }
        }
    }
}

/// What the clock that shows `now` at `this_moment` will show at `then`, or showed.
fn shift(now: Timestamp, this_moment: Instant, then: Instant) -> Timestamp {
    let signed = |span: Duration| SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    let ahead = signed(then.saturating_duration_since(this_moment));
    let behind = signed(this_moment.saturating_duration_since(then));
    // What a timestamp cannot hold is as good as never.
    now.saturating_add(ahead - behind).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Proof;

    const LIMIT: Duration = Duration::from_secs(90);

    fn key() -> ObjectKey {
        ObjectKey::new("g", "K", "ns", "x")
    }

    fn uid(request: &str) -> RequestUid {
        RequestUid::new(request)
    }

    fn copy(requests: &[(&str, i64)]) -> MemberCopy {
        let requests = requests.iter().map(|(request, deadline)| InFlight {
            request: uid(request),
            proof: Proof::Deadline,
            deadline: second(*deadline),
            to: None,
        });
        MemberCopy {
            stored: None,
            acquiring: requests.clone().collect(),
            arriving: Vec::new(),
            renaming: Vec::new(),
            deleting: requests.take(1).collect(),
            assumed: false,
            newcomer: 0,
            since: second(0),
            by: "".into(),
        }
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_counts_from_when_the_request_was_first_seen() {
        let tracker = DeadlineTracker::new(LIMIT);
        // Whatever is written, and whatever the clock shows.
        for (written, now) in [(0, 1_000_000), (1_000_000, 0)] {
            let mut read = copy(&[("r", written)]);
            tracker.show(&key(), &mut read, second(now));
            assert_eq!(read.acquiring[0].deadline, second(now + 90));
            assert_eq!(read.deleting[0].deadline, second(now + 90));
            tracker.keep_only(&key(), &[], Instant::now() + LIMIT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_seen_again_keeps_its_time() {
        let tracker = DeadlineTracker::new(LIMIT);
        let noted = tracker.note(&key(), &uid("old"), second(7));
        tokio::time::advance(Duration::from_secs(100)).await;
        let mut read = copy(&[("old", 7), ("new", 7)]);
        tracker.show(&key(), &mut read, second(1_000));
        let stated: Vec<Timestamp> = read.acquiring.iter().map(|one| one.deadline).collect();
        assert_eq!(stated, [second(990), second(1_090)]);
        assert_eq!(tracker.note(&key(), &uid("old"), second(7)), noted);
        // Folded with a later one it has another deadline, and is waited for again.
        assert!(tracker.note(&key(), &uid("old"), second(8)) > noted);
    }

    #[test]
    fn what_is_written_is_put_back() {
        let tracker = DeadlineTracker::new(LIMIT);
        let read = copy(&[("a", 1), ("b", 2), ("c", 3)]);
        let mut stated = read.clone();
        let written = tracker.show(&key(), &mut stated, second(50));
        assert_ne!(stated, read);
        stated.acquiring.remove(1);
        written.restore(&mut stated);
        assert_eq!(stated.acquiring[0], read.acquiring[0]);
        assert_eq!(stated.acquiring[1], read.acquiring[2]);
        assert_eq!(stated.deleting, read.deleting);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_forgotten_and_what_came_meanwhile_is_not() {
        let tracker = DeadlineTracker::new(LIMIT);
        for request in ["over", "under way"] {
            tracker.note(&key(), &uid(request), second(0));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let began = Instant::now();
        tracker.note(&key(), &uid("meanwhile"), second(0));
        tracker.keep_only(&key(), &[(uid("under way"), second(0))], began);
        let known = tracker.known.lock();
        let left: Vec<&str> = known[&key()]
            .iter()
            .map(|one| one.request.as_str())
            .collect();
        assert_eq!(left, ["under way", "meanwhile"]);
        drop(known);
        tracker.keep_only(&key(), &[], began + LIMIT);
        assert!(tracker.known.lock().is_empty());
    }
}
