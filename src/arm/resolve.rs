//! From an object and its owners to the resource it stands for.
//!
//! The rules are those of ASO's own resolver (v2.19 to v2.21). The caller does
//! the I/O: it asks [`next_owner`] which object to look up, until that says
//! root, then hands what it found to [`resolve`].

use super::chain::{ChainLink, Owner, OwnerLink, chain, kind_of, no_owner, owner_of};
use super::id::{ArmId, ArmIdError, check_segment};
use super::identity::Identity;
use super::kinds::{Kinds, Naming, Scope};
use super::name::{azure_name, other_name};
use super::unresolved::Unresolved;
use crate::object::{ObjectFacts, ObjectKey, not_empty};

/// The type of a resource group, and of the resource IDs that own [`Scope::ResourceGroup`].
const RESOURCE_GROUPS: &str = "Microsoft.Resources/resourceGroups";

/// What is above an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextOwner {
    /// Nothing: resources of this kind have no owner.
    Root,
    /// A resource that `spec.owner.armId` names.
    ArmId,
    /// An object in the same namespace.
    Object(ObjectKey),
}

/// Which resource an object stands for, and what speaks for another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The resource that ASO writes to.
    pub identity: Identity,
    /// Whether the identity rests on a guess: an owner was missing and its
    /// Kubernetes name was taken as its Azure name.
    pub assumed: bool,
    /// Where the identity could not be computed: what it was taken from instead, and
    /// why it could not.
    pub witness: Option<(IdentitySource, Unresolved)>,
    /// Other resources that ASO may act on for this object: the `resource-id`
    /// annotation where it differs (ASO uses it for GET and DELETE), and a
    /// second stable name where ASO's versions differ.
    pub also: Vec<Identity>,
    /// `status.id`, where it differs from [`identity`](Self::identity).
    pub stale_status: Option<Identity>,
    /// What is wrong with the `resource-id` annotation, where it is no ARM ID.
    /// Such an annotation names nothing that could be deleted.
    pub bad_annotation: Option<ArmIdError>,
}

/// What an object is known by where its identity cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// The `resource-id` annotation: ASO deletes what it names, whatever else it knows.
    ResourceId,
    /// `status.id`: what ASO last wrote to.
    StatusId,
    /// The claims that list the object as a copy.
    Claims,
}

/// How messages name it: `its claim`.
impl std::fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ResourceId => "its annotation resource-id",
            Self::StatusId => "its status.id",
            Self::Claims => "its claim",
        })
    }
}

impl Resolution {
    /// What an object is known to stand for, and nothing besides.
    pub fn known(identity: Identity, assumed: bool) -> Self {
        Self {
            identity,
            assumed,
            witness: None,
            also: Vec::new(),
            stale_status: None,
            bad_annotation: None,
        }
    }

    /// What is known of an object by these identities alone, where there is one.
    ///
    /// # Errors
    /// Why the identity cannot be computed, where there is none.
    pub fn by(
        witness: IdentitySource,
        identities: impl IntoIterator<Item = Identity>,
        why: Unresolved,
    ) -> Result<Self, Unresolved> {
        let mut identities = identities.into_iter();
        let Some(identity) = identities.next() else {
            return Err(why);
        };
        Ok(Self {
            witness: Some((witness, why)),
            also: identities.collect(),
            ..Self::known(identity, false)
        })
    }

    /// Every resource that ASO may act on for this object: the computed one, then
    /// what annotations and status name besides.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        std::iter::once(&self.identity)
            .chain(&self.also)
            .chain(&self.stale_status)
    }
}

/// Which object to look up next on the way from `object` to its root. Ask
/// again with the object found, and stop at [`NextOwner::Root`],
/// [`NextOwner::ArmId`], an owner that is missing, or after [`MAX_LINKS`].
///
/// # Errors
/// Where the object's kind is not known or its owner can't be one. [`resolve`]
/// may still know the identity, from the object's annotation.
pub fn next_owner(kinds: &Kinds, object: &ObjectFacts) -> Result<NextOwner, Unresolved> {
    let kind = kind_of(kinds, &object.key)?;
    Ok(match owner_of(kind, object)? {
        None => NextOwner::Root,
        Some(owner) => owner
            .key(&object.key.namespace)
            .map_or(NextOwner::ArmId, NextOwner::Object),
    })
}

