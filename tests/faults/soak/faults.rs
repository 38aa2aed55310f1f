//! What breaks on purpose in a round, one thing after the other, and two at a time.

use std::fmt;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::lab::guard::Replica;
use crate::load::Hogs;
use crate::proxy::{Proxy, Weather};
use crate::random::Random;
use crate::trial::{DEADLINE, Trial};

/// How often what happened.
#[derive(Default)]
pub struct Faults {
    kills: usize,
    pauses: usize,
    weathers: usize,
    outages: usize,
    hogs: usize,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} pauses, {} bad lines, {} hubs gone, {} times hogs",
            self.kills, self.pauses, self.weathers, self.outages, self.hogs
        )
    }
}

impl Faults {
    /// Breaks one thing after the other until told to stop, and leaves everything whole.
    pub async fn happen(
        trial: &Trial,
        lines: &[Proxy; 2],
        seed: u64,
        stop: &CancellationToken,
    ) -> Self {
        let mut random = Random::new(seed);
        let mut faults = Self::default();
        trial
            .timeline
            .note("", format!("the seed of the faults is {seed}"));
        while !stop.is_cancelled() {
            sleep(random.millis(200, 3_000)).await;
            let _hogs = random.percent(30).then(|| {
                faults.hogs += 1;
                Hogs::start(2, Duration::from_secs(20))
            });
            match random.below(10) {
                0..4 => faults.kill(trial, &mut random).await,
                4..6 => faults.pause(trial, &mut random).await,
                6..9 => faults.weather(trial, lines, &mut random).await,
                _ => faults.outage(trial, &mut random).await,
            }
        }
        faults
    }

    async fn kill(&mut self, trial: &Trial, random: &mut Random) {
        self.kills += 1;
        let replica = any_replica(trial, random);
        trial
            .timeline
            .note("", format!("kill -9 of {}", replica.process.name()));
        replica.process.kill();
        sleep(random.millis(0, 800)).await;
        replica.start_again().await.unwrap();
        trial
            .timeline
            .note("", format!("{} is ready again", replica.process.name()));
    }

    /// For shorter or longer than a request may be under way.
    async fn pause(&mut self, trial: &Trial, random: &mut Random) {
        self.pauses += 1;
        let replica = any_replica(trial, random);
        trial
            .timeline
            .note("", format!("{} stands still", replica.process.name()));
        replica.process.pause().unwrap();
        let most = u64::try_from(DEADLINE.as_millis()).unwrap() + 3_000;
        sleep(random.millis(500, most)).await;
        replica.process.resume().unwrap();
        trial
            .timeline
            .note("", format!("{} goes on", replica.process.name()));
    }

    async fn weather(&mut self, trial: &Trial, lines: &[Proxy; 2], random: &mut Random) {
        self.weathers += 1;
        let line = random.one_of(&[0, 1]);
        let weather = random.one_of(&[
            Weather::Slow(Duration::from_millis(200)),
            Weather::SlowAnswers(Duration::from_millis(400)),
            Weather::Cutting,
            Weather::LosingAnswers,
            Weather::Silent,
        ]);
        let cluster = ["a", "b"][line];
        trial.timeline.note(
            "",
            format!("the line of {cluster} to the hub is {weather:?}"),
        );
        lines[line].set(weather);
        sleep(random.millis(1_000, 4_000)).await;
        lines[line].set(Weather::Fair);
        trial
            .timeline
            .note("", format!("the line of {cluster} to the hub is fair"));
    }

    async fn outage(&mut self, trial: &Trial, random: &mut Random) {
        self.outages += 1;
        trial.timeline.note("", "the hub is stopped");
        trial.lab.hub().stop();
        sleep(random.millis(500, 4_000)).await;
        trial.lab.hub().start_again().await.unwrap();
        trial.timeline.note("", "the hub is there again");
    }
}

fn any_replica<'t>(trial: &'t Trial, random: &mut Random) -> &'t Replica {
    let side = random.one_of(&[&trial.a, &trial.b]);
    let replicas = side.guard().replicas();
    random.one_of(&[&replicas[0], &replicas[1]])
}
