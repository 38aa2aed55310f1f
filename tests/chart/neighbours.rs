//! What the guard is run beside: cert-manager, and Prometheus. `tests/chart/neighbours` runs these,
//! and builds the two the first time.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::{Cluster, RELEASE};
use crate::helm::{REQUIRED, chart, topology};
use crate::lab::binaries;
use crate::lab::control_plane::install;
use crate::lab::http;
use crate::lab::object::Object;
use crate::lab::ports;
use crate::lab::process::Process;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};

/// A conflict is to last for a minute before an alert fires.
const FIRES: Duration = Duration::from_mins(3);

/// Installs the chart in mode audit, with more settings.
async fn installed(cluster: &Cluster, more: &[&str]) {
    let (chart, topology) = (chart(""), topology("one-cluster"));
    let mut args = vec!["install", RELEASE, chart.to_str().unwrap()];
    args.extend([
        "--create-namespace",
        REQUIRED,
        &topology,
        "--set=mode=audit",
    ]);
    args.extend(more);
    cluster.helm(&args).await.unwrap();
}

/// Has two objects of one resource live, against a warning of the guard.
async fn two_live_copies(cluster: &Cluster) {
    let group = Object::of("ResourceGroup", "rg").azure_name("rg-twins");
    for name in ["dev", "prod"] {
        cluster
            .admin
            .apply(&Object::namespace(name))
            .await
            .admitted();
    }
    let [in_dev, in_prod] = ["dev", "prod"].map(|name| cluster.admin.in_namespace(name));
    in_dev.apply(&group).await.admitted();
    eventually("the API server to have the guard's warning", async || {
        let answer = in_prod.dry_run().create(&group).await?;
        anyhow::ensure!(!answer.warnings.is_empty(), "no warning");
        answer.warning("aso-guard would refuse this");
        Ok(())
    })
    .await;
    in_prod.apply(&group).await.admitted();
}

/// cert-manager, with its CRDs in the cluster.
async fn cert_manager(cluster: &Cluster) -> Process {
    let directory = binaries::cert_manager().await.unwrap();
    for name in [
        "certificaterequests",
        "certificates",
        "clusterissuers",
        "issuers",
    ] {
        let file = directory.join(format!("cert-manager.io_{name}.yaml"));
        let crds = Object::documents(&fs::read_to_string(file).unwrap()).unwrap();
        install(&cluster.admin, &crds).await.unwrap();
    }
    let program = directory.join("cert-manager");
    let process = Process::new("cert-manager", &program, cluster.plane.directory());
    let process = process.env("KUBECONFIG", cluster.plane.kubeconfig());
    process.start().unwrap();
    process
}

/// The guard's certificate, as cert-manager has it.
fn certificate() -> Object {
    Object::new("cert-manager.io/v1", "Certificate", RELEASE).in_namespace(RELEASE)
}

/// The Secret with the guard's certificate, once cert-manager is done with this issue of it.
async fn issued(cluster: &Cluster, revision: u64) -> Object {
    eventually("cert-manager to issue a certificate", async || {
        let stored = cluster.admin.get(&certificate()).await?.object;
        let status = &stored.0["status"];
        let conditions = status["conditions"].as_array().cloned();
        let is = |kind: &str| {
            let mut conditions = conditions.iter().flatten();
            conditions.any(|one| one["type"] == kind && one["status"] == "True")
        };
        let is_done = status["revision"].as_u64() == Some(revision) && !is("Issuing");
        anyhow::ensure!(is_done && is("Ready"), "{status}");
        Ok(())
    })
    .await;
    let secret = Object::new("v1", "Secret", "aso-guard-serving-tls").in_namespace(RELEASE);
    cluster.admin.get(&secret).await.admitted().object
}

/// When the certificate that the guard serves expires, as its metric says.
async fn expiry(cluster: &Cluster) -> String {
    let metrics = cluster.ops("/metrics").await;
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.starts_with("aso_guard_certificate_expiry"));
    line.unwrap().to_owned()
}

