//! Reaching the registry from the command line.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use kube::Client;
use tokio::time::error::Elapsed;

use crate::object::text::{causes, quoted};
use crate::registry::azure::{AzureRegistry, ContainerUrl, Fallback};
use crate::registry::kubernetes::KubernetesRegistry;
use crate::registry::sharded::{ShardedRegistry, Shards, ShardsFile};
use crate::registry::{Registry, RegistryError, RegistryUrl, UnreadableRecord};

use super::Outcome;
use super::client::{client_config, server};

/// Where the registry is.
#[derive(Args, Clone)]
pub(super) struct RegistryArgs {
    /// Where claims are kept: kubernetes: (the kubeconfig's current context),
    /// kubernetes:<kubeconfig>[#context], azure://<account>/<container>, or
    /// shards:<file>[#shard]
    #[arg(
        long,
        value_name = "URL",
        default_value = "kubernetes:",
        env = "ASO_GUARD_REGISTRY"
    )]
    registry: String,
    /// The kubeconfig of kubernetes: [default: as kubectl finds it]
    #[arg(long, value_name = "PATH", env = "ASO_GUARD_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The context in it [default: its current one]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_CONTEXT")]
    context: Option<String>,
}

/// Why a command did not do what it was asked.
pub(super) enum CommandError {
    /// Flags, files or settings are wrong.
    Usage(String),
    /// What it asked did not answer.
    Unreachable(String),
    /// It was answered, and the answer is no.
    Failed(String),
    /// Whoever read the answer has read enough, such as `head`.
    Enough,
}

impl CommandError {
    /// Tells a person, and gives how the command ended.
    pub(super) fn report(self) -> Outcome {
        let (words, outcome) = match self {
            Self::Usage(words) => (words, Outcome::Usage),
            Self::Unreachable(words) => (words, Outcome::Unreachable),
            Self::Failed(words) => (words, Outcome::Failed),
            Self::Enough => return Outcome::Fine,
        };
        eprintln!("aso-guard: {words}");
        outcome
    }
}

impl From<RegistryError> for CommandError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Corrupt(_) => Self::Failed(error.to_string()),
            _ => Self::Unreachable(error.to_string()),
        }
    }
}

/// How many records that cannot be read are named.
const NAMED: usize = 10;

/// Tells which records a list lacks, because they cannot be read. `kubectl_flags`: those that lead
/// to the registry.
///
/// # Errors
/// There are some: what was shown is not all there is.
pub(super) fn all_were_read(
    unreadable: &[UnreadableRecord],
    kubectl_flags: &str,
) -> Result<(), CommandError> {
    if unreadable.is_empty() {
        return Ok(());
    }
    let mut words = "this list lacks what cannot be read; nothing is decided on it, and the \
                     others are not affected:"
        .to_owned();
    for one in unreadable.iter().take(NAMED) {
        let about = one.identity.as_ref();
        let about = about.map_or_else(String::new, |identity| format!(" on {identity}"));
        words += &format!("\n  {} {}{about}: {}", one.kind, one.name, one.why);
    }
    if let Some(more @ 1..) = unreadable.len().checked_sub(NAMED) {
        words += &format!("\n  and {more} more");
    }
    if let Some(first) = unreadable.first() {
        words += &format!("\nSee what it says: {}", first.show_command(kubectl_flags));
    }
    Err(CommandError::Failed(words))
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::Enough;
        }
        Self::Failed(format!("cannot write: {error}"))
    }
}

impl From<anyhow::Error> for CommandError {
    /// By what is at the bottom of it: an API server or a guard that does not answer is
    /// unreachable, a file that cannot be read is a wrong flag.
    fn from(error: anyhow::Error) -> Self {
        use std::io::{self, ErrorKind};
        let words = causes(&*error);
        for cause in error.chain() {
            if let Some(kube::Error::Api(status)) = cause.downcast_ref()
                && status.code < 500
            {
                return Self::Failed(words);
            }
            if cause.is::<kube::Error>() || cause.is::<hyper::Error>() || cause.is::<Elapsed>() {
                return Self::Unreachable(words);
            }
            match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
                None => {}
                Some(ErrorKind::BrokenPipe) => return Self::Enough,
                Some(
                    ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::IsADirectory,
                ) => {
                    return Self::Usage(words);
                }
                // What answers is not whom it should be: TLS.
                Some(ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                    return Self::Failed(words);
                }
                Some(_) => return Self::Unreachable(words),
            }
        }
        Self::Failed(words)
    }
}

/// The registry in a container: as the environment says, else as the Azure CLI is logged in; in a
/// pod, which has none, as its node's managed identity.
///
/// # Errors
/// The environment names no credential that makes sense.
pub(super) fn open_azure(place: &ContainerUrl) -> Result<AzureRegistry, CommandError> {
    let environment = std::env::vars().collect();
    let is_in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    let fallback = if is_in_pod {
        Fallback::ManagedIdentity
    } else {
        Fallback::AzureCli
    };
    AzureRegistry::new(place, &environment, fallback)
        .map_err(|error| CommandError::Usage(format!("--registry: {error}")))
}

