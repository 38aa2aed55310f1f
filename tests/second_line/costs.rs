//! What it costs those who have nothing to do with it: ASO itself above all. Times are printed,
//! not judged.

use std::time::{Duration, Instant};

use aso_guard::cluster::kube::protections::KubeProtections;
use aso_guard::cluster::protections::{ProtectionRole, ProtectionStore as _};
use aso_guard::protection::{KeptCopy, NamespaceProtection};
use serde_json::json;

use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict as _;
use crate::lab::wait::eventually;
use crate::line::{Line, settings};

/// How many updates are timed.
const UPDATES: u32 = 200;
/// How many copies are written down in a namespace with many.
const MANY: usize = 3_000;

/// As many updates as ASO makes: of a finalizer, and of an annotation of its own.
async fn updates(team: &Kubectl, object: &Object) -> Duration {
    let begun = Instant::now();
    for number in 0..UPDATES {
        let patch = json!({"metadata": {"annotations": {"aso/number": number.to_string()}}});
        team.patch(object, patch).await.admitted_silently();
    }
    begun.elapsed() / UPDATES
}

/// As many deletes that nothing is written down against.
async fn deletes(team: &Kubectl, object: &Object) -> Duration {
    let begun = Instant::now();
    for _ in 0..UPDATES {
        team.dry_run().delete(object).await.admitted_silently();
    }
    begun.elapsed() / UPDATES
}

fn kept(uid: &str) -> KeptCopy {
    KeptCopy {
        uid: uid.to_owned(),
        default_policy: "manage".to_owned(),
        resource: Some("r".repeat(300)),
        ..KeptCopy::default()
    }
}

#[tokio::test]
async fn what_an_update_of_asos_takes() {
    let line = Line::begin("costs", settings()).await;
    let (bare, few, many) = (
        line.team("bare").await,
        line.team("few").await,
        line.team("many").await,
    );
    let group = Object::of("ResourceGroup", "rg").azure_name("rg");
    for team in [&bare, &few, &many] {
        team.create(&group).await.admitted();
    }
    let store = KubeProtections::new(line.person.client().clone(), "a", settings());
    for (namespace, entries) in [("few", 1), ("many", MANY)] {
        let names =
            (0..entries).map(|number| format!("resources.azure.com/ResourceGroup/g{number}"));
        let protection = NamespaceProtection {
            kept: names.map(|name| (name, kept("none"))).collect(),
            ..NamespaceProtection::default()
        };
        let role = ProtectionRole::Namespace;
        // A busy API server says for a moment that it is not ready for a new kind.
        eventually("it to be written down", async || {
            let protection = protection.clone();
            let written = store.write(namespace, role, protection, Duration::ZERO);
            Ok(written.await?)
        })
        .await;
    }
    let path = "/apis/asoguard.io/v1alpha1/namespaces/many/protections";
    let parts = line.person.list_path(path).await.unwrap();
    let largest = parts.iter().map(|part| part.0.to_string().len()).max();
    // The API server takes note of it in its own time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    eprintln!(
        "{MANY} copies are {} parts of {largest:?} bytes at most",
        parts.len()
    );
    let teams = [("none", &bare), ("one", &few), ("many", &many)];
    for (written, team) in teams.into_iter().chain(teams) {
        let (update, delete) = (updates(team, &group).await, deletes(team, &group).await);
        eprintln!(
            "copies written down: {written}; an update of ASO's {update:?}, a delete {delete:?}"
        );
    }
}
