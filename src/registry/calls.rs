//! The calls that an attempt asks for.

use futures::future::try_join_all;

use crate::claim::{Answer, Call, Record};

use super::{ClaimScope, PutOutcome, RecordVersion, Registry, RegistryError, Versioned};

/// Makes one call of an [`Attempt`](crate::claim::Attempt).
///
/// # Errors
/// The registry did not do its part.
pub async fn make(
    registry: &dyn Registry,
    call: Call<'_, RecordVersion>,
) -> Result<Answer<RecordVersion>, RegistryError> {
    Ok(match call {
        Call::Claim(identity) => {
            let known = registry.claim(identity).await?;
            Answer::Claim(known.map(|known| (known.record, known.version)))
        }
        Call::Put(record, expected) => match registry.put_claim(record, expected).await? {
            PutOutcome::Stored(_) => Answer::Stored,
            PutOutcome::Conflict => Answer::Conflict,
        },
        Call::Claims(identities) => {
            let reads = identities.iter().map(|one| registry.claim(one));
            let read = try_join_all(reads).await?;
            Answer::Claims(records(read.into_iter().flatten()))
        }
        Call::Below(identity) => {
            let scope = ClaimScope::Below(identity.clone());
            Answer::Claims(records(registry.claims(&scope).await?.whole()?))
        }
    })
}

fn records(known: impl IntoIterator<Item = Versioned<Record>>) -> Vec<Record> {
    known.into_iter().map(|known| known.record).collect()
}
