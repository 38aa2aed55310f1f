//! The part of `serve`'s flags that is about its certificate and its registration.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use rustls_pki_types::DnsName;

use crate::server::path::{NoPathSecret, PathSecret};
use crate::server::tls::{CertificateFiles, ReloadingCertificate, check_client_ca};
use crate::webhook_controller::{PathSource, SelfSigned, WebhookControllerSettings};

use crate::cli::problems::Problems;

/// Shorter than this, replicas would do little else than renew.
const SHORTEST: Duration = Duration::from_secs(10);

/// Where the serving certificate comes from.
#[derive(Args)]
pub(in crate::cli) struct TlsArgs {
    /// The serving certificate, in PEM; taken up again when it changes [default: certs/tls.pem]
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Its key, in PEM [default: certs/tls-key.pem]
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Make the serving certificate, share it between replicas in a Secret, renew it in time,
    /// and keep the webhook configuration's caBundle in step with it
    #[arg(long, env = "ASO_GUARD_TLS_SELF_SIGNED")]
    tls_self_signed: bool,
    /// The Secret of --tls-self-signed; without a namespace, in the guard's own
    #[arg(
        long,
        value_name = "[NAMESPACE/]NAME",
        default_value = "aso-guard-tls",
        env = "ASO_GUARD_TLS_SECRET"
    )]
    tls_secret: String,
    /// The Service in front of the guard, by whose names API servers call it; --tls-self-signed
    /// makes the certificate for them
    #[arg(long, value_name = "NAMESPACE/NAME", env = "ASO_GUARD_SERVICE")]
    service: Option<String>,
    /// Another DNS name or IP address for the certificate of --tls-self-signed; may be repeated
    #[arg(
        long,
        value_name = "HOST",
        env = "ASO_GUARD_TLS_NAME",
        value_delimiter = ','
    )]
    tls_name: Vec<String>,
    /// How long a certificate of --tls-self-signed is valid; it is renewed after two thirds
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2160h",
        env = "ASO_GUARD_TLS_LIFETIME"
    )]
    tls_lifetime: String,
    /// The ValidatingWebhookConfiguration whose API groups, and caBundle with --tls-self-signed,
    /// are kept in step
    #[arg(
        long,
        value_name = "NAME",
        default_value = "aso-guard",
        env = "ASO_GUARD_WEBHOOK_CONFIG"
    )]
    webhook_config: String,
    /// The ClusterRole with which a webhook configuration goes that the guard made again after
    /// somebody deleted it; without it, a deleted one is only shown
    #[arg(long, value_name = "CLUSTERROLE", env = "ASO_GUARD_WEBHOOK_OWNER")]
    webhook_owner: Option<String>,
    /// The Secret with the secret part of the webhook's path, which the guard fills where it is
    /// empty, and puts into the webhook configuration; with --tls-self-signed, it is in --tls-secret
    #[arg(long, value_name = "[NAMESPACE/]NAME", env = "ASO_GUARD_PATH_SECRET")]
    path_secret: Option<String>,
    /// A file with the secret part of the webhook's path, instead of --path-secret: the one that
    /// `aso-guard webhook --path-file` was given
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_PATH_FILE")]
    path_file: Option<PathBuf>,
    /// Take calls only from clients with a certificate from this CA
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_CLIENT_CA")]
    client_ca: Option<PathBuf>,
}

/// A checked [`TlsArgs`].
pub(super) struct Tls {
    pub(super) controller: WebhookControllerSettings,
    /// The certificate, where it comes from files.
    pub(super) files: Option<ReloadingCertificate>,
}

