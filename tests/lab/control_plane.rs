//! One cluster: etcd, kube-apiserver and kube-controller-manager on loopback. No nodes, no
//! network, no pods: objects, and what Kubernetes itself does to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::try_join_all;
use rcgen::KeyPair;

use super::binaries;
use super::http;
use super::kubeconfig::{self, Entry, Server};
use super::kubectl::Kubectl;
use super::object::Object;
use super::pki::{Authority, Pair};
use super::ports;
use super::process::Process;
use super::reaper::Reaper;
use super::wait::until;

/// Ready takes some three seconds alone, and more for each of several at once.
const READY: Duration = Duration::from_mins(2);
/// How often to choose other ports, should somebody have been quicker.
const ATTEMPTS: u32 = 3;
/// What the lab has no use for; the rest of the default controllers is for pods and nodes.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,\
    clusterrole-aggregation-controller,serviceaccount-controller";

/// What to start.
#[derive(Clone, Default)]
pub struct Plan {
    /// More flags for kube-apiserver, such as `--request-timeout=5s`.
    pub api_server_args: Vec<String>,
    /// What is there before the controllers start. The garbage collector learns at its start
    /// which kinds there are, and of CRDs that come later only half a minute after.
    pub objects: Vec<Object>,
}

/// A running cluster; it ends when it is dropped.
pub struct ControlPlane {
    name: String,
    directory: PathBuf,
    authority: Authority,
    server: String,
    admin: Entry,
    etcd_port: u16,
    /// etcd.
    pub etcd: Process,
    /// kube-apiserver.
    pub api_server: Process,
    /// kube-controller-manager.
    pub controllers: Process,
}

impl ControlPlane {
    /// Starts a cluster and waits until it is ready.
    pub async fn start(name: &str, plan: &Plan) -> anyhow::Result<Self> {
        let binaries = binaries::control_plane().await?;
        for attempt in 1.. {
            let plane = Self::prepare(name, plan, &binaries)?;
            match plane.boot(&plan.objects).await {
                Ok(()) => return Ok(plane),
                Err(error) if attempt == ATTEMPTS || !plane.was_beaten_to_a_port() => {
                    return Err(error.context(format!("starting the control plane of {name}")));
                }
                Err(_) => {}
            }
        }
        unreachable!("the last attempt returns")
    }

    fn prepare(name: &str, plan: &Plan, binaries: &Path) -> anyhow::Result<Self> {
        let directory = Reaper::get()?.directory(name)?;
        let authority = Authority::new(&format!("lab {name}"))?;
        let server = format!("https://127.0.0.1:{}", ports::free()?);
        let pair = authority.client("admin", Some("system:masters"))?;
        let admin = Entry::new(name, &server, &authority.pem(), &pair);
        let etcd_port = ports::free()?;
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let plane = Self {
            name: name.to_owned(),
            etcd: etcd(binaries, &directory, &etcd_url),
            api_server: api_server(binaries, &directory, &etcd_url, &server, &authority)?
                .args(&plan.api_server_args),
            controllers: controllers(binaries, &directory),
            directory,
            authority,
            server,
            admin,
            etcd_port,
        };
        kubeconfig::write(&plane.kubeconfig(), std::slice::from_ref(&plane.admin))?;
        Ok(plane)
    }

    async fn boot(&self, objects: &[Object]) -> anyhow::Result<()> {
        self.start_api_server().await?;
        let kubectl = self.kubectl("default").await?;
        install(&kubectl, objects).await?;
        self.controllers.start()
    }

