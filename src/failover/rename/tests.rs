use std::time::Duration;

use crate::failover::testing::{claim, copy, has, heard, name};
use crate::policy::Policy::{Manage, Skip};
use crate::registry::memory::MemoryRegistry;
use crate::registry::transfers;
use crate::transfer::{Selection, Transfer, TransferAction};

use super::*;

async fn registry() -> MemoryRegistry {
    let registry = MemoryRegistry::new();
    heard(&registry, "old", "uid-old", 0).await;
    heard(&registry, "b", "uid-b", 0).await;
    for rg in ["one", "two"] {
        has(&registry, "old", rg, Manage).await;
        has(&registry, "b", rg, Skip).await;
    }
    has(&registry, "b", "theirs", Manage).await;
    registry
}

#[tokio::test(start_paused = true)]
async fn a_renamed_cluster_holds_what_it_held() {
    let registry = registry().await;
    let renamed = rename(&registry, &name("old"), &name("new"), |_| {}).await;
    let renamed = renamed.unwrap();
    assert_eq!((renamed.claims, renamed.unreadable), (2, Vec::new()));
    for rg in ["one", "two"] {
        let claim = claim(&registry, rg).await.unwrap();
        let live: Vec<_> = claim.live().map(|(copy, _)| copy.clone()).collect();
        assert_eq!(live, [copy("new", rg)]);
        assert_eq!(claim.copies.len(), 2);
    }
    assert!(registry.member(&name("old")).await.unwrap().is_none());
    let new = registry.member(&name("new")).await.unwrap().unwrap().record;
    assert_eq!((&*new.cluster, new.enrolling), ("uid-old", true));
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_was_cut_off_goes_on() {
    let registry = registry().await;
    heard(&registry, "new", "uid-old", 0).await;
    edit::claim(
        &registry,
        &crate::failover::testing::group("one"),
        |known| known?.with_member_renamed(&name("old"), &name("new")),
    )
    .await
    .unwrap();
    let renamed = rename(&registry, &name("old"), &name("new"), |_| {}).await;
    assert_eq!(renamed.unwrap().claims, 1);
    assert!(registry.member(&name("old")).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_guard_runs_is_not_renamed() {
    let registry = registry().await;
    let beat = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        heard(&registry, "old", "uid-old", 15).await;
    };
    let (old, new) = (name("old"), name("new"));
    let (renamed, ()) = futures::join!(rename(&registry, &old, &new, |_| {}), beat);
    assert!(matches!(renamed, Err(FailoverError::Speaks { .. })));
    assert!(registry.member(&new).await.unwrap().is_none());
}

/// Its guard was started again under the old name meanwhile.
#[tokio::test(start_paused = true)]
async fn who_writes_after_the_record_was_read_is_not_silent() {
    let registry = registry().await;
    let known = silent(&registry, &name("old")).await.unwrap();
    heard(&registry, "old", "uid-old", 30).await;
    assert!(still_silent(&registry, &known).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_name_of_another_cluster_is_not_taken() {
    let registry = registry().await;
    let renamed = rename(&registry, &name("old"), &name("b"), |_| {}).await;
    assert!(matches!(renamed, Err(FailoverError::NameTaken { .. })));
    let held = claim(&registry, "one").await.unwrap();
    assert!(held.copies.contains_key(&copy("old", "one")));
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_transfer_is_not_renamed_before_it_ends() {
    let registry = registry().await;
    let wanted = Transfer::new(
        "move-it".parse().unwrap(),
        "old/team".parse().unwrap(),
        "b/team".parse().unwrap(),
        Selection::default(),
    );
    let entry = transfers::entry(TransferAction::Start, "alice", None);
    transfers::start(&registry, &wanted, &entry).await.unwrap();
    let renamed = rename(&registry, &name("old"), &name("new"), |_| {}).await;
    let Err(FailoverError::InTransfer { transfers, .. }) = renamed else {
        panic!("{renamed:?}");
    };
    assert_eq!(transfers, ["move-it"]);
}
