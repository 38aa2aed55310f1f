//! Which paths to take calls at, and which one to have API servers call: a state machine
//! without I/O or clock.
//!
//! The Secret holds the newest path. Each replica takes calls there from when it reads it, and
//! points the webhook configuration to it a while later, so that the others have read it too.
//! Whatever the configuration says is taken as well. What is left behind is taken for a while
//! longer: API servers take a moment to notice.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

/// How long after a path was seen last, calls are taken there.
const AFTERWARDS: SignedDuration = SignedDuration::from_secs(30);

/// One look at the cluster: the configuration was read first, then the Secret.
#[derive(Clone, Debug)]
pub struct PathState<P> {
    /// The newest path; `None` where there is none.
    pub stored: Option<P>,
    /// Where the webhooks are told to be called, by what is stored there: `None` is the plain
    /// path, which is no secret.
    pub configured: BTreeSet<Option<P>>,
    /// When.
    pub now: Timestamp,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPlan<P> {
    /// Take calls at these, and at no other.
    pub take: BTreeSet<Option<P>>,
    /// Have API servers call there, on condition that the configuration is still the one that
    /// was seen.
    pub point_to: Option<P>,
    /// When to look again at the latest.
    pub until: Option<Timestamp>,
}

/// One replica's part.
#[derive(Clone, Debug)]
pub struct PathPlanner<P> {
    /// How long a path is known before API servers are told.
    notice: SignedDuration,
    /// What is stored, and since when it was seen at every look.
    known: Option<(P, Timestamp)>,
    /// When each path was seen last, stored or in the configuration.
    last: BTreeMap<Option<P>, Timestamp>,
}

impl<P: Clone + Ord> PathPlanner<P> {
    /// A replica that has seen nothing yet.
    pub fn new(notice: SignedDuration) -> Self {
        Self {
            notice,
            known: None,
            last: BTreeMap::new(),
        }
    }

