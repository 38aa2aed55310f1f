//! The webhook over TLS under a load that goes on, and behind a registry that is slow:
//! `cargo bench --bench load`. `ASO_GUARD_SECONDS=60` for less than ten minutes of each load.
//!
//! Storage accounts come and go: each is created, stored, seen by the observer, and deleted when
//! [`LIVE`] others are there. Claims are in memory. First as many calls as the server takes, then 80 %
//! of them, by the clock: a call's time is from when it was due, so that nobody waits unseen.

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
#[path = "../tests/wire/tampered.rs"]
mod tampered;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use aso_guard::cluster::observer::WatchedChange;
use aso_guard::registry::ADMISSIONS;
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::metered::{MeteredRegistry, RegistryMetrics};
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::runtime::Runtime;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use support::histogram::Histogram;
use support::load::{Connections, Load, ask, is_yes};
use support::memory::mib;
use support::reviews::Reviews;
use support::row::row;
use support::server::{self, Server};
use support::{Webhook, client_runtime, server_runtime};
use tampered::{Tampered, Trouble};

const COMMAND: &str = "cargo bench --bench load";
/// How many connections there are.
const CONNECTIONS: [usize; 2] = [16, 64];
/// How long a load goes on, in seconds.
const SECONDS: u64 = 600;
/// How long the server is asked as much as it takes.
const AT_MOST_FOR: Duration = Duration::from_secs(20);
/// The part of what it takes that it is asked for.
const PART: f64 = 0.8;
/// How many objects there are at a time.
const LIVE: u64 = 256;
/// Shorter than by default, so that what is kept until then is as much as it will be soon.
const CLAIM_DEADLINE: Duration = Duration::from_secs(10);
/// A client sends what is due so often.
const TICK: Duration = Duration::from_millis(1);
/// More calls under way than this are not waited for: the load is too much.
const TOO_MANY: usize = 20_000;

/// How long each call of the slow registry takes.
const SLOW: Duration = Duration::from_millis(100);
/// How many requests are under way behind it.
const BEHIND: [usize; 4] = [64, 512, 2_048, 4_096];
/// How long who was refused waits before the next.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// How often each of them is followed by another.
const ROUNDS: usize = 10;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (server, client) = (server_runtime(), client_runtime());
    under_load(&server, &client);
    client.block_on(behind_a_slow_registry(&server));
}

