//! What the hot paths cost, in what does not differ by machine and hour but by code alone: how
//! often they ask for memory, and how many instructions they take, as built for tests. Valgrind
//! counts those, in a process of their own.
//!
//! A path whose figures differ by a tenth from those written down has changed: find out why, then
//! write the new ones down here.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test"
)]

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use aso_guard::admission::review::parse;
use aso_guard::admission::{
    AdmissionMetrics, CutOffRequests, Guard, GuardSettings, Mode, OnUnresolved, Privileges, router,
};
use aso_guard::arm::{Identity, Kinds, OwnerLink, resolve};
use aso_guard::claim::{
    Acquire, CopyRef, Observation, ObservedHold, ObservedObject, Proof, RequestUid, acquire,
    observe,
};
use aso_guard::cluster::enrolment::{ProcessMemory, RegistryEpoch};
use aso_guard::cluster::fence::KnownFence;
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::observer::Observer;
use aso_guard::object::{ObjectFacts, ObjectKey, OwnerRef};
use aso_guard::policy::Policy;
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::telemetry::NoNotices;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use futures::FutureExt as _;
use jiff::Timestamp;
use rstest::rstest;
use serde_json::Value;
use tower::ServiceExt as _;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const CREATE: &str = include_str!("wire/fixtures/create.json");

/// Set where this is the process whose instructions are counted.
const COUNTED: &str = "ASO_GUARD_INSTRUCTIONS_COUNTED";

/// What a path costs.
#[derive(Debug, PartialEq)]
struct Cost {
    allocations: u64,
    instructions: u64,
}

/// Has the path cost what is written down, give or take a tenth.
fn assert_about(allocations: u64, instructions: u64, mut path: impl FnMut()) {
    // What is made once for the whole process is none of its cost.
    path();
    if std::env::var_os(COUNTED).is_some() {
        return counted(path);
    }
    let found = Cost {
        allocations: measure(path).count_total,
        instructions: count_instructions(),
    };
    let differs = |found: u64, baseline: u64| found.abs_diff(baseline) > baseline / 10 + 1;
    assert!(
        !differs(found.allocations, allocations) && !differs(found.instructions, instructions),
        "{found:?}; {allocations} and {instructions} when that was last looked at"
    );
}

/// Valgrind counts what is done in here.
#[inline(never)]
fn counted(mut path: impl FnMut()) {
    path();
}

/// How many instructions the path of the test takes that asks.
fn count_instructions() -> u64 {
    let test = std::thread::current();
    let counting = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=hot_paths::counted*")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test.name().unwrap(), "--test-threads=1"])
        .env(COUNTED, "1")
        .output()
        .expect("valgrind is missing: install it (Debian, Ubuntu: apt install valgrind)");
    let printed = String::from_utf8_lossy(&counting.stderr);
    assert!(counting.status.success(), "{printed}");
    let count = printed
        .lines()
        .find_map(|line| line.split_once("Collected :"));
    count.expect(&printed).1.trim().parse().unwrap()
}

#[test]
fn a_review_is_read() {
    assert_about(11, 392_700, || {
        let request = parse(black_box(CREATE.as_bytes())).unwrap();
        black_box((request.object().unwrap(), request.old_object().unwrap()));
    });
}

#[test]
fn an_identity_is_worked_out_over_two_owners() {
    let kinds = Kinds::builtin();
    let object = |group: &str, kind: &str, name: &str, owner: Option<&str>| ObjectFacts {
        owner: owner.map(|name| OwnerRef {
            name: Some(name.into()),
            ..OwnerRef::default()
        }),
        ..ObjectFacts::named(ObjectKey::new(group, kind, "team", name))
    };
    let network = "network.azure.com";
    let subnet = object(network, "VirtualNetworksSubnet", "inner", Some("net"));
    let owners = [
        object(network, "VirtualNetwork", "net", Some("rg")),
        object("resources.azure.com", "ResourceGroup", "rg", None),
    ];
    let owners = owners.map(|owner| OwnerLink::Found(Arc::new(owner)));
    assert_about(3, 313_400, || {
        black_box(resolve(&kinds, black_box(&subnet), &owners, Some(SUBSCRIPTION)).unwrap());
    });
}

fn group() -> Identity {
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg");
    id.parse().unwrap()
}

fn asked(member: &str) -> Acquire {
    let at = Timestamp::UNIX_EPOCH;
    Acquire {
        copy: CopyRef {
            member: member.parse().unwrap(),
            object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", "rg"),
        },
        request: RequestUid::new("r1"),
        proof: Proof::Uid("uid".into()),
        deadline: at,
        at,
        by: "alice".into(),
        assumed: false,
    }
}

