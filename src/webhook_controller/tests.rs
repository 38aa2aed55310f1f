//! Certificates as they are made and stored, and the patch of a configuration.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use rstest::rstest;
use serde_json::{Value, json};

use super::configuration::{DesiredConfiguration, WebhookConfiguration};
use super::plan::{Ca, CertificateGeneration};
use crate::admission::Exempt;
use crate::admission::registration::{
    ByVerb, CRD_WEBHOOK, FailurePolicy, MODE_WEBHOOK, NAMESPACE_WEBHOOK, Registration,
    WebhookTarget,
};
use crate::server::path::PathSecret;

const LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn generation() -> CertificateGeneration {
    let names = texts(&["127.0.0.1", "::1", "aso-guard.aso-guard-system.svc"]);
    CertificateGeneration::make(&names, LIFETIME, Timestamp::now()).unwrap()
}

fn read(ca: &str, certificate: &str, key: &str) -> Result<CertificateGeneration, String> {
    let [ca, certificate, key] = [ca, certificate, key].map(str::as_bytes);
    CertificateGeneration::read(ca, certificate, key, "secret x/y")
}

#[test]
fn what_is_made_reads_back_the_same() {
    let made = generation();
    let read = read(&made.ca.to_pem(), &made.certificate, &made.key).unwrap();
    assert_eq!(read, made);
    let left = made.renew_at().duration_since(Timestamp::now());
    assert!(left > SignedDuration::from_hours(59 * 24), "{left:?}");
    assert!(left < SignedDuration::from_hours(61 * 24), "{left:?}");
}

#[test]
fn a_name_may_be_longer_than_a_common_name() {
    let name = format!("{}.{}.svc", "s".repeat(63), "n".repeat(63));
    let made = CertificateGeneration::make(&texts(&[&name]), LIFETIME, Timestamp::now()).unwrap();
    let read = read(&made.ca.to_pem(), &made.certificate, &made.key).unwrap();
    assert_eq!(read.names, texts(&[&name]));
}

#[rstest]
#[case::garbage(["?", "?", "?"], "ca.crt holds no certificate")]
#[case::no_key(["ca", "certificate", ""], "no PEM private key")]
#[case::another_key(["ca", "certificate", "other key"], "does not belong")]
#[case::another_ca(["other ca", "certificate", "key"], "not signed by ca.crt")]
#[case::no_ca(["certificate", "certificate", "key"], "not a CA's certificate")]
fn what_cannot_be_served_says_why(#[case] parts: [&str; 3], #[case] expected: &str) {
    let (one, other) = (generation(), generation());
    let [ca, certificate, key] = parts.map(|part| match part {
        "ca" => one.ca.to_pem(),
        "certificate" => one.certificate.to_string(),
        "key" => one.key.to_string(),
        "other ca" => other.ca.to_pem(),
        "other key" => other.key.to_string(),
        text => text.to_owned(),
    });
    let why = read(&ca, &certificate, &key).unwrap_err();
    assert!(why.contains(expected), "{why}");
    assert!(!why.contains(&*one.key), "{why}");
}

/// A configuration as the guard prints it, with a webhook of somebody else's in it.
fn configuration(groups: &[&str]) -> WebhookConfiguration {
    configured(
        WebhookTarget::Url("https://127.0.0.1/validate".to_owned()),
        groups,
    )
}

fn configured(target: WebhookTarget, groups: &[&str]) -> WebhookConfiguration {
    let registration = Registration {
        target,
        ca: None,
        groups: groups.to_vec(),
        on_failure: ByVerb::both(FailurePolicy::Fail),
        timeout_seconds: ByVerb::both(10),
        exempt: Exempt::default(),
    };
    let mut configuration = registration.configuration();
    configuration.metadata.resource_version = Some("7".to_owned());
    let webhooks = configuration.webhooks.as_mut().unwrap();
    let mut foreign = webhooks[0].clone();
    foreign.name = "write.example.com".to_owned();
    webhooks.insert(0, foreign);
    WebhookConfiguration(configuration)
}

/// What an API server makes of the patch: `replace` and `add` of members of objects.
pub(super) fn patched(configuration: &WebhookConfiguration, patch: &Value) -> WebhookConfiguration {
    let mut object = serde_json::to_value(&configuration.0).unwrap();
    for operation in patch.as_array().unwrap() {
        let pointer = operation["path"].as_str().unwrap();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap();
        let member = &*member.replace("~1", "/");
        if member == "-" {
            let all = parent.as_array_mut().unwrap();
            all.push(operation["value"].clone());
            continue;
        }
        if operation["op"] == "replace" {
            assert!(!parent[member].is_null(), "{pointer} is not there");
        }
        parent[member] = operation["value"].clone();
    }
    WebhookConfiguration(serde_json::from_value::<ValidatingWebhookConfiguration>(object).unwrap())
}

