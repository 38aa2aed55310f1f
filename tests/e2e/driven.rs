//! `aso-guard transfer plan | run | undo`, on real clusters: hundreds of resources in owner
//! order, killed at random points, and looked at by somebody who shares no code with it.
//!
//! `ASO_GUARD_TRANSFER=300` moves three hundred resources instead of sixty.

#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails its test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::GUARD;
use crate::lab::aso::{AtWork, OPERATOR_NAMESPACE};
use crate::lab::crds;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::lab::process::{Process, said};
use crate::lab::reaper::Reaper;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};
use crate::shared_lab;

/// No transfer takes longer.
const BOUND: Duration = Duration::from_mins(5);
const KINDS: [&str; 4] = [
    "ResourceGroup",
    "StorageAccount",
    "VirtualNetwork",
    "VirtualNetworksSubnet",
];
/// How many resources are in one group, itself counted.
const IN_GROUP: usize = 15;
const KILLS: usize = 5;

fn groups() -> usize {
    let wanted = std::env::var("ASO_GUARD_TRANSFER").ok();
    let wanted = wanted.and_then(|number| number.parse::<usize>().ok());
    wanted.unwrap_or(60).div_ceil(IN_GROUP)
}

/// A resource group with four accounts, and two networks of four subnets each.
fn resources(story: &Story<'_>, groups: usize) -> Vec<Object> {
    let mut all = Vec::new();
    let named = |kind: &str, name: &str| Object::of(kind, name).azure_name(&story.azure_name(name));
    for group in 0..groups {
        let rg = format!("rg-{group}");
        all.push(story.resource_group(&rg));
        for account in 0..4 {
            let name = format!("account-{group}-{account}");
            all.push(named("StorageAccount", &name).owner(&rg));
        }
        for network in 0..2 {
            let vnet = format!("net-{group}-{network}");
            all.push(named("VirtualNetwork", &vnet).owner(&rg));
            for subnet in 0..4 {
                let name = format!("{vnet}-{subnet}");
                all.push(named("VirtualNetworksSubnet", &name).owner(&vnet));
            }
        }
    }
    all
}

async fn create(person: &Kubectl, resources: &[Object]) {
    for kind in KINDS {
        let of_kind = resources.iter().filter(|one| one.kind() == kind);
        stream::iter(of_kind)
            .for_each_concurrent(8, async |one| {
                person.create(one).await.admitted();
            })
            .await;
    }
}

/// One end, as kubectl shows it: kind and name of each object, and whether it is live.
async fn seen(person: &Kubectl) -> BTreeMap<String, (bool, String)> {
    let mut seen = BTreeMap::new();
    for kind in KINDS {
        let kind = crds::kind(kind);
        let list = person.list(&kind.api_version(), kind.kind).await.unwrap();
        for one in list {
            let live = one.annotation(POLICY) != Some("skip");
            let version = one.text("/metadata/resourceVersion").to_owned();
            let name = format!("{}/{}", kind.kind, one.name());
            seen.insert(name, (live, version));
        }
    }
    seen
}

/// Looks at both ends, and fails where something is live at both for certain: live at the
/// source before and after it was seen live at the target, and unchanged in between. Gives how
/// many steps are taken.
async fn steps_taken(all: usize, from: &Kubectl, to: &Kubectl) -> usize {
    let before = seen(from).await;
    let there = seen(to).await;
    let after = seen(from).await;
    for (name, (live, _)) in &there {
        let both = *live && before.get(name).is_some_and(|one| one.0);
        let same = before.get(name) == after.get(name);
        assert!(!(both && same), "{name} is live at both ends");
    }
    let parked = after.values().filter(|(live, _)| !live).count();
    let gone = all - after.len();
    parked + gone + there.len() + gone
}

/// Watches both ends for deletes of copies that are not parked. Each of those would have
/// deleted the resource in Azure.
struct Deletes {
    enough: CancellationToken,
    watches: Vec<JoinHandle<(usize, usize)>>,
}

