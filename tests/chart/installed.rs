//! Installed by Helm into a real API server, used, upgraded and uninstalled.

use serde_json::Value;

use crate::cluster::{Cluster, RELEASE};
use crate::helm::{REQUIRED, chart, objects, topology};
use crate::lab::aso::Aso;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};

/// What people set daily, beside the topology and the source of certificates, which is the
/// default: the guard's own.
const VALUES: &str = "--set=webhook.exemptNamespaces={legacy},webhook.exemptUsers={robot}";
const MORE_VALUES: &str = "--set=breakGlass.groups={sre},modeGroups={platform}";

#[tokio::test]
async fn it_is_installed_in_audit_tested_set_to_enforce_and_uninstalled() {
    let cluster = Cluster::start("chart").await;
    let topology = topology("one-cluster");
    let values = [REQUIRED, &topology, VALUES, MORE_VALUES];
    let notes = run(&cluster, "install", &values, &["--set=mode=audit"]).await;
    assert!(notes.contains("as member main, in mode audit"), "{notes}");
    assert_eq!(certificate(&cluster).await, None, "the guard makes it");

    // Until a pod is there, audit blocks nothing.
    for name in ["dev", "prod", "legacy"] {
        let namespace = Object::namespace(name);
        cluster.admin.apply(&namespace).await.admitted();
    }
    let [in_dev, in_prod] = ["dev", "prod"].map(|name| cluster.admin.in_namespace(name));
    let group = Object::of("ResourceGroup", "rg").azure_name("rg-chart");
    in_dev.create(&group).await.admitted();

    let pod = cluster.pod().await;
    cluster.lead_service_here().await;
    eventually("the API server to have the guard's warning", async || {
        let answer = in_prod.dry_run().create(&group).await?;
        anyhow::ensure!(!answer.warnings.is_empty(), "no warning");
        answer.warning("aso-guard would refuse this");
        Ok(())
    })
    .await;
    tested(&cluster).await;
    let (made, trusted) = (certificate(&cluster).await, cluster.trusted().await);
    assert!(made.is_some());

    // The same values, and mode as the topology has it.
    let open = ["--dry-run", "--set=webhook.onFailure.delete=Ignore"];
    let notes = run(&cluster, "upgrade", &values, &open).await;
    let warning = "WARNING: this is enforce, and yet nothing is refused while no guard answers: \
        webhook.onFailure is set to Ignore for\ndeletes.";
    assert!(notes.contains(warning), "{notes}");
    let notes = run(&cluster, "upgrade", &values, &[]).await;
    assert!(!notes.contains("WARNING"), "{notes}");
    assert_eq!(
        certificate(&cluster).await,
        made,
        "Helm leaves what it holds"
    );
    assert_eq!(cluster.trusted().await, trusted);
    drop(pod);
    let pod = cluster.pod().await;
    cluster.lead_service_here().await;
    let refused = "live in this cluster (main) as dev/ResourceGroup/rg";
    eventually_refused(refused, async || in_prod.dry_run().create(&group).await).await;
    aso_never_calls(&cluster, &Aso(&in_dev), &group).await;
    who_is_exempt_is_not_asked_about(&cluster, &group).await;

    // To certificates of one's own.
    let ca = cluster.ca();
    let own = ["--set=certificates.source=secret", &ca];
    run(&cluster, "upgrade", &values, &own).await;
    assert_ne!(cluster.trusted().await, trusted);
    drop(pod);
    let pod = cluster.pod().await;
    cluster.lead_service_here().await;
    eventually_refused(refused, async || in_prod.dry_run().create(&group).await).await;
    tested(&cluster).await;

    // ASO's four steps.
    in_dev.set_policy(&group, "skip").await.admitted();
    eventually("the move", async || {
        in_prod.create(&group).await.map_err(Into::into)
    })
    .await;
    in_dev.delete(&group).await.admitted();

    uninstalled(&cluster).await;
    drop(pod);
    // Nobody is asked any more, not about a twin either, and the claims are kept.
    let twin = Object::of("ResourceGroup", "twin").azure_name("rg-chart");
    in_dev.create(&twin).await.admitted_silently();
    let claims = cluster.admin.claims().await;
    assert!(!claims.unwrap().is_empty());
}

