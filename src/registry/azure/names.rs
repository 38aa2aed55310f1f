//! Blob names: which blob holds which record.
//!
//! | blob | holds |
//! | --- | --- |
//! | `claims/<ARM ID>` | the claim of an identity |
//! | `claims/0` | the registry's epoch: it stands before all claims, and goes first with them |
//! | `members/<name>` | a member's record |
//! | `transfers/<name>` | a transfer |
//! | `inbox/<name>` | nothing: it is another one whenever somebody else changed a claim of the member's |
//!
//! A claim's name is its identity in one case, escaped: equal identities have one name, what is
//! below an identity has its name and a slash as a prefix, and the name gives the identity back.
//! [Azure takes][rules] at most 1,024 characters, and no segment that ends with a dot; so a very
//! long identity is cut off, and ends with a hash of the whole.
//!
//! [rules]: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::arm::Identity;
use crate::claim::{MemberName, TransferName};
use crate::registry::ClaimScope;

/// Before the names of claims.
pub(super) const CLAIMS: &str = "claims/";
/// The blob that holds the registry's epoch.
pub(super) const EPOCH: &str = "claims/0";
/// Before the names of members' records.
pub(super) const MEMBERS: &str = "members/";
/// Before the names of transfers.
pub(super) const TRANSFERS: &str = "transfers/";

/// Longer names are cut off here: prefixes up to this length find all that begins with them.
const CUT: usize = 880;
/// The longest name that is not cut off, in bytes. Names are ASCII.
const LONGEST: usize = 960;
/// In place of the `#` of a synthetic identity, so that a slash is what all below something
/// have after its name. A tilde itself is escaped, so nothing else has two of them.
const INSIDE: &str = "/~~/";
/// Between what is left of a long name and its hash.
const HASHED: &str = "~~~";

