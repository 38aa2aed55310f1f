//! Why a request is refused, with what a person needs to know about it.

use jiff::Timestamp;

use crate::arm::Identity;

use super::fence::Fence;
use super::names::{CopyRef, MemberName};
use super::record::{InFlight, MemberCopy, Reservation};

/// A refusal of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Another copy of the resource is live, or may become so.
    LiveElsewhere {
        /// The resource.
        identity: Identity,
        /// The live copy.
        holder: Holder,
        /// Whether either copy's identity rests on an owner that is not there.
        assumed: bool,
    },
    /// An open transfer brings the resource to another place: it may go live only there.
    ReservedElsewhere {
        /// The resource.
        identity: Identity,
        /// The transfer, and where it brings it.
        reservation: Reservation,
    },
    /// `serviceoperator.azure.com/resource-id` names a resource that somebody else holds.
    ForeignResourceId {
        /// The resource that the annotation names.
        named: Identity,
        /// The resource that the spec describes.
        computed: Identity,
        /// Who holds the named one.
        holder: Holder,
    },
    /// A resource that contains this one is being deleted.
    AncestorDeleting {
        /// The resource.
        identity: Identity,
        /// The resource being deleted.
        ancestor: Identity,
        /// The copy through which it is deleted.
        holder: Holder,
    },
    /// A destructive delete, while an open transfer moves the resource or one inside it.
    TransferDepends {
        /// The resource.
        identity: Identity,
        /// What is moved: the resource itself, or one inside it.
        moved: Identity,
        /// The transfer.
        reservation: Reservation,
    },
    /// A destructive delete, while other copies of the resource are there.
    PeersDepend {
        /// The resource.
        identity: Identity,
        /// The other copies; at least one.
        peers: Vec<Holder>,
    },
    /// A destructive delete, while others hold resources inside this one.
    ChildrenDepend {
        /// The resource.
        identity: Identity,
        /// What is inside; at least one.
        children: Vec<Dependent>,
    },
    /// The object is an owner that others wait for, and with it one of those would
    /// become a second live copy.
    WakesChild {
        /// The waiting object.
        child: CopyRef,
        /// Why it may not go live.
        refusal: Box<Refusal>,
    },
    /// Kubernetes' garbage collector would delete a child too, and that delete would
    /// be refused.
    ChildRefused {
        /// The child.
        child: CopyRef,
        /// Why it may not be deleted.
        refusal: Box<Refusal>,
    },
    /// The delete of a copy that leaves Azure alone, while Kubernetes' garbage collector
    /// would delete live children with it, and ASO their resources.
    TakesLiveChildren {
        /// The children; at least one.
        children: Vec<CopyRef>,
    },
    /// A destructive delete of what somebody said is not to be deleted.
    Protected {
        /// What would be deleted in Azure.
        copy: CopyRef,
        /// Whether its namespace says so, and not it itself.
        by_namespace: bool,
        /// Why, in their words.
        why: String,
    },
    /// A person has said that this cluster is lost: others may have taken over what it held.
    Fenced {
        /// This cluster.
        member: MemberName,
        /// What they said.
        fence: Box<Fence>,
    },
    /// A change that makes the delete of a terminating copy destructive, while
    /// other copies of the resource are there.
    WakesDelete {
        /// The resource.
        identity: Identity,
        /// The other copies; at least one.
        peers: Vec<Holder>,
    },
}

/// A copy that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Which copy.
    pub copy: CopyRef,
    /// How it holds the resource.
    pub hold: Hold,
    /// Since when, by its own cluster's clock.
    pub since: Timestamp,
    /// The user who brought it about; empty when not known.
    pub by: String,
}

/// How a copy holds a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// It is live and was seen stored.
    Live,
    /// It was admitted as live and has not been seen stored; by this deadline the
    /// matter is decided.
    Pending(Timestamp),
    /// It is parked.
    Parked,
    /// It was admitted as parked and has not been seen stored; by this deadline the
    /// matter is decided.
    Arriving(Timestamp),
    /// It is being deleted, and the resource with it.
    Deleting,
}

/// A resource inside another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependent {
    /// The resource inside.
    pub identity: Identity,
    /// A copy of it.
    pub holder: Holder,
}

