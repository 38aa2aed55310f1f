//! `aso-guard webhook`.

mod delete;
mod registered;
mod test;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::admission::registration::{ByVerb, FailurePolicy, PATH, Registration, WebhookTarget};
use crate::arm::Kinds;

use super::Outcome;
use super::exempt::ExemptArgs;
use super::output::yaml;
use super::registry::CommandError;
use super::serve::read_path_file;
use registered::WebhookConfigArgs;

/// Where the webhook is, and what to do when it does not answer.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct WebhookArgs {
    #[command(subcommand)]
    action: Option<WebhookCommand>,
    /// The webhook's URL, such as https://127.0.0.1:8443/validate.
    #[arg(long, required_unless_present = "service", value_parser = url)]
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
enum WebhookCommand {
    /// Delete the registration, before the guard goes.
    Delete(WebhookConfigArgs),
    /// Call the guard as the API server would, and say whether it answers.
    Test(test::TestArgs),
}

/// A URL as API servers take it.
fn url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("{why}; write it as https://HOST:PORT/validate"));
    let Ok(parsed) = text.parse::<http::Uri>() else {
        return wrong("this is no URL");
    };
    if parsed.scheme_str() != Some("https") {
        return wrong("API servers call webhooks over https only");
    }
    match parsed.authority() {
        None => wrong("there is no host in it"),
        Some(authority) if authority.as_str().contains('@') => {
            wrong("API servers take no user in it")
        }
        Some(_) if parsed.query().is_some() || text.contains('#') => {
            wrong("API servers take nothing after the path")
        }
        Some(_) => Ok(text.to_owned()),
    }
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
    let done = match &args.action {
        None => print(args, out),
        Some(WebhookCommand::Delete(registered)) => delete::run(registered, out).await,
        Some(WebhookCommand::Test(args)) => test::run(args, out).await,
    };
    done.map_or_else(CommandError::report, |()| Outcome::Fine)
}

/// Prints the configuration, to be piped into `kubectl apply -f -`.
fn print(args: &WebhookArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let ca = if args.without_ca {
        None
    } else {
        Some(certificates(&args.ca_file).map_err(CommandError::Usage)?)
    };
    let secret = args.path_file.as_deref().map(read_path_file).transpose();
    let secret = secret.map_err(|error| CommandError::Usage(format!("--path-file: {error}")))?;
    let ends_in = |base: &str| match &secret {
        Some(secret) => secret.below(base),
        None => base.to_owned(),
    };
    let target = match (&args.service, &args.url) {
        (Some((namespace, name)), _) => WebhookTarget::Service {
            namespace: namespace.clone(),
            name: name.clone(),
            path: ends_in(PATH),
        },
        (None, url) => WebhookTarget::Url(ends_in(url.as_deref().unwrap_or_default())),
    };
    let kinds = Kinds::builtin();
    let registration = Registration {
        target,
        ca,
        groups: kinds.groups().collect(),
        on_failure: ByVerb {
            write: args.on_write_failure,
            delete: args.on_delete_failure,
        },
        timeout_seconds: ByVerb::both(args.timeout_seconds),
        exempt: args.exempt.exempt(),
    };
    yaml(&registration.configuration(), out)?;
    Ok(())
}

/// The certificates in a file, in PEM.
fn certificates(file: &Path) -> Result<Vec<u8>, String> {
    let path = file.display();
    let pem = std::fs::read(file).map_err(|error| {
        format!(
            "cannot read the CA {path}: {error}; make one with: aso-guard certs; or leave it to \
             `serve --tls-self-signed`, with --without-ca"
        )
    })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(pem),
        _ => Err(format!(
            "--ca-file: {path} is no certificate in PEM (-----BEGIN CERTIFICATE-----)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://127.0.0.1:8443/validate", true)]
    #[case("https://guard.example/validate", true)]
    #[case("http://guard.example/validate", false)]
    #[case("guard.example:8443", false)]
    #[case("https:///validate", false)]
    #[case("https://me@guard.example/validate", false)]
    #[case("https://guard.example/validate?x=1", false)]
    #[case("https://guard.example/a#b", false)]
    #[case("shop", false)]
    #[case("", false)]
    fn a_url_is_one_that_api_servers_take(#[case] text: &str, #[case] taken: bool) {
        assert_eq!(url(text).is_ok(), taken, "{:?}", url(text));
    }

    #[test]
    fn a_ca_is_in_pem() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in ["", "shop", key] {
            std::fs::write(&file, text).unwrap();
            let said = certificates(&file).unwrap_err();
            assert!(said.contains("is no certificate in PEM"), "{said}");
        }
        let said = certificates(directory.path()).unwrap_err();
        assert!(said.contains("cannot read the CA"), "{said}");
    }
}