/// A cluster whose objects come and go, and its webhook.
struct Busy {
    webhook: Webhook,
    connections: Connections,
    creates: Reviews,
    deletes: Reviews,
    next: Cell<u64>,
    _server: Server,
    stop: CancellationToken,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Busy {
    async fn start(runtime: &Runtime, connections: usize) -> Self {
        let webhook = Webhook::of(Arc::new(MemoryRegistry::new()), CLAIM_DEADLINE);
        let stop = CancellationToken::new();
        runtime.spawn(webhook.observer.clone().run(stop.clone()));
        runtime.spawn(stop.clone().run_until_cancelled_owned(webhook.heartbeat()));
        let router = webhook.router.clone();
        let started = runtime.spawn(async { Server::start(router, server::config()).await });
        let server = started.await.unwrap();
        let load = Load {
            connections,
            concurrency: 1,
        };
        Self {
            webhook,
            connections: Connections::open(&server, load).await,
            creates: Reviews::of_accounts(),
            deletes: Reviews::of_deletes(),
            next: Cell::new(0),
            _server: server,
            stop,
        }
    }

    /// The next call: a create, or the delete of what was created [`LIVE`] creates before. Whether it
    /// was let through.
    async fn call(&self) -> bool {
        let number = self.next.replace(self.next.get() + 1);
        let sender = self.connections.of_call(number);
        let (object, creates) = (number / 2, number.is_multiple_of(2));
        if creates {
            if !is_yes(&ask(sender, self.creates.of_object(object, object)).await) {
                return false;
            }
            let stored = self.webhook.cluster.store(Reviews::facts(object, object));
            let change = WatchedChange::CreatedLive;
            self.webhook
                .observer
                .changed(&stored.key, &stored.uid, change);
        } else if let Some(old) = object.checked_sub(LIVE) {
            if !is_yes(&ask(sender, self.deletes.of_object(old, old)).await) {
                return false;
            }
            let facts = Reviews::facts(old, old);
            self.webhook.cluster.remove(&facts.key);
            let change = WatchedChange::Relevant;
            self.webhook
                .observer
                .changed(&facts.key, &facts.uid, change);
        }
        true
    }

    /// As many calls as are answered, for a while: calls a second.
    async fn at_most(&self, concurrency: usize) -> f64 {
        let (begun, calls) = (Instant::now(), Cell::new(0_u64));
        let workers = (0..concurrency).map(async |_| {
            while begun.elapsed() < AT_MOST_FOR {
                self.call().await;
                calls.set(calls.get() + 1);
            }
        });
        join_all(workers).await;
        calls.get() as f64 / begun.elapsed().as_secs_f64()
    }

    /// So many calls a second, for so long.
    async fn at_rate(&self, rate: f64, time: Duration) -> Seen {
        let mut seen = Seen::default();
        let mut ticks = interval(TICK);
        let begun = ticks.tick().await;
        let (mut sent, mut calls) = (0_u64, FuturesUnordered::new());
        loop {
            tokio::select! {
                biased;
                due = ticks.tick() => {
                    let passed = due - begun;
                    if passed >= time * seen.memory.len() as u32 / 10 {
                        seen.memory.push(resident());
                    }
                    if passed >= time {
                        break;
                    }
                    assert!(calls.len() < TOO_MANY, "it does not keep up");
                    while (sent as f64) < passed.as_secs_f64() * rate {
                        sent += 1;
                        calls.push(async move {
                            (self.call().await, due.elapsed())
                        });
                    }
                }
                Some(one) = calls.next() => seen.add(one),
            }
        }
        while let Some(one) = calls.next().await {
            seen.add(one);
        }
        seen
    }
}

/// What was seen of a load.
#[derive(Default)]
struct Seen {
    took: Histogram,
    /// How many calls were not let through.
    refused: u64,
    /// The memory of this process every tenth of the time, in MiB.
    memory: Vec<f64>,
}

impl Seen {
    fn add(&mut self, (admitted, took): (bool, Duration)) {
        self.took.add(took);
        self.refused += u64::from(!admitted);
    }
}

/// The memory of this process, server and client, in MiB.
fn resident() -> f64 {
    mib("self", "VmRSS")
}

fn under_load(server: &Runtime, client: &Runtime) {
    let seconds = std::env::var("ASO_GUARD_SECONDS").map_or(SECONDS, |one| one.parse().unwrap());
    let time = Duration::from_secs(seconds);
    println!(
        "\nStorage accounts come and go over TLS and HTTP/2, {LIVE} at a time, claims in memory, {seconds} s \
         of each\nload; calls a second, ms, and MiB of client and server together at its tenths:\n"
    );
    println!(
        "| connections | at most | asked | calls | refused | p50 | p99 | p99.9 | longest | memory |"
    );
    println!("| --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |");
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        client.block_on(async {
            let busy = Busy::start(server, connections).await;
            let most = busy.at_most(connections * 4).await;
            let seen = busy.at_rate(most * PART, time).await;
            let (took, memory) = (&seen.took, &seen.memory);
            let at = |percent| took.percentile(percent).as_secs_f64() * 1e3;
            // From a tenth on, when what is kept until a deadline is as much as it will be.
            let grew = memory[memory.len() - 1] / memory[1];
            rows.push((connections, grew, at(99.9)));
            let memory: Vec<String> = memory.iter().map(|mib| format!("{mib:.0}")).collect();
            println!(
                "| {connections} | {most:.0} | {:.0} | {} | {} | {:.2} | {:.2} | {:.2} | {:.1} | {} |",
                most * PART,
                took.count(),
                seen.refused,
                at(50.0),
                at(99.0),
                at(99.9),
                took.longest().as_secs_f64() * 1e3,
                memory.join(" ")
            );
        });
    }
    for (connections, grew, p999) in rows {
        let of = format!("{connections} connections at 80 % of what the server takes, {seconds} s");
        row(
            &format!("{of}: memory at the end against that after a tenth"),
            "≤ 1.05",
            grew,
            COMMAND,
        );
        row(&format!("{of}: p99.9, ms"), "", p999, COMMAND);
    }
}

