//! The ready values files, rendered.

use std::collections::BTreeSet;
use std::fs;

use rstest::rstest;

use crate::helm::{REQUIRED, chart, helm, template, topology};

const TOPOLOGIES: [&str; 5] = [
    "audit-only",
    "cluster-per-environment",
    "hub",
    "member",
    "one-cluster",
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

#[rstest]
#[case("audit-only")]
#[case("cluster-per-environment")]
#[case("hub")]
#[case("member")]
#[case("one-cluster")]
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
