//! For claims and requests of all kinds: what a policy refuses, the guard refuses by the same
//! claims; and what the guard refuses by what was written down, a policy refuses.

use serde_json::{Value, json};

use crate::cases::{Case, MODE, OVERRIDE, annotated};
use crate::dice::Dice;
use crate::guard::{Asked, Judge, Judged};
use crate::lab::object::{Object, POLICY};
use crate::lab::verdict::Outcome;
use crate::line::{Line, settings};

/// How many namespaces there are.
const CASES: usize = 90;

/// What is written down covers these.
const COVERED: [&str; 9] = [
    "LiveElsewhere",
    "InTransfer",
    "TransferDepends",
    "PeersDepend",
    "ChildrenDepend",
    "ChildRefused",
    "TakesLiveChildren",
    "Protected",
    "ModeGuarded",
];

/// What was asked, and what came of it.
struct Compared {
    what: String,
    policy: Outcome,
    guard: Judged,
    /// Whether policies are to know all that the guard knows.
    complete: bool,
}

#[tokio::test]
async fn policies_refuse_what_the_guard_would_and_nothing_else() {
    let line = Line::begin("generated", settings()).await;
    let mut dice = Dice::new(20_261_129);
    let mut cases = Vec::new();
    for number in 0..CASES {
        cases.push(Case::thrown(&line, number, &mut dice).await);
    }
    let namespaces: Vec<String> = cases
        .iter()
        .map(|case| case.namespace.name().to_owned())
        .collect();
    let judge = Judge::of(&line);
    let canary = find_canary(&judge, &cases).await;
    line.write_down(&namespaces, async || {
        canary.team.dry_run().delete(&canary.group).await
    })
    .await;

    let (mut refused, mut safe) = (0, 0);
    let mut wrong = Vec::new();
    for case in &cases {
        for one in asked_of(case, &judge).await {
            let by = one
                .policy
                .as_ref()
                .err()
                .filter(|refusal| refusal.is_by_policy());
            match (&one.policy, by) {
                (Err(refusal), None) => wrong.push(format!("{}: {refusal}", one.what)),
                (_, Some(refusal)) if one.guard.allowed => {
                    wrong.push(format!("{}: too strict: {refusal}", one.what));
                }
                (_, None) if covers(&one) => {
                    let said = (&one.guard.reason, &one.guard.message);
                    wrong.push(format!("{}: let through: {said:?}", one.what));
                }
                (_, Some(_)) => refused += 1,
                (_, None) => safe += usize::from(one.guard.allowed),
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!(
        "{CASES} namespaces: policies refused {refused} requests, as the guard did; {safe} were let through by both"
    );
    assert!(
        refused > CASES && safe > CASES,
        "{refused} refused, {safe} safe"
    );
}

/// One whose delete the guard refuses for a reason that is written down.
async fn find_canary<'a>(judge: &Judge, cases: &'a [Case]) -> &'a Case {
    for case in cases {
        let judged = deleted(judge, &case.group, Value::Null).await;
        if !judged.allowed && judged.reason == "PeersDepend" {
            return case;
        }
    }
    panic!("no peer depends on anything");
}

fn covers(one: &Compared) -> bool {
    one.complete && !one.guard.allowed && COVERED.contains(&&*one.guard.reason)
}

async fn deleted(judge: &Judge, object: &Object, options: Value) -> Judged {
    let asked = Asked {
        operation: "DELETE",
        old: Some(object),
        new: None,
        options,
    };
    judge.verdict(&asked).await
}

async fn asked_of(case: &Case, judge: &Judge) -> Vec<Compared> {
    let mut all = Vec::new();
    for object in [&case.group, &case.account] {
        all.extend(deletes(case, judge, object).await);
        all.extend(wakes(case, judge, object).await);
        all.push(creates(case, judge, object).await);
    }
    all.extend(on_the_namespace(case, judge).await);
    all
}

fn named(case: &Case, what: &str, object: &Object) -> String {
    let labels = &case.namespace.0["metadata"]["labels"][MODE];
    let of = |object: &Object| object.0["metadata"]["annotations"].to_string();
    format!(
        "{what} {object} {} in a namespace {labels} {}",
        of(object),
        of(&case.namespace)
    )
}

async fn deletes(case: &Case, judge: &Judge, object: &Object) -> Vec<Compared> {
    let person = case.team.dry_run();
    // A reason may have been used in a claim of which nothing is written down.
    let complete = object.annotation(OVERRIDE).is_none();
    let background = json!({"propagationPolicy": "Background"});
    let orphan = json!({"propagationPolicy": "Orphan"});
    vec![
        Compared {
            what: named(case, "delete", object),
            policy: person.delete(object).await,
            guard: deleted(judge, object, background).await,
            complete,
        },
        Compared {
            what: named(case, "delete, orphaning,", object),
            policy: person.delete_orphaning(object).await,
            guard: deleted(judge, object, orphan).await,
            complete,
        },
    ]
}

async fn wakes(case: &Case, judge: &Judge, object: &Object) -> Vec<Compared> {
    let mut all = Vec::new();
    for policy in ["manage", "detach-on-delete", "skip", ""] {
        let new = annotated(object.clone(), POLICY, policy);
        let asked = Asked {
            operation: "UPDATE",
            old: Some(object),
            new: Some(&new),
            options: Value::Null,
        };
        all.push(Compared {
            what: named(case, &format!("set to {policy:?}"), object),
            policy: case.team.dry_run().replace(&new).await,
            guard: judge.verdict(&asked).await,
            complete: true,
        });
    }
    all
}

/// The same object anew, live: its name is taken, which API servers find last.
async fn creates(case: &Case, judge: &Judge, object: &Object) -> Compared {
    let mut new = annotated(object.clone(), POLICY, "manage");
    for gone in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "generation",
    ] {
        new.0["metadata"].as_object_mut().unwrap().remove(gone);
    }
    let asked = Asked {
        operation: "CREATE",
        old: None,
        new: Some(&new),
        options: Value::Null,
    };
    let taken = |refusal: &crate::lab::verdict::Refusal| refusal.code == 409;
    let policy = case.team.dry_run().create(&new).await;
    Compared {
        what: named(case, "create", object),
        policy: match policy {
            Err(refusal) if taken(&refusal) => case.team.get(object).await,
            policy => policy,
        },
        guard: judge.verdict(&asked).await,
        // What is live already has nothing written down against its being made so.
        complete: false,
    }
}

