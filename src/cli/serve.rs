//! `aso-guard serve`: the webhook and the observer of one cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admission::{self, Guard, MODE_GROUP, Mode, registration};
use crate::claim::MemberName;
use crate::cluster;
use crate::cluster::kube::KubeCluster;
use crate::cluster::member::{JoinError, MemberReport, Membership};
use crate::cluster::observer::{Observer, Reporting};
use crate::cluster::transfer_controller::TransferController;
use crate::keeper::Keeper;
use crate::registry::kubernetes::KubernetesRegistry;
use crate::registry::memory::MemoryRegistry;
use crate::registry::metered::MeteredRegistry;
use crate::registry::{Registry, RegistryUrl};
use crate::server::expiry::ServedCertificate;
use crate::server::path::Paths;
use crate::server::readiness::{Readiness, ReadinessCondition};
use crate::server::shutdown::ShutdownSignals;
use crate::server::{self, ServerConfig, ops};
use crate::telemetry::Notices;
use crate::telemetry::events::{Events, Publisher};
use crate::telemetry::logs::{self, LogFormat};
use crate::telemetry::traces::Traces;

use super::Outcome;
use super::config::{Config, ExemptArgs, OnConflict, server};
use super::metrics::ProcessMetrics;
use super::tls::TlsArgs;
use super::webhook_server::{CertificateOrigin, WebhookServer};

/// What `serve` needs to know.
#[derive(Args)]
pub(super) struct ServeArgs {
    /// This cluster's name in the registry
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_CLUSTER")]
    pub(super) cluster: String,
    /// Where claims are kept: kubernetes: (this cluster), kubernetes:<kubeconfig>[#context] (a hub) or memory:
    #[arg(
        long,
        value_name = "URL",
        default_value = "kubernetes:",
        env = "ASO_GUARD_REGISTRY"
    )]
    pub(super) registry: String,
    /// How to reach this cluster's API server [default: as a pod of it would]
    ///
    /// A kubeconfig, this one and the registry's, is read at the start: restart after replacing
    /// one. A token in a file of its own (tokenFile, and in a pod always) is read again every
    /// minute.
    #[arg(long, value_name = "PATH", env = "ASO_GUARD_KUBECONFIG")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// enforce refuses what is unsafe; audit only warns
    #[arg(
        long,
        value_name = "enforce|audit",
        default_value = "enforce",
        env = "ASO_GUARD_MODE"
    )]
    pub(super) mode: String,
    /// Whether the annotation asoguard.io/override lets a refused request through
    #[arg(
        long = "override",
        value_name = "on|off",
        default_value = "on",
        env = "ASO_GUARD_OVERRIDE"
    )]
    pub(super) overrides: String,
    /// The groups whose members may override a refusal [default: everybody who may write]
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        env = "ASO_GUARD_OVERRIDE_GROUPS"
    )]
    pub(super) override_groups: Vec<String>,
    /// The groups whose members may loosen the mode of a namespace, by its label asoguard.io/mode
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        default_value = MODE_GROUP,
        env = "ASO_GUARD_MODE_GROUPS"
    )]
    pub(super) mode_groups: Vec<String>,
    #[command(flatten)]
    pub(super) exempt: ExemptArgs,
    /// Where the API server calls the webhook, over HTTPS: /validate
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8443",
        env = "ASO_GUARD_LISTEN"
    )]
    pub(super) listen: String,
    /// Where probes and metrics are answered, over HTTP: /healthz /readyz /metrics
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080",
        env = "ASO_GUARD_OPS_LISTEN"
    )]
    pub(super) ops_listen: String,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    /// How long an admitted request may be under way: longer than the API server's --request-timeout
    #[arg(
        long,
        value_name = "TIME",
        default_value = "90s",
        env = "ASO_GUARD_CLAIM_DEADLINE"
    )]
    pub(super) claim_deadline: String,
    /// The namespace ASO runs in; may be repeated, for a cluster with several
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "azureserviceoperator-system",
        env = "ASO_GUARD_ASO_NAMESPACE"
    )]
    pub(super) aso_namespace: Vec<Arc<str>>,
    /// The subscription of every object, where the guard is not to read secrets
    #[arg(long, value_name = "ID", env = "ASO_GUARD_SUBSCRIPTION")]
    pub(super) subscription: Option<String>,
    /// What to do with an object whose Azure resource cannot be worked out
    #[arg(
        long,
        value_name = "warn|deny",
        default_value = "warn",
        env = "ASO_GUARD_ON_UNRESOLVED"
    )]
    pub(super) on_unresolved: String,
    /// What to do when two copies of a resource are live: tell, or also park the one that came on
    /// top of the other
    #[arg(
        long,
        value_name = "show|park",
        default_value = "show",
        env = "ASO_GUARD_ON_CONFLICT"
    )]
    pub(super) on_conflict: String,
    /// How long all copies of a resource may be parked before that is told: longer than a move
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10m",
        env = "ASO_GUARD_ORPHANED_AFTER"
    )]
    pub(super) orphaned_after: String,
    /// How long to go on serving after readiness turned off, until endpoints noticed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        env = "ASO_GUARD_SHUTDOWN_NOTICE"
    )]
    pub(super) shutdown_notice: String,
    /// How logs are written
    #[arg(long, value_enum, default_value = "text", env = "ASO_GUARD_LOG_FORMAT")]
    pub(super) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, or a filter such as info,aso_guard=debug
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "info",
        env = "ASO_GUARD_LOG"
    )]
    pub(super) log: String,
    /// Send traces of admissions to this OpenTelemetry collector, over HTTP: http://collector:4318
    #[arg(long, value_name = "URL", env = "ASO_GUARD_OTLP_ENDPOINT")]
    pub(super) otlp_endpoint: Option<String>,
}

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

