//! Where copies can be: a resource, a child of it and a grandchild, in three clusters; and an
//! object that was pasted with somebody else's `resource-id`.

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
    /// A copy of another resource in cluster b, whose `resource-id` names the parent: it is a
    /// copy of both.
    PastedB,
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
    Place::PastedB,
];
/// How many places there are.
pub const PLACES: usize = 9;
/// How many resources there are: each is inside the one before it, but for the last one.
pub const RESOURCES: usize = 4;
/// The resource that has nothing to do with the others.
const OTHER: usize = 3;
/// How many clusters there are.
pub const MEMBERS: usize = 3;

/// Cluster, namespace and resources of each place.
const LAYOUT: [(usize, &str, &[usize]); PLACES] = [
    (0, "n", &[0]),
    (1, "n", &[0]),
    (0, "n", &[1]),
    (1, "m", &[1]),
    (0, "m", &[0]),
    (2, "n", &[0]),
    (2, "n", &[1]),
    (2, "n", &[2]),
    (1, "o", &[OTHER, 0]),
];

static IDENTITIES: LazyLock<[Identity; RESOURCES]> = LazyLock::new(|| {
    let parent = "/subscriptions/s/resourceGroups/p";
    let child = format!("{parent}/providers/P/c/c");
    let grandchild = format!("{child}/g/g");
    let other = "/subscriptions/s/resourceGroups/q";
    [parent, &child, &grandchild, other].map(|id| id.parse().expect("a valid ARM ID"))
});

static COPIES: LazyLock<[CopyRef; PLACES]> = LazyLock::new(|| {
    LAYOUT.map(|(member, namespace, resources)| CopyRef {
        member: ["a", "b", "c"][member].parse().expect("a valid name"),
        object: ObjectKey::new("g", ["P", "C", "G", "P"][resources[0]], namespace, "o"),
    })
});

impl Place {
    /// The number of the cluster.
    pub fn member(self) -> usize {
        LAYOUT[self as usize].0
    }

    /// The numbers of the resources that a copy here is one of, the computed one first.
    pub fn resources(self) -> &'static [usize] {
        LAYOUT[self as usize].2
    }

    /// The number of the computed one.
    pub fn resource(self) -> usize {
        self.resources()[0]
    }

    /// The computed one.
    pub fn identity(self) -> &'static Identity {
        identity_of(self.resource())
    }

    /// All of them.
    pub fn identities(self) -> Vec<Identity> {
        let all = self.resources().iter();
        all.map(|&resource| identity_of(resource).clone()).collect()
    }

    /// Whether a copy here and one there are of one resource.
    pub fn shares_resource(self, other: Self) -> bool {
        let mut shared = self.resources().iter();
        shared.any(|one| other.resources().contains(one))
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
        let inside = other.is_inside(self) && !self.copy().shares_namespace(other.copy());
        self != other && (self.shares_resource(other) || inside)
    }

    /// Whether a copy here is inside the resource of `other`.
    pub fn is_inside(self, other: Self) -> bool {
        let is_above = |&&above: &&usize| above < self.resource() && self.resource() != OTHER;
        other.resources().iter().find(is_above).is_some()
    }
}

/// The resource with this number.
pub fn identity_of(resource: usize) -> &'static Identity {
    &IDENTITIES[resource]
}

/// The number of a resource.
pub fn resource_of(identity: &Identity) -> Option<usize> {
    IDENTITIES.iter().position(|known| known == identity)
}
