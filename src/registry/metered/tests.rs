use std::convert::Infallible;

use http::{Request, Response};
use kube::client::Body;
use prometheus_client::encoding::text::encode;
use tower::service_fn;

use super::*;
use crate::registry::kubernetes::KubernetesRegistry;

#[test]
fn a_record_that_cannot_be_read_is_counted_once_however_often_it_is_met() {
    let metrics = RegistryMetrics::default();
    let mut registry = Exposition::default();
    metrics.register(&mut registry);
    let unreadable = |kind, name: &str, why: &str| UnreadableRecord {
        registry: "hub".to_owned(),
        kind,
        name: name.to_owned(),
        identity: None,
        why: why.to_owned(),
    };
    metrics.meet(&[unreadable("claim", "one", "no status")]);
    metrics.meet(&[
        unreadable("claim", "one", "no time"),
        unreadable("claim", "two", "no time"),
        unreadable("member", "one", "no time"),
    ]);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for (kind, count) in [("claim", 2), ("member", 1), ("transfer", 0)] {
        let line = format!("registry_unreadable_records{{kind=\"{kind}\"}} {count}\n");
        assert!(text.contains(&line), "{text}");
    }
}

#[tokio::test]
async fn people_reach_it_by_the_flags_of_the_one_that_it_counts() {
    let nobody =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    let client = kube::Client::new(nobody, "default");
    let hub =
        KubernetesRegistry::new(client, "hub").reached_by(" --context hub", " --context kubectls");
    let metered = MeteredRegistry::new(Arc::new(hub), RegistryMetrics::default());
    assert_eq!(metered.flags(), " --context hub");
    assert_eq!(metered.kubectl_flags(), " --context kubectls");
}
