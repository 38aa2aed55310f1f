//! A fleet of a thousand clusters, simulated: what it asks of its registry, and what becomes of it
//! when that is away.
//!
//! `cargo run --release --example fleet -- --help` says what can be chosen. The clusters run the
//! product's own guards and observers; `tests/fleet` has a small one. `docs/scale.md` says what it
//! showed.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    dead_code,
    reason = "the simulation is a test's, and not all of it is used here"
)]

#[path = "../tests/fleet/simulation/mod.rs"]
mod simulation;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use simulation::check::faults;
use simulation::fleet::{Fleet, REGIONS, Size};
use simulation::load::Users;
use simulation::meter::CallKind;
use simulation::scenarios::{Outcome, enrol, outage, steady, wave};
use simulation::service::Backend;

/// A fleet of clusters, simulated: what it asks of its registry.
///
/// Guards and observers are the product's own; time, the registry's service, API servers and people
/// are simulated. Claims are in memory: some 4 KiB a resource, clusters and all.
#[derive(Parser)]
struct Args {
    /// How many clusters.
    #[arg(long, default_value_t = 1_000)]
    clusters: usize,
    /// How many resources each has.
    #[arg(long, default_value_t = 100)]
    resources: usize,
    /// How many replicas each guard has.
    #[arg(long, default_value_t = 2)]
    replicas: usize,
    /// What the claims are kept in.
    #[arg(long, value_enum, default_value_t = Backend::Blob)]
    backend: Backend,
    /// The cores of a hub's API server and etcd.
    #[arg(long, default_value_t = 16.0)]
    cores: f64,
    /// Within how many seconds all guards start.
    #[arg(long, default_value_t = 60)]
    start_within: u64,
    /// How many resources are created in each cluster in an hour, and deleted ten minutes later.
    #[arg(long, default_value_t = 4.0)]
    creates: f64,
    /// How many minutes of a usual day, and of each outage.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// How many resources are moved by a transfer.
    #[arg(long, default_value_t = 100)]
    moved: usize,
    /// What happens after the start; all, where nothing is said.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// What all that looks random comes from. The order in which some things happen at the same
    /// moment is the process's own, so two runs of a seed differ by a few requests in a thousand.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A usual day.
    Day,
    /// One region of three does not reach the registry.
    Region,
    /// No region does.
    All,
    /// A transfer.
    Transfer,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build();
    let found = runtime.expect("it can be made").block_on(run(&args));
    if found.is_empty() {
        println!("\nNo resource was live twice, every live one has its claim, nobody waits.");
        return ExitCode::SUCCESS;
    }
    println!("\n{} faults:", found.len());
    for fault in found.iter().take(20) {
        println!("  {fault}");
    }
    ExitCode::FAILURE
}

async fn run(args: &Args) -> Vec<String> {
    let size = Size {
        clusters: args.clusters,
        resources: args.resources,
        replicas: args.replicas,
        backend: args.backend,
        cores: args.cores,
        start_within: Duration::from_secs(args.start_within),
        seed: args.seed,
    };
    println!(
        "{} clusters x {} resources, {} replicas each, {:?}, seed {}",
        args.clusters, args.resources, args.replicas, args.backend, args.seed
    );
    let began = Instant::now();
    let fleet = Fleet::start(size);
    let users = Arc::new(Users::new(args.seed));
    let lasting = Duration::from_mins(args.minutes);
    let wants = |part| args.only.is_empty() || args.only.contains(&part);
    show(&enrol(&fleet).await, began);
    if wants(Part::Day) {
        show(&steady(&fleet, &users, args.creates, lasting).await, began);
    }
    for (part, regions) in [(Part::Region, 1), (Part::All, REGIONS)] {
        if !wants(part) {
            continue;
        }
        let cut: Vec<usize> = (0..regions).collect();
        let load = (args.creates, lasting);
        for outcome in outage(&fleet, &users, &cut, load).await {
            show(&outcome, began);
        }
    }
    if wants(Part::Transfer) {
        let count = args.moved.min(args.resources);
        show(&wave(&fleet, &users, count).await, began);
    }
    // What was made meanwhile is deleted by then, and its last deadline is over.
    tokio::time::sleep(Duration::from_mins(20)).await;
    let found = faults(&fleet).await;
    println!("\n{} claims, {}", fleet.store.claims(), memory());
    fleet.stop().await;
    found
}

/// A section of the report, and on standard error how long the simulation has run.
fn show(outcome: &Outcome, began: Instant) {
    let window = &outcome.window;
    println!("\n## {}\n", outcome.what);
    match outcome.took {
        Some(took) => println!("{} s of the fleet's time", took.as_secs()),
        None => println!("it did not end"),
    }
    println!(
        "{:.0} requests a second, {} in the busiest; work: {:.0} a second\n",
        window.rate(),
        window.peak,
        window.work / window.lasted.as_secs_f64().max(1.0)
    );
    println!("| requests | in all | a second | most in one second |");
    println!("| --- | ---: | ---: | ---: |");
    for kind in CallKind::ALL {
        let (count, peak) = (window.count(kind), window.peak_of(kind));
        if count > 0 {
            let rate = window.per_second(count);
            println!("| {} | {count} | {rate:.1} | {peak} |", kind.words());
        }
    }
    let verdicts = &outcome.verdicts;
    if !verdicts.waited.is_empty() {
        let [half, most, last] = [50, 99, 100].map(|part| verdicts.percentile(part).as_millis());
        println!("\nverdicts: p50 {half} ms, p99 {most} ms, longest {last} ms");
        for (words, count) in &verdicts.of {
            println!("- {words}: {count}");
        }
    }
    eprintln!("[{:.0} s, {}]", began.elapsed().as_secs_f64(), memory());
}

/// How much memory the process has had at most.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    format!("at most {} of memory", peak.unwrap_or("?").trim())
}
