//! Why an enrolment did not go on.

use crate::cluster::ClusterError;
use crate::registry::RegistryError;

/// Why an enrolment did not go on.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The cluster's API server did not.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
