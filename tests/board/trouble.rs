//! A registry that is away, and comes back.

use http::{Method, StatusCode};
use rstest::rstest;

use crate::{shop, text};

#[rstest]
#[case("/")]
#[case("/claims")]
#[case("/claim?id=/subscriptions/s/resourceGroups/rg")]
#[case("/members")]
#[case("/conflicts")]
#[tokio::test]
async fn a_registry_that_is_away_is_said_to_be_and_the_page_looks_again(#[case] path: &str) {
    let world = shop().await;
    world.registry.set_away(true);
    let answer = world.ask(Method::GET, "localhost", path).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("/board.js"), "{}", answer.body);
    assert!(
        answer.body.contains("http-equiv=\"refresh\""),
        "{}",
        answer.body
    );
    let said = text(&answer.body);
    assert!(said.contains("The registry does not answer"), "{said}");
    assert!(said.contains("no answer within 5s"), "{said}");
    assert!(said.contains("asks again every 5 seconds"), "{said}");
    world.registry.set_away(false);
    let back = world.ask(Method::GET, "localhost", path).await;
    assert_ne!(back.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn numbers_of_a_count_that_failed_are_told_as_old() {
    let world = shop().await;
    world.registry.set_away(true);
    world.board.count_once().await;
    world.registry.set_away(false);
    let page = text(&world.page("/orphans").await);
    assert!(
        page.contains("The last count failed: the registry"),
        "{page}"
    );
    assert!(page.contains("stlakebackup"), "{page}");
}

#[tokio::test]
async fn a_place_in_a_list_that_is_too_old_leads_back_to_its_beginning() {
    let world = shop().await;
    let path = "/claims?q=shop&at=100.0.too-old";
    let answer = world.ask(Method::GET, "localhost", path).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.body.contains("href=\"/claims?q=shop\""),
        "{}",
        answer.body
    );
    // Asking again in vain would never end.
    assert!(!answer.body.contains("/board.js"), "{}", answer.body);
}
