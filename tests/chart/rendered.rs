//! What the API server is told is what the program would tell it.

use std::sync::LazyLock;

use rstest::rstest;
use serde_json::{Value, json};

use crate::GUARD;
use crate::generated::printed;
use crate::helm::{objects, topology};
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::pki::Authority;

/// The CA of somebody's own certificate, in PEM.
static CA: LazyLock<String> = LazyLock::new(|| {
    let authority = Authority::new("chart").unwrap();
    authority.pem().trim().to_owned()
});

async fn registration(args: &[&str]) -> Value {
    let source = [
        "--set=certificates.source=secret",
        &format!("--set=certificates.caBundle={}", *CA),
    ]
    .map(ToOwned::to_owned);
    let mut all: Vec<&str> = source.iter().map(String::as_str).collect();
    all.extend(args);
    let objects = objects(&all).await;
    let mut found = objects
        .into_iter()
        .filter(|object| object.kind() == "ValidatingWebhookConfiguration");
    let Object(found_one) = found.next().unwrap();
    assert_eq!(found.next(), None);
    found_one
}

fn webhook<'a>(registration: &'a Value, name: &str) -> &'a Value {
    let webhooks = registration["webhooks"].as_array().unwrap();
    webhooks
        .iter()
        .find(|webhook| webhook["name"] == format!("{name}.asoguard.io"))
        .unwrap()
}

#[tokio::test]
async fn in_enforce_the_registration_is_the_one_that_the_program_prints() {
    let rendered = registration(&["--set=mode=enforce"]).await;
    let printed = printed(Some(&CA), &["--exempt-namespace=aso-guard"]).await;
    assert_eq!(without_labels(rendered), printed);
}

fn without_labels(mut object: Value) -> Value {
    object["metadata"].as_object_mut().unwrap().remove("labels");
    object
}

/// The same values for the registration and for the guard itself.
#[tokio::test]
async fn who_is_exempt_is_told_to_the_api_server_and_to_the_guard() {
    let values = [
        "--set=mode=enforce,webhook.exemptNamespaces={legacy,kube-system}",
        r"--set=webhook.exemptUsers={o'brien,CORP\\carol},webhook.exemptGroups={on call}",
    ];
    let exempt = [
        "--exempt-namespace=aso-guard",
        "--exempt-namespace=legacy",
        "--exempt-user=o'brien",
        r"--exempt-user=CORP\carol",
        "--exempt-group=on call",
    ];
    let rendered = registration(&values).await;
    assert_eq!(without_labels(rendered), printed(Some(&CA), &exempt).await);
    let told = arguments(&values).await;
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let told = told.iter().filter(|flag| flag.starts_with("--exempt"));
    assert!(told.clone().eq(&exempt), "{:?}", told.collect::<Vec<_>>());
}