impl Deletes {
    async fn since_now(from: &Kubectl, to: &Kubectl) -> Self {
        let enough = CancellationToken::new();
        let mut watches = Vec::new();
        for person in [from, to] {
            for kind in KINDS {
                let path = Object::of(kind, "any").collection(person.namespace());
                let list: Value = serde_json::from_str(&person.raw(&path).await.unwrap()).unwrap();
                let version = list["metadata"]["resourceVersion"].as_str().unwrap();
                let watch = watch(person.clone(), path, version.to_owned(), enough.clone());
                watches.push(tokio::spawn(watch));
            }
        }
        Self { enough, watches }
    }

    /// How many there were until now, safe and destructive.
    async fn count(self) -> (usize, usize) {
        self.enough.cancel();
        let (mut safe, mut destructive) = (0, 0);
        for watch in self.watches {
            let counts = watch.await.unwrap();
            safe += counts.0;
            destructive += counts.1;
        }
        (safe, destructive)
    }
}

/// Counts deletes, safe and destructive, until it is enough. It goes on from where it was every
/// few seconds: an API server remembers no more than the last minute for certain.
async fn watch(
    person: Kubectl,
    path: String,
    mut version: String,
    enough: CancellationToken,
) -> (usize, usize) {
    let (mut safe, mut destructive) = (0, 0);
    loop {
        let is_last = enough.is_cancelled();
        let seconds = if is_last { 1 } else { 5 };
        let query = format!(
            "watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}"
        );
        let events = person.raw(&format!("{path}?{query}")).await.unwrap();
        for event in events.lines() {
            let event: Value = serde_json::from_str(event).unwrap();
            assert_ne!(event["type"], "ERROR", "{event}");
            let object = Object(event["object"].clone());
            object
                .text("/metadata/resourceVersion")
                .clone_into(&mut version);
            if event["type"] == "DELETED" {
                let parked = object.annotation(POLICY) == Some("skip");
                *(if parked { &mut safe } else { &mut destructive }) += 1;
            }
        }
        if is_last {
            return (safe, destructive);
        }
    }
}

/// How one is told where everything is.
fn arguments(
    story: &Story<'_>,
    verb: &str,
    name: &str,
    ends: [(&Kubectl, &Path, &str); 2],
) -> Vec<String> {
    let mut args = vec!["transfer".to_owned(), verb.to_owned(), name.to_owned()];
    for (flag, (person, kubeconfig, cluster)) in ["from", "to"].into_iter().zip(ends) {
        if verb != "undo" {
            args.push(format!("--{flag}={cluster}/{}", person.namespace()));
        }
        args.push(format!("--{flag}-kubeconfig={}", kubeconfig.display()));
    }
    if verb == "run" {
        args.push("--yes".to_owned());
    }
    let hub = story.lab.hub().kubeconfig();
    args.push(format!("--registry=kubernetes:{}", hub.display()));
    args
}

async fn run(args: &[String]) -> (Option<i32>, String) {
    said(GUARD.as_ref(), args, BOUND).await.unwrap()
}

/// Runs it, and kills it as soon as so many steps are taken. Whether it came so far.
async fn killed_at(
    steps: usize,
    all: usize,
    args: &[String],
    from: &Kubectl,
    to: &Kubectl,
) -> bool {
    let directory = Reaper::get().unwrap().directory("transfer").unwrap();
    let process = Process::new("transfer", Path::new(GUARD), &directory).args(args);
    process.start().unwrap();
    let deadline = Instant::now() + BOUND;
    loop {
        assert!(Instant::now() < deadline, "{}", process.log_tail(50));
        if steps_taken(all, from, to).await >= steps {
            process.kill();
            return true;
        }
        if let Some(status) = process.ended() {
            assert!(status.success(), "{}", process.log_tail(50));
            return false;
        }
    }
}

/// Five points of the way, one at random in each fifth of it. Parking a copy, making one and
/// deleting one is a step each.
fn points(seed: u64, all: usize) -> Vec<usize> {
    let mut state = seed;
    let part = all * 3 / KILLS;
    let point = |kill: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let number = usize::try_from(state >> 33).unwrap();
        (kill * part + number % part).max(1)
    };
    (0..KILLS).map(point).collect()
}

