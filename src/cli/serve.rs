//! `aso-guard serve`: the webhook and the observer of one cluster.

mod args;
mod member;
mod token;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admission::{self, Guard, registration};
use crate::claim::MemberName;
use crate::cluster::kube::KubeCluster;
use crate::cluster::member::JoinError;
use crate::cluster::observer::{Observer, Reporting};
use crate::keeper::Keeper;
use crate::object::text::quoted;
use crate::registry::kubernetes::KubernetesRegistry;
use crate::registry::memory::MemoryRegistry;
use crate::registry::metered::MeteredRegistry;
use crate::registry::{Registry, RegistryUrl};
use crate::server::expiry::ServedCertificate;
use crate::server::path::Paths;
use crate::server::readiness::Readiness;
use crate::server::shutdown::ShutdownSignals;
use crate::server::{self, ServerConfig, ops};
use crate::telemetry::Notices;
use crate::telemetry::events::{Events, Publisher};
use crate::telemetry::logs::{self};
use crate::telemetry::traces::Traces;

use super::Outcome;
use super::config::{Config, OnConflict, server};
use super::metrics::ProcessMetrics;
use super::webhook_server::{CertificateOrigin, WebhookServer};
use member::UnregisteredMember;
use token::HubToken;

pub(super) use args::ServeArgs;

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

    let (ops_listener, _) = server::bind(config.ops_listen).await?;

    let metrics = ProcessMetrics::default();
    let own = server(&config.cluster);
    let client = Client::try_from(config.cluster).context("--kubeconfig")?;
    let hub_token = HubToken::of(config.hub.as_ref());
    let hub = (config.hub, &*config.hub_context);
    let registry = open(&config.registry, hub, (&client, own))?;
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
        hub_token,
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
    (hub, context): (Option<kube::Config>, &str),
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
            let flags = format!(" --context {}", quoted(context));
            Arc::new(KubernetesRegistry::new(client, &name).reached_by(&flags, &flags))
        }
    })
}
