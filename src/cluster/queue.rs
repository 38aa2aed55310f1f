//! The observer's list of objects to look at: each once, now, at a time, or when there
//! is nothing else to do.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::object::ObjectKey;

/// A queue of object keys. A key that waits is not added again; a key that is
/// being looked at and is added meanwhile comes up once more afterwards, so that
/// two workers never look at one object at a time and no change goes unseen.
///
/// What has time waits apart: it comes up when nothing else does, and a few at a time,
/// so that thousands of objects that are enrolled keep nobody waiting.
#[derive(Debug, Default)]
pub struct KeyQueue {
    state: Mutex<QueueState>,
    changed: Notify,
}

/// How many objects that have time are looked at together.
const LOW_PRIORITY_AT_ONCE: usize = 8;

#[derive(Debug, Default)]
struct QueueState {
    ready: VecDeque<ObjectKey>,
    /// Since when something has been ready at any time.
    behind: Option<Instant>,
    waiting: HashSet<ObjectKey>,
    low_priority: VecDeque<ObjectKey>,
    /// Those that have time among the running.
    low_priority_running: HashSet<ObjectKey>,
    running: HashSet<ObjectKey>,
    again: HashSet<ObjectKey>,
    later: BTreeSet<(Instant, ObjectKey)>,
    due: HashMap<ObjectKey, Instant>,
}

impl KeyQueue {
    /// Has this object looked at.
    pub fn add(&self, key: ObjectKey) {
        self.state.lock().add(key);
        self.changed.notify_one();
    }

    /// Has these objects looked at when there is nothing else to do.
    pub fn add_low_priority(&self, keys: impl IntoIterator<Item = ObjectKey>) {
        self.state.lock().low_priority.extend(keys);
        self.changed.notify_one();
    }

    /// Has only these of the objects that have time looked at.
    pub fn keep_low_priority(&self, keep: impl Fn(&ObjectKey) -> bool) {
        self.state.lock().low_priority.retain(keep);
    }

    /// How many objects that have time wait.
    pub fn low_priority_len(&self) -> usize {
        self.state.lock().low_priority.len()
    }

    /// Has this object looked at when the time has come. Of two times the earlier
    /// counts: whoever looks finds out when to look again.
    pub fn add_at(&self, key: ObjectKey, at: Instant) {
        let mut state = self.state.lock();
        if let Some(&due) = state.due.get(&key) {
            if due <= at {
                return;
            }
            state.later.remove(&(due, key.clone()));
        }
        state.due.insert(key.clone(), at);
        state.later.insert((at, key));
        drop(state);
        self.changed.notify_one();
    }

