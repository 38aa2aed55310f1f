//! What the guard needs, and whether its account may.

use std::collections::BTreeSet;
use std::fmt::Debug;

use futures::{StreamExt as _, stream};
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use kube::api::{ApiResource, PostParams};
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calls::call;
use super::facts::Read;

/// How many questions are asked at once.
const AT_ONCE: usize = 8;

/// Something that the guard needs to be allowed.
#[derive(Clone, Debug)]
struct Right {
    verb: &'static str,
    group: String,
    resource: String,
    /// For one object only.
    name: Option<String>,
}

/// What a guard does that not every guard does.
#[derive(Clone, Copy)]
pub(super) struct Duties {
    /// The claims are kept here.
    pub(super) registry: bool,
    /// It writes down what API servers refuse by while no guard answers.
    pub(super) second_line: bool,
}

/// What the guard's account may not do of what it needs; `name` is that of the webhook
/// configuration.
pub(super) async fn missing(
    client: &Client,
    (namespace, account): (&str, &str),
    name: &str,
    kinds: &[ApiResource],
    duties: Duties,
) -> Read<Vec<String>> {
    let account = format!("system:serviceaccount:{namespace}:{account}");
    let is_itself = who_am_i(client).await.as_deref() == Some(&*account);
    let needed = needed(name, kinds, duties);
    let asked = stream::iter(needed).map(async |right| {
        let may = if is_itself {
            may_i(client, &right).await
        } else {
            may_it(client, &account, namespace, &right).await
        };
        may.map(|may| (!may).then(|| right.words()))
    });
    let answers: Vec<Read<Option<String>>> = asked.buffered(AT_ONCE).collect().await;
    let missing: Read<Vec<Option<String>>> = answers.into_iter().collect();
    Ok(missing?.into_iter().flatten().collect())
}

/// What the chart's roles are made of, one question for each.
fn needed(name: &str, kinds: &[ApiResource], duties: Duties) -> Vec<Right> {
    let mut groups = BTreeSet::new();
    // A role names all of a group.
    let one_each = kinds
        .iter()
        .filter(|kind| groups.insert(kind.group.clone()));
    let mut needed: Vec<Right> = one_each
        .flat_map(|kind| ["list", "watch"].map(|verb| Right::new(verb, &kind.group, &kind.plural)))
        .collect();
    for (group, resource, verbs) in [
        (
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            &["list", "watch"][..],
        ),
        ("", "namespaces", &["list", "watch", "patch"]),
        ("events.k8s.io", "events", &["create", "patch"]),
    ] {
        needed.extend(verbs.iter().map(|verb| Right::new(verb, group, resource)));
    }
    let registration = (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
    );
    needed.extend(["get", "watch", "patch"].map(|verb| Right {
        name: Some(name.to_owned()),
        ..Right::new(verb, registration.0, registration.1)
    }));
    let written = &["get", "list", "create", "update", "delete"][..];
    let registry: &[(&str, &[&'static str])] = &[
        ("claims", written),
        ("members", written),
        ("transfers", &["get", "list", "patch"]),
    ];
    let registry = if duties.registry { registry } else { &[] };
    let second_line: &[(&str, &[&'static str])] = &[("protections", written)];
    let second_line = if duties.second_line { second_line } else { &[] };
    let watched: &[(&str, &[&'static str])] = &[("claims", &["watch"])];
    let watched = if duties.registry && duties.second_line {
        watched
    } else {
        &[]
    };
    for (resource, verbs) in [registry, second_line, watched].concat() {
        needed.extend(
            verbs
                .iter()
                .map(|verb| Right::new(verb, "asoguard.io", resource)),
        );
    }
    needed
}

impl Right {
    fn new(verb: &'static str, group: &str, resource: &str) -> Self {
        Self {
            verb,
            group: group.to_owned(),
            resource: resource.to_owned(),
            name: None,
        }
    }

    fn words(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        let name = self
            .name
            .as_ref()
            .map_or_else(String::new, |name| format!("/{name}"));
        format!("{} {}{dot}{}{name}", self.verb, self.resource, self.group)
    }

    fn attributes(&self) -> ResourceAttributes {
        ResourceAttributes {
            verb: Some(self.verb.to_owned()),
            group: Some(self.group.clone()),
            resource: Some(self.resource.clone()),
            name: self.name.clone(),
            ..ResourceAttributes::default()
        }
    }
}

/// The API server's answer to a review, which is stored nowhere.
async fn ask<K>(client: &Client, review: &K) -> Read<K>
where
    K: kube::Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let (api, params): (Api<K>, _) = (Api::all(client.clone()), PostParams::default());
    call("the rights of the guard", api.create(&params, review)).await
}

/// The name of whoever asks, where the API server says it.
async fn who_am_i(client: &Client) -> Option<String> {
    let review = ask(client, &SelfSubjectReview::default()).await.ok()?;
    review.status?.user_info?.username
}

async fn may_i(client: &Client, right: &Right) -> Read<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(right.attributes()),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let review = ask(client, &review).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

async fn may_it(client: &Client, account: &str, namespace: &str, right: &Right) -> Read<bool> {
    let groups = [
        "system:authenticated".to_owned(),
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
    ];
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(account.to_owned()),
            groups: Some(groups.into()),
            resource_attributes: Some(right.attributes()),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let review = ask(client, &review).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}
