//! Where copies can be: a resource, a child of it and a grandchild, in three clusters.

use std::sync::LazyLock;

use aso_guard::arm::Identity;
use aso_guard::claim::CopyRef;
use aso_guard::object::ObjectKey;

/// One copy that may be. The exhaustive check takes some of the first four; random
/// schedules take all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The parent's copy in cluster a.
    ParentA,
    /// The parent's copy in cluster b.
    ParentB,
    /// The child's copy in cluster a, owned by [`Self::ParentA`].
    ChildA,
    /// The child's copy in cluster b, in another namespace than [`Self::ParentB`].
    ChildB,
    /// The parent's copy in another namespace of cluster a.
    OtherA,
    /// The parent's copy in cluster c.
    ParentC,
    /// The child's copy in cluster c, owned by [`Self::ParentC`].
    ChildC,
    /// A child of the child, in cluster c, owned by [`Self::ChildC`].
    GrandchildC,
}

/// All places, in the order of their numbers.
pub const ALL: [Place; PLACES] = [
    Place::ParentA,
    Place::ParentB,
    Place::ChildA,
    Place::ChildB,
    Place::OtherA,
    Place::ParentC,
    Place::ChildC,
    Place::GrandchildC,
];
/// How many places there are.
pub const PLACES: usize = 8;
/// How many resources there are: each is inside the one before it.
pub const RESOURCES: usize = 3;
/// How many clusters there are.
pub const MEMBERS: usize = 3;

/// Cluster, namespace and resource of each place.
const LAYOUT: [(usize, &str, usize); PLACES] = [
    (0, "n", 0),
    (1, "n", 0),
    (0, "n", 1),
    (1, "m", 1),
    (0, "m", 0),
    (2, "n", 0),
    (2, "n", 1),
    (2, "n", 2),
];

static IDENTITIES: LazyLock<[Identity; RESOURCES]> = LazyLock::new(|| {
    let parent = "/subscriptions/s/resourceGroups/p";
    let child = format!("{parent}/providers/P/c/c");
    let grandchild = format!("{child}/g/g");
    [parent, &child, &grandchild].map(|id| id.parse().expect("a valid ARM ID"))
});

static COPIES: LazyLock<[CopyRef; PLACES]> = LazyLock::new(|| {
    LAYOUT.map(|(member, namespace, resource)| CopyRef {
        member: ["a", "b", "c"][member].parse().expect("a valid name"),
        object: ObjectKey::new("g", ["P", "C", "G"][resource], namespace, "o"),
    })
});

impl Place {
    /// The number of the cluster.
    pub fn member(self) -> usize {
        LAYOUT[self as usize].0
    }

    /// The number of the resource.
    pub fn resource(self) -> usize {
        LAYOUT[self as usize].2
    }

    /// The resource that a copy here is one of.
    pub fn identity(self) -> &'static Identity {
        &IDENTITIES[self.resource()]
    }

    /// The copy.
    pub fn copy(self) -> &'static CopyRef {
        &COPIES[self as usize]
    }

    /// The copy that Kubernetes' garbage collector deletes this one after.
    pub fn owner(self) -> Option<Self> {
        match self {
            Self::ChildA => Some(Self::ParentA),
            Self::ChildC => Some(Self::ParentC),
            Self::GrandchildC => Some(Self::ChildC),
            _ => None,
        }
    }

    /// Whether a destructive delete here would take what is at `other` from somebody
    /// else: another copy of the resource, or what another namespace has inside it.
    pub fn takes(self, other: Self) -> bool {
        let inside = other.resource() > self.resource();
        self != other
            && (self.resource() == other.resource()
                || (inside && !self.copy().shares_namespace(other.copy())))
    }

    /// Whether a copy here is inside the resource of `other`.
    pub fn is_inside(self, other: Self) -> bool {
        self.resource() > other.resource()
    }
}

/// The number of a resource.
pub fn resource_of(identity: &Identity) -> Option<usize> {
    IDENTITIES.iter().position(|known| known == identity)
}
