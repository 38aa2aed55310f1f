//! What a person is told: what would go wrong, who holds the resource, what to type next.

use jiff::{SignedDuration, Timestamp};

use crate::arm::Identity;
use crate::object::{ObjectKey, POLICY_ANNOTATION, RESOURCE_ID_ANNOTATION};

use super::names::CopyRef;
use super::refusal::{Dependent, Hold, Holder, Refusal};

/// How many peers or children a message names before it counts the rest.
const NAMED: usize = 3;

/// Who speaks to whom about what: the request a refusal answers.
#[derive(Clone, Debug)]
pub struct Speaker<'a> {
    /// The copy the request is about.
    pub copy: &'a CopyRef,
    /// What the request would do.
    pub action: Action,
    /// When the holder's member was last heard from, where that is known.
    pub heard: Option<Heard>,
}

/// What a request would do to its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create it live.
    Create,
    /// Make a parked copy live.
    Activate,
    /// Give a live copy another identity.
    Rename,
    /// Delete it.
    Delete,
}

/// How long ago a member wrote its last heartbeat. For a person to read; no
/// verdict rests on it, for it compares clocks of two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard(SignedDuration);

impl Heard {
    /// A heartbeat written at `last`, looked at `now`.
    pub fn since(last: Timestamp, now: Timestamp) -> Self {
        Self(now.duration_since(last))
    }

    fn words(self) -> String {
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

/// A refusal in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line: what would go wrong, and who holds the resource.
    pub summary: String,
    /// What to do next, a line each, commands ready to paste.
    pub next: Vec<String>,
    /// What else there is to know, a line each.
    pub details: Vec<String>,
}

impl Words {
    /// The message of a refusal.
    pub fn message(&self) -> String {
        let lines = [&self.summary].into_iter().chain(&self.next);
        let lines: Vec<&str> = lines.chain(&self.details).map(String::as_str).collect();
        lines.join("\n")
    }

