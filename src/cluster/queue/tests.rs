use std::time::Duration;

use super::until_quiet::{PATIENCE, QUIET};
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
async fn what_waits_for_quiet_comes_up_when_no_more_requests_come() {
    let queue = KeyQueue::default();
    let start = Instant::now();
    queue.note_request();
    queue.add_when_quiet(key("a"), start);
    assert!(queue.is_until_quiet(&key("a")) && !queue.is_idle());
    tokio::time::sleep(QUIET / 2).await;
    queue.note_request();
    assert_eq!(queue.next().await, key("a"));
    assert_eq!(start.elapsed().as_millis(), (QUIET + QUIET / 2).as_millis());
    queue.done(&key("a"));
    assert!(queue.is_idle());
    // Nobody asks.
    queue.add_when_quiet(key("b"), Instant::now() + PATIENCE * 2);
    queue.add_when_quiet(key("c"), Instant::now());
    assert_eq!(queue.next().await, key("c"));
    assert_eq!(start.elapsed().as_millis(), (QUIET + QUIET / 2).as_millis());
    assert_eq!(queue.next().await, key("b"));
}

#[tokio::test(start_paused = true)]
async fn requests_without_end_keep_it_waiting_for_so_long_only() {
    let queue = KeyQueue::default();
    let start = Instant::now();
    queue.add_when_quiet(key("a"), start);
    let requests = async {
        loop {
            queue.note_request();
            tokio::time::sleep(QUIET / 2).await;
        }
    };
    let next = async {
        tokio::time::sleep(QUIET / 4).await;
        queue.next().await
    };
    queue.note_request();
    tokio::select! {
        () = requests => {}
        key_ = next => assert_eq!(key_, key("a")),
    }
    assert_eq!(start.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_quiet_and_changes_comes_up_at_once_and_only_once() {
    let queue = KeyQueue::default();
    queue.note_request();
    queue.add_when_quiet(key("a"), Instant::now());
    queue.add(key("a"));
    assert_eq!(queue.next().await, key("a"));
    queue.done(&key("a"));
    assert!(queue.is_idle());
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
