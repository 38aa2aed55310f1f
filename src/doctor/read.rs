//! Reads what there is to know of a cluster, its guard and its registry.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, ListParams};
use kube::client::Body;
use kube::{Api, Client, ResourceExt as _};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::calls::{CALL_TIMEOUT, call};
use super::facts::{
    CallFacts, ClusterFacts, Facts, GuardFacts, KindFacts, NotRead, OperatorFacts, Read,
    WebhookFacts,
};
use super::{probe, registry, rights};
use crate::admission::registration::{Expectation, Gap, Installed, WRITE_WEBHOOK, gaps, unmanaged};
use crate::cluster::kube::survey::ClusterSurvey;
use crate::object::MODE_LABEL;
use crate::registry::Registry;
use crate::registry::kubernetes::KubernetesRegistry;

/// What ASO's pods are labelled with, and others' too.
const MANAGERS: &str = "control-plane=controller-manager";

/// What to examine.
#[derive(Clone)]
pub struct Patient {
    /// The cluster.
    pub client: Client,
    /// The flags by which `kubectl` reaches it: none, or beginning with a space.
    pub kubectl_flags: String,
    /// The guard's namespace.
    pub namespace: String,
    /// The name of its Deployment and its webhook configuration.
    pub name: String,
    /// The name of its account.
    pub account: String,
    /// Call the guard itself, not by the API server: this is a pod, or it is at an address that
    /// was given.
    pub direct: bool,
    /// That address.
    pub connect: Option<SocketAddr>,
    /// Where claims are kept, where that was said.
    pub registry: Option<Hub>,
}

/// Where claims are kept.
#[derive(Clone)]
pub struct Hub {
    /// The claims.
    pub claims: Arc<dyn Registry>,
    /// The cluster, where they are in one.
    pub client: Option<Client>,
    /// What messages call it.
    pub place: String,
    /// The flags by which `aso-guard` reaches it: none, or beginning with a space.
    pub flags: String,
    /// Whether it is elsewhere than in its members' clusters.
    pub apart: bool,
}

impl Hub {
    /// The claims in a cluster: what messages call it, the flags that lead to it, and whether it
    /// is another cluster than its members.
    pub fn in_cluster(client: Client, place: &str, flags: &str, apart: bool) -> Self {
        let claims = KubernetesRegistry::new(client.clone(), place).reached_by(flags, flags);
        Self {
            claims: Arc::new(claims),
            client: Some(client),
            place: place.to_owned(),
            flags: flags.to_owned(),
            apart,
        }
    }
}

/// Reads all there is, each part by itself.
pub async fn examine(patient: &Patient) -> Facts {
    let now = Timestamp::now();
    let client = &patient.client;
    let survey = async {
        let surveyed = ClusterSurvey::begin(client.clone()).await;
        surveyed.map_err(|error| NotRead::Failed(error.to_string()))
    };
    let (cluster, survey, stored, guard, operators, modes) = tokio::join!(
        cluster(client, now),
        survey,
        configuration(patient),
        guard(patient),
        operators(client).boxed(),
        modes(client),
    );
    let hub = hub(patient, guard.as_ref().ok().and_then(Option::as_ref));
    let args = guard.as_ref().ok().and_then(Option::as_ref);
    let duties = rights::Duties {
        registry: hub.as_ref().is_ok_and(|hub| !hub.apart),
        second_line: args.is_some_and(GuardFacts::has_second_line),
    };
    let resources = survey
        .as_ref()
        .map_or_else(|_| Vec::new(), ClusterSurvey::resources);
    let account = (&*patient.namespace, &*patient.account);
    let (call, missing_rights, registry, policies) = tokio::join!(
        called(patient, stored.as_ref()).boxed(),
        rights::missing(client, account, &patient.name, &resources, duties),
        registered(&hub, now),
        policies(&hub),
    );
    Facts {
        kubectl_flags: patient.kubectl_flags.clone(),
        namespace: patient.namespace.clone(),
        name: patient.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now,
        cluster,
        kinds: survey.map(|survey| kinds(&survey, &resources)),
        operators,
        webhook: stored.map(|stored| stored.as_ref().map(webhook)),
        call,
        guard,
        missing_rights,
        registry,
        policies,
        modes,
    }
}

