//! Lists hold what is in their scope, and nothing else.

use std::sync::Arc;

use aso_guard::arm::Identity;
use aso_guard::claim::{MemberCopy, Proof, Record, StoredCopy};
use aso_guard::policy::Policy;
use aso_guard::registry::{ClaimScope, CopyFilter, Registry};

use super::fixtures::{Place, identity, listed, parked, request, store};

/// Registers these resources, each with a parked copy.
async fn register(registry: &Arc<dyn Registry>, place: &Place, ids: &[&Identity]) {
    for id in ids {
        store(registry, &place.parked(id, "a"), None).await;
    }
}

/// Exactly these are listed below an identity, however it is spelled.
async fn assert_below(registry: &Arc<dyn Registry>, above: &Identity, inside: &[&Identity]) {
    let mut wanted: Vec<String> = inside.iter().map(ToString::to_string).collect();
    wanted.sort();
    let spellings = [
        above.clone(),
        identity(&above.as_str().to_ascii_uppercase()),
        identity(&above.as_str().to_ascii_lowercase()),
    ];
    for above in spellings {
        let found = listed(registry, &ClaimScope::Below(above.clone())).await;
        assert_eq!(found, wanted, "below {above}");
    }
}

pub async fn below_goes_by_whole_segments(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let group = place.id("/resourceGroups/rg1");
    let twin = place.id("/resourceGroups/rg10");
    let server = place.id("/resourceGroups/RG1/providers/Microsoft.Sql/servers/s");
    let database = place.id("/resourcegroups/rg1/providers/microsoft.sql/servers/S/databases/d");
    let user = place.id("/resourceGroups/rg1/providers/Microsoft.Sql/servers/s#User/u");
    let nearly = place.id("/resourceGroups/rg1/providers/Microsoft.Sql/servers/s2");
    let extension = place.id(
        "/resourceGroups/rg1/providers/Microsoft.Sql/servers/s/providers/Microsoft.Insights/\
         diagnosticSettings/x",
    );
    let elsewhere = place.id("/resourceGroups/rg10/providers/Microsoft.Sql/servers/s");
    let regional = place.id("/providers/Microsoft.Policy/assignments/p");
    let on_it = place.id("/providers/Microsoft.Policy/assignments/p/providers/P.Q/t/x");
    register(
        &registry,
        &place,
        &[
            &group, &twin, &server, &database, &user, &nearly, &extension, &elsewhere, &regional,
            &on_it,
        ],
    )
    .await;
    assert_below(&registry, &regional, &[&on_it]).await;

    let in_server = [&database, &user, &extension];
    assert_below(&registry, &server, &in_server).await;
    let in_group = [&server, &nearly, &database, &user, &extension];
    assert_below(&registry, &group, &in_group).await;
    assert_below(&registry, &twin, &[&elsewhere]).await;
    let mut in_subscription = in_group.to_vec();
    in_subscription.extend([&group, &twin, &elsewhere, &regional, &on_it]);
    assert_below(&registry, &place.id(""), &in_subscription).await;
    for leaf in [&user, &database, &place.id("/resourceGroups/rg")] {
        assert_below(&registry, leaf, &[]).await;
    }
    let all = listed(&registry, &ClaimScope::All).await;
    assert!(
        in_subscription
            .iter()
            .all(|id| all.contains(&id.to_string()))
    );
}

pub async fn below_finds_wild_names(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let long = "x".repeat(89);
    for name in [
        "rg.(1)",
        "rg_",
        "_",
        "((",
        &format!("{long}."),
        &format!("{long}y"),
    ] {
        let group = place.id(&format!("/resourceGroups/{name}"));
        let inside = format!("/resourceGroups/{name}/providers/P.Q/t/{}", "n".repeat(90));
        let inside = place.id(&inside);
        register(&registry, &place, &[&group, &inside]).await;
        assert_below(&registry, &group, &[&inside]).await;
        assert_below(&registry, &inside, &[]).await;
    }
}

pub async fn below_works_outside_subscriptions(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let alias = place.tenant_id("");
    let policy = place.tenant_id("/policies/default");
    let longer = place.tenant_id("0");
    let extension = place.tenant_id("/providers/P/t/n");
    register(&registry, &place, &[&alias, &policy, &longer, &extension]).await;
    assert_below(&registry, &alias, &[&policy, &extension]).await;
    assert_below(&registry, &longer, &[]).await;
}

pub async fn of_a_member_finds_its_copies_alone(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let [mine, theirs, both] =
        ["mine", "theirs", "both"].map(|name| place.id(&format!("/resourceGroups/{name}")));
    store(&registry, &place.parked(&mine, "a"), None).await;
    store(&registry, &place.parked(&theirs, "aa"), None).await;
    let mut shared = place.parked(&both, "a");
    shared.copies.insert(place.copy("aa"), parked());
    let version = store(&registry, &shared, None).await;

    let of = |name| ClaimScope::Of(place.member(name), CopyFilter::AnyCopy);
    let [mine, theirs, both] = [mine, theirs, both].map(|id| id.to_string());
    assert_eq!(
        listed(&registry, &of("a")).await,
        [both.clone(), mine.clone()]
    );
    assert_eq!(
        listed(&registry, &of("aa")).await,
        [both.clone(), theirs.clone()]
    );
    assert!(listed(&registry, &of("b")).await.is_empty());

    // What a member gave up is not its own any more.
    store(
        &registry,
        &place.parked(&shared.identity, "aa"),
        Some(&version),
    )
    .await;
    assert_eq!(listed(&registry, &of("a")).await, [mine]);
    assert_eq!(listed(&registry, &of("aa")).await, [both, theirs]);
}