/// That the claims say what is stored: each is held by the copy at this place, nobody else has
/// one, and it is reserved no more.
async fn claims_are_true(story: &Story<'_>, resources: &[Object], place: &str) {
    let told = until(
        "the claims to be true",
        Duration::from_mins(1),
        async || {
            let claims = story.hub.claims().await?;
            let held: BTreeMap<&str, &Object> = claims
                .iter()
                .map(|claim| (claim.text("/status/holder"), claim))
                .collect();
            for one in resources {
                let holder = format!("{place}/{}/{}", one.kind(), one.name());
                let claim = held.get(&*holder).copied();
                let status = claim.map(|claim| &claim.0["status"]);
                let alone = |status: &Value| {
                    let copies = status["copies"].as_array().map(Vec::len);
                    copies == Some(1) && status["transfer"].is_null()
                };
                anyhow::ensure!(status.is_some_and(alone), "{holder}: {status:?}");
            }
            Ok(())
        },
    );
    told.await.unwrap();
}

/// Moves everything with five kills on the way, and looks whether it went well.
async fn moved_in_spite_of_kills(
    story: &Story<'_>,
    name: &str,
    seed: u64,
    ends: [(&Kubectl, &Path, &str); 2],
) {
    let [(from, ..), (to, _, member)] = ends;
    let resources = resources(story, groups());
    let all = resources.len();
    let _aso = [
        AtWork::begin(from, &KINDS, "azureserviceoperator-system"),
        AtWork::begin(to, &KINDS, operator_of(member)),
    ];
    create(from, &resources).await;
    let deletes = Deletes::since_now(from, to).await;
    let args = arguments(story, "run", name, ends);
    registered(&arguments(story, "plan", name, ends)).await;
    let began = Instant::now();
    let mut kills = Vec::new();
    for point in points(seed, all) {
        if killed_at(point, all, &args, from, to).await {
            kills.push(point);
        }
    }
    assert_eq!(
        kills.len(),
        KILLS,
        "it ended before it was killed: {kills:?}"
    );
    let (code, said) = run(&args).await;
    assert_eq!(code, Some(0), "{said}");
    let took = began.elapsed();
    // Again, and nothing is left to do.
    let (code, said) = run(&args).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is finished"), "{said}");

    assert_eq!(seen(from).await.len(), 0);
    let there = seen(to).await;
    assert_eq!(there.len(), all);
    assert!(there.values().all(|(live, _)| *live), "{there:?}");
    assert_eq!(
        deletes.count().await,
        (all, 0),
        "safe and destructive deletes"
    );
    claims_are_true(story, &resources, &format!("{member}/{}", to.namespace())).await;
    println!(
        "{all} resources in {took:.1?}, killed after {kills:?} of {} steps",
        all * 3
    );
}

/// Where the ASO of each cluster lives.
fn operator_of(member: &str) -> &'static str {
    match member {
        "b" => "capz-system",
        _ => "azureserviceoperator-system",
    }
}

