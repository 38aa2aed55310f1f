//! What the commands that move resources are told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use kube::Client;

use crate::claim::{MemberName, NamespaceRef};
use crate::cli::client::{client_config, context_names, read_kubeconfig};
use crate::cli::registry::{CommandError, kubectl_flags};
use crate::cluster::kube::CredentialSettings;
use crate::driver::Endpoint;
use crate::object::text::quoted;
use crate::registry::{MemberRecord, MemberStanding, Registry};

/// How the two clusters are reached.
#[derive(Args, Clone)]
pub(super) struct EndpointArgs {
    /// The context of the source's cluster [default: the one called as the cluster]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_FROM_CONTEXT")]
    from_context: Option<String>,
    /// The kubeconfig of the source's cluster [default: as kubectl finds it]
    #[arg(long, value_name = "PATH", env = "ASO_GUARD_FROM_KUBECONFIG")]
    from_kubeconfig: Option<PathBuf>,
    /// The context of the target's cluster [default: the one called as the cluster]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_TO_CONTEXT")]
    to_context: Option<String>,
    /// The kubeconfig of the target's cluster [default: as kubectl finds it]
    #[arg(long, value_name = "PATH", env = "ASO_GUARD_TO_KUBECONFIG")]
    to_kubeconfig: Option<PathBuf>,
    /// ASO's own namespace, in both clusters; may be repeated
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "azureserviceoperator-system",
        env = "ASO_GUARD_ASO_NAMESPACE"
    )]
    aso_namespace: Vec<Arc<str>>,
    /// The subscription of all of the source, where secrets may not be read there
    #[arg(long, value_name = "ID", env = "ASO_GUARD_FROM_SUBSCRIPTION")]
    from_subscription: Option<String>,
    /// The subscription of all of the target, where secrets may not be read there
    #[arg(long, value_name = "ID", env = "ASO_GUARD_TO_SUBSCRIPTION")]
    to_subscription: Option<String>,
}

/// The two ends, and what is wrong with the members they are in.
pub(super) struct Endpoints {
    pub(super) from: Endpoint,
    pub(super) to: Endpoint,
    pub(super) problems: Vec<String>,
}

impl EndpointArgs {
    /// Looks at both clusters, and checks that each is the member it is taken for.
    ///
    /// # Errors
    /// One cannot be reached, or is another cluster.
    pub(super) async fn open(
        &self,
        registry: &dyn Registry,
        from: &NamespaceRef,
        to: &NamespaceRef,
    ) -> Result<Endpoints, CommandError> {
        let here = (
            self.from_kubeconfig.as_deref(),
            self.from_context.as_deref(),
        );
        let there = match (self.to_kubeconfig.as_deref(), self.to_context.as_deref()) {
            (None, None) if from.member == to.member => here,
            there => there,
        };
        let from_credentials = self.credentials(self.from_subscription.as_deref());
        let to_credentials = self.credentials(self.to_subscription.as_deref());
        let from = open(from, here, from_credentials, "from").await?;
        let to = open(to, there, to_credentials, "to").await?;
        let mut problems = Vec::new();
        for (end, side) in [(&from, "from"), (&to, "to")] {
            let member = registry.member(&end.place.member).await?;
            let record = member.map(|known| known.record);
            problems.extend(known_as(end, record.as_ref(), side, registry.flags())?);
        }
        problems.dedup();
        Ok(Endpoints { from, to, problems })
    }

    fn credentials(&self, subscription: Option<&str>) -> CredentialSettings {
        CredentialSettings {
            operators: self.aso_namespace.as_slice().into(),
            subscription: subscription.map(str::to_owned),
        }
    }

    /// The flags that lead another command to the same clusters.
    pub(super) fn flags(&self) -> String {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let given = [
            ("from-context", self.from_context.clone()),
            ("from-kubeconfig", path(&self.from_kubeconfig)),
            ("to-context", self.to_context.clone()),
            ("to-kubeconfig", path(&self.to_kubeconfig)),
            ("from-subscription", self.from_subscription.clone()),
            ("to-subscription", self.to_subscription.clone()),
        ];
        let given = given.into_iter();
        let given =
            given.filter_map(|(flag, value)| Some(format!(" --{flag} {}", quoted(&value?))));
        given.collect()
    }
}

async fn open(
    place: &NamespaceRef,
    (kubeconfig, context): (Option<&Path>, Option<&str>),
    credentials: CredentialSettings,
    side: &str,
) -> Result<Endpoint, CommandError> {
    let wrong = |error: String| CommandError::Usage(format!("--{side}-context: {error}"));
    let context = match (kubeconfig, context) {
        (_, Some(context)) => Some(context.to_owned()),
        (Some(_), None) => None,
        (None, None) => Some(context_of(&place.member, side)?),
    };
    let mut config = client_config(kubeconfig, context.as_deref())
        .await
        .map_err(wrong)?;
    config.connect_timeout = Some(std::time::Duration::from_secs(10));
    let client = Client::try_from(config).map_err(|error| wrong(error.to_string()))?;
    let flags = kubectl_flags(kubeconfig, context.as_deref());
    let kubectl = format!("kubectl{flags} -n {}", place.namespace);
    Endpoint::open(client, place.clone(), kubectl, credentials)
        .await
        .map_err(|fault| CommandError::Unreachable(fault.words))
}

/// The context that is called as a member is.
fn context_of(member: &MemberName, side: &str) -> Result<String, CommandError> {
    let kubeconfig = read_kubeconfig(None).map_err(|error| {
        CommandError::Usage(format!(
            "{error}; say where cluster {member} is: --{side}-kubeconfig PATH"
        ))
    })?;
    let mut contexts = kubeconfig.contexts.iter().map(|context| &context.name);
    if contexts.any(|name| name == member.as_str()) {
        return Ok(member.to_string());
    }
    Err(CommandError::Usage(format!(
        "the kubeconfig has no context called {member}; say which one leads there: \
         --{side}-context NAME, one of {}",
        context_names(&kubeconfig)
    )))
}

/// Checks that a cluster is the member that it is taken for.
///
/// # Errors
/// It is another cluster.
fn known_as(
    end: &Endpoint,
    record: Option<&MemberRecord>,
    side: &str,
    registry: &str,
) -> Result<Option<String>, CommandError> {
    let member = &end.place.member;
    let Some(record) = record else {
        return Ok(Some(format!(
            "no guard of a cluster {member} is known to the registry: nobody would acknowledge \
             anything; see: aso-guard members list{registry}"
        )));
    };
    if record.cluster != end.cluster_uid {
        return Err(CommandError::Usage(format!(
            "--{side}-context: this is not cluster {member}: its namespace kube-system has the \
             UID {}, and {member}'s has {}",
            end.cluster_uid, record.cluster
        )));
    }
    let now = Timestamp::now();
    Ok((record.standing(now) == MemberStanding::Silent).then(|| {
        let minutes = now.duration_since(record.heard).as_mins();
        format!(
            "the guard of cluster {member} was last heard from {minutes} minutes ago: it would \
             acknowledge nothing; see that it runs"
        )
    }))
}
