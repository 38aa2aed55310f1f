//! A checker that finds nothing must be known to find something.

use serde_json::{Value, json};

use super::*;

const ID: &str = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/RG";

fn object(uid: &str) -> Object {
    Object::of("ResourceGroup", "rg")
        .azure_name("rg")
        .in_namespace("ns")
        .with("/metadata/uid", uid)
}

fn copy(member: &str, uid: &str, policy: &str) -> Value {
    json!({
        "member": member, "namespace": "ns", "kind": "ResourceGroup", "name": "rg",
        "stored": {"uid": uid, "policy": policy},
    })
}

fn claim(holder: &str, copies: Value) -> Object {
    Object::new("asoguard.io/v1alpha1", "Claim", "rg-1")
        .with("/spec/identity", ID)
        .with("/status/holder", holder)
        .with("/status/copies", copies)
}

/// `rg` live in A and parked in B, and a claim that says so.
fn sound() -> Seen {
    let copies = json!([copy("a", "1", "manage"), copy("b", "2", "skip")]);
    let mut seen = Seen::default();
    seen.objects.push(("a", object("1")));
    seen.objects.push(("b", object("2").policy("skip")));
    seen.add_claim(claim("a/ns/ResourceGroup/rg", copies));
    seen
}

fn claimed(seen: &mut Seen) -> &mut Object {
    &mut seen.claims.values_mut().next().unwrap()[0]
}

fn finds(seen: &Seen, words: &str) {
    let findings = seen.findings();
    assert!(findings.iter().any(|f| f.contains(words)), "{findings:?}");
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(sound().findings(), Vec::<String>::new());
    assert_eq!(Seen::default().findings(), Vec::<String>::new());
}

#[test]
fn a_second_live_copy_is_found() {
    let mut seen = sound();
    seen.objects[1] = ("b", object("2"));
    finds(&seen, "two live copies");
}

#[test]
fn what_its_namespace_parks_is_parked() {
    let mut seen = sound();
    seen.objects[1] = ("b", object("2"));
    seen.parking.insert(("b", "ns".to_owned()));
    assert_eq!(seen.findings(), Vec::<String>::new());
    seen.parking = [("a", "ns".to_owned())].into();
    finds(&seen, "is not what the claim");
}

#[test]
fn a_copy_that_the_claim_does_not_know_is_found() {
    let mut seen = sound();
    let only_a = json!([copy("a", "1", "manage")]);
    *claimed(&mut seen) = claim("a/ns/ResourceGroup/rg", only_a);
    finds(&seen, "does not know of b/ns/ResourceGroup/rg");
    seen.claims.clear();
    finds(&seen, "has no claim");
}

#[test]
fn what_is_not_stored_as_claimed_is_found() {
    let mut seen = sound();
    seen.objects[0] = ("a", object("3"));
    finds(&seen, "is not what the claim");
    seen.objects.remove(0);
    finds(&seen, "which is not stored");
    seen.objects.clear();
    finds(&seen, "of which no copy is stored");
    let mut terminating = sound();
    terminating.objects[0].1 = object("1").with("/metadata/deletionTimestamp", "today");
    finds(&terminating, "is not what the claim");
}

#[test]
fn the_wrong_holder_is_found() {
    let mut seen = sound();
    claimed(&mut seen).0["status"]["holder"] = "b/ns/ResourceGroup/rg".into();
    finds(&seen, "is held by");
}

#[test]
fn a_request_that_is_stuck_is_found() {
    for list in ["acquiring", "deleting"] {
        let mut seen = sound();
        claimed(&mut seen).0["status"]["copies"][0][list] = json!([{"request": "1"}]);
        finds(&seen, "is stuck");
    }
}

#[test]
fn a_second_claim_is_found() {
    let mut seen = sound();
    let second = claimed(&mut seen).clone();
    seen.add_claim(second.with("/spec/identity", ID.to_uppercase()));
    finds(&seen, "2 claims");
}

#[test]
fn arm_ids_are_worked_out_along_the_owners() {
    let mut seen = sound();
    let account = Object::of("StorageAccount", "data")
        .in_namespace("ns")
        .azure_name("data1");
    let id = |seen: &Seen, account: &Object| seen.arm_id("a", account);
    let expected = format!("{ID}/providers/Microsoft.Storage/storageAccounts/data1");
    let owned = account.clone().owner("rg");
    assert!(id(&seen, &owned).eq_ignore_ascii_case(&expected));
    assert_eq!(id(&seen, &account.owner_arm_id(ID)), expected);
    seen.objects.clear();
    assert!(id(&seen, &owned).eq_ignore_ascii_case(&expected));
}
