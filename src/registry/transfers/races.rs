//! Opening a transfer against a delete, and what is left of one against another of its name, in
//! every order that their calls can come in.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;

use crate::claim::{Attempt, EpochRecord, Intent, NamespaceRef, Refusal, Reservation};
use crate::registry::memory::MemoryRegistry;
use crate::registry::{ClaimPage, Cursor, MemberRecord, RecordList, RecordVersion};

use super::tests::{deletion, opened_on, registry, wanted};
use super::*;

/// How many turns are tried in every order: as many calls as both make. What is left is the
/// first one's, to its end.
const TURNS: u32 = 13;

/// A registry whose every call waits for its turn.
struct ByTurns(MemoryRegistry);

/// Is not ready the first time.
async fn next_turn() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl Registry for ByTurns {
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        next_turn().await;
        self.0.claim(identity).await
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        next_turn().await;
        self.0.put_claim(record, expected).await
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        next_turn().await;
        self.0.claims_page(scope, at).await
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.0.member(name).await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.0.put_member(member, expected).await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.0.remove_member(name, expected).await
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        self.0.members().await
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.0.epoch().await
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.0.put_epoch(epoch, expected).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        next_turn().await;
        self.0.transfer(name).await
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        next_turn().await;
        self.0.put_transfer(transfer, expected).await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.0.remove_transfer(name, expected).await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        self.0.transfers().await
    }
}

/// A destructive delete of a group at the source, as an admission makes it.
async fn delete(registry: &dyn Registry, group: &Identity, name: &str) -> Result<(), Refusal> {
    let aim = Intent::Delete(deletion("a/team", name));
    let mut attempt = Attempt::new(aim, vec![group.clone()]);
    while let Some(call) = attempt.call() {
        let answer = crate::registry::make(registry, call).await.unwrap();
        attempt.answer(answer);
    }
    attempt.outcome()
}

/// Runs both, whose turn it is by the bits of `schedule`, to their ends.
fn by_turns<A, B>(
    schedule: u32,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut a, mut b) = (None, None);
    let mut context = Context::from_waker(Waker::noop());
    for turn in 0_u32.. {
        let is_first = schedule.checked_shr(turn).unwrap_or(0) & 1 == 0;
        if (is_first || b.is_some()) && a.is_none() {
            if let Poll::Ready(done) = first.as_mut().poll(&mut context) {
                a = Some(done);
            }
        } else if b.is_none()
            && let Poll::Ready(done) = second.as_mut().poll(&mut context)
        {
            b = Some(done);
        }
        if a.is_some() && b.is_some() {
            break;
        }
    }
    (a.unwrap(), b.unwrap())
}

/// Whether the delete was admitted, and which resources the transfer was told are doomed.
async fn race(schedule: u32, moved: &str, deleted: &str) -> (bool, Vec<Identity>) {
    let registry = ByTurns(registry(&[]).await);
    let (moved, deleted): (Identity, Identity) = (moved.parse().unwrap(), deleted.parse().unwrap());
    for identity in [&moved, &deleted] {
        let record = crate::claim::arrive(
            None,
            identity,
            &super::tests::ask("a/team", identity.name()),
        );
        registry.0.put_claim(&record, None).await.unwrap();
    }
    let mut transfer = wanted("t");
    transfer.selection.below = vec![moved];
    let (opened, deleted) = by_turns(
        schedule,
        opened_on(&registry, &transfer),
        delete(&registry, &deleted, deleted.name()),
    );
    (deleted.is_ok(), opened.deleting)
}

const GROUP: &str = "/subscriptions/s/resourceGroups/rg";
const INSIDE: &str = "/subscriptions/s/resourceGroups/rg/providers/P/t/n";

/// Whatever the order: a delete is refused, or the transfer is told of it.
#[tokio::test]
async fn one_of_the_two_always_sees_the_other() {
    for deleted in [GROUP, INSIDE] {
        let mut admitted = 0;
        let all = 1 << TURNS;
        for schedule in 0..all {
            let (is_admitted, deleting) = race(schedule, INSIDE, deleted).await;
            admitted += u32::from(is_admitted);
            let is_reported = deleting == [INSIDE.parse().unwrap()];
            assert!(
                !is_admitted || is_reported,
                "{deleted} at {schedule:013b}: {deleting:?}"
            );
        }
        assert!(
            admitted > 0 && admitted < all,
            "{admitted} of {all} came first"
        );
    }
}