/// The parts of a member that is not registered yet.
struct UnregisteredMember {
    name: MemberName,
    mode: Mode,
    registry: Arc<dyn Registry>,
    cluster: Arc<KubeCluster>,
    observer: Arc<Observer>,
    metrics: cluster::metrics::ObserverMetrics,
}

/// The parts of a running member.
struct RunningMember {
    membership: Membership,
    registry: Arc<dyn Registry>,
    cluster: Arc<KubeCluster>,
    observer: Arc<Observer>,
    metrics: cluster::metrics::ObserverMetrics,
    enrolling: AtomicBool,
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let signals = ShutdownSignals::listen().context("cannot listen for signals")?;
    let shutdown = CancellationToken::new();
    let readiness = Readiness::new();
    let known = readiness.wait_for("this cluster's objects are known");
    let joined = readiness.wait_for("this cluster is in the registry");

    let (ops_listener, _) = server::bind(config.ops_listen).await?;

    let metrics = ProcessMetrics::default();
    let own = server(&config.cluster);
    let client = Client::try_from(config.cluster).context("--kubeconfig")?;
    let registry = open(&config.registry, config.hub, (&client, own))?;
    let registry: Arc<dyn Registry> =
        Arc::new(MeteredRegistry::new(registry, metrics.registry.clone()));
    let cluster = Arc::new(KubeCluster::new(client.clone(), config.credentials));
    let (events, publisher) = tell(client.clone(), &cluster, &config.member, &metrics);
    let observer = Observer::new(
        config.member.clone(),
        registry.clone(),
        cluster.clone(),
        config.settings.claim_deadline,
    );
    let parking = (config.on_conflict == OnConflict::Park).then(|| cluster.clone() as _);
    let observer = Arc::new(observer.reporting(Reporting {
        notices: events.clone(),
        metrics: metrics.cluster.clone(),
        parking,
        orphaned_after: config.orphaned_after,
    }));
    let guard = Arc::new(Guard {
        member: config.member.clone(),
        registry: registry.clone(),
        cluster: cluster.clone(),
        follow_up: observer.clone(),
        settings: config.settings,
        notices: events,
        metrics: metrics.admission.clone(),
        privileges: config.privileges,
    });

