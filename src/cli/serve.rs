//! `aso-guard serve`: the webhook and the observer of one cluster.

mod args;
mod config;
mod epoch;
mod fence;
mod hub;
mod member;
mod next;
mod next_place;
mod notices;
mod protection;
mod registry;
mod shards;
mod tls;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use kube::Client;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admission::{self, CutOffRequests, Guard, Guards, registration};
use crate::api_server::watching::WatchConnections;
use crate::claim::MemberName;
use crate::cluster::enrolment::RegistryEpoch;
use crate::cluster::fence::KnownFence;
use crate::cluster::kube::KubeCluster;
use crate::cluster::member::JoinError;
use crate::cluster::observer::{Observer, Reporting};
use crate::cluster::protections::{DirtyNamespaces, ProtectionController};
use crate::cluster::shards::KnownShard;
use crate::registry::Registry;
use crate::server::expiry::ServedCertificate;
use crate::server::path::Paths;
use crate::server::readiness::{Readiness, ReadinessCondition};
use crate::server::shutdown::ShutdownSignals;
use crate::server::{self, ServerConfig, ops};
use crate::telemetry::Notices;
use crate::telemetry::events::Publisher;
use crate::telemetry::logs::{self};
use crate::telemetry::traces::Traces;
use crate::webhook_controller::{
    FirstCertificate, WebhookController, WebhookControllerSettings, WebhookReport,
};

use super::Outcome;
use super::metrics::ProcessMetrics;
use super::webhook_server::{CertificateOrigin, WebhookServer};
use config::{Config, OnConflict, ProtectionChoice};
use fence::FenceReport;
use member::UnregisteredMember;
use next::NextRegistry;
use token::HubToken;

pub(super) use args::ServeArgs;
pub(super) use tls::read_path_file;

/// Runs until a signal comes.
pub(super) async fn run(args: ServeArgs) -> Outcome {
    let endpoint = args.otlp_endpoint.as_deref();
    let traces = match endpoint.map(|to| Traces::to(to, &args.cluster)).transpose() {
        Ok(traces) => traces,
        Err(error) => {
            eprintln!("aso-guard: --otlp-endpoint: {error}");
            return Outcome::Usage;
        }
    };
    if let Err(error) = logs::init(args.log_format, &args.log, traces.as_ref()) {
        eprintln!("aso-guard: --log: {error}");
        return Outcome::Usage;
    }
    let config = match Config::check(&args).await {
        Ok(config) => config,
        Err(problems) => {
            eprint!("aso-guard: cannot start:\n{problems}");
            return Outcome::Usage;
        }
    };
    let served = serve(config).await;
    if let Some(traces) = traces {
        // What it could not send is of no use to anybody.
        let finished = tokio::task::spawn_blocking(move || traces.finish());
        let _ = tokio::time::timeout(LAST_CALLS, finished).await;
    }
    match served {
        Ok(()) => Outcome::Fine,
        Err(error) if error.downcast_ref::<JoinError>().is_some() => {
            eprintln!("aso-guard: {error:#}");
            Outcome::Usage
        }
        Err(error) => {
            error!("{error:#}");
            Outcome::Failed
        }
    }
}

/// How long calls that are under way may take when the process is to end.
const LAST_CALLS: Duration = Duration::from_secs(10);

