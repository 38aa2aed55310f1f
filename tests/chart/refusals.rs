//! What Helm says to values that would not work.

use rstest::rstest;

use crate::helm::{REQUIRED, template};

#[rstest]
#[case("mode=Enforce", "/mode")]
#[case("onUnresolved=refuse", "/onUnresolved")]
#[case("cluster=Prod_1", "/cluster")]
#[case("cluster=west.europe", "/cluster")]
#[case("asoNamespaces={}", "/asoNamespaces")]
#[case("asoNamespaces={Capz}", "/asoNamespaces/0")]
#[case("subscription=00000000-0000-0000-0000-000000000000", "/subscription")]
#[case("webhook.port=0", "/webhook/port")]
#[case("dnsPolicy=Cluster", "/dnsPolicy")]
#[case("metrics.apiVersion=v1", "/metrics/apiVersion")]
#[case("global.imageRegistry=mirror/", "/global/imageRegistry")]
#[case("claimDeadline=60s", "claimDeadline: 60s is not longer than")]
#[case("claimDeadline=59s999ms", "claimDeadline: 59s999ms is not longer than")]
#[case(
    "replicas=3,podDisruptionBudget.minAvailable=3",
    "with 3 of 3 replicas"
)]
#[case(
    "podDisruptionBudget.minAvailable=100%",
    "with 100% no node could be drained"
)]
#[case(
    "resourceQuota.enabled=true,priorityClassName=",
    "no priorityClassName"
)]
#[case("subscription=shop", "/subscription")]
#[case("registry.azure.url=https://fleet", "/registry/azure/url")]
#[case(
    "registry.azure.url=azure://fleet/claims,registry.kubeconfigSecret=hub",
    "the claims are at one of the two"
)]
#[case("registry.shards=shards.yaml", "name the Secret that holds the file")]
#[case(
    "registry.shards=shards.yaml,registry.kubeconfigSecret=shards,protection=available",
    "with shards, say strict"
)]
#[case(
    "registry.next.url=azure://fleet/claims,registry.next.kubeconfigSecret=hub",
    "the fleet moves to one of the two"
)]
#[case(
    "registry.next.url=azure://fleet/claims,protection=available",
    "while the fleet moves, say strict"
)]
#[case("claimDeadline=90", "/claimDeadline")]
#[case("replicas=0", "/replicas")]
#[case("replica=3", "'replica'")]
#[case("webhook.failurePolicy=Ignore", "'failurePolicy'")]
#[case("webhook.onFailure.write=fail", "/webhook/onFailure/write")]
#[case("webhook.timeoutSeconds.delete=31", "/webhook/timeoutSeconds/delete")]
#[case("certificates.source=vault", "/certificates/source")]
#[case("certificates.caBundle=Zm9v", "/certificates/caBundle")]
#[case("image.digest=latest", "/image/digest")]
#[case("image.pullSecrets={one}", "/image/pullSecrets/0")]
#[case("aks.systemNodePool=yes", "/aks/systemNodePool")]
#[case(
    "topologySpread.whenUnsatisfiable=Never",
    "/topologySpread/whenUnsatisfiable"
)]
#[case(
    "certificates.source=secret",
    "certificates.caBundle: the API server has to know"
)]
#[tokio::test]
async fn a_wrong_value_is_named(#[case] value: &str, #[case] said: &str) {
    let error = template(&[REQUIRED, "--set", value]).await.unwrap_err();
    assert!(error.contains(said), "{error}");
}

#[rstest]
#[case("cluster=main", "image.repository: say where the image is")]
#[case("image.repository=here", "cluster: give this cluster its name")]
#[tokio::test]
async fn what_has_to_be_said_is_asked_for(#[case] value: &str, #[case] said: &str) {
    let error = template(&["--set", value]).await.unwrap_err();
    assert!(error.contains(said), "{error}");
}