async fn on_the_namespace(case: &Case, judge: &Judge) -> Vec<Compared> {
    let (person, namespace) = (case.team.dry_run(), &case.namespace);
    let mut all = vec![Compared {
        what: named(case, "delete", namespace),
        policy: person.delete(namespace).await,
        guard: deleted(judge, namespace, Value::Null).await,
        complete: true,
    }];
    let mut changes = Vec::new();
    for policy in ["manage", "skip"] {
        changes.push((policy, annotated(namespace.clone(), POLICY, policy)));
    }
    for mode in ["off", "enforce"] {
        let mut new = namespace.clone();
        new.0["metadata"]["labels"][MODE] = mode.into();
        changes.push((mode, new));
    }
    for (what, new) in changes {
        let asked = Asked {
            operation: "UPDATE",
            old: Some(namespace),
            new: Some(&new),
            options: Value::Null,
        };
        let guard = judge.verdict(&asked).await;
        let woken = guard.reason == "WakesChild";
        let guard = Judged {
            reason: if woken {
                "LiveElsewhere".to_owned()
            } else {
                guard.reason
            },
            ..guard
        };
        all.push(Compared {
            what: named(case, what, namespace),
            policy: person.replace(&new).await,
            guard,
            // A namespace without anything written down may be loosened.
            complete: !["off", "enforce"].contains(&what),
        });
    }
    all
}
