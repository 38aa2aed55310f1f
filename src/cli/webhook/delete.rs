//! `aso-guard webhook delete`: the first step of taking the guard away.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::registered::WebhookConfigArgs;
use crate::admission::registration::UNMANAGED_ANNOTATION;
use crate::cli::registry::CommandError;
use crate::object::text::quoted;

/// Guards watch their configuration, and hear within a second that it is to go.
const HEARD: Duration = Duration::from_secs(2);
/// Every API server watches its configurations, and notices within a second or so. A guard that
/// did not hear would have made it again by then.
const NOTICED: Duration = Duration::from_secs(8);
/// A guard takes a second deletion for meant, whatever it heard.
const ATTEMPTS: u32 = 3;

/// Deletes the registration, and waits until no API server calls the guard any more.
pub(super) async fn run(
    args: &WebhookConfigArgs,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let name = &args.name;
    let (api, server) = args.api().await?;
    match delete(&api, name).await {
        Ok(true) => writeln!(
            out,
            "webhook configuration {name}: deleted; API servers no longer ask the guard"
        )?,
        Ok(false) => writeln!(out, "webhook configuration {name}: not there")?,
        Err(error) => {
            let words = format!(
                "cannot delete the webhook configuration {name} at {server}; while it is there and no guard \
                 answers, changes to ASO's objects may be refused. By hand:\n  \
                 kubectl delete validatingwebhookconfiguration {}\n ",
                quoted(name)
            );
            return Err(error.context(words).into());
        }
    }
    Ok(())
}

/// Tells guards not to make it again, and deletes it. `false`: it was not there.
async fn delete(api: &Api<ValidatingWebhookConfiguration>, name: &str) -> anyhow::Result<bool> {
    let reason =
        json!({"metadata": {"annotations": {UNMANAGED_ANNOTATION: "it is being deleted"}}});
    let params = PatchParams::default();
    for attempt in 1..=ATTEMPTS {
        // Where that is not allowed, the second attempt does.
        let patch = Patch::Merge(&reason);
        if api.patch_metadata(name, &params, &patch).await.is_ok() {
            tokio::time::sleep(HEARD).await;
        }
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(attempt > 1),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(NOTICED).await;
        match api.get_metadata(name).await {
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(true),
            // Whoever may not read it cannot be told.
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(true),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("somebody makes it again, {ATTEMPTS} times now")
}
