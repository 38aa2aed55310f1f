//! `aso-guard webhook delete`: the first step of taking the guard away.

use std::io::Write;
use std::time::Duration;

use kube::api::DeleteParams;

use super::registered::WebhookConfigArgs;
use crate::cli::registry::CommandError;
use crate::object::text::quoted;

/// Every API server watches its configurations, and notices within a second or so.
const NOTICED: Duration = Duration::from_secs(5);

/// Deletes the registration, and waits until no API server calls the guard any more.
pub(super) async fn run(
    args: &WebhookConfigArgs,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let name = &args.name;
    let (api, server) = args.api().await?;
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => {
            tokio::time::sleep(NOTICED).await;
            writeln!(
                out,
                "webhook configuration {name}: deleted; API servers no longer ask the guard"
            )?;
        }
        Err(kube::Error::Api(status)) if status.code == 404 => {
            writeln!(out, "webhook configuration {name}: not there")?;
        }
        Err(error) => {
            let words = format!(
                "cannot delete the webhook configuration {name} at {server}; while it is there and no guard \
                 answers, changes to ASO's objects may be refused. By hand:\n  \
                 kubectl delete validatingwebhookconfiguration {}\n ",
                quoted(name)
            );
            return Err(anyhow::Error::new(error).context(words).into());
        }
    }
    Ok(())
}
