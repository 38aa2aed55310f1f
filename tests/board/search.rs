//! Claims are found, in parts, at a bounded cost.

use std::collections::HashSet;

use aso_guard::registry::Registry as _;
use rstest::rstest;

use crate::{Stage, World, seed, shop, text};

/// The links to claims on a page, and the one to the next page.
fn links(page: &str) -> (Vec<String>, Option<String>) {
    let link = |part: &str| {
        let end = part.find('"').unwrap();
        part[..end].replace("&#38;", "&").replace("&amp;", "&")
    };
    let claims = page.split("<a href=\"/claim?").skip(1).map(link).collect();
    let next = page.split("rel=\"next\" href=\"").nth(1).map(link);
    (claims, next)
}

/// All the claims that a search finds, page by page.
async fn all(world: &World<Stage>, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = Some(path.to_owned());
    while let Some(at) = path {
        let (claims, next) = links(&world.page(&at).await);
        assert!(claims.len() <= 50, "{at}: {}", claims.len());
        assert!(world.registry.parts_asked() <= 10, "{at}");
        found.extend(claims);
        assert!(found.len() < 1000, "it never ends: {at}");
        path = next;
    }
    found
}

#[rstest]
#[case::all("", 234)]
#[case::word("?q=checkout", 18)]
#[case::in_any_case("?q=CHECKout", 18)]
#[case::member("?member=lab", 18)]
#[case::namespace("?namespace=shop", 54)]
#[case::member_and_namespace("?member=north&namespace=shop", 0)]
#[case::state("?state=Deleting", 1)]
#[case::conflict("?state=conflict", 1)]
#[case::conflict_elsewhere("?state=conflict&member=lab", 0)]
#[case::no_member("?member=%3Cb%3E", 0)]
#[case::no_state("?state=lively", 0)]
#[case::name_of_a_copy("?q=rg-shopfront&state=live", 18)]
#[tokio::test]
async fn what_is_asked_for_is_found_once(#[case] query: &str, #[case] many: usize) {
    let world = shop().await;
    let found = all(&world, &format!("/claims{query}")).await;
    assert_eq!(found.len(), many, "{found:?}");
    let once: HashSet<&String> = found.iter().collect();
    assert_eq!(once.len(), many, "{found:?}");
}

#[rstest]
// `rg-shop` begins `rg-shopfront`, too.
#[case("rg-shop", 36)]
#[case("RG-SHOP/", 17)]
#[case("rg-shop/providers/Microsoft.Storage/storageAccounts/", 2)]
#[case("", 234)]
#[tokio::test]
async fn a_slash_begins_an_arm_id(#[case] rest: &str, #[case] many: usize) {
    let world = shop().await;
    let begins = format!(
        "/subscriptions/{}/resourceGroups/{rest}",
        seed::SUBSCRIPTION
    );
    assert_eq!(
        all(&world, &format!("/claims?q={begins}")).await.len(),
        many
    );
}

#[tokio::test]
async fn a_whole_arm_id_comes_first() {
    let world = shop().await;
    let (found, _) = links(
        &world
            .page(&format!("/claims?q={}", seed::group_id("shop")))
            .await,
    );
    assert!(found[0].ends_with("rg-shop"), "{found:?}");
    assert_eq!(found.iter().filter(|link| **link == found[0]).count(), 1);
}

