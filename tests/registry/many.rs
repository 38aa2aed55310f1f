//! A hundred thousand claims from a hub into a container, by the commands: how long, and with how
//! much memory.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use aso_guard::registry::archive;
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::{MemberRecord, Registry as _};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::conformance::fixtures;
use crate::lab::azurite::{ACCOUNT, Azurite, environment};
use crate::lab::control_plane::{ControlPlane, Plan};
use crate::lab::guard;
use crate::lab::hub;

const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");
const CLAIMS: usize = 100_000;
const CONTAINER: &str = "many";
/// How often it is looked how much memory a command has.
const LOOK: Duration = Duration::from_millis(100);

/// `cargo test --test registry -- --ignored hundred_thousand --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes, for the figures of docs/blob.md"]
async fn a_hundred_thousand_claims_go_from_a_hub_into_a_container() {
    let hub = ControlPlane::start("hub", &Plan::default()).await.unwrap();
    hub::install_on(&guard::Plan::enforce(GUARD), &hub)
        .await
        .unwrap();
    fill(&hub).await;
    let azurite = Azurite::start().await.unwrap();
    azurite.create_container(CONTAINER).await.unwrap();
    let file = hub.directory().join("fleet.jsonl");
    let from = format!("kubernetes:{}", hub.kubeconfig().display());
    let to = format!("azure://{ACCOUNT}/{CONTAINER}");
    let run = async |verb, registry: &str| measured(verb, &file, registry, azurite.port()).await;
    run("export", &from).await;
    run("import", &to).await;
    run("verify", &to).await;
    let lines = fs::read_to_string(&file).unwrap().lines().count();
    assert_eq!(lines, CLAIMS + 1);
}

/// Puts a member and its claims into a hub.
async fn fill(hub: &ControlPlane) {
    let place = fixtures::Place::new();
    let memory = MemoryRegistry::new();
    let member = MemberRecord {
        fence: None,
        ..fixtures::member_record(place.member("a"))
    };
    memory.put_member(&member, None).await.unwrap();
    for number in 0..CLAIMS {
        let path = format!(
            "/resourceGroups/rg{}/providers/P.Q/t/n{number}",
            number / 100
        );
        let record = place.parked(&place.id(&path), "a");
        memory.put_claim(&record, None).await.unwrap();
    }
    let mut file = Vec::new();
    archive::export(&memory, &mut file, |_| ()).await.unwrap();
    let kubeconfig = Kubeconfig::read_from(hub.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.unwrap();
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    let registry = KubernetesRegistry::new(client, "hub");
    let began = Instant::now();
    let compared = archive::import(&registry, &*file, |_| ()).await.unwrap();
    assert_eq!(compared.added, CLAIMS + 1, "{compared:?}");
    println!("import into the hub: {:?}", began.elapsed());
}

/// Runs a command, and prints how long it took and how much memory it had at most.
async fn measured(verb: &str, file: &Path, registry: &str, port: u16) {
    let began = Instant::now();
    let mut command = tokio::process::Command::new(GUARD);
    command.args(["registry", verb]).arg(file);
    command
        .args(["--registry", registry])
        .envs(environment(port));
    command.stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let mut peaks = Vec::new();
    while child.try_wait().unwrap().is_none() {
        peaks.extend(peak(&status));
        tokio::time::sleep(LOOK).await;
    }
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{verb}: {said}");
    let took = began.elapsed().as_secs_f64();
    let said = said.lines().last().unwrap_or_default();
    let middle = peaks.get(peaks.len() / 4).copied().unwrap_or_default();
    let most = peaks.last().copied().unwrap_or_default();
    println!("{verb}: {took:.0} s, {middle} KiB after a quarter of it, {most} KiB at most; {said}");
}

/// The most memory that a process has had, in KiB.
fn peak(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
