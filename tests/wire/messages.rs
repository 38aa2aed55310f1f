//! `docs/messages.md`: every refusal and warning as a person sees it, made by the webhook itself,
//! and checked here to be what it says.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use aso_guard::admission::{GuardSettings, Mode, OnUnresolved, Overrides, Privileges};
use aso_guard::claim::Reason;
use aso_guard::registry::MemberRecord;
use aso_guard::registry::transfers::{self, entry};
use aso_guard::transfer::{Selection, Transfer, TransferAction};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::Answer;
use super::crowd::crowded;
use super::fenced::fence;
use super::moving::Fleet;
use super::object::{Object, POLICY, RESOURCE_ID, account, group, with};
use super::stale::Withheld;
use super::surroundings::{definition, namespace};
use super::tampered::Trouble;
use super::unread::replica;
use super::world::{SETTINGS, SUBSCRIPTION, World, facts, member};

/// How many lines a terminal has.
const SCREEN: usize = 24;
const OVERRIDE: &str = "asoguard.io/override";
const HEAD: &str = "# What it says\n\n\
    Every refusal and warning, by its reason: [what each means](refusals.md). In each, cluster `a` \
    is where the request was made, `b` another member, and `hub` the cluster of the registry. \
    Made by the webhook: `INSTA_UPDATE=always cargo test --test wire messages` writes it anew.\n";

