//! What `aso-guard serve` takes: memory, time to ready and time to enrol, with every kind of
//! ASO's installed, with a thousand objects and with a hundred thousand, claims on a hub:
//! `cargo bench --bench footprint`. `ASO_GUARD_OBJECTS=20000` for fewer; a hundred thousand
//! take some ten minutes and three gigabytes.

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::panic,
    clippy::unwrap_used,
    unused_imports,
    reason = "a benchmark, for the developers of this package; the lab brings its tests along"
)]

#[path = "../tests/lab/mod.rs"]
mod lab;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/row.rs"]
mod row;

use std::fs;
use std::time::{Duration, Instant};

use aso_guard::arm::Kinds;
use futures::{StreamExt as _, stream};
use serde_json::json;
use tokio::time::sleep;

use lab::control_plane::{self, ControlPlane};
use lab::crds;
use lab::guard::{Guard, Plan};
use lab::kubectl::Kubectl;
use lab::object::Object;
use lab::verdict::Verdict as _;
use lab::wait::until;
use lab::world::ASO_NAMESPACE;
use row::row;

const FEW: usize = 1_000;
const MANY: usize = 100_000;
const NAMESPACES: usize = 20;
/// So many objects, the first of them a resource group that owns the others.
const FAMILY: usize = 50;
const AT_ONCE: usize = 24;
const PATIENCE: Duration = Duration::from_mins(30);
/// Memory is looked at when it has been quiet for so long.
const QUIET: Duration = Duration::from_secs(5);

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(measure());
    }
}

async fn measure() {
    let many = std::env::var("ASO_GUARD_OBJECTS").map_or(MANY, |many| many.parse().unwrap());
    let plan = Plan::enforce(env!("CARGO_BIN_EXE_aso-guard"));
    let printed = plan.print(&["crds"]).await.unwrap();
    let of_hub = control_plane::Plan {
        objects: Object::documents(&printed).unwrap(),
        ..Default::default()
    };
    let of_a = control_plane::Plan {
        objects: cluster_objects(),
        ..Default::default()
    };
    let hub = ControlPlane::start("hub", &of_hub).await.unwrap();
    let a = ControlPlane::start("a", &of_a).await.unwrap();
    let kinds = Kinds::builtin().len();
    println!("\n{kinds} kinds; resident memory in MiB\n");
    println!(
        "| objects | ready, s | enrolled, s | claims a second | resident | at most | connections |"
    );
    println!("| --: | --: | --: | --: | --: | --: | --: |");
    let mut stored = 0;
    for objects in [FEW, many] {
        create(&a, stored..objects).await;
        start(&plan, &a, &hub, objects, objects - stored).await;
        stored = objects;
    }
}

/// Starts a guard, and prints its row.
async fn start(plan: &Plan, a: &ControlPlane, hub: &ControlPlane, objects: usize, new: usize) {
    let admin = hub.kubectl("default").await.unwrap();
    let member = Object::new("asoguard.io/v1alpha1", "Member", "a");
    // Its last word must not pass for that of the one that starts now.
    let _ = admin.delete(&member).await;
    let registry = format!("kubernetes:{}", hub.kubeconfig().display());
    let began = Instant::now();
    let guard = Guard::start(plan, a, &registry).await.unwrap();
    let ready = began.elapsed();
    until("every object to be enrolled", PATIENCE, async || {
        let member = admin.get(&member).await?.object;
        anyhow::ensure!(member.text("/spec/state") == "Ready");
        Ok(())
    })
    .await
    .unwrap();
    let enrolled = began.elapsed().saturating_sub(ready);
    sleep(QUIET).await;
    let pid = guard.replicas()[0].process.pid().unwrap();
    let memory = |field: &str| memory::mib(&pid.to_string(), field);
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let opened = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let connections = opened.filter(|file| file.to_string_lossy().starts_with("socket:"));
    let connections = connections.count();
    println!(
        "| {objects} | {:.1} | {:.1} | {:.0} | {:.1} | {:.1} | {connections} |",
        ready.as_secs_f64(),
        enrolled.as_secs_f64(),
        new as f64 / enrolled.as_secs_f64(),
        memory("VmRSS"),
        memory("VmHWM"),
    );
    let (most, count) = match objects {
        FEW => ("≤ 25", "1,000".to_owned()),
        MANY => ("≤ 120", "100,000".to_owned()),
        other => ("", other.to_string()),
    };
    let row = |what: &str, promise, seen| row(what, promise, seen, "cargo bench --bench footprint");
    row(
        &format!(
            "resident memory, every kind of ASO's installed, {count} objects, claims on a hub, MiB"
        ),
        most,
        memory("VmRSS"),
    );
    if objects == FEW {
        let what = "start to ready, every kind of ASO's installed, 1,000 objects, an API server that has just started, s";
        row(what, "≤ 2", ready.as_secs_f64());
    } else {
        row(
            &format!("enrolling the others of {count} objects by one replica, claims a second"),
            "≥ 1000",
            new as f64 / enrolled.as_secs_f64(),
        );
    }
}

async fn create(a: &ControlPlane, numbers: std::ops::Range<usize>) {
    let admin = a.kubectl("default").await.unwrap();
    for number in 0..NAMESPACES {
        let namespace = Object::namespace(&namespace(number));
        admin.apply(&namespace).await.admitted();
    }
    stream::iter(numbers)
        .map(|number| create_one(&admin, number))
        .buffer_unordered(AT_ONCE)
        .for_each(async |()| ())
        .await;
}

async fn create_one(admin: &Kubectl, number: usize) {
    let family = number / FAMILY;
    let group = format!("rg-of-a-team-{family}");
    let object = if number.is_multiple_of(FAMILY) {
        Object::of("ResourceGroup", &group).azure_name(&group)
    } else {
        let name = format!("account-{number}");
        let account = Object::of("StorageAccount", &name).azure_name(&name);
        account.owner(&group)
    };
    // As long as objects are that were applied.
    let applied = "kubectl.kubernetes.io/last-applied-configuration";
    let object = object.annotated(applied, &"x".repeat(2_000));
    let person = admin.in_namespace(&namespace(family));
    person.create(&object).await.admitted();
}

fn namespace(family: usize) -> String {
    format!("team-{}", family % NAMESPACES)
}

/// Every kind of ASO's, and its credential. Those of the lab are as in the lab.
fn cluster_objects() -> Vec<Object> {
    let credential = Object::credential("aso-controller-settings", crds::SUBSCRIPTION);
    let mut objects = crds::all();
    let kinds = Kinds::builtin();
    let others = kinds.iter().filter(|kind| {
        let mut of_lab = crds::KINDS.iter();
        !of_lab.any(|of_lab| *of_lab.kind == *kind.kind && *of_lab.group == *kind.group)
    });
    objects.extend(others.map(|kind| crd(&kind.group, &kind.kind)));
    objects.push(Object::namespace(ASO_NAMESPACE));
    objects.push(credential.in_namespace(ASO_NAMESPACE));
    objects
}

/// A CRD with two versions, as most have, and no schema to speak of.
fn crd(group: &str, kind: &str) -> Object {
    let singular = kind.to_lowercase();
    let plural = format!("{singular}s");
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }},
        })
    };
    let name = format!("{plural}.{group}");
    Object::new("apiextensions.k8s.io/v1", "CustomResourceDefinition", &name).with(
        "/spec",
        json!({
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular},
            "versions": [version("v20250101", false), version("v20250101storage", true)],
        }),
    )
}