async fn cluster(client: &Client, now: Timestamp) -> Read<ClusterFacts> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
        minor: String,
    }
    let failed =
        |error: String| NotRead::Failed(format!("the API server does not answer: {error}"));
    let request = Request::get("/version").body(Body::empty());
    let request = request.map_err(|error| failed(error.to_string()))?;
    let answer = call("its version", client.send(request)).await?;
    let date = answer
        .headers()
        .get("date")
        .and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        parser.parse_timestamp(date).ok()
    });
    let body = answer.into_body().collect().await;
    let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
    let version: Version =
        serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = call(
        "namespace kube-system",
        namespaces.get_metadata("kube-system"),
    )
    .await;
    // What a server of another vendor puts behind the number does not count.
    let digits = version.minor.chars().take_while(char::is_ascii_digit);
    Ok(ClusterFacts {
        minor: digits.collect::<String>().parse().ok(),
        version: version.git_version,
        ahead: date.map(|date| SignedDuration::from_secs(date.as_second() - now.as_second())),
        uid: system.ok().and_then(|system| system.metadata.uid),
    })
}

fn kinds(survey: &ClusterSurvey, resources: &[ApiResource]) -> KindFacts {
    let unknown = |one: &&ApiResource| survey.kinds().get(&one.group, &one.kind).is_none();
    let names = resources.iter().filter(unknown);
    KindFacts {
        count: resources.len(),
        groups: resources.iter().map(|one| one.group.clone()).collect(),
        unknown: names
            .map(|one| format!("{}.{}", one.kind, one.group))
            .collect(),
    }
}

async fn configuration(patient: &Patient) -> Read<Option<ValidatingWebhookConfiguration>> {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(patient.client.clone());
    let what = format!("webhook configuration {}", patient.name);
    call(&what, api.get_opt(&patient.name)).await
}

fn webhook(stored: &ValidatingWebhookConfiguration) -> WebhookFacts {
    let installed = Installed::stated(stored);
    let installed_by = installed
        .as_ref()
        .map(|installed| installed.version.clone());
    let expected = installed.map_or_else(|| Expectation::printed(true), Expectation::installed);
    let webhooks = stored.webhooks.iter().flatten();
    let write = webhooks.filter(|webhook| webhook.name == WRITE_WEBHOOK);
    let rules = write.flat_map(|webhook| webhook.rules.iter().flatten());
    let groups: BTreeSet<String> = rules
        .flat_map(|rule| rule.api_groups.iter().flatten().cloned())
        .collect();
    WebhookFacts {
        gaps: gaps(stored, &expected).iter().map(Gap::to_string).collect(),
        installed_by,
        unmanaged: unmanaged(stored).map(str::to_owned),
        groups,
        ca_ends: ca_ends(stored),
    }
}

/// When the last CA ends, of the webhook whose last one ends first.
fn ca_ends(stored: &ValidatingWebhookConfiguration) -> Option<Timestamp> {
    let end = |der: CertificateDer<'static>| {
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
    };
    let bundles = stored.webhooks.iter().flatten();
    let bundles = bundles.filter_map(|webhook| webhook.client_config.ca_bundle.as_ref());
    let ends = bundles.filter_map(|pem| {
        let certificates = CertificateDer::pem_slice_iter(&pem.0);
        certificates.filter_map(Result::ok).filter_map(end).max()
    });
    ends.min()
}

async fn called(
    patient: &Patient,
    stored: Result<&Option<ValidatingWebhookConfiguration>, &NotRead>,
) -> Read<CallFacts> {
    let stored = match stored {
        Ok(Some(stored)) => stored,
        Ok(None) => return Err(NotRead::Skipped("it is not registered".to_owned())),
        Err(why) => return Err(why.clone()),
    };
    if !patient.direct {
        return probe::by_api_server(&patient.client).await;
    }
    Ok(match probe::direct(stored, patient.connect).await {
        Ok(lines) => CallFacts::Answered(lines.join("; ")),
        Err(error) => CallFacts::Failed(format!("{error:#}")),
    })
}

async fn guard(patient: &Patient) -> Read<Option<GuardFacts>> {
    let (namespace, name) = (&patient.namespace, &patient.name);
    let api: Api<Deployment> = Api::namespaced(patient.client.clone(), namespace);
    let what = format!("deployment {namespace}/{name}");
    let found = call(&what, api.get_opt(name)).await?;
    Ok(found.map(|found| {
        let spec = found.spec.clone().unwrap_or_default();
        let pod = spec.template.spec.unwrap_or_default();
        let args = pod.containers.first().and_then(|first| first.args.clone());
        GuardFacts {
            replicas: spec.replicas.unwrap_or(1),
            ready: ready(&found),
            version: version(&found),
            args: args.unwrap_or_default(),
        }
    }))
}

