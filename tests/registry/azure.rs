//! The registry in Azure Blob Storage, on Azurite.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aso_guard::claim;
use aso_guard::registry::archive;
use aso_guard::registry::azure::AzureRegistry;
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::{
    ClaimEvent, ClaimScope, CopyFilter, FollowClaims as _, PutOutcome, RecordVersion, Registry,
    RegistryError,
};
use futures::stream::{self, StreamExt as _};
use tokio::sync::OnceCell;

use crate::conformance::{self, fixtures};
use crate::lab::azurite::Azurite;
use crate::line::{Line, Weather};
use crate::sharded::sharded;

/// One Azurite for all tests of this process: a container each.
async fn azurite() -> &'static Azurite {
    static AZURITE: OnceCell<Azurite> = OnceCell::const_new();
    let start = async || Azurite::start().await.unwrap();
    AZURITE.get_or_init(start).await
}

async fn container(name: &str) -> &'static Azurite {
    let azurite = azurite().await;
    azurite.create_container(name).await.unwrap();
    azurite
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_registry_in_azure_keeps_the_contract() {
    let azurite = container("contract").await;
    let registry = Azurite::registry("contract", azurite.port()).unwrap();
    conformance::all(Arc::new(registry)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_registry_of_one_in_memory_and_one_in_azure_keeps_the_contract() {
    let azurite = container("shard").await;
    let registry = Azurite::registry("shard", azurite.port()).unwrap();
    let default = Arc::<MemoryRegistry>::default();
    conformance::all(Arc::new(sharded(default, Arc::new(registry)))).await;
}

/// What became of one member's create.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Live,
    Refused,
    /// Nobody can say.
    Unknown,
}

/// A member makes a copy of a resource live, as an admission does: it gives up where the registry
/// does not answer.
async fn go_live(
    registry: &dyn Registry,
    place: &fixtures::Place,
    number: usize,
    member: &str,
) -> Ended {
    let identity = resource(place, number);
    let copy = place.copy(member);
    let ask = fixtures::create(&copy, &format!("{member}-{number}"));
    loop {
        let Ok(known) = registry.claim(&identity).await else {
            return Ended::Unknown;
        };
        let (record, version) = known.map(|known| (known.record, known.version)).unzip();
        let Ok(next) = claim::acquire(record.as_ref(), &identity, &ask) else {
            return Ended::Refused;
        };
        match registry.put_claim(&next, version.as_ref()).await {
            Ok(PutOutcome::Stored(_)) => return Ended::Live,
            Ok(PutOutcome::Conflict) => {}
            Err(_) => return Ended::Unknown,
        }
    }
}

fn resource(place: &fixtures::Place, number: usize) -> aso_guard::arm::Identity {
    place.id(&format!("/resourceGroups/rg/providers/P.Q/t/n{number}"))
}

/// What a race came to.
#[derive(Debug, Default)]
struct Race {
    conflicts: usize,
    /// Resources whose create was admitted in one member, and that no copy holds.
    lost: usize,
    /// Resources that both were refused, or that nobody holds.
    without_holder: usize,
    unknown: usize,
}

/// Two members create the same resources at once, each over its own line.
async fn race(registries: [&AzureRegistry; 2], count: usize) -> Race {
    let place = fixtures::Place::new();
    let place = &place;
    let creates = stream::iter(0..count).map(|number| async move {
        let [a, b] = registries;
        let ended = tokio::join!(
            go_live(a, place, number, "a"),
            go_live(b, place, number, "b"),
        );
        (number, ended)
    });
    let ended: Vec<_> = creates.buffer_unordered(16).collect().await;
    let mut race = Race::default();
    for (number, (a, b)) in ended {
        let known = read_patiently(registries[0], &resource(place, number)).await;
        let live: Vec<String> = known.map_or_else(Vec::new, |known| {
            let live = known.record.live();
            live.map(|(copy, _)| copy.member.to_string()).collect()
        });
        race.conflicts += usize::from(live.len() > 1 || (a == Ended::Live && b == Ended::Live));
        race.without_holder += usize::from(live.is_empty());
        for (ended, member) in [(&a, "a"), (&b, "b")] {
            let member = place.member(member);
            let holds = live.iter().any(|one| *one == member.as_str());
            race.lost += usize::from(*ended == Ended::Live && !holds);
            // A refusal rests on a copy that is there.
            assert!(
                *ended != Ended::Refused || !live.is_empty() && !holds,
                "{number}: {live:?}"
            );
            race.unknown += usize::from(*ended == Ended::Unknown);
        }
    }
    race
}

async fn read_patiently(
    registry: &AzureRegistry,
    identity: &aso_guard::arm::Identity,
) -> Option<aso_guard::registry::Versioned<claim::Record>> {
    for _ in 0..20 {
        if let Ok(known) = registry.claim(identity).await {
            return known;
        }
    }
    panic!("{identity} cannot be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_members_that_create_a_thousand_resources_at_once_have_no_double() {
    let azurite = container("race").await;
    let a = Azurite::registry("race", azurite.port()).unwrap();
    let b = Azurite::registry("race", azurite.port()).unwrap();
    let began = Instant::now();
    let race = race([&a, &b], 1_000).await;
    println!(
        "1,000 creates in each of two members: {race:?}, in {:?}",
        began.elapsed()
    );
    assert_eq!(
        (race.conflicts, race.lost, race.without_holder, race.unknown),
        (0, 0, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bad_lines_make_no_double_and_lose_no_claim() {
    let azurite = container("lines").await;
    for (weather, words) in [
        (Weather::Fair, "fair"),
        (Weather::Slow(Duration::from_millis(50)), "50 ms slower"),
        (Weather::Cutting, "a third of calls cut off"),
        (
            Weather::LosingAnswers,
            "a third of writes done, the answer lost",
        ),
        (
            Weather::LyingFailures,
            "a third of writes done, and answered with 500",
        ),
        (Weather::Busy, "a third of calls answered with 503"),
    ] {
        let (line_a, line_b) = (
            Line::to(azurite.port()).await.unwrap(),
            Line::to(azurite.port()).await.unwrap(),
        );
        let a = Azurite::registry("lines", line_a.port()).unwrap();
        let b = Azurite::registry("lines", line_b.port()).unwrap();
        line_a.set(weather);
        line_b.set(weather);
        let began = Instant::now();
        let race = race([&a, &b], 200).await;
        let took = began.elapsed();
        let (calls, damaged) = (
            line_a.counts().0 + line_b.counts().0,
            line_a.counts().1 + line_b.counts().1,
        );
        println!("{weather:?}: {race:?}, {took:?}");
        println!(
            "| {words} | 200 | {calls} | {damaged} | {} | {} | {} |",
            race.conflicts, race.lost, race.unknown
        );
        assert_eq!((race.conflicts, race.lost), (0, 0), "{weather:?}");
        let is_harmed = !matches!(weather, Weather::Fair | Weather::Slow(_));
        assert_eq!(damaged > 0, is_harmed, "{weather:?}");
        if matches!(weather, Weather::LosingAnswers | Weather::LyingFailures) {
            // What became of a write is read back, or it is tried again: one of the two holds.
            assert_eq!(race.without_holder, 0, "{weather:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_is_given_up_at_once_and_says_how_long_it_lasts() {
    let azurite = container("storm").await;
    let line = Line::to(azurite.port()).await.unwrap();
    let registry = Azurite::registry("storm", line.port()).unwrap();
    line.set(Weather::Storm);
    let place = fixtures::Place::new();
    let record = place.parked(&place.group(), "a");
    let reads = registry.claim(&place.group()).await.map(|_| ());
    let writes = registry.put_claim(&record, None).await.map(|_| ());
    for ended in [reads, writes] {
        let error = ended.unwrap_err();
        assert!(
            matches!(error, RegistryError::Unavailable { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("503 ServerBusy"), "{error}");
    }
    // A read and its one try, a write and the read after it: no call is repeated into a storm.
    assert!(line.counts().0 <= 3, "{:?}", line.counts());
    line.set(Weather::Fair);
    assert_eq!(registry.claim(&place.group()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_not_there_or_cannot_be_read_is_told() {
    let azurite = container("told").await;
    let nowhere = Azurite::registry("nowhere", azurite.port()).unwrap();
    let place = fixtures::Place::new();
    let record = place.parked(&place.group(), "a");
    let told = [
        nowhere.claim(&place.group()).await.map(|_| ()),
        nowhere.put_claim(&record, None).await.map(|_| ()),
        nowhere.members().await.map(|_| ()),
    ];
    for ended in told {
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("az storage container create"), "{error}");
    }
    let registry = Azurite::registry("told", azurite.port()).unwrap();
    let expected = aso_guard::registry::RecordVersion::new("\"0x0\"");
    let put = registry.put_claim(&record, Some(&expected)).await.unwrap();
    assert_eq!(
        put,
        PutOutcome::Conflict,
        "a put on condition that is not there"
    );
    let listed = registry.claims(&ClaimScope::All).await.unwrap();
    assert!(listed.records.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_inbox_changes_when_somebody_else_changes_a_claim_of_the_members() {
    let azurite = container("inbox").await;
    let place = fixtures::Place::new();
    let of = |member: &str| {
        let registry = Azurite::registry("inbox", azurite.port()).unwrap();
        registry.for_member(&place.member(member))
    };
    let (a, b) = (of("a"), of("b"));
    let inbox_of_b = async || a.inbox(&place.member("b")).await.unwrap();
    let empty = inbox_of_b().await;

    // What is a's alone is no news for b; nor is what b does itself.
    let stored = async |registry: &AzureRegistry, record: &claim::Record, expected: Option<&_>| {
        match registry.put_claim(record, expected).await.unwrap() {
            PutOutcome::Stored(version) => version,
            PutOutcome::Conflict => panic!("{} was changed", record.identity),
        }
    };
    let mut record = place.parked(&place.group(), "a");
    let alone = stored(&a, &record, None).await;
    assert_eq!(inbox_of_b().await, empty);
    record.copies.insert(place.copy("b"), fixtures::parked());
    let shared = stored(&b, &record, alone.as_ref()).await;
    assert_eq!(inbox_of_b().await, empty);

    let mut other = record.clone();
    other.copies.get_mut(&place.copy("a")).unwrap().newcomer = 1;
    let changed = stored(&a, &other, shared.as_ref()).await;
    let told = inbox_of_b().await;
    assert_ne!(told, empty);
    // Nor is what did not hold.
    let put = a.put_claim(&record, shared.as_ref()).await.unwrap();
    assert_eq!(
        (put, inbox_of_b().await),
        (PutOutcome::Conflict, told.clone())
    );

    // A copy that somebody else takes out, too, where he has read it; and by a person's hand.
    a.claim(&place.group()).await.unwrap();
    let without = other.without(&place.copy("b"));
    let without = stored(&a, &without, changed.as_ref()).await;
    let again = inbox_of_b().await;
    assert_ne!(again, told);
    let by_hand = Azurite::registry("inbox", azurite.port()).unwrap();
    stored(&by_hand, &other, without.as_ref()).await;
    assert_ne!(inbox_of_b().await, again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_follows_claims_is_told_of_each_change_and_no_more() {
    let azurite = container("follow").await;
    let registry = Azurite::registry("follow", azurite.port()).unwrap();
    let place = fixtures::Place::new();
    let stored = async |number: usize, expected: Option<&RecordVersion>| {
        let record = place.parked(&resource(&place, number), "a");
        match registry.put_claim(&record, expected).await.unwrap() {
            PutOutcome::Stored(Some(version)) => version,
            other => panic!("{number}: {other:?}"),
        }
    };
    let mut versions = Vec::new();
    for number in 0..3 {
        versions.push(stored(number, None).await);
    }
    let scope = ClaimScope::Of(place.member("a"), CopyFilter::AnyCopy);
    let mut events = registry.follow(&scope).map(|event| match event {
        ClaimEvent::Stored(record) => format!("stored {}", record.identity.name()),
        ClaimEvent::Gone(identity) => format!("gone {}", identity.name()),
        other => format!("{other:?}"),
    });
    let mut take = async |count: usize| {
        let some = (&mut events).take(count).collect::<Vec<String>>();
        let some = tokio::time::timeout(Duration::from_mins(2), some).await;
        let mut some = some.unwrap();
        some.sort();
        some
    };
    let all = ["Begins", "Complete", "stored n0", "stored n1", "stored n2"];
    assert_eq!(take(5).await, all);

    stored(1, Some(&versions[1])).await;
    stored(3, None).await;
    let gone = claim::Record::new(resource(&place, 2));
    registry.put_claim(&gone, Some(&versions[2])).await.unwrap();
    assert_eq!(take(3).await, ["gone n2", "stored n1", "stored n3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_registry_moves_into_another_container_whole() {
    const CLAIMS: usize = 1_200;
    let azurite = container("moved-from").await;
    azurite.create_container("moved-to").await.unwrap();
    let from = Azurite::registry("moved-from", azurite.port()).unwrap();
    let to = Azurite::registry("moved-to", azurite.port()).unwrap();
    let place = fixtures::Place::new();
    let member = fixtures::member_record(place.member("a"));
    from.put_member(&member, None).await.unwrap();
    let puts = stream::iter(0..CLAIMS).map(async |number| {
        let record = place.parked(&resource(&place, number), "a");
        from.put_claim(&record, None).await.unwrap()
    });
    let puts: Vec<_> = puts.buffer_unordered(16).collect().await;
    assert!(!puts.contains(&PutOutcome::Conflict));

    let mut file = Vec::new();
    let exported = archive::export(&from, &mut file, |_| ()).await.unwrap();
    assert_eq!((exported.claims, exported.members), (CLAIMS, 1));
    let compared = archive::import(&to, &*file, |_| ()).await.unwrap();
    assert_eq!(compared.added, CLAIMS + 1);
    let compared = archive::verify(&to, &*file, |_| ()).await.unwrap();
    assert_eq!(compared.same, CLAIMS + 1);
    let members = to.members().await.unwrap().whole().unwrap();
    assert_eq!(members[0].record, member);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bad_line_stops_no_import() {
    const CLAIMS: usize = 100;
    let azurite = container("imported").await;
    let memory = MemoryRegistry::new();
    let place = fixtures::Place::new();
    for number in 0..CLAIMS {
        let record = place.parked(&resource(&place, number), "a");
        memory.put_claim(&record, None).await.unwrap();
    }
    let mut file = Vec::new();
    archive::export(&memory, &mut file, |_| ()).await.unwrap();
    for weather in [
        Weather::Cutting,
        Weather::LosingAnswers,
        Weather::LyingFailures,
    ] {
        let name = format!("{weather:?}").to_ascii_lowercase();
        azurite.create_container(&name).await.unwrap();
        let line = Line::to(azurite.port()).await.unwrap();
        let registry = Azurite::registry(&name, line.port()).unwrap();
        // The first call is made once only.
        let reached = registry.epoch().await;
        assert_eq!(reached.unwrap(), None);
        line.set(weather);
        let done = AtomicUsize::new(0);
        let progress = |records| {
            done.store(records, Ordering::Relaxed);
            // Whoever is alone at last would meet every third call for ever.
            if records > CLAIMS / 2 {
                line.set(Weather::Fair);
            }
        };
        let compared = archive::import(&registry, &*file, progress).await.unwrap();
        assert_eq!(compared.added, CLAIMS, "{weather:?}: {compared:?}");
        assert_eq!(done.load(Ordering::Relaxed), CLAIMS);
        assert!(line.counts().1 > 0, "{weather:?}: {:?}", line.counts());
        let compared = archive::verify(&registry, &*file, |_| ()).await.unwrap();
        assert_eq!(compared.same, CLAIMS, "{weather:?}: {compared:?}");
    }
}
