//! The part of `serve` that knows the registry that the fleet moves to.

use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::admission::{CutOffRequests, Guard, GuardPair, Guards};
use crate::claim::judge;
use crate::cli::metrics::ProcessMetrics;
use crate::cluster::enrolment::RegistryEpoch;
use crate::cluster::fence::KnownFence;
use crate::cluster::kube::KubeCluster;
use crate::cluster::kube::epoch::ShardMemory;
use crate::cluster::member::{JoinError, MemberReport, Membership};
use crate::cluster::observer::Observer;
use crate::object::text::quoted;
use crate::registry::Registry;
use crate::registry::metered::MeteredRegistry;

use super::config::Config;
use super::next_place::NextPlace;
use super::registry::open_one;

/// How often it is looked whether there is something to join.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

/// What a replica has of the registry that the fleet moves to.
#[derive(Clone)]
pub(super) struct NextRegistry {
    registry: Arc<dyn Registry>,
    observer: Arc<Observer>,
    pub(super) epoch: Arc<RegistryEpoch>,
    fence: Arc<KnownFence>,
}

impl NextRegistry {
    /// The guards by `old`, and by the registry that the fleet moves to, where it does.
    ///
    /// Nothing of that is shown to people but verdicts: until the guard is started with it alone, it
    /// shows what the other registry says.
    pub(super) fn open(
        config: &Config,
        client: &Client,
        cluster: &Arc<KubeCluster>,
        metrics: &ProcessMetrics,
        old: Guard,
    ) -> anyhow::Result<(Guards, Option<Self>)> {
        let old = Arc::new(old);
        let Some(NextPlace { url, hub }) = &config.next else {
            return Ok((Guards::One(old), None));
        };
        let flags = format!(" --registry {}", quoted(&url.to_string()));
        let (registry, _) = open_one(config, client, (url, hub.as_ref()), &flags)?;
        let registry: Arc<dyn Registry> =
            Arc::new(MeteredRegistry::new(registry, metrics.registry.clone()));
        let (member, limit) = (config.member.clone(), config.settings.claim_deadline);
        let observer = Arc::new(Observer::new(
            member.clone(),
            registry.clone(),
            cluster.clone(),
            limit,
        ));
        cluster.tell_next(observer.clone());
        let memory = Arc::new(ShardMemory::of_next(cluster.clone()));
        let epoch = RegistryEpoch::new(member, registry.clone(), memory, limit)
            .of_move()
            .only_reading();
        let next = Self {
            registry,
            observer,
            epoch: Arc::new(epoch),
            fence: Arc::default(),
        };
        Ok((next.beside(old), Some(next)))
    }

    /// The guards by both: `old`, by the one that the fleet moves from, and one by this.
    fn beside(&self, old: Arc<Guard>) -> Guards {
        let new = Guard {
            member: old.member.clone(),
            registry: self.registry.clone(),
            cluster: old.cluster.clone(),
            follow_up: self.observer.clone(),
            settings: old.settings,
            notices: old.notices.clone(),
            metrics: old.metrics.clone(),
            privileges: old.privileges.clone(),
            cut_off: CutOffRequests::default(),
            fence: self.fence.clone(),
            epoch: self.epoch.clone(),
            shards: Vec::new(),
        };
        let new = Arc::new(new);
        Guards::Two(Arc::new(GuardPair { old, new }))
    }

    /// The `id` of its epoch, where it comes after the other one, or has taken its place.
    pub(super) fn fitting(&self, old: &RegistryEpoch) -> Option<Arc<str>> {
        let (old, new) = (old.seen()?, self.epoch.seen()?);
        judge(Some(&old), Some(&new)).ok()?;
        Some(new.epoch.id.clone())
    }

    /// Joins it once people have prepared it, keeps its claims, and brings all copies in when that
    /// is to be done. What goes wrong there keeps the other registry from nothing.
    pub(super) async fn run(
        self,
        old: &RegistryEpoch,
        membership: &Membership,
        report: impl Fn() -> MemberReport,
        (synced, shutdown): (&CancellationToken, &CancellationToken),
    ) {
        let membership = Membership {
            fence: self.fence.clone(),
            epoch: self.epoch.clone(),
            ..membership.clone()
        };
        let working = async {
            synced.cancelled().await;
            self.until_it_fits(old).await;
            self.join(&membership).await;
            info!("keeps the claims in the registry that the fleet moves to, too");
            let beating = async {
                let beaten = membership
                    .keep_beating(&*self.registry, report, shutdown)
                    .await;
                if let Err(error) = beaten {
                    warn!(%error, "this cluster is no longer a member of the registry that the fleet moves to");
                }
            };
            let observing = async {
                while let Err(error) = self.observer.compare().await {
                    warn!(%error, "cannot compare with the registry that the fleet moves to yet; trying again in 2 s");
                    tokio::time::sleep(PAUSE).await;
                }
                self.observer.clone().run(shutdown.clone()).await;
            };
            let enrolling = self.epoch.run(&*self.observer, shutdown);
            tokio::join!(beating, observing, enrolling);
        };
        shutdown.run_until_cancelled(working).await;
    }

    async fn until_it_fits(&self, old: &RegistryEpoch) {
        let mut said = false;
        loop {
            let looked = self.epoch.look().await;
            if self.fitting(old).is_some() {
                self.epoch.take_part();
                return;
            }
            if !std::mem::replace(&mut said, true) {
                let error = looked.err().map(|error| error.to_string());
                warn!(
                    error,
                    "the registry in --next-registry does not come after the one in --registry yet: aso-guard registry move prepares it"
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn join(&self, membership: &Membership) {
        while let Err(error @ JoinError::NameTaken { .. }) = membership.join(&*self.registry).await
        {
            warn!(%error, "cannot join the registry that the fleet moves to");
            tokio::time::sleep(PAUSE).await;
        }
    }
}