/// The short reason token of a refusal or a warning: `status.reason` of the API
/// server's answer, a metric's label, an audit annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Another copy is live.
    LiveElsewhere,
    /// An open transfer brings the resource elsewhere.
    InTransfer,
    /// An open transfer moves what would be deleted.
    TransferDepends,
    /// A stale resource-id annotation that names somebody else's resource.
    ForeignResourceId,
    /// An ancestor is being deleted.
    AncestorDeleting,
    /// Other copies depend on the resource.
    PeersDepend,
    /// Others' resources are inside.
    ChildrenDepend,
    /// An owner would make a waiting child a second live copy.
    WakesChild,
    /// A child would be deleted too, and may not be.
    ChildRefused,
    /// Live children would be deleted with a copy that leaves Azure alone itself.
    TakesLiveChildren,
    /// The change would turn a safe delete into a destructive one.
    WakesDelete,
    /// Somebody said that this is not to be deleted.
    Protected,
    /// Somebody said that this cluster is lost.
    MemberFenced,
    /// The identity could not be worked out.
    Unresolved,
    /// The CRD has live objects.
    KindInUse,
    /// The label that keeps a namespace guarded would be removed.
    NamespaceGuarded,
    /// The namespace would be guarded less than before.
    ModeGuarded,
    /// The registry did not answer in time.
    RegistryUnavailable,
    /// The registry does not know all copies: it is new, was emptied or was set back.
    RegistryRebuilding,
    /// The object could not be read.
    Unreadable,
    /// The policy annotation has a value that ASO does not know.
    UnknownPolicy,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::LiveElsewhere,
        Self::InTransfer,
        Self::TransferDepends,
        Self::ForeignResourceId,
        Self::AncestorDeleting,
        Self::PeersDepend,
        Self::ChildrenDepend,
        Self::WakesChild,
        Self::ChildRefused,
        Self::TakesLiveChildren,
        Self::WakesDelete,
        Self::Protected,
        Self::MemberFenced,
        Self::Unresolved,
        Self::KindInUse,
        Self::NamespaceGuarded,
        Self::ModeGuarded,
        Self::RegistryUnavailable,
        Self::RegistryRebuilding,
        Self::Unreadable,
        Self::UnknownPolicy,
    ];

    /// The token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LiveElsewhere => "LiveElsewhere",
            Self::InTransfer => "InTransfer",
            Self::TransferDepends => "TransferDepends",
            Self::ForeignResourceId => "ForeignResourceId",
            Self::AncestorDeleting => "AncestorDeleting",
            Self::PeersDepend => "PeersDepend",
            Self::ChildrenDepend => "ChildrenDepend",
            Self::WakesChild => "WakesChild",
            Self::ChildRefused => "ChildRefused",
            Self::TakesLiveChildren => "TakesLiveChildren",
            Self::WakesDelete => "WakesDelete",
            Self::Protected => "Protected",
            Self::MemberFenced => "MemberFenced",
            Self::Unresolved => "Unresolved",
            Self::KindInUse => "KindInUse",
            Self::NamespaceGuarded => "NamespaceGuarded",
            Self::ModeGuarded => "ModeGuarded",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::RegistryRebuilding => "RegistryRebuilding",
            Self::Unreadable => "Unreadable",
            Self::UnknownPolicy => "UnknownPolicy",
        }
    }
}

impl Refusal {
    /// The reason token.
    pub fn reason(&self) -> Reason {
        match self {
            Self::LiveElsewhere { .. } => Reason::LiveElsewhere,
            Self::ReservedElsewhere { .. } => Reason::InTransfer,
            Self::TransferDepends { .. } => Reason::TransferDepends,
            Self::ForeignResourceId { .. } => Reason::ForeignResourceId,
            Self::AncestorDeleting { .. } => Reason::AncestorDeleting,
            Self::PeersDepend { .. } => Reason::PeersDepend,
            Self::ChildrenDepend { .. } => Reason::ChildrenDepend,
            Self::WakesChild { .. } => Reason::WakesChild,
            Self::ChildRefused { .. } => Reason::ChildRefused,
            Self::TakesLiveChildren { .. } => Reason::TakesLiveChildren,
            Self::WakesDelete { .. } => Reason::WakesDelete,
            Self::Protected { .. } => Reason::Protected,
            Self::Fenced { .. } => Reason::MemberFenced,
        }
    }

    /// The copies that stand in the way: their members' last heartbeats are worth
    /// telling.
    pub fn holders(&self) -> Vec<&Holder> {
        match self {
            Self::LiveElsewhere { holder, .. }
            | Self::ForeignResourceId { holder, .. }
            | Self::AncestorDeleting { holder, .. } => vec![holder],
            Self::ReservedElsewhere { .. }
            | Self::TransferDepends { .. }
            | Self::Protected { .. }
            | Self::Fenced { .. }
            | Self::TakesLiveChildren { .. } => Vec::new(),
            Self::PeersDepend { peers, .. } | Self::WakesDelete { peers, .. } => {
                peers.iter().collect()
            }
            Self::ChildrenDepend { children, .. } => {
                children.iter().map(|child| &child.holder).collect()
            }
            Self::WakesChild { refusal, .. } | Self::ChildRefused { refusal, .. } => {
                refusal.holders()
            }
        }
    }
}

impl Holder {
    /// How this copy holds the resource.
    pub fn of(copy: &CopyRef, entry: &MemberCopy) -> Self {
        let hold = if entry.is_deleting() {
            Hold::Deleting
        } else if entry.stored_live() {
            Hold::Live
        } else if let Some(deadline) = latest(&entry.acquiring) {
            Hold::Pending(deadline)
        } else if let (None, Some(deadline)) = (&entry.stored, latest(&entry.arriving)) {
            Hold::Arriving(deadline)
        } else {
            Hold::Parked
        };
        Self {
            copy: copy.clone(),
            hold,
            since: entry.since,
            by: entry.by.to_string(),
        }
    }
}

/// When the last of these requests is over.
fn latest(requests: &[InFlight]) -> Option<Timestamp> {
    requests.iter().map(|request| request.deadline).max()
}