/// The blob that holds the claim of an identity.
pub(super) fn of_claim(identity: &Identity) -> String {
    let key = identity.key();
    let name = escaped(&key);
    if name.len() <= LONGEST {
        return name;
    }
    let hash = Sha256::digest(key.as_bytes());
    let mut name = cut(&name).to_owned() + HASHED;
    for byte in &hash[..16] {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// The blob that holds a member's record.
pub(super) fn of_member(name: &MemberName) -> String {
    format!("{MEMBERS}{name}")
}

/// The blob that is written for a member to take note.
pub(super) fn of_inbox(member: &MemberName) -> String {
    format!("inbox/{member}")
}

/// The blob that holds a transfer.
pub(super) fn of_transfer(name: &TransferName) -> String {
    format!("{TRANSFERS}{name}")
}

/// The identity, in one case, whose claim a blob of this name holds; `None` where the name
/// does not say, or is no claim's.
pub(super) fn claimed(name: &str) -> Option<Identity> {
    let path = name.strip_prefix(CLAIMS)?;
    let (path, inside) = match path.split_once(INSIDE) {
        Some((path, inside)) => (path, Some(inside)),
        None => (path, None),
    };
    let mut key = format!("/{}", unescaped(path)?);
    if let Some(inside) = inside {
        key = format!("{key}#{}", unescaped(inside)?);
    }
    key.parse().ok()
}

/// What the names of the claims in a scope begin with: each finds a part of them, and perhaps
/// others.
pub(super) fn prefixes(scope: &ClaimScope) -> Vec<String> {
    match scope {
        ClaimScope::Below(identity) => {
            let name = escaped(&identity.key()) + "/";
            vec![cut(&name).to_owned()]
        }
        ClaimScope::Beside(_, subscriptions) => {
            let of = |one: &String| escaped(&format!("/subscriptions/{one}")) + "/";
            subscriptions.iter().map(of).collect()
        }
        ClaimScope::All
        | ClaimScope::InConflict
        | ClaimScope::Reserved(_)
        | ClaimScope::Orphaned(_)
        | ClaimScope::Of(..) => vec![CLAIMS.to_owned()],
    }
}

fn cut(name: &str) -> &str {
    name.get(..CUT).unwrap_or(name)
}

fn escaped(key: &str) -> String {
    let (path, inside) = match key.split_once('#') {
        Some((path, inside)) => (path, Some(inside)),
        None => (key, None),
    };
    let mut name = CLAIMS.to_owned();
    escape(path.trim_start_matches('/'), &mut name);
    if let Some(inside) = inside {
        name += INSIDE;
        escape(inside, &mut name);
    }
    name
}

fn escape(text: &str, into: &mut String) {
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let is_plain = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'(' | b')' | b'/' => true,
            b'.' => !matches!(bytes.peek(), None | Some(b'/')),
            _ => false,
        };
        if is_plain {
            into.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "~{byte:02x}");
        }
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('~') {
        bytes.extend_from_slice(plain.as_bytes());
        let (hex, after) = escape.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn identity(text: &str) -> Identity {
        text.parse().unwrap()
    }

    #[rstest]
    #[case::a_group(
        "/subscriptions/S/resourceGroups/RG",
        "claims/subscriptions/s/resourcegroups/rg"
    )]
    #[case::dots(
        "/subscriptions/s/resourceGroups/rg./providers/P.Q/t/a..b.",
        "claims/subscriptions/s/resourcegroups/rg~2e/providers/p.q/t/a..b~2e"
    )]
    #[case::letters_of_any_script(
        "/subscriptions/s/resourceGroups/größe",
        "claims/subscriptions/s/resourcegroups/gr~c3~96~c3~9fe"
    )]
    #[case::a_tilde(
        "/subscriptions/s/resourceGroups/a~~b",
        "claims/subscriptions/s/resourcegroups/a~7e~7eb"
    )]
    #[case::a_user(
        "/subscriptions/s/resourceGroups/rg/providers/P.Q/t/n#User/a#EXT#%?\\b",
        "claims/subscriptions/s/resourcegroups/rg/providers/p.q/t/n/~~/user/a~23ext~23~25~3f~5cb"
    )]
    #[case::in_the_tenant("/providers/P.Q/t/n", "claims/providers/p.q/t/n")]
    fn a_name_gives_the_identity_back(#[case] text: &str, #[case] name: &str) {
        let identity = identity(text);
        assert_eq!(of_claim(&identity), name);
        assert_eq!(claimed(name), Some(identity));
    }

    #[test]
    fn another_spelling_has_the_same_name() {
        let one = of_claim(&identity("/subscriptions/s/resourceGroups/Größe"));
        let other = of_claim(&identity("/SUBSCRIPTIONS/S/resourcegroups/grÖßE"));
        assert_eq!(one, other);
    }

    #[test]
    fn what_is_below_begins_with_the_name_and_a_slash() {
        let above = identity("/subscriptions/s/resourceGroups/rg/providers/P.Q/t/n");
        let prefix = &prefixes(&ClaimScope::Below(above.clone()))[0];
        for (text, inside) in [
            ("/u/x", true),
            ("#User/x", true),
            ("/providers/A.B/c/d", true),
            ("", false),
            ("2", false),
            ("2/u/x", false),
        ] {
            let other = identity(&format!("{above}{text}"));
            let found = of_claim(&other).starts_with(prefix);
            assert_eq!((found, other.is_below(&above)), (inside, inside), "{other}");
        }
    }

    #[test]
    fn long_identities_have_names_of_their_own_that_prefixes_find() {
        let above = identity("/subscriptions/s/resourceGroups/rg/providers/P.Q/t/n");
        let long = |pairs: usize, last: &str| {
            let pairs = "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbb".repeat(pairs);
            identity(&format!("{above}{pairs}/c/{last}"))
        };
        let (one, other) = (of_claim(&long(30, "x")), of_claim(&long(30, "y")));
        assert_ne!(one, other);
        assert!(one.len() <= 1024 && claimed(&one).is_none());
        for pairs in 0..35 {
            let middle = long(pairs, "m");
            let below = identity(&format!("{middle}/d/e"));
            for above in [&above, &middle] {
                let prefix = &prefixes(&ClaimScope::Below(above.clone()))[0];
                let name = of_claim(&below);
                assert!(name.starts_with(prefix), "{name} has no prefix {prefix}");
            }
        }
    }

    #[rstest]
    #[case("members/a")]
    #[case("claims/subscriptions/s/x")]
    #[case("claims/subscriptions/~zz")]
    #[case("claims/subscriptions/~ff")]
    #[case("claims/subscriptions/~f")]
    fn no_other_name_is_a_claims(#[case] name: &str) {
        assert_eq!(claimed(name), None);
    }
}
