//! All faults at once, for as long as is wished: in rounds of a minute or so, after each of which
//! everything has to settle.
//!
//! `tests/faults/soak/run 60` runs it for 60 minutes. It is no part of `cargo test`.

mod faults;

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::checker;
use crate::diary::Diary;
use crate::load::BUSY;
use crate::proxy::Proxy;
use crate::table::{Counts, say, stories};
use crate::tenant::{self, Tenant};
use crate::traffic::{self, Resource};
use crate::trial::{Trial, plan};

use faults::Faults;

/// For how many minutes.
const MINUTES: &str = "ASO_GUARD_SOAK";
/// The seed of the first round, to have it again; the next rounds' follow.
const SEED: &str = "ASO_GUARD_SOAK_SEED";
/// How long people work and things break in a round.
const ROUND: Duration = Duration::from_secs(45);
/// How long it may take then until all is true again.
const SETTLES: Duration = Duration::from_mins(2);
const RESOURCES: usize = 12;
const NAMESPACES: usize = 3;
const IN_EACH: usize = 2;
/// Of how many rounds that went wrong the order of events is told.
const STORIES: usize = 5;

#[tokio::test]
#[ignore = "an hour: tests/faults/soak/run"]
async fn all_faults_at_once() {
    let number = |name, otherwise| match std::env::var(name) {
        Ok(number) => number.parse::<u64>().unwrap(),
        Err(_) => otherwise,
    };
    let lasts = Duration::from_mins(number(MINUTES, 60));
    let seed = number(SEED, u64::from(std::process::id()));
    let mut trial = Trial::begin("soak").await;
    let lines = [
        Proxy::to_hub(&trial, "a").await,
        Proxy::to_hub(&trial, "b").await,
    ];
    trial.put_in(BUSY, seed).await;
    let registries = [&*lines[0].registry(), &*lines[1].registry()];
    trial.guard([&plan(), &plan()], registries).await;

    let soak = Soak {
        resources: traffic::resources(&trial, RESOURCES),
        namespaces: (0..NAMESPACES).map(|at| format!("soak-{at}")).collect(),
        trial,
        lines,
    };
    let (began, mut all, mut wrong) = (Instant::now(), Counts::default(), 0);
    let mut rounds = 0;
    while began.elapsed() < lasts {
        let seed = seed + rounds;
        rounds += 1;
        let (counts, faults, findings) = soak.round(seed).await;
        all.add(&counts);
        let minutes = began.elapsed().as_secs() / 60;
        say(&format!(
            "{minutes:3} min, round {rounds}, seed {seed}: {counts}; {faults}"
        ));
        if !findings.is_empty() {
            wrong += 1;
            say(&findings);
            if wrong <= STORIES {
                say(&stories(&soak.trial, &soak.resources_of_all(), &findings));
            }
        }
    }
    let fault = format!("all of it for {} minutes", began.elapsed().as_secs() / 60);
    all.print(&fault);
    assert_eq!(wrong, 0, "rounds of {rounds} went wrong");
}

struct Soak {
    trial: Trial,
    lines: [Proxy; 2],
    resources: Vec<Resource>,
    namespaces: Vec<String>,
}

impl Soak {
    /// One round: what was done, what broke on purpose, and what is wrong after it.
    async fn round(&self, seed: u64) -> (Counts, Faults, String) {
        let trial = &self.trial;
        trial.timeline.clear();
        let before = Counts::of(trial);
        let stop = CancellationToken::new();
        let end = async {
            sleep(ROUND).await;
            stop.cancel();
        };
        let (one, tenants, faults, ()) = futures::join!(
            traffic::work(trial, &self.resources, seed, &stop),
            self.tenants(seed, &stop),
            Faults::happen(trial, &self.lines, seed, &stop),
            end,
        );
        let mut diary = one;
        diary.add(tenants);
        let (stuck, mut findings) = match checker::settles(trial, SETTLES).await {
            Ok(settled) => (
                traffic::stuck(trial, &self.resources, &settled).await,
                Vec::new(),
            ),
            Err(unsettled) => (Vec::new(), vec![unsettled]),
        };
        let counts = Counts::of(trial).since(&before).with(&diary, &stuck);
        findings.extend(
            [
                diary.doubles(),
                diary.unsafe_deletes(),
                stuck,
                diary.blocked,
            ]
            .concat(),
        );
        (counts, faults, findings.join("\n"))
    }

    /// Who looks after a namespace, in either cluster.
    async fn tenants(&self, seed: u64, stop: &CancellationToken) -> Diary {
        let sides = [("a", &self.trial.a.person), ("b", &self.trial.b.person)];
        let mut tenants = Vec::new();
        for namespace in &self.namespaces {
            let resources = tenant::resources(namespace, IN_EACH);
            for side in sides {
                let seed = seed + 7_000 + 1_000 * tenants.len() as u64;
                let tenant = Tenant::new(&self.trial, side, namespace, &resources, seed);
                tenants.push(tenant.work(stop));
            }
        }
        let mut all = Diary::default();
        for diary in join_all(tenants).await {
            all.add(diary);
        }
        all
    }

    fn resources_of_all(&self) -> Vec<Resource> {
        let in_namespaces = self.namespaces.iter();
        let in_namespaces = in_namespaces.flat_map(|name| tenant::resources(name, IN_EACH));
        self.resources
            .iter()
            .cloned()
            .chain(in_namespaces)
            .collect()
    }
}
