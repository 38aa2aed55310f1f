//! Why an object's resource can't be told, in words for a person.

use super::id::{ArmIdError, SegmentError};
use crate::object::ObjectKey;

/// Why it is not known which resource an object stands for. Each message says
/// what is missing and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Neither the table nor the installed CRD tells what the kind is in Azure.
    #[error(
        "aso-guard does not know what {kind}.{group} is in Azure: its table lacks the kind, and \
         the installed CRD does not say; update aso-guard, or install ASO's CRD with its descriptions"
    )]
    UnknownKind {
        /// The API group.
        group: String,
        /// The kind.
        kind: String,
    },
    /// No owner where one is needed.
    #[error(
        "{object} has no spec.owner; set spec.owner.name to {wanted} it belongs to, or spec.owner.armId"
    )]
    NoOwner {
        /// The object without an owner.
        object: Box<ObjectKey>,
        /// What the owner has to be, such as `the ResourceGroup`.
        wanted: String,
    },
    /// An owner by name and by ARM ID at once.
    #[error(
        "{object} names its owner twice, in Kubernetes and by armId; keep one of the two in spec.owner"
    )]
    OwnerTwice {
        /// The object with two owners.
        object: Box<ObjectKey>,
    },
    /// An extension resource whose owner lacks its group, kind or name.
    #[error("spec.owner of {object} lacks its {missing}; the owner of a {} needs group, kind and name, or armId", object.kind)]
    OwnerIncomplete {
        /// The object.
        object: Box<ObjectKey>,
        /// The field that is missing.
        missing: &'static str,
    },
    /// The owner's group or kind is not the one that the object's kind implies.
    #[error("spec.owner of {object} says {found}, and a {} belongs to a {wanted}; leave group and kind out of spec.owner", object.kind)]
    OwnerOfOtherKind {
        /// The object.
        object: Box<ObjectKey>,
        /// `kind.group` as given.
        found: String,
        /// `kind.group` as it should be.
        wanted: String,
    },
    /// The owner is not there, and nothing else tells where the resource lies.
    #[error(
        "{object} belongs to {owner}, which is not there, so nobody can tell where in Azure it lies; apply {owner} first"
    )]
    OwnerMissing {
        /// The object whose owner is missing.
        object: Box<ObjectKey>,
        /// The owner that is missing.
        owner: Box<ObjectKey>,
    },
    /// The caller did not look the owner up, or found another object.
    #[error("{object} belongs to {owner}, which was not looked up; try again")]
    OwnerNotRead {
        /// The object.
        object: Box<ObjectKey>,
        /// The owner that is not among those found.
        owner: Box<ObjectKey>,
    },
    /// An object that is, by way of its owners, its own owner.
    #[error(
        "{object} is its own owner, by way of spec.owner of its owners; let one of them belong to something else"
    )]
    Cycle {
        /// An object of the circle.
        object: Box<ObjectKey>,
    },
    /// More owners above an object than any resource has.
    #[error("{object} has more than {limit} owners above it; give one of them its owner by armId")]
    TooManyOwners {
        /// The object at the bottom.
        object: Box<ObjectKey>,
        /// How many are followed.
        limit: usize,
    },
    /// An extension resource on something that is no ARM resource.
    #[error(
        "{object} belongs to {owner}, which is not an Azure resource; choose an owner that is one"
    )]
    OwnerNotAResource {
        /// The object.
        object: Box<ObjectKey>,
        /// Its owner.
        owner: Box<ObjectKey>,
    },
    /// The owner's ARM ID is none.
    #[error("spec.owner.armId of {object} is not an ARM ID: {why}")]
    OwnerArmId {
        /// The object.
        object: Box<ObjectKey>,
        /// What is wrong with it.
        why: ArmIdError,
    },
    /// The owner's ARM ID is of another type than the object's kind needs.
    #[error("spec.owner.armId of {object} is the ID of a {found}, and a {} belongs to a {wanted}", object.kind)]
    OwnerArmIdType {
        /// The object.
        object: Box<ObjectKey>,
        /// The type of the ARM ID.
        found: String,
        /// The type that is needed.
        wanted: String,
    },
    /// No subscription for a resource that lies in one.
    #[error(
        "the Azure subscription of {object} is not known; check that the secret with its credential \
         is there and has AZURE_SUBSCRIPTION_ID"
    )]
    NoSubscription {
        /// The object.
        object: Box<ObjectKey>,
    },
    /// The same, and it is known why.
    #[error("{why}")]
    NoCredential {
        /// In words for a person.
        why: String,
    },
    /// A subscription that can't be part of an ARM ID.
    #[error("AZURE_SUBSCRIPTION_ID of the credential of {object} is not a subscription: {why}")]
    BadSubscription {
        /// The object.
        object: Box<ObjectKey>,
        /// What is wrong with it.
        why: SegmentError,
    },
    /// A name that ASO takes from a ConfigMap, and hasn't yet.
    #[error(
        "{object} takes its name in Azure from a ConfigMap (spec.azureNameFromConfig), and ASO has not read it yet"
    )]
    NameFromConfig {
        /// The object.
        object: Box<ObjectKey>,
    },
    /// A random name that ASO's webhook hasn't filled in.
    #[error(
        "{object} asks for a random name in Azure, and ASO's webhook has not filled in spec.azureName; check that it runs"
    )]
    RandomName {
        /// The object.
        object: Box<ObjectKey>,
    },
    /// A naming convention that ASO doesn't know.
    #[error(
        "{object} has the namingConvention {convention}, and ASO knows `stable` and `random`; correct it, or set spec.azureName"
    )]
    NamingConvention {
        /// The object.
        object: Box<ObjectKey>,
        /// The value, quoted.
        convention: String,
    },
    /// An Entra object that ASO hasn't found or made yet.
    #[error(
        "{object} has no Entra object ID yet; ASO sets it once it has found or made the object"
    )]
    NoEntraId {
        /// The object.
        object: Box<ObjectKey>,
    },
    /// A name that would make another ARM ID.
    #[error("the name of {object} in Azure can't be {name}: {why}; correct spec.azureName")]
    BadName {
        /// The object.
        object: Box<ObjectKey>,
        /// The name, quoted.
        name: String,
        /// What is wrong with it.
        why: SegmentError,
    },
    /// A child-resource-id-override that is no ARM ID.
    #[error(
        "the annotation serviceoperator.azure.com/child-resource-id-override of {owner} is not an ARM ID: {why}"
    )]
    BadOverride {
        /// The object with the annotation.
        owner: Box<ObjectKey>,
        /// What is wrong with it.
        why: ArmIdError,
    },
    /// A child-resource-id-override where ASO can't follow it.
    #[error(
        "{owner} has the annotation serviceoperator.azure.com/child-resource-id-override, which ASO follows \
         only from an extension resource to an owner without an owner; give {object} its owner by armId"
    )]
    OverrideOutOfPlace {
        /// The object below.
        object: Box<ObjectKey>,
        /// The object with the annotation.
        owner: Box<ObjectKey>,
    },
    /// The ID would be longer than any ARM ID.
    #[error("the ID of {object} can't be used: {why}")]
    BadId {
        /// The object.
        object: Box<ObjectKey>,
        /// What is wrong with it.
        why: ArmIdError,
    },
}

