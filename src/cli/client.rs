//! How to reach an API server.

use std::fmt::Display;
use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};

/// How to reach an API server: from a file, else the way kubectl or a pod would.
/// No call is repeated by the client itself: a call has one deadline, and every
/// failure a name.
pub(super) async fn client_config(
    path: Option<&Path>,
    context: Option<&str>,
) -> Result<kube::Config, String> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let read = match path {
        Some(path) => {
            let named = |error: &dyn Display| format!("{}: {error}", path.display());
            let file = Kubeconfig::read_from(path).map_err(|error| named(&error))?;
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| named(&error))
        }
        None if context.is_some() => kube::Config::from_kubeconfig(&options)
            .await
            .map_err(|error| error.to_string()),
        None => kube::Config::infer().await.map_err(|error| {
            format!("not given, and this is neither a pod nor has it a kubeconfig: {error}")
        }),
    };
    let mut config = read?;
    config.default_retry = false;
    Ok(config)
}

/// The address of a cluster's API server, for messages.
pub(super) fn server(config: &kube::Config) -> String {
    config
        .cluster_url
        .to_string()
        .trim_end_matches('/')
        .to_owned()
}
