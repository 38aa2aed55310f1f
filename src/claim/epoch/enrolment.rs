//! The order in which a member finds out that its registry is another one, and brings its copies
//! into it, without the calls themselves.

use std::collections::BTreeSet;

use crate::claim::names::MemberName;

use super::{Epoch, EpochMember, EpochRecord, KnownEpoch, Migration, Remembered};

/// One member's way to a registry that knows all its copies: which call comes next. `V` is the
/// registry's version of a record.
///
/// 1. What the member remembers is read, and **then** the epoch's record and how often the member
///    wrote its own.
/// 2. Where that is another epoch than it remembers, or the registry went back in time, it puts
///    itself and all that it knows of on the list of those that are awaited, in one write with
///    the new round. Nobody's verdicts stand from then on.
/// 3. It waits until nothing is under way any more that it had admitted before it saw that
///    round: claims of that may be lost.
/// 4. It reads its own store, and brings all its copies in.
/// 5. It remembers the epoch, and takes its name off the list, on condition that the record is as
///    it was read after that. Where it is not, it begins again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enrolment<V> {
    member: MemberName,
    memory: Memory,
    /// The epoch under which it has brought its copies in.
    brought: Option<Epoch>,
    stage: EnrolmentStage<V>,
}

/// What a member has of its own of an earlier time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// It never had a registry.
    Fresh,
    /// This.
    Known(Remembered),
    /// It cannot keep anything: nobody knows what it had.
    Unavailable,
}

