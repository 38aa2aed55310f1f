//! The Secret that the replicas share: changed only by compare-and-set.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::WebhookControllerError;
use super::calls::call;
use super::plan::{CertificateGeneration, StoredSecret};
use crate::server::path::PathSecret;

/// The serving certificate.
const CERTIFICATE: &str = "tls.crt";
/// Its key.
const KEY: &str = "tls.key";
/// The CA that it is from.
const CA: &str = "ca.crt";

/// The secret part of the webhook's path.
const PATH: &str = "path";

/// A Secret by its name.
pub(super) struct SharedSecret {
    api: Api<Secret>,
    /// `secret NAMESPACE/NAME`, for messages.
    what: String,
    namespace: String,
    name: String,
}

impl SharedSecret {
    /// `namespace` is the client's own where it is not given.
    pub(super) fn new(client: &Client, namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.unwrap_or(client.default_namespace());
        Self {
            api: Api::namespaced(client.clone(), namespace),
            what: format!("secret {namespace}/{name}"),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What messages call it.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// The Secret as the API server's store has it now.
    pub(super) async fn read(&self) -> Result<Option<Secret>, WebhookControllerError> {
        call(&self.what, "get", self.api.get_opt(&self.name)).await
    }

    /// What it holds.
    pub(super) fn stored(&self, secret: Option<&Secret>) -> StoredSecret {
        let [ca, certificate, key] = [CA, CERTIFICATE, KEY].map(|key| part(secret, key));
        // A chart may make it empty.
        if ca.is_empty() && certificate.is_empty() && key.is_empty() {
            return StoredSecret::Nothing;
        }
        match CertificateGeneration::read(ca, certificate, key, &self.what) {
            Ok(generation) => StoredSecret::Generation(generation),
            Err(why) => StoredSecret::Unusable(why),
        }
    }

    /// Puts a generation in place of what was `seen`, and a new path with it. `false`: somebody
    /// was quicker.
    pub(super) async fn put(
        &self,
        seen: Option<Secret>,
        generation: &CertificateGeneration,
    ) -> Result<bool, WebhookControllerError> {
        let (ca, path) = (generation.ca.to_pem(), PathSecret::random());
        let parts = [
            (CERTIFICATE, &*generation.certificate),
            (KEY, &*generation.key),
            (CA, &*ca),
            (PATH, path.reveal()),
        ];
        self.write(seen, &parts).await
    }

    /// Puts a new path into what was `seen`. `false`: somebody was quicker.
    pub(super) async fn put_path(
        &self,
        seen: Option<Secret>,
    ) -> Result<bool, WebhookControllerError> {
        let path = PathSecret::random();
        self.write(seen, &[(PATH, path.reveal())]).await
    }

    async fn write(
        &self,
        seen: Option<Secret>,
        parts: &[(&str, &str)],
    ) -> Result<bool, WebhookControllerError> {
        let params = PostParams::default();
        let exists = seen.is_some();
        let mut secret = seen.unwrap_or_else(|| self.empty());
        let data = secret.data.get_or_insert_default();
        for &(key, text) in parts {
            data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
        }
        let verb = if exists { "update" } else { "create" };
        let raced = async {
            let answer = if exists {
                self.api.replace(&self.name, &params, &secret).await
            } else {
                self.api.create(&params, &secret).await
            };
            match answer {
                Ok(_) => Ok(true),
                // It changed, is there already, or is gone: look again.
                Err(kube::Error::Api(status))
                    if status.code == 409 || (exists && status.code == 404) =>
                {
                    Ok(false)
                }
                Err(error) => Err(error),
            }
        };
        call(&self.what, verb, raced).await
    }

    fn empty(&self) -> Secret {
        let label = ("app.kubernetes.io/managed-by", "aso-guard");
        Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some([label].map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        }
    }
}

/// The path in a Secret, where it holds one that can be used.
pub(super) fn path_in(secret: Option<&Secret>) -> Option<PathSecret> {
    std::str::from_utf8(part(secret, PATH)).ok()?.parse().ok()
}

fn part<'a>(secret: Option<&'a Secret>, key: &str) -> &'a [u8] {
    let data = secret.and_then(|secret| secret.data.as_ref());
    let bytes = data.and_then(|data| data.get(key));
    bytes.map_or(&[][..], |bytes| &*bytes.0)
}
