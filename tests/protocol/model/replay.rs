//! The steps of a transfer's life, call by call.
//!
//! They are the product's own functions, which wait for a registry's answers. How far one of
//! them is, the answers tell that it had: it is called anew with them, to learn which call
//! comes next.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use aso_guard::arm::Identity;
use aso_guard::claim::{EpochRecord, MemberName, Record, TransferName};
use aso_guard::registry::transfers::{self, OpenedTransfer};
use aso_guard::registry::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion, Registry,
    RegistryError, Versioned,
};
use aso_guard::transfer::{Transfer, TransferAction, TransferHistoryEntry};
use async_trait::async_trait;
use jiff::Timestamp;

use super::places::resource_of;
use super::sealed::Sealed;
use super::transfers::{Declared, Task};

/// A call on the registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Claim(usize),
    PutClaim(Sealed<Record>, Option<u16>),
    /// List the claims with a copy where the transfer leads from.
    Source,
    /// List the claims that are reserved.
    Reserved,
    Transfer,
    PutTransfer(Declared, Option<u16>),
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Claim(Option<Held>),
    Source(Vec<Held>),
    Reserved(Vec<Held>),
    Transfer(Option<(Declared, u16)>),
    /// Whether it was stored.
    Put(bool),
}

/// A claim, and its version.
pub type Held = (Sealed<Record>, u16);

/// The end of a step by these answers, and what its opener is told; else its next call.
pub fn replay(task: Task, answers: &[Answer]) -> Result<Option<OpenedTransfer>, Call> {
    let replay = Replay {
        answers,
        asked: Mutex::default(),
    };
    let mut way = pin!(run(task, &replay));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(end) = way.as_mut().poll(&mut context) {
            return Ok(end);
        }
        let mut asked = replay.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = asked.1.take() {
            return Err(call);
        }
    }
}

async fn run(task: Task, registry: &dyn Registry) -> Option<OpenedTransfer> {
    let name: TransferName = Declared::name();
    let entry = |action| TransferHistoryEntry {
        at: Timestamp::UNIX_EPOCH,
        by: "".into(),
        action,
        why: None,
        unfinished: 0,
    };
    let opened = match task {
        Task::Declare(declared) => {
            let wanted = declared.transfer();
            let said = entry(TransferAction::Start);
            transfers::start(registry, &wanted, &said).await.ok()?;
            transfers::open(registry, &name, &|_| true).await
        }
        Task::Open => transfers::open(registry, &name, &|_| true).await,
        Task::Turn => transfers::turn(registry, &name, &entry(TransferAction::Undo)).await,
        Task::Close => {
            let said = entry(TransferAction::Finish);
            transfers::close(registry, &name, Some(&said)).await.ok()?;
            return None;
        }
        Task::Tidy => {
            let member = Declared::source().member;
            transfers::tidy(registry, &member).await.ok()?;
            return None;
        }
    };
    opened.ok()
}

/// A registry that has these answers, and none to the call that comes after them.
struct Replay<'a> {
    answers: &'a [Answer],
    /// How many calls were made, and the first that has no answer.
    asked: Mutex<(usize, Option<Call>)>,
}

impl Replay<'_> {
    async fn ask(&self, call: impl FnOnce() -> Call) -> &Answer {
        let number = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.0 == self.answers.len() {
                asked.1 = Some(call());
            }
            asked.0 += 1;
            asked.0 - 1
        };
        match self.answers.get(number) {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn put(&self, call: impl FnOnce() -> Call) -> Result<PutOutcome, RegistryError> {
        match self.ask(call).await {
            Answer::Put(true) => Ok(PutOutcome::Stored(None)),
            _ => Ok(PutOutcome::Conflict),
        }
    }
}

fn version(number: u16) -> RecordVersion {
    RecordVersion::new(&number.to_string())
}

fn number(version: Option<&RecordVersion>) -> Option<u16> {
    version?.as_str().parse().ok()
}

fn versioned((record, number): &Held) -> Versioned<Record> {
    Versioned {
        record: (**record).clone(),
        version: version(*number),
    }
}

/// What no step of a transfer asks for.
fn unasked() -> RegistryError {
    RegistryError::Unavailable {
        registry: "model".to_owned(),
        why: "nobody asks for that".to_owned(),
    }
}

#[async_trait]
impl Registry for Replay<'_> {
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        let resource = resource_of(identity).ok_or_else(unasked)?;
        match self.ask(|| Call::Claim(resource)).await {
            Answer::Claim(known) => Ok(known.as_ref().map(versioned)),
            _ => Err(unasked()),
        }
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let call = || Call::PutClaim(Sealed::new(record.clone()), number(expected));
        self.put(call).await
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        _: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        let call = match scope {
            ClaimScope::Of(..) => Call::Source,
            _ => Call::Reserved,
        };
        match self.ask(|| call).await {
            Answer::Source(claims) | Answer::Reserved(claims) => Ok(ClaimPage {
                claims: claims.iter().map(versioned).collect(),
                ..ClaimPage::default()
            }),
            _ => Err(unasked()),
        }
    }

    /// No fleet moves here to another registry.
    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        Ok(None)
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let _ = (epoch, expected);
        Err(unasked())
    }

    async fn transfer(
        &self,
        _: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        match self.ask(|| Call::Transfer).await {
            Answer::Transfer(known) => Ok(known.map(|(declared, number)| Versioned {
                record: declared.transfer(),
                version: version(number),
            })),
            _ => Err(unasked()),
        }
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let call = || Call::PutTransfer(Declared::of(transfer), number(expected));
        self.put(call).await
    }

    async fn remove_transfer(
        &self,
        _: &TransferName,
        _: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        Err(unasked())
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        Err(unasked())
    }

    async fn member(
        &self,
        _: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        Err(unasked())
    }

    async fn put_member(
        &self,
        _: &MemberRecord,
        _: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        Err(unasked())
    }

    async fn remove_member(
        &self,
        _: &MemberName,
        _: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        Err(unasked())
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        Err(unasked())
    }
}
