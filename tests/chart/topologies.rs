//! The ready values files, rendered.

use std::collections::BTreeSet;
use std::fs;

use rstest::rstest;

use crate::helm::{REQUIRED, chart, helm, objects, template, topology};

const TOPOLOGIES: [&str; 7] = [
    "audit-only",
    "azure",
    "cluster-per-environment",
    "hub",
    "member",
    "one-cluster",
    "shards",
];

#[test]
fn every_file_is_tested() {
    let files = fs::read_dir(chart("topologies")).unwrap();
    let names: BTreeSet<String> = files
        .map(|file| file.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().eq(TOPOLOGIES), "{names:?}");
}

#[tokio::test]
async fn helm_finds_nothing_to_complain_of() {
    let chart = chart("");
    let chart = chart.to_str().unwrap();
    helm(&["lint", "--strict", chart]).await.unwrap();
    for name in TOPOLOGIES {
        helm(&["lint", "--strict", chart, REQUIRED, &topology(name)])
            .await
            .unwrap();
    }
}

/// What few people need, all at once.
const ODD: [&str; 4] = [
    "--set=hostNetwork=true,dnsPolicy=Default,webhook.port=20443,metrics.port=20080,replicas=3",
    "--set=global.imageRegistry=mirror.example:5000,deploymentAnnotations.reloader=on,resourceQuota.enabled=true",
    "--set=metrics.podMonitor.enabled=true,metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.apiVersion=azmonitoring.coreos.com/v1",
    r#"--set-json=extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"extra"}},"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}-too\"}"]"#,
];

/// Each of them is linted, and comes out as objects that have what was asked for.
#[rstest]
#[tokio::test]
async fn with_odd_values_it_is_as_sound(
    #[values(
        "audit-only",
        "azure",
        "cluster-per-environment",
        "hub",
        "member",
        "one-cluster",
        "shards"
    )]
    name: &str,
) {
    let (chart, file) = (chart(""), topology(name));
    let mut lint = vec!["lint", "--strict", chart.to_str().unwrap(), REQUIRED, &file];
    lint.extend(ODD);
    helm(&lint).await.unwrap();
    let mut values = vec![&*file];
    values.extend(ODD);
    let objects = objects(&values).await;
    let has = |kind: &str| {
        objects
            .iter()
            .filter(|object| object.kind() == kind)
            .count()
    };
    assert_eq!(has("ConfigMap"), 2, "extraObjects");
    let guarded = usize::from(name != "hub");
    for kind in [
        "Deployment",
        "PodMonitor",
        "ServiceMonitor",
        "PrometheusRule",
        "ResourceQuota",
    ] {
        assert_eq!(has(kind), guarded, "{kind}");
    }
    for object in objects
        .iter()
        .filter(|object| object.kind() == "Deployment")
    {
        assert_eq!(object.text("/metadata/annotations/reloader"), "on");
        let pod = "/spec/template/spec";
        assert_eq!(object.text(&format!("{pod}/dnsPolicy")), "Default");
        let image = object.text(&format!("{pod}/containers/0/image"));
        assert!(image.starts_with("mirror.example:5000/"), "{image}");
    }
}

#[rstest]
#[case("audit-only")]
#[case("azure")]
#[case("cluster-per-environment")]
#[case("hub")]
#[case("member")]
#[case("one-cluster")]
#[case("shards")]
#[tokio::test]
async fn it_reads_like_this(#[case] name: &str) {
    let rendered = template(&[REQUIRED, &topology(name)]).await.unwrap();
    snapshot(name, &rendered);
}

/// The two other sources of certificates.
#[rstest]
#[case("cert-manager", "certManager")]
#[case("own-certificates", "secret")]
#[tokio::test]
async fn with_other_certificates_it_reads_like_this(#[case] name: &str, #[case] source: &str) {
    let source = format!("--set=certificates.source={source}");
    let ca = "--set=certificates.caBundle=-----BEGIN CERTIFICATE-----";
    let shown = ["templates/certificates.yaml", "templates/deployment.yaml"];
    let mut rendered = String::new();
    for file in shown {
        let one = template(&[REQUIRED, &source, ca, "--show-only", file]).await;
        // A Secret of one's own is one's own: there is nothing to render.
        rendered += &one.unwrap_or_else(|error| {
            assert!(error.contains("could not find template"), "{error}");
            format!("# {file}: nothing\n")
        });
    }
    snapshot(name, &rendered);
}

/// The identity that a guard is in Azure is its account's and its pods'; no Secret is needed.
#[tokio::test]
async fn with_claims_in_azure_pods_get_the_identity_and_no_kubeconfig() {
    let client = "--set=registry.azure.clientId=11111111-2222-3333-4444-555555555555";
    let objects = objects(&[&topology("azure"), client]).await;
    let mut pods = 0;
    for object in &objects {
        let pod = match object.kind() {
            "Deployment" => &object.0["spec"]["template"],
            "Pod" => &object.0,
            "ServiceAccount" if object.name() == "aso-guard" => {
                let annotation = "/metadata/annotations/azure.workload.identity~1client-id";
                assert!(object.text(annotation).starts_with("11111111-"), "{object}");
                continue;
            }
            _ => continue,
        };
        pods += 1;
        let uses = &pod["metadata"]["labels"]["azure.workload.identity/use"];
        assert_eq!(uses, "true", "{object}");
        assert!(pod["spec"]["volumes"].is_null(), "{object}");
        let args = pod["spec"]["containers"][0]["args"].to_string();
        assert!(
            args.contains("--registry=azure://fleetclaims/claims"),
            "{args}"
        );
    }
    assert_eq!(pods, 2, "the guard, and helm test");
}

/// Parking newcomers takes one right more.
#[tokio::test]
async fn where_newcomers_are_parked_it_reads_like_this() {
    let shown = ["templates/serviceaccount.yaml", "templates/rbac.yaml"];
    let shown = shown.map(|file| format!("--show-only={file}"));
    let mut args = vec![REQUIRED, "--set=onConflict=park"];
    let member = topology("member");
    args.push(&member);
    args.extend(shown.iter().map(String::as_str));
    snapshot("parking", &template(&args).await.unwrap());
}

/// So does the second line, and it has policies.
#[tokio::test]
async fn with_policies_of_the_api_server_it_reads_like_this() {
    let shown = ["serviceaccount", "rbac", "protection"];
    let shown = shown.map(|file| format!("--show-only=templates/{file}.yaml"));
    let mut args = vec![REQUIRED, "--set=protection=available"];
    let member = topology("member");
    args.push(&member);
    args.extend(shown.iter().map(String::as_str));
    snapshot("available", &template(&args).await.unwrap());
}

/// CRDs and policies are compared with the program's own elsewhere.
fn snapshot(name: &str, rendered: &str) {
    let documents = rendered
        .split("---\n")
        .map(|document| match document.split_once("\nspec:") {
            Some((head, _))
                if ["CustomResourceDefinition", "ValidatingAdmissionPolicy"]
                    .iter()
                    .any(|kind| document.contains(&format!("\nkind: {kind}\n"))) =>
            {
                format!("{head}\nspec: …\n")
            }
            _ => document.to_owned(),
        });
    let text = documents.collect::<Vec<_>>().join("---\n");
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, text);
    });
}
