//! The label `asoguard.io/mode` on a namespace, and what is exempt from all judgement.

use aso_guard::admission::{Exempt, Privileges};
use rstest::rstest;
use serde_json::{Value, json};

use super::object::{Object, group, with};
use super::world::World;

const MODE: &str = "/metadata/labels/asoguard.io~1mode";

fn namespace(mode: Option<&str>) -> Object {
    let bare = Object(json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "team", "labels": {"x": "y"}},
    }));
    match mode {
        Some(mode) => bare.with(MODE, json!(mode)),
        None => bare,
    }
}

fn by(review: Value, group: &str) -> Value {
    with(review, "/request/userInfo/groups", json!([group]))
}

fn set(world: &World, mode: &str) {
    let cluster = &world.a.cluster;
    cluster.change_namespace("team", |known| known.mode = Some(mode.into()));
}

#[tokio::test]
async fn a_namespace_may_warn_where_the_cluster_enforces() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    set(&world, "audit");
    world
        .a
        .ask(&group("rg").create())
        .await
        .warned("LiveElsewhere");
    let elsewhere = group("rg").in_namespace("other");
    world
        .a
        .ask(&elsewhere.create())
        .await
        .refused(403, "LiveElsewhere");
    // What is let through is claimed.
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.state().as_str(), "Conflict");
}

#[tokio::test]
async fn a_namespace_may_enforce_where_the_cluster_warns() {
    let world = World::in_audit_mode();
    world.b.create(&group("rg")).await;
    set(&world, "enforce");
    world
        .a
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    let elsewhere = group("rg").in_namespace("other");
    world
        .a
        .ask(&elsewhere.create())
        .await
        .warned("LiveElsewhere");
}

#[tokio::test]
async fn off_says_nothing_and_claims_all_the_same() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    set(&world, "off");
    world
        .a
        .ask(&group("rg").policy("Skip").create())
        .await
        .unjudged();
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.live().count(), 2);
    let stored = world.a.store(&group("rg")).await;
    world.a.ask(&stored.delete()).await.unjudged();
    let odd = group("rg").with("/spec/azureName", json!(7));
    world.a.ask(&odd.create()).await.unjudged();
}

#[tokio::test]
async fn a_mode_that_is_none_leaves_the_clusters_and_is_told() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    set(&world, "Off");
    let answer = world.a.ask(&group("rg").create()).await;
    answer.refused(403, "LiveElsewhere");
    let told = answer.warnings.join(" ");
    assert!(
        told.contains("\"Off\" is no mode, so enforce is in force"),
        "{told}"
    );
    // So to write one loosens nothing, and is told at once.
    let answer = world.a.ask(&namespace(Some("Off")).create()).await;
    assert!(answer.allowed && !answer.warnings.is_empty(), "{answer:?}");
}

#[rstest]
#[case(None, Some("audit"), true)]
#[case(None, Some("off"), true)]
#[case(Some("enforce"), Some("off"), true)]
#[case(Some("audit"), Some("off"), true)]
#[case(None, Some("enforce"), false)]
#[case(Some("enforce"), None, false)]
#[case(Some("off"), None, false)]
#[case(Some("off"), Some("audit"), false)]
#[case(Some("audit"), Some("aduit"), false)]
#[tokio::test]
async fn who_may_loosen_it(
    #[case] old: Option<&str>,
    #[case] new: Option<&str>,
    #[case] loosens: bool,
) {
    for with_objects in [true, false] {
        let world = World::new();
        if with_objects {
            world.a.store(&group("rg")).await;
        }
        let (old, new) = (namespace(old), namespace(new));
        let update = old.update(&new);
        let answer = world.a.ask(&by(update.clone(), "devs")).await;
        assert_eq!(answer.allowed, !loosens, "{answer:#?}");
        if loosens && old.text(MODE) != "audit" {
            let words = answer.refused(403, "ModeGuarded");
            assert!(words.contains("system:masters"), "{words}");
            assert_eq!(
                words.contains("team/ResourceGroup/rg"),
                with_objects,
                "{words}"
            );
        }
        assert!(world.a.ask(&by(update, "system:masters")).await.allowed);
    }
}

#[tokio::test]
async fn a_new_namespace_may_not_slip_away_either() {
    let world = World::new();
    let create = namespace(Some("off")).create();
    world
        .a
        .ask(&by(create.clone(), "devs"))
        .await
        .refused(403, "ModeGuarded");
    let why = namespace(Some("off")).annotated("asoguard.io/override", "a sandbox");
    world
        .a
        .ask(&by(why.create(), "devs"))
        .await
        .overridden("ModeGuarded", "a sandbox");
    world
        .a
        .ask(&by(namespace(None).create(), "devs"))
        .await
        .admitted();

    let world = World::in_audit_mode();
    world.a.ask(&by(create, "devs")).await.warned("ModeGuarded");
}

#[tokio::test]
async fn what_is_exempt_is_let_through_and_claimed() {
    let exempt = Exempt::new(
        &["sandbox".to_owned()],
        vec!["robot".to_owned()],
        vec!["robots".to_owned()],
    );
    let world = World::among(Privileges {
        exempt,
        ..Privileges::default()
    });
    world.b.create(&group("rg")).await;
    world
        .a
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    let robot = with(
        group("rg").create(),
        "/request/userInfo/username",
        json!("robot"),
    );
    for review in [
        group("rg").in_namespace("sandbox").create(),
        group("rg").in_namespace("kube-system").create(),
        robot,
        by(group("rg").create(), "robots"),
    ] {
        world.a.ask(&review).await.unjudged();
    }
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.live().count(), 4);
}

/// Kubernetes' own controllers are not exempt by themselves.
#[rstest]
#[case("system:serviceaccount:kube-system:namespace-controller")]
#[case("system:serviceaccount:kube-system:generic-garbage-collector")]
#[tokio::test]
async fn kubernetes_own_controllers_are_refused_like_others(#[case] user: &str) {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.b.store(&group("rg").policy("skip")).await;
    let review = with(stored.delete(), "/request/userInfo/username", json!(user));
    let review = by(review, "system:serviceaccounts:kube-system");
    world.a.ask(&review).await.refused(403, "PeersDepend");
}
