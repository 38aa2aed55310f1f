//! aso-guard in front of one cluster: its replicas and their one address.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use futures::future::try_join_all;

use super::account;
use super::control_plane::ControlPlane;
use super::http;
use super::kubeconfig::Server;
use super::pki::Authority;
use super::ports;
use super::process::{Process, output};
use super::service::{Endpoint, Service};
use super::webhook;

/// Printing takes no cluster.
const PRINT: Duration = Duration::from_secs(20);
const READY: Duration = Duration::from_mins(1);
/// How long a replica may drain after SIGTERM.
const DRAIN: Duration = Duration::from_mins(1);
const ATTEMPTS: u32 = 3;

/// How to run it.
#[derive(Clone)]
pub struct Plan {
    /// The `aso-guard` binary. Tests know it as `env!("CARGO_BIN_EXE_aso-guard")`.
    pub binary: PathBuf,
    /// `--cluster`, where that is not the cluster's own name.
    pub member: Option<String>,
    /// `enforce` or `audit`.
    pub mode: String,
    /// How many.
    pub replicas: usize,
    /// `--claim-deadline`: longer than the `--request-timeout` of the API servers.
    pub claim_deadline: String,
    /// `--shutdown-notice`. The lab's service notices at once.
    pub shutdown_notice: String,
    /// Whether the guard makes its own certificates (`--tls-self-signed`).
    pub self_signed: bool,
    /// More flags for `serve`.
    pub args: Vec<String>,
    /// More of its environment.
    pub environment: Vec<(String, String)>,
    /// More of the environment of the last replica alone.
    pub environment_of_last: Vec<(String, String)>,
    /// More flags for `webhook`.
    pub webhook_args: Vec<String>,
    /// What it talks to, where that is not its cluster's API server itself.
    pub api_server: Option<Server>,
}

