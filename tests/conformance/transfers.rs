//! Transfers are records like the others, and claims say which transfer moves them.

use std::sync::Arc;

use aso_guard::claim::{Justification, Reservation};
use aso_guard::registry::{ClaimScope, PutOutcome, RecordVersion, Registry, transfers};
use aso_guard::transfer::{
    Selection, StageCounts, Transfer, TransferAction, TransferCounts, TransferHistoryEntry,
    TransferPhase, TransferStage,
};

use super::fixtures::{Place, at, listed, read, store};
use super::races::at_once;

/// A transfer of this place alone, from its member `a` to its member `b`.
fn transfer(place: &Place, name: &str) -> Transfer {
    let end = |member: &str| format!("{}/team", place.member(member)).parse().unwrap();
    let name = place.member(name).as_str().parse().unwrap();
    Transfer::new(name, end("a"), end("b"), Selection::default())
}

/// One that says all that a transfer can say.
fn eloquent(place: &Place) -> Transfer {
    let mut transfer = transfer(place, "eloquent");
    transfer.selection = Selection {
        below: vec![place.group()],
        resource_groups: vec!["rg".into(), "(RG)".into()],
        kinds: vec!["StorageAccount.storage.azure.com".into()],
        labels: Some("app=shop,tier in (web, data)".into()),
    };
    transfer.why = Justification::new("the old cluster is \"too old\" \\ äöü");
    let actions = [
        TransferAction::Start,
        TransferAction::Undo,
        TransferAction::Finish,
    ];
    for (unfinished, action) in actions.into_iter().enumerate() {
        transfer.remember(TransferHistoryEntry {
            at: at("2026-03-01T12:00:00.123456789Z"),
            by: if unfinished == 0 { "" } else { "jürgen" }.into(),
            action,
            why: (unfinished == 2).then(|| Justification::new("INC-7").unwrap()),
            unfinished,
        });
    }
    transfer
}

async fn put(
    registry: &Arc<dyn Registry>,
    transfer: &Transfer,
    expected: Option<&RecordVersion>,
) -> Option<RecordVersion> {
    match registry.put_transfer(transfer, expected).await.unwrap() {
        PutOutcome::Stored(version) => version,
        PutOutcome::Conflict => None,
    }
}

pub async fn a_transfer_comes_back_whole(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let mut transfer = eloquent(&place);
    assert_eq!(registry.transfer(&transfer.name).await.unwrap(), None);
    let mut version = put(&registry, &transfer, None).await.unwrap();
    let mut tally = StageCounts::default();
    for (count, stage) in TransferStage::ALL.into_iter().enumerate() {
        tally.add(stage, count);
    }
    let noted = TransferCounts {
        at: at("2026-03-01T12:00:00.5Z"),
        tally,
    };
    for (phase, status) in [
        (TransferPhase::Opening, None),
        (TransferPhase::Open, Some(noted)),
        (
            TransferPhase::Closing,
            Some(TransferCounts {
                at: at("2026-03-01T12:00:01Z"),
                tally: StageCounts::default(),
            }),
        ),
        (TransferPhase::Finished, None),
    ] {
        transfer.turned = status.is_some();
        (transfer.phase, transfer.status) = (phase, status);
        transfer.covered += 1;
        version = put(&registry, &transfer, Some(&version)).await.unwrap();
        let known = registry.transfer(&transfer.name).await.unwrap().unwrap();
        assert_eq!((&known.record, &known.version), (&transfer, &version));
        let all = registry.transfers().await.unwrap().records;
        let mine: Vec<_> = all
            .iter()
            .filter(|one| one.record.name == transfer.name)
            .collect();
        assert_eq!(mine, [&known]);
    }
    transfer.history.clear();
    put(&registry, &transfer, Some(&version)).await.unwrap();
    let known = registry.transfer(&transfer.name).await.unwrap().unwrap();
    assert_eq!(known.record, transfer);
}

pub async fn a_transfer_is_changed_by_the_same_rule(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let first = transfer(&place, "t");
    let mut second = first.clone();
    second.covered = 7;
    let old = put(&registry, &first, None).await.unwrap();
    assert_eq!(put(&registry, &second, None).await, None);
    let new = put(&registry, &second, Some(&old)).await.unwrap();
    assert_ne!(new, old);
    assert_eq!(put(&registry, &first, Some(&old)).await, None);
    let known = registry.transfer(&first.name).await.unwrap().unwrap();
    assert_eq!((&known.record, &known.version), (&second, &new));

    let removed = registry.remove_transfer(&first.name, &old).await.unwrap();
    assert_eq!(removed, PutOutcome::Conflict);
    let removed = registry.remove_transfer(&first.name, &new).await.unwrap();
    assert_eq!(removed, PutOutcome::Stored(None));
    assert_eq!(registry.transfer(&first.name).await.unwrap(), None);
    let again = registry.remove_transfer(&first.name, &new).await.unwrap();
    assert_eq!(again, PutOutcome::Conflict);
    assert_eq!(
        put(&registry, &first, Some(&new)).await,
        None,
        "nothing is there to change"
    );
    assert!(put(&registry, &first, None).await.is_some());
}

