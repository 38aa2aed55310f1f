//! What is put right, and what is said of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
use parking_lot::Mutex;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::admission::Exempt;
use crate::admission::registration::{
    ByVerb, FailurePolicy, NO_ENFORCER, Registration, UNMANAGED_ANNOTATION, WebhookTarget,
};
use crate::arm::Kinds;
use crate::webhook_controller::tests::patched;

/// Keeps the notices that Events are made of.
#[derive(Default)]
struct Recorded(Mutex<Vec<Notice>>);

impl Notices for Recorded {
    fn report(&self, notice: Notice) {
        let mut all = self.0.lock();
        all.push(notice);
    }
}

struct Scene {
    repairs: Repairs,
    notices: Arc<Recorded>,
    gaps: watch::Receiver<Vec<String>>,
    now: i64,
}

impl Scene {
    fn new(restores: bool) -> Self {
        let notices = Arc::new(Recorded::default());
        let (sender, gaps) = watch::channel(Vec::new());
        let report = WebhookReport {
            context: "west".to_owned(),
            notices: notices.clone(),
            metrics: WebhookMetrics::default(),
            gaps: sender,
        };
        Self {
            repairs: Repairs::new("aso-guard".to_owned(), restores, report),
            notices,
            gaps,
            now: 1000,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    fn look(&mut self, stored: Option<&WebhookConfiguration>) -> Repair {
        self.now += 1;
        let now = self.now();
        self.repairs.look(stored, now)
    }

    fn ends(&mut self, outcome: &RepairOutcome) {
        let now = self.now();
        self.repairs.repaired(outcome, now);
    }

    /// The reasons and the messages since the last time.
    fn said(&self) -> Vec<(&'static str, String)> {
        let notices = std::mem::take(&mut *self.notices.0.lock());
        let said = notices.into_iter();
        said.map(|one| (one.reason, one.message)).collect()
    }
}

/// As the guard prints it, stored.
fn installed() -> WebhookConfiguration {
    let kinds = Kinds::builtin();
    let registration = Registration {
        target: WebhookTarget::Service {
            namespace: "guard".to_owned(),
            name: "guard".to_owned(),
            path: "/validate/secret".to_owned(),
        },
        ca: Some(b"PEM".to_vec()),
        groups: kinds.groups().chain(["new.azure.com"]).collect(),
        on_failure: ByVerb::both(FailurePolicy::Fail),
        timeout_seconds: ByVerb::both(10),
        exempt: Exempt::default(),
    };
    let mut configuration = registration.configuration();
    let meta = &mut configuration.metadata;
    meta.resource_version = Some("7".to_owned());
    meta.uid = Some("uid".to_owned());
    let wrote = |manager: &str, second| ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        time: Some(Time(Timestamp::from_second(second).unwrap())),
        ..ManagedFieldsEntry::default()
    };
    meta.managed_fields = Some(vec![
        wrote("helm", 1),
        wrote("kubectl-edit", 2),
        wrote(MANAGER, 3),
    ]);
    WebhookConfiguration(configuration)
}

fn changed(change: impl FnOnce(&mut Value)) -> WebhookConfiguration {
    let mut stored = serde_json::to_value(installed().0).unwrap();
    change(&mut stored);
    WebhookConfiguration(serde_json::from_value(stored).unwrap())
}

#[rstest]
#[case::ignored("failurePolicy", json!("Ignore"))]
#[case::no_update("rules", json!([{"apiGroups": ["new.azure.com"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}]))]
#[case::no_rule("rules", json!([]))]
#[case::some_namespaces("namespaceSelector", json!({"matchLabels": {"team": "blue"}}))]
#[case::some_objects("objectSelector", json!({"matchLabels": {"team": "blue"}}))]
#[case::never("matchConditions", json!([{"name": "never", "expression": "false"}]))]
#[case::exact("matchPolicy", json!("Exact"))]
#[case::no_time("timeoutSeconds", json!(1))]
#[case::elsewhere("clientConfig", json!({"url": "https://elsewhere/validate"}))]
#[case::no_ca("clientConfig", json!({"service": {"namespace": "guard", "name": "guard", "path": "/validate/secret", "port": 443}}))]
#[case::not_there("name", json!("other.example.com"))]
fn each_weakening_is_found_and_put_right(#[case] member: &str, #[case] value: Value) {
    for at in [0, 2, 3, 4, 5] {
        let mut scene = Scene::new(true);
        assert!(matches!(scene.look(Some(&installed())), Repair::None(None)));
        let weakened = changed(|stored| stored["webhooks"][at][member] = value.clone());
        let Repair::Patch(patch) = scene.look(Some(&weakened)) else {
            // Of a namespace's own kind and of CRDs, there are no objects to narrow.
            panic!("webhook {at}: {:?}", weakened.0.webhooks.unwrap()[at]);
        };
        assert!(!scene.gaps.borrow().is_empty());
        let again = patched(&weakened, &patch);
        assert!(
            matches!(scene.look(Some(&again)), Repair::None(None)),
            "{patch}"
        );
        assert_eq!(*scene.gaps.borrow(), [""; 0], "{patch}");
        let webhooks = again.0.webhooks.unwrap();
        let of_objects = webhooks
            .iter()
            .find(|webhook| webhook.name.starts_with("write."));
        let rules = of_objects.unwrap().rules.as_ref().unwrap();
        let groups = rules[0].api_groups.as_ref().unwrap();
        assert!(groups.contains(&"new.azure.com".to_owned()) || at == 0);
        for webhook in webhooks
            .iter()
            .filter(|one| one.name.ends_with(".asoguard.io"))
        {
            let target = &webhook.client_config;
            let path = target.service.as_ref().unwrap().path.as_deref();
            assert_eq!(path, Some("/validate/secret"), "{patch}");
            assert!(target.ca_bundle.is_some(), "{patch}");
        }
    }
}

#[test]
fn the_annotation_for_aks_is_put_back() {
    let mut scene = Scene::new(true);
    let weakened = changed(|stored| {
        let annotations = stored["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove(NO_ENFORCER);
    });
    let Repair::Patch(patch) = scene.look(Some(&weakened)) else {
        panic!("nothing to do");
    };
    let expected = json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/metadata/annotations/admissions.enforcer~1disabled", "value": "true"},
    ]);
    assert_eq!(patch, expected);
}

