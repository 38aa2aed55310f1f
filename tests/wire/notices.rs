//! What people hear of a verdict who did not ask for it: Events on objects.

use std::sync::{Mutex, PoisonError};

use aso_guard::telemetry::{Notice, Notices, Severity};

use super::object::{dry, group};
use super::surroundings::namespace;
use super::world::World;

/// Keeps the notices that Events are made of.
#[derive(Default)]
pub struct RecordedNotices(Mutex<Vec<Notice>>);

impl Notices for RecordedNotices {
    fn report(&self, notice: Notice) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(notice);
    }
}

impl RecordedNotices {
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
        words.ends_with(
            "Park that copy first, then try again:\n  kubectl --context b -n team annotate \
             --overwrite resourcegroup.resources.azure.com/rg \
             serviceoperator.azure.com/reconcile-policy=skip"
        ),
        "no more than the first line and the fix: {words}"
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
        told[0]
            .message
            .starts_with("aso-guard would refuse this: creating this copy live"),
        "{told:?}"
    );
    assert!(told[0].message.ends_with("=skip"), "{told:?}");
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