/// Whether [`resolve`] needs to know the subscription: not where an `armId` or
/// the tenant is at the root of the chain.
pub fn needs_subscription(kinds: &Kinds, object: &ObjectFacts, owners: &[OwnerLink]) -> bool {
    let Ok(chain) = chain(kinds, object, owners) else {
        return true;
    };
    let rooted_elsewhere = chain.iter().enumerate().any(|(at, link)| {
        matches!(link.owner, Some(Owner::ArmId(_)))
            || link.kind.scope == Scope::Tenant
            || at > 0 && link.child_override().is_some()
    });
    !rooted_elsewhere
}

/// Tells which resource `object` stands for. `owners` is what the caller found
/// above it, nearest first; `subscription` that of the object's credential.
///
/// # Errors
/// [`Unresolved`], with words for a person.
pub fn resolve(
    kinds: &Kinds,
    object: &ObjectFacts,
    owners: &[OwnerLink],
    subscription: Option<&str>,
) -> Result<Resolution, Unresolved> {
    let annotated = not_empty(object.annotations.resource_id.as_deref()).map(arm_id);
    match compute(kinds, object, owners, subscription) {
        Ok(found) => Ok(with_witnesses(object, found, annotated)),
        // Whatever cannot be told of the spec, ASO acts on what the object is known by.
        Err(why) => {
            let status = object.status_id.as_deref().and_then(|id| arm_id(id).ok());
            let Some(Ok(annotated)) = annotated else {
                return Resolution::by(IdentitySource::StatusId, status, why);
            };
            let also = status.filter(|status| *status != annotated);
            Resolution::by(
                IdentitySource::ResourceId,
                [annotated].into_iter().chain(also),
                why,
            )
        }
    }
}

/// What follows from the object's spec and its owners alone.
struct ComputedIdentity {
    identity: Identity,
    assumed: bool,
    other: Option<Identity>,
    entra: bool,
}

fn compute(
    kinds: &Kinds,
    object: &ObjectFacts,
    owners: &[OwnerLink],
    subscription: Option<&str>,
) -> Result<ComputedIdentity, Unresolved> {
    let chain = chain(kinds, object, owners)?;
    let mut id = String::with_capacity(256);
    write_id(kinds, &chain, subscription, &mut id)?;
    let bad_id = |why| Unresolved::BadId {
        object: Box::new(object.key.clone()),
        why,
    };
    let identity = Identity::parse(&id).map_err(bad_id)?;
    let other = other_name(&chain[0])
        .map(|name| identity.renamed(&name))
        .transpose()
        .map_err(bad_id)?;
    Ok(ComputedIdentity {
        identity,
        assumed: chain.iter().any(|link| link.object.is_none()),
        other,
        entra: chain[0].kind.naming == Naming::Entra,
    })
}

fn with_witnesses(
    object: &ObjectFacts,
    found: ComputedIdentity,
    annotated: Option<Result<Identity, ArmIdError>>,
) -> Resolution {
    let identity = found.identity;
    let mut also: Vec<Identity> = found.other.into_iter().collect();
    let mut bad_annotation = None;
    // For an Entra object the annotation is the object ID, and already in its identity.
    match annotated.filter(|_| !found.entra) {
        Some(Ok(other)) if other != identity && !also.contains(&other) => also.push(other),
        Some(Err(why)) => bad_annotation = Some(why),
        _ => {}
    }
    Resolution {
        stale_status: stale_status(object, &identity),
        identity,
        assumed: found.assumed,
        witness: None,
        also,
        bad_annotation,
    }
}

fn stale_status(object: &ObjectFacts, identity: &Identity) -> Option<Identity> {
    let status = arm_id(object.status_id.as_deref()?).ok()?;
    (status != *identity).then_some(status)
}

/// What ASO writes down as a resource's ID is never a synthetic key.
fn arm_id(text: &str) -> Result<Identity, ArmIdError> {
    ArmId::parse(text).map(Identity::from)
}

