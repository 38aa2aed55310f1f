//! Whether the registry is still the one by which something was judged.

use std::sync::Arc;

use crate::claim::{Epoch, KnownEpoch, Rebuilding, confirm};
use crate::registry::RegistryError;

use super::reading::{EpochRead, read_epoch};
use super::{RegistryEpoch, shard};

impl RegistryEpoch {
    /// Whether a verdict stands that rests on claims. `before`: what was [known](Self::known)
    /// before the first call on claims.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn confirm(
        &self,
        before: Option<&Arc<KnownEpoch>>,
    ) -> Result<Result<(), Rebuilding>, RegistryError> {
        // By what was written before this read.
        let least = self.writes();
        let read = self.read_now().await?;
        let (seen, writes) = (read.0.as_deref(), read.1);
        shard::check(self.shard.as_ref(), seen, &*self.registry)?;
        let known = before.map(|known| KnownEpoch {
            writes: known.writes.max(least),
            ..KnownEpoch::clone(known)
        });
        let verdict = match confirm(known.as_ref(), seen, writes) {
            // Another replica, or this one, has found out more meanwhile.
            Ok(()) if self.known().as_ref() != before => Err(Rebuilding::default()),
            verdict => verdict,
        };
        if verdict.is_err() {
            self.look_now();
        }
        Ok(verdict)
    }

    /// Whether the epoch still is this one, whoever is awaited.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn is_same(&self, epoch: &Epoch) -> Result<bool, RegistryError> {
        // By what was written before this read.
        let least = self.writes();
        let (seen, writes) = self.read_now().await?;
        let is_same = seen.is_some_and(|seen| seen.epoch == *epoch);
        Ok(is_same && writes.unwrap_or_default() >= least)
    }

    async fn read_now(&self) -> Result<EpochRead, RegistryError> {
        let (registry, member) = (self.registry.clone(), self.member.clone());
        self.reads.get(|| read_epoch(registry, member)).await
    }
}
