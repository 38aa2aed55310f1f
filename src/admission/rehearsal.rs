//! Dry runs: what a request would write is kept for the request's own calls. So each of its
//! steps sees what the steps before it would have done, and the registry sees nothing.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::arm::Identity;
use crate::claim::{Record, RegistryAnswer, RegistryCall};
use crate::registry::{self, RecordVersion, Registry, RegistryError};

type Claim = Option<(Record, RecordVersion)>;

/// The claims that one dry run has read, as they would be by now.
#[derive(Debug, Default)]
pub(super) struct DryRunClaims(Mutex<HashMap<Identity, Claim>>);

impl DryRunClaims {
    /// Makes a call of an attempt, but for what it writes.
    pub(super) async fn make(
        &self,
        registry: &dyn Registry,
        call: RegistryCall<'_, RecordVersion>,
    ) -> Result<RegistryAnswer<RecordVersion>, RegistryError> {
        Ok(match call {
            RegistryCall::Claim(identity) => {
                RegistryAnswer::Claim(self.claim(registry, identity).await?)
            }
            RegistryCall::Put(record, expected) => {
                let stored = self.claim(registry, &record.identity).await?;
                self.put(record, expected, stored)
            }
            RegistryCall::Claims(identities) => {
                let mut claims = Vec::new();
                for identity in &identities {
                    claims.extend(self.claim(registry, identity).await?);
                }
                RegistryAnswer::Claims(claims.into_iter().map(|(record, _)| record).collect())
            }
            RegistryCall::Below(identity) => {
                let mut below =
                    match registry::make(registry, RegistryCall::Below(identity)).await? {
                        RegistryAnswer::Claims(below) => below,
                        other => return Ok(other),
                    };
                let known = self.0.lock();
                below.retain(|stored| !known.contains_key(&stored.identity));
                let all = known.values().flatten().map(|(record, _)| record);
                below.extend(all.filter(|one| one.identity.is_below(identity)).cloned());
                RegistryAnswer::Claims(below)
            }
        })
    }

    async fn claim(
        &self,
        registry: &dyn Registry,
        identity: &Identity,
    ) -> Result<Claim, RegistryError> {
        if let Some(known) = self.0.lock().get(identity) {
            return Ok(known.clone());
        }
        let read = registry.claim(identity).await?;
        let read = read.map(|known| (known.record, known.version));
        // Another step may have read it in the meantime, and written since.
        Ok(self
            .0
            .lock()
            .entry(identity.clone())
            .or_insert(read)
            .clone())
    }

    fn put(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
        stored: Claim,
    ) -> RegistryAnswer<RecordVersion> {
        let mut known = self.0.lock();
        let held = known.entry(record.identity.clone()).or_insert(stored);
        let version = held.as_ref().map(|(_, version)| version);
        if version != expected {
            return RegistryAnswer::Conflict;
        }
        let before = version.map_or("", RecordVersion::as_str);
        let next = RecordVersion::new(&format!("{before}+"));
        *held = Some((record.clone(), next));
        RegistryAnswer::Stored
    }
}