#[test]
fn all_webhooks_gone_come_back() {
    let mut scene = Scene::new(true);
    scene.look(Some(&installed()));
    let weakened = changed(|stored| stored["webhooks"] = json!(null));
    let Repair::Patch(patch) = scene.look(Some(&weakened)) else {
        panic!("nothing to do");
    };
    let again = patched(&weakened, &patch);
    assert!(matches!(scene.look(Some(&again)), Repair::None(None)));
    assert_eq!(*scene.gaps.borrow(), [""; 0]);
}

#[test]
fn what_was_done_is_said_with_who_did_it() {
    let mut scene = Scene::new(true);
    let weakened = changed(|stored| stored["webhooks"][2]["failurePolicy"] = json!("Ignore"));
    scene.look(Some(&weakened));
    scene.ends(&RepairOutcome::Done);
    insta::assert_snapshot!(scene.said()[0].1);
    // Another replica was quicker.
    scene.look(Some(&weakened));
    scene.ends(&RepairOutcome::Conflict);
    assert_eq!(scene.said(), []);
}

#[test]
fn what_cannot_be_done_is_said_once() {
    let mut scene = Scene::new(true);
    let weakened = changed(|stored| stored["webhooks"][2]["failurePolicy"] = json!("Ignore"));
    for _ in 0..3 {
        scene.look(Some(&weakened));
        scene.ends(&RepairOutcome::Failed("may not patch it".to_owned()));
    }
    let said = scene.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].0, "WebhookGaps");
    insta::assert_snapshot!(said[0].1);
}

#[test]
fn somebody_who_keeps_changing_it_is_named() {
    let mut scene = Scene::new(true);
    let weakened = changed(|stored| stored["webhooks"][2]["failurePolicy"] = json!("Ignore"));
    for _ in 0..3 {
        scene.look(Some(&weakened));
        scene.ends(&RepairOutcome::Done);
        scene.look(Some(&installed()));
    }
    scene.said();
    assert!(matches!(scene.look(Some(&weakened)), Repair::None(Some(_))));
    insta::assert_snapshot!(scene.said()[0].1);
}

#[test]
fn what_people_want_so_is_left_so_and_shown() {
    let mut scene = Scene::new(true);
    let meant = changed(|stored| {
        stored["webhooks"][2]["failurePolicy"] = json!("Ignore");
        stored["metadata"]["annotations"][UNMANAGED_ANNOTATION] = json!("the hub moves today");
    });
    assert!(matches!(scene.look(Some(&meant)), Repair::None(None)));
    assert_eq!(scene.gaps.borrow().len(), 1);
    insta::assert_snapshot!(scene.said()[0].1);
    // And its deletion.
    scene.now += 100;
    assert!(matches!(scene.look(None), Repair::None(None)));
}

/// As of before guards kept it: nobody knows what was chosen.
#[test]
fn what_does_not_say_how_it_was_installed_is_shown_and_left() {
    let mut scene = Scene::new(true);
    let old = |change: &dyn Fn(&mut Value)| {
        changed(|stored| {
            stored["metadata"]["annotations"] = json!(null);
            change(stored);
        })
    };
    let chosen = old(&|stored| stored["webhooks"][2]["failurePolicy"] = json!("Ignore"));
    scene.look(Some(&chosen));
    assert_eq!(scene.said(), []);
    let weakened = old(&|stored| stored["webhooks"][2]["rules"] = json!([]));
    assert!(matches!(scene.look(Some(&weakened)), Repair::None(None)));
    insta::assert_snapshot!(scene.said()[0].1);
}

#[test]
fn a_deleted_configuration_is_made_again_as_it_was() {
    let mut scene = Scene::new(true);
    scene.look(Some(&installed()));
    assert!(matches!(scene.look(None), Repair::None(Some(_))));
    assert_eq!(scene.said()[0].0, "WebhookDeleted");
    scene.now += 10;
    let Repair::Restore(whole) = scene.look(None) else {
        panic!("nothing to do");
    };
    assert_eq!(*whole, installed().0);
    scene.ends(&RepairOutcome::Done);
    let said = scene.said();
    assert_eq!(said[0].0, "WebhookRepaired");
    insta::assert_snapshot!(said[0].1);
    scene.look(Some(&installed()));
    // Deleted once more.
    scene.now += 10;
    assert!(matches!(scene.look(None), Repair::None(None)));
    insta::assert_snapshot!(scene.said()[0].1);
}

#[test]
fn without_an_owner_a_deleted_configuration_is_only_shown() {
    let mut scene = Scene::new(false);
    scene.look(Some(&installed()));
    for _ in 0..10 {
        assert!(matches!(scene.look(None), Repair::None(_)));
    }
    let said = scene.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(scene.gaps.borrow().len(), 1);
}

/// Somebody may start the guard before its registration: that is no Event.
#[test]
fn one_that_never_was_there_is_shown_without_an_event() {
    let mut scene = Scene::new(true);
    scene.look(None);
    assert_eq!(scene.said(), []);
    assert_eq!(scene.gaps.borrow().len(), 1);
}