/// `helm install` or `helm upgrade`; gives the notes.
async fn run(cluster: &Cluster, verb: &str, values: &[&str], more: &[&str]) -> String {
    let chart = chart("");
    let mut args = vec![verb, RELEASE, chart.to_str().unwrap()];
    if verb == "install" {
        args.push("--create-namespace");
    }
    args.extend(values);
    args.extend(more);
    cluster.helm(&args).await.unwrap()
}

/// What the guard's Secret holds, if anything.
async fn certificate(cluster: &Cluster) -> Option<Value> {
    let secret = Object::new("v1", "Secret", "aso-guard-tls").in_namespace(RELEASE);
    let stored = cluster.get(&secret).await.unwrap();
    stored.0.get("data").cloned()
}

/// By values of the chart: a namespace, and a user.
async fn who_is_exempt_is_not_asked_about(cluster: &Cluster, group: &Object) {
    let before = cluster.calls().await;
    let in_legacy = cluster.admin.in_namespace("legacy").dry_run();
    in_legacy.create(group).await.admitted_silently();
    let robot = cluster.admin.in_namespace("prod").dry_run();
    let robot = robot.in_the_name_of("robot", "system:masters");
    robot.create(group).await.admitted_silently();
    assert_eq!(cluster.calls().await, before);
}

/// `helm test`, and what it says when the guard is not to be reached.
async fn tested(cluster: &Cluster) {
    let pod = Object::new("v1", "Pod", "aso-guard-test");
    let args = ["test", RELEASE, "--timeout=60s"];
    let (tested, said) = tokio::join!(cluster.helm(&args), cluster.run_hook(&pod));
    assert!(said.unwrap().contains("the guard answers"));
    assert!(tested.unwrap().contains("Phase:          Succeeded"));
}

/// Finalizer, resource-id on first reconcile, status and conditions: counted by the API server.
async fn aso_never_calls(cluster: &Cluster, aso: &Aso<'_>, group: &Object) {
    let stored = aso.0.get(group).await.admitted().object;
    let id = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/rg-chart";
    aso.reconciles(&stored, id).await.unwrap();
    let before = cluster.calls().await;
    assert!(before > 0, "the API server counts nothing");
    for turn in 0..20 {
        aso.reconciles(&stored, id).await.unwrap();
        let label = format!("turn-{turn}");
        aso.0.label(&stored, "team", Some(&label)).await.admitted();
    }
    assert_eq!(cluster.calls().await, before);
    // Were it asked, the count would show it.
    aso.0.set_policy(group, "detach-on-delete").await.admitted();
    assert_eq!(cluster.calls().await, before + 1);
}

/// The hook has the registration deleted while the guard and its Service are still there.
async fn uninstalled(cluster: &Cluster) {
    let job = Object::new("batch/v1", "Job", "aso-guard-uninstall");
    let service = Object::new("v1", "Service", RELEASE);
    let args = ["uninstall", RELEASE, "--timeout=60s"];
    let hook = async {
        assert!(cluster.registration().await.is_some());
        let said = cluster.run_hook(&job).await.unwrap();
        assert!(said.contains("aso-guard: deleted"), "{said}");
    };
    let order = async {
        eventually("the registration to go", async || {
            anyhow::ensure!(cluster.registration().await.is_none());
            Ok(())
        })
        .await;
        // The command waits for API servers to notice, and Helm for the command.
        assert!(
            cluster.get(&service).await.is_some(),
            "the Service went first"
        );
    };
    let (removed, (), ()) = tokio::join!(cluster.helm(&args), hook, order);
    removed.unwrap();
    for object in objects(&[&topology("one-cluster")]).await {
        let left = cluster.get(&object).await;
        let kept = object.kind() == "CustomResourceDefinition";
        assert_eq!(left.is_some(), kept, "{object}");
    }
}

/// Applied as a dry run, which takes no field that it does not know.
#[tokio::test]
async fn every_topology_is_taken_by_a_real_api_server() {
    let cluster = Cluster::start("topologies").await;
    cluster
        .admin
        .apply(&Object::namespace(RELEASE))
        .await
        .admitted();
    for name in [
        "audit-only",
        "azure",
        "cluster-per-environment",
        "hub",
        "member",
        "one-cluster",
        "shards",
    ] {
        for object in objects(&[&topology(name)]).await {
            // A pod is taken only where its account is.
            let admin = match object.kind() {
                "ServiceAccount" => cluster.admin.clone(),
                _ => cluster.admin.dry_run(),
            };
            let answer = admin.apply(&object).await.admitted();
            assert_eq!(answer.warnings, [""; 0], "{name}: {object}");
        }
    }
}
