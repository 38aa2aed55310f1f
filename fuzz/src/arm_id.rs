//! ARM IDs and identities: an ID a line.

use std::collections::HashSet;

use aso_guard::arm::id::MAX_LEN;
use aso_guard::arm::{ArmId, Identity, folded};

use super::assert_readable;

/// How many lines are looked at.
const LINES: usize = 6;

/// Reads each line as an ID, and compares each with each.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let lines: Vec<&str> = text.split('\n').take(LINES).collect();
    let mut identities = Vec::new();
    for line in lines {
        let id = ArmId::parse(line);
        let identity = Identity::parse(line);
        match &id {
            Ok(id) => check_arm_id(line, id),
            Err(error) => assert_readable(&error.to_string()),
        }
        match identity {
            Ok(identity) => {
                assert_eq!(id.is_ok(), !line.contains('#'), "{line:?}");
                check_identity(line, &identity);
                identities.push(identity);
            }
            Err(error) => {
                assert!(id.is_err(), "{line:?}");
                assert_readable(&error.to_string());
            }
        }
    }
    for a in &identities {
        for b in &identities {
            check_two(a, b);
        }
    }
}

fn check_arm_id(line: &str, id: &ArmId) {
    let text = line.strip_suffix('/').unwrap_or(line);
    assert_eq!(id.as_str(), text);
    assert_eq!(id.to_string(), text);
    assert!(text.chars().count() <= MAX_LEN);
    assert_eq!(ArmId::parse(text).as_ref(), Ok(id));
    let shouted = ArmId::parse(&text.to_ascii_uppercase()).unwrap();
    assert_eq!((&shouted, shouted.key()), (id, id.key()));
    assert_eq!(Identity::from(id.clone()).as_str(), text);
    let segments: Vec<&str> = text.split('/').collect();
    for named in [id.subscription(), id.resource_group()]
        .into_iter()
        .flatten()
    {
        assert!(segments.contains(&named), "{named:?} of {text:?}");
    }
    assert!(id.resource_group().is_none() || id.subscription().is_some());
    let (namespace, types) = id.resource_type().split_once('/').map(own).unwrap();
    assert!(!namespace.is_empty() && !types.is_empty());
}

fn own((a, b): (&str, &str)) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

fn check_identity(line: &str, identity: &Identity) {
    let text = identity.as_str();
    assert_eq!(identity.to_string(), text);
    assert!(line.strip_suffix('/').unwrap_or(line) == text || line == text);
    let again: Identity = text.parse().unwrap();
    assert_eq!((again.as_str(), &again), (text, identity));
    assert_eq!(identity.key(), folded(text));
    let shouted: Identity = text.to_ascii_uppercase().parse().unwrap();
    assert_eq!((&shouted, shouted.key()), (identity, identity.key()));
    let json = serde_json::to_string(identity).unwrap();
    assert_eq!(serde_json::from_str::<Identity>(&json).unwrap(), *identity);
    assert!(!identity.name().is_empty() && text.ends_with(identity.name()));
    assert!(!identity.is_below(identity));
    check_ancestors(identity);
}

/// They are a line from the nearest to the root, and it lies in each.
fn check_ancestors(identity: &Identity) {
    let above = identity.ancestors();
    for (at, ancestor) in above.iter().enumerate() {
        assert_eq!(ancestor.as_str().parse::<Identity>().as_ref(), Ok(ancestor));
        assert!(identity.is_below(ancestor) && !ancestor.is_below(identity));
        assert_eq!(ancestor.ancestors(), above[at + 1..]);
        assert_eq!(ancestor.subscription(), identity.subscription());
    }
    if let Some(root) = above.last() {
        assert_eq!(root.is_subscription(), identity.subscription().is_some());
    }
    if identity.is_subscription() {
        assert!(above.is_empty() && identity.subscription().is_some());
    }
}

fn check_two(a: &Identity, b: &Identity) {
    assert_eq!(a == b, a.key() == b.key());
    assert_eq!(a.cmp(b).is_eq(), a == b);
    assert_eq!(a.cmp(b), b.cmp(a).reverse());
    assert_eq!(HashSet::from([a]).contains(b), a == b);
    assert_eq!(a.is_below(b), a.ancestors().contains(b));
    if a.is_below(b) {
        // Below it in the registry, too: by their keys.
        assert!(a.key().starts_with(&b.key()));
    }
}
