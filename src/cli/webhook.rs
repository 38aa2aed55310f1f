//! `aso-guard webhook`.

mod call;
mod coverage;
mod delete;
mod registered;
mod test;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::admission::registration::{FailurePolicy, PATH, Registration, Target};
use crate::arm::Kinds;

use super::Outcome;
use super::config::ExemptArgs;
use super::tls::read_path_file;
use registered::Registered;

/// Where the webhook is, and what to do when it does not answer.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct WebhookArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// The webhook's URL, such as https://127.0.0.1:8443/validate.
    #[arg(long, required_unless_present = "service")]
    url: Option<String>,
    /// The Service in front of the webhook, as NAMESPACE/NAME, instead of a URL.
    #[arg(long, conflicts_with = "url", value_parser = service)]
    service: Option<(String, String)>,
    /// A file with the secret part of the webhook's path, where `serve --path-file` has it too;
    /// a guard with --path-secret or --tls-self-signed puts it in itself.
    #[arg(long, value_name = "FILE")]
    path_file: Option<PathBuf>,
    /// The CA that the webhook's certificate is from.
    #[arg(long, value_name = "FILE", default_value = "certs/ca.pem")]
    ca_file: PathBuf,
    /// Leave the CA out: a guard with --tls-self-signed puts it in, or cert-manager.
    #[arg(long, conflicts_with = "ca_file")]
    without_ca: bool,
    /// What happens to creates and updates when the webhook does not answer.
    #[arg(long, value_enum, ignore_case = true, default_value = "fail")]
    on_write_failure: FailurePolicy,
    /// What happens to deletes when the webhook does not answer.
    #[arg(long, value_enum, ignore_case = true, default_value = "fail")]
    on_delete_failure: FailurePolicy,
    /// How long the API server waits for an answer, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=30))]
    timeout_seconds: u8,
    #[command(flatten)]
    exempt: ExemptArgs,
}

/// What to do with a registration that is there.
#[derive(Subcommand)]
enum Action {
    /// Delete the registration, before the guard goes.
    Delete(Registered),
    /// Call the guard as the API server would, and say whether it answers.
    Test(test::TestArgs),
}

fn service(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write it as NAMESPACE/NAME".to_owned()),
    }
}

/// Prints the configuration, or does something about the one that is there.
pub(super) async fn run(args: &WebhookArgs, out: &mut impl Write) -> Outcome {
    let (done, failed) = match &args.action {
        None => (print(args, out), Outcome::Usage),
        Some(Action::Delete(registered)) => (delete::run(registered, out).await, Outcome::Failed),
        Some(Action::Test(args)) => (test::run(args, out).await, Outcome::Failed),
    };
    match done {
        Ok(()) => Outcome::Fine,
        Err(error) => {
            eprintln!("aso-guard: {error:#}");
            failed
        }
    }
}

/// Prints the configuration, to be piped into `kubectl apply -f -`.
fn print(args: &WebhookArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let ca = if args.without_ca {
        None
    } else {
        Some(std::fs::read(&args.ca_file).with_context(|| {
            format!(
                "cannot read the CA {}; make one with: aso-guard certs; or leave it to \
                 `serve --tls-self-signed`, with --without-ca",
                args.ca_file.display()
            )
        })?)
    };
    let secret = args.path_file.as_deref().map(read_path_file).transpose();
    let secret = secret.map_err(anyhow::Error::msg).context("--path-file")?;
    let ends_in = |base: &str| match &secret {
        Some(secret) => secret.below(base),
        None => base.to_owned(),
    };
    let target = match (&args.service, &args.url) {
        (Some((namespace, name)), _) => Target::Service {
            namespace: namespace.clone(),
            name: name.clone(),
            path: ends_in(PATH),
        },
        (None, url) => Target::Url(ends_in(url.as_deref().unwrap_or_default())),
    };
    let kinds = Kinds::builtin();
    let registration = Registration {
        target,
        ca,
        groups: kinds.groups().collect(),
        on_write_failure: args.on_write_failure,
        on_delete_failure: args.on_delete_failure,
        timeout_seconds: args.timeout_seconds,
        exempt: args.exempt.exempt(),
    };
    write!(
        out,
        "{}",
        serde_yaml::to_string(&registration.configuration())?
    )?;
    Ok(())
}
