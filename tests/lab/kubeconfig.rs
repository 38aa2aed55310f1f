//! Kubeconfigs: one context for each user of each cluster, and clients made from them.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::ByteString;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::pki::Pair;

/// One user's way into one cluster. The context, the cluster and the user all have its name.
#[derive(Clone)]
pub struct Entry {
    name: String,
    cluster: Value,
    user: Value,
}

impl Entry {
    /// `authority` is the certificate, PEM, that the API server's own is signed by.
    pub fn new(name: &str, server: &str, authority: &str, pair: &Pair) -> Self {
        Self {
            name: name.to_owned(),
            cluster: json!({
                "server": server,
                "certificate-authority-data": base64(authority),
            }),
            user: json!({
                "client-certificate-data": base64(&pair.certificate),
                "client-key-data": base64(&pair.key),
            }),
        }
    }

    /// The same way in, for whom a token is.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            user: json!({"token": token}),
            ..self.clone()
        }
    }

    /// The same user's way in, through another server.
    #[must_use]
    pub fn through(&self, server: &Server) -> Self {
        Self {
            cluster: json!({
                "server": server.url,
                "certificate-authority-data": base64(&server.authority),
            }),
            ..self.clone()
        }
    }
}

/// Where else an API server can be reached: a proxy in front of it.
#[derive(Clone)]
pub struct Server {
    /// Its address, such as `https://127.0.0.1:1234`.
    pub url: String,
    /// The certificate, PEM, that its own is signed by.
    pub authority: String,
}

/// Writes a kubeconfig whose current context is the first entry's.
pub fn write(path: &Path, entries: &[Entry]) -> anyhow::Result<()> {
    let list = |of: fn(&Entry) -> Value| entries.iter().map(of).collect::<Value>();
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": entries.first().map(|e| &e.name),
        "clusters": list(|e| json!({"name": e.name, "cluster": e.cluster})),
        "users": list(|e| json!({"name": e.name, "user": e.user})),
        "contexts": list(|e| json!({
            "name": e.name,
            "context": {"cluster": e.name, "user": e.name, "namespace": "default"},
        })),
    });
    std::fs::write(path, serde_yaml::to_string(&config)?)
        .with_context(|| format!("writing {}", path.display()))
}

/// A client for the runtime that asks for it. It shows each answer as it comes, 503 included,
/// and never tries again by itself.
pub async fn client(path: &Path) -> anyhow::Result<Client> {
    // A second installation finds the first one's, which is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(path)?;
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(65));
    Ok(Client::try_from(config)?)
}

fn base64(text: &str) -> Value {
    json!(ByteString(text.as_bytes().to_vec()))
}
