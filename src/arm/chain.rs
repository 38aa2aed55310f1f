//! The way from an object up through its owners, as `spec.owner` tells it.

use std::sync::Arc;

use super::kinds::{Kind, Kinds, Naming, Scope};
use super::unresolved::Unresolved;
use crate::object::{ObjectFacts, ObjectKey, ObjectName, not_empty};

/// How many owners are followed upwards. ASO's deepest kind has five above it;
/// extension resources on extension resources can make more.
pub const MAX_LINKS: usize = 16;

/// One link up the owner chain, as the caller found it.
#[derive(Clone, Debug)]
pub enum OwnerLink {
    /// The owner is there.
    Found(Arc<ObjectFacts>),
    /// The owner is not there.
    Missing(ObjectKey),
}

/// `spec.owner`, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    ArmId(&'a str),
    /// In the namespace of the object that it owns.
    Object {
        group: &'a str,
        kind: &'a str,
        name: &'a str,
    },
}

impl Owner<'_> {
    /// The owner of an object in `namespace`, where it is an object itself.
    pub(super) fn key(&self, namespace: &Arc<str>) -> Option<ObjectKey> {
        match *self {
            Self::ArmId(_) => None,
            Self::Object { group, kind, name } => {
                let name = ObjectName {
                    group: group.into(),
                    kind: kind.into(),
                    namespace: Arc::clone(namespace),
                    name: name.into(),
                };
                Some(name.into())
            }
        }
    }

    fn is(&self, key: &ObjectKey, namespace: &str) -> bool {
        let Self::Object { group, kind, name } = *self else {
            return false;
        };
        (group, kind, name, namespace) == (&*key.group, &*key.kind, &*key.name, &*key.namespace)
    }
}

/// One object on the way from the object asked about to its root.
pub(super) struct ChainLink<'a> {
    pub(super) kind: &'a Kind,
    pub(super) key: &'a ObjectKey,
    /// `None` for an owner that is missing and whose name is assumed.
    pub(super) object: Option<&'a ObjectFacts>,
    pub(super) owner: Option<Owner<'a>>,
}

impl ChainLink<'_> {
    /// The annotation that replaces the prefix of the IDs of what is on this
    /// object. ASO never looks at that of an extension resource.
    pub(super) fn child_override(&self) -> Option<&str> {
        let annotation = &self.object?.annotations.child_resource_id_override;
        not_empty(annotation.as_deref()).filter(|_| self.kind.scope != Scope::Extension)
    }
}

/// The links from the object to its root, and at least the object's own.
pub(super) fn chain<'a>(
    kinds: &'a Kinds,
    object: &'a ObjectFacts,
    owners: &'a [OwnerLink],
) -> Result<Vec<ChainLink<'a>>, Unresolved> {
    let mut links: Vec<ChainLink<'a>> = Vec::with_capacity(owners.len() + 1);
    let mut owners = owners.iter();
    let mut current = object;
    loop {
        let kind = kind_of(kinds, &current.key)?;
        let owner = owner_of(kind, current)?;
        links.push(ChainLink {
            kind,
            key: &current.key,
            object: Some(current),
            owner,
        });
        let Some(owner @ Owner::Object { .. }) = owner else {
            return Ok(links);
        };
        let is_owner = |key: &ObjectKey| owner.is(key, &current.key.namespace);
        if let Some(again) = links.iter().find(|link| is_owner(link.key)) {
            return Err(Unresolved::Cycle {
                object: Box::new(again.key.clone()),
            });
        }
        if links.len() > MAX_LINKS {
            return Err(Unresolved::TooManyOwners {
                object: Box::new(object.key.clone()),
                limit: MAX_LINKS,
            });
        }
        match owners.next() {
            Some(OwnerLink::Found(found)) if is_owner(&found.key) => current = found,
            Some(OwnerLink::Missing(missing)) if is_owner(missing) => {
                links.push(assumed_link(kinds, current, missing)?);
                return Ok(links);
            }
            _ => return Err(not_read(current, &owner)),
        }
    }
}

fn not_read(object: &ObjectFacts, owner: &Owner<'_>) -> Unresolved {
    let owner = owner.key(&object.key.namespace);
    Unresolved::OwnerNotRead {
        owner: Box::new(owner.unwrap_or_else(|| object.key.clone())),
        object: Box::new(object.key.clone()),
    }
}

