//! What the API server and the etcd of a hub take for the registry's calls: `cargo bench --bench
//! hub`. `ASO_GUARD_CLAIMS=5000,50000` for other numbers of claims.

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

use std::fs;
use std::time::Instant;

use aso_guard::claim::{Acquire, CopyRef, Proof, Record, RequestUid, acquire};
use aso_guard::object::ObjectKey;
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::{ClaimScope, CopyFilter, Registry as _};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};

use lab::control_plane::{self, ControlPlane};
use lab::crds;
use lab::guard::Plan;
use lab::object::Object;

const AT_ONCE: usize = 16;
/// How many calls of a kind are measured, and how many lists.
const CALLS: usize = 2_000;
const LISTS: usize = 10;
/// The clock of `/proc`: ticks in a second.
const TICKS: f64 = 100.0;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(measure());
    }
}

async fn measure() {
    let claims = std::env::var("ASO_GUARD_CLAIMS").unwrap_or("5000,20000,50000".to_owned());
    let plan = Plan::enforce(env!("CARGO_BIN_EXE_aso-guard"));
    let printed = plan.print(&["crds"]).await.unwrap();
    let of_hub = control_plane::Plan {
        objects: Object::documents(&printed).unwrap(),
        ..Default::default()
    };
    let hub = ControlPlane::start("hub", &of_hub).await.unwrap();
    let registry = registry(&hub).await;
    println!(
        "\nmilliseconds of a core that kube-apiserver and etcd take for a call; a list's time\n"
    );
    println!(
        "| claims | write | read | list of one member's 100 | list of conflicts | that list, s |"
    );
    println!("| --: | --: | --: | --: | --: | --: |");
    let mut stored = 0;
    for many in claims.split(',').map(|many| many.parse().unwrap()) {
        let began = spent(&hub);
        each(stored..many, async |number| {
            let record = claim(number);
            registry.put_claim(&record, None).await.unwrap();
        })
        .await;
        let write = (spent(&hub) - began) / (many - stored) as f64;
        stored = many;
        let began = spent(&hub);
        each(0..CALLS, async |number| {
            registry.claim(&claim(number).identity).await.unwrap();
        })
        .await;
        let read = (spent(&hub) - began) / CALLS as f64;
        let own = ClaimScope::Of(member(0), CopyFilter::AnyCopy);
        let (own, _) = lists(&hub, &registry, &own).await;
        let (conflicts, took) = lists(&hub, &registry, &ClaimScope::InConflict).await;
        let database = hub.directory().join("etcd/member/snap/db");
        let size = fs::metadata(database).unwrap().len() as f64 / 1_048_576.0;
        println!(
            "| {many} | {write:.2} | {read:.2} | {own:.1} | {conflicts:.1} | {took:.3} | {size:.0} |"
        );
    }
}

/// What a list takes: of the hub's cores, and until it is answered.
async fn lists(
    hub: &ControlPlane,
    registry: &KubernetesRegistry,
    scope: &ClaimScope,
) -> (f64, f64) {
    let (began, at) = (spent(hub), Instant::now());
    for _ in 0..LISTS {
        registry.claims(scope).await.unwrap();
    }
    let took = at.elapsed().as_secs_f64() / LISTS as f64;
    ((spent(hub) - began) / LISTS as f64, took)
}

async fn each(numbers: std::ops::Range<usize>, call: impl AsyncFn(usize)) {
    let calls = stream::iter(numbers).map(|number| call(number));
    calls
        .buffer_unordered(AT_ONCE)
        .for_each(async |()| ())
        .await;
}

/// The milliseconds that the hub's two processes have run.
fn spent(hub: &ControlPlane) -> f64 {
    let of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let ticks = fields
            .skip(11)
            .take(2)
            .map(|field| field.parse::<f64>().unwrap());
        ticks.sum::<f64>() * 1_000.0 / TICKS
    };
    let both = [&hub.api_server, &hub.etcd];
    both.iter().map(|process| of(process.pid().unwrap())).sum()
}

async fn registry(hub: &ControlPlane) -> KubernetesRegistry {
    let kubeconfig = Kubeconfig::read_from(hub.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.unwrap();
    config.default_retry = false;
    KubernetesRegistry::new(kube::Client::try_from(config).unwrap(), "hub")
}

fn member(number: usize) -> aso_guard::claim::MemberName {
    format!("c{}", number / 100).parse().unwrap()
}

fn claim(number: usize) -> Record {
    let (group, name) = (number / 50, format!("account-{number}"));
    let subscription = crds::SUBSCRIPTION;
    let identity = format!(
        "/subscriptions/{subscription}/resourceGroups/rg-{group}/providers/Microsoft.Storage/\
         storageAccounts/{name}"
    );
    let ask = Acquire {
        copy: CopyRef {
            member: member(number),
            object: ObjectKey::new("storage.azure.com", "StorageAccount", "team", &name),
        },
        request: RequestUid::new(&name),
        proof: Proof::Uid(name.as_str().into()),
        deadline: Timestamp::now(),
        at: Timestamp::now(),
        by: "alice".into(),
        assumed: false,
    };
    acquire(None, &identity.parse().unwrap(), &ask).unwrap()
}