    /// Starts what [`ControlPlane::stop`] stopped, with the same data on the same port.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        self.start_api_server().await?;
        self.controllers.start()
    }

    /// An outage: all three are killed. The data stays.
    pub fn stop(&self) {
        for process in [&self.controllers, &self.api_server, &self.etcd] {
            process.kill();
        }
    }

    async fn start_api_server(&self) -> anyhow::Result<()> {
        self.etcd.start()?;
        let healthy = async || {
            let (status, body) = http::get(self.etcd_port, "/health").await?;
            anyhow::ensure!(status == 200, "its health is {status}: {body}");
            Ok(())
        };
        self.etcd.ready(READY, healthy).await?;
        self.api_server.start()?;
        let kubectl = self.kubectl("default").await?;
        let ready = async || Ok(kubectl.raw("/readyz").await.map(drop)?);
        self.api_server.ready(READY, ready).await
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory: logs, certificates, data.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The administrator's kubeconfig. Its context is the cluster's name.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// The administrator's way in, for a kubeconfig with several.
    pub fn admin(&self) -> &Entry {
        &self.admin
    }

    /// The way in for whom a token is.
    pub fn entry_with_token(&self, token: &str) -> Entry {
        self.admin.with_token(token)
    }

    /// A kubeconfig for another user, who may do what RBAC says.
    pub fn user_kubeconfig(&self, user: &str, group: Option<&str>) -> anyhow::Result<PathBuf> {
        let pair = self.authority.client(user, group)?;
        let path = self.directory.join(format!("{user}.kubeconfig"));
        let context = format!("{user}@{}", self.name);
        let entry = Entry::new(&context, &self.server, &self.authority.pem(), &pair);
        kubeconfig::write(&path, &[entry])?;
        Ok(path)
    }

    /// The API server.
    pub fn server(&self) -> Server {
        Server {
            url: self.server.clone(),
            authority: self.authority.pem(),
        }
    }

    /// Where etcd listens, for plain HTTP.
    pub fn etcd_port(&self) -> u16 {
        self.etcd_port
    }

    /// The administrator, in a namespace.
    pub async fn kubectl(&self, namespace: &str) -> anyhow::Result<Kubectl> {
        Kubectl::new(&self.kubeconfig(), namespace).await
    }

    fn was_beaten_to_a_port(&self) -> bool {
        [&self.etcd, &self.api_server]
            .iter()
            .any(|process| process.log_tail(50).contains("address already in use"))
    }
}

/// Applies objects, CRDs first, and waits until the CRDs can be used.
pub async fn install(kubectl: &Kubectl, objects: &[Object]) -> anyhow::Result<()> {
    let (crds, others): (Vec<&Object>, Vec<&Object>) = objects
        .iter()
        .partition(|object| object.kind() == "CustomResourceDefinition");
    let stored = crds.iter().map(|crd| async move {
        until(&format!("{crd} to be stored"), READY, async || {
            Ok(kubectl.apply(crd).await.map(drop)?)
        })
        .await
    });
    try_join_all(stored).await?;
    for crd in crds {
        until(&format!("{crd} to be established"), READY, async || {
            let stored = kubectl.get(crd).await?.object;
            let conditions = stored.0["status"]["conditions"].as_array().cloned();
            let established = conditions.unwrap_or_default().iter().any(|condition| {
                condition["type"] == "Established" && condition["status"] == "True"
            });
            anyhow::ensure!(established, "its status is {}", stored.0["status"]);
            Ok(())
        })
        .await?;
    }
    for object in others {
        // Established comes a moment before the paths are there.
        until(&format!("{object} to be stored"), READY, async || {
            Ok(kubectl.apply(object).await.map(drop)?)
        })
        .await?;
    }
    Ok(())
}

fn etcd(binaries: &Path, directory: &Path, url: &str) -> Process {
    Process::new("etcd", &binaries.join("etcd"), directory).args([
        "--data-dir=etcd",
        &format!("--listen-client-urls={url}"),
        &format!("--advertise-client-urls={url}"),
        // Alone in its cluster, it has no peers to tell its port.
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ])
}

fn api_server(
    binaries: &Path,
    directory: &Path,
    etcd: &str,
    server: &str,
    authority: &Authority,
) -> anyhow::Result<Process> {
    let port = server.rsplit(':').next().unwrap_or_default();
    authority.server()?.write(directory, "apiserver")?;
    let tokens = KeyPair::generate()?;
    let tokens = Pair {
        certificate: tokens.public_key_pem(),
        key: tokens.serialize_pem(),
    };
    tokens.write(directory, "tokens")?;
    fs::write(directory.join("ca.pem"), authority.pem())?;
    let program = binaries.join("kube-apiserver");
    Ok(Process::new("kube-apiserver", &program, directory).args([
        &format!("--etcd-servers={etcd}"),
        &format!("--secure-port={port}"),
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--tls-cert-file=apiserver.crt.pem",
        "--tls-private-key-file=apiserver.key.pem",
        "--client-ca-file=ca.pem",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=tokens.crt.pem",
        "--service-account-signing-key-file=tokens.key.pem",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--profiling=false",
    ]))
}

fn controllers(binaries: &Path, directory: &Path) -> Process {
    let program = binaries.join("kube-controller-manager");
    Process::new("kube-controller-manager", &program, directory).args([
        "--kubeconfig=kubeconfig",
        &format!("--controllers={CONTROLLERS}"),
        "--leader-elect=false",
        // As in clusters outside of a lab: each controller is a user of its own.
        "--use-service-account-credentials=true",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ])
}
