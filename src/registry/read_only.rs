//! A registry for those who only look.

use std::sync::Arc;

use crate::arm::Identity;
use crate::claim::{EpochRecord, MemberName, Record, TransferName};
use crate::transfer::Transfer;

use super::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, RecordList, Registry, RegistryError, Versioned,
};

/// A registry that can be read and not written: there is no call for it.
#[derive(Clone)]
pub struct ReadOnlyRegistry(Arc<dyn Registry>);

impl ReadOnlyRegistry {
    /// Takes away what writes.
    pub fn new(registry: Arc<dyn Registry>) -> Self {
        Self(registry)
    }

    /// See [`Registry::flags`].
    pub fn flags(&self) -> &str {
        self.0.flags()
    }

    /// See [`Registry::claim`].
    pub async fn claim(
        &self,
        identity: &Identity,
    ) -> Result<Option<Versioned<Record>>, RegistryError> {
        self.0.claim(identity).await
    }

    /// See [`Registry::claims_page`].
    pub async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        self.0.claims_page(scope, at).await
    }

    /// See [`Registry::member`].
    pub async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.0.member(name).await
    }

    /// All members, in the order of their names.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        let mut listed = self.0.members().await?;
        let order = |a: &Versioned<MemberRecord>, b: &Versioned<MemberRecord>| {
            a.record.name.cmp(&b.record.name)
        };
        listed.records.sort_by(order);
        Ok(listed)
    }

    /// See [`Registry::epoch`].
    pub async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.0.epoch().await
    }

    /// See [`Registry::transfer`].
    pub async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        self.0.transfer(name).await
    }

    /// All transfers, those that are over included, in the order of their names.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        let mut listed = self.0.transfers().await?;
        let order =
            |a: &Versioned<Transfer>, b: &Versioned<Transfer>| a.record.name.cmp(&b.record.name);
        listed.records.sort_by(order);
        Ok(listed)
    }
}
