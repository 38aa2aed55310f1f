//! The parts that messages are made of.

use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{CopyRef, Hold, Holder};
use crate::object::text::{printable, quoted};
use crate::object::{ObjectKey, POLICY_ANNOTATION};

use super::Speaker;

/// How many peers or children a message names before it counts the rest.
pub const NAMED: usize = 3;
/// How much of a user's name is told, in characters. The API server drops warnings that have
/// control characters, whatever an identity provider put in it.
const NAME: usize = 250;

/// The peers of a resource, a line each.
pub(super) fn still(to: &Speaker<'_>, peers: &[Holder]) -> Vec<String> {
    named(to, peers, |to, peer| {
        let still = match peer.hold {
            Hold::Live | Hold::Parked => "still ",
            Hold::Pending(_) | Hold::Arriving(_) | Hold::Deleting => "",
        };
        format!("it is {still}{}", place(to, peer))
    })
}

/// A line for each of the first few, and one that counts the rest.
pub(super) fn named<T>(
    to: &Speaker<'_>,
    all: &[T],
    words: impl Fn(&Speaker<'_>, &T) -> String,
) -> Vec<String> {
    let first = all.iter().take(NAMED);
    let mut lines: Vec<String> = first.map(|one| words(to, one)).collect();
    match all.len().saturating_sub(NAMED) {
        0 => {}
        more => lines.push(format!("and {more} more")),
    }
    lines
}

/// `resourceGroups/rg-prod`: the type and name that end an ID.
pub(super) fn short(identity: &Identity) -> String {
    identity.last_pair().to_owned()
}

/// `live in cluster b as team/ResourceGroup/rg (since …, by …, last heard from …)`.
pub(super) fn place(to: &Speaker<'_>, holder: &Holder) -> String {
    let how = match holder.hold {
        Hold::Live => "live",
        Hold::Pending(_) => "going live",
        Hold::Parked => "parked",
        Hold::Arriving(_) => "being created parked",
        Hold::Deleting => "being deleted",
    };
    let here = holder.copy.member == to.copy.member;
    let cluster = if here {
        format!("this cluster ({})", holder.copy.member)
    } else {
        format!("cluster {}", holder.copy.member)
    };
    let mut notes = vec![format!("since {}", clock(holder.since))];
    if !holder.by.is_empty() {
        notes.push(format!("by {}", printable(&holder.by, NAME)));
    }
    match to.heard.get(&holder.copy.member).filter(|_| !here) {
        Some(Some(heard)) => notes.push(heard.words()),
        Some(None) => notes.push("its cluster was forgotten".to_owned()),
        None => {}
    }
    format!(
        "{how} in {cluster} as {} ({})",
        holder.copy.object,
        notes.join(", ")
    )
}

pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The command that parks a copy.
pub(super) fn park(to: &Speaker<'_>, copy: &CopyRef) -> String {
    let annotate = format!(
        "annotate --overwrite {} {POLICY_ANNOTATION}=skip",
        resource(&copy.object)
    );
    kubectl(to, copy, &annotate)
}

/// How the resource becomes free that a live copy holds.
pub(super) fn free(to: &Speaker<'_>, identity: &Identity, copy: &CopyRef) -> [String; 2] {
    match release(to, identity, copy) {
        Some(command) => [
            format!(
                "Cluster {} was forgotten. If no ASO runs there any more, release what it held, \
                 then try again:",
                copy.member
            ),
            command,
        ],
        None => [
            "Park that copy first, then try again:".to_owned(),
            park(to, copy),
        ],
    }
}

/// The command that takes a copy out of its claim, where its member was forgotten:
/// nobody is there who would see it parked or gone.
pub(super) fn release(to: &Speaker<'_>, identity: &Identity, copy: &CopyRef) -> Option<String> {
    let forgotten = to.heard.get(&copy.member).is_some_and(Option::is_none);
    forgotten.then(|| {
        let resource = identity.as_str().replace('\'', r"'\''");
        format!("  aso-guard claims release '{resource}' --copy {copy} --reason '<why>'")
    })
}

/// The same, whoever is told.
pub(super) fn park_from_anywhere(copy: &CopyRef) -> String {
    format!(
        "kubectl --context {} -n {} annotate --overwrite {} {POLICY_ANNOTATION}=skip",
        copy.member,
        quoted(&copy.object.namespace),
        resource(&copy.object)
    )
}

pub(super) fn kubectl(to: &Speaker<'_>, copy: &CopyRef, rest: &str) -> String {
    let context = if copy.member == to.copy.member {
        String::new()
    } else {
        format!(" --context {}", copy.member)
    };
    let namespace = quoted(&copy.object.namespace);
    format!("  kubectl{context} -n {namespace} {rest}")
}

/// `resourcegroup.resources.azure.com/rg`: how kubectl takes a kind that other
/// groups may have too.
pub(super) fn resource(object: &ObjectKey) -> String {
    let kind = object.kind.to_ascii_lowercase();
    quoted(&format!("{kind}.{}/{}", object.group, object.name))
}
