//! The calls that an attempt asks for.

use futures::future::try_join_all;

use crate::claim::{Record, RegistryAnswer, RegistryCall};

use super::{ClaimScope, PutOutcome, RecordVersion, Registry, RegistryError, Versioned};

/// Makes one call of an [`Attempt`](crate::claim::Attempt).
///
/// # Errors
/// The registry did not do its part.
pub async fn make(
    registry: &dyn Registry,
    call: RegistryCall<'_, RecordVersion>,
) -> Result<RegistryAnswer<RecordVersion>, RegistryError> {
    Ok(match call {
        RegistryCall::Claim(identity) => {
            let known = registry.claim(identity).await?;
            RegistryAnswer::Claim(known.map(|known| (known.record, known.version)))
        }
        RegistryCall::Put(record, expected) => match registry.put_claim(record, expected).await? {
            PutOutcome::Stored(_) => RegistryAnswer::Stored,
            PutOutcome::Conflict => RegistryAnswer::Conflict,
        },
        RegistryCall::Claims(identities) => {
            let reads = identities.iter().map(|one| registry.claim(one));
            let read = try_join_all(reads).await?;
            RegistryAnswer::Claims(records(read.into_iter().flatten()))
        }
        RegistryCall::Below(identity) => {
            let scope = ClaimScope::Below(identity.clone());
            RegistryAnswer::Claims(records(registry.claims(&scope).await?.whole()?))
        }
    })
}

fn records(known: impl IntoIterator<Item = Versioned<Record>>) -> Vec<Record> {
    known.into_iter().map(|known| known.record).collect()
}
