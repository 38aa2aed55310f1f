//! A member that a person has declared dead: what it held may be taken over.
//!
//! A silent member still holds its claims, for nobody but a person can know that its ASO does not
//! write any more. A person who knows fences it. From then on its guard, should it come back, lets
//! nothing go live and deletes nothing in Azure; and once all that it had let through before is
//! over, what it held may be released ([`Takeover`](super::Takeover)).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::history_entry::Justification;

/// For how long a guard goes by what it read of its own fence, in seconds. Beyond it, it reads
/// again before it lets anything go live.
pub const FENCE_KNOWN_FOR: SignedDuration = SignedDuration::from_secs(20);

/// How long after the fence at least nothing is released where the member's API server may be
/// there: what its guard let through before it knew of the fence is stored or given up by then. That
/// is [`FENCE_KNOWN_FOR`] and the default claim deadline of 90 s, and some more.
pub const FENCE_SETTLES: SignedDuration = SignedDuration::from_mins(2);

/// What a person said of a member, and when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// When, by the clock of the machine where it was said.
    pub at: Timestamp,
    /// Who said so.
    pub by: Arc<str>,
    /// Why, in their words.
    pub why: Justification,
    /// What makes sure that its ASO does not write to Azure.
    pub proof: FenceProof,
    /// When the last token that its ASO may have is no good any more, by the same clock: nothing
    /// is released before.
    pub until: Timestamp,
    /// The member's last heartbeat then, by its own clock. One that comes later says that it is
    /// there.
    pub heard: Timestamp,
}

/// What makes sure that a member's ASO does not write to Azure any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FenceProof {
    /// Its nodes are gone.
    ClusterGone,
    /// Its credential in Azure was taken away.
    CredentialRevoked,
}

impl FenceProof {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::ClusterGone, Self::CredentialRevoked];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterGone => "cluster-gone",
            Self::CredentialRevoked => "credential-revoked",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.as_str() == word)
    }
}