pub async fn in_flight_is_told_apart(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let acquiring = MemberCopy {
        acquiring: vec![request("r1", Proof::Uid("u".into()))],
        ..parked()
    };
    let deleting = MemberCopy {
        deleting: vec![request("r2", Proof::Deadline)],
        ..parked()
    };
    let mut versions = Vec::new();
    for (name, a, b) in [
        ("acquires", &acquiring, &parked()),
        ("deletes", &deleting, &parked()),
        ("settled", &parked(), &acquiring),
    ] {
        let mut record = Record::new(place.id(&format!("/resourceGroups/{name}")));
        record.copies.insert(place.copy("a"), a.clone());
        record.copies.insert(place.copy("b"), b.clone());
        let version = store(&registry, &record, None).await;
        versions.push((record, version));
    }
    let of = |name| ClaimScope::Of(place.member(name), CopyFilter::InFlight);
    let names = |found: Vec<String>| -> Vec<String> {
        let last = |id: &String| id.rsplit('/').next().unwrap_or_default().to_owned();
        found.iter().map(last).collect()
    };
    assert_eq!(
        names(listed(&registry, &of("a")).await),
        ["acquires", "deletes"]
    );
    assert_eq!(names(listed(&registry, &of("b")).await), ["settled"]);

    let (record, version) = versions.remove(0);
    let settled = place.parked(&record.identity, "a");
    store(&registry, &settled, Some(&version)).await;
    assert_eq!(names(listed(&registry, &of("a")).await), ["deletes"]);
}

pub async fn conflicts_are_found_while_they_last(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let live = |newcomer| MemberCopy {
        stored: parked().stored.map(|stored| StoredCopy {
            policy: Policy::Manage,
            ..stored
        }),
        newcomer,
        ..parked()
    };
    let mut record = Record::new(place.id("/resourceGroups/twins"));
    record.copies.insert(place.copy("a"), live(0));
    record.copies.insert(place.copy("b"), parked());
    let alone = store(&registry, &record, None).await;
    let found = async || -> bool {
        let all = listed(&registry, &ClaimScope::InConflict).await;
        all.contains(&record.identity.to_string())
    };
    assert!(!found().await);
    let mut twins = record.clone();
    twins.copies.insert(place.copy("b"), live(1));
    let version = store(&registry, &twins, Some(&alone)).await;
    assert!(found().await);
    store(&registry, &record, Some(&version)).await;
    assert!(!found().await);
}

pub async fn orphans_are_found_while_they_last(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let mut record = place.parked(&place.id("/resourceGroups/left"), "a");
    record.copies.insert(place.copy("b"), parked());
    let mut version = store(&registry, &record, None).await;
    let found = async |name: &str| {
        let scope = ClaimScope::Orphaned(place.member(name));
        listed(&registry, &scope).await == [record.identity.to_string()]
    };
    assert!(found("a").await && found("b").await);
    assert!(!found("c").await, "it has no copy");
    let ends: [fn(&mut MemberCopy); 2] = [
        |copy| copy.acquiring = vec![request("r1", Proof::Uid("u".into()))],
        |copy| {
            let policy = Policy::DetachOnDelete;
            copy.stored = copy
                .stored
                .take()
                .map(|stored| StoredCopy { policy, ..stored });
        },
    ];
    for change in ends {
        let mut held = record.clone();
        change(held.copies.get_mut(&place.copy("b")).unwrap());
        version = store(&registry, &held, Some(&version)).await;
        assert!(!found("a").await && !found("b").await);
        version = store(&registry, &record, Some(&version)).await;
        assert!(found("a").await && found("b").await);
    }
}

/// Longer than any page a backend may cut its answers into.
pub async fn a_long_list_comes_whole(registry: Arc<dyn Registry>) {
    const MANY: usize = 1100;
    let place = Place::new();
    let group = place.group();
    let register = |n: usize| {
        let (registry, place) = (registry.clone(), &place);
        async move {
            let id = place.id(&format!("/resourceGroups/rg/providers/P/t/n{n:04}"));
            store(&registry, &place.parked(&id, "a"), None).await;
        }
    };
    for chunk in (0..MANY).collect::<Vec<_>>().chunks(32) {
        futures::future::join_all(chunk.iter().map(|&n| register(n))).await;
    }
    let found = listed(&registry, &ClaimScope::Below(group)).await;
    assert_eq!(found.len(), MANY);
    assert!(
        found
            .iter()
            .enumerate()
            .all(|(n, id)| id.ends_with(&format!("/n{n:04}")))
    );
    let mine = ClaimScope::Of(place.member("a"), CopyFilter::AnyCopy);
    assert_eq!(listed(&registry, &mine).await, found);
}
