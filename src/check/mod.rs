//! Several clusters against each other, without asking any of them: what their manifests, or
//! objects that were read before, would come to.
//!
//! The decisions are those of the guard: [`crate::arm::resolve`] tells which resource an
//! object stands for, [`crate::policy::effective`] whether it is live, and the claims are made
//! by [`crate::claim::observe`], as the observer of each cluster would.

mod cluster;
mod finding;
pub mod manifest;
mod place;
mod rules;
pub mod yaml;

pub use cluster::{CheckedCluster, ClusterSettings, NamespaceSettings, Unknown};
pub use finding::{ComparisonSummary, Finding, Level, Related, Rule};
pub use manifest::{
    Document, Documents, FieldLocations, Manifest, SecretManifest, is_subscription, read,
};
pub use place::{Location, Position};
pub use rules::{CheckResult, CheckedObject, check};