pub async fn one_of_many_writers_of_a_transfer_holds(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let first = transfer(&place, "t");
    let version = put(&registry, &first, None).await.unwrap();
    let outcomes = at_once(|n| {
        let (registry, version) = (registry.clone(), version.clone());
        let mut mine = first.clone();
        mine.covered = n + 1;
        async move { put(&registry, &mine, Some(&version)).await.map(|_| mine) }
    })
    .await;
    let held: Vec<Transfer> = outcomes.into_iter().flatten().collect();
    assert_eq!(held.len(), 1);
    let known = registry.transfer(&first.name).await.unwrap().unwrap();
    assert_eq!(known.record, held[0]);
}

pub async fn reserved_claims_are_found_by_their_transfer(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let [mine, theirs, free] =
        ["mine", "theirs", "free"].map(|name| place.id(&format!("/resourceGroups/{name}")));
    let way = |name: &str| transfer(&place, name).reservation();
    let [first, second] = ["t", "tt"].map(way);
    let mut versions = Vec::new();
    for (identity, reserved) in [
        (&mine, Some(&first)),
        (&theirs, Some(&second)),
        (&free, None),
    ] {
        let mut record = place.parked(identity, "a");
        record.reserved = reserved.cloned();
        versions.push((store(&registry, &record, None).await, record));
    }
    let of = |way: &Reservation| ClaimScope::Reserved(Some(way.transfer.clone()));
    let [mine, theirs, free] = [mine, theirs, free].map(|id| id.to_string());
    assert_eq!(
        listed(&registry, &of(&first)).await,
        std::slice::from_ref(&mine)
    );
    assert_eq!(
        listed(&registry, &of(&second)).await,
        std::slice::from_ref(&theirs)
    );
    let any = listed(&registry, &ClaimScope::Reserved(None)).await;
    assert!(any.contains(&mine) && any.contains(&theirs) && !any.contains(&free));

    // It is kept for the transfer when its last copy is gone, and comes back whole.
    let (version, mut record) = versions.remove(0);
    record.copies.clear();
    let version = store(&registry, &record, Some(&version)).await;
    let known = read(&registry, &record.identity).await.unwrap();
    assert_eq!(known.record, record);
    record.reserved = None;
    let put = registry.put_claim(&record, Some(&version)).await.unwrap();
    assert_eq!(put, PutOutcome::Stored(None));
    assert!(listed(&registry, &of(&first)).await.is_empty());
}

/// Whoever opens and whoever ends the same transfer at once: afterwards no claim is left
/// reserved, and nothing else of the claims has changed.
pub async fn opening_and_closing_at_once_leaves_nothing_reserved(registry: Arc<dyn Registry>) {
    const CLAIMS: usize = 20;
    let place = Place::new();
    let mut records = Vec::new();
    for n in 0..CLAIMS {
        let id = place.id(&format!("/resourceGroups/rg{n:02}"));
        let record = place.parked(&id, "a");
        store(&registry, &record, None).await;
        records.push(record);
    }
    let wanted = transfer(&place, "t");
    let said = |action| transfers::entry(action, "alice", None);
    transfers::start(&*registry, &wanted, &said(TransferAction::Start))
        .await
        .unwrap();
    let name = wanted.name.clone();
    at_once(|n| {
        let (registry, name, end) = (registry.clone(), name.clone(), said(TransferAction::Finish));
        async move {
            if n % 3 == 2 {
                transfers::close(&*registry, &name, Some(&end))
                    .await
                    .unwrap();
            } else {
                // It may find that the transfer is over.
                let _ = transfers::open(&*registry, &name, &|_| true).await;
            }
        }
    })
    .await;
    assert!(
        listed(&registry, &ClaimScope::Reserved(Some(name.clone())))
            .await
            .is_empty()
    );
    for record in records {
        assert_eq!(
            read(&registry, &record.identity).await.unwrap().record,
            record
        );
    }
    let known = registry.transfer(&name).await.unwrap().unwrap();
    assert_eq!(known.record.phase, TransferPhase::Finished);
}
