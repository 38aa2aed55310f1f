//! A call of the webhook: as an API server makes it, or by an API server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::Client;
use kube::client::Body;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::facts::{CallFacts, NotRead, Read};
use super::webhook_call;
use crate::admission::registration::{MODE_WEBHOOK, target_url, without_secret};
use crate::object::MODE_LABEL;

/// An API server waits ten seconds, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// An API server may wait longer for another webhook.
const DRY_RUN: Duration = Duration::from_secs(30);

/// Asks the guard, wherever the webhooks lead, each place once, about a resource group that
/// nobody has, as a dry run: it looks into the registry, and writes nothing. With `connect`, at
/// that address, whatever name the registration has. Gives a line for each place.
///
/// # Errors
/// The guard does not answer, is not trusted, or cannot tell.
pub async fn direct(
    configuration: &ValidatingWebhookConfiguration,
    connect: Option<SocketAddr>,
) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for (url, target) in targets(configuration)? {
        let shown = without_secret(&url);
        let answer = ask(&url, target, connect).await.with_context(|| {
            format!("the API server is told to call {shown}, which does not answer as it should")
        })?;
        lines.push(format!("{shown}: {}", judged(&answer)?));
    }
    Ok(lines)
}

/// Has the API server ask the guard: about a namespace with a mode that is none, as a dry run,
/// which the guard has a word on, whatever its answer.
pub async fn by_api_server(client: &Client) -> Read<CallFacts> {
    let name = format!("aso-guard-doctor-{}", Uuid::new_v4());
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {MODE_LABEL: "doctor"}},
    });
    let request = Request::post("/api/v1/namespaces?dryRun=All")
        .header("content-type", "application/json")
        .body(Body::from(namespace.to_string().into_bytes()))
        .map_err(|error| NotRead::Failed(error.to_string()))?;
    let asked = async {
        let answer = client.send(request).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        anyhow::Ok((head, body))
    };
    let (head, body) = match tokio::time::timeout(DRY_RUN, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(NotRead::Failed(format!("{error:#}"))),
        Err(_) => return Err(NotRead::Failed(format!("no answer within {DRY_RUN:?}"))),
    };
    let status: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = status["message"].as_str().unwrap_or_default();
    what_it_means(head.status.as_u16(), &head.headers, message)
}

/// What an API server's answer says of the guard.
fn what_it_means(status: u16, headers: &HeaderMap, message: &str) -> Read<CallFacts> {
    let warnings = headers.get_all("warning").into_iter();
    let warned = warnings
        .filter_map(|one| one.to_str().ok())
        .any(|one| one.contains(MODE_LABEL));
    let answered = || {
        Ok(CallFacts::Answered(
            "the API server asked, and the guard answered".to_owned(),
        ))
    };
    match status {
        _ if warned => answered(),
        _ if message.contains("failed calling webhook") && message.contains(MODE_WEBHOOK) => {
            Ok(CallFacts::Failed(message.to_owned()))
        }
        _ if message.contains(MODE_WEBHOOK) => answered(),
        200..300 => Ok(CallFacts::NotAsked),
        401 | 403 => Err(NotRead::Skipped(format!(
            "you may not create namespaces, not even as a dry run: {message}"
        ))),
        _ => Err(NotRead::Failed(format!(
            "the API server said {status}: {message}"
        ))),
    }
}

/// Where the webhooks are, each place once.
fn targets(
    configuration: &ValidatingWebhookConfiguration,
) -> anyhow::Result<BTreeMap<String, &WebhookClientConfig>> {
    let webhooks = configuration.webhooks.as_deref().unwrap_or_default();
    ensure!(!webhooks.is_empty(), "the webhook configuration is empty");
    let targets = webhooks.iter().map(|webhook| {
        let target = &webhook.client_config;
        (target_url(target), target)
    });
    Ok(targets.collect())
}

/// The guard's answer to one review.
async fn ask(
    url: &str,
    target: &WebhookClientConfig,
    connect: Option<SocketAddr>,
) -> anyhow::Result<Value> {
    let pem = target.ca_bundle.clone().unwrap_or_default().0;
    let roots: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .context("its caBundle is not PEM")?;
    ensure!(
        !roots.is_empty(),
        "its caBundle is empty, so the API server trusts no certificate. Whoever makes the \
         certificate puts it in: is the guard, or cert-manager's cainjector, running?"
    );
    let url: http::Uri = url.parse().context("its URL is none")?;
    let authority = match connect {
        Some(address) => address.to_string(),
        None => url.authority().context("its URL has no host")?.to_string(),
    };
    let review = review();
    let answer = webhook_call::post(&url, &authority, roots, &review);
    tokio::time::timeout(PATIENCE, answer)
        .await
        .with_context(|| format!("no answer within {PATIENCE:?}"))?
}

