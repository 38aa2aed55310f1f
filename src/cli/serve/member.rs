//! The part of `serve` that is a member of the registry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::admission::Mode;
use crate::claim::MemberName;
use crate::cluster;
use crate::cluster::enrolment::{CopiesOfCluster, RegistryEpoch};
use crate::cluster::kube::KubeCluster;
use crate::cluster::member::{MemberReport, Membership};
use crate::cluster::observer::{CopiesOfShard, Observer};
use crate::cluster::protections::ProtectionController;
use crate::cluster::shards::KnownShard;
use crate::cluster::transfer_controller::TransferController;
use crate::registry::Registry;
use crate::server::readiness::ReadinessCondition;

use super::fence::FenceReport;
use super::next::NextRegistry;
use super::token::HubToken;

/// The parts of a member that is not registered yet.
pub(super) struct UnregisteredMember {
    pub(super) name: MemberName,
    pub(super) mode: Mode,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) cluster: Arc<KubeCluster>,
    pub(super) observer: Arc<Observer>,
    pub(super) fence: FenceReport,
    pub(super) hub_token: HubToken,
    pub(super) protections: Option<ProtectionController>,
    pub(super) epoch: Arc<RegistryEpoch>,
    /// Where claims are sharded, what is known of each shard; of the default first.
    pub(super) shards: Vec<KnownShard>,
    /// The registry that the fleet moves to.
    pub(super) next: Option<NextRegistry>,
    /// What API servers do not ask about though they should, a line each.
    pub(super) webhook_gaps: watch::Receiver<Vec<String>>,
    pub(super) metrics: cluster::metrics::ObserverMetrics,
}

/// The parts of a running member.
struct RunningMember {
    membership: Membership,
    registry: Arc<dyn Registry>,
    cluster: Arc<KubeCluster>,
    observer: Arc<Observer>,
    fence: FenceReport,
    hub_token: HubToken,
    protections: Option<ProtectionController>,
    epoch: Arc<RegistryEpoch>,
    shards: Vec<KnownShard>,
    next: Option<NextRegistry>,
    webhook_gaps: watch::Receiver<Vec<String>>,
    metrics: cluster::metrics::ObserverMetrics,
    enrolling: AtomicBool,
}

impl UnregisteredMember {
    /// Registers this cluster, then watches, observes and heartbeats until told to stop.
    pub(super) async fn run(
        self,
        joined: ReadinessCondition,
        known: ReadinessCondition,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let joining = async {
            let membership = Membership {
                name: self.name,
                mode: self.mode.as_str().into(),
                cluster: identity(&self.cluster).await,
                fence: self.fence.known.clone(),
                epoch: self.epoch.clone(),
            };
            look_at(&self.epoch).await;
            membership.join(&*self.registry).await?;
            anyhow::Ok(membership)
        };
        let Some(membership) = shutdown.run_until_cancelled(joining).await else {
            return Ok(());
        };
        let membership = membership?;
        joined.done();
        let member = Arc::new(RunningMember {
            membership,
            registry: self.registry,
            cluster: self.cluster,
            observer: self.observer,
            fence: self.fence,
            hub_token: self.hub_token,
            protections: self.protections,
            epoch: self.epoch,
            shards: self.shards,
            next: self.next,
            webhook_gaps: self.webhook_gaps,
            metrics: self.metrics,
            enrolling: AtomicBool::new(true),
        });
        member.run(move || known.done(), shutdown).await
    }
}