#[test]
fn a_ca_is_added_to_each_webhook_of_the_guards_and_to_no_other() {
    let now = Timestamp::now();
    let before = configuration(&["storage.azure.com"]);
    let (one, two) = (generation().ca, generation().ca);
    assert_eq!(before.bundle(), Some(BTreeSet::new()));
    let groups = BTreeSet::new();
    let mut after = before;
    for (trust, expected) in [(&one, 1), (&two, 2)] {
        let trust = BTreeSet::from([trust.clone()]);
        let wanted = DesiredConfiguration {
            trust: Some(&trust),
            path: None,
            groups: &groups,
        };
        let patch = after.patch(&wanted, now).unwrap();
        let first = json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"});
        assert_eq!(patch[0], first);
        after = patched(&after, &patch);
        assert_eq!(after.bundle().unwrap().len(), expected);
        assert_eq!(after.patch(&wanted, now), None);
    }
    let webhooks = after.0.webhooks.as_ref().unwrap();
    assert_eq!(webhooks[0].client_config.ca_bundle, None);
    // Where the certificates are somebody else's, so is the bundle.
    let hands_off = DesiredConfiguration {
        trust: None,
        path: None,
        groups: &groups,
    };
    assert_eq!(after.patch(&hands_off, now), None);
}

#[test]
fn what_has_expired_goes_and_what_was_wiped_comes_back() {
    let now = Timestamp::now();
    let old = CertificateGeneration::make(
        &texts(&["x"]),
        SignedDuration::from_secs(60),
        now - SignedDuration::from_hours(1),
    );
    let (old, new) = (old.unwrap().ca, generation().ca);
    let mut before = configuration(&["storage.azure.com"]);
    for webhook in before.0.webhooks.iter_mut().flatten() {
        webhook.client_config.ca_bundle = Some(ByteString(old.to_pem().into_bytes()));
    }
    // One that differs from the others holds nothing that all hold.
    before.0.webhooks.as_mut().unwrap()[2]
        .client_config
        .ca_bundle = None;
    assert_eq!(before.bundle(), Some(BTreeSet::new()));
    let trust = BTreeSet::from([new.clone()]);
    let groups = BTreeSet::new();
    let wanted = DesiredConfiguration {
        trust: Some(&trust),
        path: None,
        groups: &groups,
    };
    let after = patched(&before, &before.patch(&wanted, now).unwrap());
    assert_eq!(after.bundle(), Some(BTreeSet::from([new])));
}

#[test]
fn a_group_that_is_installed_is_asked_about() {
    let now = Timestamp::now();
    let before = configuration(&["storage.azure.com"]);
    let groups = texts(&["new.azure.com", "storage.azure.com"]);
    let wanted = DesiredConfiguration {
        trust: None,
        path: None,
        groups: &groups,
    };
    let patch = before.patch(&wanted, now).unwrap();
    // Three rules, the condition on CRDs, and the version.
    assert_eq!(patch.as_array().unwrap().len(), 5, "{patch}");
    let after = patched(&before, &patch);
    assert_eq!(after.patch(&wanted, now), None);
    let rule = |webhook: usize| {
        let webhook = &after.0.webhooks.as_ref().unwrap()[webhook];
        webhook.rules.as_ref().unwrap()[0]
            .api_groups
            .clone()
            .unwrap()
    };
    assert_eq!(rule(0), ["storage.azure.com"], "somebody else's");
    for webhook in 1..=3 {
        assert_eq!(rule(webhook), ["new.azure.com", "storage.azure.com"]);
    }
    assert_eq!(rule(4), [""], "namespaces");
    let mut webhooks = after.0.webhooks.iter().flatten();
    let definitions = webhooks.find(|webhook| webhook.name == CRD_WEBHOOK);
    let condition = &definitions.unwrap().match_conditions.as_ref().unwrap()[0].expression;
    let expected = "oldObject.spec.group in ['new.azure.com', 'storage.azure.com']";
    assert_eq!(condition, expected);
    // What is no longer installed stays: ASO may install it again at any time.
    let none = BTreeSet::new();
    let wanted = DesiredConfiguration {
        trust: None,
        path: None,
        groups: &none,
    };
    assert_eq!(after.patch(&wanted, now), None);
}