/// Writes the ID of the first object of the chain; the rest of the chain is above it.
fn write_id(
    kinds: &Kinds,
    chain: &[ChainLink<'_>],
    subscription: Option<&str>,
    id: &mut String,
) -> Result<(), Unresolved> {
    let [link, above @ ..] = chain else {
        return Ok(());
    };
    let kind = link.kind;
    match kind.scope {
        Scope::Subscription => {
            id.push_str("/subscriptions/");
            id.push_str(checked_subscription(link.key, subscription)?);
        }
        Scope::Tenant => {}
        Scope::ResourceGroup | Scope::Child { .. } | Scope::Extension | Scope::Inside { .. } => {
            write_owner(kinds, link, above, subscription, id)?;
        }
    }
    let words: [&str; 2] = match kind.scope {
        Scope::Inside { .. } => ["#", &kind.kind],
        Scope::Child { .. } => ["/", kind.last_type()],
        // The one resource that is not of a provider.
        Scope::Subscription if kind.arm_type.eq_ignore_ascii_case(RESOURCE_GROUPS) => {
            ["/", "resourceGroups"]
        }
        _ => ["/providers/", &kind.arm_type],
    };
    id.extend(words);
    id.push('/');
    id.push_str(&azure_name(link)?);
    Ok(())
}

fn write_owner(
    kinds: &Kinds,
    link: &ChainLink<'_>,
    above: &[ChainLink<'_>],
    subscription: Option<&str>,
    id: &mut String,
) -> Result<(), Unresolved> {
    let is_extension = link.kind.scope == Scope::Extension;
    match (link.owner, above.first()) {
        (Some(Owner::ArmId(text)), _) => {
            id.push_str(checked_owner(kinds, link, text)?.as_str());
            Ok(())
        }
        (_, None) => Err(no_owner(link.kind, link.key)),
        (_, Some(owner)) if is_extension && !owner.kind.is_arm_resource() => {
            Err(Unresolved::OwnerNotAResource {
                object: Box::new(link.key.clone()),
                owner: Box::new(owner.key.clone()),
            })
        }
        (_, Some(owner)) => match owner.child_override() {
            None => write_id(kinds, above, subscription, id),
            Some(text) if is_extension && above.len() == 1 => {
                let prefix = ArmId::parse(text).map_err(|why| Unresolved::BadOverride {
                    owner: Box::new(owner.key.clone()),
                    why,
                })?;
                id.push_str(prefix.as_str());
                Ok(())
            }
            Some(_) => Err(Unresolved::OverrideOutOfPlace {
                object: Box::new(link.key.clone()),
                owner: Box::new(owner.key.clone()),
            }),
        },
    }
}

/// The owner's ARM ID, which has to be of the type that the object's kind is below.
fn checked_owner(kinds: &Kinds, link: &ChainLink<'_>, text: &str) -> Result<ArmId, Unresolved> {
    let id = ArmId::parse(text).map_err(|why| Unresolved::OwnerArmId {
        object: Box::new(link.key.clone()),
        why,
    })?;
    let wanted = match &link.kind.scope {
        Scope::ResourceGroup => RESOURCE_GROUPS,
        Scope::Child { .. } => link.kind.types_above(),
        Scope::Inside { group, kind } => kinds.get(group, kind).map_or("", |owner| &owner.arm_type),
        Scope::Subscription | Scope::Tenant | Scope::Extension => return Ok(id),
    };
    let found = id.resource_type();
    if found.eq_ignore_ascii_case(wanted) {
        return Ok(id);
    }
    Err(Unresolved::OwnerArmIdType {
        object: Box::new(link.key.clone()),
        found,
        wanted: wanted.to_owned(),
    })
}

fn checked_subscription<'a>(
    object: &ObjectKey,
    subscription: Option<&'a str>,
) -> Result<&'a str, Unresolved> {
    let subscription = not_empty(subscription).ok_or_else(|| Unresolved::NoSubscription {
        object: Box::new(object.clone()),
    })?;
    check_segment(subscription).map_err(|why| Unresolved::BadSubscription {
        object: Box::new(object.clone()),
        why,
    })?;
    Ok(subscription)
}

#[cfg(test)]
mod tests;
