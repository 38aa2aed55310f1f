//! Recorded AdmissionReviews, judged again against a snapshot of the registry.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{Said, check_in};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";

fn identity(name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}")
}

fn claim(member: &str, name: &str, policy: &str) -> Value {
    json!({
        "apiVersion": "asoguard.io/v1alpha1",
        "kind": "Claim",
        "metadata": {"name": name, "resourceVersion": "1"},
        "spec": {"identity": identity(name)},
        "status": {
            "resource": name,
            "state": "Live",
            "copies": [{
                "member": member,
                "namespace": "shop",
                "group": "resources.azure.com",
                "kind": "ResourceGroup",
                "name": name,
                "since": "2026-03-01T12:00:00Z",
                "by": "alice",
                "stored": {"uid": format!("uid-{name}"), "policy": policy},
            }],
        },
    })
}

fn group(name: &str, uid: &str, policy: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": "resources.azure.com/v1api20200601",
        "kind": "ResourceGroup",
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": "1000"},
        "spec": {"azureName": name},
    });
    if let Some(policy) = policy {
        object["metadata"]["annotations"] =
            json!({"serviceoperator.azure.com/reconcile-policy": policy});
    }
    object
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "its callers make them for it"
)]
fn review(uid: &str, operation: &str, object: Option<Value>, old: Option<Value>) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "resources.azure.com", "version": "v1api20200601", "kind": "ResourceGroup"},
            "namespace": "shop",
            "operation": operation,
            "userInfo": {"username": "bob"},
            "object": object,
            "oldObject": old,
        },
    })
    .to_string()
}

fn replay(claims: &[Value], reviews: &[String]) -> Said {
    replay_in(&TempDir::new().unwrap(), claims, reviews, &[])
}

fn replay_in(directory: &TempDir, claims: &[Value], reviews: &[String], more: &[&str]) -> Said {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": claims});
    fs::write(directory.path().join("claims.json"), list.to_string()).unwrap();
    fs::write(directory.path().join("reviews.jsonl"), reviews.join("\n")).unwrap();
    let mut args = vec![
        "--replay=reviews.jsonl",
        "--claims=claims.json",
        "--as=b",
        "-o=json",
    ];
    args.extend(more);
    check_in(directory.path(), &args, "")
}

/// These reviews, and no others, were refused or warned of.
#[track_caller]
fn judged(said: &Said, expected: &[&str]) {
    let mut places = said.places();
    places.retain(|place| place.starts_with("refused") || place.starts_with("warned"));
    assert_eq!(places, expected, "{}{}", said.out, said.err);
}

#[test]
fn what_the_guard_would_refuse_is_found_by_its_line() {
    let claims = [
        claim("a", "rg-shop", "manage"),
        claim("b", "rg-own", "manage"),
    ];
    let reviews = [
        review("1", "CREATE", Some(group("rg-new", "u1", None)), None),
        String::new(),
        review("2", "CREATE", Some(group("rg-shop", "u2", None)), None),
        review(
            "3",
            "CREATE",
            Some(group("rg-shop", "u2", Some("skip"))),
            None,
        ),
    ];
    let said = replay(&claims, &reviews);
    assert_eq!(
        said.places(),
        ["refused reviews.jsonl:3"],
        "{}{}",
        said.out,
        said.err
    );
    assert_eq!(said.code, Some(1));
    let message = said.findings()[0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("LiveElsewhere"), "{message}");
    assert!(
        message.contains("live in cluster a as shop/ResourceGroup/rg-shop"),
        "{message}"
    );
}

