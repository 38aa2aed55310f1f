//! Nothing is given on while a fleet moves from one registry to another one: what is taken over in
//! one would not be so in the other.

use crate::registry::Registry;

use super::FailoverError;

/// That the fleet does not move from the registry, or to it.
///
/// # Errors
/// [`FailoverError::Moving`], or the registry did not answer.
pub(super) async fn not_moving(registry: &dyn Registry) -> Result<(), FailoverError> {
    let epoch = registry.epoch().await?;
    match epoch.and_then(|known| known.record.migration) {
        None => Ok(()),
        Some(_) => Err(FailoverError::Moving),
    }
}
