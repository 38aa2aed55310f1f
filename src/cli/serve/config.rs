//! What `serve` was told, checked as a whole: every problem is told at once.

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;

use crate::admission::{GuardSettings, Mode, OnUnresolved, Overrides, Privileges};
use crate::claim::MemberName;
use crate::cli::client::client_config;
use crate::cli::problems::Problems;
use crate::cluster::kube::CredentialSettings;
use crate::registry::RegistryUrl;

use super::args::ServeArgs;
use super::hub::{hub, hub_context};
use super::next_place::NextPlace;
use super::shards::ShardPlaces;
use super::tls::Tls;

/// A checked configuration of `serve`.
pub(super) struct Config {
    pub(super) member: MemberName,
    pub(super) registry: RegistryUrl,
    /// How to reach the registry, where it is in another API server.
    pub(super) hub: Option<kube::Config>,
    /// Where the registry's shards are, where it has several.
    pub(super) shards: Option<ShardPlaces>,
    /// The registry that the fleet moves to.
    pub(super) next: Option<NextPlace>,
    /// What people's kubeconfigs call the registry's cluster.
    pub(super) hub_context: String,
    pub(super) cluster: kube::Config,
    pub(super) settings: GuardSettings,
    pub(super) privileges: Privileges,
    pub(super) on_conflict: OnConflict,
    pub(super) protection: ProtectionChoice,
    /// How long all copies of a resource may be parked before that is told.
    pub(super) orphaned_after: Duration,
    pub(super) credentials: CredentialSettings,
    pub(super) listen: SocketAddr,
    pub(super) ops_listen: SocketAddr,
    pub(super) notice: Duration,
    pub(super) tls: Tls,
}

/// What to do when two copies of a resource are live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnConflict {
    /// Tell those who own them.
    Show,
    /// Park the one that came on top of the other, too.
    Park,
}

/// What protects while no guard answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProtectionChoice {
    /// The API server refuses what it cannot ask about.
    Strict,
    /// Policies of the API server, by what the guard wrote down.
    Available,
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
        let privileges = privileges(&mut problems, args);
        let claim_deadline = problems.duration("--claim-deadline", &args.claim_deadline);
        let on_conflict: Option<OnConflict> = problems.choose("--on-conflict", &args.on_conflict);
        let protection: Option<ProtectionChoice> =
            problems.choose("--protection", &args.protection);
        let orphaned_after = problems.duration("--orphaned-after", &args.orphaned_after);
        let notice = problems.duration("--shutdown-notice", &args.shutdown_notice);
        let listen = address(&mut problems, "--listen", &args.listen);
        let ops_listen = address(&mut problems, "--ops-listen", &args.ops_listen);
        let path = args.kubeconfig.as_deref();
        let cluster = problems.take("--kubeconfig", client_config(path, None).await);
        let hub = hub(&mut problems, path, registry.as_ref()).await;
        let is_available = protection == Some(ProtectionChoice::Available);
        let place = (path, registry.as_ref());
        let shards = ShardPlaces::read(&mut problems, place, is_available).await;
        let next = (args.next_registry.as_deref(), is_available);
        let next = NextPlace::read(&mut problems, place, next).await;
        let tls = args.tls.check(&mut problems);
        let checked = (|| {
            let (member, registry): (MemberName, _) = (member?, registry?);
            Some(Self {
                hub_context: hub_context(args.hub_context.as_deref(), &registry, &member),
                member,
                registry,
                hub,
                shards,
                next,
                cluster: cluster?,
                settings: GuardSettings {
                    mode: mode?,
                    on_unresolved: on_unresolved?,
                    claim_deadline: claim_deadline?,
                },
                privileges: privileges?,
                on_conflict: on_conflict?,
                protection: protection?,
                orphaned_after: orphaned_after?,
                credentials: CredentialSettings {
                    operators: args.aso_namespace.as_slice().into(),
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

fn privileges(problems: &mut Problems, args: &ServeArgs) -> Option<Privileges> {
    let groups = args.override_groups.clone();
    let overrides = match (&*args.overrides, groups.is_empty()) {
        ("on", true) => Ok(Overrides::Everybody),
        ("on", false) => Ok(Overrides::Groups(groups)),
        ("off", true) => Ok(Overrides::Off),
        ("off", false) => {
            Err("off leaves nothing to --override-groups; give one of the two".to_owned())
        }
        (other, _) => Err(format!("{other:?} is none of on, off")),
    };
    let overrides = problems.take("--override", overrides);
    for (flag, texts) in [
        ("--override-groups", &args.override_groups),
        ("--mode-groups", &args.mode_groups),
        ("--exempt-namespace", &args.exempt.namespaces),
        ("--exempt-user", &args.exempt.users),
        ("--exempt-group", &args.exempt.groups),
    ] {
        if texts.iter().any(|text| text.trim().is_empty()) {
            problems.add(format!("{flag}: one of them is empty"));
        }
    }
    Some(Privileges {
        overrides: overrides?,
        mode_groups: args.mode_groups.clone(),
        exempt: args.exempt.exempt(),
    })
}

fn address(problems: &mut Problems, flag: &str, text: &str) -> Option<SocketAddr> {
    let parsed = text
        .parse()
        .map_err(|_| format!("{text:?} is no address; write it like 0.0.0.0:8443"));
    problems.take(flag, parsed)
}