    /// What to do after a look.
    pub fn next(&mut self, seen: &PathState<P>) -> PathPlan<P> {
        let now = seen.now;
        let stored = seen.stored.clone().map(Some);
        for path in seen.configured.iter().cloned().chain(stored) {
            self.last.insert(path, now);
        }
        // A clock that was set back keeps none for longer.
        self.last
            .retain(|_, last| *last <= now && now < *last + AFTERWARDS);
        let known = self.known.take();
        self.known = seen.stored.clone().map(|stored| match known {
            Some((known, since)) if known == stored => (stored, since.min(now)),
            _ => (stored, now),
        });
        let away = |path: &P| {
            let mut named = seen.configured.iter();
            named.any(|named| named.as_ref() != Some(path))
        };
        let due = self.known.as_ref().filter(|(path, _)| away(path));
        let due = due.map(|(path, since)| (path, *since + self.notice));
        let left = self.last.values().filter(|last| **last < now);
        let left = left.map(|last| *last + AFTERWARDS);
        PathPlan {
            take: self.last.keys().cloned().collect(),
            point_to: due
                .filter(|(_, at)| *at <= now)
                .map(|(path, _)| path.clone()),
            until: due.map(|(_, at)| at).into_iter().chain(left).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTICE: i64 = 5;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn planner() -> PathPlanner<u8> {
        PathPlanner::new(SignedDuration::from_secs(NOTICE))
    }

    fn seen(stored: Option<u8>, configured: &[Option<u8>], now: i64) -> PathState<u8> {
        PathState {
            stored,
            configured: configured.iter().copied().collect(),
            now: time(now),
        }
    }

    #[test]
    fn a_change_of_path_goes_by_the_book() {
        let mut planner = planner();
        let mut look = |stored, configured: Option<u8>, now| {
            let plan = planner.next(&seen(stored, &[configured], now));
            let take: Vec<Option<u8>> = plan.take.into_iter().collect();
            (take, plan.point_to, plan.until.map(Timestamp::as_second))
        };
        // Before there is a secret, and until API servers were told of it.
        assert_eq!(look(None, None, 100), (vec![None], None, None));
        let both = vec![None, Some(1)];
        assert_eq!(look(Some(1), None, 110), (both.clone(), None, Some(115)));
        assert_eq!(look(Some(1), None, 115), (both.clone(), Some(1), Some(115)));
        // They take a moment to notice.
        assert_eq!(look(Some(1), Some(1), 116), (both, None, Some(145)));
        assert_eq!(look(Some(1), Some(1), 145), (vec![Some(1)], None, None));
        // The next one; a third that comes before it was told begins anew.
        let both = vec![Some(1), Some(2)];
        assert_eq!(look(Some(2), Some(1), 200), (both, None, Some(205)));
        let all = vec![Some(1), Some(2), Some(3)];
        assert_eq!(look(Some(3), Some(1), 204), (all.clone(), None, Some(209)));
        assert_eq!(look(Some(3), Some(1), 210), (all, Some(3), Some(209)));
    }

    #[test]
    fn without_a_secret_the_configuration_says_where() {
        let plan = planner().next(&seen(None, &[Some(7)], 0));
        assert_eq!(plan.take, BTreeSet::from([Some(7)]));
        assert_eq!(plan.point_to, None);
    }

    #[test]
    fn a_webhook_that_is_called_elsewhere_is_enough() {
        let mut planner = planner();
        planner.next(&seen(Some(1), &[Some(1), None], 0));
        let plan = planner.next(&seen(Some(1), &[Some(1), None], NOTICE));
        assert_eq!(plan.point_to, Some(1));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Looks(usize),
        Acts(usize),
        Rotates,
        IsReset,
        Passes(i64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0..3_usize).prop_map(Event::Looks),
            4 => (0..3_usize).prop_map(Event::Acts),
            1 => Just(Event::Rotates),
            1 => Just(Event::IsReset),
            4 => (1..4_i64).prop_map(Event::Passes),
        ]
    }

    /// A replica, what it takes, and what it is about to do.
    struct Replica {
        planner: PathPlanner<u8>,
        take: BTreeSet<Option<u8>>,
        looked: i64,
        acts: Option<(usize, Option<u8>)>,
    }

    proptest! {
        /// API servers learn of a change within 3 s, and replicas look again within 3 s.
        #[test]
        fn every_replica_takes_what_any_api_server_may_call(
            events in prop::collection::vec(event(), 0..80),
        ) {
            let mut now = 0;
            let mut stored = 0_u8;
            // What the configuration said, and since when.
            let mut history: Vec<(Option<u8>, i64)> = vec![(None, 0)];
            let mut replicas = [(); 3].map(|()| Replica {
                planner: planner(),
                take: BTreeSet::from([None]),
                looked: 0,
                acts: None,
            });
            let look = |replica: &mut Replica, stored, history: &[(Option<u8>, i64)], now| {
                let (configured, _) = *history.last().unwrap();
                let plan = replica.planner.next(&seen(Some(stored), &[configured], now));
                replica.take = plan.take;
                replica.looked = now;
                replica.acts = Some((history.len(), plan.point_to));
            };
            for event in events {
                match event {
                    Event::Looks(at) => look(&mut replicas[at], stored, &history, now),
                    Event::Acts(at) => {
                        if let Some((version, Some(to))) = replicas[at].acts.take()
                            && version == history.len()
                        {
                            history.push((Some(to), now));
                        }
                    }
                    Event::Rotates => stored += 1,
                    Event::IsReset => {
                        history.push((None, now));
                        // Their watch tells them at once.
                        for replica in &mut replicas {
                            look(replica, stored, &history, now);
                        }
                    }
                    Event::Passes(seconds) => {
                        for _ in 0..seconds {
                            now += 1;
                            for replica in &mut replicas {
                                if now - replica.looked >= 3 {
                                    look(replica, stored, &history, now);
                                }
                            }
                        }
                    }
                }
                let still = |at: usize| history.get(at + 1).is_none_or(|(_, until)| now - until <= 3);
                for (at, (path, _)) in history.iter().enumerate() {
                    for replica in &replicas {
                        prop_assert!(
                            !still(at) || replica.take.contains(path),
                            "{path:?} of {history:?} is not in {:?} at {now}", replica.take
                        );
                    }
                }
            }
        }
    }
}
