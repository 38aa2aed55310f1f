//! The parts that messages are made of.

use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{CopyRef, Hold, Holder};
use crate::object::text::{printable, quoted};
use crate::object::{ObjectKey, POLICY_ANNOTATION};

use super::{LastHeard, RefusedRequest};

/// How many peers or children a message names before it counts the rest.
pub const NAMED: usize = 3;
/// How much of a user's name is told, in characters. The API server drops warnings that have
/// control characters, whatever an identity provider put in it.
const NAME: usize = 250;

/// The peers of a resource, a line each.
pub(super) fn still(to: &RefusedRequest<'_>, identity: &Identity, peers: &[Holder]) -> Vec<String> {
    named(peers, &show(to, identity), |peer| {
        let still = match peer.hold {
            Hold::Live | Hold::Parked => "still ",
            Hold::Pending(_) | Hold::Arriving(_) | Hold::Deleting => "",
        };
        format!("it is {still}{}", place(to, peer))
    })
}

/// What shows all copies of a resource: the end of an `aso-guard claims`.
pub(super) fn show(to: &RefusedRequest<'_>, identity: &Identity) -> String {
    format!("show {}{}", quoted(identity.as_str()), to.registry)
}

/// A line for each of the first few, and one that counts the rest and says how to see them: by
/// `aso-guard claims`.
pub(super) fn named<T>(all: &[T], see: &str, words: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = all.iter().take(NAMED).map(words).collect();
    match all.len().saturating_sub(NAMED) {
        0 => {}
        more => lines.push(format!("and {more} more: aso-guard claims {see}")),
    }
    lines
}

/// `resourceGroups/rg-prod`: the type and name that end an ID.
pub(super) fn short(identity: &Identity) -> String {
    identity.last_pair().to_owned()
}

/// `live in cluster b as team/ResourceGroup/rg (since …, by …, last heard from …)`.
pub(super) fn place(to: &RefusedRequest<'_>, holder: &Holder) -> String {
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
pub(super) fn park(copy: &CopyRef) -> String {
    kubectl(copy, &annotate_skip(copy))
}

fn annotate_skip(copy: &CopyRef) -> String {
    let object = resource(&copy.object);
    format!("annotate --overwrite {object} {POLICY_ANNOTATION}=skip")
}

/// How the resource becomes free that a live copy holds.
pub(super) fn free(to: &RefusedRequest<'_>, identity: &Identity, copy: &CopyRef) -> Vec<String> {
    let mut next = release_first(to, identity, copy);
    match silence(to, copy) {
        None => next.push("Park that copy first, then try again:".to_owned()),
        Some(_) if is_forgotten(to, copy) => return next,
        Some(_) => next.push("If it is there, park that copy first, then try again:".to_owned()),
    }
    next.push(kubectl(copy, &annotate_skip(copy)));
    next
}

/// Where a copy's cluster may be gone, nobody is there who would see the copy parked or deleted:
/// what to do then. Nothing where it is there.
pub(super) fn release_first(
    to: &RefusedRequest<'_>,
    identity: &Identity,
    copy: &CopyRef,
) -> Vec<String> {
    let Some(silence) = silence(to, copy) else {
        return Vec::new();
    };
    let is_forgotten = is_forgotten(to, copy);
    let gone = if is_forgotten {
        "no ASO runs there any more"
    } else {
        "it is gone for good"
    };
    let (member, registry) = (&copy.member, to.registry);
    let mut next = vec![
        format!("Cluster {member} was {silence}. If {gone}, release what it held, then try again:"),
        format!("  {}", copy.release_command(identity, registry)),
    ];
    if !is_forgotten {
        next.push("Or all that it held, in one go:".to_owned());
        next.push(format!(
            "  aso-guard failover plan --member {member}{registry}"
        ));
    }
    next
}

/// What suggests that a copy's cluster is gone; `None` where nothing does.
pub(super) fn silence(to: &RefusedRequest<'_>, copy: &CopyRef) -> Option<String> {
    if is_forgotten(to, copy) {
        return Some("forgotten".to_owned());
    }
    let heard = to.heard.get(&copy.member).copied().flatten();
    let heard = heard.filter(|heard| copy.member != to.copy.member && heard.is_long_ago());
    heard.map(LastHeard::words)
}

impl CopyRef {
    /// The command that takes this copy, of a cluster that is gone, out of the claim of a
    /// resource; it asks before it does so. `registry`: the flags by which it is reached.
    pub fn release_command(&self, identity: &Identity, registry: &str) -> String {
        format!(
            "aso-guard claims release {} --copy {} --reason '<why>'{registry}",
            quoted(identity.as_str()),
            quoted(&self.to_string())
        )
    }
}

pub(super) fn is_forgotten(to: &RefusedRequest<'_>, copy: &CopyRef) -> bool {
    to.heard.get(&copy.member).is_some_and(Option::is_none)
}

/// A command for a copy's cluster, as a line of its own.
pub(super) fn kubectl(copy: &CopyRef, rest: &str) -> String {
    let namespace = quoted(&copy.object.namespace);
    format!("  kubectl --context {} -n {namespace} {rest}", copy.member)
}

/// `resourcegroup.resources.azure.com/rg`: how kubectl takes a kind that other
/// groups may have too.
pub(super) fn resource(object: &ObjectKey) -> String {
    let kind = object.kind.to_ascii_lowercase();
    quoted(&format!("{kind}.{}/{}", object.group, object.name))
}
