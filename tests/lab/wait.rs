//! Waiting for something to become true, for so long and no longer.

use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, sleep, timeout_at};

use super::verdict::{Outcome, Refusal};

/// How long a story waits for what should happen within a second or two, on a very busy
/// machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

const PAUSE: Duration = Duration::from_millis(50);

/// Asks until the answer is `Ok`. At the end of its patience it fails with the last answer.
pub async fn until<T, F: Future<Output = anyhow::Result<T>>>(
    what: &str,
    within: Duration,
    mut probe: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + within;
    let mut last = anyhow::anyhow!("no answer at all");
    loop {
        match timeout_at(deadline, probe()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(not_yet)) => last = not_yet,
            Err(_elapsed) => {}
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(last).with_context(|| format!("waited {within:?} for {what}"));
        }
        sleep(PAUSE).await;
    }
}

/// [`until`] with the patience of a story, where running out of it fails the test.
pub async fn eventually<T, F: Future<Output = anyhow::Result<T>>>(
    what: &str,
    probe: impl FnMut() -> F,
) -> T {
    match until(what, PATIENCE, probe).await {
        Ok(answer) => answer,
        Err(error) => panic!("{error:#}"),
    }
}

/// [`eventually`] for a refusal that says this. Other refusals and failed calls are waited through.
pub async fn eventually_refused<F: Future<Output = Outcome>>(
    words: &str,
    mut probe: impl FnMut() -> F,
) -> Refusal {
    let what = format!("a refusal that says {words:?}");
    let refused = eventually(&what, || {
        let outcome = probe();
        async {
            match outcome.await {
                Err(refusal) if refusal.message.contains(words) => Ok(refusal),
                Err(other) => Err(other.into()),
                Ok(_) => anyhow::bail!("it would be admitted"),
            }
        }
    });
    refused.await
}
