//! What is said of what was read.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rstest::rstest;

use super::*;
use crate::doctor::facts::{
    CallFacts, GuardFacts, KindFacts, MemberFacts, OperatorFacts, RegistryFacts, WebhookFacts,
};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A cluster in which all is well.
fn well() -> Facts {
    let member = |name: &str| MemberFacts {
        name: name.to_owned(),
        cluster: format!("uid of {name}"),
        mode: "enforce".to_owned(),
        ..MemberFacts::default()
    };
    Facts {
        kubectl_flags: " --context west".to_owned(),
        namespace: "aso-guard".to_owned(),
        name: "aso-guard".to_owned(),
        version: "0.1.0".to_owned(),
        now: time("2026-03-01T12:00:00Z"),
        cluster: Ok(ClusterFacts {
            minor: Some(34),
            version: "v1.34.4".to_owned(),
            ahead: Some(SignedDuration::from_secs(-2)),
            uid: Some("uid of west".to_owned()),
        }),
        kinds: Ok(KindFacts {
            count: 3,
            groups: BTreeSet::from(["storage.azure.com".to_owned()]),
            unknown: Vec::new(),
        }),
        operators: Ok(vec![OperatorFacts {
            namespace: "azureserviceoperator-system".to_owned(),
            version: "2.21.0".to_owned(),
            ready: 1,
        }]),
        webhook: Ok(Some(WebhookFacts {
            installed_by: Some("0.1.0".to_owned()),
            groups: BTreeSet::from(["storage.azure.com".to_owned()]),
            ca_ends: Some(time("2026-06-01T00:00:00Z")),
            ..WebhookFacts::default()
        })),
        call: Ok(CallFacts::Answered("the guard answers".to_owned())),
        guard: Ok(Some(GuardFacts {
            replicas: 2,
            ready: 2,
            version: "0.1.0".to_owned(),
            args: vec![
                "serve".to_owned(),
                "--aso-namespace=azureserviceoperator-system".to_owned(),
            ],
        })),
        missing_rights: Ok(Vec::new()),
        registry: Ok(RegistryFacts {
            place: "kubernetes:hub".to_owned(),
            flags: " --context hub".to_owned(),
            members: vec![member("east"), member("west")],
            ..RegistryFacts::default()
        }),
        policies: Ok(Vec::new()),
        modes: Ok(vec![("dev".to_owned(), "audit".to_owned())]),
    }
}

/// The findings that are not `ok`, as people see them.
fn troubles(facts: &Facts) -> Vec<String> {
    let found = findings(facts);
    let bad = found.iter().filter(|finding| finding.status != Status::Ok);
    bad.map(|one| {
        format!(
            "{} {} {}: {}",
            one.status,
            one.topic.as_str(),
            one.check,
            one.words
        )
    })
    .collect()
}

