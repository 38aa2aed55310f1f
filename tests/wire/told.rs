//! What people hear of a verdict who did not ask for it: notices on objects.

use std::sync::{Mutex, PoisonError};

use aso_guard::telemetry::{Notice, Notices, Severity};

use super::object::{dry, group};
use super::surroundings::namespace;
use super::world::World;

/// Keeps what was told.
#[derive(Default)]
pub struct Told(Mutex<Vec<Notice>>);

impl Notices for Told {
    fn tell(&self, notice: Notice) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(notice);
    }
}

impl Told {
    /// What was told since the last time.
    pub fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[tokio::test]
async fn a_plain_yes_is_told_to_nobody() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.a.ask(&stored.delete()).await.admitted();
    assert_eq!(world.a.notices.take(), []);
}

#[tokio::test]
async fn a_refused_create_is_told_without_a_uid() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    world.a.ask(&group("rg").create()).await;
    let told = world.a.notices.take();
    let [notice] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(notice.object.to_string(), "team/ResourceGroup/rg");
    assert_eq!(
        (notice.severity, notice.reason),
        (Severity::Warning, "LiveElsewhere")
    );
    assert_eq!(notice.uid, None);
    let words = &notice.message;
    assert!(
        words.starts_with("refused: creating this copy live would have two ASOs"),
        "{words}"
    );
    assert!(
        words.contains("live in cluster b as team/ResourceGroup/rg"),
        "{words}"
    );
    assert!(
        words.contains("kubectl --context b -n team annotate"),
        "{words}"
    );
}

#[tokio::test]
async fn a_refused_delete_is_told_on_the_object_itself() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.b.create(&group("rg").policy("skip")).await;
    world.a.ask(&stored.delete()).await;
    let told = world.a.notices.take();
    let [notice] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(notice.reason, "PeersDepend");
    assert!(notice.uid.as_deref().is_some_and(|uid| !uid.is_empty()));
}

#[tokio::test]
async fn what_audit_would_refuse_is_told_as_a_warning() {
    let world = World::in_audit_mode();
    world.b.create(&group("rg")).await;
    world
        .a
        .ask(&group("rg").create())
        .await
        .warned("LiveElsewhere");
    let told = world.a.notices.take();
    assert!(
        told[0].message.starts_with("aso-guard would refuse this"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_dry_run_is_told_to_nobody() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    world.a.ask(&dry(group("rg").create())).await;
    assert_eq!(world.a.notices.take(), []);
}

#[tokio::test]
async fn a_namespace_is_told_of_by_its_own_name() {
    let world = World::new();
    world.a.create(&group("rg")).await;
    world.b.create(&group("rg").policy("skip")).await;
    let review = namespace().delete();
    world.a.ask(&review).await;
    let told = world.a.notices.take();
    let [notice] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (
            &*notice.object.kind,
            &*notice.object.name,
            &*notice.object.namespace
        ),
        ("Namespace", "team", "")
    );
}