fn ready(deployment: &Deployment) -> i32 {
    let status = deployment.status.as_ref();
    status.and_then(|status| status.ready_replicas).unwrap_or(0)
}

/// As its first container's image is tagged, without a `v` before it; else as it is labelled.
fn version(deployment: &Deployment) -> String {
    let labelled = || {
        deployment
            .labels()
            .get("app.kubernetes.io/version")
            .cloned()
    };
    let tag = |image: &str| {
        let (name, _digest) = image.split_once('@').unwrap_or((image, ""));
        let (_, tag) = name.rsplit_once(':')?;
        (!tag.contains('/')).then(|| tag.to_owned())
    };
    let version = images(deployment)
        .find_map(|image| tag(&image))
        .or_else(labelled);
    version
        .unwrap_or_default()
        .trim_start_matches('v')
        .to_owned()
}

fn images(deployment: &Deployment) -> impl Iterator<Item = String> {
    let pod = deployment.spec.clone().and_then(|spec| spec.template.spec);
    let containers = pod.unwrap_or_default().containers.into_iter();
    containers.filter_map(|container| container.image)
}

/// The Deployments of ASO. Others' controllers are labelled alike.
async fn operators(client: &Client) -> Read<Vec<OperatorFacts>> {
    let api: Api<Deployment> = Api::all(client.clone());
    let params = ListParams::default().labels(MANAGERS);
    let found = call("deployments of ASO", api.list(&params)).await?;
    let of_aso = |one: &Deployment| {
        let label = one.labels().get("app.kubernetes.io/name");
        label.is_some_and(|name| name == "azure-service-operator")
            || images(one).any(|image| image.contains("azureserviceoperator"))
    };
    let found = found.items.into_iter().filter(of_aso);
    let operators = found.map(|one| OperatorFacts {
        namespace: one.namespace().unwrap_or_default(),
        version: version(&one),
        ready: ready(&one),
    });
    Ok(operators.collect())
}

async fn modes(client: &Client) -> Read<Vec<(String, String)>> {
    let api: Api<Namespace> = Api::all(client.clone());
    let params = ListParams::default().labels(MODE_LABEL);
    let found = call("namespaces", api.list_metadata(&params)).await?;
    let modes = found.items.into_iter().map(|one| {
        let mode = one.labels().get(MODE_LABEL).cloned().unwrap_or_default();
        (one.name_any(), mode)
    });
    Ok(modes.collect())
}

/// Where claims are kept: as was said, else as the guard is told.
fn hub(patient: &Patient, guard: Option<&GuardFacts>) -> Read<Hub> {
    if let Some(hub) = &patient.registry {
        return Ok(hub.clone());
    }
    match guard.and_then(|guard| guard.values("--registry").next()) {
        Some("kubernetes:") => Ok(Hub::in_cluster(
            patient.client.clone(),
            "kubernetes: in this cluster",
            &patient.kubectl_flags,
            false,
        )),
        Some(url) => Err(NotRead::Skipped(format!(
            "the guard keeps claims at {url}; say where that is from here: --registry URL"
        ))),
        None => Err(NotRead::Skipped(
            "it is not known where the guard keeps claims: --registry URL".to_owned(),
        )),
    }
}

async fn registered(hub: &Read<Hub>, now: Timestamp) -> Read<super::facts::RegistryFacts> {
    let hub = hub.as_ref().map_err(Clone::clone)?;
    let read = registry::read(&*hub.claims, &hub.place, now);
    match tokio::time::timeout(CALL_TIMEOUT, read).await {
        Ok(read) => read,
        Err(_) => Err(NotRead::Failed(format!(
            "{}: no answer within {CALL_TIMEOUT:?}",
            hub.place
        ))),
    }
}

async fn policies(hub: &Read<Hub>) -> Read<Vec<String>> {
    let hub = hub.as_ref().map_err(Clone::clone)?;
    if !hub.apart {
        let why = "the claims are in this cluster, where the guard alone writes them";
        return Err(NotRead::Skipped(why.to_owned()));
    }
    let Some(client) = &hub.client else {
        let why = "Blob Storage has no policies: what a member may write there, its role says";
        return Err(NotRead::Skipped(why.to_owned()));
    };
    registry::missing_policies(client).await
}
