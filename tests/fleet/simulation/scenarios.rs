//! What happens to a fleet, and what it asks of its registry meanwhile.

use std::sync::Arc;
use std::time::Duration;

use aso_guard::arm::Identity;
use aso_guard::claim::NamespaceRef;
use aso_guard::registry::transfers;
use aso_guard::transfer::{Selection, Transfer, TransferAction};
use futures::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, NAMESPACE, REGIONS};
use super::load::{Ask, Users, Verdicts};
use super::member::Member;
use super::meter::Window;
use super::resource::Resource;

/// Longer than a fleet takes for anything here.
const PATIENCE: Duration = Duration::from_hours(6);
/// How many resources a transfer's driver moves at once.
const TOGETHER: usize = 8;

/// What a scenario came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened.
    pub what: String,
    /// What was asked of the registry.
    pub window: Window,
    /// How long it took until all was settled; `None`: it did not end.
    pub took: Option<Duration>,
    /// What people were told.
    pub verdicts: Verdicts,
}

impl Outcome {
    /// How many people were told this.
    pub fn count(&self, words: &str) -> usize {
        self.verdicts.of.get(words).copied().unwrap_or_default()
    }
}

fn outcome(
    fleet: &Fleet,
    users: Option<&Users>,
    what: impl Into<String>,
    (began, took): (Instant, Option<Duration>),
) -> Outcome {
    let told = users.map(|users| std::mem::take(&mut *users.told.lock()));
    Outcome {
        what: what.into(),
        window: fleet.store.meter.since(began),
        took,
        verdicts: told.unwrap_or_default(),
    }
}

/// All guards start and bring in what their clusters have.
pub async fn enrol(fleet: &Fleet) -> Outcome {
    let began = Instant::now();
    let took = fleet.settle(PATIENCE).await;
    let what = format!("all start within {:?}", fleet.size.start_within);
    outcome(fleet, None, what, (began, took))
}

/// Nothing but what happens every day.
pub async fn steady(
    fleet: &Fleet,
    users: &Arc<Users>,
    each_hour: f64,
    lasting: Duration,
) -> Outcome {
    let began = Instant::now();
    users.work(fleet, each_hour, lasting).await;
    let what = format!("{each_hour} creates an hour in each cluster");
    outcome(fleet, Some(users), what, (began, Some(began.elapsed())))
}

/// Some regions do not reach the registry for a while, and then do. Gives what came meanwhile, and
/// from then on until all is settled and nobody waits any more.
pub async fn outage(
    fleet: &Fleet,
    users: &Arc<Users>,
    regions: &[usize],
    (each_hour, lasting): (f64, Duration),
) -> [Outcome; 2] {
    let began = Instant::now();
    fleet.store.cut_off(regions.iter().copied());
    users.work(fleet, each_hour, lasting).await;
    let cut = regions.len();
    let what = format!("{cut} of {REGIONS} regions cut off for {lasting:?}");
    let away = outcome(fleet, Some(users), what, (began, Some(began.elapsed())));
    let began = Instant::now();
    fleet.store.cut_off([]);
    // Who saw nothing of the end yet is settled in his own eyes.
    sleep(Duration::from_secs(5)).await;
    let mut took = fleet.settle(PATIENCE).await;
    while users.waiting() > 0 {
        sleep(Duration::from_secs(1)).await;
    }
    let all = fleet.settle(PATIENCE).await;
    took = took.and(all).map(|_| began.elapsed());
    let back = outcome(fleet, Some(users), "after they are back", (began, took));
    [away, back]
}

/// All that one cluster has, or so many, goes to another one by a transfer.
pub async fn wave(fleet: &Fleet, users: &Users, count: usize) -> Outcome {
    let [from, to] = [&fleet.members[0], &fleet.members[1]];
    let began = Instant::now();
    let place = |member: &Member| NamespaceRef {
        member: member.name.clone(),
        namespace: NAMESPACE.into(),
    };
    let name = "wave".parse().expect("it is a name");
    let transfer = Transfer::new(name, place(from), place(to), Selection::default());
    let line = &*from.replicas[0].line;
    let entry = transfers::entry(TransferAction::Start, "alice", None);
    let started = transfers::start(line, &transfer, &entry).await;
    started.expect("no transfer has the name");
    let opened = transfers::open(line, &transfer.name, &|_| true).await;
    opened.expect("it was started");
    let moved = |member: Arc<Member>, ask: Ask| async move {
        let member = &*member;
        // Owners before what they own, and when they are deleted, after it.
        let mut numbers: Vec<usize> = (0..count).collect();
        if matches!(ask, Ask::Delete) {
            numbers.reverse();
        }
        let asks = stream::iter(numbers).map(|number| async move {
            let resource = Resource::of(from.name.as_str(), number);
            let verdict = users.insist(member, &resource, ask).await;
            assert!(
                verdict.allowed,
                "{}: {}",
                resource.identity(),
                verdict.message
            );
        });
        asks.buffered(TOGETHER).collect::<()>().await;
    };
    moved(from.clone(), Ask::Park).await;
    // A copy may go live elsewhere once the claim says that it is parked here.
    parked(fleet, count).await;
    moved(to.clone(), Ask::Create(None)).await;
    moved(from.clone(), Ask::Delete).await;
    let closed = transfers::close(line, &transfer.name, None).await;
    closed.expect("the registry answers");
    let settled = fleet.settle(PATIENCE).await;
    let took = settled.map(|_| began.elapsed());
    let what = format!("{count} resources from {} to {}", from.name, to.name);
    outcome(fleet, Some(users), what, (began, took))
}

/// Waits until no claim of these has a live copy.
async fn parked(fleet: &Fleet, count: usize) {
    let from = &fleet.members[0];
    let mut left: Vec<Identity> = (0..count)
        .map(|number| Resource::of(from.name.as_str(), number).identity())
        .collect();
    let line = &*from.replicas[0].line;
    while !left.is_empty() {
        let mut still = Vec::new();
        for identity in left {
            let known = line.claim(&identity).await.expect("the registry answers");
            if known.is_none_or(|known| known.record.live().next().is_some()) {
                still.push(identity);
            }
        }
        left = still;
        sleep(Duration::from_secs(1)).await;
    }
}