#[tokio::test]
#[ignore = "tests/chart/neighbours builds cert-manager for it"]
async fn cert_manager_issues_the_certificate_and_its_successor_is_served_without_a_restart() {
    let cluster = Cluster::start("cert-manager").await;
    let _cert_manager = cert_manager(&cluster).await;
    installed(&cluster, &["--set=certificates.source=certManager"]).await;
    let first = issued(&cluster, 1).await;
    cluster.mount(&first);
    let _pod = cluster.pod().await;
    cluster.lead_service_here().await;
    eventually(
        "cert-manager to write its CA into the registration",
        async || {
            let trusted = cluster.trusted().await;
            anyhow::ensure!(trusted == first.text("/data/ca.crt"), "{trusted:?}");
            Ok(())
        },
    )
    .await;
    two_live_copies(&cluster).await;
    let before = expiry(&cluster).await;
    // As `cmctl renew` does.
    let certificate = certificate();
    let now = Timestamp::now().strftime("%FT%TZ").to_string();
    let stored = cluster.admin.get(&certificate).await.admitted().object;
    let mut conditions = stored.0["status"]["conditions"].as_array().unwrap().clone();
    conditions.push(json!({
        "type": "Issuing", "status": "True", "reason": "ManuallyTriggered",
        "message": "by hand", "lastTransitionTime": now,
    }));
    let status = json!({"conditions": conditions});
    cluster
        .admin
        .patch_status(&certificate, status)
        .await
        .admitted();
    let second = issued(&cluster, 2).await;
    assert_eq!(second.text("/data/ca.crt"), first.text("/data/ca.crt"));
    cluster.mount(&second);
    eventually("the guard to serve the new certificate", async || {
        let now = expiry(&cluster).await;
        anyhow::ensure!(now != before, "{now}");
        Ok(())
    })
    .await;
    let twin = Object::of("ResourceGroup", "twin").azure_name("rg-twins");
    let in_dev = cluster.admin.in_namespace("dev").dry_run();
    let answer = in_dev.create(&twin).await.admitted();
    answer.warning("aso-guard would refuse this");
}

#[tokio::test]
#[ignore = "tests/chart/neighbours builds Prometheus for it"]
async fn prometheus_scrapes_the_guard_and_tells_of_a_conflict_and_of_nothing_else() {
    let cluster = Cluster::start("prometheus").await;
    installed(&cluster, &[]).await;
    let _pod = cluster.pod().await;
    cluster.lead_service_here().await;
    let port = ports::free().unwrap();
    let directory = cluster.plane.directory();
    let config = json!({
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/dashboards/alerts.yaml")],
        "scrape_configs": [{
            "job_name": "aso-guard",
            "static_configs": [{"targets": [cluster.ops_address()]}],
        }],
    });
    let file = directory.join("prometheus.yaml");
    fs::write(&file, config.to_string()).unwrap();
    let program = binaries::prometheus().await.unwrap();
    let prometheus = Process::new("prometheus", &program, directory).args([
        format!("--config.file={}", file.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        format!(
            "--storage.tsdb.path={}",
            directory.join("prometheus").display()
        ),
    ]);
    prometheus.start().unwrap();
    // The rules are evaluated on what is scraped, and there is nothing to tell.
    eventually("Prometheus to have scraped the guard", async || {
        let found = ask(port, "query?query=aso_guard_build_info").await?;
        anyhow::ensure!(found["result"][0].is_object(), "{found}");
        Ok(())
    })
    .await;
    assert_eq!(firing(port).await.unwrap(), Vec::<String>::new());
    two_live_copies(&cluster).await;
    let alerts = until("Prometheus to tell of the conflict", FIRES, async || {
        let firing = firing(port).await?;
        anyhow::ensure!(!firing.is_empty(), "nothing fires");
        Ok(firing)
    });
    assert_eq!(alerts.await.unwrap(), ["AsoGuardConflict"]);
    let rules = ask(port, "rules").await.unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() > 10, "{rules:?}");
    assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
}

/// The data of an answer of Prometheus' API.
async fn ask(port: u16, what: &str) -> anyhow::Result<Value> {
    let (status, body) = http::get(port, &format!("/api/v1/{what}")).await?;
    anyhow::ensure!(status == 200, "{status}: {body}");
    Ok(serde_json::from_str::<Value>(&body)?["data"].take())
}

/// The alerts that are firing, by name.
async fn firing(port: u16) -> anyhow::Result<Vec<String>> {
    let alerts = ask(port, "alerts").await?;
    let alerts = alerts["alerts"].as_array().cloned().unwrap_or_default();
    let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
    let names = firing.filter_map(|alert| alert["labels"]["alertname"].as_str());
    Ok(names.map(str::to_owned).collect())
}