#[test]
fn a_claim_is_acquired() {
    let (id, ask) = (group(), asked("a"));
    assert_about(3, 7_910, || {
        black_box(acquire(None, black_box(&id), &ask).unwrap());
    });
}

#[test]
fn a_claim_that_another_member_holds_is_refused() {
    let (id, ask) = (group(), asked("a"));
    let held = acquire(None, &id, &asked("b")).unwrap();
    assert_about(1, 3_670, || {
        black_box(acquire(Some(black_box(&held)), &id, &ask).unwrap_err());
    });
}

#[test]
fn a_create_is_seen_stored() {
    let (id, ask) = (group(), asked("a"));
    let pending = acquire(None, &id, &ask).unwrap();
    assert_about(4, 25_200, || {
        let hold = ObservedHold {
            policy: Policy::Manage,
            assumed: false,
        };
        let object = ObservedObject {
            uid: "uid".into(),
            resource_version: "7".into(),
            terminating: false,
            busy: false,
            held: Some(hold),
        };
        let seen = Observation {
            copy: &ask.copy,
            judged_at: Timestamp::UNIX_EPOCH,
            object: Some(object),
            seen_uids: &[],
        };
        black_box(observe(Some(black_box(&pending)), &id, &seen));
    });
}

/// The webhook of a cluster, its claims in memory.
fn webhook() -> Router {
    let (registry, cluster) = (
        Arc::new(MemoryRegistry::new()),
        Arc::new(MemoryCluster::new(SUBSCRIPTION)),
    );
    let member: aso_guard::claim::MemberName = "a".parse().unwrap();
    let deadline = Duration::from_secs(90);
    let observer = Observer::new(member.clone(), registry.clone(), cluster.clone(), deadline);
    // As its heartbeat has read it.
    let fence = KnownFence::default();
    fence.read(tokio::time::Instant::now(), None);
    let memory = Arc::new(ProcessMemory);
    let epoch = RegistryEpoch::new(member.clone(), registry.clone(), memory, deadline);
    // A registry in memory answers at once.
    epoch.look().now_or_never().unwrap().unwrap();
    router(Arc::new(Guard {
        epoch: Arc::new(epoch),
        member,
        registry,
        cluster,
        cut_off: CutOffRequests::default(),
        shards: Vec::new(),
        fence: Arc::new(fence),
        follow_up: Arc::new(observer),
        settings: GuardSettings {
            mode: Mode::Enforce,
            on_unresolved: OnUnresolved::Warn,
            claim_deadline: deadline,
        },
        notices: Arc::new(NoNotices),
        metrics: AdmissionMetrics::default(),
        privileges: Privileges::default(),
    }))
}

/// A CREATE of a resource group of its own.
fn create(number: usize) -> String {
    let mut review: Value = serde_json::from_str(CREATE).unwrap();
    let (name, uid) = (format!("rg-{number:08}"), format!("uid-{number:08}"));
    let request = &mut review["request"];
    request["uid"] = uid.clone().into();
    request["name"] = name.clone().into();
    request["object"]["metadata"]["uid"] = uid.into();
    request["object"]["metadata"]["name"] = name.clone().into();
    request["object"]["spec"]["azureName"] = name.into();
    review.to_string()
}

/// From the body of the call to that of the answer.
#[rstest]
#[case::admitted(true, 129, 1_073_000)]
#[case::refused(false, 251, 3_760_000)]
fn a_create_is_judged(
    #[case] each_its_own: bool,
    #[case] allocations: u64,
    #[case] instructions: u64,
) {
    let webhook = webhook();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let mut reviews = (0..2).map(create).collect::<Vec<_>>();
    if !each_its_own {
        // The same resource group under another name of its object.
        reviews = vec![
            create(0),
            create(1).replace(
                "\"azureName\":\"rg-00000001\"",
                "\"azureName\":\"rg-00000000\"",
            ),
        ];
        reviews.push(reviews[1].clone());
        let first = reviews.remove(0);
        runtime.block_on(judge(&webhook, first));
    }
    let mut reviews = reviews.into_iter();
    assert_about(allocations, instructions, || {
        let review = reviews.next().unwrap();
        let answer = runtime.block_on(judge(&webhook, review));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["response"]["allowed"], each_its_own, "{answer}");
    });
}

async fn judge(webhook: &Router, review: String) -> Vec<u8> {
    let call = Request::post("/validate").header(header::CONTENT_TYPE, "application/json");
    let call = call.body(Body::from(review)).unwrap();
    let answer = webhook.clone().oneshot(call).await.unwrap();
    to_bytes(answer.into_body(), usize::MAX)
        .await
        .unwrap()
        .into()
}
