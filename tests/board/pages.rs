//! What each page says of a registry as it is in life.

use aso_guard::claim::EpochRecord;
use aso_guard::registry::Registry as _;
use aso_guard::registry::memory::MemoryRegistry;
use http::{Method, StatusCode};

use crate::{seed, shop, text};

fn claim(rest: &str) -> String {
    format!("/claim?id={}{rest}", seed::group_id("checkout"))
}

#[tokio::test]
async fn the_overview_names_what_needs_somebody() {
    let page = text(&shop().await.page("/").await);
    for said in [
        "1 resource has two live copies",
        "1 member is silent, and holds what it held",
        "1 resource has no live copy",
        "vaults/kv-checkout",
        "Live at once in north as payments/Vault/kv-checkout and west as shop/Vault/kv-checkout",
        "Enrolling north",
        "Ready west",
        "Silent lab 27 h ago still 18 live, 0 parked",
        "234 in all",
        "Registry kubernetes:hub",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn numbers_that_were_not_counted_yet_are_not_made_up() {
    let world = crate::World::of(crate::Stage::new(100));
    seed::fill(&*world.registry, jiff::Timestamp::now()).await;
    let page = text(&world.page("/").await);
    assert!(page.contains("not counted yet"), "{page}");
    assert!(!page.contains("in all"), "{page}");
    assert!(!page.contains("Nothing needs anybody"), "{page}");
}

#[tokio::test]
async fn a_quiet_registry_says_so() {
    let world = crate::World::of(crate::Stage::new(100));
    world.board.count_once().await;
    let page = text(&world.page("/").await);
    assert!(page.contains("Nothing needs anybody"), "{page}");
    assert!(page.contains("No cluster has registered yet"), "{page}");
    for path in ["/conflicts", "/orphans", "/members", "/claims"] {
        world.page(path).await;
    }
}

#[tokio::test]
async fn a_silent_member_says_what_it_still_holds_and_what_to_type() {
    let page = text(&shop().await.page("/members").await);
    for said in [
        "It still holds 18 live and 0 parked copies",
        "only a person can know",
        "aso-guard failover plan --member lab",
        "c7d1e0b2-91f5-47a8-8e6e-3a2b1c0d9e8f",
        "north: 1 unresolved",
        "data/StorageAccount/stscratch",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn what_holds_while_no_guard_answers_is_shown_for_each_member() {
    let page = text(&shop().await.page("/members").await);
    for said in [
        "west: second line out of date",
        "may be out of date in 1 of 12 namespaces (3 min ago): shop",
        "west its API server refuses by what was written down up to",
        "north no second line",
        "aso-guard doctor --all-contexts",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn a_member_that_was_forgotten_and_still_holds_is_shown() {
    let world = shop().await;
    let lab = "lab".parse().unwrap();
    let known = aso_guard::registry::Registry::member(&*world.registry, &lab).await;
    let version = known.unwrap().unwrap().version;
    let removed = aso_guard::registry::Registry::remove_member(&*world.registry, &lab, &version);
    removed.await.unwrap();
    world.board.count_once().await;
    let page = text(&world.page("/members").await);
    assert!(
        page.contains("No member lab not registered still 18 live"),
        "{page}"
    );
    let page = text(&world.page("/orphans").await);
    assert!(page.contains("resourceGroups/rg-sandbox"), "{page}");
}

#[tokio::test]
async fn a_move_of_the_fleet_is_shown_where_its_members_are() {
    let world = crate::World::of(MemoryRegistry::new());
    let epoch = EpochRecord {
        migration: Some("closing to uid-2".parse().unwrap()),
        ..EpochRecord::default()
    };
    let page = text(&world.page("/members").await);
    assert!(!page.contains("The fleet moves"), "{page}");
    world.registry.put_epoch(&epoch, None).await.unwrap();
    let page = text(&world.page("/members").await);
    for said in [
        "The fleet moves from this registry to another one",
        "aso-guard registry status",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn a_conflict_has_the_command_that_ends_it() {
    let world = shop().await;
    let park = "kubectl --context north -n payments annotate --overwrite \
                vault.keyvault.azure.com/kv-checkout \
                serviceoperator.azure.com/reconcile-policy=skip";
    let claim = claim("/providers/Microsoft.KeyVault/vaults/kv-checkout");
    for path in ["/conflicts", &claim] {
        let page = text(&world.page(path).await);
        assert!(page.contains(park), "{path}: {page}");
        assert!(
            page.contains("came on top of another live copy"),
            "{path}: {page}"
        );
    }
    let page = text(&world.page(&claim).await);
    assert!(
        page.contains("Conflict: True , live at once: north/"),
        "{page}"
    );
    // Its resource group is no conflict, and nothing is to be parked there.
    let page = text(&world.page(&self::claim("")).await);
    assert!(
        page.contains("Conflict: False, only west/shop/ResourceGroup/rg-checkout is live"),
        "{page}"
    );
    assert!(!page.contains("reconcile-policy=skip"), "{page}");
}

#[tokio::test]
async fn an_orphan_is_shown_with_where_it_is_parked() {
    let page = text(&shop().await.page("/orphans").await);
    assert!(
        page.contains("Parked storageAccounts/stlakebackup rg-lake · 5f1d")
            && page.contains("Parked north data/StorageAccount/stlakebackup Parked west data/"),
        "{page}"
    );
}

#[tokio::test]
async fn a_claim_shows_what_is_under_way() {
    let world = shop().await;
    let group = seed::group_id("invoices");
    let path = format!(
        "/claim?id={group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/psql-invoices"
    );
    let page = text(&world.page(&path).await);
    for said in [
        "Going live in west",
        "not stored yet",
        "an object with uid b6a4e9d2-1f57-4f6e-9d3a-77c0a1b2c3d4 is seen",
        "in 7",
        "7c0f3f0e-52d5-4c3f-8d0c-9a6b1e5d2f47",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let group = seed::group_id("reports");
    let path = format!("/claim?id={group}/providers/Microsoft.Cache/redis/redis-reports");
    let page = text(&world.page(&path).await);
    assert!(page.contains("Deleting in north"), "{page}");
    assert!(
        page.contains("another resourceVersion than 918273"),
        "{page}"
    );
}

#[tokio::test]
async fn a_claim_shows_its_history_the_latest_first() {
    let world = shop().await;
    let group = seed::group_id("billing");
    let path = format!("/claim?id={group}/providers/Microsoft.ServiceBus/namespaces/sb-billing");
    let page = text(&world.page(&path).await);
    let at = |said| page.find(said).unwrap_or_else(|| panic!("{said}: {page}"));
    assert!(at("INC-1042") < at("CHG-2291"), "{page}");
    at("against LiveElsewhere");
    at("busy in Azure");
}

/// What was done by hand stands between what became of the copies, in the order of time.
#[tokio::test]
async fn a_claims_history_is_a_line_of_time() {
    let world = shop().await;
    let group = seed::group_id("billing");
    let path = format!("/claim?id={group}/providers/Microsoft.ServiceBus/namespaces/sb-billing");
    let page = world.page(&path).await;
    let (_, history) = page.split_once("<ol class=\"history\">").unwrap();
    let (history, _) = history.split_once("</ol>").unwrap();
    let times = history.split("<time datetime=\"").skip(1);
    let mut times: Vec<&str> = times.map(|rest| &rest[..20]).collect();
    assert!(times.len() > 2, "{history}");
    times.reverse();
    assert!(times.is_sorted(), "{times:?}");
    assert!(history.contains("class=\"is-live\""), "{history}");
    // Where nobody overrode anything, the copies alone are there.
    let page = text(&world.page(&claim("")).await);
    assert!(
        page.contains("Nobody went against a refusal here"),
        "{page}"
    );
    assert!(
        page.contains("Live : west shop/ResourceGroup/rg-checkout"),
        "{page}"
    );
}

#[tokio::test]
async fn of_two_live_copies_the_one_that_came_last_is_to_be_parked() {
    let world = shop().await;
    let page = text(&world.page("/conflicts").await);
    let (one, other) = (
        "Park this one : it came on top of the other.",
        "Or this one:",
    );
    assert_eq!(page.matches(one).count(), 1, "{page}");
    assert_eq!(page.matches(other).count(), 1, "{page}");
    let (_, after) = page.split_once(one).unwrap();
    assert!(
        after.trim_start().starts_with("kubectl --context "),
        "{page}"
    );
}

/// Commands are copied by a script of the board's own, and stand there without it.
#[tokio::test]
async fn commands_have_something_to_copy_them_by() {
    let world = shop().await;
    for path in ["/conflicts", "/claims", &claim("")] {
        let page = world.page(path).await;
        assert!(
            page.contains("<script src=\"/copy.js\" defer></script>"),
            "{page}"
        );
    }
    let answer = world.ask(Method::GET, "localhost", "/copy.js").await;
    assert_eq!(
        answer.headers["content-type"],
        "text/javascript; charset=utf-8"
    );
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'"), "{policy}");
}

#[tokio::test]
async fn a_token_that_ends_soon_is_shown_and_one_that_does_not_is_only_told() {
    let world = shop().await;
    for (name, days, soon) in [("west", 3, true), ("north", 60, false)] {
        let name = name.parse().unwrap();
        let known = world.registry.member(&name).await.unwrap().unwrap();
        let mut member = known.record;
        let end = jiff::SignedDuration::from_hours(days * 24 + 1);
        member.hub_token_expires = Some(jiff::Timestamp::now() + end);
        let put = world
            .registry
            .put_member(&member, Some(&known.version))
            .await;
        put.unwrap();
        let page = text(&world.page("/members").await);
        let warns = page.contains(&format!("{name}: hub token"));
        assert_eq!(warns, soon, "{page}");
        assert!(
            page.contains(&format!("hub token expires in {days} days")),
            "{page}"
        );
    }
}

#[tokio::test]
async fn another_spelling_of_an_arm_id_leads_to_the_same_claim() {
    let path = claim("").replace("resourceGroups", "RESOURCEGROUPS");
    shop().await.page(&path).await;
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let world = shop().await;
    for path in [
        "/claim",
        "/claim?id=rg",
        &claim("-x"),
        "/nowhere",
        "/claims/",
    ] {
        let answer = world.ask(Method::GET, "localhost", path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            text(&answer.body).contains("There is no such thing"),
            "{path}"
        );
    }
}
