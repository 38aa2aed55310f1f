//! What was chosen when a webhook configuration was installed: what happens without an answer, how
//! long API servers wait, who is exempt, where the guard is.
//!
//! Whatever makes the configuration writes the choices into an annotation of it, in one go. So a
//! choice can be told from a change of a field by somebody, and a guard that still runs while
//! `helm upgrade` brings other choices does not turn them back.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use serde::{Deserialize, Serialize};

use super::{FailurePolicy, NO_ENFORCER, PATH, WebhookTarget};
use crate::admission::privileges::Exempt;

/// The annotation with the choices.
pub const INSTALLED_ANNOTATION: &str = "asoguard.io/installed";
/// The annotation by which people have a guard leave its webhook configuration as they made it, or
/// deleted. Its value says why.
pub const UNMANAGED_ANNOTATION: &str = "asoguard.io/unmanaged";
/// The version of this program, whose rules and conditions a configuration may have.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A value for CREATE and UPDATE, and one for DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByVerb<T> {
    /// For DELETE.
    pub delete: T,
    /// For CREATE and UPDATE.
    pub write: T,
}

impl<T: Copy> ByVerb<T> {
    /// The same for all.
    pub fn both(value: T) -> Self {
        Self {
            write: value,
            delete: value,
        }
    }

    /// That of a webhook, by whether it is asked about deletes.
    pub fn of(self, deletes: bool) -> T {
        if deletes { self.delete } else { self.write }
    }
}

/// What was chosen; its fields, and those of its parts, in the order of letters, as Helm writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    /// What API servers are not to ask about.
    pub exempt: Exempt,
    /// What happens without an answer.
    pub on_failure: ByVerb<FailurePolicy>,
    /// Where the guard is.
    pub target: InstalledTarget,
    /// How long API servers wait for an answer (1 to 30).
    pub timeout_seconds: ByVerb<u8>,
    /// The version of the program whose rules and conditions they are.
    pub version: String,
}

/// Where the guard is, without what is secret of its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InstalledTarget {
    /// At a URL that ends in [`PATH`].
    Url(String),
    /// At a Service.
    Service {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
        /// Its port.
        port: i32,
    },
}

impl Installed {
    /// The choices that a configuration states; `None` where it states none that can be read.
    pub fn stated(configuration: &ValidatingWebhookConfiguration) -> Option<Self> {
        let annotations = configuration.metadata.annotations.as_ref()?;
        serde_json::from_str(annotations.get(INSTALLED_ANNOTATION)?).ok()
    }

    /// Whether the rules and conditions are those of this version of the program.
    pub fn is_of_this_version(&self) -> bool {
        self.version == VERSION
    }

    pub(super) fn of(
        target: &WebhookTarget,
        on_failure: ByVerb<FailurePolicy>,
        timeout_seconds: ByVerb<u8>,
        exempt: &Exempt,
    ) -> Self {
        Self {
            version: VERSION.to_owned(),
            on_failure,
            timeout_seconds,
            exempt: exempt.clone(),
            target: InstalledTarget::of(target),
        }
    }
}

impl InstalledTarget {
    fn of(target: &WebhookTarget) -> Self {
        match target {
            WebhookTarget::Url(url) => Self::Url(without_secret(url).to_owned()),
            WebhookTarget::Service {
                namespace, name, ..
            } => Self::Service {
                namespace: namespace.clone(),
                name: name.clone(),
                port: 443,
            },
        }
    }
}

/// A URL up to the guard's path.
pub fn without_secret(url: &str) -> &str {
    url.rsplit_once(PATH)
        .map_or(url, |(before, _)| &url[..before.len() + PATH.len()])
}

/// The URL by which an API server calls, its secret part included.
pub fn target_url(target: &WebhookClientConfig) -> String {
    if let Some(url) = &target.url {
        return url.clone();
    }
    let service = target.service.clone().unwrap_or_default();
    let (name, namespace) = (service.name, service.namespace);
    let port = service.port.unwrap_or(443);
    let path = service.path.unwrap_or_default();
    format!("https://{name}.{namespace}.svc:{port}{path}")
}

/// Why people have the guard leave its configuration alone, where they do.
pub fn unmanaged(configuration: &ValidatingWebhookConfiguration) -> Option<&str> {
    let annotations = configuration.metadata.annotations.as_ref()?;
    annotations.get(UNMANAGED_ANNOTATION).map(String::as_str)
}

/// Whether AKS leaves a configuration as it is.
pub fn is_left_alone(configuration: &ValidatingWebhookConfiguration) -> bool {
    let annotations = configuration.metadata.annotations.as_ref();
    annotations.is_some_and(|all| all.get(NO_ENFORCER).is_some_and(|value| value == "true"))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::admissionregistration::v1::ServiceReference;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_service_is_called_by_its_name_in_the_cluster() {
        let target = WebhookClientConfig {
            service: Some(ServiceReference {
                namespace: "aso-guard".to_owned(),
                name: "guard".to_owned(),
                path: Some("/validate".to_owned()),
                port: None,
            }),
            ..WebhookClientConfig::default()
        };
        let url = "https://guard.aso-guard.svc:443/validate";
        assert_eq!(target_url(&target), url);
    }

    #[rstest]
    #[case("https://a.b.svc:443/validate", "https://a.b.svc:443/validate")]
    #[case(
        "https://a.b.svc:443/validate/0123456789",
        "https://a.b.svc:443/validate"
    )]
    #[case("https://elsewhere/", "https://elsewhere/")]
    fn the_secret_part_of_a_path_is_not_shown(#[case] url: &str, #[case] shown: &str) {
        assert_eq!(without_secret(url), shown);
    }
}
