//! While an open transfer moves a resource, it goes live only where it is moved to, and
//! nobody deletes it.

use aso_guard::admission::{Exempt, Mode, Privileges};
use aso_guard::registry::transfers::{self, entry};
use aso_guard::transfer::{Selection, Transfer, TransferAction, TransferStage};
use rstest::rstest;

use super::object::{POLICY, account, dry, group};
use super::surroundings::namespace;
use super::world::World;

const RG: &str = "/resourceGroups/rg";

/// Opens transfer `t` of all that is in `a/team` to `b/team`.
async fn open(world: &World) -> Transfer {
    let place = |text: &str| text.parse().unwrap();
    let name = "t".parse().unwrap();
    let wanted = Transfer::new(name, place("a/team"), place("b/team"), Selection::default());
    let registry = &*world.registry.inner;
    let said = entry(TransferAction::Start, "alice", None);
    transfers::start(registry, &wanted, &said).await.unwrap();
    let opened = transfers::open(registry, &wanted.name, &|_| true).await;
    opened.unwrap().transfer
}

async fn stage(world: &World) -> TransferStage {
    let registry = &*world.registry.inner;
    let known = registry.transfer(&"t".parse().unwrap()).await.unwrap();
    let progress = transfers::look(registry, &known.unwrap().record).await;
    progress.unwrap().resources[0].stage
}

#[tokio::test]
async fn the_four_steps_go_through_and_each_is_told() {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    open(&world).await;
    assert_eq!(stage(&world).await, TransferStage::Live);
    world
        .a
        .ask(&live.delete())
        .await
        .refused(403, "TransferDepends");
    let early = world.b.ask(&group("rg").create()).await;
    early.refused(403, "LiveElsewhere");

    let parked = world.a.update(&live, &live.clone().policy("skip")).await;
    assert_eq!(stage(&world).await, TransferStage::Parked);
    let moved = world.b.create(&group("rg")).await;
    assert_eq!(stage(&world).await, TransferStage::Moved);
    world
        .b
        .ask(&moved.delete())
        .await
        .refused(403, "TransferDepends");

    world.a.ask(&parked.delete()).await.admitted();
    world.a.remove(&parked).await;
    assert_eq!(stage(&world).await, TransferStage::Done);
    world
        .b
        .ask(&moved.delete())
        .await
        .refused(403, "TransferDepends");
    let name = "t".parse().unwrap();
    let registry = &*world.registry.inner;
    transfers::close(registry, &name, None).await.unwrap();
    world.b.ask(&moved.delete()).await.admitted();
}

