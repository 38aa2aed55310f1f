use rstest::rstest;

use super::*;
use crate::object::OwnerRef;
use crate::policy::Policy::{self, Manage, Skip};

const ASO: &str = "aso";
const OTHER_ASO: &str = "other-aso";

/// A cluster as a list of answers. What is in none of them is not there.
#[derive(Clone, Default)]
struct Known(Vec<(Lookup, LookupAnswer)>);

impl Known {
    fn and(mut self, need: Lookup, answer: LookupAnswer) -> Self {
        self.0.push((need, answer));
        self
    }

    fn secret(self, need: Lookup, facts: SecretFacts) -> Self {
        self.and(need, LookupAnswer::Secret(SecretLookup::Found(facts)))
    }

    fn find(&self, need: &Lookup) -> LookupAnswer {
        let mut known = self.0.iter();
        let known = known.find(|(known, _)| known == need);
        known.map_or_else(|| nothing(need), |(_, answer)| answer.clone())
    }

    /// Works an outcome out, and gives what was asked for it, in order.
    fn ask<T>(
        &self,
        operators: &[&str],
        object: &ObjectFacts,
        trust: Freshness,
        outcome: impl Fn(&Resolver<'_>) -> Result<T, LookupRequest>,
    ) -> (T, Vec<LookupRequest>) {
        let kinds = Kinds::builtin();
        let operators: Vec<Arc<str>> = operators.iter().map(|&one| one.into()).collect();
        let mut resolving = Resolver::new(&kinds, &operators, object, trust, Vec::new());
        let mut asked = Vec::new();
        loop {
            match outcome(&resolving) {
                Ok(found) => return (found, asked),
                Err(question) => {
                    assert!(asked.len() < 20, "asks for ever: {asked:?}");
                    asked.push(question.clone());
                    let answer = self.find(&question.need);
                    resolving.answer(question, answer);
                }
            }
        }
    }

    fn subscription(&self, operators: &[&str], object: &ObjectFacts) -> Result<String, String> {
        let (found, _) = self.ask(operators, object, Freshness::Known, |one| {
            one.subscription()
        });
        match found {
            SubscriptionOutcome::Known(found) => Ok(found.to_string()),
            SubscriptionOutcome::Unknown(why) => Err(why),
        }
    }

    fn policy(&self, object: &ObjectFacts, trust: Freshness) -> (Policy, Vec<LookupRequest>) {
        let (found, asked) = self.ask(&[ASO], object, trust, |one| one.policy());
        (found.policy, asked)
    }
}

fn nothing(need: &Lookup) -> LookupAnswer {
    match need {
        Lookup::Owner(_) => LookupAnswer::Owner(None),
        Lookup::Namespace(_) => LookupAnswer::Namespace(None),
        Lookup::OperatorSettings(_) | Lookup::Credential { .. } => {
            LookupAnswer::Secret(SecretLookup::Missing)
        }
    }
}

fn settings(operator: &str) -> Lookup {
    Lookup::OperatorSettings(operator.into())
}

fn credential(name: &str) -> Lookup {
    Lookup::Credential {
        namespace: "team".into(),
        name: name.into(),
    }
}

fn namespace() -> Lookup {
    Lookup::Namespace("team".into())
}

fn of_subscription(id: &str) -> SecretFacts {
    SecretFacts {
        subscription: Some(id.into()),
        ..SecretFacts::default()
    }
}

fn with_targets(id: &str, targets: &str) -> SecretFacts {
    SecretFacts {
        target_namespaces: Some(targets.into()),
        ..of_subscription(id)
    }
}

fn with_default(policy: &str) -> SecretFacts {
    SecretFacts {
        default_policy: Some(policy.into()),
        ..SecretFacts::default()
    }
}

fn key(group: &str, kind: &str, name: &str) -> ObjectKey {
    ObjectKey::new(group, kind, "team", name)
}

fn group() -> ObjectFacts {
    ObjectFacts::named(key("resources.azure.com", "ResourceGroup", "rg"))
}

fn account() -> ObjectFacts {
    ObjectFacts {
        owner: Some(OwnerRef {
            name: Some("rg".into()),
            ..OwnerRef::default()
        }),
        ..ObjectFacts::named(key("storage.azure.com", "StorageAccount", "data"))
    }
}

fn at(trust: Freshness, needs: &[Lookup]) -> Vec<LookupRequest> {
    let needs = needs.iter().cloned();
    needs.map(|need| LookupRequest { need, trust }).collect()
}

#[test]
fn each_thing_is_asked_for_once_and_no_more_than_is_needed() {
    let known = Known::default()
        .and(
            Lookup::Owner(group().key),
            LookupAnswer::Owner(Some(Arc::new(group()))),
        )
        .secret(settings(ASO), of_subscription("s"));
    let (found, asked) = known.ask(&[ASO], &account(), Freshness::Known, |one| one.resolved());
    let identity = found.identity.unwrap().identity;
    assert_eq!(
        identity.as_str(),
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/data"
    );
    let needs = [
        namespace(),
        settings(ASO),
        Lookup::Owner(group().key),
        credential(NAMESPACE_SECRET),
    ];
    assert_eq!(asked, at(Freshness::Known, &needs));
}

#[test]
fn what_says_itself_that_it_is_parked_needs_nothing_else() {
    let mut object = group();
    object.annotations.policy = Some("skip".into());
    for trust in [
        Freshness::Known,
        Freshness::KnownUnlessParked,
        Freshness::Store,
    ] {
        assert_eq!(Known::default().policy(&object, trust), (Skip, Vec::new()));
    }
}

#[test]
fn what_the_namespace_says_needs_no_operator() {
    let known = Known::default().and(namespace(), LookupAnswer::Namespace(Some("manage".into())));
    let asked = at(Freshness::Known, &[namespace()]);
    assert_eq!(known.policy(&group(), Freshness::Known), (Manage, asked));
}

#[test]
fn what_parks_from_outside_is_read_from_the_store() {
    let parked = Known::default().and(namespace(), LookupAnswer::Namespace(Some("skip".into())));
    let mut asked = at(Freshness::Known, &[namespace()]);
    assert_eq!(
        parked.policy(&group(), Freshness::Known),
        (Skip, asked.clone())
    );
    asked.extend(at(Freshness::Store, &[namespace()]));
    let found = parked.policy(&group(), Freshness::KnownUnlessParked);
    assert_eq!(found, (Skip, asked));

    let by_operator = Known::default().secret(settings(ASO), with_default("skip"));
    let needs = [namespace(), settings(ASO)];
    let mut asked = at(Freshness::Known, &needs);
    asked.extend(at(Freshness::Store, &needs));
    let found = by_operator.policy(&group(), Freshness::KnownUnlessParked);
    assert_eq!(found, (Skip, asked));

    // A live object costs no more than before.
    let live = Known::default();
    let asked = at(Freshness::Known, &needs);
    let found = live.policy(&group(), Freshness::KnownUnlessParked);
    assert_eq!(found, (Manage, asked));
}

#[test]
fn a_namespace_that_parks_by_hearsay_alone_does_not_park() {
    let kinds = Kinds::builtin();
    let (operators, object) = ([ASO.into()], group());
    let trust = Freshness::KnownUnlessParked;
    let mut resolving = Resolver::new(&kinds, &operators, &object, trust, Vec::new());
    let found = loop {
        match resolving.policy() {
            Ok(found) => break found,
            Err(question) => {
                let says_skip = question
                    == LookupRequest {
                        need: namespace(),
                        trust: Freshness::Known,
                    };
                let answer = if says_skip {
                    LookupAnswer::Namespace(Some("skip".into()))
                } else {
                    nothing(&question.need)
                };
                resolving.answer(question, answer);
            }
        }
    };
    assert_eq!(found.policy, Manage);
}

#[test]
fn where_the_store_is_asked_all_comes_from_it() {
    let (_, asked) =
        Known::default().ask(&[ASO], &account(), Freshness::Store, |one| one.resolved());
    assert!(asked.iter().all(|asked| asked.trust == Freshness::Store));
}

#[test]
fn a_credential_that_is_named_is_the_only_one() {
    let mut object = group();
    object.annotations.credential_from = Some("mine".into());
    let known = Known::default()
        .secret(settings(ASO), of_subscription("global"))
        .secret(credential(NAMESPACE_SECRET), of_subscription("team"));
    let why = known.subscription(&[ASO], &object).unwrap_err();
    assert!(why.contains("names the secret mine"), "{why}");
    let known = known.secret(credential("mine"), of_subscription("mine"));
    assert_eq!(known.subscription(&[ASO], &object).unwrap(), "mine");
    assert_eq!(known.subscription(&[ASO], &group()).unwrap(), "team");
}

#[test]
fn a_secret_that_may_not_be_read_is_a_reason_and_nothing_else_is_tried() {
    let why = "it may not be read";
    let unreadable = LookupAnswer::Secret(SecretLookup::Unreadable(why.to_owned()));
    let known = Known::default()
        .secret(settings(ASO), of_subscription("global"))
        .and(credential(NAMESPACE_SECRET), unreadable);
    assert_eq!(known.subscription(&[ASO], &group()).unwrap_err(), why);
    let (found, _) = known.ask(&[ASO], &group(), Freshness::Known, |one| one.resolved());
    assert_eq!(found.identity.unwrap_err().to_string(), why);
    assert_eq!(found.policy.policy, Manage);
}

#[test]
fn a_credential_is_not_blamed_for_what_is_wrong_with_an_owner() {
    let mut object = account();
    object.owner.as_mut().unwrap().arm_id = Some("/subscriptions/s".into());
    let (found, _) = Known::default().ask(&[], &object, Freshness::Known, |one| one.identity());
    let why = found.into_result().unwrap_err();
    assert_eq!(why.reason(), "bad-owner", "{why}");
}

/// Two ASOs: one with namespaces of its own, and one that takes all others.
#[rstest]
#[case::its_namespace(None, "team", "all")]
#[case::its_namespace_in_a_list(None, "x, team", "all")]
#[case::another_namespace(None, "teams", "rest")]
#[case::the_annotation_wins(Some(OTHER_ASO), "team", "rest")]
#[case::the_annotation_of_another_cluster(Some("elsewhere"), "team", "all")]
#[case::an_empty_annotation(Some(""), "team", "all")]
fn the_settings_are_those_of_the_responsible_aso(
    #[case] annotation: Option<&str>,
    #[case] targets: &str,
    #[case] subscription: &str,
) {
    let known = Known::default()
        .secret(settings(ASO), with_targets("all", targets))
        .secret(settings(OTHER_ASO), of_subscription("rest"));
    let mut object = group();
    object.annotations.operator_namespace = annotation.map(Arc::from);
    for operators in [[ASO, OTHER_ASO], [OTHER_ASO, ASO]] {
        let found = known.subscription(&operators, &object);
        assert_eq!(found.unwrap(), subscription);
    }
}

#[test]
fn an_aso_that_only_the_annotation_names_counts_if_it_has_settings() {
    let mut object = group();
    object.annotations.operator_namespace = Some("capz-system".into());
    let known = Known::default().secret(settings(ASO), of_subscription("configured"));
    assert_eq!(known.subscription(&[ASO], &object).unwrap(), "configured");
    let known = known.secret(settings("capz-system"), of_subscription("its own"));
    assert_eq!(known.subscription(&[ASO], &object).unwrap(), "its own");
}

#[test]
fn where_no_aso_lives_none_is_responsible() {
    let known = Known::default().secret(settings(OTHER_ASO), of_subscription("its own"));
    for operators in [[ASO, OTHER_ASO], [OTHER_ASO, ASO]] {
        let found = known.subscription(&operators, &group());
        assert_eq!(found.unwrap(), "its own");
    }
    let why = known.subscription(&[ASO], &group()).unwrap_err();
    assert!(
        why.contains("nor aso-controller-settings in namespace aso"),
        "{why}"
    );
}

#[test]
fn settings_that_aso_has_not_read_park_nothing_and_tell_no_subscription() {
    let outrun = SecretFacts {
        outrun: true,
        default_policy: Some("skip".into()),
        ..of_subscription("s")
    };
    let known = Known::default().secret(settings(ASO), outrun);
    let (policy, _) = known.policy(&group(), Freshness::Store);
    assert_eq!(policy, Manage);
    let why = known.subscription(&[ASO], &group()).unwrap_err();
    assert!(why.contains("restart its deployment"), "{why}");
}