impl TlsArgs {
    pub(super) fn check(&self, problems: &mut Problems) -> Option<Tls> {
        let path = self.path(problems);
        let controller = |certificates| {
            Some(WebhookControllerSettings {
                configuration: self.webhook_config.clone(),
                owner: self.webhook_owner.clone(),
                path: path?,
                certificates,
            })
        };
        if self.tls_self_signed {
            let certificates = self.self_signed(problems)?;
            return Some(Tls {
                controller: controller(Some(certificates))?,
                files: None,
            });
        }
        let file = |given: &Option<PathBuf>, default| {
            given
                .clone()
                .unwrap_or_else(|| default_certificate(default))
        };
        let files = CertificateFiles {
            certificate: file(&self.tls_cert, "tls.pem"),
            key: file(&self.tls_key, "tls-key.pem"),
            client_ca: self.client_ca.clone(),
        };
        let loaded = problems.take("--tls-cert, --tls-key", ReloadingCertificate::load(files));
        Some(Tls {
            controller: controller(None)?,
            files: Some(loaded?),
        })
    }

    /// Where the secret part of the path comes from.
    fn path(&self, problems: &mut Problems) -> Option<PathSource> {
        let in_secret = |flag: &str, text: &str, problems: &mut Problems| {
            let (namespace, name) = problems.take(flag, secret(text))?;
            Some(PathSource::Secret { namespace, name })
        };
        if self.tls_self_signed {
            if self.path_secret.is_some() || self.path_file.is_some() {
                problems.add(
                    "--path-secret, --path-file: with --tls-self-signed, it is kept in \
                     --tls-secret",
                );
            }
            return in_secret("--tls-secret", &self.tls_secret, problems);
        }
        match (&self.path_secret, &self.path_file) {
            (None, None) => Some(PathSource::None),
            (Some(_), Some(_)) => problems.take(
                "--path-secret, --path-file",
                Err("the path is either kept or read: omit one of the two"),
            ),
            (Some(text), None) => in_secret("--path-secret", text, problems),
            (None, Some(file)) => {
                problems.take("--path-file", read_path_file(file))?;
                Some(PathSource::File(file.clone()))
            }
        }
    }

    fn self_signed(&self, problems: &mut Problems) -> Option<SelfSigned> {
        if self.tls_cert.is_some() || self.tls_key.is_some() {
            problems.add(
                "--tls-self-signed, --tls-cert: the certificate is either made or read: omit one \
                 of the two",
            );
        }
        let client_ca = self.client_ca.as_deref().map_or(Ok(()), check_client_ca);
        problems.take("--client-ca", client_ca);
        let names = self.names(problems);
        let lifetime = problems.duration("--tls-lifetime", &self.tls_lifetime);
        let lifetime = lifetime.and_then(|lifetime| {
            let long_enough = if lifetime < SHORTEST {
                Err(format!(
                    "{lifetime:?} is too short; {SHORTEST:?} is the least"
                ))
            } else {
                SignedDuration::try_from(lifetime).map_err(|error| error.to_string())
            };
            problems.take("--tls-lifetime", long_enough)
        });
        Some(SelfSigned {
            names: names?,
            lifetime: lifetime?,
            client_ca: self.client_ca.clone(),
        })
    }

    fn names(&self, problems: &mut Problems) -> Option<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for given in &self.tls_name {
            names.extend(problems.take("--tls-name", host(given)));
        }
        if let Some(service) = &self.service {
            names.extend(
                problems
                    .take("--service", of_service(service))
                    .into_iter()
                    .flatten(),
            );
        } else if self.tls_name.is_empty() {
            problems.add(
                "--tls-self-signed: nobody says by which name the API server calls: give \
                 --service NAMESPACE/NAME, or --tls-name",
            );
        }
        (!names.is_empty()).then_some(names)
    }
}

/// Where a file of the development certificates is by default.
fn default_certificate(name: &str) -> PathBuf {
    Path::new("certs").join(name)
}

/// Reads the secret part of a path.
pub(in crate::cli) fn read_path_file(path: &Path) -> Result<PathSecret, String> {
    let named = |error: &dyn Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    text.trim()
        .parse()
        .map_err(|error: NoPathSecret| named(&error))
}