#[rstest]
#[case::at_its_source("team", true)]
#[case::in_another_namespace("other", true)]
#[tokio::test]
async fn it_goes_live_nowhere_else(#[case] place: &str, #[case] in_a: bool) {
    let world = World::new();
    let parked = world.a.store(&group("rg").policy("skip")).await;
    open(&world).await;
    let member = if in_a { &world.a } else { &world.b };
    let review = if place == "team" {
        parked.update(&parked.clone().policy("manage"))
    } else {
        group("rg").in_namespace(place).create()
    };
    let answer = member.ask(&review).await;
    let message = answer.refused(403, "InTransfer");
    for words in [
        "would go against transfer t: resourceGroups/rg is being moved from a/team to b/team",
        "and may be live only there until the transfer ends",
        "  aso-guard transfer status t",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let record = world.record(RG).await.unwrap();
    assert_eq!(record.live().count(), 0, "what is refused leaves nothing");
}

#[tokio::test]
async fn what_contains_it_is_not_deleted_nor_its_namespace() {
    let world = World::new();
    let rg = world.a.create(&group("rg")).await;
    world.a.create(&account("st", "rg").policy("skip")).await;
    let place = |text: &str| text.parse().unwrap();
    let selection = Selection {
        kinds: vec!["StorageAccount".into()],
        ..Selection::default()
    };
    let wanted = Transfer::new(place_name(), place("a/team"), place("b/team"), selection);
    let registry = &*world.registry.inner;
    let said = entry(TransferAction::Start, "alice", None);
    transfers::start(registry, &wanted, &said).await.unwrap();
    transfers::open(registry, &wanted.name, &|_| true)
        .await
        .unwrap();

    let answer = world.a.ask(&rg.delete()).await;
    let message = answer.refused(403, "TransferDepends");
    assert!(
        message.contains("moves storageAccounts/st inside of it"),
        "{message}"
    );
    assert_eq!(world.record(RG).await.unwrap().being_deleted(), None);
    let answer = world.a.ask(&namespace().delete()).await;
    answer.refused(403, "ChildRefused");
    let parked = world.a.update(&rg, &rg.clone().policy("skip")).await;
    world.a.ask(&parked.delete()).await.admitted();
    world.a.ask(&namespace().delete()).await.admitted();
}

fn place_name() -> aso_guard::claim::TransferName {
    "t".parse().unwrap()
}

#[tokio::test]
async fn a_policy_of_a_namespace_does_not_wake_it() {
    let world = World::new();
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    world.a.store(&group("rg")).await;
    open(&world).await;
    let parked = namespace().annotated(POLICY, "skip");
    let answer = world.a.ask(&parked.update(&namespace())).await;
    let message = answer.refused(403, "WakesChild");
    assert!(message.contains("would go against transfer t"), "{message}");
}

#[tokio::test]
async fn a_delete_under_way_does_not_become_a_real_one() {
    let world = World::new();
    let going = world
        .a
        .store(&group("rg").policy("skip").terminating())
        .await;
    open(&world).await;
    let woken = going.clone().policy("manage");
    let answer = world.a.ask(&going.update(&woken)).await;
    let message = answer.refused(403, "TransferDepends");
    assert!(
        message.contains("Keep skip: the delete then finishes"),
        "{message}"
    );
}

#[tokio::test]
async fn a_dry_run_has_the_true_verdict() {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    open(&world).await;
    let before = world.record(RG).await;
    let answer = world.a.ask(&dry(live.delete())).await;
    answer.refused(403, "TransferDepends");
    let elsewhere = group("rg").in_namespace("other");
    let answer = world.a.ask(&dry(elsewhere.create())).await;
    answer.refused(403, "InTransfer");
    assert_eq!(world.record(RG).await, before);
}

#[tokio::test]
async fn audit_mode_warns_and_the_claim_covers_what_goes_through() {
    let world = World::in_audit_mode();
    world.b.store(&group("other").in_namespace("x")).await;
    world.a.store(&group("rg").policy("skip")).await;
    open(&world).await;
    let elsewhere = group("rg").in_namespace("elsewhere");
    let words = world.a.ask(&elsewhere.create()).await.warned("InTransfer");
    assert!(words.contains("would refuse this"), "{words}");
    let record = world.record(RG).await.unwrap();
    assert_eq!(record.live().count(), 1);
    assert!(record.reserved.is_some(), "the transfer stays");
    world.a.store(&elsewhere).await;
    assert_eq!(stage(&world).await, TransferStage::Conflict);
}

#[tokio::test]
async fn an_override_goes_through_and_is_remembered() {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    open(&world).await;
    let doomed = live.annotated("asoguard.io/override", "INC-7: it has to go");
    let answer = world.a.ask(&doomed.delete()).await;
    answer.overridden("TransferDepends", "INC-7: it has to go");
    let record = world.record(RG).await.unwrap();
    assert!(record.being_deleted().is_some());
    assert_eq!(&*record.history[0].refusal, "TransferDepends");
    assert_eq!(stage(&world).await, TransferStage::Deleting);
}

#[tokio::test]
async fn who_is_exempt_is_let_through_and_claimed() {
    let mut exempt = Exempt::default();
    exempt.users = vec!["alice".to_owned()];
    let world = World::among(Privileges {
        exempt,
        ..Privileges::default()
    });
    let live = world.a.store(&group("rg")).await;
    open(&world).await;
    world.a.ask(&live.delete()).await.unjudged();
    assert_eq!(stage(&world).await, TransferStage::Deleting);
}

#[tokio::test]
async fn mode_off_protects_nothing_and_the_claims_still_say_what_is() {
    let world = World::new();
    let live = world.a.store(&group("rg")).await;
    open(&world).await;
    world.a.cluster.change_namespace("team", |known| {
        known.mode = Some(Mode::Off.as_str().into());
    });
    world.a.ask(&live.delete()).await.unjudged();
    assert!(world.record(RG).await.unwrap().being_deleted().is_some());
}
