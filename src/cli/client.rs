//! How to reach an API server.

use std::error::Error;
use std::path::Path;

use kube::config::{
    InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError,
};

use crate::object::text::causes;

/// How to reach an API server: from a file, else the way kubectl or a pod would.
/// No call is repeated by the client itself: a call has one deadline, and every
/// failure a name.
///
/// # Errors
/// Which file, what is wrong with it, and what to name instead; for a person.
pub(super) async fn client_config(
    path: Option<&Path>,
    context: Option<&str>,
) -> Result<kube::Config, String> {
    let mut config = match (path, context) {
        (None, None) => kube::Config::infer()
            .await
            .map_err(|error| no_cluster(&error)),
        _ => config_of(&read_kubeconfig(path)?, path, context).await,
    }?;
    config.default_retry = false;
    Ok(config)
}

/// A kubeconfig: the file, else those that kubectl finds.
///
/// # Errors
/// It cannot be read; for a person.
pub(super) fn read_kubeconfig(path: Option<&Path>) -> Result<Kubeconfig, String> {
    let read = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    read.map_err(|error| said(&error, path, None))
}

/// How to reach the server of a context, or of the current one. `path`: where the kubeconfig is
/// from, for messages.
///
/// # Errors
/// It does not lead anywhere; for a person.
pub(super) async fn config_of(
    kubeconfig: &Kubeconfig,
    path: Option<&Path>,
    context: Option<&str>,
) -> Result<kube::Config, String> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &options)
        .await
        .map_err(|error| said(&error, path, Some(kubeconfig)))
}

/// The address of a cluster's API server, for messages.
pub(super) fn server(config: &kube::Config) -> String {
    config
        .cluster_url
        .to_string()
        .trim_end_matches('/')
        .to_owned()
}

/// The names of a kubeconfig's contexts, for messages.
pub(super) fn context_names(kubeconfig: &Kubeconfig) -> String {
    let names = kubeconfig.contexts.iter().map(|one| one.name.as_str());
    match names.collect::<Vec<_>>().join(", ") {
        names if names.is_empty() => "no contexts".to_owned(),
        names => names,
    }
}

/// Neither a pod nor a kubeconfig.
fn no_cluster(error: &InferConfigError) -> String {
    let kubeconfig = error.source().and_then(|error| error.downcast_ref());
    let why = kubeconfig.map_or_else(|| error.to_string(), |error| said(error, None, None));
    format!("this is no pod, and {why}; name a kubeconfig with --kubeconfig PATH")
}

/// What is wrong with a kubeconfig, and what to name instead.
fn said(error: &KubeconfigError, path: Option<&Path>, kubeconfig: Option<&Kubeconfig>) -> String {
    let file = path.map_or_else(
        || "the kubeconfig".to_owned(),
        |path| path.display().to_string(),
    );
    let has = || kubeconfig.map_or_else(String::new, context_names);
    match error {
        KubeconfigError::ReadConfig(error, path) => {
            format!("cannot read the kubeconfig {}: {error}", path.display())
        }
        KubeconfigError::Parse(error) => {
            // The lines after the first one draw the place.
            let words = error.to_string();
            let line = words.lines().next().unwrap_or_default();
            format!(
                "{file} is no kubeconfig: {}",
                line.trim_start_matches("error: ")
            )
        }
        KubeconfigError::CurrentContextNotSet => {
            format!(
                "{file} has no current context; name one of its own: {}",
                has()
            )
        }
        KubeconfigError::LoadContext(name) => {
            format!("{file} has no context {name}; it has {}", has())
        }
        KubeconfigError::LoadCertificateAuthority(LoadDataError::ReadFile(error, path))
        | KubeconfigError::LoadClientCertificate(LoadDataError::ReadFile(error, path))
        | KubeconfigError::LoadClientKey(LoadDataError::ReadFile(error, path)) => {
            format!(
                "{file} names {}, which cannot be read: {error}",
                path.display()
            )
        }
        _ => format!("{file}: {}", causes(error as &dyn Error)),
    }
}
