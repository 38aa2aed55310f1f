//! CRDs: JSON, or a few lines a version:
//!
//! ```text
//! /subscriptions/{s}/resourceGroups/{g}/providers/M.Shop/things/{t}
//! a resources.azure.com/ResourceGroup
//! azureName namingConvention
//! ```

use std::sync::Arc;

use aso_guard::arm::learn::VersionFacts;
use aso_guard::arm::{CrdFacts, Kind, Kinds, Naming, OwnerLink, Scope, learn, resolve};
use aso_guard::object::{ObjectFacts, ObjectKey, OwnerRef};

const RESOURCE_GROUP: &str = "/subscriptions/s/resourceGroups/rg";

/// Learns a kind, and looks at what was learned.
pub fn check(input: &[u8]) {
    let facts = serde_json::from_slice(input).unwrap_or_else(|_| of_lines(input));
    let learned = learn(&facts);
    let mut twice = facts.clone();
    twice.versions.extend(facts.versions.iter().cloned());
    assert_eq!(learn(&twice), learned, "saying it twice changes nothing");
    twice.versions.push(VersionFacts::default());
    assert_eq!(
        learn(&twice),
        learned,
        "a version that says nothing counts for nothing"
    );
    let mut reversed = facts.clone();
    reversed.versions.reverse();
    assert_eq!(learn(&reversed).is_ok(), learned.is_ok());
    match learned {
        Ok(kind) => check_kind(&facts, &kind),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn of_lines(input: &[u8]) -> CrdFacts {
    let text = String::from_utf8_lossy(input);
    let lines: Vec<&str> = text.lines().take(12).collect();
    let version = |lines: &[&str]| {
        let line = |at: usize| lines.get(at).copied().unwrap_or_default();
        VersionFacts {
            description: Some(format!("Generated.\n- ARM URI: {}", line(0))),
            owner_description: Some(format!("The owner is a reference to {} resource", line(1))),
            azure_name: line(2).contains("azureName"),
            naming_convention: line(2).contains("namingConvention"),
        }
    };
    CrdFacts {
        group: "shop.azure.com".to_owned(),
        kind: "Thing".to_owned(),
        versions: lines.chunks(3).map(version).collect(),
    }
}

fn check_kind(facts: &CrdFacts, kind: &Kind) {
    assert!(kind.learned);
    assert_eq!((&*kind.group, &*kind.kind), (&*facts.group, &*facts.kind));
    assert!(kind.arm_type.split('/').count() >= 2, "{kind:?}");
    assert!(
        kind.arm_type.split('/').all(|word| !word.is_empty()),
        "{kind:?}"
    );
    if let Naming::Fixed(name) = &kind.naming {
        assert!(!name.is_empty() && !name.contains('/'), "{kind:?}");
    }
    if let Scope::Child { .. } = kind.scope {
        assert!(!kind.types_above().is_empty() && !kind.last_type().is_empty());
    }
    let builtin = Kinds::builtin();
    let kinds = builtin.with_learned(kind.clone());
    match builtin.get(&kind.group, &kind.kind) {
        Some(known) => assert_eq!(kinds.get(&kind.group, &kind.kind), Some(known)),
        None => assert_eq!(kinds.get(&kind.group, &kind.kind), Some(kind)),
    }
    assert!(
        builtin
            .iter()
            .all(|known| kinds.get(&known.group, &known.kind) == Some(known))
    );
    check_object(&kinds, kind);
}

/// What is learned is good enough to work an identity out, or says why not.
fn check_object(kinds: &Kinds, kind: &Kind) {
    let mut object = ObjectFacts::named(ObjectKey::new(&kind.group, &kind.kind, "team", "thing"));
    object.owner = Some(OwnerRef {
        arm_id: Some(RESOURCE_GROUP.into()),
        ..OwnerRef::default()
    });
    let by_arm_id = resolve(kinds, &object, &[], Some("s"));
    object.owner = kind.implied_owner().map(|(group, kind)| OwnerRef {
        group: Some(group.into()),
        kind: Some(kind.into()),
        name: Some("rg".into()),
        arm_id: None,
    });
    let owner = kind.implied_owner().unwrap_or_default();
    let owner = ObjectFacts::named(ObjectKey::new(owner.0, owner.1, "team", "rg"));
    let owners = [OwnerLink::Found(Arc::new(owner))];
    let by_name = resolve(kinds, &object, &owners, Some("s"));
    if let (Scope::ResourceGroup, Ok(a), Ok(b)) = (&kind.scope, &by_arm_id, &by_name)
        && !matches!(kind.naming, Naming::Uuid { .. })
    {
        assert_eq!(a.identity, b.identity);
    }
    for resolution in [by_arm_id, by_name].into_iter().flatten() {
        let text = resolution.identity.as_str();
        assert_eq!(text.parse().as_ref(), Ok(&resolution.identity));
    }
}