/// The flags that lead `kubectl` to a cluster.
pub(super) fn kubectl_flags(kubeconfig: Option<&Path>, context: Option<&str>) -> String {
    let mut flags = String::new();
    if let Some(path) = kubeconfig {
        flags += &format!(" --kubeconfig {}", quoted(&path.display().to_string()));
    }
    if let Some(context) = context {
        flags += &format!(" --context {}", quoted(context));
    }
    flags
}

fn wrong(error: &dyn Display) -> CommandError {
    CommandError::Usage(format!("--registry: {error}"))
}

impl RegistryArgs {
    /// The registry at a URL.
    pub(super) fn of(url: &str) -> Self {
        Self {
            registry: url.to_owned(),
            kubeconfig: None,
            context: None,
        }
    }

    /// The registry.
    ///
    /// # Errors
    /// There is none of that description.
    pub(super) async fn open(&self) -> Result<Arc<dyn Registry>, CommandError> {
        let parsed = self.registry.parse::<RegistryUrl>();
        let url = parsed.map_err(|error| wrong(&error))?;
        let RegistryUrl::Shards { file, shard } = &url else {
            return self.open_one(&url, &self.flags()).await;
        };
        let read = ShardsFile::read(file).map_err(|error| wrong(&error))?;
        if let Some(shard) = shard {
            let url = read.url_of(shard).map_err(|error| wrong(&error))?;
            return self.open_one(url, &self.flags()).await;
        }
        let mut registries = Vec::new();
        for (name, url) in read.map.names().iter().zip(&read.urls) {
            let one = Self {
                registry: self.url_of(name),
                ..self.clone()
            };
            registries.push(self.open_one(url, &one.flags()).await?);
        }
        let map = read.map;
        let shards = Shards { map, registries };
        let sharded = ShardedRegistry::new(shards, Vec::new(), &self.flags());
        Ok(Arc::new(sharded))
    }

    /// The registry, for what is done in each shard by itself: members' records, and fences.
    ///
    /// # Errors
    /// There is none of that description, or it has several shards: which those are, and what to
    /// type for each.
    pub(super) async fn open_shard(&self) -> Result<Arc<dyn Registry>, CommandError> {
        let registry = self.open().await?;
        let Some(shards) = registry.shards() else {
            return Ok(registry);
        };
        let names = shards.map.names().iter();
        let each = names.map(|name| format!("\n  --registry {}", quoted(&self.url_of(name))));
        Err(CommandError::Usage(format!(
            "members' records and fences are each shard's own: do this in each of them, with{}",
            each.collect::<String>()
        )))
    }

    fn url_of(&self, shard: &str) -> String {
        format!("{}#{shard}", self.registry)
    }

    /// A registry that is one itself. `flags`: those that lead people to it.
    async fn open_one(
        &self,
        url: &RegistryUrl,
        flags: &str,
    ) -> Result<Arc<dyn Registry>, CommandError> {
        let (kubeconfig, context) = match &url {
            RegistryUrl::Kubernetes {
                kubeconfig,
                context,
            } => (kubeconfig, context),
            RegistryUrl::Azure(place) => return Ok(Arc::new(open_azure(place)?)),
            RegistryUrl::Memory | RegistryUrl::Shards { .. } => {
                return Err(wrong(&format!(
                    "{url} lives in its own process; nobody else sees it"
                )));
            }
        };
        if context.is_some() && self.context.is_some() {
            return Err(wrong(&format!(
                "{url} names a context already; omit --context"
            )));
        }
        let path = kubeconfig.as_deref().or(self.kubeconfig.as_deref());
        let context = context.as_deref().or(self.context.as_deref());
        let config = client_config(path, context).await.map_err(|e| wrong(&e))?;
        let name = format!("{url} at {}", server(&config));
        let client = Client::try_from(config).map_err(|error| wrong(&error))?;
        let registry = KubernetesRegistry::new(client, &name);
        let kubectl = kubectl_flags(path, context);
        Ok(Arc::new(registry.reached_by(flags, &kubectl)))
    }

    /// The kubeconfig, where one was named.
    pub(super) fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref()
    }

    /// Where it is, as it was told.
    pub(super) fn url(&self) -> &str {
        &self.registry
    }

    /// The flags that lead another command to the same registry.
    pub(super) fn flags(&self) -> String {
        let mut flags = String::new();
        if self.registry != "kubernetes:" {
            flags += &format!(" --registry {}", quoted(&self.registry));
        }
        flags + &kubectl_flags(self.kubeconfig.as_deref(), self.context.as_deref())
    }
}
