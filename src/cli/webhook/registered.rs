//! The registration as it stands in a cluster: what `webhook delete` and `webhook test` are about.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{Api, Client};

use crate::admission::registration::NAME;
use crate::cli::config::client_config;

/// Which registration, and in which cluster.
#[derive(Args)]
pub(super) struct Registered {
    /// The ValidatingWebhookConfiguration's name.
    #[arg(long, default_value = NAME, env = "ASO_GUARD_WEBHOOK_CONFIG")]
    pub(super) name: String,
    /// How to reach the cluster's API server [default: as kubectl or a pod of it would]
    #[arg(long, value_name = "PATH", env = "ASO_GUARD_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
}

impl Registered {
    /// The cluster's webhook configurations.
    pub(super) async fn api(&self) -> anyhow::Result<Api<ValidatingWebhookConfiguration>> {
        let config = client_config(self.kubeconfig.as_deref(), None).await;
        let config = config.map_err(anyhow::Error::msg).context("--kubeconfig")?;
        Ok(Api::all(Client::try_from(config).context("--kubeconfig")?))
    }
}
