//! A registry that is away, and comes back.

use aso_guard::registry::UnreadableRecord;
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

/// Each is shown, and in nobody's way.
#[tokio::test]
async fn records_that_cannot_be_read_are_shown_beside_those_that_can() {
    let world = shop().await;
    for (kind, name) in [
        ("claim", "st-0123"),
        ("member", "spoilt"),
        ("transfer", "odd"),
    ] {
        world.registry.spoil(UnreadableRecord {
            registry: "hub".to_owned(),
            kind,
            name: name.to_owned(),
            identity: None,
            why: "<b>no time</b>".to_owned(),
        });
    }
    world.board.count_once().await;
    let overview = world.page("/").await;
    let said = text(&overview);
    assert!(said.contains("3 records cannot be read"), "{said}");
    assert!(said.contains("claim st-0123"), "{said}");
    assert!(!overview.contains("<b>no time</b>"), "{overview}");
    let members = text(&world.page("/members").await);
    assert!(
        members.contains("Unreadable spoilt cannot be read"),
        "{members}"
    );
    let transfers = text(&world.page("/transfers").await);
    assert!(transfers.contains("transfer odd"), "{transfers}");
    let claims = text(&world.page("/claims").await);
    assert!(claims.contains("Live"), "{claims}");
}
