//! An object's name in Azure, as ASO chooses it.

use std::borrow::Cow;

use uuid::Uuid;

use super::chain::{ChainLink, Owner, assumed_name};
use super::id::{check_name, check_segment, excerpt};
use super::kinds::{Kind, Naming, Scope};

use super::unresolved::Unresolved;
use crate::object::{ObjectFacts, ObjectKey, ObjectName, not_empty};

/// The namespace of ASO's stable UUIDs.
const UUIDS: Uuid = Uuid::from_u128(0x9a32_9043_7ad7_4b1c_812f_9c7a_93d6_392a);

/// The object's name in Azure; it can be one segment of an ARM ID. Of an owner
/// that is missing, the name it will have if it states no other.
pub(super) fn azure_name<'a>(link: &ChainLink<'a>) -> Result<Cow<'a, str>, Unresolved> {
    let name = match link.object {
        Some(object) => unchecked(link.kind, object, link.owner.as_ref())?,
        None => Cow::Borrowed(assumed_name(link.kind, link.key).unwrap_or_default()),
    };
    let check = match link.kind.scope {
        Scope::Inside { .. } => check_name(&name),
        _ => check_segment(&name),
    };
    match check {
        Ok(()) => Ok(name),
        Err(why) => Err(Unresolved::BadName {
            object: Box::new(link.key.clone()),
            name: excerpt(&name),
            why,
        }),
    }
}

/// The other name that ASO may have given, where its versions differ: the UUID
/// made without the owner's ARM ID.
pub(super) fn other_name(link: &ChainLink<'_>) -> Option<String> {
    let unsure = Naming::Uuid {
        arm_id_unsure: true,
    };
    let by_arm_id = matches!(link.owner, Some(Owner::ArmId(_)));
    let object = link.object?;
    let made_up = stated(object).is_none() && !is_uuid(&object.key.name);
    (link.kind.naming == unsure && by_arm_id && made_up).then(|| {
        let nobody = Owner::Object {
            group: "",
            kind: "",
            name: "",
        };
        stable_uuid(&object.key, Some(&nobody))
    })
}

fn unchecked<'a>(
    kind: &'a Kind,
    object: &'a ObjectFacts,
    owner: Option<&Owner<'_>>,
) -> Result<Cow<'a, str>, Unresolved> {
    match &kind.naming {
        Naming::Fixed(name) => return Ok(Cow::Borrowed(name)),
        Naming::Entra => {
            let id = not_empty(object.annotations.resource_id.as_deref());
            return id.map(Cow::Borrowed).ok_or_else(|| Unresolved::NoEntraId {
                object: Box::new(object.key.clone()),
            });
        }
        Naming::AzureName | Naming::Uuid { .. } => {}
    }
    // ASO: the ConfigMap's name wins over spec.azureName.
    if object.azure_name_from_config {
        let found = not_empty(object.annotations.azure_name_from_config.as_deref());
        return found
            .map(Cow::Borrowed)
            .ok_or_else(|| Unresolved::NameFromConfig {
                object: Box::new(object.key.clone()),
            });
    }
    match (stated(object), &kind.naming) {
        (Some(name), _) => Ok(Cow::Borrowed(name)),
        (None, Naming::Uuid { .. }) => made_up(object, owner),
        (None, _) => Ok(Cow::Borrowed(&object.key.name)),
    }
}

fn stated(object: &ObjectFacts) -> Option<&str> {
    not_empty(object.azure_name.as_deref())
}

/// Go's zero value of a string is how ASO says "not set".
fn made_up<'a>(
    object: &'a ObjectFacts,
    owner: Option<&Owner<'_>>,
) -> Result<Cow<'a, str>, Unresolved> {
    let convention = object.naming_convention.as_deref().unwrap_or("stable");
    if convention.eq_ignore_ascii_case("random") {
        return Err(Unresolved::RandomName {
            object: Box::new(object.key.clone()),
        });
    }
    if !convention.eq_ignore_ascii_case("stable") {
        return Err(Unresolved::NamingConvention {
            object: Box::new(object.key.clone()),
            convention: excerpt(convention),
        });
    }
    if is_uuid(&object.key.name) {
        return Ok(Cow::Borrowed(&object.key.name));
    }
    Ok(Cow::Owned(stable_uuid(&object.key, owner)))
}

/// ASO's UUIDv5 of the owner (as `spec.owner` names it) and the object. Group
/// and kind change places between the two halves; ASO keeps that for the names
/// it has given already.
fn stable_uuid(key: &ObjectKey, owner: Option<&Owner<'_>>) -> String {
    let ObjectName {
        group,
        kind,
        namespace,
        name,
    } = &**key;
    let owner = match owner {
        Some(Owner::ArmId(id)) => format!("{id}:"),
        Some(Owner::Object {
            group,
            kind,
            name: owner,
        }) => format!("{group}/{kind}:{namespace}/{owner}:"),
        None => String::new(),
    };
    let seed = format!("{owner}{kind}/{group}:{namespace}/{name}");
    Uuid::new_v5(&UUIDS, seed.as_bytes()).to_string()
}

/// Whether ASO takes the text for a UUID. Like the Go library it uses, this
/// allows the forms without dashes and with one character around it.
fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let dashed = match bytes.len() {
        32 => return bytes.iter().all(u8::is_ascii_hexdigit),
        36 => bytes,
        38 => &bytes[1..37],
        _ => return false,
    };
    dashed.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("9a329043-7ad7-4b1c-812f-9c7a93d6392a", true)]
    #[case("9A3290437AD74B1C812F9C7A93D6392A", true)]
    #[case("x9a329043-7ad7-4b1c-812f-9c7a93d6392ay", true)]
    #[case("9a329043-7ad7-4b1c-812f-9c7a93d6392", false)]
    #[case("9a329043.7ad7-4b1c-812f-9c7a93d6392a", false)]
    #[case("ga329043-7ad7-4b1c-812f-9c7a93d6392a", false)]
    #[case("", false)]
    fn knows_a_uuid_as_aso_does(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_uuid(text), expected);
    }
}