    /// The warnings that stand for the refusal in audit mode.
    pub fn warnings(&self) -> Vec<String> {
        let first = format!("aso-guard would refuse this: {}", self.summary);
        [first].into_iter().chain(self.next.clone()).collect()
    }
}

impl Refusal {
    /// Puts the refusal in words.
    pub fn words(&self, to: &Speaker<'_>) -> Words {
        match self {
            Self::LiveElsewhere {
                identity,
                holder,
                assumed,
            } => live_elsewhere(to, identity, holder, *assumed),
            Self::ForeignResourceId {
                named,
                computed,
                holder,
            } => foreign_resource_id(to, named, computed, holder),
            Self::AncestorDeleting {
                identity,
                ancestor,
                holder,
            } => ancestor_deleting(to, identity, ancestor, holder),
            Self::PeersDepend { identity, peers } => peers_depend(to, identity, peers),
            Self::ChildrenDepend { identity, children } => children_depend(to, identity, children),
            Self::WakesDelete { identity, peers } => wakes_delete(to, identity, peers),
            Self::WakesChild { child, refusal } => {
                let waits = format!("{} waits for this owner, and with it", child.object);
                of_child(to, child, Action::Activate, refusal, &waits)
            }
            Self::ChildRefused { child, refusal } => {
                let goes = format!(
                    "with this copy Kubernetes deletes {} too, and",
                    child.object
                );
                of_child(to, child, Action::Delete, refusal, &goes)
            }
        }
    }
}

/// A refusal that is about a child of the request's object.
fn of_child(
    to: &Speaker<'_>,
    child: &CopyRef,
    action: Action,
    refusal: &Refusal,
    before: &str,
) -> Words {
    let mut words = refusal.words(&Speaker {
        copy: child,
        action,
        heard: to.heard,
    });
    words.summary = format!("{before} {}", words.summary);
    words
}

fn live_elsewhere(to: &Speaker<'_>, identity: &Identity, holder: &Holder, assumed: bool) -> Words {
    let what = match to.action {
        Action::Activate => "making this copy live",
        Action::Rename => "this change",
        Action::Create | Action::Delete => "creating this copy live",
    };
    let summary = format!(
        "{what} would give {} two live reconcilers: it is {}",
        short(identity),
        place(to, holder),
    );
    let mut next = match holder.hold {
        Hold::Deleting => vec!["Wait until it is gone, then try again.".to_owned()],
        Hold::Pending(deadline) => vec![format!(
            "Park that copy first; if it was never stored, the resource is free at {} at the latest.",
            clock(deadline)
        )],
        Hold::Live | Hold::Parked => vec!["Park that copy first, then try again:".to_owned()],
    };
    if holder.hold != Hold::Deleting {
        next.push(park(to, &holder.copy));
        if to.action == Action::Create {
            next.push(format!(
                "Or create this copy parked: annotate it {POLICY_ANNOTATION}: skip"
            ));
        }
    }
    let mut details = vec![format!("Resource: {identity}")];
    if assumed {
        details.push(
            "An owner is not there yet: its Kubernetes name was taken for its Azure name. \
             If that is wrong, create the owner first."
                .to_owned(),
        );
    }
    Words {
        summary,
        next,
        details,
    }
}

fn foreign_resource_id(
    to: &Speaker<'_>,
    named: &Identity,
    computed: &Identity,
    holder: &Holder,
) -> Words {
    Words {
        summary: format!(
            "the annotation {RESOURCE_ID_ANNOTATION} names another resource than the spec: \
             deleting this copy would delete {}, which is {}",
            short(named),
            place(to, holder),
        ),
        next: vec![format!(
            "Remove the annotation {RESOURCE_ID_ANNOTATION} from the manifest; ASO sets it again."
        )],
        details: vec![format!("Annotation: {named}"), format!("Spec: {computed}")],
    }
}

fn ancestor_deleting(
    to: &Speaker<'_>,
    identity: &Identity,
    ancestor: &Identity,
    holder: &Holder,
) -> Words {
    Words {
        summary: format!(
            "{} would be deleted along with {}, which is {}",
            short(identity),
            short(ancestor),
            place(to, holder),
        ),
        next: vec!["Wait until that is gone, then create its replacement first.".to_owned()],
        details: vec![
            format!("Resource: {identity}"),
            format!("Inside: {ancestor}"),
        ],
    }
}

fn peers_depend(to: &Speaker<'_>, identity: &Identity, peers: &[Holder]) -> Words {
    let summary = format!(
        "deleting this copy would delete {} in Azure, and it is still {}",
        short(identity),
        places(to, peers),
    );
    let mut next = vec![
        "To delete only this copy and leave Azure alone, park it first:".to_owned(),
        park(to, to.copy),
    ];
    let all_parked = peers.iter().all(|peer| peer.hold == Hold::Parked);
    if let (true, Some(peer)) = (all_parked, peers.first()) {
        next.push(
            "To delete the resource too, first delete the parked copy (Azure is not touched):"
                .to_owned(),
        );
        next.push(kubectl(
            to,
            &peer.copy,
            &format!("delete {}", resource(&peer.copy.object)),
        ));
    }
    Words {
        summary,
        next,
        details: vec![format!("Resource: {identity}")],
    }
}

fn children_depend(to: &Speaker<'_>, identity: &Identity, children: &[Dependent]) -> Words {
    let named: Vec<String> = children
        .iter()
        .take(NAMED)
        .enumerate()
        .map(|(at, child)| {
            let heard = if at == 0 { to.heard } else { None };
            let place = place(
                &Speaker {
                    heard,
                    ..to.clone()
                },
                &child.holder,
            );
            format!("{} ({place})", short(&child.identity))
        })
        .collect();
    let more = match children.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Words {
        summary: format!(
            "deleting this copy would delete {} in Azure, and with it what others hold inside: {}{more}",
            short(identity),
            named.join(", "),
        ),
        next: vec![
            "Delete or move those first; or, to delete only this copy and leave Azure alone, park it:"
                .to_owned(),
            park(to, to.copy),
        ],
        details: vec![format!("Resource: {identity}")],
    }
}

fn wakes_delete(to: &Speaker<'_>, identity: &Identity, peers: &[Holder]) -> Words {
    Words {
        summary: format!(
            "this copy is being deleted; making it manage would delete {} in Azure, \
             and it is still {}",
            short(identity),
            places(to, peers),
        ),
        next: vec!["Leave it as it is: its delete ends without touching Azure.".to_owned()],
        details: vec![format!("Resource: {identity}")],
    }
}

/// `resourceGroups/rg-prod`: the type and name that end an ID.
fn short(identity: &Identity) -> String {
    let id = identity.as_str();
    let cut = id.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    id[cut..].to_owned()
}

/// `live in cluster b as team/ResourceGroup/rg (since …, by …, last heard from …)`.
fn place(to: &Speaker<'_>, holder: &Holder) -> String {
    let how = match holder.hold {
        Hold::Live => "live",
        Hold::Pending(_) => "going live",
        Hold::Parked => "parked",
        Hold::Deleting => "being deleted",
    };
    let cluster = if holder.copy.member == to.copy.member {
        format!("this cluster ({})", holder.copy.member)
    } else {
        format!("cluster {}", holder.copy.member)
    };
    let mut notes = vec![format!("since {}", clock(holder.since))];
    if !holder.by.is_empty() {
        notes.push(format!("by {}", holder.by));
    }
    if let (Some(heard), true) = (to.heard, holder.copy.member != to.copy.member) {
        notes.push(heard.words());
    }
    format!(
        "{how} in {cluster} as {} ({})",
        holder.copy.object,
        notes.join(", ")
    )
}

fn places(to: &Speaker<'_>, holders: &[Holder]) -> String {
    let first = holders.first().map(|holder| place(to, holder));
    match (first, holders.len()) {
        (Some(first), 0 | 1) => first,
        (Some(first), more) => format!("{first} and in {} other places", more - 1),
        (None, _) => "held elsewhere".to_owned(),
    }
}

fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The command that parks a copy.
fn park(to: &Speaker<'_>, copy: &CopyRef) -> String {
    let annotate = format!(
        "annotate --overwrite {} {POLICY_ANNOTATION}=skip",
        resource(&copy.object)
    );
    kubectl(to, copy, &annotate)
}

fn kubectl(to: &Speaker<'_>, copy: &CopyRef, rest: &str) -> String {
    let context = if copy.member == to.copy.member {
        String::new()
    } else {
        format!(" --context {}", copy.member)
    };
    format!("  kubectl{context} -n {} {rest}", copy.object.namespace)
}

/// `resourcegroup.resources.azure.com/rg`: how kubectl takes a kind that other
/// groups may have too.
fn resource(object: &ObjectKey) -> String {
    let kind = object.kind.to_ascii_lowercase();
    format!("{kind}.{}/{}", object.group, object.name)
}
