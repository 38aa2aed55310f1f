//! What a claim costs a hub: time of a call, and of its processors, with the policies that keep
//! one member's claims from the others and without them: `cargo bench --bench policies`.

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
use std::time::{Duration, Instant};

use aso_guard::arm::Identity;
use aso_guard::claim::{
    Acquire, CopyRef, Observation, ObservedHold, ObservedObject, Proof, Record, RequestUid,
    acquire, observe,
};
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::{PutOutcome, Registry as _};
use jiff::{SignedDuration, Timestamp};
use kube::config::{KubeConfigOptions, Kubeconfig};

use lab::control_plane::{self, ControlPlane};
use lab::guard::Plan;
use lab::hub;
use lab::object::Object;
use lab::verdict::Verdict as _;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const MEMBER: &str = "a";
const TURNS: usize = 6;
/// Claims in a turn.
const CLAIMS: usize = 250;
/// The steps of a claim's life that are measured, in their order.
const STEPS: [&str; 4] = [
    "create",
    "read",
    "settle",
    "read of the epoch and the member",
];

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(measure());
    }
}

async fn measure() {
    let plan = Plan::enforce(env!("CARGO_BIN_EXE_aso-guard"));
    let of_hub = control_plane::Plan::default();
    let hub = ControlPlane::start("hub", &of_hub).await.unwrap();
    hub::install_on(&plan, &hub).await.unwrap();
    hub::add_member(&plan, &hub, MEMBER).await.unwrap();
    let registry = registry(&hub).await;
    let bench = Bench { hub, registry };
    let policies = bench.policies().await;
    let mut with = Costs::default();
    let mut without = Costs::default();
    // The first turns warm up.
    for turn in 0..=TURNS {
        for (name, costs, bound) in [("with", &mut with, true), ("without", &mut without, false)] {
            bench.bind(&policies, bound).await;
            let found = bench.turn(&format!("{name}-{turn}")).await;
            if turn > 0 {
                costs.add(&found);
            }
        }
    }
    println!(
        "\nClaims on a hub, one call after the other, {} of each; ms a call, and ms of the hub's processors:\n",
        TURNS * CLAIMS
    );
    println!("| call | with policies | processors | without | processors |");
    println!("| --- | --: | --: | --: | --: |");
    for (at, step) in STEPS.iter().enumerate() {
        let [one, other] = [&with, &without].map(|costs| costs.of(at));
        println!(
            "| {step} | {:.2} | {:.2} | {:.2} | {:.2} |",
            one.0, one.1, other.0, other.1
        );
    }
}

/// How long each step took in all, and for how long the hub's processors worked.
#[derive(Default)]
struct Costs([(Duration, Duration); STEPS.len()]);

impl Costs {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
    }

    fn of(&self, step: usize) -> (f64, f64) {
        let each = |all: Duration| all.as_secs_f64() * 1e3 / (TURNS * CLAIMS) as f64;
        (each(self.0[step].0), each(self.0[step].1))
    }
}

struct Bench {
    hub: ControlPlane,
    registry: KubernetesRegistry,
}

impl Bench {
    /// The policies' bindings, as they are installed.
    async fn policies(&self) -> Vec<Object> {
        let admin = self.hub.kubectl("default").await.unwrap();
        let api = "admissionregistration.k8s.io/v1";
        let list = admin.list(api, "ValidatingAdmissionPolicyBinding");
        let mut bindings = list.await.unwrap();
        for binding in &mut bindings {
            binding.0["apiVersion"] = api.into();
            binding.0["kind"] = "ValidatingAdmissionPolicyBinding".into();
            binding.0["metadata"] = serde_json::json!({"name": binding.0["metadata"]["name"]});
        }
        assert!(!bindings.is_empty());
        bindings
    }

    /// Puts the policies in force, or out of it.
    async fn bind(&self, policies: &[Object], bound: bool) {
        let admin = self.hub.kubectl("default").await.unwrap();
        for binding in policies {
            if bound {
                admin.apply(binding).await.admitted();
            } else {
                admin.delete(binding).await.admitted();
            }
        }
        // They are taken up within a second.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    async fn turn(&self, name: &str) -> Costs {
        let mut costs = Costs::default();
        let mut claims: Vec<(Record, Record)> = (0..CLAIMS)
            .map(|number| claim(&format!("rg-{name}-{number}")))
            .collect();
        let member = MEMBER.parse().unwrap();
        for (step, cost) in costs.0.iter_mut().enumerate() {
            let (before, began) = (self.processors(), Instant::now());
            for (pending, settled) in &mut claims {
                match step {
                    0 => {
                        let put = self.registry.put_claim(pending, None).await.unwrap();
                        assert!(matches!(put, PutOutcome::Stored(_)));
                    }
                    1 => {
                        let found = self.registry.claim(&pending.identity).await.unwrap();
                        assert!(found.is_some());
                    }
                    2 => {
                        let found = self.registry.claim(&pending.identity).await.unwrap();
                        let version = found.unwrap().version;
                        let put = self.registry.put_claim(settled, Some(&version));
                        assert!(matches!(put.await.unwrap(), PutOutcome::Stored(_)));
                    }
                    _ => {
                        let epoch = self.registry.epoch();
                        tokio::try_join!(epoch, self.registry.member(&member)).unwrap();
                    }
                }
            }
            *cost = (began.elapsed(), self.processors().saturating_sub(before));
        }
        costs
    }

    /// How long the hub's processes have worked until now.
    fn processors(&self) -> Duration {
        let of = |pid: u32| -> Duration {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            let times = tasks.filter_map(|task| {
                let stat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
                Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
            });
            times.sum()
        };
        [&self.hub.api_server, &self.hub.etcd]
            .into_iter()
            .map(|process| of(process.pid().unwrap()))
            .sum()
    }
}

async fn registry(hub: &ControlPlane) -> KubernetesRegistry {
    let kubeconfig = Kubeconfig::read_from(hub::member_kubeconfig(hub, MEMBER)).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.unwrap();
    config.default_retry = false;
    KubernetesRegistry::new(kube::Client::try_from(config).unwrap(), "hub")
}

/// A claim as an admission writes it, and as the observer does once the copy is stored.
fn claim(name: &str) -> (Record, Record) {
    let identity = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}");
    let identity: Identity = identity.parse().unwrap();
    let now = Timestamp::now();
    let ask = Acquire {
        copy: CopyRef {
            member: MEMBER.parse().unwrap(),
            object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", name),
        },
        request: RequestUid::new(&format!("c3d0a9d1-6a0e-4f0a-9d3e-0f2f{name}")),
        proof: Proof::Uid(name.into()),
        deadline: now + SignedDuration::from_secs(90),
        at: now,
        by: "alice".into(),
        assumed: false,
    };
    let pending = acquire(None, &identity, &ask).unwrap();
    let stored = ObservedObject {
        uid: name.into(),
        resource_version: "1".into(),
        terminating: false,
        busy: false,
        held: Some(ObservedHold {
            policy: Policy::Manage,
            assumed: false,
        }),
    };
    let seen = Observation {
        copy: &ask.copy,
        judged_at: now,
        object: Some(stored),
        seen_uids: &[name.into()],
    };
    let settled = observe(Some(&pending), &identity, &seen).record;
    (pending, settled)
}
