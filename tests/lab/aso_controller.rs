//! Azure Service Operator itself, one for each cluster: its CRDs, its webhooks, its process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::azure::Azure;
use super::binaries;
use super::control_plane::{ControlPlane, install};
use super::crds;
use super::http;
use super::object::Object;
use super::pki::Authority;
use super::ports;
use super::process::Process;

const READY: Duration = Duration::from_mins(1);
/// How long it may take to end after SIGTERM.
const END: Duration = Duration::from_secs(40);
/// The label by which ASO finds its own CRDs.
const OWN: &str = "azure-service-operator";

/// How to run one.
#[derive(Clone)]
pub struct Plan {
    /// What it calls itself in Azure's diary.
    pub name: String,
    /// The namespace it lives in.
    pub namespace: String,
    /// How often it reconciles what has not changed.
    pub sync_period: String,
    /// More of its environment, such as `AZURE_TARGET_NAMESPACES`.
    pub environment: Vec<(String, String)>,
}

/// Where a cluster finds ASO's webhooks. Known before ASO runs: its CRDs say it.
pub struct Webhooks {
    port: u16,
    authority: Authority,
}

/// A running ASO; it ends when this is dropped.
pub struct Controller {
    /// Its process: to stop, and to start again.
    pub process: Process,
    health: u16,
}

impl Plan {
    /// Both watchers and webhooks, as most people run it.
    pub fn new(name: &str, namespace: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            sync_period: "5s".to_owned(),
            environment: Vec::new(),
        }
    }

    /// With another variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What there is besides the CRDs: its namespace, and its settings as the chart has them.
    pub fn settings(&self) -> Vec<Object> {
        let settings = Object::credential("aso-controller-settings", crds::SUBSCRIPTION);
        let settings = self
            .environment
            .iter()
            .fold(settings, |all, (name, value)| {
                all.with(&format!("/stringData/{name}"), value.as_str())
            });
        vec![
            Object::namespace(&self.namespace),
            settings.in_namespace(&self.namespace),
        ]
    }
}

/// The CRDs of ASO's groups with these names, such as `storage`, or of all where none is named, as
/// they are made from its source.
pub async fn made_crds(groups: &[&str]) -> anyhow::Result<Vec<Object>> {
    let directory = binaries::aso().await?.join("crds");
    let mut crds = Vec::new();
    for entry in fs::read_dir(&directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let of = |group: &&str| {
            name.is_some_and(|name| name.starts_with(&format!("{group}.azure.com_")))
        };
        if groups.is_empty() || groups.iter().any(of) {
            crds.extend(Object::documents(&fs::read_to_string(&path)?)?);
        }
    }
    anyhow::ensure!(
        !crds.is_empty(),
        "no CRDs of {groups:?} in {}",
        directory.display()
    );
    Ok(crds)
}

impl Webhooks {
    /// Chooses the port, and makes the certificate.
    pub fn prepare() -> anyhow::Result<Self> {
        Ok(Self {
            port: ports::free()?,
            authority: Authority::new("lab aso")?,
        })
    }

    /// The CRDs as this cluster gets them: converted by its ASO.
    pub fn crds(&self, made: &[Object]) -> Vec<Object> {
        let converted = |crd: &Object| {
            crd.clone()
                .labelled("app.kubernetes.io/name", OWN)
                .labelled("app.kubernetes.io/version", "v2.20.0")
                .with(
                    "/spec/conversion",
                    json!({
                        "strategy": "Webhook",
                        "webhook": {
                            "conversionReviewVersions": ["v1"],
                            "clientConfig": self.client_config("/convert"),
                        },
                    }),
                )
        };
        made.iter().map(converted).collect()
    }

    /// The registration of its admission webhooks for these CRDs.
    fn registration(&self, crds: &[Object]) -> [Object; 2] {
        [
            ("Mutating", "mutate", "default"),
            ("Validating", "validate", "validate"),
        ]
        .map(|(sort, verb, prefix)| {
            let webhooks = crds.iter().flat_map(|crd| self.of_kind(crd, verb, prefix));
            let kind = format!("{sort}WebhookConfiguration");
            Object::new("admissionregistration.k8s.io/v1", &kind, OWN)
                .with("/webhooks", webhooks.collect::<Vec<Value>>())
        })
    }

