//! The claim protocol: who may reconcile an Azure resource, and who may delete it.
//!
//! A [`Record`] is the registry's truth about one identity: its copies, at most
//! one of them live. The functions here are pure: they take a record and what
//! was asked or seen, and give the next record or a [`Refusal`]. The admission
//! server, the observer, the offline check and the model checker all run them.
//!
//! The rule behind everything: **acquire at admission, release on observation.**
//! A copy is live in the record before the API server stores it, and stops being
//! live only after the observer of its own cluster saw the store say so. So the
//! records always cover the truth.

mod acquire;
mod announced;
mod arrive;
mod attempt;
mod delete;
mod epoch;
mod fence;
mod history;
mod history_entry;
mod inherited;
mod look;
mod members;
mod names;
mod newcomer;
mod observe;
mod owners;
mod record;
mod refusal;
mod reserve;
mod shards;
mod takeover;
#[cfg(test)]
pub(crate) mod testing;
mod together;
mod wording;

pub use acquire::{Acquire, acquire, acquire_below, acquire_by_force, withdraw};
pub use arrive::arrive;
pub use attempt::{Attempt, Intent, RegistryAnswer, RegistryCall};
pub use delete::{Delete, dependents, mark_by_force, mark_deleting, others_depend};
pub use epoch::{
    Enrolment, EnrolmentAnswer, EnrolmentCall, Epoch, EpochMember, EpochRecord, Judge, KnownEpoch,
    MOVING, Memory, Migration, MigrationError, MigrationStep, PairAnswer, PairCall, PairKnown,
    PairOutcome, PairVerdict, Place, Rebuilding, Remembered, cancelled, confirm, judge, next_step,
};
pub use fence::{FENCE_KNOWN_FOR, FENCE_SETTLES, Fence, FenceProof};
pub use history::MAX_HISTORY;
pub use history_entry::{HistoryAction, HistoryEntry, Justification, MAX_REASON};
pub use inherited::{
    ActivatedCopy, Arrival, ArrivalAnswer, ArrivalCall, Arrived, Inherited, PolicyChange,
    PolicyScan, PolicyScanAnswer, PolicyScanCall, Relies,
};
pub use look::{Look, LookAnswer, LookCall, Looked, ObservedResolution};
pub use names::{
    CopyRef, MemberName, MemberNameError, NamespaceRef, NamespaceRefError, RequestUid,
    TransferName, TransferNameError,
};
pub use observe::{Observation, Observed, ObservedHold, ObservedObject, observe};
pub use owners::{
    GoLive, GoLiveAnswer, GoLiveCall, Rename, RenameAnswer, RenameCall, Renamed, StoredOwner,
};
pub use record::{
    ClaimState, InFlight, MAX_IN_FLIGHT, MemberCopy, Proof, Record, Reservation, StoredCopy,
};
pub use refusal::{Dependent, Hold, Holder, Reason, Refusal};
pub use reserve::{reserve, unreserve};
pub use shards::{DEFAULT_SHARD, ShardMap, ShardMapError, ShardNote, shard_difference};
pub use takeover::{
    MemberSilence, NotReleased, Takeover, TakeoverAnswer, TakeoverCall, TakeoverOutcome,
};
pub use together::{DeleteLookups, DeleteSet};
pub use wording::{Action, Heartbeats, LastHeard, NAMED, RefusalMessage, RefusedRequest};