/// Waits until the source's guard has registered everything: till then, nothing is moved.
async fn registered(plan: &[String]) {
    eventually("the plan to have no obstacle", async || {
        let (code, said) = run(plan).await;
        anyhow::ensure!(code == Some(0), "{said}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_transfer_between_clusters_survives_five_kills() {
    let story = Story::begin(shared_lab().await, "driven").await;
    let (a, b) = (
        story.lab.a.control_plane.kubeconfig(),
        story.lab.b.control_plane.kubeconfig(),
    );
    let ends = [(&story.a, &*a, "a"), (&story.b, &*b, "b")];
    moved_in_spite_of_kills(&story, "driven", 1, ends).await;
}

#[tokio::test]
async fn a_transfer_between_namespaces_survives_five_kills() {
    let story = Story::begin(shared_lab().await, "driven-here").await;
    let target = story.namespace(&story.a, "driven-there").await;
    let a = story.lab.a.control_plane.kubeconfig();
    let ends = [(&story.a, &*a, "a"), (&target, &*a, "a")];
    moved_in_spite_of_kills(&story, "driven-here", 2, ends).await;
}

#[tokio::test]
async fn what_was_begun_is_taken_back_as_it_was() {
    let story = Story::begin(shared_lab().await, "undone").await;
    let (a, b) = (
        story.lab.a.control_plane.kubeconfig(),
        story.lab.b.control_plane.kubeconfig(),
    );
    let ends = [(&story.a, &*a, "a"), (&story.b, &*b, "b")];
    let mut resources = resources(&story, 2);
    for one in resources
        .iter_mut()
        .filter(|one| one.kind() == "StorageAccount")
    {
        *one = one.clone().policy("detach-on-delete");
    }
    let all = resources.len();
    let _aso = [(&story.a, "a"), (&story.b, "b")]
        .map(|(person, member)| AtWork::begin(person, &KINDS, operator_of(member)));
    create(&story.a, &resources).await;
    let deletes = Deletes::since_now(&story.a, &story.b).await;
    let args = arguments(&story, "run", "undone", ends);
    registered(&arguments(&story, "plan", "undone", ends)).await;
    // Everything is live in the target, and some of it may be gone from the source already.
    assert!(killed_at(all * 2, all, &args, &story.a, &story.b).await);
    let undo = arguments(&story, "undo", "undone", ends);
    let (code, said) = run(&undo).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&args).await;
    assert_eq!(code, Some(1), "what is undone is not run again: {said}");

    assert_eq!(seen(&story.b).await.len(), 0);
    assert_eq!(seen(&story.a).await.len(), all);
    for one in &resources {
        let now = story.a.get(one).await.unwrap().object;
        assert_eq!(now.annotation(POLICY), one.annotation(POLICY), "{now}");
        assert_eq!(now.annotation("asoguard.io/policy-before"), None, "{now}");
    }
    let (_, destructive) = deletes.count().await;
    assert_eq!(destructive, 0);
    claims_are_true(&story, &resources, "a/undone").await;
}

#[tokio::test]
async fn nothing_is_deleted_before_the_targets_aso_has_reconciled_it() {
    let story = Story::begin(shared_lab().await, "idle").await;
    let (a, b) = (
        story.lab.a.control_plane.kubeconfig(),
        story.lab.b.control_plane.kubeconfig(),
    );
    let ends = [(&story.a, &*a, "a"), (&story.b, &*b, "b")];
    let resources = [
        story.resource_group("rg"),
        Object::of("StorageAccount", "data")
            .azure_name(&story.azure_name("data"))
            .owner("rg"),
    ];
    let _aso = AtWork::begin(&story.a, &KINDS, operator_of("a"));
    create(&story.a, &resources).await;
    for one in &resources {
        let of_a = eventually("ASO in a to have it", async || {
            let stored = story.a.get(one).await?.object;
            anyhow::ensure!(stored.annotation(OPERATOR_NAMESPACE).is_some(), "{stored}");
            Ok(stored)
        })
        .await;
        assert_eq!(of_a.annotation(OPERATOR_NAMESPACE), Some(operator_of("a")));
    }
    registered(&arguments(&story, "plan", "idle", ends)).await;
    let args = arguments(&story, "run", "idle", ends);
    let directory = Reaper::get().unwrap().directory("idle").unwrap();
    let process = Process::new("transfer", Path::new(GUARD), &directory).args(&args);
    process.start().unwrap();
    let told = process.ready(BOUND, async || {
        let said = process.log_tail(50);
        let words = "ASO in the target, which has not looked at it";
        anyhow::ensure!(said.contains(words), "{said}");
        Ok(())
    });
    told.await.unwrap();
    for one in &resources {
        let parked = story.a.get(one).await.unwrap().object;
        assert_eq!(parked.annotation(POLICY), Some("skip"), "{parked}");
        let live = story.b.get(one).await.unwrap().object;
        assert_eq!(live.annotation(POLICY), None, "{live}");
        assert_eq!(live.annotation(OPERATOR_NAMESPACE), None, "{live}");
    }
    let _aso = AtWork::begin(&story.b, &KINDS, operator_of("b"));
    let ended = tokio::time::timeout(BOUND, process.end()).await.unwrap();
    assert!(ended.unwrap().success(), "{}", process.log_tail(50));
    assert_eq!(seen(&story.a).await.len(), 0);
    assert_eq!(seen(&story.b).await.len(), resources.len());
}

#[tokio::test]
async fn a_plan_tells_what_stands_in_the_way_and_run_heeds_it() {
    let story = Story::begin(shared_lab().await, "planned").await;
    let target = story.namespace(&story.a, "planned-there").await;
    let a = story.lab.a.control_plane.kubeconfig();
    let ends = [(&story.a, &*a, "a"), (&target, &*a, "a")];
    let group = story.resource_group("rg");
    let account = Object::of("StorageAccount", "data")
        .azure_name(&story.azure_name("data"))
        .owner("rg")
        .labelled("kustomize.toolkit.fluxcd.io/name", "shop")
        .with(
            "/spec/password",
            serde_json::json!({"name": "pw", "key": "k"}),
        );
    let role = Object::of("RoleAssignment", "role").extends(&account);
    let kinds = &["ResourceGroup", "StorageAccount", "RoleAssignment"];
    let _aso = AtWork::begin(&target, kinds, operator_of("a"));
    for one in [&group, &account, &role] {
        story.a.create(one).await.admitted();
    }
    let plan = |more: &[&str]| {
        let mut args = arguments(&story, "plan", "planned", ends);
        args.extend(more.iter().map(ToString::to_string));
        args
    };
    let said = eventually("all of it to be registered", async || {
        let (code, said) = run(&plan(&[])).await;
        anyhow::ensure!(code == Some(1) && !said.contains("unregistered"), "{said}");
        Ok(said)
    })
    .await;
    let in_order: Vec<&str> = said
        .lines()
        .filter(|line| line.ends_with("park it"))
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    let expected = [
        "ResourceGroup/rg",
        "StorageAccount/data",
        "RoleAssignment/role",
    ];
    assert_eq!(in_order, expected, "{said}");
    for words in [
        "blocks tool: StorageAccount/data: Flux's Kustomization flux-system/shop",
        "flux suspend kustomization shop -n flux-system",
        "blocks reference: StorageAccount/data: it reads secret pw",
        "warns stated: RoleAssignment/role: its copy states spec.azureName",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    // Without its owner, and with what belongs to it left behind.
    let (code, said) = run(&plan(&["--kind", "StorageAccount"])).await;
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "blocks owner: StorageAccount/data: its owner ResourceGroup/rg is not moved",
        "blocks children-left: StorageAccount/data: a RoleAssignment belongs to it",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    let refused = run(&arguments(&story, "run", "planned", ends)).await;
    assert_eq!(refused.0, Some(1), "{}", refused.1);
    assert!(refused.1.contains("nothing was changed"), "{}", refused.1);

    // Another subscription there: each copy would be another resource.
    let credential = Object::credential("aso-credential", "11111111-1111-1111-1111-111111111111");
    target.create(&credential).await.admitted();
    let (code, said) = run(&plan(&["-o", "json"])).await;
    assert_eq!(code, Some(1), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    let rules: BTreeSet<&str> = told["obstacles"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["weight"] == "blocks")
        .filter_map(|one| one["rule"].as_str())
        .collect();
    assert_eq!(rules, BTreeSet::from(["identity", "reference", "tool"]));
    target.delete(&credential).await.admitted();

    // What does no harm in Azure may be accepted.
    let mut args = arguments(&story, "run", "planned", ends);
    args.extend(["--accept=tool", "--accept=reference"].map(str::to_owned));
    // Where nobody can be asked, nothing is begun unless that was said.
    let unasked: Vec<String> = args.iter().filter(|arg| *arg != "--yes").cloned().collect();
    let (code, said) = run(&unasked).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("say so: --yes"), "{said}");
    let transfers = story.hub.list("asoguard.io/v1alpha1", "Transfer").await;
    let mut transfers = transfers.unwrap().into_iter();
    assert!(transfers.all(|one| one.name() != "planned"));
    let (code, said) = run(&args).await;
    assert_eq!(code, Some(0), "{said}");
    let moved = target.get(&role).await.unwrap().object;
    assert_ne!(moved.text("/spec/azureName"), "", "{moved}");
    let moved = target.get(&account).await.unwrap().object;
    assert!(moved.0["metadata"]["labels"].is_null(), "{moved}");
}

#[tokio::test]
async fn another_cluster_than_the_one_that_was_named_is_left_alone() {
    let story = Story::begin(shared_lab().await, "mixed-up").await;
    story.a.create(&story.resource_group("rg")).await.admitted();
    let (a, b) = (
        story.lab.a.control_plane.kubeconfig(),
        story.lab.b.control_plane.kubeconfig(),
    );
    let ends = [(&story.a, &*b, "a"), (&story.b, &*a, "b")];
    let (code, said) = run(&arguments(&story, "run", "mixed-up", ends)).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("this is not cluster a"), "{said}");
}
