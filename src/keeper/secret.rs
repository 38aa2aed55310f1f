//! The Secret that the replicas share: changed only by compare-and-set.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use super::plan::{Generation, Stored};
use super::{KeeperError, call};

/// The serving certificate.
const CERTIFICATE: &str = "tls.crt";
/// Its key.
const KEY: &str = "tls.key";
/// The CA that it is from.
const CA: &str = "ca.crt";

/// A Secret by its name.
pub(super) struct SharedSecret {
    api: Api<Secret>,
    /// `secret NAMESPACE/NAME`, for messages.
    what: String,
    namespace: String,
    name: String,
}

impl SharedSecret {
    pub(super) fn new(api: Api<Secret>, namespace: &str, name: &str) -> Self {
        Self {
            api,
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
    pub(super) async fn read(&self) -> Result<Option<Secret>, KeeperError> {
        call(&self.what, "get", self.api.get_opt(&self.name)).await
    }

    /// What it holds.
    pub(super) fn stored(&self, secret: Option<&Secret>) -> Stored {
        let data = secret.and_then(|secret| secret.data.as_ref());
        let part = |key: &str| {
            let bytes = data.and_then(|data| data.get(key));
            bytes.map_or(&[][..], |bytes| &*bytes.0)
        };
        let (ca, certificate, key) = (part(CA), part(CERTIFICATE), part(KEY));
        // A chart may make it empty.
        if ca.is_empty() && certificate.is_empty() && key.is_empty() {
            return Stored::Nothing;
        }
        match Generation::read(ca, certificate, key, &self.what) {
            Ok(generation) => Stored::Generation(generation),
            Err(why) => Stored::Unusable(why),
        }
    }

    /// Puts a generation in place of what was `seen`. `false`: somebody was quicker.
    pub(super) async fn put(
        &self,
        seen: Option<Secret>,
        generation: &Generation,
    ) -> Result<bool, KeeperError> {
        let params = PostParams::default();
        let exists = seen.is_some();
        let mut secret = seen.unwrap_or_else(|| self.empty());
        let data = secret.data.get_or_insert_default();
        let text = |text: &str| ByteString(text.as_bytes().to_vec());
        data.insert(CERTIFICATE.to_owned(), text(&generation.certificate));
        data.insert(KEY.to_owned(), text(&generation.key));
        data.insert(CA.to_owned(), text(&generation.ca.to_pem()));
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
            type_: Some("kubernetes.io/tls".to_owned()),
            ..Secret::default()
        }
    }
}
