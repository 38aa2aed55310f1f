//! Where copies can be: a resource with a copy in each of two clusters, and a
//! child of it in the second one.

use std::sync::LazyLock;

use aso_guard::arm::Identity;
use aso_guard::claim::CopyRef;
use aso_guard::object::ObjectKey;

/// One copy that may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The parent's copy in cluster a.
    ParentA,
    /// The parent's copy in cluster b.
    ParentB,
    /// The child's copy in cluster b, in another namespace than [`Self::ParentB`].
    ChildB,
}

/// All places, in the order of their numbers.
pub const ALL: [Place; 3] = [Place::ParentA, Place::ParentB, Place::ChildB];
/// How many resources there are.
pub const RESOURCES: usize = 2;
/// How many clusters there are.
pub const MEMBERS: usize = 2;

static IDENTITIES: LazyLock<[Identity; RESOURCES]> = LazyLock::new(|| {
    let parent = "/subscriptions/s/resourceGroups/p";
    let child = format!("{parent}/providers/P/c/c");
    [parent, &child].map(|id| id.parse().expect("a valid ARM ID"))
});

static COPIES: LazyLock<[CopyRef; 3]> = LazyLock::new(|| {
    [("a", "n", "P"), ("b", "n", "P"), ("b", "m", "C")].map(|(member, namespace, kind)| CopyRef {
        member: member.parse().expect("a valid name"),
        object: ObjectKey::new("g", kind, namespace, "o"),
    })
});

impl Place {
    /// The number of the cluster.
    pub fn member(self) -> usize {
        usize::from(self != Self::ParentA)
    }

    /// The number of the resource.
    pub fn resource(self) -> usize {
        usize::from(self == Self::ChildB)
    }

    /// The resource that a copy here is one of.
    pub fn identity(self) -> &'static Identity {
        &IDENTITIES[self.resource()]
    }

    /// The copy.
    pub fn copy(self) -> &'static CopyRef {
        &COPIES[self as usize]
    }

    /// Whether a destructive delete here would take what is at `other`.
    pub fn takes(self, other: Self) -> bool {
        self != other && (self.resource() == other.resource() || other == Self::ChildB)
    }
}

/// The number of a resource.
pub fn resource_of(identity: &Identity) -> Option<usize> {
    IDENTITIES.iter().position(|known| known == identity)
}