/// The cluster's own identity, once its API server answers.
async fn identity(cluster: &KubeCluster) -> Arc<str> {
    loop {
        match cluster.identity().await {
            Ok(uid) => return uid,
            Err(error) => {
                warn!(%error, "cannot reach this cluster yet; trying again in 2 s");
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}

/// Finds out whether the registry is the one that this member has brought its copies into.
async fn look_at(epoch: &RegistryEpoch) {
    while let Err(error) = epoch.look().await {
        warn!(%error, "cannot tell yet whether the registry is the one that it was; trying again in 2 s");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

impl RunningMember {
    /// Watches, observes and heartbeats until told to stop.
    async fn run(
        self: Arc<Self>,
        on_known: impl FnOnce() + Send + 'static,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let (cluster, observer) = (self.cluster.clone(), self.observer.clone());
        let (member, stop) = (self.clone(), shutdown.clone());
        let synced = CancellationToken::new();
        let on_synced = {
            let synced = synced.clone();
            move || {
                synced.cancel();
                on_known();
            }
        };
        tasks.spawn(async move {
            cluster.watch(observer, on_synced, stop).await;
            Ok(())
        });
        for number in 1..self.shards.len() {
            let (member, stop, synced) = (self.clone(), shutdown.clone(), synced.clone());
            tasks.spawn(async move { member.belong_to(number, &synced, &stop).await });
        }
        if let Some(next) = self.next.clone() {
            let (member, stop, synced) = (self.clone(), shutdown.clone(), synced.clone());
            tasks.spawn(async move {
                let (epoch, membership) = (&member.epoch, &member.membership);
                let report = || member.report();
                next.run(epoch, membership, report, (&synced, &stop)).await;
                Ok(())
            });
        }
        let stop = shutdown.clone();
        tasks.spawn(async move {
            if stop.run_until_cancelled(synced.cancelled()).await.is_some() {
                member.enrol(&stop).await;
                let observing = member.observer.clone().run(stop.clone());
                let copies = member.copies_of(0);
                let enrolling = member.epoch.run(&*copies, &stop);
                let protecting = async {
                    if let Some(protections) = &member.protections {
                        protections.run(&stop).await;
                    }
                };
                let heeding = member.heed_fence(&stop);
                let transfers = member.look_after_transfers(&stop);
                tokio::join!(observing, enrolling, transfers, protecting, heeding);
            }
            Ok(())
        });
        let member = self.clone();
        tasks.spawn(async move {
            let report = || member.report();
            let beating = member
                .membership
                .keep_beating(&*member.registry, report, &shutdown);
            Ok(beating.await?)
        });
        while let Some(ended) = tasks.join_next().await {
            ended.context("a task ended by itself")??;
        }
        Ok(())
    }

    /// The copies whose claims are in a shard; all of them, where claims are not sharded.
    fn copies_of(&self, shard: usize) -> Arc<dyn CopiesOfCluster> {
        let observer = self.observer.clone();
        if self.shards.is_empty() {
            return observer;
        }
        Arc::new(CopiesOfShard { observer, shard })
    }

    /// Registers this cluster in another shard than the default, heartbeats there, and brings the
    /// copies in that belong there, once this cluster's objects are known. A shard that does not
    /// answer keeps no other waiting.
    async fn belong_to(
        &self,
        number: usize,
        synced: &CancellationToken,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let shard = &self.shards[number];
        let membership = Membership {
            fence: shard.fence.clone(),
            epoch: shard.epoch.clone(),
            ..self.membership.clone()
        };
        let joining = async {
            look_at(&shard.epoch).await;
            membership.join(&*shard.registry).await
        };
        let Some(joined) = shutdown.run_until_cancelled(joining).await else {
            return Ok(());
        };
        joined?;
        let report = || self.report();
        let beating = membership.keep_beating(&*shard.registry, report, shutdown);
        let copies = self.copies_of(number);
        let enrolling = async {
            let waited = shutdown.run_until_cancelled(synced.cancelled()).await;
            if waited.is_some() {
                shard.epoch.run(&*copies, shutdown).await;
            }
        };
        let (beaten, ()) = tokio::join!(beating, enrolling);
        Ok(beaten?)
    }

    /// Says when a person has declared this cluster lost, and when they take that back.
    async fn heed_fence(&self, shutdown: &CancellationToken) {
        let name = &self.membership.name;
        let of = (name, self.registry.flags());
        let heeding = self.fence.heed(of, &self.observer, &self.metrics);
        shutdown.run_until_cancelled(heeding).await;
    }

    /// Looks after the transfers from and to this cluster until told to stop.
    async fn look_after_transfers(&self, shutdown: &CancellationToken) {
        let transfer_controller = TransferController {
            member: self.membership.name.clone(),
            registry: self.registry.clone(),
            labels: self.cluster.clone(),
            metrics: self.metrics.clone(),
        };
        transfer_controller.run(shutdown).await;
    }

    /// Puts what is older than this guard on the list, once the registry answers.
    async fn enrol(&self, shutdown: &CancellationToken) {
        while let Err(error) = self.observer.compare().await {
            warn!(%error, "cannot compare with the registry yet; trying again in 2 s");
            let pause = tokio::time::sleep(Duration::from_secs(2));
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// What the member's record says of it.
    fn report(&self) -> MemberReport {
        let (unresolved, some) = self.observer.unresolved();
        let unwatched = self.cluster.unwatched();
        self.metrics.set_unwatched(unwatched.len());
        let second_line = self.protections.as_ref().map(ProtectionController::report);
        if let Some(found) = &second_line {
            let (namespaces, stale) = (found.namespaces, found.stale.len());
            self.metrics.set_second_line(namespaces, stale);
        }
        MemberReport {
            enrolling: self.is_enrolling()
                || self.epoch.is_enrolling()
                || self.shards.iter().any(|shard| shard.epoch.is_enrolling()),
            unresolved,
            some,
            unwatched,
            webhook_gaps: self.webhook_gaps.borrow().clone(),
            second_line,
            hub_token_expires: self.hub_token.expires(),
            next: self
                .next
                .as_ref()
                .and_then(|next| next.fitting(&self.epoch)),
        }
    }

    /// Whether the objects that are older than this guard are still being gone through.
    fn is_enrolling(&self) -> bool {
        if self.enrolling.load(Ordering::Relaxed) && self.observer.has_caught_up() {
            self.enrolling.store(false, Ordering::Relaxed);
            info!("every object is in the registry");
        }
        self.enrolling.load(Ordering::Relaxed)
    }
}