async fn serve(config: Config) -> anyhow::Result<()> {
    let signals = ShutdownSignals::listen().context("cannot listen for signals")?;
    let shutdown = CancellationToken::new();
    let readiness = Readiness::new();
    let known = readiness.wait_for("this cluster's objects are known");
    let joined = readiness.wait_for("this cluster is in the registry");
    let metrics = ProcessMetrics::default();
    let served = ServedCertificate::default();
    let exposition = Arc::new(metrics.exposition(served.clone()));
    let ops = OpsPort::open(config.ops_listen, readiness.clone(), exposition).await?;
    let replica = Replica::new(&config, &metrics)?;
    let served_as = server_config(&config);
    let paths = Paths::plain(registration::PATH);
    let kept = (
        paths.clone(),
        readiness.wait_for("the path of API servers' calls"),
    );
    let (controller, first, webhook_gaps) =
        replica.webhook_controller(config.tls.controller, kept, &config.member, &metrics);
    let webhook = WebhookServer {
        router: paths.before(admission::router(replica.guard), metrics.server.clone()),
        config: served_as,
        readiness,
        served,
        metrics: metrics.server,
    };
    let certificate = CertificateOrigin {
        files: config.tls.files,
        first,
    };
    let candidate = UnregisteredMember {
        name: config.member,
        mode: config.settings.mode,
        registry: replica.registry,
        cluster: replica.cluster,
        observer: replica.observer,
        fence: replica.fence,
        hub_token: HubToken::of(config.hub.as_ref()),
        protections: replica.protections,
        epoch: replica.epoch,
        shards: replica.shards,
        next: replica.next,
        webhook_gaps,
        metrics: metrics.cluster,
    };
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let stop = || shutdown.clone();
    let mut spawn = |what, work| tasks.spawn(in_time(what, stop(), work));
    let controlling = to_the_end(controller.run(stop()));
    spawn("the webhook controller", controlling.boxed());
    let publishing = to_the_end(replica.publisher.run(stop()));
    spawn("the events", publishing.boxed());
    spawn("the observer", candidate.run(joined, known, stop()).boxed());
    // It has its own time: for the notice, and for calls in flight.
    tasks.spawn(webhook.serve(certificate, stop()));
    until_the_end(signals, tasks, &shutdown, ops).await
}

/// Waits for what runs, or for a second signal.
async fn until_the_end(
    signals: ShutdownSignals,
    mut tasks: JoinSet<anyhow::Result<()>>,
    shutdown: &CancellationToken,
    ops: OpsPort,
) -> anyhow::Result<()> {
    let outcome = tokio::select! {
        _impatient = signals.watch(shutdown.clone()) => {
            anyhow::bail!("a second signal: stopped at once, calls in flight are cut off")
        }
        outcome = supervise(&mut tasks, shutdown) => outcome,
    };
    ops.close().await?;
    outcome
}

/// How the webhook is served.
fn server_config(config: &Config) -> ServerConfig {
    ServerConfig {
        notice: config.notice,
        body_size: admission::BODY_LIMIT,
        ..ServerConfig::new(config.listen)
    }
}

/// Probes and metrics. The port outlives the others: it says why the pod is not ready.
struct OpsPort {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl OpsPort {
    async fn open(
        listen: SocketAddr,
        readiness: Readiness,
        exposition: Arc<prometheus_client::registry::Registry>,
    ) -> anyhow::Result<Self> {
        let (listener, _) = server::bind(listen).await?;
        let stop = CancellationToken::new();
        let router = ops::router(readiness, exposition);
        let task = tokio::spawn(ops::run_ops(listener, router, stop.clone()));
        Ok(Self { stop, task })
    }

    async fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await.context("the operations port")
    }
}

/// What judges and what observes, put together.
struct Replica {
    client: Client,
    registry: Arc<dyn Registry>,
    cluster: Arc<KubeCluster>,
    observer: Arc<Observer>,
    guard: Guards,
    next: Option<NextRegistry>,
    fence: FenceReport,
    notices: Arc<dyn Notices>,
    publisher: Publisher,
    protections: Option<ProtectionController>,
    epoch: Arc<RegistryEpoch>,
    shards: Vec<KnownShard>,
}

