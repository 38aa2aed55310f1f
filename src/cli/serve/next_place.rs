//! Where the registry is that the fleet moves to.

use std::path::Path;

use crate::cli::problems::Problems;
use crate::registry::RegistryUrl;

use super::hub::hub;

/// Where the registry is that the fleet moves to.
pub(super) struct NextPlace {
    pub(super) url: RegistryUrl,
    /// How to reach it, where it is in another API server.
    pub(super) hub: Option<kube::Config>,
}

impl NextPlace {
    /// What the flags say; `None` where there is none. `is_available`: whether API servers are to
    /// refuse by what a guard wrote down.
    pub(super) async fn read(
        problems: &mut Problems,
        (kubeconfig, first): (Option<&Path>, Option<&RegistryUrl>),
        (next, is_available): (Option<&str>, bool),
    ) -> Option<Self> {
        let url: RegistryUrl = problems.parse("--next-registry", next?)?;
        let is_one = |url: &RegistryUrl| {
            matches!(url, RegistryUrl::Kubernetes { .. } | RegistryUrl::Azure(_))
        };
        if !is_one(&url) || first.is_some_and(|first| !is_one(first)) {
            problems.add(
                "--next-registry: a fleet moves between kubernetes: and azure:// registries alone; \
                 one with shards cannot be moved"
                    .to_owned(),
            );
        }
        if first.is_some_and(|first| first.to_string() == url.to_string()) {
            problems.add("--next-registry: it is the one in --registry".to_owned());
        }
        if is_available {
            problems.add(
                "--protection: available writes down what one registry says; while the fleet moves, \
                 say strict"
                    .to_owned(),
            );
        }
        let hub = hub(problems, kubeconfig, Some(&url)).await;
        Some(Self { url, hub })
    }
}
