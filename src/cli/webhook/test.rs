//! `aso-guard webhook test`: calls the guard as the API server would, by its registration.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::Api;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call;
use super::coverage::gaps;
use super::registered::WebhookConfigArgs;
use crate::admission::registration::PATH;
use crate::cli::registry::CommandError;

/// An API server waits ten seconds, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which registration, and where its guard is.
#[derive(Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    registered: WebhookConfigArgs,
    /// Connect to this address, whatever name the registration has, such as that of a
    /// `kubectl port-forward`; the certificate is checked by the name.
    #[arg(long, value_name = "ADDRESS", env = "ASO_GUARD_CONNECT")]
    connect: Option<SocketAddr>,
    /// That API servers let things through while no guard answers (failurePolicy Ignore) is
    /// meant, as in audit mode.
    #[arg(long)]
    may_ignore: bool,
}

/// Asks about a resource group that nobody has, as a dry run: the guard looks into the registry,
/// and writes nothing. Fails where the guard does not answer, is not trusted, or cannot tell, and
/// where API servers do not ask it about everything.
pub(super) async fn run(args: &TestArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let (api, server) = args.registered.api().await?;
    Ok(test(args, &api, &server, out).await?)
}

async fn test(
    args: &TestArgs,
    api: &Api<ValidatingWebhookConfiguration>,
    server: &str,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let name = &args.registered.name;
    let stored = api.get_opt(name).await;
    let stored = stored
        .with_context(|| format!("cannot read the webhook configuration {name} at {server}"))?;
    let stored = stored.with_context(|| {
        format!(
            "there is no webhook configuration {name}: the API server asks no guard. The Helm \
             chart makes it; without it: aso-guard webhook --service … | kubectl apply -f -"
        )
    })?;
    for (url, target) in targets(&stored)? {
        let address = without_secret(&url);
        let answer = ask(&url, target, args.connect).await.with_context(|| {
            format!("the API server is told to call {address}, which does not answer as it should")
        })?;
        writeln!(out, "{address}: {}", judged(&answer)?)?;
    }
    let gaps = gaps(&stored, args.may_ignore);
    ensure!(
        gaps.is_empty(),
        "but API servers do not ask it about everything:\n  {}\n`helm upgrade` brings the webhook \
         configuration {name} back, or `aso-guard webhook … | kubectl apply -f -`",
        gaps.join("\n  ")
    );
    Ok(())
}

/// A URL as it may be shown.
fn without_secret(url: &str) -> String {
    match url.rsplit_once(PATH) {
        Some((before, end)) if end.starts_with('/') => format!("{before}{PATH}/…"),
        _ => url.to_owned(),
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
        (url_of(target), target)
    });
    Ok(targets.collect())
}

/// The URL by which an API server calls.
fn url_of(target: &WebhookClientConfig) -> String {
    if let Some(url) = &target.url {
        return url.clone();
    }
    let service = target.service.clone().unwrap_or_default();
    let (name, namespace) = (service.name, service.namespace);
    let port = service.port.unwrap_or(443);
    let path = service.path.unwrap_or_default();
    format!("https://{name}.{namespace}.svc:{port}{path}")
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
    let answer = call::post(&url, &authority, roots, &review);
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
            "userInfo": {"username": "aso-guard webhook test"},
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
    use k8s_openapi::api::admissionregistration::v1::ServiceReference;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_service_is_called_by_its_name_in_the_cluster() {
        let target = WebhookClientConfig {
            service: Some(ServiceReference {
                namespace: "aso-guard".to_owned(),
                name: "guard".to_owned(),
                path: Some("/validate".to_owned()),
                port: None,
            }),
            ..WebhookClientConfig::default()
        };
        let url = "https://guard.aso-guard.svc:443/validate";
        assert_eq!(url_of(&target), url);
    }

    #[rstest]
    #[case("https://a.b.svc:443/validate", "https://a.b.svc:443/validate")]
    #[case(
        "https://a.b.svc:443/validate/0123456789",
        "https://a.b.svc:443/validate/…"
    )]
    fn the_secret_part_of_a_path_is_not_shown(#[case] url: &str, #[case] address: &str) {
        assert_eq!(without_secret(url), address);
    }

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
}
