//! How long calls take with a hundred and with up to a million claims in the registry:
//! `cargo bench --bench scale`. Takes some three gigabytes. `ASO_GUARD_PLOT=create-cost.svg` draws it.

#![allow(
    dead_code,
    missing_docs,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark, for the developers of this package; each uses a part of its support"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use aso_guard::claim::{Acquire, CopyRef, Proof, RequestUid, acquire};
use aso_guard::object::ObjectKey;
use aso_guard::registry::Registry as _;
use aso_guard::registry::memory::MemoryRegistry;
use jiff::Timestamp;

use support::load::{Connections, Load};
use support::plot;
use support::reviews::{NAMESPACE, Reviews, SUBSCRIPTION};
use support::row::row;
use support::server::{self, Server};
use support::{client_runtime, server_runtime, webhook};

/// As many calls in flight as an API server under load has: enough to queue, not
/// so many that a call waits for nothing but the others.
const LOAD: Load = Load {
    connections: 1,
    concurrency: 4,
};
const CLAIMS: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
const CALLS: u64 = 5_000;
const TURNS: u64 = 8;

/// A registry that holds so many claims of storage accounts, a thousand to a group.
async fn filled(claims: u64) -> Arc<MemoryRegistry> {
    let registry = Arc::new(MemoryRegistry::new());
    for number in 0..claims {
        let (group, name) = (number % 1_000, format!("account-{number}"));
        let identity = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-{group}/providers/Microsoft.Storage/\
             storageAccounts/{name}"
        );
        let identity = identity.parse().unwrap();
        let ask = Acquire {
            copy: CopyRef {
                member: "b".parse().unwrap(),
                object: ObjectKey::new("storage.azure.com", "StorageAccount", NAMESPACE, &name),
            },
            request: RequestUid::new(&name),
            proof: Proof::Uid(name.as_str().into()),
            deadline: Timestamp::UNIX_EPOCH,
            at: Timestamp::UNIX_EPOCH,
            by: "alice".into(),
            assumed: false,
        };
        let record = acquire(None, &identity, &ask).unwrap();
        registry.put_claim(&record, None).await.unwrap();
    }
    registry
}

/// The time within which so many of a hundred calls ended.
fn percentile(sorted: &[Duration], percent: f64) -> f64 {
    let last = (sorted.len() - 1) as f64;
    sorted[(last * percent / 100.0).round() as usize].as_secs_f64() * 1e6
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (server, client) = (server_runtime(), client_runtime());
    let reviews = Reviews::of_accounts();
    let mut latencies: [Vec<Duration>; CLAIMS.len()] = Default::default();
    client.block_on(async {
        let mut sides = Vec::new();
        // Filling takes longer than a connection may be idle.
        let mut registries = Vec::new();
        for claims in CLAIMS {
            registries.push(filled(claims).await);
        }
        for registry in registries {
            let router = webhook(registry);
            let start = server.spawn(async { Server::start(router, server::config()).await });
            let running = start.await.unwrap();
            let connections = Connections::open(&running, LOAD).await;
            connections.send(LOAD, &reviews, 0..CALLS).await;
            sides.push((running, connections));
        }
        for turn in 1..=TURNS {
            for ((_, connections), latencies) in sides.iter().zip(&mut latencies) {
                let numbers = turn * CALLS..(turn + 1) * CALLS;
                let outcome = connections.send(LOAD, &reviews, numbers).await;
                latencies.extend(outcome.latencies);
            }
        }
    });
    println!(
        "\nCREATE of storage accounts over TLS, {} calls in flight, {} calls in turns; µs:\n",
        LOAD.connections * LOAD.concurrency,
        CALLS * TURNS
    );
    println!("| claims | p50 | p90 | p99 | p99.9 |");
    println!("| --: | --: | --: | --: | --: |");
    let percents = [50.0, 90.0, 99.0, 99.9];
    let rows = latencies.map(|mut latencies| {
        latencies.sort_unstable();
        percents.map(|percent| percentile(&latencies, percent))
    });
    for (claims, row) in CLAIMS.iter().zip(&rows) {
        let cells = row.map(|time| format!("{time:.0}"));
        println!("| {claims} | {} |", cells.join(" | "));
    }
    let p99_against = |at: usize| rows[at][2] / rows[1][2];
    row(
        "p99 of creates at a million claims against a thousand, claims in memory",
        "≤ 1.2",
        p99_against(CLAIMS.len() - 1),
        "cargo bench --bench scale",
    );
    if let Some(file) = std::env::var_os("ASO_GUARD_PLOT") {
        let line = |at: usize| {
            let points = CLAIMS.iter().zip(&rows);
            points
                .map(|(claims, row)| (*claims as f64, row[at]))
                .collect()
        };
        plot::draw(file.as_ref(), &[("p50", line(0)), ("p99", line(2))]);
    }
}
