//! A cluster that the chart is installed into. It has no nodes: what the kubelet, kube-proxy and
//! the cluster's DNS would do, stand-ins do here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::GUARD;
use crate::helm::helm;
use crate::lab::account;
use crate::lab::control_plane::{ControlPlane, Plan};
use crate::lab::http;
use crate::lab::kubeconfig;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::pki::{Authority, PairFiles};
use crate::lab::ports;
use crate::lab::process::{Process, output};
use crate::lab::verdict::Verdict;
use crate::lab::wait::until;
use crate::lab::world::cluster_objects;

/// The release, its namespace, and the name of most of what it makes.
pub const RELEASE: &str = "aso-guard";

const READY: Duration = Duration::from_mins(1);
const COMMAND: Duration = Duration::from_mins(1);

/// The cluster, and the one pod of the guard that a process stands in for.
pub struct Cluster {
    pub plane: ControlPlane,
    /// The administrator, in the release's namespace.
    pub admin: Kubectl,
    /// The CA of the guard's certificate, PEM.
    ca: PathBuf,
    certificate: PairFiles,
    port: u16,
    ops: u16,
}

impl Cluster {
    pub async fn start(name: &str) -> Self {
        let plan = Plan {
            objects: cluster_objects(),
            ..Plan::default()
        };
        let plane = ControlPlane::start(name, &plan).await.unwrap();
        let authority = Authority::new("chart").unwrap();
        let ca = plane.directory().join("guard-ca.pem");
        fs::write(&ca, authority.pem()).unwrap();
        let certificate = authority.server_for(&["aso-guard.aso-guard.svc"]).unwrap();
        Self {
            admin: plane.kubectl(RELEASE).await.unwrap(),
            certificate: certificate.write(plane.directory(), "guard").unwrap(),
            plane,
            ca,
            port: ports::free().unwrap(),
            ops: ports::free().unwrap(),
        }
    }

    /// Runs Helm on this cluster's release.
    pub async fn helm(&self, args: &[&str]) -> Result<String, String> {
        let kubeconfig = format!("--kubeconfig={}", self.plane.kubeconfig().display());
        let mut all = args.to_vec();
        all.extend([kubeconfig.as_str(), "--namespace", RELEASE]);
        helm(&all).await
    }

    /// `--set-file` for the CA of the guard's certificate.
    pub fn ca(&self) -> String {
        format!("--set-file=certificates.caBundle={}", self.ca.display())
    }

    /// A process in the place of the Deployment's pods: with its arguments, under its account.
    /// Only where it listens and where its files are is this machine's.
    pub async fn pod(&self) -> Process {
        let deployment = Object::new("apps/v1", "Deployment", RELEASE);
        let stored = self.admin.get(&deployment).await.admitted().object;
        let pod = &stored.0["spec"]["template"]["spec"];
        let files = [
            ("--listen=", format!("127.0.0.1:{}", self.port)),
            ("--ops-listen=", format!("127.0.0.1:{}", self.ops)),
            ("--tls-cert=", path(&self.certificate.certificate)),
            ("--tls-key=", path(&self.certificate.key)),
            ("--shutdown-notice=", "1s".to_owned()),
        ];
        let args = arguments(pod).into_iter().map(|argument| {
            let here = files.iter().find(|(flag, _)| argument.starts_with(flag));
            here.map_or(argument.clone(), |(flag, value)| format!("{flag}{value}"))
        });
        let process = Process::new("pod", Path::new(GUARD), self.plane.directory())
            .args(args)
            .env("ASO_GUARD_KUBECONFIG", self.kubeconfig_of(pod).await);
        process.start().unwrap();
        let answers = async || {
            let (status, body) = http::get(self.ops, "/readyz").await?;
            anyhow::ensure!(status == 200, "/readyz says {status}: {body}");
            Ok(())
        };
        process.ready(READY, answers).await.unwrap();
        process
    }

    /// In the place of the kubelet: what the Secret with the certificate holds comes into the
    /// files that the pods have of it.
    pub fn mount(&self, secret: &Object) {
        let files = [
            ("/data/tls.crt", &self.certificate.certificate),
            ("/data/tls.key", &self.certificate.key),
        ];
        for (field, file) in files {
            fs::write(file, STANDARD.decode(secret.text(field)).unwrap()).unwrap();
        }
    }