/// What was done, and what came of it.
type Case = (&'static str, Answer);

fn id(rest: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{rest}")
}

/// An account whose owner is named by its ARM ID.
fn rooted(name: &str, group: &str) -> Object {
    account(name, group).with("/spec/owner", json!({"armId": id(group)}))
}

async fn heard(world: &World, name: &str, ago: SignedDuration) {
    let registry = &world.registry.inner;
    let known = registry.member(&name.parse().unwrap()).await.unwrap();
    let record = MemberRecord {
        heard: Timestamp::now() - ago,
        ..member(name)
    };
    let version = known.map(|known| known.version);
    let put = registry.put_member(&record, version.as_ref());
    put.await.unwrap();
}

async fn forget(world: &World, name: &str) {
    let (registry, name) = (&world.registry.inner, name.parse().unwrap());
    let known = registry.member(&name).await.unwrap().unwrap();
    registry.remove_member(&name, &known.version).await.unwrap();
}

/// A transfer of these kinds, or of all, from `a/team` to `b/team`.
async fn transfer(world: &World, kinds: &[&str]) {
    let place = |text: &str| text.parse().unwrap();
    let selection = Selection {
        kinds: kinds.iter().copied().map(Into::into).collect(),
        ..Selection::default()
    };
    let name = "move-shop".parse().unwrap();
    let wanted = Transfer::new(name, place("a/team"), place("b/team"), selection);
    let registry = &*world.registry.inner;
    let said = entry(TransferAction::Start, "alice", None);
    transfers::start(registry, &wanted, &said).await.unwrap();
    let opened = transfers::open(registry, &wanted.name, &|_| true).await;
    opened.unwrap();
}

async fn live_elsewhere() -> Vec<Case> {
    let rg = group("rg");
    let parked = rg.clone().policy("skip");
    let world = World::new();
    world.b.ask(&rg.create()).await.admitted();
    let pending = world.a.ask(&group("rg").create()).await;
    world.b.store(&rg).await;
    let create = world.a.ask(&group("rg").create()).await;
    let here = world.a.store(&parked).await;
    let woken = here.clone().policy("manage");
    let activate = world.a.ask(&here.update(&woken)).await;
    let mine = world.a.create(&group("mine")).await;
    let renamed = mine.clone().with("/spec/azureName", json!("rg"));
    let rename = world.a.ask(&mine.update(&renamed)).await;
    heard(&world, "b", SignedDuration::from_hours(27)).await;
    let silent = world.a.ask(&here.update(&woken)).await;
    forget(&world, "b").await;
    let forgotten = world.a.ask(&here.update(&woken)).await;
    let audit = World::in_audit_mode();
    audit.b.create(&group("rg")).await;
    let warned = audit.a.ask(&group("rg").create()).await;
    let deleting = World::new();
    let going = deleting.b.create(&group("rg")).await;
    deleting.b.ask(&going.delete()).await.admitted();
    let reborn = deleting.a.ask(&group("rg").create()).await;
    let same = World::new();
    same.a.create(&group("rg")).await;
    let other = group("rg").named("other").in_namespace("shop");
    let twice = same.a.ask(&other.create()).await;
    vec![
        ("create, while a copy is live in another cluster", create),
        ("the same, in audit mode", warned),
        ("create, while a copy is live in this cluster", twice),
        ("create, while a copy is just going live", pending),
        ("create, while a copy is being deleted", reborn),
        ("skip taken off", activate),
        ("another name in Azure", rename),
        ("a cluster that was not heard from for long", silent),
        ("a cluster that was forgotten", forgotten),
    ]
}

async fn rebuilding() -> Vec<Case> {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    world.lose_claims();
    let noticed = world.a.ask(&live.delete()).await;
    world.a.epoch.look().await.unwrap();
    let create = world.a.ask(&group("new").create()).await;
    let audit = World::in_audit_mode();
    audit.lose_claims();
    audit.a.epoch.look().await.unwrap();
    let warned = audit.a.ask(&group("new").create()).await;
    vec![
        ("delete, just after all claims were lost", noticed),
        ("create, while members bring their copies in again", create),
        ("the same, in audit mode", warned),
    ]
}

async fn moving() -> Vec<Case> {
    let review = group("rg").create();
    let fleet = Fleet::prepared().await;
    let next = fleet.ask_next(&review).await;
    fleet.close().await;
    fleet.look().await;
    let closing = fleet.ask_alone(&review).await;
    fleet.finish().await;
    fleet.look().await;
    let closed = fleet.ask_alone(&review).await;
    vec![
        (
            "create, where the guard has only the registry that the fleet moves to",
            next,
        ),
        (
            "create, where it has only the one that the fleet moves from",
            closing,
        ),
        ("the same, once the fleet has moved", closed),
    ]
}

async fn in_transfers() -> Vec<Case> {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    transfer(&world, &[]).await;
    let delete = world.a.ask(&live.delete()).await;
    let parked = live.clone().policy("skip");
    let parked = world.a.update(&live, &parked).await;
    let create = world
        .b
        .ask(&group("rg").in_namespace("other").create())
        .await;
    let activate = parked.update(&parked.clone().policy("manage"));
    let activate = world.a.ask(&activate).await;
    let inside = World::new();
    let rg = inside.a.create(&group("rg")).await;
    inside.a.create(&account("st", "rg").policy("skip")).await;
    transfer(&inside, &["StorageAccount"]).await;
    let contains = inside.a.ask(&rg.delete()).await;
    vec![
        ("create anywhere but in the transfer's target", create),
        ("skip taken off at the source", activate),
        ("delete of what is moved", delete),
        ("delete of what contains it", contains),
    ]
}

async fn deletes() -> Vec<Case> {
    let world = World::new();
    let rg = world.a.create(&group("rg")).await;
    world.b.create(&group("rg").policy("skip")).await;
    let parked = world.a.ask(&rg.delete()).await;
    heard(&world, "b", SignedDuration::from_hours(27)).await;
    let silent = world.a.ask(&rg.delete()).await;
    forget(&world, "b").await;
    let forgotten = world.a.ask(&rg.delete()).await;
    heard(&world, "b", SignedDuration::ZERO).await;
    for name in ["two", "three", "four"] {
        world
            .b
            .create(&group("rg").policy("skip").in_namespace(name))
            .await;
    }
    let four = world.a.ask(&rg.delete()).await;
    let leaving = world
        .a
        .store(&rg.clone().policy("skip").terminating())
        .await;
    let wakes = leaving.update(&leaving.clone().policy("manage"));
    let wakes = world.a.ask(&wakes).await;
    let audit = World::in_audit_mode();
    let rg = audit.a.create(&group("rg")).await;
    audit.b.create(&group("rg").policy("skip")).await;
    let warned = audit.a.ask(&rg.delete()).await;
    let moving = World::new();
    let rg = group("rg").policy("skip");
    let rg = moving.a.create(&rg).await;
    moving.b.create(&group("rg").policy("skip")).await;
    let bare = group("rg").annotated("clusterctl.cluster.x-k8s.io/delete-for-move", "");
    let moved = moving.a.ask(&rg.update(&bare)).await;
    vec![
        ("delete, while another copy is parked elsewhere", parked),
        ("the same, in audit mode", warned),
        ("delete, while many are", four),
        ("delete, while a silent cluster has a copy", silent),
        ("delete, while a forgotten cluster has one", forgotten),
        ("manage set while a safe delete is under way", wakes),
        ("clusterctl's way to delete", moved),
    ]
}

async fn families() -> Vec<Case> {
    let world = World::new();
    let rg = world.a.create(&group("rg")).await;
    world.b.create(&rooted("st", "rg")).await;
    let depend = world.a.ask(&rg.delete()).await;
    let goes = World::new();
    let rg = goes.a.create(&group("rg")).await;
    goes.a.create(&account("st", "rg")).await;
    goes.b.create(&rooted("st", "rg").policy("skip")).await;
    let refused = goes.a.ask(&rg.delete()).await;
    let in_namespace = goes.a.ask(&namespace().delete()).await;
    let takes = World::new();
    let rg = takes.a.create(&group("rg").policy("skip")).await;
    for name in ["st1", "st2", "st3", "st4"] {
        takes.a.create(&account(name, "rg")).await;
    }
    let takes = takes.a.ask(&rg.delete()).await;
    let wakes = World::new();
    wakes.b.create(&rooted("st", "in-azure")).await;
    wakes.a.store(&account("st", "here")).await;
    let owner = group("in-azure").named("here");
    let woken = wakes.a.ask(&owner.create()).await;
    let policy = World::new();
    let parked = namespace().annotated(POLICY, "skip");
    policy.a.cluster.set_namespace_policy("team", Some("skip"));
    policy.a.store(&group("rg")).await;
    policy.b.create(&group("rg")).await;
    let policy = policy.a.ask(&parked.update(&namespace())).await;
    let gone = World::new();
    let rg = gone.a.create(&group("rg")).await;
    gone.a.ask(&rg.delete()).await.admitted();
    let ancestor = gone.b.ask(&rooted("st", "rg").create()).await;
    vec![
        ("delete, while others hold resources inside", depend),
        ("delete of an owner, whose child may not go", refused),
        ("delete of the namespace of both", in_namespace),
        ("delete of a parked owner of live children", takes),
        ("create of an owner that a child waits for", woken),
        ("skip taken off the namespace", policy),
        ("create inside of what is being deleted", ancestor),
    ]
}

async fn protected() -> Vec<Case> {
    let world = World::new();
    let production = |name: &str| group(name).annotated("asoguard.io/protect", "production");
    let rg = world.a.create(&production("rg")).await;
    let delete = world.a.ask(&rg.delete()).await;
    let going = production("going").policy("skip").terminating();
    let going = world.a.store(&going).await;
    let woken = going.clone().policy("manage");
    let wake = world.a.ask(&going.update(&woken)).await;
    let shop = Some("the shop".into());
    world
        .a
        .cluster
        .change_namespace("team", |known| known.protect = shop);
    let inside = world.a.create(&group("inside")).await;
    let by_namespace = world.a.ask(&inside.delete()).await;
    vec![
        ("delete of what is protected", delete),
        ("delete in a namespace that is protected", by_namespace),
        ("skip taken off what is being deleted and protected", wake),
    ]
}

async fn fenced() -> Vec<Case> {
    let world = World::new();
    let live = world.a.create(&group("live")).await;
    fence(&world).await;
    let create = world.a.ask(&group("rg").create()).await;
    let delete = world.a.ask(&live.delete()).await;
    vec![
        ("create in a cluster that was declared lost", create),
        ("delete in one", delete),
    ]
}

async fn surroundings() -> Vec<Case> {
    let world = World::new();
    for name in ["one", "two", "three", "four"] {
        world.a.store(&group(name)).await;
    }
    let kind = world.a.ask(&definition("ResourceGroup").delete()).await;
    let all = world.a.ask(&namespace().delete()).await;
    let bare = Object(json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"},
    }));
    let label = world.a.ask(&namespace().update(&bare)).await;
    let off = namespace().with("/metadata/labels/asoguard.io~1mode", json!("off"));
    let by = |review: Value| with(review, "/request/userInfo/groups", json!(["devs"]));
    let mode = world.a.ask(&by(namespace().update(&off))).await;
    let breakers = World::among(Privileges {
        overrides: Overrides::Groups(vec!["breakers".to_owned()]),
        ..Privileges::default()
    });
    let armed = namespace().annotated(OVERRIDE, "team is gone");
    let armed = breakers.a.ask(&by(namespace().update(&armed))).await;
    vec![
        ("delete of a CRD", kind),
        ("delete of a namespace, which is allowed", all),
        ("the guard's label taken off a namespace", label),
        ("an override set on a namespace by who may not", armed),
        ("a namespace guarded less", mode),
    ]
}