/// As an older version printed it.
#[test]
fn an_older_configuration_is_asked_about_all_of_a_namespace() {
    let now = Timestamp::now();
    let (groups, newer) = (BTreeSet::new(), configuration(&["storage.azure.com"]));
    let wanted = DesiredConfiguration {
        trust: None,
        path: None,
        groups: &groups,
    };
    assert_eq!(newer.patch(&wanted, now), None);
    let mut older = configuration(&["storage.azure.com"]);
    for webhook in older.0.webhooks.iter_mut().flatten() {
        if [NAMESPACE_WEBHOOK, MODE_WEBHOOK].contains(&&*webhook.name) {
            webhook.rules.as_mut().unwrap()[0].resources = Some(vec!["namespaces".to_owned()]);
        }
        if webhook.name == MODE_WEBHOOK {
            let condition = &mut webhook.match_conditions.as_mut().unwrap()[0];
            "sets-the-mode".clone_into(&mut condition.name);
            condition.expression = "true".to_owned();
            webhook.object_selector = Some(LabelSelector {
                match_labels: Some([("a".to_owned(), "b".to_owned())].into()),
                ..LabelSelector::default()
            });
        }
    }
    let patch = older.patch(&wanted, now).unwrap();
    let after = patched(&older, &patch);
    assert_eq!(after.patch(&wanted, now), None);
    for webhook in after.0.webhooks.iter().flatten() {
        let found = newer.0.webhooks.iter().flatten();
        let same = found
            .into_iter()
            .find(|one| one.name == webhook.name)
            .unwrap();
        assert_eq!(webhook.rules, same.rules, "{}", webhook.name);
        assert_eq!(webhook.match_conditions, same.match_conditions);
        let selects = webhook.object_selector.clone().unwrap_or_default();
        assert_eq!(selects, same.object_selector.clone().unwrap_or_default());
    }
}

#[test]
fn a_configuration_without_webhooks_of_the_guards_is_none() {
    let mut empty = configuration(&[]);
    empty.0.webhooks.as_mut().unwrap().truncate(1);
    assert_eq!(empty.bundle(), None::<BTreeSet<Ca>>);
}

#[rstest]
#[case::of_a_url(
    WebhookTarget::Url("https://10.0.0.1:8443/validate".to_owned()),
    "https://10.0.0.1:8443/validate/"
)]
#[case::behind_a_proxy(
    WebhookTarget::Url("https://proxy/guard/validate".to_owned()),
    "https://proxy/guard/validate/"
)]
#[case::of_a_service(
    WebhookTarget::Service {
        namespace: "n".to_owned(),
        name: "s".to_owned(),
        path: "/validate".to_owned(),
    },
    "/validate/"
)]
fn the_path_is_put_into_each_webhook_of_the_guards_and_into_no_other(
    #[case] target: WebhookTarget,
    #[case] expected: &str,
) {
    let now = Timestamp::now();
    let mut after = configured(target, &["storage.azure.com"]);
    assert_eq!(after.paths(), BTreeSet::from([None]));
    let groups = BTreeSet::new();
    for secret in [PathSecret::random(), PathSecret::random()] {
        let wanted = DesiredConfiguration {
            trust: None,
            path: Some(&secret),
            groups: &groups,
        };
        after = patched(&after, &after.patch(&wanted, now).unwrap());
        assert_eq!(after.paths(), BTreeSet::from([Some(secret.clone())]));
        assert_eq!(after.patch(&wanted, now), None);
        let own = &after.0.webhooks.as_ref().unwrap()[1].client_config;
        let service = own
            .service
            .as_ref()
            .and_then(|service| service.path.as_ref());
        let url = own.url.as_ref().or(service).unwrap();
        assert_eq!(*url, format!("{expected}{}", secret.reveal()));
    }
    let foreign = &after.0.webhooks.as_ref().unwrap()[0].client_config;
    assert!(!format!("{foreign:?}").contains("/validate/"));
    assert!(after.is_left_alone());
    after.0.metadata.annotations = None;
    assert!(!after.is_left_alone());
}

#[test]
fn a_path_that_is_none_of_the_guards_is_not_taken() {
    let target = WebhookTarget::Url("https://10.0.0.1/validate/short".to_owned());
    let before = configured(target, &["storage.azure.com"]);
    assert_eq!(before.paths(), BTreeSet::new());
    let elsewhere = WebhookTarget::Url("https://10.0.0.1/".to_owned());
    let before = configured(elsewhere, &["storage.azure.com"]);
    let (secret, groups) = (PathSecret::random(), BTreeSet::new());
    let wanted = DesiredConfiguration {
        trust: None,
        path: Some(&secret),
        groups: &groups,
    };
    assert_eq!(before.patch(&wanted, Timestamp::now()), None);
}
