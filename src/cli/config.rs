//! What `serve` was told, checked as a whole: every problem is told at once.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::admission::{Mode, OnUnresolved, Settings};
use crate::claim::MemberName;
use crate::cluster::kube::CredentialSettings;
use crate::registry::RegistryUrl;

use super::serve::ServeArgs;
use super::tls::Tls;

/// A checked configuration of `serve`.
pub(super) struct Config {
    pub(super) member: MemberName,
    pub(super) registry: RegistryUrl,
    /// How to reach the registry, where it is in another API server.
    pub(super) hub: Option<kube::Config>,
    pub(super) cluster: kube::Config,
    pub(super) settings: Settings,
    pub(super) credentials: CredentialSettings,
    pub(super) listen: SocketAddr,
    pub(super) ops_listen: SocketAddr,
    pub(super) notice: Duration,
    pub(super) tls: Tls,
}

/// What is wrong with a configuration, a line each.
#[derive(Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take<T, E: Display>(&mut self, flag: &str, value: Result<T, E>) -> Option<T> {
        value
            .map_err(|error| self.0.push(format!("{flag}: {error}")))
            .ok()
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, flag: &str, text: &str) -> Option<T> {
        self.take(flag, text.parse())
    }

    fn choose<T: ValueEnum>(&mut self, flag: &str, text: &str) -> Option<T> {
        let value = T::from_str(text, true).map_err(|_| {
            let values = T::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
            format!("{text:?} is none of {}", names.join(", "))
        });
        self.take(flag, value)
    }

    pub(super) fn duration(&mut self, flag: &str, text: &str) -> Option<Duration> {
        let parsed = text.parse::<jiff::SignedDuration>();
        let duration = parsed
            .map_err(|_| ())
            .and_then(|duration| Duration::try_from(duration).map_err(|_| ()))
            .map_err(|()| format!("{text:?} is no length of time; write it like 90s or 2m"));
        self.take(flag, duration)
    }
}

/// Every problem, each on a line of its own.
impl Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|problem| writeln!(f, "  {problem}"))
    }
}

impl Config {
    /// Checks all of it.
    ///
    /// # Errors
    /// All that is wrong.
    pub(super) async fn check(args: &ServeArgs) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let member = problems.parse("--cluster", &args.cluster);
        let registry: Option<RegistryUrl> = problems.parse("--registry", &args.registry);
        let mode: Option<Mode> = problems.choose("--mode", &args.mode);
        let on_unresolved: Option<OnUnresolved> =
            problems.choose("--on-unresolved", &args.on_unresolved);
        let claim_deadline = problems.duration("--claim-deadline", &args.claim_deadline);
        let notice = problems.duration("--shutdown-notice", &args.shutdown_notice);
        let listen = address(&mut problems, "--listen", &args.listen);
        let ops_listen = address(&mut problems, "--ops-listen", &args.ops_listen);
        let cluster = problems.take(
            "--kubeconfig",
            client_config(args.kubeconfig.as_deref(), None).await,
        );
        let hub = match &registry {
            Some(RegistryUrl::Kubernetes {
                kubeconfig,
                context,
            }) if kubeconfig.is_some() || context.is_some() => {
                let path = kubeconfig.as_deref().or(args.kubeconfig.as_deref());
                problems.take("--registry", client_config(path, context.as_deref()).await)
            }
            _ => None,
        };
        let tls = args.tls.check(&mut problems);
        let checked = (|| {
            Some(Self {
                member: member?,
                registry: registry?,
                hub,
                cluster: cluster?,
                settings: Settings {
                    mode: mode?,
                    on_unresolved: on_unresolved?,
                    claim_deadline: claim_deadline?,
                },
                credentials: CredentialSettings {
                    aso_namespace: args.aso_namespace.clone(),
                    subscription: args.subscription.clone(),
                },
                listen: listen?,
                ops_listen: ops_listen?,
                notice: notice?,
                tls: tls?,
            })
        })();
        match checked {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }
}

fn address(problems: &mut Problems, flag: &str, text: &str) -> Option<SocketAddr> {
    let parsed = text
        .parse()
        .map_err(|_| format!("{text:?} is no address; write it like 0.0.0.0:8443"));
    problems.take(flag, parsed)
}

/// How to reach an API server: from a file, else the way kubectl or a pod would.
/// No call is repeated by the client itself: a call has one deadline, and every
/// failure a name.
pub(super) async fn client_config(
    path: Option<&Path>,
    context: Option<&str>,
) -> Result<kube::Config, String> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let read = match path {
        Some(path) => {
            let named = |error: &dyn Display| format!("{}: {error}", path.display());
            let file = Kubeconfig::read_from(path).map_err(|error| named(&error))?;
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| named(&error))
        }
        None if context.is_some() => kube::Config::from_kubeconfig(&options)
            .await
            .map_err(|error| error.to_string()),
        None => kube::Config::infer().await.map_err(|error| {
            format!("not given, and this is neither a pod nor has it a kubeconfig: {error}")
        }),
    };
    let mut config = read?;
    config.default_retry = false;
    Ok(config)
}

/// Where a file of the development certificates is by default.
pub(super) fn default_certificate(name: &str) -> PathBuf {
    Path::new("certs").join(name)
}
