//! The webhook over TLS against a bare axum and rustls server that reads the same
//! body and answers yes: `cargo bench --bench handler`.
//!
//! Criterion reports each on its own; the table at the end compares the two in
//! turns, for on a shared machine the minutes differ more than the servers.

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

use aso_guard::registry::memory::MemoryRegistry;
use criterion::{BenchmarkId, Criterion, Throughput};
use tokio::runtime::Runtime;

use support::load::{Connections, Load};
use support::reviews::Reviews;
use support::row::row;
use support::server::{self, Server};
use support::{bare, client_runtime, server_runtime, server_time, webhook};

const LOAD: Load = Load {
    connections: 2,
    concurrency: 16,
};
/// Calls before the clock starts.
const WARM_UP: u64 = 1_000;
/// Calls on the clock, in one turn of the comparison.
const CALLS: u64 = 20_000;
const TURNS: usize = 7;

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Contender {
    /// axum and rustls.
    Bare,
    /// The same router as `Bare`, in this package's server.
    Server,
    /// The webhook.
    Guard,
}

use Contender::{Bare, Guard, Server as Ours};

/// One turn: calls per second, and the server's own time for each.
struct Turn {
    rate: f64,
    cost: Option<Duration>,
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Bare => "bare axum + rustls",
            Ours => "the same in aso-guard's server",
            Guard => "aso-guard",
        }
    }

    async fn start(self) -> Server {
        match self {
            Bare => bare::serve(bare::yes()).await,
            Ours => Server::start(bare::yes(), server::config()).await,
            Guard => {
                let registry = Arc::new(MemoryRegistry::new());
                Server::start(webhook(registry), server::config()).await
            }
        }
    }

    /// A server that was started anew answers so many calls.
    fn turn(
        self,
        server: &Runtime,
        client: &Runtime,
        reviews: &Reviews,
        calls: u64,
    ) -> (Duration, Turn) {
        let running = server.block_on(server.spawn(self.start())).unwrap();
        client.block_on(async {
            let connections = Connections::open(&running, LOAD).await;
            connections.send(LOAD, reviews, 0..WARM_UP).await;
            let before = server_time();
            let numbers = WARM_UP..WARM_UP + calls;
            let outcome = connections.send(LOAD, reviews, numbers).await;
            let worked = server_time().zip(before);
            let turn = Turn {
                rate: calls as f64 / outcome.elapsed.as_secs_f64(),
                cost: worked.map(|(now, before)| now.saturating_sub(before).div_f64(calls as f64)),
            };
            (outcome.elapsed, turn)
        })
    }
}

fn loads() -> [(&'static str, Reviews); 2] {
    [
        ("resource groups", Reviews::of_groups()),
        ("storage accounts", Reviews::of_accounts()),
    ]
}

fn one_by_one(criterion: &mut Criterion) {
    let (server, client) = (server_runtime(), client_runtime());
    for (what, reviews) in loads() {
        let mut bench = criterion.benchmark_group(format!("CREATE of {what}"));
        bench.throughput(Throughput::Elements(1)).sample_size(10);
        for contender in [Bare, Guard] {
            bench.bench_function(BenchmarkId::from_parameter(contender.name()), |bencher| {
                bencher.iter_custom(|calls| contender.turn(&server, &client, &reviews, calls).0);
            });
        }
        bench.finish();
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn in_turns() {
    let (server, client) = (server_runtime(), client_runtime());
    println!(
        "\nCREATE of distinct live objects over TLS and HTTP/2, claims in memory, {} calls in \
         flight;\nmedians of {TURNS} turns of {CALLS} calls each. Ratios are to the bare server's \
         turn before.\n",
        LOAD.connections * LOAD.concurrency
    );
    println!("| objects | server | reviews/s | ratio | server's µs each | ratio |");
    println!("| --- | --- | --: | --: | --: | --: |");
    for (what, reviews) in loads() {
        let contenders = [Bare, Ours, Guard];
        let mut turns: [Vec<Turn>; 3] = Default::default();
        for _ in 0..TURNS {
            for (contender, turns) in contenders.iter().zip(&mut turns) {
                turns.push(contender.turn(&server, &client, &reviews, CALLS).1);
            }
        }
        let cost = |turn: &Turn| turn.cost.map_or(f64::NAN, |cost| cost.as_secs_f64() * 1e6);
        for (contender, own) in contenders.iter().zip(&turns) {
            let pairs = || own.iter().zip(&turns[0]);
            println!(
                "| {what}, {} B | {} | {:.0} | {:.2} | {:.1} | {:.2} |",
                reviews.size(),
                contender.name(),
                median(own.iter().map(|turn| turn.rate).collect()),
                median(pairs().map(|(own, bare)| own.rate / bare.rate).collect()),
                median(own.iter().map(cost).collect()),
                median(pairs().map(|(own, bare)| cost(own) / cost(bare)).collect()),
            );
        }
        let pairs = turns[2].iter().zip(&turns[0]);
        row(
            &format!(
                "reviews a second, CREATE of live {what} over TLS, claims in memory, against a bare axum and rustls server"
            ),
            "≥ 0.85",
            median(pairs.map(|(own, bare)| own.rate / bare.rate).collect()),
            "cargo bench --bench handler",
        );
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    one_by_one(&mut criterion);
    criterion.final_summary();
    // `cargo test --benches` only looks whether it works.
    if std::env::args().any(|argument| argument == "--bench") {
        in_turns();
    }
}
