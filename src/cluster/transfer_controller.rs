//! What a member does for the transfers that it has a part in: it opens those that were
//! only declared, ends those whose record is gone, and writes down how far they are.
//!
//! What protects the resources stands in their claims, so nothing depends on this being
//! done in time; and every step may be taken by several at once, see
//! [`registry::transfers`](crate::registry::transfers).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::claim::{CopyRef, MemberName};
use crate::object::ObjectKey;
use crate::registry::transfers::{self, TransferError};
use crate::registry::{Registry, RegistryError, Versioned};
use crate::transfer::{StageCounts, Transfer, TransferPhase};

use super::ClusterError;
use super::lists_due::ListsDue;
use super::metrics::ObserverMetrics;

/// How often transfers are looked after. Each round writes a transfer once at most.
const ROUND: Duration = Duration::from_secs(10);
/// How many rounds there are to one that looks for claims whose transfer is gone.
const ROUNDS_TO_TIDY: u32 = 3;

/// Tells which objects have labels: no claim does.
#[async_trait]
pub trait LabelSelectorQuery: Send + Sync {
    /// The objects of a namespace that a label selector finds.
    async fn labelled(
        &self,
        namespace: &str,
        selector: &str,
    ) -> Result<HashSet<ObjectKey>, ClusterError>;
}

/// Looks after the transfers of one member.
pub struct TransferController {
    /// The member.
    pub member: MemberName,
    /// Where transfers and claims are kept.
    pub registry: Arc<dyn Registry>,
    /// The member's own cluster.
    pub labels: Arc<dyn LabelSelectorQuery>,
    /// Where it is shown how far they are.
    pub metrics: ObserverMetrics,
}

/// Why a transfer could not be looked after this time.
#[derive(Debug, thiserror::Error)]
pub enum TransferControllerError {
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A step of the transfer was not taken.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The cluster's API server did not do its part.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl TransferController {
    /// Works until told to stop.
    pub async fn run(&self, shutdown: &CancellationToken) {
        let mut rounds = 0_u32;
        let (mut lists, mut open, mut is_untidy) = (ListsDue::default(), 0, true);
        loop {
            let pause = tokio::time::sleep(ROUND);
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
            // Who opens one changes its claims, of which the inbox tells.
            let is_due = lists.are_due(&*self.registry, &self.member).await;
            if is_due || open > 0 {
                match self.round().await {
                    Ok(found) => open = found,
                    Err(error) => {
                        warn!(%error, "could not look after the transfers");
                        lists.failed();
                    }
                }
            }
            rounds = rounds.wrapping_add(1);
            is_untidy |= is_due;
            if is_untidy && rounds.is_multiple_of(ROUNDS_TO_TIDY) {
                self.tidy().await;
                is_untidy = false;
            }
        }
    }

    /// Looks after every transfer from or to this member. Gives how many of them are open.
    ///
    /// # Errors
    /// The transfers could not be listed. What goes wrong with one of them keeps none
    /// of the others waiting.
    pub async fn round(&self) -> Result<i64, RegistryError> {
        let mut all = StageCounts::default();
        let mut open = 0;
        for known in self.registry.transfers().await?.records {
            let transfer = &known.record;
            let ours = transfer.from.member == self.member || transfer.to.member == self.member;
            if !ours || !transfer.is_open() {
                continue;
            }
            open += 1;
            let name = transfer.name.clone();
            match self.look_after(known).await {
                Ok(tally) => all.add_all(&tally),
                Err(error) => warn!(transfer = %name, %error, "could not look after a transfer"),
            }
        }
        self.metrics.set_transfers(open, &all);
        Ok(open)
    }

    async fn look_after(
        &self,
        known: Versioned<Transfer>,
    ) -> Result<StageCounts, TransferControllerError> {
        let transfer = &known.record;
        match transfer.phase {
            TransferPhase::Opening if transfer.reservation().from.member == self.member => {
                let opened = self.open(transfer).await?;
                info!(
                    transfer = %transfer.name,
                    covered = opened.transfer.covered,
                    taken = opened.taken.len(),
                    deleting = opened.deleting.len(),
                    unreadable = opened.unreadable.len(),
                    "opened a transfer"
                );
                Ok(opened.progress.tally)
            }
            // The member that it leads from opens it.
            TransferPhase::Opening => Ok(StageCounts::default()),
            TransferPhase::Closing => {
                transfers::close(&*self.registry, &transfer.name, None).await?;
                Ok(StageCounts::default())
            }
            TransferPhase::Open | TransferPhase::Finished => {
                Ok(transfers::note(&*self.registry, &known).await?.tally)
            }
        }
    }

    async fn open(
        &self,
        transfer: &Transfer,
    ) -> Result<transfers::OpenedTransfer, TransferControllerError> {
        let chosen = match &transfer.selection.labels {
            Some(selector) if !transfer.turned => {
                let namespace = &transfer.from.namespace;
                Some(self.labels.labelled(namespace, selector).await?)
            }
            _ => None,
        };
        let is_chosen = |copy: &CopyRef| {
            chosen
                .as_ref()
                .is_none_or(|chosen| chosen.contains(&copy.object))
        };
        Ok(transfers::open(&*self.registry, &transfer.name, &is_chosen).await?)
    }

    async fn tidy(&self) {
        match transfers::tidy(&*self.registry, &self.member).await {
            Ok(0) => {}
            Ok(claims) => info!(claims, "gave claims free whose transfer is over"),
            Err(error) => warn!(%error, "could not look for claims whose transfer is over"),
        }
    }
}
