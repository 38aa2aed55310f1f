use std::time::Duration;

use crate::failover::testing::{claim, copy, has, heard, name};
use crate::policy::Policy::Manage;
use crate::registry::memory::MemoryRegistry;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_rebuilt_cluster_has_its_name_and_holds_what_it_held() {
    let registry = MemoryRegistry::new();
    heard(&registry, "a", "uid-1", 0).await;
    has(&registry, "a", "rg", Manage).await;
    let (a, uid) = (name("a"), Arc::from("uid-2"));
    assert_eq!(replace(&registry, &a, &uid).await.unwrap(), Replaced::Now);
    let member = registry.member(&a).await.unwrap().unwrap().record;
    assert_eq!((&*member.cluster, member.enrolling), ("uid-2", true));
    let claim = claim(&registry, "rg").await.unwrap();
    assert!(claim.copies[&copy("a", "rg")].is_live());
    assert_eq!(
        replace(&registry, &a, &uid).await.unwrap(),
        Replaced::Before
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_there_is_not_replaced() {
    let registry = MemoryRegistry::new();
    heard(&registry, "a", "uid-1", 0).await;
    let beat = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        heard(&registry, "a", "uid-1", 15).await;
    };
    let (a, uid) = (name("a"), Arc::from("uid-2"));
    let (replaced, ()) = futures::join!(replace(&registry, &a, &uid), beat);
    assert!(matches!(replaced, Err(FailoverError::Speaks { .. })));
    let member = registry.member(&a).await.unwrap().unwrap().record;
    assert_eq!(&*member.cluster, "uid-1");
}
