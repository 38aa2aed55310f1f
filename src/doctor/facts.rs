//! What was read of a cluster, its guard and its registry. Each part was read by itself, and may
//! be missing by itself.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::claim::Migration;

/// What was read, or why it was not.
pub type Read<T> = Result<T, NotRead>;

/// Why something was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRead {
    /// Whoever asks may not, or it was not asked for: no fault of the guard's.
    Skipped(String),
    /// It did not answer, or not as it should.
    Failed(String),
}

/// All that findings are made of.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The flags by which `kubectl` reaches the cluster: none, or beginning with a space.
    pub kubectl_flags: String,
    /// The guard's namespace.
    pub namespace: String,
    /// The name of its Deployment and its webhook configuration.
    pub name: String,
    /// The version of this program.
    pub version: String,
    /// The time of this machine.
    pub now: Timestamp,
    /// The API server.
    pub cluster: Read<ClusterFacts>,
    /// The kinds that are installed.
    pub kinds: Read<KindFacts>,
    /// The ASOs in it.
    pub operators: Read<Vec<OperatorFacts>>,
    /// How the webhook is registered; `None` where it is not.
    pub webhook: Read<Option<WebhookFacts>>,
    /// What came of a call of the webhook.
    pub call: Read<CallFacts>,
    /// The guard's pods; `None` where it has no Deployment.
    pub guard: Read<Option<GuardFacts>>,
    /// What the guard needs and may not do.
    pub missing_rights: Read<Vec<String>>,
    /// The registry.
    pub registry: Read<RegistryFacts>,
    /// What of the hub's policies is missing or another version's.
    pub policies: Read<Vec<String>>,
    /// Namespaces with a mode of their own, and which.
    pub modes: Read<Vec<(String, String)>>,
}

/// An API server.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// Its minor version, where it says one.
    pub minor: Option<u32>,
    /// Its version.
    pub version: String,
    /// How far its clock is from this machine's; to the second.
    pub ahead: Option<SignedDuration>,
    /// The UID of its namespace `kube-system`.
    pub uid: Option<String>,
}

/// The kinds of ASO that are installed.
#[derive(Clone, Debug, Default)]
pub struct KindFacts {
    /// How many.
    pub count: usize,
    /// Their groups.
    pub groups: BTreeSet<String>,
    /// Those of which nobody can tell which resources they stand for.
    pub unknown: Vec<String>,
}

/// An ASO.
#[derive(Clone, Debug)]
pub struct OperatorFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its version, as its image is tagged.
    pub version: String,
    /// How many of its pods are ready.
    pub ready: i32,
}

/// How the webhook is registered.
#[derive(Clone, Debug, Default)]
pub struct WebhookFacts {
    /// What API servers do not ask about, a line each.
    pub gaps: Vec<String>,
    /// The version that it says it was installed by.
    pub installed_by: Option<String>,
    /// Why people have the guard leave it as it is.
    pub unmanaged: Option<String>,
    /// The groups that objects are asked about in; with `*`, all.
    pub groups: BTreeSet<String>,
    /// When the last of the CAs that it trusts expires.
    pub ca_ends: Option<Timestamp>,
}

/// What came of a call of the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallFacts {
    /// The guard answered; which way it was called, and what it said besides.
    Answered(String),
    /// It was called, and did not answer as it should; why.
    Failed(String),
    /// The API server let a request through that it was to ask about.
    NotAsked,
}

/// The guard's Deployment.
#[derive(Clone, Debug, Default)]
pub struct GuardFacts {
    /// How many pods there are to be.
    pub replicas: i32,
    /// How many are ready.
    pub ready: i32,
    /// Its version, as its image is tagged.
    pub version: String,
    /// The flags of `serve` that it runs with.
    pub args: Vec<String>,
}

impl GuardFacts {
    /// The values of a flag of `serve`.
    pub fn values<'a>(&'a self, flag: &'a str) -> impl Iterator<Item = &'a str> {
        let args = self.args.iter();
        args.filter_map(move |arg| arg.strip_prefix(flag)?.strip_prefix('='))
    }

    /// Whether it writes down what API servers refuse by while no guard answers.
    pub fn has_second_line(&self) -> bool {
        self.values("--protection")
            .any(|choice| choice == "available")
    }
}

/// The registry, as it was found.
#[derive(Clone, Debug, Default)]
pub struct RegistryFacts {
    /// Where it is.
    pub place: String,
    /// The flags by which `aso-guard` reaches it: none, or beginning with a space.
    pub flags: String,
    /// Its members.
    pub members: Vec<MemberFacts>,
    /// Its records that cannot be read.
    pub unreadable: Vec<String>,
    /// How many resources have two live copies.
    pub conflicts: usize,
    /// The members whose copies it may not know.
    pub awaited: Vec<String>,
    /// How it stands to another registry that the fleet moves from or to.
    pub migration: Option<Migration>,
}

/// A member.
#[derive(Clone, Debug, Default)]
pub struct MemberFacts {
    /// Its name.
    pub name: String,
    /// The UID of its namespace `kube-system`.
    pub cluster: String,
    /// Since when it was not heard from, where that is long.
    pub silent_since: Option<Timestamp>,
    /// Who has declared it lost, and why; where somebody has.
    pub fenced: Option<String>,
    /// It still goes through objects older than its guard.
    pub enrolling: bool,
    /// The mode where a namespace sets none.
    pub mode: String,
    /// How many of its objects nobody can place, and the first few.
    pub unresolved: (u32, Vec<String>),
    /// How many installed kinds its guard may not read, and the first few.
    pub unwatched: (u32, Vec<String>),
    /// What its API servers refuse by while no guard answers: in how many namespaces, and those
    /// where it may be out of date. `None` where there is no such thing.
    pub second_line: Option<(u32, u32, Vec<String>)>,
    /// When its token for the hub expires, and whether that is soon.
    pub token_ends: Option<(Timestamp, bool)>,
}
