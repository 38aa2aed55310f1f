//! Claims as a file has them.

use kube::ResourceExt as _;

use super::convert;
use super::crd::{Claim, EPOCH};
use crate::claim::Record;

/// The records in what `kubectl get claims.asoguard.io -o json` printed.
///
/// # Errors
/// It is something else, or a claim in it cannot be read; for a person.
pub fn snapshot(json: &str) -> Result<Vec<Record>, SnapshotError> {
    let list: ClaimList = serde_json::from_str(json)?;
    let read = |claim: &Claim| {
        let name = claim.name_any();
        convert::from_claim(claim).map_err(|why| SnapshotError::Claim { name, why })
    };
    let claims = list.items.iter().filter(|one| one.name_any() != EPOCH);
    claims.map(read).collect()
}

/// A text is no snapshot of a registry.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not a list of claims in JSON.
    #[error("this is not what kubectl get claims.asoguard.io -o json prints: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A claim in it cannot be read.
    #[error("the claim {name} cannot be read: {why}")]
    Claim {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Claims, as they are listed.
#[derive(serde::Deserialize)]
struct ClaimList {
    items: Vec<Claim>,
}
