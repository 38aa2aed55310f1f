//! What is put comes back whole.

use std::sync::Arc;

use aso_guard::claim::{
    CopyRef, HistoryAction, HistoryEntry, InFlight, Justification, MAX_IN_FLIGHT, MemberCopy,
    Proof, Record, StoredCopy,
};
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use aso_guard::registry::{PutOutcome, Registry};

use super::fixtures::{Place, at, identity, member_record, parked, read, refused, request, store};

/// One copy for each thing that a copy can say.
fn eloquent(place: &Place) -> Record {
    let mut record = Record::new(place.group());
    let stored = |policy, terminating, busy| {
        Some(StoredCopy {
            uid: "8e1b4b8a-0000-4000-8000-000000000002".into(),
            policy,
            terminating,
            busy,
        })
    };
    let endless = InFlight {
        deadline: at("2999-12-31T23:59:59.999999999Z"),
        ..request("r3", Proof::ResourceVersion("7".into()))
    };
    let copies = [
        MemberCopy {
            stored: stored(Policy::Manage, true, false),
            deleting: vec![request("r1", Proof::ResourceVersion("12345".into()))],
            ..parked()
        },
        MemberCopy {
            stored: stored(Policy::DetachOnDelete, false, false),
            by: "system:serviceaccount:flux-system:kustomize-controller".into(),
            ..parked()
        },
        MemberCopy {
            stored: stored(Policy::Skip, false, true),
            since: at("2026-03-01T12:00:00.123456789Z"),
            ..parked()
        },
        MemberCopy {
            stored: None,
            acquiring: vec![
                request("", Proof::Deadline),
                request("r4", Proof::Owner),
                request("r2", Proof::Uid("u2".into())),
                endless,
            ],
            assumed: true,
            by: "jürgen \"the\" admin\\@example.com".into(),
            ..parked()
        },
        MemberCopy {
            stored: None,
            arriving: vec![request("r5", Proof::Uid("u5".into()))],
            renaming: vec![
                InFlight {
                    to: Some(place.group()),
                    ..request("r5", Proof::Uid("u5".into()))
                },
                request("", Proof::Deadline),
            ],
            ..parked()
        },
        MemberCopy {
            acquiring: (0..MAX_IN_FLIGHT)
                .map(|n| request(&format!("many-{n}"), Proof::Deadline))
                .collect(),
            ..parked()
        },
    ];
    for (number, copy) in copies.into_iter().enumerate() {
        let object = ObjectKey::new(
            "resources.azure.com",
            "ResourceGroup",
            &format!("team-{number}"),
            &format!("{}.example", "n".repeat(200)),
        );
        let member = place.member(if number % 2 == 0 { "a" } else { "b" });
        record.copies.insert(CopyRef { member, object }, copy);
    }
    record.history = actions(&record);
    record
}

/// One entry for each thing that may have been done.
fn actions(record: &Record) -> Vec<HistoryEntry> {
    let actions = [
        HistoryAction::Create,
        HistoryAction::Update,
        HistoryAction::Delete,
        HistoryAction::DeleteWithNamespace,
        HistoryAction::Release,
    ];
    let copies = record.copies.keys().cycle();
    let entry = |(action, copy): (HistoryAction, &CopyRef)| HistoryEntry {
        at: at("2026-03-01T12:00:00.123456789Z"),
        by: "jürgen \"the\" admin\\@example.com".into(),
        copy: copy.clone(),
        action,
        why: Justification::new("hub is gone: \"INC-7\", said ops").unwrap(),
        refusal: if action == HistoryAction::Release {
            ""
        } else {
            "PeersDepend"
        }
        .into(),
    };
    actions.into_iter().zip(copies).map(entry).collect()
}

