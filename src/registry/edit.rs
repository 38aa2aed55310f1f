//! Changing a record by compare-and-set: it is read, changed, and written on condition that it is
//! still what was read; else all of that is done again. What stays as it is is not written.

use crate::arm::Identity;
use crate::claim::{EpochRecord, MemberName, Record, TransferName};
use crate::transfer::Transfer;

use super::{MemberRecord, PutOutcome, RecordVersion, Registry, RegistryError, Versioned};

/// Changes a claim. `None` from `change`: it stays as it is.
///
/// # Errors
/// The registry did not answer.
pub async fn claim(
    registry: &dyn Registry,
    identity: &Identity,
    change: impl Fn(Option<&Record>) -> Option<Record>,
) -> Result<(), RegistryError> {
    let put = |next: Record, version: Option<RecordVersion>| async move {
        registry.put_claim(&next, version.as_ref()).await
    };
    edit(|| registry.claim(identity), put, |known| Ok(change(known))).await
}

/// Changes a member's record. `None` from `change`: it stays as it is.
///
/// # Errors
/// The registry did not answer, or that of `change`.
pub async fn member<E: From<RegistryError>>(
    registry: &dyn Registry,
    name: &MemberName,
    change: impl Fn(Option<&MemberRecord>) -> Result<Option<MemberRecord>, E>,
) -> Result<(), E> {
    let put = |next: MemberRecord, version: Option<RecordVersion>| async move {
        registry.put_member(&next, version.as_ref()).await
    };
    edit(|| registry.member(name), put, change).await
}

/// Changes a transfer's record. `None` from `change`: it stays as it is.
///
/// # Errors
/// The registry did not answer, or that of `change`.
pub async fn transfer<E: From<RegistryError>>(
    registry: &dyn Registry,
    name: &TransferName,
    change: impl Fn(Option<&Transfer>) -> Result<Option<Transfer>, E>,
) -> Result<(), E> {
    let put = |next: Transfer, version: Option<RecordVersion>| async move {
        registry.put_transfer(&next, version.as_ref()).await
    };
    edit(|| registry.transfer(name), put, change).await
}

/// Changes the record of the registry's epoch, where there is one. `None` from `change`: it stays as
/// it is.
///
/// # Errors
/// The registry did not answer.
pub async fn epoch(
    registry: &dyn Registry,
    change: impl Fn(&EpochRecord) -> Option<EpochRecord>,
) -> Result<(), RegistryError> {
    let put = |next: EpochRecord, version: Option<RecordVersion>| async move {
        registry.put_epoch(&next, version.as_ref()).await
    };
    edit(
        || registry.epoch(),
        put,
        |known| Ok(known.and_then(&change)),
    )
    .await
}

async fn edit<R, E, Reading, Putting>(
    read: impl Fn() -> Reading,
    put: impl Fn(R, Option<RecordVersion>) -> Putting,
    change: impl Fn(Option<&R>) -> Result<Option<R>, E>,
) -> Result<(), E>
where
    R: PartialEq,
    E: From<RegistryError>,
    Reading: Future<Output = Result<Option<Versioned<R>>, RegistryError>>,
    Putting: Future<Output = Result<PutOutcome, RegistryError>>,
{
    loop {
        let known = read().await?;
        let (record, version) = known.map(|known| (known.record, known.version)).unzip();
        let next = change(record.as_ref())?.filter(|next| record.as_ref() != Some(next));
        let Some(next) = next else { return Ok(()) };
        if put(next, version).await? != PutOutcome::Conflict {
            return Ok(());
        }
    }
}
