//! A registry or an API server that fails, hangs or loses answers.

use std::sync::Arc;
use std::time::Duration;

use aso_guard::arm::Kinds;
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::{Cluster, ClusterError, ListedObjects, NamespaceFacts, ObjectScope};
use aso_guard::object::{ObjectFacts, ObjectKey};
use aso_guard::registry::Registry as _;
use aso_guard::resolve::{Freshness, SecretLookup};
use async_trait::async_trait;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::object::{account, group, object};
use super::tampered::Trouble;
use super::world::{Member, SETTINGS, SUBSCRIPTION, World, facts};

/// One review of each sort that needs the registry.
async fn needy(member: &Member) -> [Value; 3] {
    let live = member.store(&group("live")).await;
    let parked = member.store(&group("parked").policy("skip")).await;
    [
        group("new").create(),
        parked.update(&group("parked")),
        live.delete(),
    ]
}

#[tokio::test]
async fn without_the_registry_enforce_refuses_and_says_so() {
    let world = World::new();
    let reviews = needy(&world.a).await;
    world.registry.set(Trouble::Unreachable);
    for review in &reviews {
        let answer = world.a.ask(review).await;
        let message = answer.refused(503, "RegistryUnavailable");
        for words in [
            "cannot tell whether this is safe: the registry https://hub.example:6443 did not answer",
            "connection refused",
            "Try again once the registry answers",
        ] {
            assert!(message.contains(words), "{message}");
        }
    }
}

#[tokio::test]
async fn without_the_registry_audit_warns_and_lets_it_through() {
    let world = World::in_audit_mode();
    let reviews = needy(&world.a).await;
    for trouble in [Trouble::Unreachable, Trouble::LosesAnswers] {
        world.registry.set(trouble);
        for review in &reviews {
            let answer = world.a.ask(review).await;
            let words = answer.warned("RegistryUnavailable");
            assert!(
                words.contains("cannot tell whether this is safe"),
                "{words}"
            );
        }
    }
}

/// The safe steps need nobody.
#[tokio::test]
async fn without_the_registry_the_safe_steps_flow() {
    let world = World::new();
    let live = world.a.store(&group("live")).await;
    let parked = world.a.store(&group("parked").policy("skip")).await;
    for trouble in [Trouble::Unreachable, Trouble::Hangs] {
        world.registry.set(trouble);
        for review in [
            group("new").policy("skip").create(),
            live.update(&live.clone().policy("skip")),
            parked.delete(),
            live.clone().policy("detach-on-delete").delete(),
        ] {
            world.a.ask(&review).await.admitted();
        }
    }
}

#[rstest]
#[case("1s")]
#[case("10s")]
#[case("30s")]
#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_is_a_verdict_before_the_api_server_gives_up(#[case] timeout: &str) {
    let seconds: u64 = timeout.trim_end_matches('s').parse().unwrap();
    for audit in [false, true] {
        let world = if audit {
            World::in_audit_mode()
        } else {
            World::new()
        };
        let reviews = needy(&world.a).await;
        world.registry.set(Trouble::Hangs);
        for review in &reviews {
            let asked = Instant::now();
            let answer = world.a.ask_within(timeout, review).await;
            let waited = asked.elapsed();
            assert!(waited < Duration::from_secs(seconds), "{waited:?}");
            if audit {
                answer.warned("RegistryUnavailable");
            } else {
                let message = answer.refused(503, "RegistryUnavailable");
                assert!(message.contains("no answer within"), "{message}");
            }
        }
    }
}

/// Who the member is that holds a resource is known without asking it; when it was
/// last heard from is worth a word, and no more.
#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_wait_for_what_is_only_told() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    world.registry.set(Trouble::HangsOnMembers);
    let asked = Instant::now();
    let answer = world.a.ask_within("1s", &group("rg").create()).await;
    answer.refused(403, "LiveElsewhere");
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(
        world
            .record("/resourceGroups/rg")
            .await
            .unwrap()
            .copies
            .len(),
        1
    );
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_still_counts() {
    let world = World::new();
    world.registry.set(Trouble::LosesAnswers);
    let answer = world.a.ask(&group("rg").create()).await;
    answer.refused(503, "RegistryUnavailable");
    world.registry.set(Trouble::None);
    world
        .b
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    world.a.ask(&group("rg").create()).await.admitted();
}

/// A cluster whose API server answers nothing; of namespaces not even with an error, if so.
struct Mute(MemoryCluster, bool);

fn no_answer<T>(what: &str) -> Result<T, ClusterError> {
    Err(ClusterError {
        what: what.to_owned(),
        why: "connection refused".to_owned(),
    })
}

#[async_trait]
impl Cluster for Mute {
    fn kinds(&self) -> Arc<Kinds> {
        self.0.kinds()
    }

    fn operators(&self) -> Arc<[Arc<str>]> {
        self.0.operators()
    }

    async fn object(
        &self,
        key: &ObjectKey,
        _trust: Freshness,
    ) -> Result<Option<Arc<ObjectFacts>>, ClusterError> {
        no_answer(&key.to_string())
    }

    fn objects(&self) -> Vec<Arc<ObjectFacts>> {
        self.0.objects()
    }

