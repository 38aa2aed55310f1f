//! One live cluster, as a check takes it.

use std::sync::Arc;

use futures::{StreamExt as _, stream};

use crate::check::{
    CheckedCluster, ClusterSettings, Document, FieldLocations, Manifest, SecretManifest,
};
use crate::cluster::ClusterError;
use crate::cluster::kube::survey::{ClusterSurvey, SurveyedSecret};
use crate::cluster::kube::{CredentialSettings, KubeCluster};
use crate::object::ObjectFacts;

use super::progress::SurveyBar;
use crate::cli::contexts::ClusterContext;

/// How many kinds are listed at once: an API server of the free tier is easily overloaded.
const AT_ONCE: usize = 3;
/// The secrets that ASO reads by name.
const SECRETS: [&str; 2] = ["aso-credential", "aso-controller-settings"];

/// What was seen of a cluster.
pub(super) struct Surveyed {
    /// The UID of its namespace `kube-system`.
    pub(super) uid: String,
    pub(super) cluster: CheckedCluster,
    /// What could not be looked at.
    pub(super) missed: Vec<String>,
}

/// Looks at a cluster. It is only read: lists in pages, and single objects.
///
/// # Errors
/// It cannot be reached; for a person.
pub(super) async fn look(
    context: &ClusterContext,
    subscription: Option<&str>,
    progress: SurveyBar,
) -> Result<Surveyed, String> {
    let client = context.client().await?;
    let credentials = CredentialSettings {
        operators: Arc::default(),
        subscription: subscription.map(str::to_owned),
    };
    let words = |error: ClusterError| error.to_string();
    let uid = KubeCluster::new(client.clone(), credentials)
        .identity()
        .await
        .map_err(words)?;
    let survey = ClusterSurvey::begin(client).await.map_err(words)?;
    let mut missed = Vec::new();
    let objects = objects(&survey, &progress, &mut missed).await;

    let mut cluster = CheckedCluster::new(ClusterSettings {
        subscription: subscription.map(Arc::from),
        ..ClusterSettings::of(context.member.clone())
    });
    for kind in survey.kinds().iter().filter(|kind| kind.learned) {
        cluster.add(Document::Kind(kind.clone()));
    }
    match survey.policies().await {
        Ok(policies) => policies.into_iter().for_each(|(name, policy)| {
            cluster.add(Document::Namespace {
                name: name.into(),
                policy: Some((policy.into(), None)),
            });
        }),
        Err(error) => missed.push(error.to_string()),
    }
    if subscription.is_none() {
        for secret in secrets(&survey, &objects, &mut missed).await {
            cluster.add(Document::Secret(secret));
        }
    }
    for facts in objects {
        cluster.add(Document::Object(Manifest {
            facts: Arc::new(facts),
            name_from: None,
            marks: FieldLocations::default(),
        }));
    }
    Ok(Surveyed {
        uid: uid.to_string(),
        cluster,
        missed,
    })
}

async fn objects(
    survey: &ClusterSurvey,
    progress: &SurveyBar,
    missed: &mut Vec<String>,
) -> Vec<ObjectFacts> {
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
    survey: &ClusterSurvey,
    objects: &[ObjectFacts],
    missed: &mut Vec<String>,
) -> Vec<SecretManifest> {
    let mut found = Vec::new();
    let mut add = |secrets: Result<Vec<SurveyedSecret>, ClusterError>| match secrets {
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
    let found = found.into_iter().map(|secret| SecretManifest {
        namespace: secret.namespace.into(),
        name: secret.name.into(),
        facts: secret.facts,
        hidden: None,
        default_policy_at: None,
    });
    found.collect()
}