/// What came of the requests behind a slow registry.
#[derive(Default)]
struct Behind {
    yes: Histogram,
    no: Histogram,
    said: Option<String>,
}

async fn behind_a_slow_registry(runtime: &Runtime) {
    println!(
        "\nCREATE of storage accounts, each call of the registry takes {} ms, at most {ADMISSIONS} \
         admissions at once; ms:\n",
        SLOW.as_millis()
    );
    println!(
        "| under way | calls of the registry at once | admitted | a second | p50 | p99 | refused at once | p50 | p99 | MiB |"
    );
    println!("| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
    let (mut said, mut rows) = (None, Vec::new());
    for (turn, at_once) in BEHIND.into_iter().enumerate() {
        let slow = Arc::new(Tampered::new(Arc::new(MemoryRegistry::new())));
        let metered = MeteredRegistry::new(slow.clone(), RegistryMetrics::default());
        let webhook = Webhook::of(Arc::new(metered), CLAIM_DEADLINE);
        let router = webhook.router.clone();
        let started = runtime.spawn(async { Server::start(router, server::config()).await });
        let server = started.await.unwrap();
        let heartbeat = runtime.spawn(webhook.heartbeat());
        let load = Load {
            connections: 64,
            concurrency: 1,
        };
        let connections = Connections::open(&server, load).await;
        slow.set(Trouble::Slow(SLOW));
        let (reviews, seen) = (Reviews::of_accounts(), RefCell::new(Behind::default()));
        let begun = Instant::now();
        let requests = (0..at_once).map(async |place| {
            for round in 0..ROUNDS {
                let number = ((turn * ROUNDS + round) * BEHIND[3] + place) as u64;
                let sent = Instant::now();
                let answer = ask(connections.of_call(number), reviews.body(number)).await;
                let took = sent.elapsed();
                if is_yes(&answer) {
                    seen.borrow_mut().yes.add(took);
                    continue;
                }
                {
                    let mut seen = seen.borrow_mut();
                    seen.no.add(took);
                    seen.said = Some(String::from_utf8_lossy(&answer).into_owned());
                }
                sleep(AFTER_REFUSAL).await;
            }
        });
        join_all(requests).await;
        heartbeat.abort();
        let (seen, took) = (seen.into_inner(), begun.elapsed());
        let ms = |histogram: &Histogram, percent| {
            if histogram.count() == 0 {
                return String::new();
            }
            format!("{:.1}", histogram.percentile(percent).as_secs_f64() * 1e3)
        };
        let most = slow.most_at_once();
        println!(
            "| {at_once} | {most} | {} | {:.0} | {} | {} | {} | {} | {} | {:.0} |",
            seen.yes.count(),
            seen.yes.count() as f64 / took.as_secs_f64(),
            ms(&seen.yes, 50.0),
            ms(&seen.yes, 99.0),
            seen.no.count(),
            ms(&seen.no, 50.0),
            ms(&seen.no, 99.0),
            resident(),
        );
        let shed = (seen.no.count() > 0).then(|| seen.no.percentile(99.0));
        rows.push((at_once, most, shed));
        said = said.or(seen.said);
    }
    println!("\nWhat is refused says: {}", said.unwrap_or_default());
    for (at_once, most, shed) in rows {
        let what = format!(
            "calls under way at once behind a registry that takes 100 ms, {at_once} requests"
        );
        row(
            &what, // One more is the look at the registry's epoch that all of them share.
            "≤ 1025",
            most as f64,
            COMMAND,
        );
        if let Some(shed) = shed {
            let what = format!("p99 of what is refused at once of those {at_once}, ms");
            row(&what, "", shed.as_secs_f64() * 1e3, COMMAND);
        }
    }
}