async fn foreign() -> Vec<Case> {
    let world = World::new();
    world.b.create(&group("theirs")).await;
    let pasted = group("mine").annotated(RESOURCE_ID, &id("theirs"));
    let pasted = world.a.ask(&pasted.create()).await;
    let lost = account("st", "rg").with("/spec/owner", json!({}));
    let warned = world.a.ask(&lost.create()).await;
    let strict = World::with(GuardSettings {
        on_unresolved: OnUnresolved::Deny,
        ..SETTINGS
    });
    let denied = strict.a.ask(&lost.create()).await;
    let unknown = world.a.ask(&group("rg").policy("Skip").create()).await;
    let odd = group("rg").with("/spec/azureName", json!(7));
    let odd = world.a.ask(&odd.create()).await;
    let orphan = world.a.ask(&account("st", "later").create()).await;
    vec![
        ("a manifest copied with its resource-id", pasted),
        ("an object that no resource can be told of", warned),
        ("the same with --on-unresolved deny", denied),
        ("an owner that is not there yet", orphan),
        ("a policy that ASO does not know", unknown),
        ("a field of a wrong type", odd),
    ]
}

async fn unknown() -> Vec<Case> {
    let world = World::new();
    let rg = group("rg");
    world.registry.set(Trouble::Unreachable);
    let away = world.a.ask(&rg.create()).await;
    world.registry.set(Trouble::Hangs);
    let hangs = world.a.ask_within("1s", &rg.create()).await;
    let rest = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg";
    world.registry.set(Trouble::Unreadable(rest));
    let broken = world.a.ask(&rg.create()).await;
    let audit = World::with(GuardSettings {
        mode: Mode::Audit,
        ..SETTINGS
    });
    audit.registry.set(Trouble::Unreachable);
    let warned = audit.a.ask(&rg.create()).await;
    let slow = World::new();
    let (crowded, _waiting) = crowded(&slow, SETTINGS).await;
    let crowded = crowded.ask(&rg.create()).await;
    let many = World::new();
    many.a.cluster.set_namespace_policy("team", Some("skip"));
    for number in 0..2001 {
        let name = format!("rg-{number}");
        many.a.cluster.store(facts(&group(&name)));
    }
    let parked = namespace().annotated(POLICY, "skip");
    let parts = many.a.ask(&parked.update(&namespace())).await;
    let parts_unread = {
        let world = World::new();
        world.a.cluster.set_namespace_policy("team", Some("skip"));
        world.a.store(&account("st1", "rg")).await;
        let replica = replica(&world, &[], Withheld::All("StorageAccount"));
        replica.ask(&parked.update(&namespace())).await
    };
    let slow = World::new();
    for number in 0..300 {
        let name = format!("st{number}");
        slow.a.cluster.store(facts(&account(&name, "here")));
    }
    slow.registry.set(Trouble::Slow(Duration::from_millis(300)));
    let owner = group("in-azure").named("here").create();
    let time = slow.a.ask_within("3s", &owner).await;
    vec![
        ("the registry is unreachable", away),
        ("the same, in audit mode", warned),
        ("it does not answer", hangs),
        ("more requests wait for it than may", crowded),
        ("a claim that cannot be read", broken),
        ("a namespace with more than can be woken at once", parts),
        (
            "a namespace with an object that its API server does not give",
            parts_unread,
        ),
        (
            "an owner of more children than the time was enough for",
            time,
        ),
    ]
}

