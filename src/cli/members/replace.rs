//! `aso-guard members replace`: a cluster was rebuilt under its name.

use std::io::Write;
use std::sync::Arc;

use clap::Args;

use crate::claim::MemberName;
use crate::cli::contexts;
use crate::cli::failover::refused;
use crate::cli::question::agree;
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::cluster::kube::{CredentialSettings, KubeCluster};
use crate::failover::{self, LISTENED, Replaced};

/// Which cluster, and how the new one is reached.
#[derive(Args)]
pub(super) struct ReplaceArgs {
    /// Its name
    name: MemberName,
    /// The new cluster's context in the kubeconfig [default: the member's name]
    #[arg(long, value_name = "NAME")]
    cluster_context: Option<String>,
    /// The UID of the new cluster's namespace kube-system, where it cannot be asked from here
    #[arg(long, value_name = "UID", conflicts_with = "cluster_context")]
    uid: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: &ReplaceArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let name = &args.name;
    let cluster = new_cluster(args).await?;
    let registry = args.registry.open_shard().await?;
    if !args.yes {
        let question = format!(
            "The name {name} will be that of the cluster whose kube-system has UID {cluster}. Its \
             guard, when it starts, keeps of what {name} held what it finds there, and releases \
             the rest. No ASO may run in the old cluster any more: nothing here can see that.\n\
             Replace the cluster of {name}?"
        );
        agree(&question, "--yes", out)?;
    }
    writeln!(out, "Watching {name} for {} s …", LISTENED.as_secs())?;
    let replaced = failover::replace(&*registry, name, &cluster).await;
    match replaced.map_err(|error| refused(error, name, &args.registry))? {
        Replaced::Before => writeln!(out, "{name} is that cluster already.")?,
        Replaced::Now => writeln!(
            out,
            "{name} is that cluster now, and holds still what the old one held. Apply its manifests \
             before its guard starts, and nothing is free in between; then start the guard, and see \
             whether it is Ready: aso-guard members list{}",
            args.registry.flags()
        )?,
    }
    Ok(())
}

/// The new cluster's identity.
async fn new_cluster(args: &ReplaceArgs) -> Result<Arc<str>, CommandError> {
    if let Some(uid) = &args.uid {
        return Ok(uid.as_str().into());
    }
    let context = args.cluster_context.as_deref();
    let context = context.unwrap_or(args.name.as_str()).to_owned();
    let chosen = contexts::choose(args.registry.kubeconfig(), &[context]);
    let hint = |words: String| {
        CommandError::Usage(format!(
            "{words}\nName the new cluster's context with --cluster-context, or say its UID: --uid \
             $(kubectl --context NEW get namespace kube-system -o jsonpath='{{.metadata.uid}}')"
        ))
    };
    let chosen = chosen.map_err(hint)?;
    let Some(context) = chosen.first() else {
        return Err(hint("there is no context".to_owned()));
    };
    let client = context.client().await.map_err(CommandError::Usage)?;
    let settings = CredentialSettings {
        operators: Arc::default(),
        subscription: None,
    };
    let asked = KubeCluster::new(client, settings).identity().await;
    asked.map_err(|error| CommandError::Unreachable(error.to_string()))
}
