//! The registration as it stands in a cluster: what `webhook delete` and `webhook test` are about.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{Api, Client};

use crate::admission::registration::NAME;
use crate::cli::client::{client_config, server};
use crate::cli::registry::CommandError;

/// Which registration, and in which cluster.
#[derive(Args)]
pub(super) struct WebhookConfigArgs {
    /// The ValidatingWebhookConfiguration's name.
    #[arg(long, default_value = NAME, env = "ASO_GUARD_WEBHOOK_CONFIG")]
    pub(super) name: String,
    /// How to reach the cluster's API server [default: as kubectl or a pod of it would]
    #[arg(long, value_name = "PATH", env = "ASO_GUARD_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The context in it [default: its current one]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_CONTEXT")]
    context: Option<String>,
}

impl WebhookConfigArgs {
    /// The cluster's webhook configurations, and its API server's address.
    ///
    /// # Errors
    /// There is no such cluster.
    pub(super) async fn api(
        &self,
    ) -> Result<(Api<ValidatingWebhookConfiguration>, String), CommandError> {
        let wrong = |error: &dyn Display| CommandError::Usage(format!("--kubeconfig: {error}"));
        let config = client_config(self.kubeconfig.as_deref(), self.context.as_deref()).await;
        let config = config.map_err(|error| wrong(&error))?;
        let server = server(&config);
        let client = Client::try_from(config).map_err(|error| wrong(&error))?;
        Ok((Api::all(client), server))
    }
}
