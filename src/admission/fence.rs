//! Whether a person has declared this cluster lost.

use tokio::time::Instant;

use crate::claim::Refusal;
use crate::cluster::fence::KnownFence;
use crate::registry::Registry;
use crate::registry::sharded::touched;

use super::guard::{AdmissionError, Guard};

impl Guard {
    /// That this cluster is not fenced. What was read a moment ago is enough: whoever releases
    /// what it held waits for longer than that, and for what was let through until then.
    ///
    /// Where claims are sharded, each shard has a fence of its own, and those of the shards that a
    /// yes rests on are asked for [at its end](Self::not_fenced_in_shards).
    ///
    /// # Errors
    /// It is, or its record could not be read.
    pub(super) async fn not_fenced(&self) -> Result<(), AdmissionError> {
        if self.shards.is_empty() {
            return self.not_fenced_in(&self.fence, &*self.registry).await;
        }
        Ok(())
    }

    /// The same of each shard that was asked, where claims are sharded.
    ///
    /// # Errors
    /// It is fenced in one of them, or its record there could not be read.
    pub(super) async fn not_fenced_in_shards(&self) -> Result<(), AdmissionError> {
        if self.shards.is_empty() {
            return Ok(());
        }
        for shard in touched(self.shards.len()) {
            let shard = &self.shards[shard];
            self.not_fenced_in(&shard.fence, &*shard.registry).await?;
        }
        Ok(())
    }

    async fn not_fenced_in(
        &self,
        known: &KnownFence,
        registry: &dyn Registry,
    ) -> Result<(), AdmissionError> {
        let fence = if let Some(known) = known.recent() {
            known
        } else {
            let began = Instant::now();
            let found = registry.member(&self.member).await?;
            let fence = found.and_then(|found| found.record.fence);
            known.read(began, fence.clone());
            fence
        };
        match fence {
            None => Ok(()),
            Some(fence) => Err(AdmissionError::Refused(Refusal::Fenced {
                member: self.member.clone(),
                fence: Box::new(fence),
            })),
        }
    }
}