/// Who takes away what is left of a transfer.
#[derive(Clone, Copy, Debug)]
enum Broom {
    Tidy,
    Close,
}

/// A transfer's record was deleted while its claims were reserved. One sweeps up after it, one
/// declares it again under its name. Gives what the claim says then, and what it should: `None`
/// where the new one was closed.
async fn declared_again(schedule: u32, broom: Broom) -> (Option<Reservation>, Option<Reservation>) {
    let registry = ByTurns(registry(&["rg"]).await);
    let wanted = wanted("t");
    opened_on(&registry.0, &wanted).await;
    let known = registry.0.transfer(&wanted.name).await.unwrap().unwrap();
    let removed = registry.0.remove_transfer(&wanted.name, &known.version);
    removed.await.unwrap();
    let sweep = async {
        match broom {
            Broom::Tidy => drop(tidy(&registry, &wanted.from.member).await.unwrap()),
            Broom::Close => close(&registry, &wanted.name, None).await.unwrap(),
        }
    };
    let declare = async {
        let said = entry(TransferAction::Start, "alice", None);
        start(&registry, &wanted, &said).await?;
        open(&registry, &wanted.name, &|_| true).await
    };
    let ((), opened) = by_turns(schedule, sweep, declare);
    let is_open = match opened {
        Ok(_) => true,
        Err(TransferError::Over { .. }) => false,
        Err(error) => panic!("{error}"),
    };
    // One that was opened may be closed since.
    let known = registry.0.transfer(&wanted.name).await.unwrap().unwrap();
    let reserves = known.record.reserves();
    assert!(matches!(broom, Broom::Close) || is_open && reserves);
    let claim = registry.0.claim(&super::tests::identity("rg")).await;
    (
        claim.unwrap().unwrap().record.reserved,
        reserves.then(|| wanted.reservation()),
    )
}

/// Whatever the order: what is open is reserved.
#[rstest::rstest]
#[case(Broom::Tidy)]
#[case(Broom::Close)]
#[tokio::test]
async fn what_is_declared_again_under_its_name_keeps_what_it_reserved(#[case] broom: Broom) {
    for schedule in 0..1 << TURNS {
        let (says, should) = declared_again(schedule, broom).await;
        assert_eq!(says, should, "{schedule:013b}");
    }
}

/// A transfer is opened, and meanwhile its record is deleted, and one that leads elsewhere is
/// declared and opened under its name. Gives what the claim says then.
async fn declared_otherwise(schedule: u32) -> Option<Reservation> {
    let registry = ByTurns(registry(&["rg"]).await);
    let old = wanted("t");
    let new = Transfer {
        to: "c/team".parse().unwrap(),
        ..old.clone()
    };
    let said = entry(TransferAction::Start, "alice", None);
    start(&registry.0, &old, &said).await.unwrap();
    let declare = async {
        let known = registry.0.transfer(&old.name).await.unwrap().unwrap();
        let removed = registry.0.remove_transfer(&old.name, &known.version);
        removed.await.unwrap();
        next_turn().await;
        start(&registry, &new, &said).await.unwrap();
        open(&registry, &new.name, &|_| true).await.unwrap();
    };
    let (opened, ()) = by_turns(schedule, open(&registry, &old.name, &|_| true), declare);
    let is_told = matches!(
        opened,
        Ok(_) | Err(TransferError::Over { .. } | TransferError::Missing { .. })
    );
    assert!(is_told, "{opened:?}");
    let claim = registry.0.claim(&super::tests::identity("rg")).await;
    claim.unwrap().unwrap().record.reserved
}

/// Whatever the order: who still opens the one that is gone does not turn its successor's
/// claims back.
#[tokio::test]
async fn what_is_declared_otherwise_under_its_name_leads_where_it_says() {
    let to: NamespaceRef = "c/team".parse().unwrap();
    for schedule in 0..1 << TURNS {
        let says = declared_otherwise(schedule).await;
        assert_eq!(says.map(|one| one.to), Some(to.clone()), "{schedule:013b}");
    }
}