pub async fn a_claim_comes_back_whole(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let first = eloquent(&place);
    let version = store(&registry, &first, None).await;
    let known = read(&registry, &first.identity).await.unwrap();
    assert_eq!((&known.record, &known.version), (&first, &version));

    // Each word is taken back as well.
    let mut second = first.clone();
    for copy in second.copies.values_mut() {
        *copy = parked();
    }
    second.copies.pop_last();
    let version = store(&registry, &second, Some(&version)).await;
    let known = read(&registry, &first.identity).await.unwrap();
    assert_eq!((known.record, known.version), (second, version));
}

/// What was done must not be forgotten the moment the copy it was done to is gone.
pub async fn a_history_outlives_the_copies(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let mut record = eloquent(&place);
    let version = store(&registry, &record, None).await;
    record.copies.clear();
    let version = store(&registry, &record, Some(&version)).await;
    let known = read(&registry, &record.identity).await.unwrap();
    assert_eq!((&known.record, &known.version), (&record, &version));
    // It stands in nobody's way, but for one who believes that there is nothing.
    refused(&registry, &place.parked(&record.identity, "a"), None).await;
    record.history.clear();
    let put = registry.put_claim(&record, Some(&version)).await.unwrap();
    assert_eq!(put, PutOutcome::Stored(None));
    assert_eq!(read(&registry, &record.identity).await, None);
}

pub async fn a_member_comes_back_whole(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let mut record = member_record(place.member("a"));
    assert_eq!(registry.member(&record.name).await.unwrap(), None);
    let mut version = None;
    for enrolling in [true, false] {
        record.enrolling = enrolling;
        let put = registry.put_member(&record, version.as_ref()).await;
        let PutOutcome::Stored(Some(stored)) = put.unwrap() else {
            panic!("nobody else writes this member");
        };
        let known = registry.member(&record.name).await.unwrap().unwrap();
        assert_eq!((&known.record, &known.version), (&record, &stored));
        let all = registry.members().await.unwrap().records;
        let mine: Vec<_> = all
            .iter()
            .filter(|m| m.record.name == record.name)
            .collect();
        assert_eq!(mine, [&known]);
        version = Some(stored);
    }
}

pub async fn what_was_never_put_is_not_there(registry: Arc<dyn Registry>) {
    let place = Place::new();
    assert_eq!(read(&registry, &place.group()).await, None);
    assert_eq!(registry.member(&place.member("a")).await.unwrap(), None);
}

pub async fn another_spelling_is_the_same_record(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let written = place.id("/resourceGroups/My-RG/providers/Microsoft.Storage/storageAccounts/st");
    let shouted = identity(&written.as_str().to_ascii_uppercase());
    let record = place.parked(&written, "a");
    let version = store(&registry, &record, None).await;
    let known = read(&registry, &shouted).await.unwrap();
    assert_eq!((&known.record, &known.version), (&record, &version));
    refused(&registry, &place.parked(&shouted, "b"), None).await;
    assert_eq!(read(&registry, &written).await.unwrap().record, record);
}

/// Names that Azure takes, and that are no names or labels elsewhere.
pub async fn wild_names_are_records_of_their_own(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let long = "x".repeat(89);
    let names = [
        "(rg)",
        "-rg",
        "_rg",
        "rg",
        "rg.",
        "rg-",
        "rg_",
        "rg.(1)",
        "r.g",
        "r_g",
        "r-g",
        "((((",
        "_",
        "-",
        "rg@home",
        "rg with spaces",
        "c",
    ];
    let names = names.into_iter().map(str::to_owned);
    let names = names.chain(["y", ")", "_"].map(|end| format!("{long}{end}")));
    let mut records = Vec::new();
    for name in names {
        let identity = place.id(&format!("/resourceGroups/{name}"));
        let user = format!("/resourceGroups/{name}/providers/P/t/n#User/{name}#EXT#@x");
        for identity in [identity, place.id(&user)] {
            let record = place.parked(&identity, "a");
            store(&registry, &record, None).await;
            records.push(record);
        }
    }
    for record in records {
        let known = read(&registry, &record.identity).await.unwrap();
        assert_eq!(known.record, record);
    }
}
