//! Two member clusters that share a registry, each with its guard.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::admission::{self, CutOffRequests, Guard, GuardSettings, Privileges};
use crate::claim::{MemberName, Record};
use crate::cluster::enrolment::{ProcessMemory, RegistryEpoch};
use crate::cluster::member::{MemberReport, Membership};
use crate::cluster::memory::MemoryCluster;
use crate::cluster::observer::Observer;
use crate::registry::memory::MemoryRegistry;
use crate::registry::{ClaimScope, Registry};
use crate::server::development_certificates::{CertificateNames, DevelopmentCa};
use crate::server::readiness::Readiness;
use crate::server::tls::ReloadingCertificate;
use crate::server::{HttpsServer, ServerConfig};
use crate::telemetry::NoNotices;

use super::api_server::ApiServer;
use super::webhook::WebhookClient;

/// The subscription of both clusters' credentials.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
/// How long calls in flight may take at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// All that runs.
pub(super) struct DemoEnvironment {
    pub(super) clusters: DemoClusters,
    pub(super) running: DemoTasks,
    /// The CA of the guards' certificates, in PEM.
    pub(super) ca: String,
    registry: Arc<MemoryRegistry>,
}

/// The two members.
pub(super) struct DemoClusters {
    pub(super) a: ApiServer,
    pub(super) b: ApiServer,
}

/// The tasks behind them.
#[derive(Default)]
pub(super) struct DemoTasks {
    tasks: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
}

impl DemoEnvironment {
    /// Starts both guards on ports that the system chooses.
    pub(super) async fn start(settings: GuardSettings) -> anyhow::Result<Self> {
        let ca = DevelopmentCa::generate()?;
        let registry = Arc::new(MemoryRegistry::new());
        let mut running = DemoTasks::default();
        let a = running.member("a", &ca, &registry, settings).await?;
        let b = running.member("b", &ca, &registry, settings).await?;
        Ok(Self {
            clusters: DemoClusters { a, b },
            running,
            ca: ca.certificate().to_owned(),
            registry,
        })
    }

    /// Every claim, in the order of what they are about.
    pub(super) async fn claims(&self) -> anyhow::Result<Vec<Record>> {
        let known = self.registry.claims(&ClaimScope::All).await?.whole()?;
        let mut records: Vec<Record> = known.into_iter().map(|known| known.record).collect();
        records.sort_by(|one, other| one.identity.cmp(&other.identity));
        Ok(records)
    }

    /// Ends all of it: the clients first, so that the guards need not wait for what
    /// they might still ask.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.clusters);
        self.running.stop().await
    }
}

impl DemoTasks {
    async fn member(
        &mut self,
        name: &'static str,
        ca: &DevelopmentCa,
        registry: &Arc<MemoryRegistry>,
        settings: GuardSettings,
    ) -> anyhow::Result<ApiServer> {
        let name_of_member: MemberName = name.parse()?;
        let memory = Arc::new(ProcessMemory);
        let deadline = settings.claim_deadline;
        let epoch = RegistryEpoch::new(name_of_member.clone(), registry.clone(), memory, deadline);
        epoch.look().await?;
        let epoch = Arc::new(epoch);
        let membership = Membership {
            name: name_of_member,
            mode: settings.mode.as_str().into(),
            cluster: Uuid::new_v4().to_string().into(),
            fence: Arc::default(),
            epoch: epoch.clone(),
        };
        let cluster = Arc::new(MemoryCluster::new(SUBSCRIPTION));
        let member = membership.name.clone();
        let observer = Observer::new(
            member.clone(),
            registry.clone(),
            cluster.clone(),
            settings.claim_deadline,
        );
        let observer = Arc::new(observer);
        let guard = Guard {
            member,
            registry: registry.clone(),
            cluster: cluster.clone(),
            cut_off: CutOffRequests::default(),
            shards: Vec::new(),
            fence: Arc::default(),
            follow_up: observer.clone(),
            settings,
            notices: Arc::new(NoNotices),
            metrics: admission::AdmissionMetrics::default(),
            privileges: Privileges::default(),
            epoch,
        };
        let https = bind(ca).await?;
        let address = https.local_addr();

        membership.join(&**registry).await?;
        observer.compare().await?;
        let (router, stop) = (admission::router(Arc::new(guard)), self.shutdown.clone());
        self.tasks
            .spawn(async move { Ok(https.run(router, stop).await?) });
        let (watching, stop) = (observer.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            watching.run(stop).await;
            Ok(())
        });
        let (registry, stop) = (registry.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            let beating = membership.keep_beating(&*registry, MemberReport::default, &stop);
            Ok(beating.await?)
        });
        let webhook = WebhookClient::new(address, ca.certificate())?;
        Ok(ApiServer::new(name, webhook, cluster, observer))
    }

    /// Waits for a task that ends by itself, and says how. None should.
    pub(super) async fn broken(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error.context("a guard stopped by itself"),
            Some(Err(error)) => anyhow::Error::new(error).context("a guard stopped by itself"),
            Some(Ok(Ok(()))) | None => anyhow::anyhow!("a guard stopped by itself"),
        }
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a task of a guard")??;
        }
        Ok(())
    }
}

async fn bind(ca: &DevelopmentCa) -> anyhow::Result<HttpsServer> {
    let issued = ca.issue(&CertificateNames::default(), 1)?;
    let (certificate, key) = (issued.certificate.as_bytes(), issued.key.as_bytes());
    let certificate = Arc::new(ReloadingCertificate::from_pem(certificate, key, None)?);
    let config = ServerConfig {
        notice: Duration::ZERO,
        drain: DRAIN,
        ..ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    };
    Ok(HttpsServer::bind(config, certificate, Readiness::new()).await?)
}