    fn owned_by(&self, namespace: &str, name: &str) -> Vec<Arc<ObjectFacts>> {
        self.0.owned_by(namespace, name)
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<ObjectFacts>> {
        self.0.in_namespace(namespace)
    }

    async fn namespace(
        &self,
        name: &str,
        _trust: Freshness,
    ) -> Result<NamespaceFacts, ClusterError> {
        if self.1 {
            return std::future::pending().await;
        }
        no_answer(&format!("namespace {name}"))
    }

    async fn list(&self, _scope: ObjectScope<'_>) -> ListedObjects {
        let kinds = self.kinds();
        let all = kinds.iter();
        ListedObjects {
            unread: all
                .map(|kind| (kind.group.clone().into(), kind.kind.clone().into()))
                .collect(),
            ..ListedObjects::default()
        }
    }

    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        _trust: Freshness,
    ) -> Result<SecretLookup, ClusterError> {
        no_answer(&format!("secret {namespace}/{name}"))
    }
}

#[tokio::test]
async fn without_its_own_api_server_it_refuses_and_says_so() {
    let World { registry, .. } = World::new();
    let cluster = Arc::new(MemoryCluster::new(SUBSCRIPTION));
    let mute = Arc::new(Mute(MemoryCluster::new(SUBSCRIPTION), false));
    let member = Member::around("a", registry, SETTINGS, cluster, mute);
    let live = group("rg").policy("manage");
    for (review, what) in [
        (group("rg").create(), "namespace team"),
        (live.create(), "secret team/aso-credential"),
        // Which may be protected.
        (live.delete(), "namespace team"),
        (group("rg").delete(), "namespace team"),
        (
            live.clone().policy("skip").update(&live),
            "secret team/aso-credential",
        ),
    ] {
        let answer = member.ask(&review).await;
        let message = answer.refused(503, "RegistryUnavailable");
        let words = format!("this cluster's API server did not answer for {what}");
        assert!(message.contains(&words), "{message}");
    }
    // What says itself that it is parked needs no API server.
    for review in [
        live.update(&live.clone().policy("skip")),
        live.clone().policy("skip").delete(),
        object("new.azure.com", "Thing", "x", Value::Null)
            .policy("skip")
            .create(),
    ] {
        member.ask(&review).await.admitted();
    }
}

/// A storage account in its group.
const ACCOUNT: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st1";

#[tokio::test]
async fn a_claim_that_cannot_be_read_is_in_the_way_of_its_own_resource_alone() {
    let world = World::new();
    let owner = world.a.store(&group("rg")).await;
    let other = world.a.store(&group("other")).await;
    let account = account("st1", "rg");
    world.registry.set(Trouble::Unreadable(ACCOUNT));
    for review in [account.create(), owner.delete()] {
        let answer = world.a.ask(&review).await;
        let message = answer.refused(503, "RegistryUnavailable");
        for words in [
            "a record that cannot be read, claim broken-0123: status.copies.since: this is no time",
            "Other resources are not affected",
            "kubectl --context hub edit claims.asoguard.io broken-0123",
        ] {
            assert!(message.contains(words), "{message}");
        }
    }
    world.a.ask(&other.delete()).await.admitted();
    world.a.ask(&group("new").create()).await.admitted();
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_keeps_no_other_from_being_compared() {
    let world = World::new();
    world.a.create(&group("rg")).await;
    world.a.cluster.store(facts(&group("older")));
    world.registry.set(Trouble::Unreadable(ACCOUNT));
    world.a.observer.sweep().await.unwrap();
    world.a.observer.show_conflicts().await.unwrap();
    world.a.observer.show_orphans().await.unwrap();
    assert_eq!(world.a.observer.compare().await.unwrap(), 1);
}

#[rstest]
#[case("1s")]
#[case("10s")]
#[case("30s")]
#[tokio::test(start_paused = true)]
async fn a_namespace_that_cannot_be_told_of_holds_up_no_verdict(#[case] timeout: &str) {
    let World { registry, .. } = World::new();
    let cluster = Arc::new(MemoryCluster::new(SUBSCRIPTION));
    let mute = Arc::new(Mute(MemoryCluster::new(SUBSCRIPTION), true));
    let member = Member::around("a", registry.clone(), SETTINGS, cluster, mute);
    registry.set(Trouble::Hangs);
    let seconds: u64 = timeout.trim_end_matches('s').parse().unwrap();
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg");
    let rooted = account("st", "rg").with("/spec/owner", json!({"armId": id}));
    for policy in ["", "manage"] {
        let live = rooted.clone().policy(policy);
        for review in [live.create(), live.delete()] {
            let asked = Instant::now();
            let answer = member.ask_within(timeout, &review).await;
            answer.refused(503, "RegistryUnavailable");
            let waited = asked.elapsed();
            assert!(waited < Duration::from_secs(seconds), "{waited:?}");
        }
    }
}

/// Nobody there parks anything any more.
#[tokio::test]
async fn a_forgotten_clusters_copy_is_to_be_released_and_not_parked() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let b = "b".parse().unwrap();
    let version = world.registry.member(&b).await.unwrap().unwrap().version;
    world.registry.remove_member(&b, &version).await.unwrap();
    let answer = world.a.ask(&group("rg").create()).await;
    let message = answer.refused(403, "LiveElsewhere");
    for words in ["its cluster was forgotten", "Cluster b was forgotten"] {
        assert!(message.contains(words), "{message}");
    }
    let command = format!(
        "  aso-guard claims release /subscriptions/{SUBSCRIPTION}/resourceGroups/rg \
         --copy b/team/ResourceGroup/rg --reason '<why>'"
    );
    assert!(message.contains(&command), "{message}");
    assert!(!message.contains("--context b"), "{message}");
}
