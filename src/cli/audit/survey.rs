//! One live cluster, as a check takes it.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use kube::Client;
use kube::config::KubeConfigOptions;

use crate::check::{Cluster, Item, Manifest, Marks, Secret, Settings};
use crate::cluster::ClusterError;
use crate::cluster::kube::survey::{SecretSeen, Survey};
use crate::cluster::kube::{CredentialSettings, KubeCluster};
use crate::object::ObjectFacts;

use super::contexts::Context;
use super::progress::Bar;

/// How many kinds are listed at once: an API server of the free tier is easily overloaded.
const AT_ONCE: usize = 3;
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The secrets that ASO reads by name.
const SECRETS: [&str; 2] = ["aso-credential", "aso-controller-settings"];

/// What was seen of a cluster.
pub(super) struct Surveyed {
    /// The UID of its namespace `kube-system`.
    pub(super) uid: String,
    pub(super) cluster: Cluster,
    /// What could not be looked at.
    pub(super) missed: Vec<String>,
}

/// Looks at a cluster. It is only read: lists in pages, and single objects.
///
/// # Errors
/// It cannot be reached; for a person.
pub(super) async fn look(
    context: &Context,
    subscription: Option<&str>,
    progress: Bar,
) -> Result<Surveyed, String> {
    let client = client(context).await?;
    let credentials = CredentialSettings {
        operators: Arc::default(),
        subscription: subscription.map(str::to_owned),
    };
    let words = |error: ClusterError| error.to_string();
    let uid = KubeCluster::new(client.clone(), credentials)
        .identity()
        .await
        .map_err(words)?;
    let survey = Survey::begin(client).await.map_err(words)?;
    let mut missed = Vec::new();
    let objects = objects(&survey, &progress, &mut missed).await;

    let mut cluster = Cluster::new(Settings {
        subscription: subscription.map(Arc::from),
        ..Settings::of(context.member.clone())
    });
    for kind in survey.kinds().iter().filter(|kind| kind.learned) {
        cluster.add(Item::Kind(kind.clone()));
    }
    match survey.policies().await {
        Ok(policies) => policies.into_iter().for_each(|(name, policy)| {
            cluster.add(Item::Namespace {
                name: name.into(),
                policy: Some((policy.into(), None)),
            });
        }),
        Err(error) => missed.push(error.to_string()),
    }
    if subscription.is_none() {
        for secret in secrets(&survey, &objects, &mut missed).await {
            cluster.add(Item::Secret(secret));
        }
    }
    for facts in objects {
        cluster.add(Item::Object(Manifest {
            facts: Arc::new(facts),
            marks: Marks::default(),
        }));
    }
    Ok(Surveyed {
        uid: uid.to_string(),
        cluster,
        missed,
    })
}

async fn client(context: &Context) -> Result<Client, String> {
    let options = KubeConfigOptions {
        context: Some(context.name.clone()),
        ..KubeConfigOptions::default()
    };
    let config = kube::Config::from_custom_kubeconfig(context.kubeconfig.clone(), &options).await;
    let mut config = config.map_err(|error| error.to_string())?;
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    Client::try_from(config).map_err(|error| error.to_string())
}

async fn objects(survey: &Survey, progress: &Bar, missed: &mut Vec<String>) -> Vec<ObjectFacts> {
    let resources = survey.resources();
    progress.begin(resources.len());
    let mut lists = stream::iter(&resources)
        .map(|resource| survey.objects(resource))
        .buffer_unordered(AT_ONCE);
    let mut objects = Vec::new();
    while let Some(listed) = lists.next().await {
        match listed {
            Ok(listed) => objects.extend(listed),
            Err(error) => missed.push(error.to_string()),
        }
        progress.step(objects.len());
    }
    progress.end(resources.len(), objects.len());
    objects
}

async fn secrets(
    survey: &Survey,
    objects: &[ObjectFacts],
    missed: &mut Vec<String>,
) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut add = |secrets: Result<Vec<SecretSeen>, ClusterError>| match secrets {
        Ok(secrets) => found.extend(secrets),
        Err(error) => missed.push(format!(
            "{error}; the subscriptions of its objects are not known by it: state one with \
             --subscription"
        )),
    };
    for name in SECRETS {
        add(survey.secrets(name).await);
    }
    for secret in survey.named_secrets(objects).await {
        add(secret.map(|secret| vec![secret]));
    }
    let found = found.into_iter().map(|secret| Secret {
        namespace: secret.namespace.into(),
        name: secret.name.into(),
        facts: secret.facts,
        hidden: None,
        default_policy_at: None,
    });
    found.collect()
}
