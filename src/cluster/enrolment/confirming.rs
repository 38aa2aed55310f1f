//! Whether the registry is still the one by which something was judged.

use std::sync::Arc;

use crate::claim::{KnownEpoch, Rebuilding, confirm};
use crate::registry::RegistryError;

use super::reading::read_epoch;
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
        let (registry, member) = (self.registry.clone(), self.member.clone());
        let read = self.reads.get(|| read_epoch(registry, member)).await?;
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
}