    // The ops port outlives the others: it says why the pod is not ready.
    let served = ServedCertificate::default();
    let exposition = Arc::new(metrics.exposition(served.clone()));
    let ops_router = ops::router(readiness.clone(), exposition);
    let ops_stop = CancellationToken::new();
    let ops = tokio::spawn(ops::run_ops(ops_listener, ops_router, ops_stop.clone()));
    let paths = Paths::plain(registration::PATH);
    let kept = (
        paths.clone(),
        readiness.wait_for("the path of API servers' calls"),
    );
    let (keeper, first) = Keeper::new(client, config.tls.keeper, cluster.groups(), kept);
    let webhook = WebhookServer {
        router: paths.before(admission::router(guard), metrics.server.clone()),
        config: ServerConfig {
            notice: config.notice,
            body_size: admission::BODY_LIMIT,
            ..ServerConfig::new(config.listen)
        },
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
        registry,
        cluster,
        observer,
        metrics: metrics.cluster,
    };
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let stop = || shutdown.clone();
    tasks.spawn(in_time(
        "the keeper",
        stop(),
        to_the_end(keeper.run(stop())),
    ));
    tasks.spawn(in_time(
        "the events",
        stop(),
        to_the_end(publisher.run(stop())),
    ));
    // It has its own time: for the notice, and for calls in flight.
    tasks.spawn(webhook.serve(certificate, stop()));
    let taking_part = candidate.run(joined, known, stop());
    tasks.spawn(in_time("the observer", stop(), taking_part));

    let outcome = tokio::select! {
        _impatient = signals.watch(shutdown.clone()) => {
            anyhow::bail!("a second signal: stopped at once, calls in flight are cut off")
        }
        outcome = supervise(&mut tasks, &shutdown) => outcome,
    };
    ops_stop.cancel();
    ops.await.context("the operations port")?;
    outcome
}

/// Where notices go: to Events, in the name of this replica.
fn tell(
    client: Client,
    cluster: &Arc<KubeCluster>,
    member: &MemberName,
    metrics: &ProcessMetrics,
) -> (Arc<dyn Notices>, Publisher) {
    let kinds = cluster.clone();
    let (events, publisher) = Events::new(
        client,
        Box::new(move |group, kind| kinds.api_version(group, kind)),
        // A pod's own name.
        &std::env::var("HOSTNAME").unwrap_or_else(|_| member.to_string()),
        metrics.events.clone(),
    );
    (Arc::new(events), publisher)
}

/// A task that cannot fail.
async fn to_the_end(work: impl Future<Output = ()>) -> anyhow::Result<()> {
    work.await;
    Ok(())
}

/// A task that is cut off where it has not ended a while after the signal, such as for want of an
/// answer. What it leaves behind is what a crash leaves behind, which the claims allow for.
async fn in_time(
    what: &str,
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

/// The registry: on a hub, or in the cluster itself, at this address.
fn open(
    url: &RegistryUrl,
    hub: Option<kube::Config>,
    (client, address): (&Client, String),
) -> anyhow::Result<Arc<dyn Registry>> {
    let (client, address) = match hub {
        Some(hub) => {
            let address = server(&hub);
            (Client::try_from(hub).context("--registry")?, address)
        }
        None => (client.clone(), address),
    };
    Ok(match url {
        RegistryUrl::Memory => {
            warn!(
                "claims are kept in memory: no other cluster sees them, and they end with this process"
            );
            Arc::new(MemoryRegistry::new())
        }
        RegistryUrl::Kubernetes { .. } => {
            let name = format!("{url} at {address}");
            Arc::new(KubernetesRegistry::new(client, &name))
        }
    })
}

impl UnregisteredMember {
    /// Registers this cluster, then watches, observes and heartbeats until told to stop.
    async fn run(
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
            };
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
        let stop = shutdown.clone();
        tasks.spawn(async move {
            if stop.run_until_cancelled(synced.cancelled()).await.is_some() {
                member.enrol(&stop).await;
                let observing = member.observer.clone().run(stop.clone());
                tokio::join!(observing, member.look_after_transfers(&stop));
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
        MemberReport {
            enrolling: self.is_enrolling(),
            unresolved,
            some,
            unwatched,
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
