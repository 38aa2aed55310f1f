//! Many writers on one record lose nothing, and a read sees what was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aso_guard::arm::Identity;
use aso_guard::claim::{self, Acquire, Record, Refusal};
use aso_guard::registry::{ClaimScope, PutOutcome, Registry, Versioned};
use futures::future::join_all;

use super::fixtures::{Place, create, listed, read, store};

const WRITERS: usize = 8;
const ROUNDS: usize = 5;

/// Runs one writer of each number at once, each on a task of its own.
pub(super) async fn at_once<T, F>(write: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let gate = Arc::new(tokio::sync::Barrier::new(WRITERS));
    let writers = (0..WRITERS).map(|number| {
        let (gate, work) = (gate.clone(), write(number));
        tokio::spawn(async move {
            gate.wait().await;
            work.await
        })
    });
    join_all(writers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

fn winners(puts: &[PutOutcome]) -> usize {
    puts.iter()
        .filter(|put| **put != PutOutcome::Conflict)
        .count()
}

pub async fn of_many_creators_one_wins(registry: Arc<dyn Registry>) {
    for _ in 0..ROUNDS {
        let place = Arc::new(Place::new());
        let puts = at_once(|number| {
            let (registry, place) = (registry.clone(), place.clone());
            async move {
                let record = place.parked(&place.group(), &format!("m{number}"));
                registry.put_claim(&record, None).await.unwrap()
            }
        })
        .await;
        assert_eq!(winners(&puts), 1, "{puts:?}");
        let known = read(&registry, &place.group()).await.unwrap();
        let winner = puts
            .iter()
            .position(|put| *put != PutOutcome::Conflict)
            .unwrap();
        let copy = place.copy(&format!("m{winner}"));
        assert!(known.record.copies.contains_key(&copy));
        assert!(puts.contains(&PutOutcome::Stored(Some(known.version))));
    }
}

pub async fn of_many_removers_one_wins(registry: Arc<dyn Registry>) {
    for _ in 0..ROUNDS {
        let place = Place::new();
        let record = place.parked(&place.group(), "a");
        let version = store(&registry, &record, None).await;
        let puts = at_once(|_| {
            let (registry, version) = (registry.clone(), version.clone());
            let empty = Record::new(record.identity.clone());
            async move { registry.put_claim(&empty, Some(&version)).await.unwrap() }
        })
        .await;
        assert_eq!(winners(&puts), 1, "{puts:?}");
        assert_eq!(read(&registry, &record.identity).await, None);
    }
}

/// Adds one to the number that the record's copy carries.
async fn count_up(registry: &Arc<dyn Registry>, identity: &Identity) -> usize {
    loop {
        let known = read(registry, identity).await.unwrap();
        let mut next = known.record;
        let copy = next.copies.values_mut().next().unwrap();
        let number = copy.by.parse::<usize>().unwrap() + 1;
        copy.by = number.to_string().into();
        let put = registry.put_claim(&next, Some(&known.version)).await;
        if put.unwrap() != PutOutcome::Conflict {
            return number;
        }
    }
}

/// The number that the record's copy carries.
async fn count(registry: &Arc<dyn Registry>, identity: &Identity) -> usize {
    let known = read(registry, identity).await.unwrap();
    let copy = known.record.copies.values().next().unwrap();
    copy.by.parse().unwrap()
}

/// A record that counts from zero.
async fn counter(registry: &Arc<dyn Registry>) -> Identity {
    let place = Place::new();
    let mut record = place.parked(&place.group(), "a");
    record
        .copies
        .values_mut()
        .for_each(|copy| copy.by = "0".into());
    store(registry, &record, None).await;
    record.identity
}

pub async fn no_update_is_lost(registry: Arc<dyn Registry>) {
    const EACH: usize = 10;
    let identity = counter(&registry).await;
    let seen = at_once(|_| {
        let (registry, identity) = (registry.clone(), identity.clone());
        async move {
            let mut seen = Vec::new();
            for _ in 0..EACH {
                seen.push(count_up(&registry, &identity).await);
            }
            seen
        }
    })
    .await;
    let mut seen = seen.concat();
    seen.sort_unstable();
    assert_eq!(seen, (1..=WRITERS * EACH).collect::<Vec<_>>());
    assert_eq!(count(&registry, &identity).await, WRITERS * EACH);
}

/// Reads, decides and writes as the webhook does.
async fn go_live(
    registry: &Arc<dyn Registry>,
    identity: &Identity,
    ask: &Acquire,
) -> Result<(), Refusal> {
    // As for a CREATE: no record is expected at first.
    let mut known = None;
    loop {
        let record = known
            .as_ref()
            .map(|known: &Versioned<Record>| &known.record);
        let next = claim::acquire(record, identity, ask)?;
        let version = known.as_ref().map(|known| &known.version);
        if registry.put_claim(&next, version).await.unwrap() != PutOutcome::Conflict {
            return Ok(());
        }
        known = read(registry, identity).await;
    }
}

pub async fn at_most_one_copy_goes_live(registry: Arc<dyn Registry>) {
    for _ in 0..ROUNDS {
        let place = Arc::new(Place::new());
        let outcomes = at_once(|number| {
            let (registry, place) = (registry.clone(), place.clone());
            async move {
                let copy = place.copy(&format!("m{number}"));
                let ask = create(&copy, &format!("request-{number}"));
                go_live(&registry, &place.group(), &ask)
                    .await
                    .map(|()| copy)
            }
        })
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        let [Ok(winner)] = &won[..] else {
            panic!("one copy goes live, and these did: {won:?}");
        };
        for refusal in lost.into_iter().filter_map(Result::err) {
            assert_eq!(&refusal.holders()[0].copy, winner);
        }
        let record = read(&registry, &place.group()).await.unwrap().record;
        let live: Vec<_> = record.live().map(|(copy, _)| copy).collect();
        assert_eq!(live, [winner]);
    }
}

/// A read, of one record or of a list, that starts after a write was answered
/// sees that write or a later one.
pub async fn a_read_sees_what_was_answered(registry: Arc<dyn Registry>) {
    const WRITES: usize = 20;
    let counting = counter(&registry).await;
    let place = Arc::new(Place::new());
    let (answered, registered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    at_once(|number| {
        let (registry, counting, place) = (registry.clone(), counting.clone(), place.clone());
        let (answered, registered) = (answered.clone(), registered.clone());
        async move {
            for write in 0..WRITES {
                match number {
                    0 => {
                        let number = count_up(&registry, &counting).await;
                        answered.store(number, Ordering::SeqCst);
                    }
                    1 => {
                        let id = format!("/resourceGroups/rg/providers/P/t/n{write}");
                        store(&registry, &place.parked(&place.id(&id), "a"), None).await;
                        registered.fetch_add(1, Ordering::SeqCst);
                    }
                    2..=4 => {
                        let before = answered.load(Ordering::SeqCst);
                        let read = count(&registry, &counting).await;
                        assert!(read >= before, "read {read} after {before} was answered");
                    }
                    _ => {
                        let before = registered.load(Ordering::SeqCst);
                        let listed = listed(&registry, &ClaimScope::Below(place.group()))
                            .await
                            .len();
                        assert!(
                            listed >= before,
                            "{listed} listed after {before} were answered"
                        );
                    }
                }
            }
        }
    })
    .await;
    assert_eq!(count(&registry, &counting).await, WRITES);
    let all = listed(&registry, &ClaimScope::Below(place.group())).await;
    assert_eq!(all.len(), WRITES);
}
