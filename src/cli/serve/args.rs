//! What `serve` is told.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::admission::MODE_GROUP;
use crate::cli::exempt::ExemptArgs;
use crate::telemetry::logs::LogFormat;

use super::tls::TlsArgs;

/// What `serve` needs to know.
#[derive(Args)]
pub(in crate::cli) struct ServeArgs {
    /// This cluster's name in the registry
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_CLUSTER")]
    pub(super) cluster: String,
    /// Where claims are kept: kubernetes: (this cluster), kubernetes:<kubeconfig>[#context] (a hub),
    /// azure://<account>/<container> (Azure Blob Storage), shards:<file> (several of them) or memory:
    #[arg(
        long,
        value_name = "URL",
        default_value = "kubernetes:",
        env = "ASO_GUARD_REGISTRY"
    )]
    pub(super) registry: String,
    /// The registry that the fleet moves to, beside the one that it moves from: `aso-guard registry
    /// move` says when
    #[arg(long, value_name = "URL", env = "ASO_GUARD_NEXT_REGISTRY")]
    pub(super) next_registry: Option<String>,
    /// What people's kubeconfigs call the cluster of the registry, for the commands in messages
    /// [default: the context in --registry, else hub; this cluster's name where the registry is
    /// here]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_HUB_CONTEXT")]
    pub(super) hub_context: Option<String>,
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
    /// available: also write down, in each namespace, what the API server's own policies
    /// (`aso-guard protection`) refuse by while no guard answers
    #[arg(
        long,
        value_name = "strict|available",
        default_value = "strict",
        env = "ASO_GUARD_PROTECTION"
    )]
    pub(super) protection: String,
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
