//! Labs with ASO in both clusters, and the Azure that they share.

use std::ops::Deref;
use std::time::Duration;

use futures::try_join;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore};
use tokio::time::sleep;

use crate::GUARD;
use crate::lab::aso_controller::{Controller, Plan, Webhooks, made_crds};
use crate::lab::azure::Azure;
use crate::lab::azure::diary::Diary;
use crate::lab::control_plane::ControlPlane;
use crate::lab::guard;
use crate::lab::object::Object;
use crate::lab::reaper::Reaper;
use crate::lab::story::Story;
use crate::lab::wait::eventually;
use crate::lab::world::{self, ASO_NAMESPACE, Hub, Lab};

/// The groups whose kinds are installed where a story needs no others.
pub const GROUPS: [&str; 5] = [
    "authorization",
    "managedidentity",
    "network",
    "resources",
    "storage",
];
/// Where ASO lives in cluster `b`, as Cluster API installs it.
pub const CAPZ_NAMESPACE: &str = "capz-system";
/// How often each ASO reconciles what has not changed.
pub const SYNC: Duration = Duration::from_secs(5);

/// What there is of ASO in one cluster.
pub struct Side {
    /// The CRDs, as they are made from its source.
    pub crds: Vec<Object>,
    /// Its operators; the first has the webhooks.
    pub operators: Vec<Plan>,
}

/// Two clusters with ASO, and their Azure.
pub struct World {
    /// The clusters.
    pub lab: Lab,
    /// Azure.
    pub azure: Azure,
    /// The operators in `a`.
    pub a: Vec<Controller>,
    /// The operators in `b`.
    pub b: Vec<Controller>,
    webhooks_b: Webhooks,
}

/// A world in which a story plays, alone or beside others.
pub struct Stage<Turn> {
    world: &'static World,
    _turn: Turn,
}

impl<Turn> Deref for Stage<Turn> {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

impl Side {
    /// One operator that does everything, and the kinds of most stories.
    async fn usual(name: &str, namespace: &str) -> anyhow::Result<Self> {
        Ok(Self {
            crds: made_crds(&GROUPS).await?,
            operators: vec![Plan::new(name, namespace)],
        })
    }

    async fn start(
        &self,
        cluster: &ControlPlane,
        azure: &Azure,
        webhooks: &Webhooks,
    ) -> anyhow::Result<Vec<Controller>> {
        let crds = webhooks.crds(&self.crds);
        let mut controllers = Vec::new();
        for (number, plan) in self.operators.iter().enumerate() {
            let controller = if number == 0 {
                Controller::start(plan, cluster, azure, webhooks, &crds).await?
            } else {
                let other = Controller::prepare(plan, cluster, azure, webhooks).await?;
                other.start_again().await?;
                other
            };
            controllers.push(controller);
        }
        Ok(controllers)
    }

    fn objects(&self, webhooks: &Webhooks) -> Vec<Object> {
        let settings = self.operators.iter().flat_map(Plan::settings);
        let mut objects = webhooks.crds(&self.crds);
        objects.extend(settings);
        objects
    }

    fn guard(&self) -> guard::Plan {
        let mut plan = guard::Plan::enforce(GUARD);
        let operators = self.operators.iter();
        plan.args
            .extend(operators.map(|one| format!("--aso-namespace={}", one.namespace)));
        plan
    }
}

impl World {
    /// Starts it, with a guard in front of each cluster or without.
    pub async fn start(name: &str, guarded: bool, sides: [Side; 2]) -> anyhow::Result<Self> {
        // Several at once take all the processors, and none of them is ready in time.
        static STARTS: Semaphore = Semaphore::const_new(1);
        let _turn = STARTS.acquire().await?;
        let azure = Azure::start(&Reaper::get()?.directory(name)?).await?;
        let webhooks = [Webhooks::prepare()?, Webhooks::prepare()?];
        let plan = world::Plan {
            hub: if guarded { Hub::Apart } else { Hub::InA },
            of_aso: Some([0, 1].map(|at| sides[at].objects(&webhooks[at]))),
            ..world::Plan::default()
        };
        let mut lab = Lab::build(&plan).await?;
        let (in_a, in_b) = (&lab.a.control_plane, &lab.b.control_plane);
        let (a, b) = try_join!(
            sides[0].start(in_a, &azure, &webhooks[0]),
            sides[1].start(in_b, &azure, &webhooks[1]),
        )?;
        if guarded {
            lab.guard(&[sides[0].guard(), sides[1].guard()]).await?;
        }
        let [_, webhooks_b] = webhooks;
        Ok(Self {
            lab,
            azure,
            a,
            b,
            webhooks_b,
        })
    }

