//! The part of `serve` that writes down what is protected while no guard answers.

use std::sync::Arc;

use kube::Client;

use crate::admission::{Overrides, Privileges};
use crate::cluster::enrolment::RegistryEpoch;
use crate::cluster::kube::KubeCluster;
use crate::cluster::kube::protections::{KubeProtections, ProtectionSettings};
use crate::cluster::observer::Observer;
use crate::cluster::protections::{DirtyNamespaces, ProtectionController, ProtectionsState};
use crate::registry::{FollowClaims, Registry};

use super::config::Config;

/// What it is made of besides.
type Parts = (
    Arc<dyn Registry>,
    Arc<dyn FollowClaims>,
    Arc<KubeCluster>,
    Arc<Observer>,
);

/// Writes it down through this client. `dirty`: what the observer tells of; `epoch`: whether the
/// claims know all copies.
pub(super) fn controller(
    config: &Config,
    client: &Client,
    (registry, claims, cluster, observer): Parts,
    (dirty, epoch): (Arc<DirtyNamespaces>, Arc<RegistryEpoch>),
) -> ProtectionController {
    let member = &config.member;
    let mode = config.settings.mode.as_str();
    let settings = settings(mode, &config.privileges);
    let store = KubeProtections::new(client.clone(), member.as_str(), settings);
    ProtectionController {
        state: ProtectionsState::new(member),
        member: member.clone(),
        registry,
        claims,
        cluster,
        follow_up: observer,
        epoch,
        store: Arc::new(store),
        dirty,
        own_namespace: config.cluster.default_namespace.as_str().into(),
        exempt: config.privileges.exempt.namespaces().to_vec(),
    }
}

fn settings(mode: &str, privileges: &Privileges) -> ProtectionSettings {
    let (overrides, override_groups) = match &privileges.overrides {
        Overrides::Off => ("off", Vec::new()),
        Overrides::Everybody => ("everybody", Vec::new()),
        Overrides::Groups(groups) => ("groups", groups.clone()),
    };
    ProtectionSettings {
        mode: mode.to_owned(),
        overrides: overrides.to_owned(),
        override_groups,
        mode_groups: privileges.mode_groups.clone(),
        exempt_users: privileges.exempt.users.clone(),
        exempt_groups: privileges.exempt.groups.clone(),
    }
}