#[test]
fn where_all_is_well_nothing_is_to_be_done() {
    let found = findings(&well());
    assert_eq!(troubles(&well()), [""; 0]);
    assert!(found.iter().all(|finding| finding.remedy.is_none()));
    assert_eq!(worst(&found), Status::Ok);
    let lines: Vec<String> = found
        .iter()
        .map(|one| format!("{} {}: {}", one.topic.as_str(), one.check, one.words))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

fn own(facts: &mut Facts) -> &mut MemberFacts {
    &mut facts.registry.as_mut().unwrap().members[1]
}

fn webhook(facts: &mut Facts) -> &mut WebhookFacts {
    facts.webhook.as_mut().unwrap().as_mut().unwrap()
}

fn move_registry(facts: &mut Facts, how: &str) {
    facts.registry.as_mut().unwrap().migration = Some(how.parse().unwrap());
}

#[rstest]
#[case::old(|it: &mut Facts| it.cluster.as_mut().unwrap().minor = Some(28), "fail cluster API server: Kubernetes")]
#[case::clock(
    |it: &mut Facts| it.cluster.as_mut().unwrap().ahead = Some(SignedDuration::from_secs(90)),
    "warn cluster clock: the API server is 90 s ahead of"
)]
#[case::no_kinds(|it: &mut Facts| it.kinds = Ok(KindFacts::default()), "warn aso kinds: no kind")]
#[case::unknown_kind(
    |it: &mut Facts| it.kinds.as_mut().unwrap().unknown = vec!["Thing.new.azure.com".to_owned()],
    "warn aso kinds: nobody can tell which Azure resources these stand for: Thing"
)]
#[case::no_aso(|it: &mut Facts| it.operators = Ok(Vec::new()), "warn aso operators: no ASO")]
#[case::another_aso(
    |it: &mut Facts| it.operators.as_mut().unwrap()[0].namespace = "capz-system".to_owned(),
    "fail aso operators: the guard is not told of the ASO in capz-system"
)]
#[case::aso_is_down(
    |it: &mut Facts| it.operators.as_mut().unwrap()[0].ready = 0,
    "warn aso operators: ASO 2.21.0 in azureserviceoperator-system has no ready pod"
)]
#[case::gap(
    |it: &mut Facts| webhook(it).gaps = vec!["write.asoguard.io: failurePolicy is Ignore".to_owned()],
    "fail webhook complete: write.asoguard.io: failurePolicy"
)]
#[case::unmanaged(
    |it: &mut Facts| webhook(it).unmanaged = Some("the hub moves".to_owned()),
    "warn webhook registered: the guard leaves aso-guard as it is"
)]
#[case::of_before(|it: &mut Facts| webhook(it).installed_by = None, "warn webhook registered: aso-guard does not say")]
#[case::of_another_version(
    |it: &mut Facts| webhook(it).installed_by = Some("0.2.0".to_owned()),
    "warn webhook registered: aso-guard is of version 0.2.0"
)]
#[case::group(|it: &mut Facts| webhook(it).groups.clear(), "fail webhook groups: not asked about: storage.azure.com")]
#[case::ca_ended(
    |it: &mut Facts| webhook(it).ca_ends = Some(time("2026-02-01T00:00:00Z")),
    "fail webhook CA: the CA"
)]
#[case::ca_ends(
    |it: &mut Facts| webhook(it).ca_ends = Some(time("2026-03-03T00:00:00Z")),
    "warn webhook CA: the CA"
)]
#[case::no_answer(
    |it: &mut Facts| it.call = Ok(CallFacts::Failed("x509: unknown authority".to_owned())),
    "fail webhook answers: x509"
)]
#[case::not_asked(|it: &mut Facts| it.call = Ok(CallFacts::NotAsked), "fail webhook answers: the API server let")]
#[case::no_deployment(|it: &mut Facts| it.guard = Ok(None), "warn guard pods: there is no Deployment")]
#[case::no_pod(
    |it: &mut Facts| it.guard.as_mut().unwrap().as_mut().unwrap().ready = 0,
    "fail guard pods: 0 of 2 are ready"
)]
#[case::guard_of_another_version(
    |it: &mut Facts| it.guard.as_mut().unwrap().as_mut().unwrap().version = "0.2.0".to_owned(),
    "warn guard version: the guard is 0.2.0, this program is 0.1.0"
)]
#[case::right(
    |it: &mut Facts| it.missing_rights = Ok(vec!["watch things.new.azure.com".to_owned()]),
    "fail guard rights: it may not watch things.new.azure.com"
)]
#[case::unreadable(
    |it: &mut Facts| it.registry.as_mut().unwrap().unreadable = vec!["claim x".to_owned()],
    "fail registry records: cannot be read: claim x"
)]
#[case::conflict(
    |it: &mut Facts| it.registry.as_mut().unwrap().conflicts = 2,
    "fail registry conflicts: 2 resources have more than one live copy"
)]
#[case::awaited(
    |it: &mut Facts| it.registry.as_mut().unwrap().awaited = vec!["east".to_owned()],
    "fail registry copies: it may not know all copies of east"
)]
#[case::moved_to(
    |it: &mut Facts| move_registry(it, "after uid-1 3"),
    "warn registry move: the fleet moves to this registry from another one"
)]
#[case::moved_from(
    |it: &mut Facts| move_registry(it, "closing to uid-2"),
    "warn registry move: the fleet moves from this registry"
)]
#[case::moved(
    |it: &mut Facts| move_registry(it, "closed to uid-2"),
    "fail registry move: the fleet has moved from this registry"
)]
#[case::no_member(|it: &mut Facts| own(it).cluster.clear(), "fail registry member: this cluster is no member")]
#[case::silent(
    |it: &mut Facts| own(it).silent_since = Some(time("2026-03-01T10:00:00Z")),
    "fail registry member: west has not written since"
)]
#[case::enrolling(|it: &mut Facts| own(it).enrolling = true, "warn registry member: west still goes")]
#[case::unresolved(
    |it: &mut Facts| own(it).unresolved = (7, vec!["dev/Vault/a".to_owned()]),
    "warn registry unresolved: nobody can tell which Azure resources these are: dev/Vault/a and 6 more"
)]
#[case::unwatched(
    |it: &mut Facts| own(it).unwatched = (1, vec!["Thing.new.azure.com".to_owned()]),
    "fail registry unwatched: the guard may not read"
)]
#[case::second_line(
    |it: &mut Facts| own(it).second_line = Some((12, 1, vec!["shop".to_owned()])),
    "warn registry second line: what the API server refuses by while no guard answers may be out of date in: shop"
)]
#[case::token_ends(
    |it: &mut Facts| own(it).token_ends = Some((time("2026-03-03T12:00:00Z"), true)),
    "warn registry token: the token of west"
)]
#[case::token_ended(
    |it: &mut Facts| own(it).token_ends = Some((time("2026-02-03T12:00:00Z"), true)),
    "fail registry token: the token of west"
)]
#[case::silent_peer(
    |it: &mut Facts| it.registry.as_mut().unwrap().members[0].silent_since = Some(time("2026-02-01T00:00:00Z")),
    "warn registry members: east has not written"
)]
#[case::policy(
    |it: &mut Facts| it.policies = Ok(vec!["there is no ValidatingAdmissionPolicy claims.asoguard.io".to_owned()]),
    "fail registry policies: there is no"
)]
#[case::off(
    |it: &mut Facts| it.modes = Ok(vec![("dev".to_owned(), "off".to_owned())]),
    "warn modes namespaces: off in dev"
)]
#[case::no_mode(
    |it: &mut Facts| it.modes = Ok(vec![("dev".to_owned(), "Off".to_owned())]),
    "fail modes namespaces: \"Off\" of namespace dev is no mode"
)]
fn each_trouble_is_told_with_what_to_do(#[case] change: fn(&mut Facts), #[case] expected: &str) {
    let mut facts = well();
    change(&mut facts);
    let said = troubles(&facts);
    assert!(said.iter().any(|one| one.starts_with(expected)), "{said:?}");
    for finding in findings(&facts) {
        let to_do = matches!(finding.status, Status::Warn | Status::Fail);
        assert_eq!(finding.remedy.is_some(), to_do, "{finding:?}");
    }
}

#[test]
fn what_is_not_there_is_one_finding() {
    let mut facts = well();
    facts.webhook = Ok(None);
    facts.call = Err(NotRead::Skipped("it is not registered".to_owned()));
    assert_eq!(
        troubles(&facts),
        [
            "fail webhook registered: there is no webhook configuration aso-guard: API servers ask no guard",
            "skip webhook answers: it is not registered",
        ]
    );
}

/// Each check fails by itself.
#[test]
fn what_could_not_be_read_is_said_and_the_rest_goes_on() {
    let mut facts = well();
    facts.operators = Err(NotRead::Skipped("you may not: deployments".to_owned()));
    facts.registry = Err(NotRead::Failed("the hub does not answer".to_owned()));
    assert_eq!(
        troubles(&facts),
        [
            "skip aso operators: you may not: deployments",
            "fail registry reachable: the hub does not answer",
        ]
    );
}

#[test]
fn of_a_cluster_that_does_not_answer_that_is_all() {
    let mut facts = well();
    facts.cluster = Err(NotRead::Failed("connection refused".to_owned()));
    assert_eq!(
        troubles(&facts),
        ["fail cluster API server: connection refused"]
    );
}
