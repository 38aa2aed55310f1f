//! Inboxes: a blob for each member, written by whoever else changes a claim in which the member
//! has a copy, or had one. Asking for its version costs one read, whatever the number of claims.
//!
//! An inbox is written after the claim, so that who sees it written sees the claim as well. A
//! write of an inbox that fails is no failure of the claim's: the member's next list, minutes
//! later, finds the change all the same.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;
use tracing::debug;

use crate::claim::{MemberName, Record};
use crate::registry::{RecordVersion, RegistryError};

use super::container::Container;
use super::names;

/// Of how many claims it is remembered who else had a copy when they were read.
const REMEMBERED: usize = 4_096;
/// The version of an inbox that nobody has written yet.
const EMPTY: &str = "empty";

/// Who else has copies of claims.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// Whose registry it is: it needs not be told what it does itself.
    own: Option<MemberName>,
    /// The others in claims as they were read, by blob. Claims without others are left out.
    read: Mutex<HashMap<String, BTreeSet<MemberName>>>,
}

impl Peers {
    /// The others than this member.
    pub(super) fn of(own: MemberName) -> Self {
        Self {
            own: Some(own),
            ..Self::default()
        }
    }

    /// A claim was read.
    pub(super) fn was_read(&self, blob: &str, record: &Record) {
        let others = self.others(record);
        let mut read = self.read.lock();
        if others.is_empty() {
            read.remove(blob);
            return;
        }
        if read.len() >= REMEMBERED {
            read.clear();
        }
        read.insert(blob.to_owned(), others);
    }

    /// A claim was written: who has a copy in it, or had one when it was read.
    pub(super) fn was_written(&self, blob: &str, record: &Record) -> BTreeSet<MemberName> {
        let mut others = self.read.lock().remove(blob).unwrap_or_default();
        others.extend(self.others(record));
        others
    }

    fn others(&self, record: &Record) -> BTreeSet<MemberName> {
        let members = record.copies.keys().map(|copy| &copy.member);
        let others = members.filter(|&member| Some(member) != self.own.as_ref());
        others.cloned().collect()
    }
}

/// Writes the inboxes of these members.
pub(super) async fn write(container: &Container, members: BTreeSet<MemberName>) {
    let writes = members.into_iter().map(async |member| {
        if let Err(error) = container.touch(&names::of_inbox(&member)).await {
            debug!(%member, %error, "a member's inbox could not be written");
        }
    });
    futures::future::join_all(writes).await;
}

/// The version of a member's inbox.
pub(super) async fn version(
    container: &Container,
    member: &MemberName,
) -> Result<RecordVersion, RegistryError> {
    let found = container.get(&names::of_inbox(member)).await?;
    Ok(found.map_or_else(|| RecordVersion::new(EMPTY), |found| found.version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::CopyRef;
    use crate::object::ObjectKey;

    fn member(name: &str) -> MemberName {
        name.parse().unwrap()
    }

    fn record(members: &[&str]) -> Record {
        let mut record = Record::new("/subscriptions/s/resourceGroups/rg".parse().unwrap());
        for name in members {
            let copy = CopyRef {
                member: member(name),
                object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", "rg"),
            };
            let held = super::super::summary::tests::parked();
            record.copies.insert(copy, held);
        }
        record
    }

    fn names(members: &BTreeSet<MemberName>) -> Vec<&str> {
        members.iter().map(MemberName::as_str).collect()
    }

    #[test]
    fn others_with_a_copy_before_or_after_are_told_and_nobody_else() {
        let peers = Peers::of(member("a"));
        assert_eq!(names(&peers.was_written("x", &record(&["a"]))), [""; 0]);
        assert_eq!(names(&peers.was_written("x", &record(&["a", "b"]))), ["b"]);
        peers.was_read("x", &record(&["a", "b", "c"]));
        assert_eq!(
            names(&peers.was_written("x", &record(&["a", "b"]))),
            ["b", "c"]
        );
        assert_eq!(names(&peers.was_written("x", &record(&["a", "b"]))), ["b"]);
    }

    #[test]
    fn a_person_tells_everybody() {
        let peers = Peers::default();
        peers.was_read("x", &record(&["a", "b"]));
        assert_eq!(names(&peers.was_written("x", &record(&[]))), ["a", "b"]);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let peers = Peers::default();
        for number in 0..REMEMBERED * 2 {
            peers.was_read(&number.to_string(), &record(&["a"]));
        }
        assert!(peers.read.lock().len() <= REMEMBERED);
    }
}
