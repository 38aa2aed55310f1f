//! What Helm says to values that would not work.

use rstest::rstest;

use crate::helm::{REQUIRED, template};

#[rstest]
#[case("mode=Enforce", "/mode")]
#[case("onUnresolved=refuse", "/onUnresolved")]
#[case("cluster=Prod_1", "/cluster")]
#[case("subscription=shop", "/subscription")]
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