impl Memory {
    fn known(&self) -> Option<&Remembered> {
        match self {
            Self::Known(remembered) => Some(remembered),
            Self::Fresh | Self::Unavailable => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum EnrolmentStage<V> {
    Recall,
    Read,
    Members,
    Put(EpochRecord, Option<V>),
    WaitOut(Epoch),
    BringIn(Epoch),
    /// Remembers, and then writes this, or may judge.
    Remember(Remembered, AfterRemembering<V>),
    Done(Option<KnownEpoch>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum AfterRemembering<V> {
    Write(EpochRecord, V),
    Judge(Option<Migration>),
}

/// A call that an enrolment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrolmentCall<'a, V> {
    /// Say what the member remembers.
    Recall,
    /// Read the epoch's record, and then how often the member wrote its own.
    Read,
    /// Say which members have a record that names an epoch.
    Members,
    /// Store the epoch's record, on condition that the registry still holds this version of it;
    /// `None`: that it holds none.
    Put(&'a EpochRecord, Option<&'a V>),
    /// Wait until all is over that this member admitted before it first saw this epoch.
    WaitOut(&'a Epoch),
    /// Bring all copies in that the API server's store has now.
    BringIn,
    /// Keep this in the member's own cluster.
    Remember(&'a Remembered),
    /// Make no more calls: this is what may be judged by; `None` while somebody is awaited.
    Done(Option<&'a KnownEpoch>),
}

/// What came of an [`EnrolmentCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrolmentAnswer<V> {
    /// What it remembers.
    Recalled(Memory),
    /// The epoch's record and its version, and how often the member wrote its own; `None` where
    /// there is none.
    Read(Option<(EpochRecord, V)>, Option<u32>),
    /// The members whose records name an epoch.
    Members(BTreeSet<MemberName>),
    /// The record was stored.
    Stored,
    /// The registry holds another version; nothing was changed.
    Conflict,
    /// All that is over.
    WaitedOut,
    /// All copies are in the registry.
    BroughtIn,
    /// It is kept, as well as it can be.
    Remembered,
}

impl<V: Clone> Enrolment<V> {
    /// It begins with what the member remembers.
    pub fn new(member: MemberName) -> Self {
        Self {
            member,
            memory: Memory::Fresh,
            brought: None,
            stage: EnrolmentStage::Recall,
        }
    }

    /// The call to make.
    pub fn call(&self) -> EnrolmentCall<'_, V> {
        match &self.stage {
            EnrolmentStage::Recall => EnrolmentCall::Recall,
            EnrolmentStage::Read => EnrolmentCall::Read,
            EnrolmentStage::Members => EnrolmentCall::Members,
            EnrolmentStage::Put(record, version) => EnrolmentCall::Put(record, version.as_ref()),
            EnrolmentStage::WaitOut(epoch) => EnrolmentCall::WaitOut(epoch),
            EnrolmentStage::BringIn(_) => EnrolmentCall::BringIn,
            EnrolmentStage::Remember(remembered, _) => EnrolmentCall::Remember(remembered),
            EnrolmentStage::Done(known) => EnrolmentCall::Done(known.as_ref()),
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: EnrolmentAnswer<V>) {
        let stage = std::mem::replace(&mut self.stage, EnrolmentStage::Read);
        self.stage = match (stage, answer) {
            (EnrolmentStage::Recall, EnrolmentAnswer::Recalled(memory)) => {
                self.memory = memory;
                EnrolmentStage::Read
            }
            (EnrolmentStage::Read, EnrolmentAnswer::Read(None, _)) => EnrolmentStage::Members,
            (EnrolmentStage::Read, EnrolmentAnswer::Read(Some((record, version)), writes)) => {
                self.decide(record, version, writes)
            }
            (EnrolmentStage::Members, EnrolmentAnswer::Members(members)) => {
                EnrolmentStage::Put(self.first(members), None)
            }
            (EnrolmentStage::Put(..), EnrolmentAnswer::Stored | EnrolmentAnswer::Conflict) => {
                EnrolmentStage::Read
            }
            (EnrolmentStage::WaitOut(epoch), EnrolmentAnswer::WaitedOut) => {
                EnrolmentStage::BringIn(epoch)
            }
            (EnrolmentStage::BringIn(epoch), EnrolmentAnswer::BroughtIn) => {
                self.brought = Some(epoch);
                EnrolmentStage::Read
            }
            (EnrolmentStage::Remember(remembered, next), EnrolmentAnswer::Remembered) => {
                let (epoch, writes) = (remembered.epoch.clone(), remembered.writes);
                self.memory = Memory::Known(remembered);
                match next {
                    AfterRemembering::Write(record, version) => {
                        EnrolmentStage::Put(record, Some(version))
                    }
                    AfterRemembering::Judge(migration) => EnrolmentStage::Done(Some(KnownEpoch {
                        epoch,
                        writes,
                        migration,
                    })),
                }
            }
            (stage, _) => stage,
        };
    }

    /// The record of a registry that has none. `members`: those whose records name an epoch,
    /// which was another one.
    fn first(&self, members: BTreeSet<MemberName>) -> EpochRecord {
        let known = self.memory.known();
        let companions = known.into_iter().flat_map(|one| one.companions.clone());
        let awaited = members.into_iter().chain(companions);
        let awaited = awaited.filter(|name| *name != self.member);
        let mut record = EpochRecord::default();
        record
            .members
            .extend(awaited.map(|name| (name, EpochMember::Awaited)));
        let own = match self.memory {
            // It has admitted nothing yet.
            Memory::Fresh => EpochMember::Enrolled,
            Memory::Known(_) | Memory::Unavailable => EpochMember::Awaited,
        };
        record.members.insert(self.member.clone(), own);
        record
    }

    fn decide(&self, record: EpochRecord, version: V, writes: Option<u32>) -> EnrolmentStage<V> {
        let known = self.memory.known();
        let own = record.members.get(&self.member);
        let is_ahead = |known: &&Remembered| known.is_ahead_of(&record.epoch, own.copied(), writes);
        if let Some(known) = known.filter(is_ahead) {
            // It went back in time: what everybody wrote since is lost.
            let mut all = record.companions_of(&self.member);
            all.extend(known.companions.iter().cloned());
            all.insert(self.member.clone());
            let mut next = record.awaiting(all);
            next.epoch.round = next.epoch.round.max(known.epoch.round.saturating_add(1));
            return EnrolmentStage::Put(next, Some(version));
        }
        // Whom it knows of an earlier epoch, and nobody else does.
        let before = known.filter(|known| known.epoch.id != record.epoch.id);
        let mut missing: BTreeSet<MemberName> = before
            .into_iter()
            .flat_map(|known| known.companions.iter().cloned())
            .filter(|name| !record.members.contains_key(name))
            .collect();
        let mut next = record.clone();
        match (own, &self.memory) {
            (Some(EpochMember::Enrolled), _) if missing.is_empty() => {
                return self.enrolled(&record, writes);
            }
            (Some(EpochMember::Awaited), _) if missing.is_empty() => {
                if self.brought.as_ref() != Some(&record.epoch) {
                    return EnrolmentStage::WaitOut(record.epoch);
                }
                let own = self.member.clone();
                next.members.insert(own, EpochMember::Enrolled);
                let remembered = self.remembering(&next, writes);
                return EnrolmentStage::Remember(
                    remembered,
                    AfterRemembering::Write(next, version),
                );
            }
            (Some(EpochMember::Forgotten) | None, Memory::Fresh) => {
                let own = self.member.clone();
                next.members.insert(own, EpochMember::Enrolled);
                return EnrolmentStage::Put(next, Some(version));
            }
            (Some(EpochMember::Enrolled), _) => {}
            _ => {
                missing.insert(self.member.clone());
            }
        }
        EnrolmentStage::Put(record.awaiting(missing), Some(version))
    }

    /// All copies of the member are in the registry: by this replica, or by another one.
    fn enrolled(&self, record: &EpochRecord, writes: Option<u32>) -> EnrolmentStage<V> {
        if !record.is_whole() {
            return EnrolmentStage::Done(None);
        }
        let remembered = self.remembering(record, writes);
        let is_known = self.memory.known().is_some_and(|known| {
            (&known.epoch, &known.companions) == (&remembered.epoch, &remembered.companions)
        });
        if is_known {
            EnrolmentStage::Done(Some(KnownEpoch {
                epoch: remembered.epoch,
                writes: remembered.writes,
                migration: record.migration.clone(),
            }))
        } else {
            let next = AfterRemembering::Judge(record.migration.clone());
            EnrolmentStage::Remember(remembered, next)
        }
    }

    fn remembering(&self, record: &EpochRecord, writes: Option<u32>) -> Remembered {
        Remembered {
            epoch: record.epoch.clone(),
            writes: writes.unwrap_or_default(),
            companions: record.companions_of(&self.member),
        }
    }
}
