//! Certificates of the guard's own: two replicas, one CA, renewed while they are called.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::GUARD;
use crate::audit_log::AuditLog;
use crate::lab::control_plane::{self, ControlPlane, install};
use crate::lab::guard::{Guard, Plan, Replica};
use crate::lab::hub;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};
use crate::lab::world::cluster_objects;

/// Short enough to see several renewals: one comes after 20 s.
const LIFETIME: &str = "30s";
/// Where the guard's account is.
const NAMESPACE: &str = "aso-guard";
const PATIENCE: Duration = Duration::from_mins(2);

/// A cluster with a guard of two replicas in front of it, for a test of its own.
pub struct Guarded {
    pub guard: Guard,
    pub kubectl: Kubectl,
    pub plane: ControlPlane,
}

impl Guarded {
    /// All replicas start at once, and are registered when they are ready.
    pub async fn start(name: &str, plan: &Plan) -> Self {
        Self::start_with(name, plan, Vec::new()).await
    }

    /// The same with more flags for the API server.
    pub async fn start_with(name: &str, plan: &Plan, api_server_args: Vec<String>) -> Self {
        let of_plane = control_plane::Plan {
            objects: cluster_objects(),
            api_server_args,
        };
        let plane = ControlPlane::start(name, &of_plane).await.unwrap();
        hub::install_on(plan, &plane).await.unwrap();
        let guard = Guard::start(plan, &plane, "kubernetes:").await.unwrap();
        guard.register(plan, &plane).await.unwrap();
        Self {
            guard,
            kubectl: plane.kubectl("default").await.unwrap(),
            plane,
        }
    }

    /// The same with an API server that writes an audit log by a policy.
    pub async fn start_audited(name: &str, plan: &Plan, policy: &str) -> (Self, AuditLog) {
        let log = AuditLog::by(policy);
        (Self::start_with(name, plan, log.flags()).await, log)
    }

    /// The cluster itself.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Calls the guard through the API server from several sides until told to stop, and gives
    /// how many calls there were, and what those said that failed.
    pub async fn load(&self, stop: &CancellationToken) -> (usize, Vec<String>) {
        let one_side = async |side: usize| {
            let group = Object::of("ResourceGroup", &format!("load-{side}"));
            let person = self.kubectl.dry_run();
            let (mut calls, mut failed) = (0, Vec::new());
            while !stop.is_cancelled() {
                calls += 1;
                if let Err(refusal) = person.create(&group).await {
                    failed.push(refusal.to_string());
                }
            }
            (calls, failed)
        };
        let sides = futures::future::join_all((0..8).map(one_side)).await;
        let mut sum = (0, Vec::new());
        for (calls, mut failed) in sides {
            sum.0 += calls;
            sum.1.append(&mut failed);
        }
        sum
    }

    /// The chart lets the guard change its Secret, and make none: it says who is to.
    async fn asks_for_the_secret(&self) {
        let asked = "Make it, empty, and the guard fills it";
        eventually("the guard to ask for its Secret", async || {
            let replicas = self.guard.replicas().iter();
            let logs = replicas.map(|replica| replica.process.log_tail(50));
            anyhow::ensure!(
                logs.into_iter().any(|log| log.contains(asked)),
                "no {asked}"
            );
            Ok(())
        })
        .await;
    }
}

fn secret() -> Object {
    Object::new("v1", "Secret", "aso-guard-tls").in_namespace(NAMESPACE)
}

/// Beyond what the chart gives: to make secrets, of any name.
fn may_create_secrets() -> [Object; 2] {
    let rbac = "rbac.authorization.k8s.io";
    let of = |kind: &str| {
        Object::new(&format!("{rbac}/v1"), kind, "make-secrets").in_namespace(NAMESPACE)
    };
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]);
    let role = json!({"apiGroup": rbac, "kind": "Role", "name": "make-secrets"});
    let guard = json!([{"kind": "ServiceAccount", "name": "aso-guard", "namespace": NAMESPACE}]);
    [
        of("Role").with("/rules", rules),
        of("RoleBinding")
            .with("/roleRef", role)
            .with("/subjects", guard),
    ]
}

/// The guard's webhook configuration.
pub fn configuration() -> Object {
    Object::new(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "aso-guard",
    )
}

/// The CA in the Secret, base64 of PEM.
async fn stored_ca(kubectl: &Kubectl) -> anyhow::Result<String> {
    let stored = kubectl.get(&secret()).await?.object;
    let ca = stored.text("/data/ca.crt").to_owned();
    anyhow::ensure!(!ca.is_empty(), "no CA in it");
    Ok(ca)
}

fn pem(base64: &str) -> Vec<u8> {
    let bytes: k8s_openapi::ByteString = serde_json::from_value(json!(base64)).unwrap();
    bytes.0
}

/// Whether a replica serves a certificate that this CA signed.
async fn serves(replica: &Replica, ca: &str) -> anyhow::Result<()> {
    connect(replica, ca).await.map(drop)
}

async fn connect(replica: &Replica, ca: &str) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem(ca))?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", replica.port())).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    Ok(connector.connect(name, stream).await?)
}

/// Waits until all replicas serve what the Secret holds, and gives its CA.
async fn agreed(guarded: &Guarded) -> String {
    until(
        "all replicas to serve what is stored",
        PATIENCE,
        async || {
            let ca = stored_ca(&guarded.kubectl).await?;
            for replica in guarded.guard.replicas() {
                serves(replica, &ca).await?;
            }
            Ok(ca)
        },
    )
    .await
    .unwrap()
}