    /// What the guard serves its operators, such as `/metrics`.
    pub async fn ops(&self, path: &str) -> String {
        let (status, body) = http::get(self.ops, path).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Where its operators find the guard.
    pub fn ops_address(&self) -> String {
        format!("127.0.0.1:{}", self.ops)
    }

    /// In the place of kube-proxy and the cluster's DNS: the Service leads to this machine. The
    /// API server still calls it by its own name, and checks the certificate by that.
    pub async fn lead_service_here(&self) {
        let service = Object::new("v1", "Service", RELEASE);
        let here = json!({"spec": {
            "type": "ExternalName",
            "externalName": "localhost",
            "clusterIP": null,
            "clusterIPs": null,
        }});
        self.admin.patch(&service, here).await.admitted();
        // The guard may put its CA in meanwhile.
        loop {
            let mut stored = self.registration().await.unwrap();
            for webhook in stored.0["webhooks"].as_array_mut().unwrap() {
                webhook["clientConfig"]["service"]["port"] = self.port.into();
            }
            // As if it had been installed so: else the guard puts it back.
            let installed = &mut stored.0["metadata"]["annotations"]["asoguard.io/installed"];
            let mut chosen: Value = serde_json::from_str(installed.as_str().unwrap()).unwrap();
            chosen["target"]["service"]["port"] = self.port.into();
            *installed = chosen.to_string().into();
            match self.admin.replace(&stored).await {
                Err(refusal) if refusal.code == 409 => {}
                outcome => break drop(outcome.admitted()),
            }
        }
    }

    /// The CAs that the registration trusts, as base64 of PEM; each webhook the same.
    pub async fn trusted(&self) -> String {
        let registration = self.registration().await.unwrap();
        let webhooks = registration.0["webhooks"].as_array().unwrap();
        let bundle = |webhook: &Value| webhook["clientConfig"]["caBundle"].clone();
        let first = bundle(&webhooks[0]);
        assert!(webhooks.iter().all(|webhook| bundle(webhook) == first));
        first.as_str().unwrap_or_default().to_owned()
    }

    /// The webhook configuration, if it is there.
    pub async fn registration(&self) -> Option<Object> {
        let api = "admissionregistration.k8s.io/v1";
        let registration = Object::new(api, "ValidatingWebhookConfiguration", RELEASE);
        self.get(&registration).await
    }

    /// An object, if it is there.
    pub async fn get(&self, object: &Object) -> Option<Object> {
        match self.admin.get(object).await {
            Ok(answer) => Some(answer.object),
            Err(refusal) if refusal.code == 404 => None,
            Err(refusal) => panic!("{object}: {refusal}"),
        }
    }

    /// In the place of the kubelet: waits for the pod of a Helm hook, runs its command under its
    /// account, and reports how it ended. Gives what the command printed.
    pub async fn run_hook(&self, hook: &Object) -> Result<String, String> {
        let what = format!("Helm to create {hook}");
        let stored = until(&what, READY, async || {
            Ok(self.admin.get(hook).await?.object)
        });
        let stored = stored.await.unwrap();
        let pod = match stored.kind() {
            "Pod" => &stored.0["spec"],
            _ => &stored.0["spec"]["template"]["spec"],
        };
        let kubeconfig = format!("--kubeconfig={}", path(&self.kubeconfig_of(pod).await));
        let connect = format!("--connect=127.0.0.1:{}", self.port);
        let mut args = arguments(pod);
        args.push(kubeconfig);
        if stored.kind() == "Pod" {
            args.push(connect);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = output(Path::new(GUARD), &args, COMMAND).await.unwrap();
        let succeeded = ended.status.success();
        let status = match stored.kind() {
            "Pod" if succeeded => json!({"phase": "Succeeded"}),
            "Pod" => json!({"phase": "Failed"}),
            _ => job_status(succeeded),
        };
        self.admin.patch_status(&stored, status).await.admitted();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if succeeded {
            Ok(said(&ended.stdout))
        } else {
            Err(said(&ended.stderr))
        }
    }

    /// How often the API server has called one of the guard's webhooks, by its own count.
    pub async fn calls(&self) -> u64 {
        let metrics = self.admin.raw("/metrics").await.unwrap();
        let counts = metrics.lines().filter(|line| {
            line.starts_with("apiserver_admission_webhook_admission_duration_seconds_count")
                && line.contains(".asoguard.io\"")
        });
        let values = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        values.sum()
    }

    /// A kubeconfig with a token for a pod's service account.
    async fn kubeconfig_of(&self, pod: &Value) -> PathBuf {
        let name = pod["serviceAccountName"].as_str().unwrap();
        let token = account::token(&self.admin, RELEASE, name).await.unwrap();
        let path = self.plane.directory().join(format!("{name}.kubeconfig"));
        kubeconfig::write(&path, &[self.plane.entry_with_token(&token)]).unwrap();
        path
    }
}

/// The arguments of a pod's one container.
fn arguments(pod: &Value) -> Vec<String> {
    let [container] = pod["containers"].as_array().unwrap().as_slice() else {
        panic!("one container is expected in {pod}");
    };
    let args = container["args"].as_array().unwrap().iter();
    args.map(|arg| arg.as_str().unwrap().to_owned()).collect()
}

fn job_status(succeeded: bool) -> Value {
    let now = jiff::Timestamp::now().strftime("%FT%TZ").to_string();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now});
    if succeeded {
        json!({
            "startTime": now,
            "completionTime": now,
            "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
        })
    } else {
        json!({
            "startTime": now,
            "failed": 1,
            "conditions": [condition("FailureTarget"), condition("Failed")],
        })
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
