//! An error belongs to its object, and is in no other's way.

use std::sync::Arc;
use std::time::Duration;

use aso_guard::cluster::observer::{Observer, WatchedChange};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::object::{Object, group};
use super::stale::{FORBIDDEN, replica};
use super::world::{World, facts, key};

/// An object whose credential nobody may read.
fn forbidden(name: &str) -> Object {
    let annotation = "/metadata/annotations/serviceoperator.azure.com~1credential-from";
    group(name)
        .with("/metadata/annotations", json!({}))
        .with(annotation, json!(FORBIDDEN))
}

/// The observer works for so long.
async fn works(observer: &Arc<Observer>, time: Duration) {
    let stop = CancellationToken::new();
    let running = tokio::spawn(observer.clone().run(stop.clone()));
    tokio::time::sleep(time).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_resolved_is_shown_and_the_others_are_adopted_settled_and_released() {
    let world = World::new();
    let gone = group("gone");
    world.a.ask(&gone.create()).await.admitted();
    world.a.store(&gone).await;
    world.a.cluster.remove(&key(&gone));
    let pending = group("pending");
    world.a.ask(&pending.create()).await.admitted();
    let (pending, older) = (pending, group("older"));
    let broken = forbidden("broken");
    for object in [&pending, &older, &broken] {
        world.a.cluster.store(facts(object));
    }
    let (_, observer) = replica(&world, &[&pending, &older, &broken]);
    let observer = Arc::new(observer);

    observer.compare().await.unwrap();
    works(&observer, Duration::from_secs(1)).await;
    assert!(observer.has_caught_up());
    assert_eq!(observer.unresolved(), (1, vec![key(&broken).to_string()]));
    assert_eq!(world.record("/resourceGroups/gone").await, None);
    for name in ["pending", "older"] {
        let record = world.record(&format!("/resourceGroups/{name}")).await;
        assert_eq!(record.unwrap().state().as_str(), "Live", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn hundreds_that_cannot_be_resolved_keep_no_other_waiting() {
    let world = World::new();
    let broken: Vec<Object> = (0..300)
        .map(|n| forbidden(&format!("broken-{n}")))
        .collect();
    let fine = group("fine");
    let mut remembered: Vec<&Object> = broken.iter().collect();
    remembered.push(&fine);
    let (_, observer) = replica(&world, &remembered);
    let observer = Arc::new(observer);
    for object in &remembered {
        let stored = world.a.cluster.store(facts(object));
        observer.changed(&stored.key, &stored.uid, WatchedChange::Relevant);
    }
    works(&observer, Duration::from_millis(100)).await;
    assert!(world.record("/resourceGroups/fine").await.is_some());

    // They are tried again, ever less often.
    let before = observer.unresolved().0;
    works(&observer, Duration::from_mins(10)).await;
    assert_eq!((before, observer.unresolved().0), (300, 300));
}
