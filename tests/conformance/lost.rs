//! Who reads again after an answer was lost is right.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aso_guard::arm::Identity;
use aso_guard::claim::{self, Acquire, EpochRecord, MemberName, Record, Refusal, TransferName};
use aso_guard::registry::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion, Registry,
    RegistryError, Versioned,
};
use aso_guard::transfer::Transfer;
use async_trait::async_trait;

use super::fixtures::{Place, create, read, refused, store};
use super::races::at_once;

/// What becomes of a put.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// It arrives, and so does the answer.
    Good,
    /// It arrives, and the answer is lost.
    AnswerLost,
    /// It never arrives.
    RequestLost,
}

use Way::{AnswerLost, Good, RequestLost};

/// A way to a registry on which some puts, or their answers, are lost.
struct Lossy {
    registry: Arc<dyn Registry>,
    /// What becomes of each put in turn, over and over.
    ways: Vec<Way>,
    puts: AtomicUsize,
}

impl Lossy {
    fn new(registry: &Arc<dyn Registry>, ways: &[Way]) -> Self {
        Self {
            registry: registry.clone(),
            ways: ways.to_vec(),
            puts: AtomicUsize::new(0),
        }
    }

    async fn lose<F>(&self, put: F) -> Result<PutOutcome, RegistryError>
    where
        F: Future<Output = Result<PutOutcome, RegistryError>> + Send,
    {
        let turn = self.puts.fetch_add(1, Ordering::SeqCst);
        let way = self.ways[turn % self.ways.len()];
        let put = match way {
            RequestLost => None,
            Good | AnswerLost => Some(put.await?),
        };
        put.filter(|_| way == Good)
            .ok_or_else(|| RegistryError::Unavailable {
                registry: "lossy:".to_owned(),
                why: "the connection was reset".to_owned(),
            })
    }
}

#[async_trait]
impl Registry for Lossy {
    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        self.registry.claim(identity).await
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.lose(self.registry.put_claim(record, expected)).await
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        self.registry.claims_page(scope, at).await
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.registry.member(name).await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.lose(self.registry.put_member(member, expected)).await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.lose(self.registry.remove_member(name, expected)).await
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        self.registry.members().await
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.registry.epoch().await
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.lose(self.registry.put_epoch(epoch, expected)).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        self.registry.transfer(name).await
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        self.lose(self.registry.put_transfer(transfer, expected))
            .await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        self.lose(self.registry.remove_transfer(name, expected))
            .await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        self.registry.transfers().await
    }
}

/// Whether a put was carried out shows in the next read, and what was not
/// carried out can be put again with the same expectation.
pub async fn who_reads_again_knows_what_became_of_it(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let [first, second] = ["a", "b"].map(|member| place.parked(&place.group(), member));
    let id = &first.identity;

    let carried_out = Lossy::new(&registry, &[AnswerLost]);
    carried_out.put_claim(&first, None).await.unwrap_err();
    let known = read(&registry, id).await.unwrap();
    assert_eq!(known.record, first);
    refused(&registry, &first, None).await;

    let lost = Lossy::new(&registry, &[RequestLost]);
    let version = Some(&known.version);
    lost.put_claim(&second, version).await.unwrap_err();
    assert_eq!(read(&registry, id).await.as_ref(), Some(&known));
    store(&registry, &second, version).await;

    let known = read(&registry, id).await.unwrap();
    let (empty, version) = (Record::new(id.clone()), Some(&known.version));
    lost.put_claim(&empty, version).await.unwrap_err();
    assert_eq!(read(&registry, id).await.as_ref(), Some(&known));
    carried_out.put_claim(&empty, version).await.unwrap_err();
    assert_eq!(read(&registry, id).await, None);
    refused(&registry, &empty, version).await;
}

/// Acquires however many answers are lost: after each loss it reads again.
async fn insist(registry: &Lossy, identity: &Identity, ask: &Acquire) -> Result<(), Refusal> {
    loop {
        let known = registry.claim(identity).await.unwrap();
        let record = known.as_ref().map(|known| &known.record);
        let next = claim::acquire(record, identity, ask)?;
        let version = known.as_ref().map(|known| &known.version);
        if let Ok(PutOutcome::Stored(_)) = registry.put_claim(&next, version).await {
            return Ok(());
        }
    }
}

pub async fn an_acquire_repeated_is_one_acquire(registry: Arc<dyn Registry>) {
    for ways in [
        &[AnswerLost, Good][..],
        &[AnswerLost, AnswerLost, AnswerLost, RequestLost, Good],
        &[RequestLost, AnswerLost, Good],
    ] {
        let place = Place::new();
        let copy = place.copy("a");
        let ask = create(&copy, "request");
        let lossy = Lossy::new(&registry, ways);
        insist(&lossy, &place.group(), &ask).await.unwrap();
        let record = read(&registry, &place.group()).await.unwrap().record;
        let once = claim::acquire(None, &place.group(), &ask).unwrap();
        assert_eq!(record, once);
    }
}

pub async fn lost_answers_do_not_make_two_holders(registry: Arc<dyn Registry>) {
    let ways = [
        &[AnswerLost, Good][..],
        &[RequestLost, Good],
        &[RequestLost, AnswerLost, Good],
        &[Good],
    ];
    for _ in 0..5 {
        let place = Arc::new(Place::new());
        let outcomes = at_once(|number| {
            let lossy = Lossy::new(&registry, ways[number % ways.len()]);
            let place = place.clone();
            async move {
                let copy = place.copy(&format!("m{number}"));
                let ask = create(&copy, &format!("request-{number}"));
                let outcome = insist(&lossy, &place.group(), &ask).await;
                outcome.map(|()| copy)
            }
        })
        .await;
        let won: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
        let record = read(&registry, &place.group()).await.unwrap().record;
        let live: Vec<_> = record.live().map(|(copy, _)| copy.clone()).collect();
        assert_eq!((won.len(), &live), (1, &won));
    }
}
