//! A second validating webhook beside the guard's: the API server waits for both, so what the
//! guard said yes to is stored when the slower one has said so.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::lab::yes::Yes;
use crate::random::Random;
use crate::trial::{SECOND_WEBHOOK, Side};

/// How long a request is held: shorter than the API servers' request timeout of 5 s.
const HOLD: Duration = Duration::from_millis(3_500);
/// What a webhook of others takes that asks somebody itself, as Azure Policy does.
const SLOW: (u64, u64) = (50, 250);

/// The second webhook of a cluster. The next trial takes its registration away.
pub struct SecondWebhook(Yes);

impl SecondWebhook {
    /// Registers it for what is done to ASO's objects in the namespace in which people work in
    /// this cluster.
    pub async fn of(side: &Side) -> Self {
        let yes = match Yes::start(side.plane.directory()).await {
            Ok(yes) => yes,
            Err(error) => panic!("the second webhook: {error:#}"),
        };
        let ca = k8s_openapi::ByteString(fs::read(yes.ca_file()).unwrap());
        let client = json!({"url": yes.url(), "caBundle": ca});
        let namespace = side.person.namespace();
        let webhook = registration(&client, namespace, &["CREATE", "UPDATE", "DELETE"]);
        side.person.apply(&webhook).await.admitted();
        let probe = Object::of("ResourceGroup", "second-webhook-probe");
        eventually("the API server to ask the second webhook", async || {
            side.person.dry_run().create(&probe).await?;
            anyhow::ensure!(yes.asked() > 0, "it was not asked");
            Ok(())
        })
        .await;
        Self(yes)
    }

    /// Requests are held from now on, between the guard's yes and the store.
    pub fn hold(&self) {
        self.0.set_pause(HOLD);
    }

    /// They are not any more; those that are held go on.
    pub fn release(&self) {
        self.0.set_pause(Duration::ZERO);
    }

    /// Each request takes some 50 to 250 ms from now on.
    pub fn is_slow(&self, seed: u64) {
        let mut random = Random::new(seed);
        let (least, most) = SLOW;
        self.0.set_pauses(move || random.millis(least, most));
    }
}

/// A webhook beside the guard's, that the API server may not do without.
pub fn registration(client: &Value, namespace: &str, operations: &[&str]) -> Object {
    let name = SECOND_WEBHOOK;
    let api = "admissionregistration.k8s.io/v1";
    Object::new(api, "ValidatingWebhookConfiguration", name).with(
        "/webhooks",
        json!([{
            "name": "second.example.com",
            "clientConfig": client,
            "rules": [{
                "apiGroups": ["resources.azure.com", "storage.azure.com"], "apiVersions": ["*"],
                "resources": ["*"], "operations": operations,
            }],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 5,
        }]),
    )
}