    fn of_kind(&self, crd: &Object, verb: &str, prefix: &str) -> Vec<Value> {
        let spec = &crd.0["spec"];
        let (group, plural) = (crd.text("/spec/group"), crd.text("/spec/names/plural"));
        let singular = crd.text("/spec/names/singular");
        let versions = spec["versions"].as_array().cloned().unwrap_or_default();
        let names = versions
            .iter()
            .filter_map(|version| version["name"].as_str());
        let own = names.filter(|name| !name.ends_with("storage"));
        own.map(|version| {
            let path = format!("/{verb}-{}-{version}-{singular}", group.replace('.', "-"));
            json!({
                "name": format!("{prefix}.{version}.{plural}.{group}"),
                "admissionReviewVersions": ["v1"],
                "clientConfig": self.client_config(&path),
                "failurePolicy": "Fail",
                "matchPolicy": "Exact",
                "sideEffects": "None",
                "rules": [{
                    "apiGroups": [group],
                    "apiVersions": [version],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": [plural],
                }],
            })
        })
        .collect()
    }

    fn client_config(&self, path: &str) -> Value {
        json!({
            "url": format!("https://127.0.0.1:{}{path}", self.port),
            "caBundle": STANDARD.encode(self.authority.pem()),
        })
    }
}

impl Controller {
    /// Starts it in a cluster that has these CRDs, waits until it is ready, and registers its
    /// webhooks.
    pub async fn start(
        plan: &Plan,
        cluster: &ControlPlane,
        azure: &Azure,
        webhooks: &Webhooks,
        crds: &[Object],
    ) -> anyhow::Result<Self> {
        let controller = Self::prepare(plan, cluster, azure, webhooks).await?;
        controller.start_again().await?;
        let kubectl = cluster.kubectl("default").await?;
        install(&kubectl, &webhooks.registration(crds)).await?;
        Ok(controller)
    }

    /// One that does not run yet, and whose webhooks are not registered.
    pub async fn prepare(
        plan: &Plan,
        cluster: &ControlPlane,
        azure: &Azure,
        webhooks: &Webhooks,
    ) -> anyhow::Result<Self> {
        let program = binaries::aso().await?.join("controller");
        let certificates = certificates(cluster.directory(), plan, webhooks)?;
        let health = ports::free()?;
        let process = Process::new(&plan.name, &program, cluster.directory())
            .args(["--crd-management=none", "--v=1"])
            .args([format!("--webhook-port={}", webhooks.port)])
            .args([format!("--webhook-cert-dir={certificates}")])
            .args([format!("--health-addr=127.0.0.1:{health}")]);
        let kubeconfig = cluster.kubeconfig().to_string_lossy().into_owned();
        let process = process
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAMESPACE", &plan.namespace)
            .env("AZURE_OPERATOR_MODE", "watchers-and-webhooks")
            .env("AZURE_SUBSCRIPTION_ID", crds::SUBSCRIPTION)
            .env("AZURE_TENANT_ID", crds::TENANT)
            .env("AZURE_CLIENT_ID", crds::TENANT)
            .env("AZURE_SYNC_PERIOD", &plan.sync_period)
            .env("AZURE_USER_AGENT_SUFFIX", &plan.name);
        let process = azure
            .environment()
            .into_iter()
            .fold(process, |process, (name, value)| process.env(name, value));
        let process = plan
            .environment
            .iter()
            .fold(process, |process, (name, value)| process.env(name, value));
        Ok(Self { process, health })
    }

    /// Starts its process, after its end, and waits until it is ready.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        self.process.start()?;
        let ready = async || {
            let (status, body) = http::get(self.health, "/readyz").await?;
            anyhow::ensure!(status == 200, "/readyz says {status}: {body}");
            Ok(())
        };
        self.process.ready(READY, ready).await
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.process.terminate(END).await.map(drop)
    }
}

fn certificates(directory: &Path, plan: &Plan, webhooks: &Webhooks) -> anyhow::Result<String> {
    let directory = directory.join(format!("{}-certificates", plan.name));
    fs::create_dir_all(&directory).context("a directory for ASO's certificates")?;
    let pair = webhooks.authority.server()?;
    fs::write(directory.join("tls.crt"), pair.certificate)?;
    fs::write(directory.join("tls.key"), pair.key)?;
    Ok(directory.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_that_people_write_has_its_two_webhooks() {
        let webhooks = Webhooks::prepare().unwrap();
        let crd = Object::yaml(
            "
            metadata: {name: frontdoors.network.frontdoor.azure.com}
            spec:
              group: network.frontdoor.azure.com
              names: {plural: frontdoors, singular: frontdoor}
              versions: [{name: v1}, {name: v1storage}]
            ",
        );
        let paths = webhooks.registration(&[crd]).map(|one| {
            assert_eq!(one.0["webhooks"].as_array().map(Vec::len), Some(1));
            let url = one.text("/webhooks/0/clientConfig/url");
            url.rsplit('/').next().unwrap().to_owned()
        });
        let expected = ["mutate", "validate"]
            .map(|verb| format!("{verb}-network-frontdoor-azure-com-v1-frontdoor"));
        assert_eq!(paths, expected);
    }
}
