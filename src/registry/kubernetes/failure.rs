//! What a call that failed means, and what to do about it.

use crate::object::text::causes;
use crate::registry::RegistryError;

use super::KubernetesRegistry;

impl KubernetesRegistry {
    pub(super) fn error(&self, error: &kube::Error) -> RegistryError {
        let registry = self.name.clone();
        match error {
            kube::Error::Api(status) if status.code == 401 => RegistryError::Forbidden {
                registry,
                why: format!(
                    "{}: its kubeconfig's credential is not accepted (any more). A kubeconfig is \
                     read at the start; if it was replaced, restart aso-guard: \
                     kubectl rollout restart",
                    status.message
                ),
            },
            kube::Error::Api(status) if matches!(status.code, 403 | 422) => {
                RegistryError::Forbidden {
                    registry,
                    why: status.message.clone(),
                }
            }
            kube::Error::Api(status) if status.code == 404 => RegistryError::Unavailable {
                registry,
                why: format!(
                    "it has no Claim, Member and Transfer resources; install them with: \
                     aso-guard crds | kubectl{} apply -f -",
                    self.kubectl_flags
                ),
            },
            kube::Error::Api(status) => RegistryError::Unavailable {
                registry,
                why: status.message.clone(),
            },
            error => RegistryError::Unavailable {
                registry,
                why: causes(error),
            },
        }
    }
}
