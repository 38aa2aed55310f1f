//! The lab with ASO in both clusters, and the Azure that they share.

use std::time::Duration;

use futures::try_join;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::GUARD;
use crate::lab::aso_controller::{Controller, Plan, Webhooks, made_crds};
use crate::lab::azure::Azure;
use crate::lab::azure::diary::Diary;
use crate::lab::guard;
use crate::lab::reaper::Reaper;
use crate::lab::story::Story;
use crate::lab::world::{self, ASO_NAMESPACE, Hub, Lab};

/// The groups whose kinds are installed.
const GROUPS: [&str; 8] = [
    "authorization",
    "containerservice",
    "dbforpostgresql",
    "keyvault",
    "managedidentity",
    "network",
    "resources",
    "storage",
];
/// Where ASO lives in cluster `b`, as Cluster API installs it.
const CAPZ_NAMESPACE: &str = "capz-system";
/// How often each ASO reconciles what has not changed.
pub const SYNC: Duration = Duration::from_secs(5);

/// Two clusters with an ASO each, and their Azure.
pub struct World {
    /// The clusters.
    pub lab: Lab,
    /// Azure.
    pub azure: Azure,
    /// ASO in `a` and in `b`.
    _aso: [Controller; 2],
}

impl World {
    /// Starts it, with a guard in front of each cluster or without.
    async fn start(name: &str, guarded: bool) -> anyhow::Result<Self> {
        let azure = Azure::start(&Reaper::get()?.directory(name)?).await?;
        let made = made_crds(&GROUPS).await?;
        let plans = [
            Plan::new("aso-a", ASO_NAMESPACE),
            Plan::new("aso-b", CAPZ_NAMESPACE),
        ];
        let webhooks = [Webhooks::prepare()?, Webhooks::prepare()?];
        let [crds_a, crds_b] = [0, 1].map(|at| webhooks[at].crds(&made));
        let objects = |at: usize, crds: &[_]| [crds.to_vec(), plans[at].settings()].concat();
        let plan = world::Plan {
            hub: if guarded { Hub::Apart } else { Hub::InA },
            of_aso: Some([objects(0, &crds_a), objects(1, &crds_b)]),
            ..world::Plan::default()
        };
        let mut lab = Lab::build(&plan).await?;
        let (in_a, in_b) = (&lab.a.control_plane, &lab.b.control_plane);
        let (a, b) = try_join!(
            Controller::start(&plans[0], in_a, &azure, &webhooks[0], &crds_a),
            Controller::start(&plans[1], in_b, &azure, &webhooks[1], &crds_b),
        )?;
        if guarded {
            let of_a = guard::Plan::enforce(GUARD);
            let mut of_b = of_a.clone();
            of_b.args.push(format!("--aso-namespace={CAPZ_NAMESPACE}"));
            lab.guard(&[of_a, of_b]).await?;
        }
        Ok(Self {
            lab,
            azure,
            _aso: [a, b],
        })
    }

    /// How many resources of a story are in Azure whose last writer is this one.
    pub fn written_by(&self, story: &Story<'_>, who: &str) -> usize {
        let diary = self.diary(story);
        let ids = self.ids(story);
        ids.iter()
            .filter(|id| diary.last_writer(id) == Some(who))
            .count()
    }

    /// What a story has in Azure.
    fn ids(&self, story: &Story<'_>) -> Vec<String> {
        let prefix = story.resource_group_id("rg");
        let mut ids = self.azure.ids();
        ids.retain(|id| id.starts_with(&prefix));
        ids
    }

    /// What Azure saw of a story.
    pub fn diary(&self, story: &Story<'_>) -> Diary {
        let prefix = story.resource_group_id("rg");
        self.azure.diary().below(&prefix)
    }

    /// The properties of every diary, after ASO had time for what it would still do: nobody
    /// deleted but what the story `wanted` to be deleted, and no resource had two writers.
    pub async fn ends_well(&self, story: &Story<'_>, wanted: &[&str]) {
        sleep(2 * SYNC).await;
        let diary = self.diary(story);
        let deletes = diary.of("DELETE");
        let unwanted = deletes
            .iter()
            .filter(|call| !wanted.iter().any(|id| id.eq_ignore_ascii_case(&call.path)));
        assert_eq!(unwanted.count(), 0, "DELETE in Azure:\n{diary}");
        assert_eq!(diary.switches(), [], "two writers:\n{diary}");
        println!("{}: {}", story.a.namespace(), diary.summary());
    }
}

async fn shared(
    world: &'static OnceCell<Result<World, String>>,
    name: &str,
    guarded: bool,
) -> &'static World {
    let start = async || {
        let started = Box::pin(World::start(name, guarded)).await;
        started.map_err(|error| format!("{error:#}"))
    };
    match world.get_or_init(start).await {
        Ok(world) => world,
        Err(error) => panic!("the lab could not be started: {error}"),
    }
}

/// With a guard in front of each cluster.
pub async fn guarded() -> &'static World {
    static WORLD: OnceCell<Result<World, String>> = OnceCell::const_new();
    shared(&WORLD, "azure", true).await
}

/// The same without aso-guard: to show what a mistake costs.
pub async fn unguarded() -> &'static World {
    static WORLD: OnceCell<Result<World, String>> = OnceCell::const_new();
    shared(&WORLD, "azure-unguarded", false).await
}
