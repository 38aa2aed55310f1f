//! The API server that the registry is in.

use std::path::Path;

use crate::claim::MemberName;
use crate::cli::client::client_config;
use crate::cli::problems::Problems;
use crate::registry::RegistryUrl;

/// How to reach the registry, where it is in another API server.
pub(super) async fn hub(
    problems: &mut Problems,
    kubeconfig: Option<&Path>,
    registry: Option<&RegistryUrl>,
) -> Option<kube::Config> {
    match registry {
        Some(RegistryUrl::Kubernetes {
            kubeconfig: in_url,
            context,
        }) if in_url.is_some() || context.is_some() => {
            let path = in_url.as_deref().or(kubeconfig);
            problems.take("--registry", client_config(path, context.as_deref()).await)
        }
        _ => None,
    }
}

/// What people's kubeconfigs call the registry's cluster, as far as that can be told from here.
pub(super) fn hub_context(
    stated: Option<&str>,
    registry: &RegistryUrl,
    member: &MemberName,
) -> String {
    let known = match registry {
        RegistryUrl::Kubernetes {
            context: Some(context),
            ..
        } => context,
        RegistryUrl::Kubernetes {
            kubeconfig: Some(_),
            ..
        } => "hub",
        RegistryUrl::Kubernetes { .. }
        | RegistryUrl::Azure(_)
        | RegistryUrl::Shards { .. }
        | RegistryUrl::Memory => member.as_str(),
    };
    stated.unwrap_or(known).to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What people are told to type where nobody said what they call the hub.
    #[rstest]
    #[case::said(Some("core"), "kubernetes:hub.yaml#west@hub", "core")]
    #[case::of_the_url(None, "kubernetes:hub.yaml#prod-hub", "prod-hub")]
    #[case::of_a_context_alone(None, "kubernetes:#prod-hub", "prod-hub")]
    #[case::a_kubeconfig_alone(None, "kubernetes:hub.yaml", "hub")]
    #[case::the_cluster_itself(None, "kubernetes:", "west")]
    #[case::in_memory(None, "memory:", "west")]
    fn the_hub_has_a_name_for_people(
        #[case] said: Option<&str>,
        #[case] url: &str,
        #[case] expected: &str,
    ) {
        let (url, member) = (url.parse().unwrap(), "west".parse().unwrap());
        assert_eq!(hub_context(said, &url, &member), expected);
    }
}
