//! What a create through a real API server costs, one after the other and sixteen at once: without a webhook,
//! with one that says yes to everything, and with aso-guard, whose claims are on a hub like
//! the cluster itself: `cargo bench --bench creates`.
//!
//! The three take turns, for on a shared machine the minutes differ more than they do. What the
//! observer does about creates it does when no requests come: nobody's turn begins before that is
//! done, and the calls of the registry are counted that it takes.

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
#[path = "support/row.rs"]
mod row;

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};

use aso_guard::admission::registration::UNMANAGED_ANNOTATION;
use serde_json::{Value, json};

use lab::guard::Plan;
use lab::kubectl::Kubectl;
use lab::object::Object;
use lab::verdict::Verdict as _;
use lab::wait::eventually;
use lab::world::{self, Lab};
use lab::yes::Yes;
use row::row;

const SIDES: [&str; 3] = ["none", "yes", "aso-guard"];
/// How many creates are under way together.
const AT_ONCE: [usize; 2] = [1, 16];
const RUNS: usize = 5;
const TURNS: usize = 2;
const CREATES: usize = 64;
const COMMAND: &str = "cargo bench --bench creates";

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(measure());
    }
}

async fn measure() {
    let guard = Plan::enforce(env!("CARGO_BIN_EXE_aso-guard"));
    let plan = world::Plan {
        guard: Some(guard),
        ..world::Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let admin = lab.a.control_plane.kubectl("default").await.unwrap();
    let yes = Yes::start(lab.a.control_plane.directory()).await.unwrap();
    share_out(&admin, &yes).await;
    let bench = Bench { lab, admin };
    for at_once in AT_ONCE {
        bench
            .turn(&format!("warm-{at_once}"), at_once, &mut Run::default())
            .await;
        let mut runs = Vec::new();
        for number in 0..RUNS {
            let mut run = Run::default();
            for turn in 0..TURNS {
                let name = format!("{at_once}-{number}-{turn}");
                bench.turn(&name, at_once, &mut run).await;
            }
            runs.push(run);
        }
        print(at_once, &runs);
    }
}

/// What one run saw: times and how long each side took in all, and the calls of the registry.
#[derive(Default)]
struct Run {
    took: [Vec<Duration>; 3],
    all: [Duration; 3],
    during: Calls,
    after: Calls,
}

struct Bench {
    lab: Lab,
    admin: Kubectl,
}

impl Bench {
    /// Each side's turn, in another order each time.
    async fn turn(&self, name: &str, at_once: usize, run: &mut Run) {
        let first = run.took[0].len() / CREATES;
        for at in 0..SIDES.len() {
            let side = (first + at) % SIDES.len();
            let person = self.admin.in_namespace(SIDES[side]);
            let before = Calls::so_far(&self.lab).await;
            let began = Instant::now();
            let creates = stream::iter(0..CREATES).map(async |number| {
                let name = format!("{}-{name}-{number}", SIDES[side]);
                let group = Object::of("ResourceGroup", &name).azure_name(&name);
                let sent = Instant::now();
                person.create(&group).await.admitted();
                sent.elapsed()
            });
            let took: Vec<Duration> = creates.buffer_unordered(at_once).collect().await;
            run.all[side] += began.elapsed();
            run.took[side].extend(took);
            // What nobody guards is observed all the same.
            let afterwards = Calls::so_far(&self.lab).await;
            nothing_waits(&self.lab).await;
            if SIDES[side] == "aso-guard" {
                let settled = Calls::so_far(&self.lab).await;
                run.during.add(&before, &afterwards);
                run.after.add(&afterwards, &settled);
            }
        }
    }
}

/// Calls of the registry by the guard.
#[derive(Default, PartialEq)]
struct Calls {
    reads: f64,
    writes: f64,
}

impl Calls {
    async fn so_far(lab: &Lab) -> Self {
        let mut calls = Self::default();
        let replica = &lab.a.guard().replicas()[0];
        let (_, metrics) = replica.ops("/metrics").await.unwrap();
        for line in metrics.lines() {
            let Some(rest) = line.strip_prefix("aso_guard_registry_calls_total{") else {
                continue;
            };
            let number: f64 = rest.rsplit(' ').next().unwrap().parse().unwrap();
            if rest.contains("operation=\"put_claim\"") {
                calls.writes += number;
            } else if rest.contains("operation=\"claim\"") {
                calls.reads += number;
            }
        }
        calls
    }

    fn add(&mut self, before: &Self, now: &Self) {
        self.reads += now.reads - before.reads;
        self.writes += now.writes - before.writes;
    }

    fn print(&self, when: &str) {
        let creates = (RUNS * TURNS * CREATES) as f64;
        println!(
            "Claims read and written for each create, {when}: {:.2} reads, {:.2} writes",
            self.reads / creates,
            self.writes / creates
        );
    }
}

/// Waits until the observer has looked at all that was created: what it did not admit it leaves
/// to others for a second.
async fn nothing_waits(lab: &Lab) {
    loop {
        let before = Calls::so_far(lab).await;
        tokio::time::sleep(Duration::from_millis(1600)).await;
        if Calls::so_far(lab).await == before {
            return;
        }
    }
}

/// Each side is a namespace, and each webhook is asked for one of them.
async fn share_out(admin: &Kubectl, yes: &Yes) {
    for side in SIDES {
        let namespace = Object::namespace(side).labelled("bench", side);
        admin.apply(&namespace).await.admitted();
    }
    let api = "admissionregistration.k8s.io/v1";
    let registered = Object::new(api, "ValidatingWebhookConfiguration", "aso-guard");
    let registered = admin.get(&registered).await.admitted().object;
    let mut webhooks = registered.0["webhooks"].clone();
    let of_objects = |webhook: &&mut Value| {
        let name = webhook["name"].as_str().unwrap_or_default();
        [
            "write.asoguard.io",
            "parked.asoguard.io",
            "delete.asoguard.io",
        ]
        .contains(&name)
    };
    let webhooks = webhooks.as_array_mut().unwrap();
    for webhook in webhooks.iter_mut().filter(of_objects) {
        webhook["namespaceSelector"] = json!({"matchLabels": {"bench": "aso-guard"}});
    }
    let guarded = registered.clone().with("/webhooks", json!(webhooks));
    // Else the guard puts it back as it was installed.
    let guarded = guarded.annotated(UNMANAGED_ANNOTATION, "each side is asked apart");
    admin.replace(&guarded).await.admitted();
    // The other is asked for the very same, and says yes.
    let ca = std::fs::read(yes.ca_file()).unwrap();
    let ca = serde_json::to_value(k8s_openapi::ByteString(ca)).unwrap();
    let mut copies = Vec::new();
    for webhook in webhooks.iter_mut().filter(of_objects) {
        let mut copy = webhook.clone();
        let name = copy["name"].as_str().unwrap_or_default();
        copy["name"] = name.replace("asoguard.io", "example.com").into();
        copy["clientConfig"] = json!({"url": yes.url(), "caBundle": ca});
        copy["namespaceSelector"] = json!({"matchLabels": {"bench": "yes"}});
        copies.push(copy);
    }
    let second = Object::new(api, "ValidatingWebhookConfiguration", "yes");
    let second = second.with("/webhooks", json!(copies));
    admin.apply(&second).await.admitted();
    is_asked(admin, yes).await;
}

/// Waits until the API server has taken both up.
async fn is_asked(admin: &Kubectl, yes: &Yes) {
    let probe = Object::of("ResourceGroup", "probe");
    let pause = Duration::from_millis(300);
    yes.set_pause(pause);
    eventually("the API server to ask both webhooks", async || {
        let took = async |side: &str, probe: &Object| {
            let sent = Instant::now();
            let answer = admin.in_namespace(side).dry_run().create(probe).await?;
            anyhow::Ok((sent.elapsed(), answer.warnings.len()))
        };
        anyhow::ensure!(took("yes", &probe).await?.0 >= pause);
        anyhow::ensure!(took("none", &probe).await?.0 < pause);
        anyhow::ensure!(took("aso-guard", &probe).await?.0 < pause);
        // It has a word on a policy that ASO does not know, and nobody else has.
        let odd = probe.clone().policy("Skip");
        anyhow::ensure!(took("aso-guard", &odd).await?.1 > 0);
        anyhow::ensure!(took("none", &odd).await?.1 == 0);
        Ok(())
    })
    .await;
    yes.set_pause(Duration::ZERO);
}

fn print(at_once: usize, runs: &[Run]) {
    println!(
        "\nCREATE of {} resource groups each, {at_once} at once, in turns of {CREATES}; medians of {RUNS} runs; ms:\n",
        TURNS * CREATES
    );
    println!("| webhook | mean | p50 | p99 | time of all against none |");
    println!("| --- | --: | --: | --: | --: |");
    for (side, name) in SIDES.iter().enumerate() {
        let of_runs = |figure: &dyn Fn(&Run) -> f64| median(runs.iter().map(figure).collect());
        let at = |percent: usize| {
            of_runs(&|run| {
                let mut sorted = run.took[side].clone();
                sorted.sort_unstable();
                sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e3
            })
        };
        let mean = of_runs(&|run| {
            let total: Duration = run.took[side].iter().sum();
            total.as_secs_f64() * 1e3 / run.took[side].len() as f64
        });
        let ratio = of_runs(&|run| run.all[side].as_secs_f64() / run.all[0].as_secs_f64());
        println!(
            "| {name} | {mean:.2} | {:.2} | {:.2} | {ratio:.2} |",
            at(50),
            at(99)
        );
    }
    println!();
    let sum = |calls: &dyn Fn(&Run) -> &Calls| {
        runs.iter().fold(Calls::default(), |mut sum, run| {
            sum.add(&Calls::default(), calls(run));
            sum
        })
    };
    sum(&|run| &run.during).print("while they come");
    sum(&|run| &run.after).print("afterwards");
    let against_none = |side: usize| {
        let ratio = |run: &Run| run.all[side].as_secs_f64() / run.all[0].as_secs_f64();
        median(runs.iter().map(ratio).collect())
    };
    let how = if at_once == 1 {
        "one after the other".to_owned()
    } else {
        format!("{at_once} at once")
    };
    let promise = if at_once == 1 { "≤ 2.2" } else { "" };
    for (side, promise, who) in [
        (2, promise, "claims on a hub like it"),
        (1, "", "a webhook that says yes"),
    ] {
        let what =
            format!("time of creates {how} through a real API server, {who}, against no webhook");
        row(&what, promise, against_none(side), COMMAND);
    }
    for (when, calls) in [
        ("while they come", sum(&|run| &run.during)),
        ("afterwards", sum(&|run| &run.after)),
    ] {
        let creates = (RUNS * TURNS * CREATES) as f64;
        let what = format!("claims read and written for each of the creates {how}, {when}");
        let calls = (calls.reads + calls.writes) / creates;
        row(&what, "", calls, COMMAND);
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
