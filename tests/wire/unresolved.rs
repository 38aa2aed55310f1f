//! What cannot be worked out: what an object is known by counts all the same.

use aso_guard::cluster::memory::credential;
use aso_guard::resolve::SecretLookup;
use rstest::rstest;
use serde_json::json;

use super::object::{Object, RESOURCE_ID, account, group};
use super::world::{Member, SUBSCRIPTION, World};

const CREDENTIAL_FROM: &str = "serviceoperator.azure.com/credential-from";
const OVERRIDE: &str = "serviceoperator.azure.com/child-resource-id-override";

fn group_id(name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}")
}

/// As ASO leaves it after its first reconcile.
fn reconciled(object: Object, id: &str) -> Object {
    object.annotated(RESOURCE_ID, id)
}

fn account_id() -> String {
    let id = "providers/Microsoft.Storage/storageAccounts/st";
    format!("{}/{id}", group_id("rg"))
}

/// The account after somebody wrote something into its owner that ASO cannot follow.
#[derive(Clone, Copy, Debug)]
enum Contradiction {
    TwoOwners,
    NoOwner,
    BadName,
    OverriddenOwner,
}

impl Contradiction {
    async fn in_member(self, member: &Member) -> Object {
        let account = reconciled(account("st", "rg"), &account_id());
        match self {
            Self::TwoOwners => account.with("/spec/owner/armId", json!(group_id("rg"))),
            Self::NoOwner => account.with("/spec/owner", json!({})),
            Self::BadName => account.with("/spec/azureName", json!("a/b")),
            Self::OverriddenOwner => {
                member
                    .store(&group("rg").annotated(OVERRIDE, "/subscriptions/other"))
                    .await;
                account
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_contradiction_is_no_way_around_a_peer(
    #[values(
        Contradiction::TwoOwners,
        Contradiction::NoOwner,
        Contradiction::BadName,
        Contradiction::OverriddenOwner
    )]
    contradiction: Contradiction,
) {
    let world = World::new();
    let object = contradiction.in_member(&world.a).await;

    // Beside a live copy it does not go live, nor is it woken.
    world.b.store(&account("st", "rg")).await;
    let create = world.a.ask(&object.create()).await;
    create.refused(403, "LiveElsewhere");
    let parked = world.a.store(&object.clone().policy("skip")).await;
    let woken = world.a.ask(&parked.update(&object)).await;
    woken.refused(403, "LiveElsewhere");

    // Beside a parked copy it is not deleted.
    world.b.store(&account("st", "rg").policy("skip")).await;
    let live = world.a.store(&object).await;
    let delete = world.a.ask(&live.delete()).await;
    delete.refused(403, "PeersDepend");
}

#[tokio::test]
async fn a_contradiction_that_nobody_else_has_a_copy_of_is_let_through_with_the_reason() {
    let world = World::new();
    let object = Contradiction::TwoOwners.in_member(&world.a).await;
    let answer = world.a.ask(&object.create()).await;
    let warnings = answer.warnings.join("\n");
    assert!(
        answer.allowed && warnings.contains("names its owner twice"),
        "{warnings}"
    );
    assert!(
        warnings.contains("by its annotation resource-id"),
        "{warnings}"
    );
}

/// A resource group whose credential is in a secret of its own.
fn with_credential() -> Object {
    group("rg").annotated(CREDENTIAL_FROM, "mine")
}

fn set(member: &Member, secret: SecretLookup) {
    member.cluster.set_secret("team", "mine", secret);
}

fn unreadable() -> SecretLookup {
    SecretLookup::Unreadable("the secret mine may not be read".to_owned())
}

#[rstest]
#[case::not_compared_yet(false, SecretLookup::Missing)]
#[case::compared(true, SecretLookup::Missing)]
#[case::unreadable(true, unreadable())]
#[tokio::test]
async fn a_claim_counts_when_the_credential_is_gone(
    #[case] compared: bool,
    #[case] gone: SecretLookup,
) {
    let world = World::new();
    set(&world.a, credential(SUBSCRIPTION));
    let stored = world.a.create(&with_credential()).await;
    world.b.store(&group("rg").policy("skip")).await;
    if compared {
        world.a.observer.compare().await.unwrap();
    }
    set(&world.a, gone.clone());
    let delete = world.a.ask(&stored.delete()).await;
    delete.refused(403, "PeersDepend");

    // The same where a secret is deleted before a skip is taken off.
    set(&world.a, credential(SUBSCRIPTION));
    let parked = world.a.store(&stored.clone().policy("skip")).await;
    world.b.store(&group("rg")).await;
    set(&world.a, gone);
    let woken = world.a.ask(&parked.update(&with_credential())).await;
    woken.refused(403, "LiveElsewhere");
}

#[tokio::test]
async fn what_no_claim_lists_is_let_through_with_the_reason() {
    let world = World::new();
    set(&world.a, unreadable());
    let object = with_credential();
    let warning = world.a.ask(&object.create()).await.warned("Unresolved");
    assert!(
        warning.contains("the secret mine may not be read"),
        "{warning}"
    );
    let stored = world.a.store(&object).await;
    world.a.ask(&stored.delete()).await.warned("Unresolved");
}

#[tokio::test]
async fn a_live_copy_that_its_claim_lacks_goes_live_by_asos_first_write() {
    let world = World::new();
    let stored = world.b.store(&with_credential()).await;
    world.a.create(&group("rg")).await;
    set(&world.b, credential(SUBSCRIPTION));
    let first_write = stored.update(&reconciled(stored.clone(), &group_id("rg")));
    let answer = world.b.ask(&first_write).await;
    answer.refused(403, "LiveElsewhere");
}

#[tokio::test]
async fn asos_first_write_of_a_copy_that_has_its_claim_writes_nothing() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    let before = world.record("/resourceGroups/rg").await;
    let first_write = stored.update(&reconciled(stored.clone(), &group_id("rg")));
    world.a.ask(&first_write).await.admitted();
    assert_eq!(world.record("/resourceGroups/rg").await, before);
}

#[tokio::test]
async fn an_owner_is_not_said_to_be_missing_where_it_is_not() {
    let world = World::new();
    let object = reconciled(with_credential(), &group_id("rg"));
    let warnings = world.a.ask(&object.create()).await.warnings.join("\n");
    assert!(warnings.contains("names the secret mine"), "{warnings}");
    assert!(!warnings.contains("owner"), "{warnings}");
    let refused = world.b.ask(&group("rg").create()).await;
    let message = refused.refused(403, "LiveElsewhere");
    assert!(!message.contains("owner"), "{message}");
}
