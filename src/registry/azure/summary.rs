//! What a list says of a claim without reading it: the blob's metadata, written with the claim
//! in one go, as labels are on a hub.

use std::collections::BTreeMap;

use crate::claim::{ClaimState, Record};
use crate::registry::{ClaimScope, CopyFilter};

/// [`Record::state`].
const STATE: &str = "state";
/// The members with a copy, separated by commas.
const MEMBERS: &str = "members";
/// Those of them through whose copy a request is under way.
const IN_FLIGHT: &str = "inflight";
/// The open transfer that the claim is reserved for.
const TRANSFER: &str = "transfer";

/// Azure takes at most 8 KiB of metadata, names included. What more members have is left out,
/// and looked for in the claims themselves.
const LONGEST: usize = 3 * 1024;

/// The metadata of a claim's blob. All of it is ASCII.
pub(super) fn of(record: &Record) -> Vec<(&'static str, String)> {
    let mut members = BTreeMap::new();
    for (copy, held) in &record.copies {
        *members.entry(copy.member.as_str()).or_default() |= held.next_deadline().is_some();
    }
    let all: Vec<&str> = members.keys().copied().collect();
    let busy = members.iter().filter(|(_, busy)| **busy);
    let busy: Vec<&str> = busy.map(|(name, _)| *name).collect();
    let mut metadata = vec![(STATE, record.state().as_str().to_owned())];
    for (key, names) in [(MEMBERS, all), (IN_FLIGHT, busy)] {
        let names = if names.is_empty() {
            NOBODY.to_owned()
        } else {
            names.join(",")
        };
        if names.len() <= LONGEST {
            metadata.push((key, names));
        }
    }
    if let Some(held) = &record.reserved {
        metadata.push((TRANSFER, held.transfer.to_string()));
    }
    metadata
}

/// In place of no names: it is no member's, and Azure takes no empty value.
const NOBODY: &str = "-";

/// Whether a claim with this metadata may be in a scope, as far as it goes by more than the
/// claim's name. What the metadata does not say may be.
pub(super) fn may_be_in(metadata: &BTreeMap<String, String>, scope: &ClaimScope) -> bool {
    let names = |key: &str, name: &str| {
        let all = metadata.get(key);
        all.is_none_or(|all| all.split(',').any(|one| one == name))
    };
    let is = |state: ClaimState| {
        let said = metadata.get(STATE);
        said.is_none_or(|said| said == state.as_str())
    };
    match scope {
        ClaimScope::All | ClaimScope::Below(_) => true,
        ClaimScope::InConflict => is(ClaimState::Conflict),
        ClaimScope::Reserved(transfer) => {
            let held = metadata.get(TRANSFER);
            // A claim that says its state was written as a whole.
            match (held, transfer) {
                (None, _) => !metadata.contains_key(STATE),
                (Some(_), None) => true,
                (Some(held), Some(transfer)) => *held == transfer.to_string(),
            }
        }
        ClaimScope::Orphaned(member) => is(ClaimState::Parked) && names(MEMBERS, member.as_str()),
        ClaimScope::Of(member, CopyFilter::AnyCopy) => names(MEMBERS, member.as_str()),
        ClaimScope::Of(member, CopyFilter::InFlight) => names(IN_FLIGHT, member.as_str()),
        ClaimScope::Beside(member, _) => {
            let all = metadata.get(MEMBERS);
            all.is_none_or(|all| all.split(',').all(|one| one != member.as_str()))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::arm::Identity;
    use crate::claim::{CopyRef, MemberCopy, NamespaceRef, Reservation, StoredCopy};
    use crate::object::ObjectKey;
    use crate::policy::Policy;

    fn record(members: &[String]) -> Record {
        let identity: Identity = "/subscriptions/s/resourceGroups/rg".parse().unwrap();
        let mut record = Record::new(identity);
        for member in members {
            let copy = CopyRef {
                member: member.parse().unwrap(),
                object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", "rg"),
            };
            record.copies.insert(copy, parked());
        }
        record
    }

    pub(in super::super) fn parked() -> MemberCopy {
        MemberCopy {
            stored: Some(StoredCopy {
                uid: "u".into(),
                policy: Policy::Skip,
                terminating: false,
                busy: false,
            }),
            acquiring: Vec::new(),
            arriving: Vec::new(),
            renaming: Vec::new(),
            deleting: Vec::new(),
            assumed: false,
            newcomer: 0,
            since: jiff::Timestamp::UNIX_EPOCH,
            by: "".into(),
        }
    }

    fn scopes() -> Vec<ClaimScope> {
        let (a, t) = ("a".parse().unwrap(), "t".parse().unwrap());
        vec![
            ClaimScope::All,
            ClaimScope::InConflict,
            ClaimScope::Reserved(None),
            ClaimScope::Reserved(Some(t)),
            ClaimScope::Orphaned(a),
            ClaimScope::Of("a".parse().unwrap(), CopyFilter::AnyCopy),
            ClaimScope::Of("a".parse().unwrap(), CopyFilter::InFlight),
            ClaimScope::Beside("a".parse().unwrap(), ["s".to_owned()].into()),
        ]
    }

    fn metadata(record: &Record) -> BTreeMap<String, String> {
        let own = |(key, value): (&str, String)| (key.to_owned(), value);
        of(record).into_iter().map(own).collect()
    }

    #[test]
    fn metadata_says_what_the_claim_says() {
        let names = |names: &[&str]| names.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        let mut records = vec![
            record(&[]),
            record(&names(&["a"])),
            record(&names(&["ab", "b"])),
        ];
        let mut moved = record(&names(&["a", "b"]));
        let place: NamespaceRef = "a/team".parse().unwrap();
        moved.reserved = Some(Reservation {
            transfer: "t".parse().unwrap(),
            from: place.clone(),
            to: place,
        });
        records.push(moved);
        for record in &records {
            for scope in scopes() {
                let said = may_be_in(&metadata(record), &scope);
                assert_eq!(said, scope.covers(record), "{scope:?} of {record:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_or_was_never_said_may_be_anything() {
        let many: Vec<String> = (0..400).map(|n| format!("member-number-{n}")).collect();
        let said = metadata(&record(&many));
        assert!(said.values().map(String::len).sum::<usize>() < 8 * 1024);
        for scope in scopes() {
            assert!(may_be_in(&BTreeMap::new(), &scope), "{scope:?}");
        }
        assert!(may_be_in(
            &said,
            &ClaimScope::Of("a".parse().unwrap(), CopyFilter::AnyCopy)
        ));
    }
}
