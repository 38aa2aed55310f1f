//! The observer's list of objects to look at: each once, now, at a time, when there
//! is nothing else to do, or when no requests come.

#[cfg(test)]
mod tests;
mod until_quiet;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::object::ObjectKey;

use until_quiet::UntilQuiet;

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
    until_quiet: UntilQuiet,
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

    /// Has this object looked at from then on, once no requests come.
    pub fn add_when_quiet(&self, key: ObjectKey, from: Instant) {
        self.state.lock().until_quiet.add(key, from);
        self.changed.notify_one();
    }

    /// Whether this object is looked at once no requests come.
    pub fn is_until_quiet(&self, key: &ObjectKey) -> bool {
        self.state.lock().until_quiet.contains(key)
    }

    /// A request came.
    pub fn note_request(&self) {
        self.state.lock().until_quiet.note_request(Instant::now());
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
                let later = state.later.first().map(|(at, _)| *at);
                later.into_iter().chain(state.until_quiet.next()).min()
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

    /// How many objects wait to be looked at, but for those that do until some time, and since
    /// when some object that is in a hurry has.
    pub fn depth(&self) -> (usize, Option<Instant>) {
        let state = self.state.lock();
        (state.waiting(), state.behind)
    }

    /// Whether nothing waits to be looked at but at some time, and nothing is being looked at.
    pub fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.waiting() == 0 && state.running.is_empty()
    }
}

impl QueueState {
    fn waiting(&self) -> usize {
        self.ready.len() + self.low_priority.len() + self.until_quiet.len()
    }

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
            self.until_quiet.remove(&key);
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
        while let Some(key) = self.until_quiet.take(now) {
            self.low_priority.push_back(key);
        }
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