    /// Another ASO for `b`, which does not run yet.
    pub async fn other_b(&self, plan: &Plan) -> Controller {
        let cluster = &self.lab.b.control_plane;
        let other = Controller::prepare(plan, cluster, &self.azure, &self.webhooks_b).await;
        other.unwrap()
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
        let mut ids = self.azure.ids();
        ids.retain(|id| is_of(story, id));
        ids
    }

    /// Waits until each resource that a story has in Azure has a claim by the very ID that ASO
    /// wrote to, whose holder is where that ASO runs.
    async fn is_claimed(&self, story: &Story<'_>) {
        let diary = self.diary(story);
        let ids = self.ids(story);
        eventually("the holders to be those who write", async || {
            let claims = story.hub.claims().await?;
            for id in &ids {
                let of_it = |claim: &&Object| claim.text("/spec/identity").eq_ignore_ascii_case(id);
                let claim = claims.iter().find(of_it);
                let holder = claim.map(|claim| claim.text("/status/holder"));
                let member = holder.and_then(|holder| holder.split('/').next());
                let writer = diary.last_writer(id).unwrap_or_default();
                let runs_in = writer.split('-').nth(1);
                anyhow::ensure!(
                    member == runs_in,
                    "{id}: {writer} writes, and the claim's holder is {holder:?}"
                );
            }
            Ok(())
        })
        .await;
    }

    /// What Azure saw of a story.
    pub fn diary(&self, story: &Story<'_>) -> Diary {
        self.azure.diary().about(|path| is_of(story, path))
    }

    /// The properties of every diary, after ASO had time for what it would still do: nobody
    /// deleted but what the story `wanted` to be deleted, no resource had two writers, and each
    /// writer is where the claim's holder is.
    pub async fn ends_well(&self, story: &Story<'_>, wanted: &[&str]) {
        sleep(2 * SYNC).await;
        let diary = self.diary(story);
        let deletes = diary.of("DELETE");
        let unwanted = deletes
            .iter()
            .filter(|call| !wanted.iter().any(|id| id.eq_ignore_ascii_case(&call.path)));
        assert_eq!(unwanted.count(), 0, "DELETE in Azure:\n{diary}");
        assert_eq!(diary.switches(), [], "two writers:\n{diary}");
        self.is_claimed(story).await;
        println!("{}: {}", story.a.namespace(), diary.summary());
    }
}

/// Whether a path is in a resource group of this story, in whatever subscription: see
/// [`Story::azure_name`].
fn is_of(story: &Story<'_>, path: &str) -> bool {
    let group = path.split('/').nth(4).unwrap_or_default();
    group.eq_ignore_ascii_case(&story.azure_name("rg"))
}

/// A world that is started by the first who asks; it fails all of them where it can't be.
pub async fn shared(
    world: &'static OnceCell<Result<World, String>>,
    start: impl AsyncFnOnce() -> anyhow::Result<World>,
) -> &'static World {
    let start = async || {
        let started = Box::pin(start()).await;
        started.map_err(|error| format!("{error:#}"))
    };
    match world.get_or_init(start).await {
        Ok(world) => world,
        Err(error) => panic!("the lab could not be started: {error}"),
    }
}

async fn usual(name: &str, guarded: bool) -> anyhow::Result<World> {
    let sides = [
        Side::usual("aso-a", ASO_NAMESPACE).await?,
        Side::usual("aso-b", CAPZ_NAMESPACE).await?,
    ];
    Box::pin(World::start(name, guarded, sides)).await
}

static TURN: RwLock<()> = RwLock::const_new(());

/// With a guard in front of each cluster.
pub async fn guarded() -> Stage<RwLockReadGuard<'static, ()>> {
    let turn = TURN.read().await;
    Stage {
        world: shared_guarded().await,
        _turn: turn,
    }
}

/// The same, for a story that breaks something, or counts what happens in all of it.
pub async fn guarded_alone() -> Stage<RwLockWriteGuard<'static, ()>> {
    let turn = TURN.write().await;
    Stage {
        world: shared_guarded().await,
        _turn: turn,
    }
}

async fn shared_guarded() -> &'static World {
    static WORLD: OnceCell<Result<World, String>> = OnceCell::const_new();
    shared(&WORLD, async || usual("azure", true).await).await
}

/// The same without aso-guard: to show what a mistake costs.
pub async fn unguarded() -> &'static World {
    static WORLD: OnceCell<Result<World, String>> = OnceCell::const_new();
    shared(&WORLD, async || usual("azure-unguarded", false).await).await
}