impl Plan {
    /// One replica that enforces.
    pub fn enforce(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            member: None,
            mode: "enforce".to_owned(),
            replicas: 1,
            claim_deadline: "90s".to_owned(),
            shutdown_notice: "1s".to_owned(),
            self_signed: false,
            args: Vec::new(),
            environment: Vec::new(),
            environment_of_last: Vec::new(),
            webhook_args: Vec::new(),
            api_server: None,
        }
    }

    /// One replica that only warns.
    pub fn audit(binary: impl Into<PathBuf>) -> Self {
        Self {
            mode: "audit".to_owned(),
            ..Self::enforce(binary)
        }
    }

    /// What `aso-guard <args>` prints.
    pub async fn print(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = output(&self.binary, args, PRINT)
            .await
            .with_context(|| format!("running {}", self.binary.display()))?;
        anyhow::ensure!(
            output.status.success(),
            "`aso-guard {}` ended with {}:\n{}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A running guard; its processes end when it is dropped.
pub struct Guard {
    replicas: Vec<Replica>,
    service: Service,
    ca_file: PathBuf,
}

/// One process of a guard.
pub struct Replica {
    /// Its process: to pause, to kill, to start again.
    pub process: Process,
    endpoint: Endpoint,
}

impl Guard {
    /// Starts the replicas and waits until each says that it is ready. `registry` is the value
    /// of `--registry`.
    pub async fn start(
        plan: &Plan,
        cluster: &ControlPlane,
        registry: &str,
    ) -> anyhow::Result<Self> {
        let directory = cluster.directory();
        let (registry_here, through) = (registry == "kubernetes:", plan.api_server.as_ref());
        let kubeconfig = account::member(cluster, registry_here, &plan.args, through).await?;
        let authority = Authority::new("lab guard")?;
        let tls = authority.server()?.write(directory, "guard")?;
        let ca_file = directory.join("guard-ca.pem");
        fs::write(&ca_file, authority.pem())?;
        let (certificate, key) = (tls.certificate.to_string_lossy(), tls.key.to_string_lossy());
        let of_files = ["--tls-cert", &*certificate, "--tls-key", &*key];
        let of_its_own = [
            "--tls-self-signed",
            "--tls-name=127.0.0.1",
            "--tls-secret=aso-guard/aso-guard-tls",
        ];
        let args: Vec<String> = [
            "serve",
            "--cluster",
            plan.member.as_deref().unwrap_or(cluster.name()),
            "--registry",
            registry,
            "--kubeconfig",
            &kubeconfig.to_string_lossy(),
            "--mode",
            &plan.mode,
            "--claim-deadline",
            &plan.claim_deadline,
            "--shutdown-notice",
            &plan.shutdown_notice,
            "--log-format",
            "text",
        ]
        .into_iter()
        .chain(if plan.self_signed {
            of_its_own.iter().copied()
        } else {
            of_files.iter().copied()
        })
        .map(ToOwned::to_owned)
        .chain(plan.args.iter().cloned())
        .collect();
        let replicas = (1..=plan.replicas).map(async |number| {
            let name = format!("guard-{}-{number}", cluster.name());
            let mut environment = plan.environment.clone();
            if number == plan.replicas {
                environment.extend(plan.environment_of_last.iter().cloned());
            }
            Replica::start(&name, plan, directory, &args, &environment).await
        });
        let replicas = try_join_all(replicas).await?;
        let service = Service::start(replicas.iter().map(|replica| replica.endpoint).collect())?;
        Ok(Self {
            replicas,
            service,
            ca_file,
        })
    }

    /// Puts it in front of its cluster, as a user would.
    pub async fn register(&self, plan: &Plan, cluster: &ControlPlane) -> anyhow::Result<()> {
        let kubectl = cluster.kubectl("default").await?;
        webhook::register(plan, &kubectl, &self.url(), &self.ca_file).await
    }

    /// Where the API server finds it.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/validate", self.service.port())
    }

    /// The certificate, PEM, that its own is signed by.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Its replicas.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }
}

impl Replica {
    async fn start(
        name: &str,
        plan: &Plan,
        directory: &Path,
        args: &[String],
        environment: &[(String, String)],
    ) -> anyhow::Result<Self> {
        for attempt in 1.. {
            let (listen, ops) = (ports::free()?, ports::free()?);
            let endpoint = Endpoint { listen, ops };
            let process = Process::new(name, &plan.binary, directory)
                .args(args)
                .args(["--listen", &format!("127.0.0.1:{listen}")])
                .args(["--ops-listen", &format!("127.0.0.1:{ops}")]);
            let process = environment
                .iter()
                .fold(process, |process, (name, value)| process.env(name, value));
            let replica = Self { process, endpoint };
            match replica.start_again().await {
                Ok(()) => return Ok(replica),
                Err(error) if attempt == ATTEMPTS || !replica.was_beaten_to_a_port() => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Starts its process, after its end, on the same ports, and waits until it is ready.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        self.process.start()?;
        self.ready().await
    }

    /// Waits until `/readyz` says yes.
    pub async fn ready(&self) -> anyhow::Result<()> {
        self.process
            .ready(READY, async || {
                let (status, body) = self.ops("/readyz").await?;
                anyhow::ensure!(status == 200, "/readyz says {status}: {body}");
                Ok(())
            })
            .await
    }

    /// SIGTERM, and waits until it has drained.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let status = self.process.terminate(DRAIN).await?;
        anyhow::ensure!(
            status.success(),
            "{} ended with {status}",
            self.process.name()
        );
        Ok(())
    }

    /// Where it serves HTTPS on loopback.
    pub fn port(&self) -> u16 {
        self.endpoint.listen
    }

    /// `GET` from its operators' port, such as `/metrics`: status and body.
    pub async fn ops(&self, path: &str) -> anyhow::Result<(u16, String)> {
        http::get(self.endpoint.ops, path).await
    }

    fn was_beaten_to_a_port(&self) -> bool {
        let log = self.process.log_tail(50).to_lowercase();
        log.contains("address already in use") || log.contains("address in use")
    }
}
