//! What a person is told: what would go wrong, who holds the resource, what to type next.

mod children;
mod conflict;
mod fenced;
mod peers;
mod phrases;
mod protected;
mod transfer;
mod wakes;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::arm::Identity;
use crate::object::{POLICY_ANNOTATION, RESOURCE_ID_ANNOTATION};

use super::names::{CopyRef, MemberName};
use super::refusal::{Hold, Holder, Refusal};
pub use phrases::NAMED;
use phrases::{clock, free, place, short};

/// Who speaks to whom about what: the request a refusal answers.
#[derive(Clone, Debug)]
pub struct RefusedRequest<'a> {
    /// The copy the request is about.
    pub copy: &'a CopyRef,
    /// What the request would do.
    pub action: Action,
    /// When the members in the way were last heard from, as far as that is known.
    pub heard: &'a Heartbeats,
    /// The flags by which people's `aso-guard` reaches the registry: none, or beginning with a
    /// space.
    pub registry: &'a str,
}

/// When members were last heard from; `None` for one that has no record: it was
/// forgotten.
pub type Heartbeats = BTreeMap<MemberName, Option<LastHeard>>;

/// What a request would do to its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create it live.
    Create,
    /// Make a parked copy live.
    Activate,
    /// Make a parked copy live that clusterctl deletes next.
    MoveAway,
    /// Give a live copy another identity.
    Rename,
    /// Delete it.
    Delete,
    /// Change the policy of its namespace.
    NamespacePolicy,
}

/// How long ago a member wrote its last heartbeat. For a person to read; no
/// verdict rests on it, for it compares clocks of two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastHeard(SignedDuration);

impl LastHeard {
    /// Whether it is so long ago that its cluster may be gone.
    fn is_long_ago(self) -> bool {
        self.0 >= LONG
    }

    /// A heartbeat written at `last`, looked at `now`.
    pub fn since(last: Timestamp, now: Timestamp) -> Self {
        Self(now.duration_since(last))
    }

    /// `last heard from 3 s ago`.
    pub fn words(self) -> String {
        let seconds = self.0.as_secs();
        match seconds {
            ..=1 => "last heard from just now".to_owned(),
            2..120 => format!("last heard from {seconds} s ago"),
            120..7200 => format!("last heard from {} min ago", seconds / 60),
            7200..172_800 => format!("not heard from for {} h", seconds / 3600),
            _ => format!("not heard from for {} days", seconds / 86_400),
        }
    }
}

/// A cluster that writes a heartbeat within seconds was not heard from for long enough to ask
/// whether it is there.
const LONG: SignedDuration = SignedDuration::from_mins(10);

/// What is to be said of the names in commands.
const CONTEXTS: &str = "(contexts here are called like the members and the hub; use your own names \
                        for them)";

/// A refusal in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalMessage {
    /// What would go wrong.
    pub summary: String,
    /// Who stands in the way, a line each.
    pub holders: Vec<String>,
    /// What to do next, a line each, commands ready to paste.
    pub next: Vec<String>,
    /// What else there is to know, a line each.
    pub details: Vec<String>,
}

impl RefusalMessage {
    /// The message of a refusal: what would go wrong and who stands in the way in
    /// its first line, then the rest.
    pub fn message(&self) -> String {
        let first = self.first();
        let mut lines = vec![&*first];
        lines.extend(self.holders.iter().skip(1).map(String::as_str));
        lines.extend(self.next.iter().map(String::as_str));
        if lines.iter().any(|line| line.contains(" --context ")) {
            lines.push(CONTEXTS);
        }
        lines.extend(self.details.iter().map(String::as_str));
        lines.join("\n")
    }

    /// The same for where there is little room, as in an Event: what would go wrong, who
    /// stands in the way, and the first thing to do about it.
    pub fn brief(&self) -> String {
        let mut lines = vec![self.first()];
        let mut next = self.next.iter().cloned();
        if let Some(step) = next.next() {
            let leads_to_a_command = step.ends_with(':');
            lines.push(step);
            lines.extend(next.next().filter(|_| leads_to_a_command));
        }
        lines.join("\n")
    }

    fn first(&self) -> String {
        match self.holders.first() {
            Some(holder) => format!("{}: {holder}", self.summary),
            None => self.summary.clone(),
        }
    }

    /// The warnings that stand for the refusal in audit mode. Each is a line of its
    /// own, and of 120 characters where the names in it leave room for that.
    pub fn warnings(&self) -> Vec<String> {
        let first = format!("aso-guard would refuse this: {}", self.summary);
        let rest = self.holders.iter().chain(&self.next).cloned();
        [first].into_iter().chain(rest).collect()
    }
}

impl Refusal {
    /// Puts the refusal in words.
    pub fn words(&self, to: &RefusedRequest<'_>) -> RefusalMessage {
        self.about(to, None)
    }