    /// The next object to look at. [`KeyQueue::done`] must follow.
    pub async fn next(&self) -> ObjectKey {
        loop {
            let changed = self.changed.notified();
            let next_due = {
                let mut state = self.state.lock();
                state.promote(Instant::now());
                if let Some(key) = state.take() {
                    if state.has_more() {
                        self.changed.notify_one();
                    }
                    return key;
                }
                state.later.first().map(|(at, _)| *at)
            };
            match next_due {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    /// An object was looked at.
    pub fn done(&self, key: &ObjectKey) {
        let mut state = self.state.lock();
        state.running.remove(key);
        state.low_priority_running.remove(key);
        state.tidy();
        if state.again.remove(key) {
            state.add(key.clone());
        }
        if state.has_more() {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// How many objects wait to be looked at now, and since when some object that is in
    /// a hurry has.
    pub fn depth(&self) -> (usize, Option<Instant>) {
        let state = self.state.lock();
        (state.ready.len() + state.low_priority.len(), state.behind)
    }

    /// Whether nothing waits to be looked at now, and nothing is being looked at.
    pub fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.ready.is_empty() && state.low_priority.is_empty() && state.running.is_empty()
    }
}

impl QueueState {
    fn add(&mut self, key: ObjectKey) {
        if self.running.contains(&key) {
            self.again.insert(key);
        } else if self.waiting.insert(key.clone()) {
            self.ready.push_back(key);
            self.behind.get_or_insert_with(Instant::now);
        }
    }

    /// Takes the next one that may run.
    fn take(&mut self) -> Option<ObjectKey> {
        if let Some(key) = self.ready.pop_front() {
            if self.ready.is_empty() {
                self.behind = None;
            }
            self.waiting.remove(&key);
            self.running.insert(key.clone());
            return Some(key);
        }
        while self.low_priority_running.len() < LOW_PRIORITY_AT_ONCE {
            let key = self.low_priority.pop_front()?;
            if self.running.insert(key.clone()) {
                self.low_priority_running.insert(key.clone());
                return Some(key);
            }
            self.again.insert(key);
        }
        None
    }

    /// Gives back the room of a long list that has come to its end.
    fn tidy(&mut self) {
        if self.low_priority.is_empty() {
            self.low_priority = VecDeque::new();
        }
    }

    /// Whether there is another one that may run.
    fn has_more(&self) -> bool {
        let low_priority =
            !self.low_priority.is_empty() && self.low_priority_running.len() < LOW_PRIORITY_AT_ONCE;
        !self.ready.is_empty() || low_priority
    }

    /// Makes ready what has come due.
    fn promote(&mut self, now: Instant) {
        while let Some((at, _)) = self.later.first() {
            if *at > now {
                return;
            }
            if let Some((_, key)) = self.later.pop_first() {
                self.due.remove(&key);
                self.add(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("g", "K", "ns", name)
    }

    #[tokio::test]
    async fn what_waits_is_not_added_twice() {
        let queue = KeyQueue::default();
        queue.add(key("a"));
        queue.add(key("a"));
        queue.add(key("b"));
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(queue.next().await, key("b"));
        queue.done(&key("a"));
        queue.done(&key("b"));
        assert!(queue.is_idle());
    }

    #[tokio::test]
    async fn what_changes_while_it_is_looked_at_comes_up_again_afterwards() {
        let queue = KeyQueue::default();
        queue.add(key("a"));
        assert_eq!(queue.next().await, key("a"));
        queue.add(key("a"));
        queue.add(key("b"));
        assert_eq!(queue.next().await, key("b"));
        queue.done(&key("a"));
        assert_eq!(queue.next().await, key("a"));
    }

    #[tokio::test]
    async fn what_has_time_lets_others_pass_and_is_taken_up_a_few_at_a_time() {
        let queue = KeyQueue::default();
        let names: Vec<String> = (0..=LOW_PRIORITY_AT_ONCE)
            .map(|number| format!("{number}"))
            .collect();
        queue.add_low_priority(names.iter().map(|name| key(name)));
        queue.add(key("now"));
        assert_eq!(queue.next().await, key("now"));
        for name in &names[..LOW_PRIORITY_AT_ONCE] {
            assert_eq!(queue.next().await, key(name));
        }
        // One more has to wait, others not.
        queue.add(key("now too"));
        assert_eq!(queue.next().await, key("now too"));
        assert_eq!((queue.low_priority_len(), queue.is_idle()), (1, false));
        assert!(futures::poll!(std::pin::pin!(queue.next())).is_pending());
        queue.done(&key("3"));
        assert_eq!(queue.next().await, key(&names[LOW_PRIORITY_AT_ONCE]));
    }

    #[tokio::test]
    async fn what_has_time_and_changes_while_it_is_looked_at_comes_up_again() {
        let queue = KeyQueue::default();
        queue.add_low_priority([key("a"), key("b"), key("c")]);
        queue.keep_low_priority(|one| *one != key("b"));
        assert_eq!(queue.next().await, key("a"));
        queue.add(key("a"));
        assert_eq!(queue.next().await, key("c"));
        queue.done(&key("a"));
        assert_eq!(queue.next().await, key("a"));
        // One that is being looked at is not looked at twice at a time.
        queue.add_low_priority([key("c")]);
        assert!(futures::poll!(std::pin::pin!(queue.next())).is_pending());
        queue.done(&key("c"));
        assert_eq!(queue.next().await, key("c"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_later_comes_later_and_the_earlier_time_counts() {
        let queue = KeyQueue::default();
        let start = Instant::now();
        queue.add_at(key("a"), start + Duration::from_secs(90));
        queue.add_at(key("a"), start + Duration::from_secs(5));
        queue.add_at(key("a"), start + Duration::from_secs(50));
        assert!(queue.is_idle());
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(start.elapsed().as_secs(), 5);
        queue.done(&key("a"));
        assert!(queue.is_idle());
    }
}