/// What the guard is started with.
async fn arguments(values: &[&str]) -> Vec<String> {
    let deployment = one("Deployment", values).await;
    let pod = &deployment["spec"]["template"]["spec"];
    let args = pod["containers"][0]["args"].as_array().unwrap().iter();
    args.map(|arg| arg.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_may_override_is_told_to_the_guard() {
    let has = |args: &[String], flag: &str| args.iter().any(|arg| arg == flag);
    let groups = "--set=breakGlass.groups={sre,on call},modeGroups={platform}";
    let args = arguments(&[groups]).await;
    for flag in [
        "--override=on",
        "--override-groups=sre",
        "--override-groups=on call",
        "--mode-groups=platform",
    ] {
        assert!(has(&args, flag), "no {flag} in {args:?}");
    }
    let off = "--set=breakGlass.enabled=false";
    let args = arguments(&[groups, off]).await;
    assert!(has(&args, "--override=off"), "{args:?}");
    assert!(!has(&args, "--override-groups=sre"), "{args:?}");
}

/// The network policy lets the guard reach its collector.
#[rstest]
#[case("http://collector.monitoring:4318", 4318)]
#[case("https://collector.example/v1/traces", 443)]
#[case("http://collector.monitoring", 80)]
#[tokio::test]
async fn traces_may_leave(#[case] endpoint: &str, #[case] port: u16) {
    let values = [&*format!("--set=traces.endpoint={endpoint}")];
    let flag = format!("--otlp-endpoint={endpoint}");
    assert!(arguments(&values).await.contains(&flag));
    let objects = objects(&values).await;
    let policy = objects
        .iter()
        .find(|object| object.kind() == "NetworkPolicy");
    let egress = policy.unwrap().0["spec"]["egress"].as_array().unwrap();
    let allowed = json!({"ports": [{"port": port, "protocol": "TCP"}]});
    assert_eq!(egress.last(), Some(&allowed));
}

/// The rendered object of a kind.
async fn one(kind: &str, values: &[&str]) -> Value {
    let objects = objects(values).await;
    let mut found = objects.into_iter().filter(|object| object.kind() == kind);
    let Object(one) = found.next().unwrap();
    assert_eq!(found.next(), None, "{kind}");
    one
}

#[tokio::test]
async fn each_namespace_of_aso_is_told_to_the_guard() {
    let args = arguments(&["--set=asoNamespaces={capz-system,team-aso}"]).await;
    let told = args.iter().filter(|arg| arg.starts_with("--aso-namespace"));
    let namespaces = ["--aso-namespace=capz-system", "--aso-namespace=team-aso"];
    assert!(
        told.clone().eq(&namespaces),
        "{:?}",
        told.collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn on_a_nodes_network_the_ports_are_ones_own() {
    let values = "--set=hostNetwork=true,webhook.port=20443,metrics.port=20080";
    let deployment = one("Deployment", &[values]).await;
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(pod["dnsPolicy"], "ClusterFirstWithHostNet");
    let ports = json!([
        {"name": "https", "containerPort": 20443},
        {"name": "ops", "containerPort": 20080},
    ]);
    assert_eq!(pod["containers"][0]["ports"], ports);
    let args = arguments(&[values]).await;
    for flag in ["--listen=0.0.0.0:20443", "--ops-listen=0.0.0.0:20080"] {
        assert!(args.iter().any(|arg| arg == flag), "no {flag} in {args:?}");
    }
    // API servers call the Service at 443, whatever the pods serve on.
    let port = &one("Service", &[values]).await["spec"]["ports"][0];
    assert_eq!(
        port,
        &json!({"name": "https", "port": 443, "targetPort": "https"})
    );
}

#[rstest]
#[case(
    "image.repository=team/guard,image.tag=v1",
    "mirror.example/team/guard:v1"
)]
#[case("image.repository=guard,image.digest=", "mirror.example/guard:0.1.0")]
#[tokio::test]
async fn a_mirror_stands_before_the_image(#[case] image: &str, #[case] expected: &str) {
    let values = format!("--set=global.imageRegistry=mirror.example,{image}");
    let deployment = one("Deployment", &[&values]).await;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], expected);
}

#[tokio::test]
async fn alerts_are_those_of_the_dashboards() {
    let rule = one(
        "PrometheusRule",
        &["--set=metrics.prometheusRule.enabled=true"],
    )
    .await;
    let alerts = include_str!("../../deploy/dashboards/alerts.yaml");
    let alerts: Value = serde_yaml::from_str(alerts).unwrap();
    assert_eq!(rule["spec"], alerts);
}

#[tokio::test]
async fn runbooks_are_where_the_documents_can_be_read() {
    let rule = one(
        "PrometheusRule",
        &["--set=metrics.prometheusRule.enabled=true,metrics.prometheusRule.docsUrl=https://x.example/docs/"],
    )
    .await;
    for rule in rule["spec"]["groups"][0]["rules"].as_array().unwrap() {
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        assert!(
            url.starts_with("https://x.example/docs/alerts.md#"),
            "{url}"
        );
    }
}

#[tokio::test]
async fn monitors_are_of_the_operator_that_is_there() {
    let values = "--set=metrics.apiVersion=azmonitoring.coreos.com/v1";
    for (value, kind) in [
        ("serviceMonitor", "ServiceMonitor"),
        ("podMonitor", "PodMonitor"),
    ] {
        let enabled = format!("--set=metrics.{value}.enabled=true");
        let monitor = one(kind, &[values, &enabled]).await;
        assert_eq!(monitor["apiVersion"], "azmonitoring.coreos.com/v1");
    }
}

#[tokio::test]
async fn critical_pods_are_allowed_where_a_quota_has_to_say_so() {
    let quota = one(
        "ResourceQuota",
        &["--set=resourceQuota.enabled=true,replicas=3"],
    )
    .await;
    assert_eq!(quota["spec"]["hard"], json!({"pods": "6"}));
    let classes = &quota["spec"]["scopeSelector"]["matchExpressions"][0]["values"];
    assert_eq!(classes, &json!(["system-cluster-critical"]));
}

