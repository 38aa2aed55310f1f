//! Requests that are held between the guard's yes and the store: a second webhook, that the API
//! server waits for as well, takes its time.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::lab::yes::Yes;
use crate::trial::{SECOND_WEBHOOK, Trial};

/// How long a request is held: shorter than the API servers' request timeout of 5 s.
const HOLD: Duration = Duration::from_millis(3_500);

/// The second webhook of cluster A. The next trial takes its registration away.
pub struct Held(Yes);

impl Held {
    /// Registers it for what is done to resource groups in the trial's namespace.
    pub async fn in_a(trial: &Trial) -> Self {
        let yes = match Yes::start(trial.a.plane.directory()).await {
            Ok(yes) => yes,
            Err(error) => panic!("the second webhook: {error:#}"),
        };
        let ca = k8s_openapi::ByteString(fs::read(yes.ca_file()).unwrap());
        let client = json!({"url": yes.url(), "caBundle": ca});
        let webhook = second_webhook(&client, trial.name, &["CREATE", "UPDATE", "DELETE"]);
        trial.a.person.apply(&webhook).await.admitted();
        let held = Self(yes);
        held.begin();
        let probe = trial.resource_group("held-probe");
        eventually("the API server to ask the second webhook", async || {
            let sent = std::time::Instant::now();
            trial.a.person.dry_run().create(&probe).await?;
            anyhow::ensure!(sent.elapsed() >= HOLD, "answered in {:?}", sent.elapsed());
            Ok(())
        })
        .await;
        held.end();
        held
    }

    /// Requests are held from now on.
    pub fn begin(&self) {
        self.0.set_pause(HOLD);
    }

    /// New ones are not any more.
    pub fn end(&self) {
        self.0.set_pause(Duration::ZERO);
    }
}

/// A webhook beside the guard's, that the API server may not do without.
pub fn second_webhook(client: &Value, namespace: &str, operations: &[&str]) -> Object {
    let name = SECOND_WEBHOOK;
    let api = "admissionregistration.k8s.io/v1";
    Object::new(api, "ValidatingWebhookConfiguration", name).with(
        "/webhooks",
        json!([{
            "name": "second.example.com",
            "clientConfig": client,
            "rules": [{
                "apiGroups": ["resources.azure.com"], "apiVersions": ["*"],
                "resources": ["resourcegroups"], "operations": operations,
            }],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 5,
        }]),
    )
}