/// The creation of a resource group that nobody has, as a dry run.
fn review() -> Value {
    let name = format!("aso-guard-test-{}", Uuid::new_v4());
    let (group, version) = ("resources.azure.com", "v1api20200601");
    let kind = json!({"group": group, "version": version, "kind": "ResourceGroup"});
    let resource = json!({"group": group, "version": version, "resource": "resourcegroups"});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": Uuid::new_v4().to_string(),
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": name,
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "aso-guard"},
            "dryRun": true,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
            "oldObject": null,
            "object": {
                "apiVersion": format!("{group}/{version}"),
                "kind": "ResourceGroup",
                "metadata": {"name": name, "namespace": "default", "uid": Uuid::new_v4().to_string()},
                "spec": {"azureName": name, "location": "westeurope"},
            },
        },
    })
}

/// What an answer means for whoever asked whether the guard works.
fn judged(answer: &Value) -> anyhow::Result<String> {
    let response = &answer["response"];
    let warnings = response["warnings"].as_array().into_iter().flatten();
    let warnings: Vec<&str> = warnings.filter_map(Value::as_str).collect();
    let said = response["status"]["message"].as_str().unwrap_or_default();
    match (
        response["allowed"].as_bool(),
        response["status"]["code"].as_u64(),
    ) {
        (Some(true), _) if warnings.is_empty() => Ok("the guard answers".to_owned()),
        (Some(true), _) => Ok(format!(
            "the guard answers, and warns: {}",
            warnings.join(" ")
        )),
        (Some(false), Some(503)) => bail!("the guard answers, but cannot tell: {said}"),
        (Some(false), _) => Ok(format!("the guard answers, and refuses: {said}")),
        (None, _) => bail!("this is no answer of a guard: {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "its caBundle is empty")]
    #[case("-----BEGIN CERTIFICATE-----\n!", "its caBundle is not PEM")]
    #[tokio::test]
    async fn without_a_ca_it_says_that_nobody_is_trusted(#[case] ca: &str, #[case] said: &str) {
        let target = WebhookClientConfig {
            ca_bundle: Some(ByteString(ca.into())),
            ..WebhookClientConfig::default()
        };
        let error = ask("https://127.0.0.1:1/validate", &target, None)
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains(said), "{error:#}");
    }

    #[rstest]
    #[case(json!({"response": {"allowed": true}}), Ok("the guard answers"))]
    #[case(
        json!({"response": {"allowed": true, "warnings": ["no credential"]}}),
        Ok("the guard answers, and warns: no credential")
    )]
    #[case(
        json!({"response": {"allowed": false, "status": {"code": 403, "message": "no"}}}),
        Ok("the guard answers, and refuses: no")
    )]
    #[case(
        json!({"response": {"allowed": false, "status": {"code": 503, "message": "the hub is away"}}}),
        Err("the guard answers, but cannot tell: the hub is away")
    )]
    #[case(json!({"kind": "Status"}), Err("this is no answer of a guard: {\"kind\":\"Status\"}"))]
    fn only_what_it_cannot_tell_is_a_failure(
        #[case] answer: Value,
        #[case] expected: Result<&str, &str>,
    ) {
        let judged = judged(&answer).map_err(|error| error.to_string());
        assert_eq!(judged.as_deref().map_err(String::as_str), expected);
    }

    #[rstest]
    #[case::warned(201, "299 - \"asoguard.io/mode: doctor is no mode\"", "", "answered")]
    #[case::refused(
        403,
        "",
        "admission webhook \"mode.asoguard.io\" denied the request: no",
        "answered"
    )]
    #[case::ignored(201, "", "", "not asked")]
    #[case::by_others(201, "299 - \"another word\"", "", "not asked")]
    #[case::not_there(
        500,
        "",
        "Internal error occurred: failed calling webhook \"mode.asoguard.io\": connection refused",
        "failed"
    )]
    #[case::another_webhook(
        500,
        "",
        "Internal error occurred: failed calling webhook \"other.example.com\"",
        "unknown"
    )]
    #[case::no_right(403, "", "namespaces is forbidden", "skipped")]
    #[case::gone(503, "", "", "unknown")]
    fn what_an_api_server_says_of_the_guard(
        #[case] status: u16,
        #[case] warning: &str,
        #[case] message: &str,
        #[case] expected: &str,
    ) {
        let mut headers = HeaderMap::new();
        if !warning.is_empty() {
            headers.insert("warning", warning.parse().unwrap());
        }
        let found = match what_it_means(status, &headers, message) {
            Ok(CallFacts::Answered(_)) => "answered",
            Ok(CallFacts::NotAsked) => "not asked",
            Ok(CallFacts::Failed(_)) => "failed",
            Err(NotRead::Skipped(_)) => "skipped",
            Err(NotRead::Failed(_)) => "unknown",
        };
        assert_eq!(found, expected);
    }
}