#[tokio::test]
async fn ones_own_objects_come_along_as_maps_or_as_templates() {
    let objects = objects(&[
        r#"--set-json=extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"map"}}]"#,
        "--set-string=extraObjects[1]=apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}\"}",
    ])
    .await;
    let maps = objects.iter().filter(|object| object.kind() == "ConfigMap");
    let names: Vec<&str> = maps.map(|map| map.text("/metadata/name")).collect();
    assert_eq!(names, ["map", "aso-guard"]);
}

/// A flag that nobody can set by a value is one that `guard.extraArgs` has to carry.
#[tokio::test]
async fn every_flag_of_serve_is_a_value_or_has_a_reason_not_to_be() {
    let all = [
        "--set=subscription=11111111-2222-3333-4444-555555555555,registry.hubContext=my-hub",
        "--set=breakGlass.groups={a},traces.endpoint=http://c:4318,protection=available",
        "--set=webhook.exemptNamespaces={a},webhook.exemptUsers={a},webhook.exemptGroups={a}",
    ];
    let member = topology("member");
    let mut told = Vec::new();
    for source in ["selfSigned", "certManager"] {
        let source = format!("--set=certificates.source={source}");
        let values: Vec<&str> = [&*member, &*source].into_iter().chain(all).collect();
        told.extend(arguments(&values).await);
    }
    let next = "--set=registry.next.url=azure://fleetclaims/claims";
    told.extend(arguments(&[&*member, next]).await);
    let help = Plan::enforce(GUARD)
        .print(&["serve", "--help"])
        .await
        .unwrap();
    let flags = help
        .lines()
        .filter(|line| line.starts_with("      --"))
        .filter_map(|line| line.split_whitespace().next());
    let not_there = [
        // Nobody sees colour in a log.
        "--color",
        // A pod's own account.
        "--kubeconfig",
        // The Service is the only name by which the API server calls.
        "--tls-name",
        // The chart has the guard make it, in --path-secret.
        "--path-file",
        // A volume has to come with it: guard.extraVolumes.
        "--client-ca",
    ];
    let named = |flag: &str| {
        told.iter()
            .any(|arg| arg == flag || arg.starts_with(&format!("{flag}=")))
    };
    let missing: Vec<&str> = flags.filter(|flag| !named(flag)).collect();
    assert_eq!(missing, not_there);
}

#[tokio::test]
async fn audit_blocks_nothing_not_even_while_the_guard_is_away() {
    for webhook in registration(&[]).await["webhooks"].as_array().unwrap() {
        assert_eq!(webhook["failurePolicy"], "Ignore", "{}", webhook["name"]);
    }
}

#[tokio::test]
async fn each_verb_has_its_own_failure_policy_and_timeout() {
    let args = [
        "--set=mode=enforce,webhook.onFailure.delete=Ignore",
        "--set=webhook.timeoutSeconds.write=7,webhook.timeoutSeconds.delete=3",
    ];
    let rendered = registration(&args).await;
    let expected = [
        ("write", "Fail", 7),
        // A safe step waits for nobody, and not for long, whatever is asked for.
        ("parked", "Ignore", 2),
        ("delete", "Ignore", 3),
        ("namespace", "Ignore", 3),
        ("mode", "Fail", 7),
        ("crd", "Ignore", 3),
    ];
    for (name, policy, seconds) in expected {
        let webhook = webhook(&rendered, name);
        assert_eq!(webhook["failurePolicy"], policy, "{name}");
        assert_eq!(webhook["timeoutSeconds"], seconds, "{name}");
    }
    assert_eq!(
        rendered["webhooks"].as_array().unwrap().len(),
        expected.len()
    );
}

#[tokio::test]
async fn the_guards_own_namespace_and_kube_system_are_exempt() {
    let rendered = registration(&["--set=webhook.exemptNamespaces={other}"]).await;
    for name in ["write", "parked", "delete", "namespace"] {
        let selector = json!({"matchExpressions": [{
            "key": "kubernetes.io/metadata.name",
            "operator": "NotIn",
            "values": ["kube-system", "aso-guard", "other"],
        }]});
        assert_eq!(
            webhook(&rendered, name)["namespaceSelector"],
            selector,
            "{name}"
        );
    }
    assert_eq!(webhook(&rendered, "crd").get("namespaceSelector"), None);
}
