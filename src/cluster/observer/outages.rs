//! Shards of the registry that did not answer a moment ago: what is in them waits, and keeps no
//! worker from what is in the others.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::arm::Identity;
use crate::object::ObjectKey;
use crate::registry::sharded::{noting, touched};

use super::{ObserveError, Observer, RETRY, RETRY_MAX};

/// Until when each shard is left alone, and how long that was.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<HashMap<usize, (Instant, Duration)>>);

impl Outages {
    /// A shard did not answer: it is left alone twice as long as before.
    fn failed(&self, shard: usize) {
        let mut all = self.0.lock();
        let before = all.get(&shard).map(|(_, pause)| *pause);
        let pause = before.map_or(RETRY, |before| (before * 2).min(RETRY_MAX));
        all.insert(shard, (Instant::now() + pause, pause));
    }

    fn answered(&self, shard: usize) {
        self.0.lock().remove(&shard);
    }

    /// Until when one of these is left alone, where one is.
    fn until(&self, shards: impl Iterator<Item = usize>) -> Option<Instant> {
        let all = self.0.lock();
        let until = shards.filter_map(|shard| Some(all.get(&shard)?.0));
        until.max().filter(|until| *until > Instant::now())
    }
}

impl Observer {
    /// Until when an object waits, because the shard of a claim of it is left alone.
    pub(super) fn waits_for_a_shard(&self, key: &ObjectKey) -> Option<Instant> {
        self.registry.shards()?;
        let identities = self.claim_index.identities(key);
        let shards = identities.iter().map(|identity| self.shard_of(identity));
        self.outages.until(shards)
    }

    /// The number of the shard of a claim; 0 where claims are not sharded.
    pub(super) fn shard_of(&self, identity: &Identity) -> usize {
        let shards = self.registry.shards();
        shards.map_or(0, |shards| shards.map.shard_of(identity))
    }

    /// A [look](Self::look), of which is noted where it ended.
    pub(super) async fn look_noting(&self, key: &ObjectKey) -> Result<(), ObserveError> {
        let Some(shards) = self.registry.shards() else {
            return self.look(key).await;
        };
        noting(async {
            let looked = self.look(key).await;
            let asked = touched(shards.registries.len());
            match (&looked, &*asked) {
                (Ok(()), _) => asked.iter().for_each(|shard| self.outages.answered(*shard)),
                (Err(error), [shard]) if error.is_outage() => self.outages.failed(*shard),
                (Err(_), _) => {}
            }
            looked
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shard_is_left_alone_ever_longer_until_it_answers() {
        let outages = Outages::default();
        let left = |shard| {
            let until = outages.until([shard].into_iter());
            until.map(|until| until.duration_since(Instant::now()))
        };
        for expected in [250, 500, 1_000, 2_000, 4_000, 4_000] {
            outages.failed(1);
            assert_eq!(left(1), Some(Duration::from_millis(expected)));
            assert_eq!(left(0), None);
        }
        tokio::time::advance(RETRY_MAX).await;
        assert_eq!(left(1), None);
        outages.answered(1);
        outages.failed(1);
        assert_eq!(left(1), Some(RETRY));
    }
}
