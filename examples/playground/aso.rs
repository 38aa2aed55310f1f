//! The same lab with Azure Service Operator itself in both clusters, and an Azure on this machine
//! that they write to.

use futures::try_join;

use crate::lab::aso_controller::{Controller, Plan, Webhooks, made_crds};
use crate::lab::azure::Azure;
use crate::lab::guard;
use crate::lab::reaper::Reaper;
use crate::lab::world::{self, ASO_NAMESPACE, Lab};

/// The groups of ASO whose kinds are installed.
const GROUPS: [&str; 5] = [
    "keyvault",
    "managedidentity",
    "network",
    "resources",
    "storage",
];

/// ASO in both clusters, and their Azure, until this is dropped.
pub struct Aso {
    /// Where the page of what is in Azure is.
    pub page: String,
    _azure: Azure,
    _controllers: [Controller; 2],
}

/// Starts the lab with it; the first time it builds ASO.
pub async fn start(guard: Option<&guard::Plan>) -> anyhow::Result<(Lab, Aso)> {
    let made = made_crds(&GROUPS).await?;
    let azure = Azure::start(Reaper::get()?.root()).await?;
    let plans = ["aso-a", "aso-b"].map(|name| Plan::new(name, ASO_NAMESPACE));
    let webhooks = [Webhooks::prepare()?, Webhooks::prepare()?];
    let [crds_a, crds_b] = [0, 1].map(|at| webhooks[at].crds(&made));
    let objects = |at: usize, crds: &[_]| [crds.to_vec(), plans[at].settings()].concat();
    let plan = world::Plan {
        of_aso: Some([objects(0, &crds_a), objects(1, &crds_b)]),
        ..world::Plan::default()
    };
    let mut lab = Lab::start(&plan).await?;
    let (in_a, in_b) = (&lab.a.control_plane, &lab.b.control_plane);
    let (a, b) = try_join!(
        Controller::start(&plans[0], in_a, &azure, &webhooks[0], &crds_a),
        Controller::start(&plans[1], in_b, &azure, &webhooks[1], &crds_b),
    )?;
    if let Some(guard) = guard {
        lab.guard(&[guard.clone(), guard.clone()]).await?;
    }
    let aso = Aso {
        page: azure.show().await?,
        _azure: azure,
        _controllers: [a, b],
    };
    Ok((lab, aso))
}