    /// `subject`: what leads up to it, where that is not the request's own object.
    fn about(&self, to: &RefusedRequest<'_>, subject: Option<&str>) -> RefusalMessage {
        match self {
            Self::LiveElsewhere {
                identity,
                holder,
                assumed,
            } => live_elsewhere(to, subject, identity, holder, *assumed),
            Self::ReservedElsewhere {
                identity,
                reservation,
            } => transfer::reserved_elsewhere(to, subject, identity, reservation),
            Self::TransferDepends {
                identity,
                moved,
                reservation,
            } => transfer::transfer_depends(to, subject, identity, moved, reservation),
            Self::ForeignResourceId {
                named,
                computed,
                holder,
            } => foreign_resource_id(to, named, computed, holder),
            Self::AncestorDeleting {
                identity,
                ancestor,
                holder,
            } => ancestor_deleting(to, subject, identity, ancestor, holder),
            Self::PeersDepend { identity, peers } => {
                peers::peers_depend(to, subject, identity, peers)
            }
            Self::ChildrenDepend { identity, children } => {
                children::children_depend(to, subject, identity, children)
            }
            Self::WakesDelete { identity, peers } => {
                wakes::wakes_delete(to, subject, identity, peers)
            }
            Self::WakesChild { child, refusal } => {
                let makes = match to.action {
                    Action::NamespacePolicy => "this policy of the namespace makes",
                    Action::Create => "creating this owner makes its child",
                    _ => "this change renames its child",
                };
                let live = if makes.ends_with("renames its child") {
                    ""
                } else {
                    " live"
                };
                let makes = format!("{makes} {}{live}", child.object);
                refusal.about(&of_child(to, child, Action::Activate), Some(&makes))
            }
            Self::ChildRefused { child, refusal } => {
                let goes = format!("this also deletes {}", child.object);
                refusal.about(&of_child(to, child, Action::Delete), Some(&goes))
            }
            Self::Protected {
                copy,
                by_namespace,
                why,
            } => protected::protected(to, subject, copy, (*by_namespace, why)),
            Self::Fenced { member, fence } => fenced::fenced(to, subject, member, fence),
            Self::TakesLiveChildren { children } => children::takes_live_children(to, children),
        }
    }
}

/// To whom a refusal is told that is about a child of the request's object.
fn of_child<'a>(to: &RefusedRequest<'a>, child: &'a CopyRef, action: Action) -> RefusedRequest<'a> {
    RefusedRequest {
        copy: child,
        action,
        heard: to.heard,
        registry: to.registry,
    }
}

fn live_elsewhere(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    identity: &Identity,
    holder: &Holder,
    assumed: bool,
) -> RefusalMessage {
    let what = going_live(to, subject);
    let resource = short(identity);
    let mut words = RefusalMessage {
        summary: format!("{what} would have two ASOs write to {resource}"),
        holders: vec![format!("it is {}", place(to, holder))],
        next: Vec::new(),
        details: vec![format!("Resource: {identity}")],
    };
    match holder.hold {
        Hold::Deleting => {
            words.summary = format!("{what} would have {resource} deleted under it");
            let wait = "Wait until that copy is gone, then try again.";
            words.next.push(wait.to_owned());
        }
        Hold::Pending(deadline) => {
            let after = clock(deadline);
            words
                .next
                .push(format!("If that request failed, try again after {after}."));
            words.next.push(format!(
                "If it is refused still, see whether the guard of cluster {} is there, and may read {}.{}:",
                holder.copy.member,
                holder.copy.object.kind,
                holder.copy.object.group
            ));
            let see = format!("  aso-guard members list{}", to.registry);
            words.next.push(see);
            words.next.extend(free(to, identity, &holder.copy));
        }
        Hold::Live | Hold::Parked | Hold::Arriving(_) => {
            words.next.extend(free(to, identity, &holder.copy));
        }
    }
    if to.action == Action::Create && holder.hold != Hold::Deleting {
        words.next.push(format!(
            "Or create this copy parked, with the annotation {POLICY_ANNOTATION}: skip"
        ));
    }
    if assumed {
        words.details.push(
            "An owner is not there yet: its Kubernetes name was taken for its Azure name. \
             If that is wrong, create the owner first."
                .to_owned(),
        );
    }
    words
}

/// What would go wrong is told of the request's own object, or of what the request makes of
/// another one.
fn cause(subject: Option<&str>, own: &str) -> String {
    subject.map_or_else(|| own.to_owned(), |subject| format!("{subject}, which"))
}

/// What makes a copy live.
fn going_live(to: &RefusedRequest<'_>, subject: Option<&str>) -> String {
    let own = match to.action {
        Action::Activate | Action::MoveAway => "making this copy live",
        Action::Rename => "this change",
        Action::Create | Action::Delete | Action::NamespacePolicy => "creating this copy live",
    };
    cause(subject, own)
}

fn foreign_resource_id(
    to: &RefusedRequest<'_>,
    named: &Identity,
    computed: &Identity,
    holder: &Holder,
) -> RefusalMessage {
    let annotation = RESOURCE_ID_ANNOTATION;
    RefusalMessage {
        summary: format!(
            "resource-id points at {}, but the spec describes {}",
            short(named),
            short(computed)
        ),
        holders: vec![format!("{} is {}", short(named), place(to, holder))],
        next: vec![format!(
            "Deleting this copy would delete {}. Omit {annotation}; ASO sets it again.",
            short(named)
        )],
        details: vec![
            format!("Annotation: {named}"),
            format!("Spec:       {computed}"),
        ],
    }
}

fn ancestor_deleting(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    identity: &Identity,
    ancestor: &Identity,
    holder: &Holder,
) -> RefusalMessage {
    let (child, parent) = (short(identity), short(ancestor));
    RefusalMessage {
        summary: match subject {
            Some(subject) => {
                format!("{subject}, which would have {child} deleted along with {parent}")
            }
            None => format!("{child} would be deleted along with {parent}"),
        },
        holders: vec![format!("that is {}", place(to, holder))],
        next: vec![format!(
            "Wait until {parent} is gone, create it again, then try this again."
        )],
        details: vec![
            format!("Resource: {identity}"),
            format!("Inside:   {ancestor}"),
        ],
    }
}

#[cfg(test)]
mod tests;