async fn overrides() -> Vec<Case> {
    let world = World::new();
    let rg = world.a.create(&group("rg")).await;
    world.b.create(&group("rg").policy("skip")).await;
    let armed = rg.clone().annotated(OVERRIDE, "b is a leftover");
    let armed_delete = world.a.store(&armed).await.delete();
    let overridden = world.a.ask(&armed_delete).await;
    let taken = World::new();
    taken.b.create(&group("rg")).await;
    let why = group("rg").annotated(OVERRIDE, "INC-7: b is gone");
    let create = taken.a.ask(&why.create()).await;
    let spent = taken.a.store(&why).await.delete();
    let spent = taken.a.ask(&spent).await;
    let needless = group("free").annotated(OVERRIDE, "just in case");
    let needless = taken.a.ask(&needless.create()).await;
    let off = World::among(Privileges {
        overrides: Overrides::Off,
        ..Privileges::default()
    });
    off.b.create(&group("rg")).await;
    let off = off.a.ask(&why.create()).await;
    vec![
        ("a create that is overridden", create),
        ("a delete that is overridden", overridden),
        ("the same reason once more", spent),
        ("an override that was not needed", needless),
        ("overriding is switched off", off),
    ]
}

/// The message as `kubectl` prints it.
fn shown(answer: &Answer) -> String {
    let mut text = String::new();
    for warning in &answer.warnings {
        let _ = writeln!(text, "Warning: {warning}");
    }
    if !answer.allowed {
        let (reason, message) = (&answer.status.reason, &answer.status.message);
        let _ = writeln!(
            text,
            "Error from server ({reason}): admission webhook denied the request: {message}"
        );
    }
    at_a_fixed_time(&text)
}

