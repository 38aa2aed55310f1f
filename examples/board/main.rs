//! The board over a registry in memory, filled as that of a middling shop might be: to look at,
//! and for `tests/browser`.
//!
//! It listens where it is told, 127.0.0.1:8090 without a word. `fill KUBECONFIG#CONTEXT` fills a
//! hub that is there instead, for pictures of a terminal, and ends. Otherwise it takes a word a line: `away`
//! (the registry does not answer), `back`, `park NAME` (the live copies of resources of this name are parked), `claim NAME` (a
//! claim of a copy of this name, whatever it is), and `step` (a resource of the open transfer goes
//! one step on).

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an example that cannot go on ends"
)]

mod registry;
mod seed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aso_guard::board::Board;
use aso_guard::board::host_check::HostCheck;
use aso_guard::claim::Record;
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::kubernetes::crd::crds;
use aso_guard::registry::{ClaimScope, ReadOnlyRegistry, Registry as _};
use aso_guard::server::{bind, ops};
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{conditions, wait::await_condition};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use registry::Stage;

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let listen = match &words[..] {
        [fill, hub] if fill == "fill" => return fill_hub(hub).await,
        [listen] => listen,
        _ => "127.0.0.1:8090",
    };
    let listen: SocketAddr = listen.parse().expect("an address with a port");
    let stage = Arc::new(Stage::new(100));
    seed::fill(&*stage, Timestamp::now()).await;
    let board = Board::new(
        ReadOnlyRegistry::new(stage.clone()),
        "kubernetes:hub.kubeconfig",
    );
    let (listener, address) = bind(listen).await.expect("a free port");
    println!("The board is at http://{address}/");
    let router = board.clone().router(HostCheck::local());
    tokio::select! {
        () = ops::run_ops(listener, router, CancellationToken::new()) => {}
        () = board.count() => {}
        () = beat(&stage) => {}
        () = obey(&stage) => {}
    }
}

/// Gives a hub the registry's CRDs and what is shown.
async fn fill_hub(hub: &str) {
    let (path, context) = hub.split_once('#').unwrap_or((hub, ""));
    let options = KubeConfigOptions {
        context: (!context.is_empty()).then(|| context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.expect("a context");
    config.default_retry = false;
    let client = kube::Client::try_from(config).expect("a client");
    let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let ours = PatchParams::apply("board").force();
    for crd in crds() {
        let name = crd.name_any();
        let applied = kinds.patch(&name, &ours, &Patch::Apply(&crd)).await;
        applied.expect("a hub that takes CRDs");
        let served = await_condition(kinds.clone(), &name, conditions::is_crd_established());
        served.await.expect("a CRD that is served");
    }
    seed::fill(&KubernetesRegistry::new(client, hub), Timestamp::now()).await;
}

/// The members that run are heard from every few seconds.
async fn beat(stage: &Stage) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        if stage.members().await.is_ok() {
            seed::heartbeats(stage, Timestamp::now()).await;
        }
    }
}

async fn obey(stage: &Stage) {
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    loop {
        let Some(line) = lines.recv().await else {
            return std::future::pending().await;
        };
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("away", _) => stage.set_away(true),
            ("back", _) => stage.set_away(false),
            ("park", name) => park(stage, name).await,
            ("claim", name) => claim(stage, name).await,
            ("step", _) => step(stage).await,
            _ => eprintln!("away, back, park NAME, claim NAME, or step"),
        }
    }
}

/// Parks the live copies of the resource of this name.
async fn park(stage: &Stage, name: &str) {
    for mut known in stage.claims(&ClaimScope::All).await.unwrap().records {
        if known.record.identity.name() == name {
            let copies = known.record.copies.values_mut();
            for stored in copies.filter_map(|held| held.stored.as_mut()) {
                stored.policy = Policy::Skip;
            }
            let version = Some(&known.version);
            stage.put_claim(&known.record, version).await.unwrap();
        }
    }
}

/// Claims a resource group by a copy of this name.
async fn claim(stage: &Stage, name: &str) {
    let mut record = Record::new(seed::group_id("hostile").parse().expect("an ARM ID"));
    let key = ObjectKey::new(name, name, name, name);
    let (copy, held) = seed::copy("west", &key, Policy::Manage, Timestamp::now(), name);
    record.copies.insert(copy, held);
    stage.put_claim(&record, None).await.unwrap();
}

/// Takes the first resource of the open transfer that is not through one step on.
async fn step(stage: &Stage) {
    let mut moved = stage
        .claims(&ClaimScope::Reserved(None))
        .await
        .unwrap()
        .records;
    moved.sort_by(|a, b| a.record.identity.cmp(&b.record.identity));
    for mut known in moved {
        if seed::step(&mut known.record, Timestamp::now()) {
            let version = Some(&known.version);
            stage.put_claim(&known.record, version).await.unwrap();
            return;
        }
    }
}