#[test]
fn what_it_lets_through_is_taken_to_have_happened() {
    let claims = [claim("b", "rg-own", "manage")];
    let live = |name| group(name, "uid-rg-own", None);
    let parked = group("rg-own", "uid-rg-own", Some("skip"));
    let mut other = group("rg-own", "u9", None);
    other["metadata"]["name"] = "another".into();
    let reviews = [
        review("1", "CREATE", Some(other.clone()), None),
        review("2", "UPDATE", Some(parked.clone()), Some(live("rg-own"))),
        review("3", "CREATE", Some(other), None),
        review("4", "DELETE", None, Some(parked)),
    ];
    let said = replay(&claims, &reviews);
    assert_eq!(
        said.places(),
        ["refused reviews.jsonl:1"],
        "{}{}",
        said.out,
        said.err
    );
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let said = replay(&[], &["{}".to_owned()]);
    assert_eq!(said.places(), ["unreadable reviews.jsonl:1"]);
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("claims.json"), "[]").unwrap();
    fs::write(directory.path().join("reviews.jsonl"), "").unwrap();
    let args = ["--replay=reviews.jsonl", "--claims=claims.json", "--as=b"];
    let said = check_in(directory.path(), &args, "");
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("claims.json: this is not what kubectl get"),
        "{}",
        said.err
    );
}

#[test]
fn what_is_stated_of_the_member_counts_with_objects_or_without() {
    let claims = [claim("a", "rg-shop", "manage")];
    let reviews = [review(
        "1",
        "CREATE",
        Some(group("rg-shop", "u1", None)),
        None,
    )];
    let of_b = format!("--subscription=b={SUBSCRIPTION}");
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("b")).unwrap();
    fs::write(directory.path().join("b/empty.yaml"), "# nothing yet\n").unwrap();
    for more in [&[&*of_b, "--cluster=b=b"][..], &[&*of_b]] {
        let said = replay_in(&directory, &claims, &reviews, more);
        judged(&said, &["refused reviews.jsonl:1"]);
    }
    let file = format!("clusters: [{{name: b, paths: [b], subscription: {SUBSCRIPTION}}}]");
    fs::write(directory.path().join("aso-guard.yaml"), file).unwrap();
    let said = replay_in(&directory, &claims, &reviews, &[]);
    judged(&said, &["refused reviews.jsonl:1"]);
    // Another one is another resource.
    let other = "--subscription=b=00000000-0000-0000-0000-00000000000b";
    let said = replay_in(&directory, &claims, &reviews, &[other]);
    judged(&said, &[]);
}

#[test]
fn an_objects_own_credential_counts_and_no_other_stands_in_for_it() {
    let claims = [
        claim("a", "rg-shop", "manage"),
        claim("b", "rg-own", "manage"),
    ];
    let mut named = group("rg-shop", "u1", None);
    named["metadata"]["annotations"] =
        json!({"serviceoperator.azure.com/credential-from": "creds"});
    let reviews = [review("1", "CREATE", Some(named), None)];
    let directory = TempDir::new().unwrap();
    let said = replay_in(&directory, &claims, &reviews, &[]);
    judged(&said, &["warned reviews.jsonl:1"]);
    let words = said.findings()[0]["message"].to_string();
    assert!(words.contains("shop/creds was not found"), "{words}");
    let stated = format!("--subscription=b/shop/creds={SUBSCRIPTION}");
    let said = replay_in(&directory, &claims, &reviews, &[&stated]);
    judged(&said, &["refused reviews.jsonl:1"]);
}

#[test]
fn what_was_there_already_has_its_claims() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("b")).unwrap();
    let mut old = group("old", "", None);
    old["spec"]["azureName"] = "rg-shop".into();
    fs::write(directory.path().join("b/rg.json"), old.to_string()).unwrap();
    old["metadata"]["uid"] = "u1".into();
    let mut new = group("new", "u2", None);
    new["spec"]["azureName"] = "rg-shop".into();
    let reviews = [
        review("1", "CREATE", Some(new), None),
        review("2", "DELETE", None, Some(old)),
    ];
    let more = ["--cluster=b=b", &format!("--subscription={SUBSCRIPTION}")];
    let claims = [claim("a", "rg-other", "manage")];
    let said = replay_in(&directory, &claims, &reviews, &more);
    judged(&said, &["refused reviews.jsonl:1"]);
    let words = said.findings()[0]["message"].to_string();
    assert!(words.contains("shop/ResourceGroup/old"), "{words}");
}
