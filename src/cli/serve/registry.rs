//! The part of `serve` that reaches the registry.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use kube::Client;
use tracing::warn;

use crate::cli::client::server;
use crate::cli::metrics::ProcessMetrics;
use crate::object::text::quoted;
use crate::registry::azure::{AzureRegistry, Fallback};
use crate::registry::kubernetes::KubernetesRegistry;
use crate::registry::memory::MemoryRegistry;
use crate::registry::metered::MeteredRegistry;
use crate::registry::sharded::{ShardedRegistry, Shards};
use crate::registry::{FollowClaims, Registry, RegistryUrl};

use super::config::Config;
use super::hub::hub_context;

/// A registry, and the same to follow its claims.
pub(super) type Opened = (Arc<dyn Registry>, Arc<dyn FollowClaims>);

/// The registry: on a hub, in the cluster itself, in Azure, or in several of them.
pub(super) fn open(
    config: &Config,
    client: &Client,
    metrics: &ProcessMetrics,
) -> anyhow::Result<Opened> {
    let metered = |registry| -> Arc<dyn Registry> {
        Arc::new(MeteredRegistry::new(registry, metrics.registry.clone()))
    };
    let Some(shards) = &config.shards else {
        let flags = format!(" --context {}", quoted(&config.hub_context));
        let place = (&config.registry, config.hub.as_ref());
        let (registry, claims) = open_one(config, client, place, &flags)?;
        return Ok((metered(registry), claims));
    };
    let (mut registries, mut followed) = (Vec::new(), Vec::new());
    let file = match &config.registry {
        RegistryUrl::Shards { file, .. } => file.file_name().map_or(&**file, Path::new),
        _ => Path::new(""),
    };
    let url = format!("shards:{}", file.display());
    for (name, (place, hub)) in shards.map.names().iter().zip(&shards.places) {
        let flags = format!(" --registry {}", quoted(&format!("{url}#{name}")));
        let (registry, claims) = open_one(config, client, (place, hub.as_ref()), &flags)?;
        registries.push(metered(registry));
        followed.push(claims);
    }
    let map = shards.map.clone();
    let flags = format!(" --registry {}", quoted(&url));
    let sharded = Arc::new(ShardedRegistry::new(
        Shards { map, registries },
        followed,
        &flags,
    ));
    Ok((sharded.clone(), sharded))
}

/// A registry that is one itself. `flags`: those that lead people's `aso-guard` to it, where it is
/// in an API server.
pub(super) fn open_one(
    config: &Config,
    client: &Client,
    (url, hub): (&RegistryUrl, Option<&kube::Config>),
    flags: &str,
) -> anyhow::Result<Opened> {
    Ok(match url {
        RegistryUrl::Memory => {
            warn!(
                "claims are kept in memory: no other cluster sees them, and they end with this process"
            );
            let registry = Arc::new(MemoryRegistry::new());
            (registry.clone(), registry)
        }
        RegistryUrl::Azure(place) => {
            let environment = std::env::vars().collect();
            let registry = AzureRegistry::new(place, &environment, Fallback::ManagedIdentity);
            let registry = registry.context("--registry")?.for_member(&config.member);
            let registry = Arc::new(registry);
            (registry.clone(), registry)
        }
        RegistryUrl::Kubernetes { .. } => {
            let address = server(hub.unwrap_or(&config.cluster));
            let client = match hub {
                Some(hub) => Client::try_from(hub.clone()).context("--registry")?,
                None => client.clone(),
            };
            let registry = KubernetesRegistry::new(client, &format!("{url} at {address}"));
            let context = hub_context(None, url, &config.member);
            let context = match &config.registry {
                RegistryUrl::Shards { .. } => &context,
                _ => &config.hub_context,
            };
            let kubectl = format!(" --context {}", quoted(context));
            let registry = Arc::new(registry.reached_by(flags, &kubectl));
            (registry.clone(), registry)
        }
        // The file has none inside, and none is moved to.
        RegistryUrl::Shards { .. } => anyhow::bail!("--registry: {url} inside of a file of shards"),
    })
}
