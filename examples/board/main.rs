//! The board over a registry in memory, filled as that of a middling shop might be: to look at,
//! and for `tests/browser`.
//!
//! It listens where it is told, 127.0.0.1:8090 without a word, and takes a word a line: `away`
//! (the registry does not answer), `back`, `park NAME` (the live copies of resources of this name are parked), and `claim NAME` (a
//! claim of a copy of this name, whatever it is).

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
use aso_guard::board::shield::Shield;
use aso_guard::claim::Record;
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use aso_guard::registry::{ReadOnly, Registry as _, Scope};
use aso_guard::server::{bind, ops};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use registry::Stage;

#[tokio::main]
async fn main() {
    let listen = std::env::args().nth(1);
    let listen = listen.as_deref().unwrap_or("127.0.0.1:8090");
    let listen: SocketAddr = listen.parse().expect("an address with a port");
    let stage = Arc::new(Stage::new(100));
    seed::fill(&*stage, Timestamp::now()).await;
    let board = Board::new(ReadOnly::new(stage.clone()), "kubernetes:hub.kubeconfig");
    let (listener, address) = bind(listen).await.expect("a free port");
    println!("The board is at http://{address}/");
    let router = board.clone().router(Shield::local());
    tokio::select! {
        () = ops::run_ops(listener, router, CancellationToken::new()) => {}
        () = board.count() => {}
        () = beat(&stage) => {}
        () = obey(&stage) => {}
    }
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
    let (told, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = told.send(line);
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
            _ => eprintln!("away, back, park NAME, or claim NAME"),
        }
    }
}

/// Parks the live copies of the resource of this name.
async fn park(stage: &Stage, name: &str) {
    for mut known in stage.claims(&Scope::All).await.unwrap() {
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