#[tokio::test]
async fn a_page_of_many_claims_reads_few() {
    // Parts of 7: 234 claims are 34 of them.
    let world = World::of(Stage::new(7));
    seed::fill(&*world.registry, jiff::Timestamp::now()).await;
    let (found, next) = links(&world.page("/claims").await);
    assert_eq!(found.len(), 50);
    assert_eq!(world.registry.parts_asked(), 8);
    assert!(next.is_some());
    // What is rare is looked for in ten parts, and then the person is asked.
    let page = world
        .page("/claims?q=rg-shopfront/providers/Microsoft.Cdn")
        .await;
    assert_eq!(world.registry.parts_asked(), 10);
    let (found, next) = links(&page);
    assert!(found.is_empty() && next.is_some(), "{found:?}");
    let said = text(&page);
    assert!(
        said.contains("None found yet; looked at 70 claims so far"),
        "{said}"
    );
    assert!(said.contains("Look further"), "{said}");
    let found = all(&world, "/claims?q=rg-shopfront/providers/Microsoft.Cdn").await;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn claims_that_come_and_go_between_pages_break_nothing() {
    let world = shop().await;
    let (_, next) = links(&world.page("/claims").await);
    for mut known in world
        .registry
        .claims(&aso_guard::registry::ClaimScope::All)
        .await
        .unwrap()
        .records
    {
        known.record.copies.clear();
        let version = Some(&known.version);
        world
            .registry
            .put_claim(&known.record, version)
            .await
            .unwrap();
    }
    world.page(&next.unwrap()).await;
    for at in ["9.9.", "..", "x", "1.18446744073709551615.0", "-1.0.3"] {
        world.page(&format!("/claims?at={at}")).await;
    }
}

#[rstest]
#[case::subscription(seed::SUBSCRIPTION, "", 234)]
#[case::in_any_case(seed::SUBSCRIPTION, "RG-shop", 18)]
#[case::group_anywhere("", "rg-shop", 18)]
#[case::no_such_group(seed::SUBSCRIPTION, "rg-none", 0)]
#[case::another_subscription("11111111-2222-3333-4444-555555555555", "", 0)]
#[case::no_subscription("a/b", "rg-shop", 0)]
#[tokio::test]
async fn a_subscription_and_a_group_narrow_it(
    #[case] subscription: &str,
    #[case] group: &str,
    #[case] many: usize,
) {
    let world = shop().await;
    let path = format!("/claims?subscription={subscription}&group={group}");
    let found = all(&world, &path).await;
    assert_eq!(found.len(), many, "{found:?}");
    let once: HashSet<&String> = found.iter().collect();
    assert_eq!(once.len(), many, "{found:?}");
}

/// The hub is asked for the group alone, and the group's own claim comes first.
#[tokio::test]
async fn a_group_of_a_subscription_costs_its_own_claims() {
    let world = World::of(Stage::new(7));
    seed::fill(&*world.registry, jiff::Timestamp::now()).await;
    let path = format!("/claims?subscription={}&group=rg-shop", seed::SUBSCRIPTION);
    let (found, _) = links(&world.page(&path).await);
    assert_eq!(world.registry.parts_asked(), 3);
    assert!(found[0].ends_with("rg-shop"), "{found:?}");
}

#[tokio::test]
async fn a_page_is_sorted_by_the_column_that_was_chosen() {
    let world = shop().await;
    let since = |page: &str| -> Vec<String> {
        let times = page.split("class=\"time\"><time datetime=\"").skip(1);
        times.map(|part| part[..20].to_owned()).collect()
    };
    let page = world.page("/claims?namespace=billing&sort=since").await;
    let oldest_first = since(&page);
    assert!(oldest_first.len() > 10, "{oldest_first:?}");
    assert!(oldest_first.is_sorted(), "{oldest_first:?}");
    assert_ne!(oldest_first.first(), oldest_first.last());
    assert!(page.contains("aria-sort=\"ascending\""), "{page}");
    let page = world.page("/claims?namespace=billing&sort=-since").await;
    let mut newest_first = since(&page);
    assert!(page.contains("aria-sort=\"descending\""), "{page}");
    newest_first.reverse();
    assert_eq!(newest_first, oldest_first);
    // The headings keep what was searched for, and turn the order round.
    let page = world.page("/claims?q=shopfront&sort=resource").await;
    for link in [
        "/claims?q=shopfront&#38;sort=-resource",
        "/claims?q=shopfront&#38;sort=since",
    ] {
        assert!(page.contains(link), "{page}");
    }
    // What nobody knows sorts nothing.
    let page = world.page("/claims?sort=%22%3E").await;
    assert!(!page.contains("aria-sort"), "{page}");
}

/// A part of many claims is sorted for itself, and says so; the next one goes on alike.
#[tokio::test]
async fn a_sorted_part_says_that_it_is_one() {
    let world = shop().await;
    let page = world.page("/claims?sort=state").await;
    let said = text(&page);
    assert!(
        said.contains("These are sorted; the others are on other pages."),
        "{said}"
    );
    let (_, next) = links(&page);
    assert!(next.unwrap().contains("sort=state"));
    let found = all(&world, "/claims?sort=state").await;
    assert_eq!(found.len(), 234);
}
