//! `aso-guard replay`: audit logs of clusters without a guard, in which everything that can go
//! wrong was done.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{Said, said};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";
const POLICY: &str = "serviceoperator.azure.com/reconcile-policy";

/// A cluster's log: what was done in it, and when.
#[derive(Default)]
struct Log {
    events: Vec<Value>,
}

/// A resource group as it is stored.
fn group(name: &str, azure_name: &str, policy: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": "resources.azure.com/v1api20200601",
        "kind": "ResourceGroup",
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "resourceVersion": "1", "generation": 1,
            "finalizers": ["serviceoperator.azure.com/finalizer"],
        },
        "spec": {"azureName": azure_name, "location": "westeurope"},
    });
    if let Some(policy) = policy {
        object["metadata"]["annotations"] = json!({POLICY: policy});
    }
    object
}

impl Log {
    /// At an hour of the first week of November 2026.
    fn at(&mut self, day: u32, hour: u32, user: &str, verb: &str, object: &Value) -> &mut Self {
        let group = if object["kind"] == "Namespace" {
            ""
        } else {
            "resources.azure.com"
        };
        let resource = if group.is_empty() {
            "namespaces"
        } else {
            "resourcegroups"
        };
        self.events.push(json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse",
            "stage": "ResponseComplete", "verb": verb, "user": {"username": user},
            "requestURI": "/apis", "responseStatus": {"code": 200},
            "objectRef": {
                "apiGroup": group, "resource": resource, "name": object["metadata"]["name"],
                "namespace": object["metadata"]["namespace"],
            },
            "responseObject": object,
            "requestReceivedTimestamp": format!("2026-11-{day:02}T{hour:02}:00:00.000000Z"),
        }));
        self
    }

    /// A delete, and what ASO does then: it takes its finalizer off.
    fn deleted(&mut self, day: u32, hour: u32, user: &str, object: &Value) -> &mut Self {
        let mut going = object.clone();
        going["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z".into();
        self.at(day, hour, user, "delete", &going);
        going["metadata"]["finalizers"] = json!([]);
        self.at(day, hour, "system:serviceaccount:aso", "update", &going)
    }

    fn write(&self, path: &Path) {
        let lines: Vec<String> = self.events.iter().map(Value::to_string).collect();
        fs::write(path, lines.join("\n")).unwrap();
    }

    /// As AKS exports it to a storage account.
    fn write_as_aks_does(&self, path: &Path) {
        let lines = self.events.iter().map(|event| {
            json!({"category": "kube-audit", "properties": {"log": event.to_string()}}).to_string()
        });
        fs::write(path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    }
}

fn replay_in(directory: &Path, args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aso-guard"));
    command.arg("replay").args(args);
    said(command, directory, "")
}

fn replay(a: &Log, b: &Log, more: &[&str]) -> Said {
    let directory = TempDir::new().unwrap();
    a.write(&directory.path().join("a.log"));
    b.write_as_aks_does(&directory.path().join("b.log"));
    let stated = format!("--subscription={SUBSCRIPTION}");
    let mut args = vec!["--audit-log=a=a.log", "--audit-log=b=b.log", &stated];
    args.extend(more);
    replay_in(directory.path(), &args)
}

/// Level, rule and message of each finding.
fn told(said: &Said) -> Vec<String> {
    let found = said.findings();
    let told = found.iter().map(|one| {
        let (rule, message) = (
            one["rule"].as_str().unwrap(),
            one["message"].as_str().unwrap(),
        );
        format!("{rule} {message}")
    });
    told.collect()
}

fn has(said: &Said, all: &[&str]) {
    let found = told(said);
    let has = found
        .iter()
        .any(|one| all.iter().all(|words| one.contains(words)));
    assert!(has, "{all:?} not in {found:#?}{}", said.err);
}

/// A week in which everything went wrong.
fn week() -> (Log, Log) {
    let (mut a, mut b) = (Log::default(), Log::default());
    let live = group("shop", "rg-shop", None);
    let parked = group("shop", "rg-shop", Some("skip"));
    // Two live copies for a day, until somebody parks one.
    a.at(1, 8, "alice", "create", &live);
    b.at(2, 8, "bob", "create", &live);
    b.at(3, 8, "bob", "patch", &parked);
    // The live one is deleted while the parked one depends on it.
    a.deleted(4, 9, "alice", &live);
    // A parked copy is woken beside a live one, and both are left so.
    let two = group("two", "rg-two", None);
    a.at(1, 9, "alice", "create", &two);
    b.at(
        1,
        10,
        "bob",
        "create",
        &group("two", "rg-two", Some("skip")),
    );
    b.at(5, 9, "carol", "update", &two);
    // A namespace loses the policy that parked all in it.
    let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "annotations": {POLICY: "skip"}}});
    b.at(1, 1, "carol", "create", &namespace);
    namespace["metadata"]["annotations"] = json!({});
    b.at(6, 9, "carol", "update", &namespace);
    (a, b)
}

