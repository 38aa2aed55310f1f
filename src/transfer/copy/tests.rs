use rstest::rstest;

use super::*;

fn object() -> Value {
    json!({
        "apiVersion": "storage.azure.com/v1",
        "kind": "StorageAccount",
        "metadata": {
            "name": "data",
            "namespace": "shop",
            "uid": "u",
            "resourceVersion": "7",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [],
            "ownerReferences": [{"name": "rg"}],
            "finalizers": ["serviceoperator.azure.com/finalizer"],
            "labels": {"team": "x", "argocd.argoproj.io/instance": "shop"},
            "annotations": {
                "note": "mine",
                "serviceoperator.azure.com/credential-from": "other",
                "serviceoperator.azure.com/reconcile-policy": "skip",
                "asoguard.io/policy-before": "",
                "serviceoperator.azure.com/resource-id": "/subscriptions/s",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
        },
        "spec": {
            "owner": {"name": "rg"},
            "password": {"name": "pw", "key": "k"},
            "regionFromConfig": {"name": "settings", "key": "region"},
            "sku": {"name": "Standard"},
            "rules": [{"name": "a", "key": "b", "value": "no reference"}],
            "operatorSpec": {
                "secrets": {"key1": {"name": "out", "key": "k"}},
                "configMaps": {"id": {"name": "ids", "key": "k"}},
            },
        },
        "status": {"id": "/subscriptions/s"},
    })
}

#[test]
fn a_copy_has_nothing_of_the_cluster_it_comes_from() {
    let copy = copy_for(
        &object(),
        &TargetCopy {
            namespace: "shop2",
            api_version: "storage.azure.com/v2",
            policy: None,
            azure_name: None,
            transfer: "t",
        },
    );
    let expected = json!({
        "apiVersion": "storage.azure.com/v2",
        "kind": "StorageAccount",
        "metadata": {
            "name": "data",
            "namespace": "shop2",
            "labels": {"team": "x"},
            "annotations": {
                "note": "mine",
                "serviceoperator.azure.com/credential-from": "other",
                "asoguard.io/made-by-transfer": "t",
            },
        },
        "spec": object()["spec"],
    });
    assert_eq!(copy, expected);
}

#[test]
fn what_is_left_out_is_told() {
    let expected = [
        "metadata.ownerReferences",
        "metadata.finalizers",
        "asoguard.io/policy-before",
        "kubectl.kubernetes.io/last-applied-configuration",
        "serviceoperator.azure.com/reconcile-policy",
        "serviceoperator.azure.com/resource-id",
        "argocd.argoproj.io/instance",
        "status",
    ];
    assert_eq!(left_out(&object()), expected);
}

#[test]
fn a_policy_and_a_name_are_stated_where_they_have_to_be() {
    let copy = copy_for(
        &object(),
        &TargetCopy {
            policy: Some("detach-on-delete"),
            azure_name: Some("uuid"),
            ..TargetCopy::default()
        },
    );
    let policy = &copy["metadata"]["annotations"][POLICY_ANNOTATION];
    assert_eq!(policy, "detach-on-delete");
    assert_eq!(copy["spec"]["azureName"], "uuid");
}

#[test]
fn secrets_and_config_maps_are_found() {
    let found: Vec<String> = references(&object())
        .iter()
        .map(|one| format!("{} {}", one.words(), one.is_written))
        .collect();
    let expected = [
        "ConfigMap ids true",
        "secret out true",
        "secret pw false",
        "ConfigMap settings false",
    ];
    assert_eq!(found, expected);
}

#[rstest]
#[case::flux(json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "x", "kustomize.toolkit.fluxcd.io/namespace": "y"}}), Some("Flux's Kustomization y/x"))]
#[case::flux_helm(json!({"labels": {"helm.toolkit.fluxcd.io/name": "x"}}), Some("Flux's HelmRelease flux-system/x"))]
#[case::argo_by_label(json!({"labels": {"argocd.argoproj.io/instance": "x"}}), Some("the Argo CD Application x"))]
#[case::argo_by_annotation(json!({"annotations": {"argocd.argoproj.io/tracking-id": "x:g/K:ns/n"}}), Some("the Argo CD Application x"))]
#[case::helm(json!({"annotations": {"meta.helm.sh/release-name": "x", "meta.helm.sh/release-namespace": "y"}}), Some("the Helm release y/x"))]
#[case::nobody(json!({"labels": {"app": "x"}}), None)]
fn tools_are_known_by_their_marks(#[case] metadata: Value, #[case] words: Option<&str>) {
    let object = json!({"metadata": metadata});
    let tool = GitOpsTool::of(&object);
    assert_eq!(tool.as_ref().map(GitOpsTool::words).as_deref(), words);
    assert!(tool.is_none_or(|tool| !tool.advice().is_empty()));
}

fn place<'a>(namespace: Option<&'a str>, operator: Option<&'a str>) -> PolicyDefaults<'a> {
    PolicyDefaults {
        namespace,
        operator,
    }
}

#[rstest]
#[case::plain(None, place(None, None), place(None, None), None)]
#[case::as_it_was(
    Some("detach-on-delete"),
    place(None, None),
    place(None, None),
    Some("detach-on-delete")
)]
#[case::empty_is_none(Some(""), place(None, None), place(None, None), None)]
#[case::a_namespace_said_it(
    None,
    place(Some("detach-on-delete"), None),
    place(None, None),
    Some("detach-on-delete")
)]
#[case::both_namespaces_say_it(
    None,
    place(Some("detach-on-delete"), None),
    place(Some("detach-on-delete"), None),
    None
)]
#[case::the_target_parks_all(None, place(None, None), place(Some("skip"), None), Some("manage"))]
#[case::the_target_parks_by_default(
    None,
    place(None, None),
    place(None, Some("skip")),
    Some("manage")
)]
#[case::parked_by_its_namespace(None, place(Some("skip"), None), place(None, None), None)]
#[case::parked_before(Some("skip"), place(None, None), place(None, None), None)]
#[case::parked_before_and_there(
    Some("skip"),
    place(None, None),
    place(Some("skip"), None),
    Some("manage")
)]
#[case::nonsense_counts_as_aso_counts_it(
    Some("Skip"),
    place(None, None),
    place(None, None),
    Some("Skip")
)]
fn aso_does_there_what_it_did_here(
    #[case] before: Option<&str>,
    #[case] here: PolicyDefaults<'_>,
    #[case] there: PolicyDefaults<'_>,
    #[case] expected: Option<&str>,
) {
    let annotation = live_annotation(before, here, there);
    assert_eq!(annotation.as_deref(), expected);
    assert!(there.effective(annotation.as_deref()).is_live());
}