fn plan() -> Plan {
    Plan {
        replicas: 2,
        self_signed: true,
        args: vec![format!("--tls-lifetime={LIFETIME}")],
        ..Plan::enforce(GUARD)
    }
}

#[tokio::test]
async fn certificates_are_renewed_and_replaced_while_calls_go_on() {
    let guarded = Guarded::start("certificates", &plan()).await;
    let mut cas = BTreeSet::from([agreed(&guarded).await]);
    let stop = CancellationToken::new();
    let changes = async {
        let mut next = async |what: &str| {
            until(what, PATIENCE, async || {
                let ca = stored_ca(&guarded.kubectl).await?;
                anyhow::ensure!(!cas.contains(&ca), "it is still the old one");
                Ok(())
            })
            .await
            .unwrap();
            cas.insert(agreed(&guarded).await);
        };
        next("a renewal").await;
        next("another renewal").await;
        let emptied = json!({"data": null});
        guarded.kubectl.patch(&secret(), emptied).await.admitted();
        next("a certificate after the Secret was emptied").await;
        guarded.kubectl.delete(&secret()).await.admitted();
        guarded.asks_for_the_secret().await;
        guarded.kubectl.create(&secret()).await.admitted();
        next("a certificate after the Secret was deleted, and made again").await;
        let garbage = json!({"data": {"tls.crt": "Pz8/", "ca.crt": "Pz8/"}});
        guarded.kubectl.patch(&secret(), garbage).await.admitted();
        next("a certificate after the Secret was spoilt").await;
        let count = cas.len();
        stop.cancel();
        count
    };
    let ((calls, failed), cas) = futures::join!(guarded.load(&stop), changes);
    println!("{calls} calls, {} CAs, {} failed", cas, failed.len());
    assert!(cas >= 6 && calls > 100, "{cas} CAs, {calls} calls");
    assert_eq!(failed, [""; 0]);
}

/// What a replica says to a forged review at this path.
async fn forged(replica: &Replica, ca: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = connect(replica, ca).await?;
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer)?)
}

#[tokio::test]
async fn a_stranger_is_not_told_the_path_and_is_not_answered_without_it() {
    let long = Plan {
        args: Vec::new(),
        ..plan()
    };
    let guarded = Guarded::start("strangers", &long).await;
    let ca = agreed(&guarded).await;
    let told = || async {
        let stored = guarded.kubectl.get(&configuration()).await?.object;
        let url = stored.text("/webhooks/0/clientConfig/url").to_owned();
        let (_, secret) = url.split_once("/validate/").context("the plain path")?;
        anyhow::ensure!(secret.len() == 64, "{} characters", secret.len());
        Ok(secret.to_owned())
    };
    let secret = until("a secret path", PATIENCE, told).await.unwrap();
    let replica = &guarded.guard.replicas()[0];
    // The plain path was told first, and is taken for a while longer.
    until("the plain path to be nobody's", PATIENCE, async || {
        let said = forged(replica, &ca, "/validate").await?;
        anyhow::ensure!(said == "HTTP/1.1 404", "{said}");
        Ok(())
    })
    .await
    .unwrap();
    let (_, metrics) = replica.ops("/metrics").await.unwrap();
    let counted = "aso_guard_rejected_calls_total{reason=\"path\"} ";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(!metrics.contains(&format!("{counted}0\n")), "{metrics}");
    let lines = replica.process.log_tail(1000);
    assert!(!lines.contains(&secret), "{lines}");
    let group = Object::of("ResourceGroup", "still-asked");
    guarded.kubectl.dry_run().create(&group).await.admitted();
}

#[tokio::test]
async fn a_configuration_that_somebody_spoils_is_put_right() {
    let long = Plan {
        args: Vec::new(),
        ..plan()
    };
    let guarded = Guarded::start("keeping", &long).await;
    let before = agreed(&guarded).await;
    // Where the guard may make the Secret itself, nobody else has to.
    let beyond = may_create_secrets();
    install(&guarded.kubectl, &beyond).await.unwrap();
    guarded.kubectl.delete(&secret()).await.admitted();
    let ca = agreed(&guarded).await;
    assert_ne!(ca, before);
    let stored = guarded
        .kubectl
        .get(&configuration())
        .await
        .admitted()
        .object;
    let mut wiped = stored.clone();
    for webhook in wiped.0["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"]["caBundle"] = Value::Null;
        webhook["timeoutSeconds"] = json!(17);
    }
    guarded.kubectl.replace(&wiped).await.admitted();
    eventually(
        "the bundle to be back, and nothing else changed",
        async || {
            let now = guarded.kubectl.get(&configuration()).await?.object;
            for webhook in now.0["webhooks"].as_array().into_iter().flatten() {
                let bundle = webhook["clientConfig"]["caBundle"].as_str().unwrap_or("");
                anyhow::ensure!(pem(bundle) == pem(&ca), "{webhook}");
                anyhow::ensure!(webhook["timeoutSeconds"] == 17, "{webhook}");
            }
            Ok(())
        },
    )
    .await;
    eventually("the API server to trust it again", async || {
        let group = Object::of("ResourceGroup", "again");
        Ok(guarded.kubectl.dry_run().create(&group).await.map(drop)?)
    })
    .await;
    // A replica that starts anew takes up what there is.
    let replica = &guarded.guard.replicas()[0];
    replica.stop().await.unwrap();
    replica.start_again().await.unwrap();
    assert_eq!(agreed(&guarded).await, ca);
}