#[test]
fn each_thing_that_went_wrong_is_found() {
    let (mut a, mut b) = week();
    // Parked by its namespace alone, until that is gone.
    a.at(1, 11, "alice", "create", &group("three", "rg-three", None));
    b.at(1, 12, "bob", "create", &group("three", "rg-three", None));
    b.events.iter_mut().for_each(|event| {
        // What is live in b in spite of its namespace says so itself.
        let object = &mut event["responseObject"];
        let name = object["metadata"]["name"].clone();
        if object["kind"] == "ResourceGroup"
            && name != "three"
            && object["metadata"]["annotations"].is_null()
        {
            object["metadata"]["annotations"] = json!({POLICY: "manage"});
        }
    });
    let said = replay(&a, &b, &["-o=json"]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    has(
        &said,
        &[
            "refused",
            "2026-11-02T08:00:00Z",
            "bob",
            "CREATE LiveElsewhere",
            "rg-shop",
        ],
    );
    has(
        &said,
        &[
            "conflict",
            "rg-shop",
            "from 2026-11-02T08:00:00Z to 2026-11-03T08:00:00Z",
        ],
    );
    has(
        &said,
        &[
            "refused",
            "2026-11-04T09:00:00Z",
            "alice",
            "DELETE PeersDepend",
        ],
    );
    has(
        &said,
        &[
            "refused",
            "2026-11-05T09:00:00Z",
            "carol",
            "UPDATE LiveElsewhere",
            "rg-two",
        ],
    );
    has(
        &said,
        &["conflict", "rg-two", "and still when the logs end"],
    );
    has(
        &said,
        &[
            "refused",
            "2026-11-06T09:00:00Z",
            "carol",
            "UPDATE",
            "rg-three",
        ],
    );
    has(
        &said,
        &["conflict", "rg-three", "from 2026-11-06T09:00:00Z"],
    );
    assert_eq!(told(&said).len(), 7, "{:#?}", told(&said));
    assert!(!said.out.contains("since "), "{}", said.out);
}

#[test]
fn a_namespace_that_took_something_along_is_found_and_no_name_of_a_user_writes_a_line() {
    let (mut a, mut b) = (Log::default(), Log::default());
    a.at(1, 8, "alice", "create", &group("shop", "rg-shop", None));
    b.at(
        2,
        8,
        "bob",
        "create",
        &group("shop", "rg-shop", Some("skip")),
    );
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    a.at(3, 8, "eve\n::error::", "delete", &namespace);
    let said = replay(&a, &b, &["-o=json"]);
    has(
        &said,
        &[
            "refused",
            "2026-11-03T08:00:00Z",
            "eve\u{fffd}::error::",
            "DELETE",
        ],
    );
}

#[test]
fn a_move_by_the_four_steps_is_no_finding() {
    let (mut a, mut b) = (Log::default(), Log::default());
    let live = group("shop", "rg-shop", None);
    let parked = group("shop", "rg-shop", Some("skip"));
    a.at(1, 8, "alice", "create", &live);
    a.at(2, 8, "alice", "patch", &parked);
    b.at(3, 8, "bob", "create", &live);
    a.deleted(4, 8, "alice", &parked);
    let said = replay(&a, &b, &["-o=json"]);
    assert_eq!(
        (said.code, told(&said)),
        (Some(0), Vec::new()),
        "{}",
        said.err
    );
    assert!(
        said.out.contains("5 requests were judged again"),
        "{}",
        said.out
    );
}

#[test]
fn what_was_there_before_the_logs_begin_is_known_by_what_they_say_of_it() {
    let (mut a, mut b) = (Log::default(), Log::default());
    let mut there = group("shop", "rg-shop", None);
    there["metadata"]["generation"] = 4.into();
    there["status"] =
        json!({"id": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop")});
    a.at(5, 8, "system:serviceaccount:aso", "update", &there);
    b.at(1, 8, "bob", "create", &group("shop", "rg-shop", None));
    let said = replay(&a, &b, &["-o=json"]);
    has(
        &said,
        &[
            "refused",
            "2026-11-01T08:00:00Z",
            "bob",
            "CREATE LiveElsewhere",
        ],
    );
}

#[test]
fn a_page_and_a_table_are_written_and_what_was_assumed_is_said() {
    let (a, b) = week();
    let said = replay(&a, &b, &["-o=html"]);
    assert!(said.out.starts_with("<!doctype html>"), "{}", said.err);
    let directory = TempDir::new().unwrap();
    a.write(&directory.path().join("a.log"));
    let said = replay_in(directory.path(), &["--audit-log=a=a.log"]);
    assert!(
        said.out.contains("no subscription is stated"),
        "{}{}",
        said.out,
        said.err
    );
    assert!(said.out.contains("would have been refused"), "{}", said.out);
}

#[test]
fn logs_that_say_too_little_are_named() {
    let directory = TempDir::new().unwrap();
    let mut log = Log::default();
    log.at(1, 8, "alice", "create", &group("shop", "rg-shop", None));
    log.events[0]["responseObject"] = Value::Null;
    log.write(&directory.path().join("a.log"));
    let said = replay_in(directory.path(), &["--audit-log=a=a.log"]);
    assert!(
        said.out.contains("level RequestResponse"),
        "{}{}",
        said.out,
        said.err
    );
    let said = replay_in(directory.path(), &["--audit-log=a=none.log"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("none.log"), "{}", said.err);
    let said = replay_in(directory.path(), &["--audit-log=none.log"]);
    assert_eq!(said.code, Some(2));
}