/// The same with every time of the day replaced, so that the document is the same tomorrow.
fn at_a_fixed_time(text: &str) -> String {
    const TIME: &str = "2026-03-01 03:00:00Z";
    let is_time = |at: &[u8]| {
        at.len() == TIME.len()
            && at
                .iter()
                .zip(TIME.bytes())
                .all(|(is, like)| is.is_ascii_digit() && like.is_ascii_digit() || *is == like)
    };
    let mut text = text.to_owned();
    for at in 0..text.len().saturating_sub(TIME.len()) {
        if is_time(&text.as_bytes()[at..at + TIME.len()]) {
            text.replace_range(at..at + TIME.len(), TIME);
        }
    }
    text
}

#[tokio::test(start_paused = true)]
async fn the_document_of_messages_is_what_the_webhook_says() {
    let mut cases = live_elsewhere().await;
    cases.extend(deletes().await);
    cases.extend(in_transfers().await);
    cases.extend(families().await);
    cases.extend(protected().await);
    cases.extend(fenced().await);
    cases.extend(surroundings().await);
    cases.extend(foreign().await);
    cases.extend(unknown().await);
    cases.extend(rebuilding().await);
    cases.extend(moving().await);
    let mut said = HEAD.to_owned();
    for reason in Reason::ALL {
        let _ = write!(said, "\n## {}\n", reason.as_str());
        let of =
            |answer: &Answer| answer.audit_annotations.reason.as_deref() == Some(reason.as_str());
        let (these, rest): (Vec<Case>, Vec<Case>) =
            cases.into_iter().partition(|(_, answer)| of(answer));
        assert!(!these.is_empty(), "{} is not shown", reason.as_str());
        cases = rest;
        for (title, answer) in these {
            section(&mut said, title, &answer);
        }
    }
    said += "\n## Besides\n";
    cases.extend(overrides().await);
    for (title, answer) in &cases {
        section(&mut said, title, answer);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/messages.md");
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        fs::write(&path, &said).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == said,
        "docs/messages.md is not what the webhook says; write it anew with: \
         INSTA_UPDATE=always cargo test --test wire messages"
    );
}

fn section(said: &mut String, title: &str, answer: &Answer) {
    let text = shown(answer);
    assert!(!text.is_empty(), "{title}: nothing is said");
    assert!(text.lines().count() <= SCREEN, "{title}: {text}");
    for line in text.lines().filter(|line| line.contains("kubectl ")) {
        assert!(
            line.contains(" --context "),
            "{title}: in which cluster? {line}"
        );
    }
    for line in text.lines().filter(|line| line.contains("aso-guard ")) {
        let asks = ["claims", "members", "transfer"];
        let asks = asks
            .iter()
            .any(|part| line.contains(&format!("aso-guard {part} ")));
        assert!(
            !asks || line.contains(" --context hub"),
            "{title}: in which registry? {line}"
        );
    }
    let _ = write!(said, "\n### {title}\n\n```text\n{text}```\n");
}
