//! A transfer's four steps, moving.

use aso_guard::claim::Record;
use aso_guard::registry::{ClaimScope, Registry as _};
use http::{Method, StatusCode};
use jiff::Timestamp;

use crate::{Stage, World, seed, shop, text};

/// Changes the claims that the open transfer has reserved.
async fn change(world: &World<Stage>, how: impl Fn(&mut Record)) {
    let moved = world
        .registry
        .claims(&ClaimScope::Reserved(None))
        .await
        .unwrap()
        .records;
    assert_eq!(moved.len(), 18);
    for mut known in moved {
        how(&mut known.record);
        let put = world
            .registry
            .put_claim(&known.record, Some(&known.version));
        put.await.unwrap();
    }
}

#[tokio::test]
async fn the_four_steps_are_told_from_the_claims() {
    let world = shop().await;
    for path in ["/", "/transfers", "/transfer?name=search-to-north"] {
        let page = text(&world.page(path).await);
        for said in [
            "Open",
            "Parked in west/search 14 of 18",
            "ASO runs in north/search not seen from here; the guard there: Enrolling, heard",
            "Live in north/search 8 of 18, 1 on the way",
            "Gone from west/search 5 of 18",
        ] {
            assert!(page.contains(said), "{path}: {said}: {page}");
        }
    }
    let through = |record: &mut Record| while seed::step(record, Timestamp::now()) {};
    change(&world, through).await;
    let page = text(&world.page("/transfers").await);
    for said in ["west/search 18 of 18", "north/search 18 of 18"] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn its_page_lists_each_resource_or_those_at_one_stage() {
    let world = shop().await;
    let page = text(&world.page("/transfer?name=search-to-north").await);
    for said in [
        "CHG-2350",
        "live 4 parked 5 coming 1 moved 3 done 5",
        "done resourceGroups/rg-search live in the target, gone from the source north/search/ResourceGroup/rg-search",
        "west/search/Vault/kv-search → north/search/Vault/kv-search",
        "aso-guard transfer status search-to-north",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let page = text(
        &world
            .page("/transfer?name=search-to-north&stage=coming")
            .await,
    );
    assert!(page.contains("going live in the target"), "{page}");
    assert!(!page.contains("rg-search live in the target"), "{page}");
}

#[tokio::test]
async fn what_went_wrong_in_a_transfer_is_called_out() {
    let world = shop().await;
    change(&world, |record| record.copies.clear()).await;
    for path in ["/transfers", "/transfer?name=search-to-north&stage=lost"] {
        let page = text(&world.page(path).await);
        assert!(
            page.contains("18 resources need somebody"),
            "{path}: {page}"
        );
    }
}

#[tokio::test]
async fn a_transfer_that_is_over_shows_how_it_ended() {
    let world = shop().await;
    let page = text(&world.page("/transfer?name=ingress-to-north").await);
    assert!(page.contains("ingress-to-north Finished"), "{page}");
    assert!(page.contains("Live in north/platform 18 of 18"), "{page}");
    assert!(page.contains("its resources are free"), "{page}");
}

#[tokio::test]
async fn a_transfer_too_large_for_one_look_shows_what_was_written_down() {
    let world = World::of(Stage::new(2));
    seed::fill(&*world.registry, Timestamp::now()).await;
    let path = "/transfer?name=search-to-north";
    let page = text(&world.page(path).await);
    assert!(page.contains("too large to be read for one look"), "{page}");
    assert_eq!(world.registry.parts_asked(), 6);
    assert!(!page.contains("kv-search"), "{page}");
}

#[tokio::test]
async fn what_is_moved_is_no_orphan_and_says_who_moves_it() {
    let world = shop().await;
    let page = text(&world.page("/orphans").await);
    assert!(!page.contains("redis-search"), "{page}");
    let page = text(&world.page("/claims?q=redis-search").await);
    assert!(page.contains("moved by transfer search-to-north"), "{page}");
    let group = seed::group_id("search");
    let path = format!("/claim?id={group}/providers/Microsoft.Cache/redis/redis-search");
    let page = text(&world.page(&path).await);
    let said = "search-to-north moves it: parked in the source, on its way from west/search to north/search";
    assert!(page.contains(said), "{page}");
}

#[tokio::test]
async fn a_transfer_that_is_not_there_is_missing() {
    let world = shop().await;
    for name in ["", "nobody", "%3Cb%3E", "UPPER"] {
        let path = format!("/transfer?name={name}");
        let answer = world.ask(Method::GET, "localhost", &path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.body.contains("<b>\u{201d}"), "{}", answer.body);
    }
}
