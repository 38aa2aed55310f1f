//! What is brought into a registry that may have lost it.

use async_trait::async_trait;

use super::EnrolmentError;

/// All copies of the member's cluster.
#[async_trait]
pub trait CopiesOfCluster: Send + Sync {
    /// Makes or corrects the claims of all that the API server has stored now, and of all that the
    /// registry lists as a copy of this cluster. Gives how many objects that is.
    ///
    /// Nothing of it rests on what is remembered: a claim that was made from that where there was
    /// none is safe only where an activation would have left one.
    ///
    /// # Errors
    /// The registry did not answer, or the API server does not give a kind that may be read. An
    /// object that cannot be looked at for a reason of its own is told of, and is no other's
    /// trouble.
    async fn bring_in(&self) -> Result<usize, EnrolmentError>;
}