impl Replica {
    fn new(config: &Config, metrics: &ProcessMetrics) -> anyhow::Result<Self> {
        let client = Client::try_from(config.cluster.clone()).context("--kubeconfig")?;
        let (registry, claims) = registry::open(config, &client, metrics)?;
        let credentials = config.credentials.clone();
        let watches = WatchConnections::new(&config.cluster).context("--kubeconfig")?;
        let cluster = Arc::new(KubeCluster::new(client.clone(), credentials).watched_over(watches));
        let (notices, publisher) =
            notices::to_events(client.clone(), &cluster, &config.member, metrics);
        let fence = Arc::<KnownFence>::default();
        let observer = Observer::new(
            config.member.clone(),
            registry.clone(),
            cluster.clone(),
            config.settings.claim_deadline,
        );
        let is_available = config.protection == ProtectionChoice::Available;
        let dirty = is_available.then(Arc::<DirtyNamespaces>::default);
        let parking = (config.on_conflict == OnConflict::Park).then(|| cluster.clone() as _);
        let observer = observer.reporting(Reporting {
            notices: notices.clone(),
            metrics: metrics.cluster.clone(),
            parking,
            fence: fence.clone(),
            orphaned_after: config.orphaned_after,
        });
        let observer = Arc::new(observer.reporting_changes_to(dirty.clone()));
        let epoch = epoch::of(config, &registry, &cluster, metrics);
        let shards = epoch::of_shards(config, &registry, &cluster, (&epoch, &fence));
        let protections = dirty.map(|dirty| {
            let parts = (registry.clone(), claims, cluster.clone(), observer.clone());
            protection::controller(config, &client, parts, (dirty, epoch.clone()))
        });
        let guard = Guard {
            member: config.member.clone(),
            registry: registry.clone(),
            cluster: cluster.clone(),
            cut_off: CutOffRequests::default(),
            shards: shards.clone(),
            follow_up: observer.clone(),
            settings: config.settings,
            notices: notices.clone(),
            metrics: metrics.admission.clone(),
            privileges: config.privileges.clone(),
            fence: fence.clone(),
            epoch: epoch.clone(),
        };
        let (guard, next) = NextRegistry::open(config, &client, &cluster, metrics, guard)?;
        Ok(Self {
            client,
            registry,
            cluster,
            observer,
            guard,
            next,
            fence: FenceReport::new(fence, &notices),
            notices,
            publisher,
            protections,
            epoch,
            shards,
        })
    }
}

impl Replica {
    /// What keeps the webhook configuration, the first certificate of its own, and what API
    /// servers do not ask about as it finds it.
    fn webhook_controller(
        &self,
        settings: WebhookControllerSettings,
        kept: (Paths, ReadinessCondition),
        member: &MemberName,
        metrics: &ProcessMetrics,
    ) -> (
        WebhookController,
        Option<FirstCertificate>,
        watch::Receiver<Vec<String>>,
    ) {
        let (gaps, webhook_gaps) = watch::channel(Vec::new());
        let report = WebhookReport {
            context: member.to_string(),
            notices: self.notices.clone(),
            metrics: metrics.webhook.clone(),
            gaps,
        };
        let groups = self.cluster.groups();
        let (controller, first) =
            WebhookController::new(self.client.clone(), settings, groups, kept, report);
        (controller, first, webhook_gaps)
    }
}

/// A task that cannot fail.
async fn to_the_end(work: impl Future<Output = ()>) -> anyhow::Result<()> {
    work.await;
    Ok(())
}

/// A task that is cut off where it has not ended a while after the signal, such as for want of an
/// answer. What it leaves behind is what a crash leaves behind, which the claims allow for.
async fn in_time(
    what: &'static str,
    shutdown: CancellationToken,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_CALLS).await;
    };
    tokio::select! {
        ended = work => ended,
        () = late => {
            warn!("{what} did not end within {LAST_CALLS:?} of the signal: cut off");
            Ok(())
        }
    }
}

/// Every task runs until shutdown. One that ends before that ends the process.
async fn supervise(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended
            .context("a task ended by itself")
            .and_then(|done| done);
        if let Err(error) = &ended {
            error!("{error:#}");
        }
        if outcome.is_ok() {
            outcome = ended;
        }
        shutdown.cancel();
    }
    info!("stopped");
    outcome
}