impl Unresolved {
    /// A short token for metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownKind { .. } => "unknown-kind",
            Self::NoOwner { .. } | Self::OwnerIncomplete { .. } => "no-owner",
            Self::OwnerTwice { .. }
            | Self::OwnerOfOtherKind { .. }
            | Self::OwnerNotAResource { .. }
            | Self::OwnerArmId { .. }
            | Self::OwnerArmIdType { .. }
            | Self::Cycle { .. }
            | Self::TooManyOwners { .. } => "bad-owner",
            Self::OwnerMissing { .. } => "owner-missing",
            Self::OwnerNotRead { .. } => "owner-not-read",
            Self::NoSubscription { .. }
            | Self::NoCredential { .. }
            | Self::BadSubscription { .. } => "no-subscription",
            Self::NameFromConfig { .. } | Self::RandomName { .. } | Self::NoEntraId { .. } => {
                "name-pending"
            }
            Self::NamingConvention { .. } | Self::BadName { .. } | Self::BadId { .. } => "bad-name",
            Self::BadOverride { .. } | Self::OverrideOutOfPlace { .. } => "bad-override",
        }
    }

    /// Whether something is only not known, rather than contradictory: it may
    /// become known without the object being changed.
    pub fn is_pending(&self) -> bool {
        matches!(
            self.reason(),
            "unknown-kind"
                | "owner-missing"
                | "owner-not-read"
                | "no-subscription"
                | "name-pending"
        )
    }
}