fn secret(text: &str) -> Result<(Option<String>, String), String> {
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, text),
    };
    let wrong = name.is_empty() || name.contains('/') || namespace.is_some_and(str::is_empty);
    if wrong {
        return Err(format!(
            "{text:?} is no Secret; write it like NAMESPACE/NAME"
        ));
    }
    Ok((namespace.map(str::to_owned), name.to_owned()))
}

/// A name or an address, in its one spelling.
fn host(text: &str) -> Result<String, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    match DnsName::try_from(text) {
        Ok(name) => Ok(name.to_lowercase_owned().as_ref().to_owned()),
        Err(_) => Err(format!("{text:?} is neither a DNS name nor an IP address")),
    }
}

/// The names of a Service inside its cluster; API servers use the first.
fn of_service(text: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{text:?} is no Service; write it like NAMESPACE/NAME");
    let (namespace, name) = text.split_once('/').ok_or_else(wrong)?;
    if namespace.is_empty() || name.is_empty() || name.contains('/') {
        return Err(wrong());
    }
    let all = ["svc", "svc.cluster.local"].map(|end| host(&format!("{name}.{namespace}.{end}")));
    all.into_iter()
        .collect::<Result<_, _>>()
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        tls: TlsArgs,
    }

    fn check(args: &[&str]) -> Result<Tls, String> {
        let args = ["serve"].iter().chain(args);
        let cli = Cli::try_parse_from(args).map_err(|error| error.to_string())?;
        let mut problems = Problems::default();
        let tls = cli.tls.check(&mut problems);
        match tls {
            Some(tls) if problems.is_empty() => Ok(tls),
            _ => Err(problems.to_string()),
        }
    }

    #[test]
    fn a_service_gives_the_names_by_which_it_is_called() {
        let tls = check(&[
            "--tls-self-signed",
            "--service=aso-guard-system/aso-guard",
            "--tls-name=127.0.0.1,Guard.example",
        ]);
        let controller = tls.unwrap().controller;
        let certificates = controller.certificates.unwrap();
        let names: Vec<&str> = certificates.names.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "127.0.0.1",
                "aso-guard.aso-guard-system.svc",
                "aso-guard.aso-guard-system.svc.cluster.local",
                "guard.example",
            ]
        );
        assert_eq!(controller.path, in_secret(None, "aso-guard-tls"));
        assert_eq!(certificates.lifetime, SignedDuration::from_hours(90 * 24));
    }

    #[test]
    fn the_secret_may_be_in_another_namespace() {
        let args = ["--tls-self-signed", "--tls-name=x", "--tls-secret=ns/name"];
        let controller = check(&args).unwrap().controller;
        assert_eq!(controller.path, in_secret(Some("ns"), "name"));
    }

    fn in_secret(namespace: Option<&str>, name: &str) -> PathSource {
        PathSource::Secret {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let problems = check(&[
            "--tls-self-signed",
            "--tls-cert=tls.pem",
            "--tls-secret=a/b/c",
            "--service=guard",
            "--tls-name=not a name",
            "--tls-lifetime=1s",
            "--client-ca=/nowhere",
            "--path-file=/nowhere",
        ]);
        let problems = problems.err().unwrap();
        for expected in [
            "--tls-self-signed, --tls-cert: ",
            "--tls-secret: \"a/b/c\" is no Secret",
            "--service: \"guard\" is no Service",
            "--tls-name: \"not a name\" is neither",
            "--tls-lifetime: 1s is too short",
            "--client-ca: cannot read the client CA /nowhere",
            "--path-secret, --path-file: with --tls-self-signed",
        ] {
            assert!(
                problems.contains(expected),
                "{expected} is not in:\n{problems}"
            );
        }
        let nameless = check(&["--tls-self-signed"]).err().unwrap();
        assert!(
            nameless.contains("give --service NAMESPACE/NAME"),
            "{nameless}"
        );
    }
}