/// An owner that is missing, but has no owner itself: only its name is unknown.
fn assumed_link<'a>(
    kinds: &'a Kinds,
    object: &ObjectFacts,
    key: &'a ObjectKey,
) -> Result<ChainLink<'a>, Unresolved> {
    let kind = kind_of(kinds, key)?;
    let is_root = matches!(kind.scope, Scope::Subscription | Scope::Tenant);
    if !is_root || assumed_name(kind, key).is_none() {
        return Err(Unresolved::OwnerMissing {
            object: Box::new(object.key.clone()),
            owner: Box::new(key.clone()),
        });
    }
    Ok(ChainLink {
        kind,
        key,
        object: None,
        owner: None,
    })
}

/// The name that an object will have in Azure if nothing but its Kubernetes
/// name decides; `None` where more is needed.
pub(super) fn assumed_name<'a>(kind: &'a Kind, key: &'a ObjectKey) -> Option<&'a str> {
    match &kind.naming {
        Naming::AzureName => Some(&key.name),
        Naming::Fixed(name) => Some(name),
        Naming::Uuid { .. } | Naming::Entra => None,
    }
}

pub(super) fn kind_of<'a>(kinds: &'a Kinds, key: &ObjectKey) -> Result<&'a Kind, Unresolved> {
    kinds
        .get(&key.group, &key.kind)
        .ok_or_else(|| Unresolved::UnknownKind {
            group: key.group.to_string(),
            kind: key.kind.to_string(),
        })
}

/// Reads `spec.owner`; `None` for the kinds that have none, and only for them.
pub(super) fn owner_of<'a>(
    kind: &'a Kind,
    object: &'a ObjectFacts,
) -> Result<Option<Owner<'a>>, Unresolved> {
    if matches!(kind.scope, Scope::Subscription | Scope::Tenant) {
        return Ok(None);
    }
    let given = object
        .owner
        .as_ref()
        .ok_or_else(|| no_owner(kind, &object.key))?;
    let [group, owner_kind, name, arm_id] = [&given.group, &given.kind, &given.name, &given.arm_id]
        .map(|field| not_empty(field.as_deref()));
    let incomplete = |missing| Unresolved::OwnerIncomplete {
        object: Box::new(object.key.clone()),
        missing,
    };
    match (arm_id, name) {
        (Some(id), None) if group.is_none() && owner_kind.is_none() => Ok(Some(Owner::ArmId(id))),
        (Some(_), _) => Err(Unresolved::OwnerTwice {
            object: Box::new(object.key.clone()),
        }),
        (None, None) if group.is_none() && owner_kind.is_none() => Err(no_owner(kind, &object.key)),
        (None, None) => Err(incomplete("name")),
        (None, Some(name)) => {
            let (group, kind) = match kind.implied_owner() {
                Some(implied) => agreed(object, group, owner_kind, implied)?,
                None => (
                    group.ok_or_else(|| incomplete("group"))?,
                    owner_kind.ok_or_else(|| incomplete("kind"))?,
                ),
            };
            Ok(Some(Owner::Object { group, kind, name }))
        }
    }
}

/// The owner's group and kind, where the object's kind implies them and they
/// are not contradicted.
fn agreed<'a>(
    object: &ObjectFacts,
    group: Option<&str>,
    kind: Option<&str>,
    implied: (&'a str, &'a str),
) -> Result<(&'a str, &'a str), Unresolved> {
    let (wanted_group, wanted_kind) = implied;
    let (group, kind) = (group.unwrap_or(wanted_group), kind.unwrap_or(wanted_kind));
    if (group, kind) == implied {
        return Ok(implied);
    }
    Err(Unresolved::OwnerOfOtherKind {
        object: Box::new(object.key.clone()),
        found: format!("{kind}.{group}"),
        wanted: format!("{wanted_kind}.{wanted_group}"),
    })
}

pub(super) fn no_owner(kind: &Kind, object: &ObjectKey) -> Unresolved {
    Unresolved::NoOwner {
        object: Box::new(object.clone()),
        wanted: match kind.implied_owner() {
            Some((_, kind)) => format!("the {kind}"),
            None => "the object".to_owned(),
        },
    }
}
