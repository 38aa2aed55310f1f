//! The whole lab: clusters `a` and `b`, their hub, and a guard in front of each of the two.

use futures::try_join;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use super::control_plane::{self, ControlPlane};
use super::crds;
use super::guard::{self, Guard};
use super::hub;
use super::object::Object;

/// ASO's own namespace.
pub const ASO_NAMESPACE: &str = "azureserviceoperator-system";

/// What to build.
#[derive(Clone, Default)]
pub struct Plan {
    /// How to guard the two clusters; `None` leaves them as they are without aso-guard.
    pub guard: Option<guard::Plan>,
    /// Where the claims are.
    pub hub: Hub,
    /// More flags for the API servers of the two clusters.
    pub api_server_args: Vec<String>,
    /// What is there from the start in each of the two, besides ASO's kinds.
    pub objects: Vec<Object>,
    /// ASO's kinds and its credential in `a` and in `b`, in place of [`cluster_objects`].
    pub of_aso: Option<[Vec<Object>; 2]>,
}

/// Where the claims are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Hub {
    /// In a third cluster.
    #[default]
    Apart,
    /// In cluster `a`.
    InA,
}

/// Two clusters that share a subscription, and a registry.
pub struct Lab {
    /// The first cluster.
    pub a: Cluster,
    /// The second cluster.
    pub b: Cluster,
    hub: Option<ControlPlane>,
    turn: Option<SemaphorePermit<'static>>,
}

/// A cluster in which ASO might run.
pub struct Cluster {
    /// The cluster itself.
    pub control_plane: ControlPlane,
    guard: Option<Guard>,
}

impl Lab {
    /// A lab of one's own, for tests that break things. One at a time: it takes a gigabyte.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        static TURN: Semaphore = Semaphore::const_new(1);
        let turn = TURN.acquire().await?;
        Ok(Self {
            turn: Some(turn),
            ..Self::build(plan).await?
        })
    }

    /// A lab beside others.
    pub async fn build(plan: &Plan) -> anyhow::Result<Self> {
        let for_a_hub = match &plan.guard {
            Some(guard) => Object::documents(&guard.print(&["hub"]).await?)?,
            None => Vec::new(),
        };
        let of_aso = plan.of_aso.clone();
        let of_aso = of_aso.unwrap_or_else(|| [cluster_objects(), cluster_objects()]);
        let [mut in_a, in_b] = of_aso.map(|of_one| [of_one, plan.objects.clone()].concat());
        let mut in_hub = Vec::new();
        match plan.hub {
            Hub::Apart => in_hub = for_a_hub,
            Hub::InA => in_a.extend(for_a_hub),
        }
        let (hub, a, b) = try_join!(
            hub_apart(plan.hub, in_hub),
            cluster("a", plan, in_a),
            cluster("b", plan, in_b),
        )?;
        let mut lab = Self {
            a,
            b,
            hub,
            turn: None,
        };
        if let Some(guard) = &plan.guard {
            let mut registries = lab.members(guard).await?;
            if plan.hub == Hub::InA {
                "kubernetes:".clone_into(&mut registries[0]);
            }
            try_join!(
                lab.a.put_guard_in_front(guard, &registries[0]),
                lab.b.put_guard_in_front(guard, &registries[1]),
            )?;
        }
        Ok(lab)
    }

    /// Puts a guard beside each cluster of a lab that was built without, and registers no
    /// webhook: nobody asks it.
    pub async fn guard_unasked(&mut self, plan: &guard::Plan) -> anyhow::Result<()> {
        let registries = self.hub_of_members(plan).await?;
        let clusters = [&mut self.a, &mut self.b].into_iter();
        for (cluster, registry) in clusters.zip(registries) {
            let guard = Guard::start(plan, &cluster.control_plane, &registry).await?;
            cluster.guard = Some(guard);
        }
        Ok(())
    }

    /// Puts a guard in front of each cluster of a lab that was built without.
    pub async fn guard(&mut self, plans: &[guard::Plan; 2]) -> anyhow::Result<()> {
        let registries = self.hub_of_members(&plans[0]).await?;
        self.guard_each(plans, &registries).await
    }

    /// Sets the hub up, and gives it as each cluster's `--registry`.
    pub async fn hub_of_members(&self, plan: &guard::Plan) -> anyhow::Result<[String; 2]> {
        hub::install_on(plan, self.hub()).await?;
        self.members(plan).await
    }

    /// Puts a guard in front of each cluster of a lab that was built without, each with its own
    /// `--registry`.
    pub async fn guard_each(
        &mut self,
        [of_a, of_b]: &[guard::Plan; 2],
        [in_a, in_b]: &[String; 2],
    ) -> anyhow::Result<()> {
        try_join!(
            self.a.put_guard_in_front(of_a, in_a),
            self.b.put_guard_in_front(of_b, in_b),
        )?;
        Ok(())
    }

    /// Puts a guard in front of each cluster of a lab that was built without, with the claims
    /// elsewhere than in a cluster.
    pub async fn guard_with(&mut self, plan: &guard::Plan, registry: &str) -> anyhow::Result<()> {
        try_join!(
            self.a.put_guard_in_front(plan, registry),
            self.b.put_guard_in_front(plan, registry),
        )?;
        Ok(())
    }

    /// Makes each cluster's identity on the hub, and gives the hub as each one's `--registry`.
    async fn members(&self, plan: &guard::Plan) -> anyhow::Result<[String; 2]> {
        for name in ["a", "b"] {
            hub::add_member(plan, self.hub(), name).await?;
        }
        Ok(["a", "b"].map(|name| hub::registry(self.hub(), name)))
    }

    /// The cluster that holds the claims.
    pub fn hub(&self) -> &ControlPlane {
        self.hub.as_ref().unwrap_or(&self.a.control_plane)
    }
}

impl Cluster {
    async fn put_guard_in_front(
        &mut self,
        plan: &guard::Plan,
        registry: &str,
    ) -> anyhow::Result<()> {
        let guard = Guard::start(plan, &self.control_plane, registry).await?;
        guard.register(plan, &self.control_plane).await?;
        self.guard = Some(guard);
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.control_plane.name()
    }

    /// Its guard. Fails the test if the lab was built without.
    pub fn guard(&self) -> &Guard {
        match &self.guard {
            Some(guard) => guard,
            None => panic!("cluster {} has no guard", self.name()),
        }
    }

    /// Its guard, if there is one.
    pub fn maybe_guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }
}

async fn hub_apart(hub: Hub, objects: Vec<Object>) -> anyhow::Result<Option<ControlPlane>> {
    if hub == Hub::InA {
        return Ok(None);
    }
    let plan = control_plane::Plan {
        objects,
        ..Default::default()
    };
    ControlPlane::start("hub", &plan).await.map(Some)
}

async fn cluster(name: &str, plan: &Plan, objects: Vec<Object>) -> anyhow::Result<Cluster> {
    let plan = control_plane::Plan {
        api_server_args: plan.api_server_args.clone(),
        objects,
    };
    Ok(Cluster {
        control_plane: ControlPlane::start(name, &plan).await?,
        guard: None,
    })
}

/// What there is in each cluster before anybody does anything: ASO's kinds and its credential.
pub fn cluster_objects() -> Vec<Object> {
    let credential = Object::credential("aso-controller-settings", crds::SUBSCRIPTION);
    let mut objects = crds::all();
    objects.push(Object::namespace(ASO_NAMESPACE));
    objects.push(credential.in_namespace(ASO_NAMESPACE));
    objects
}

/// A lab that the tests of one binary share, started by the first that asks. It ends with the
/// process: see [`super::reaper`].
pub struct Shared(OnceCell<Result<Lab, String>>);

impl Shared {
    /// Nothing is started yet.
    #[allow(
        clippy::new_without_default,
        reason = "a default can't be made in a static"
    )]
    pub const fn new() -> Self {
        Self(OnceCell::const_new())
    }

    /// The lab. Fails each test that asks, with the same words, if it could not be started.
    pub async fn get(&self, plan: impl FnOnce() -> Plan) -> &Lab {
        let started = self
            .0
            .get_or_init(|| async { Lab::build(&plan()).await.map_err(|e| format!("{e:#}")) })
            .await;
        match started {
            Ok(lab) => lab,
            Err(error) => panic!("the lab could not be started: {error}"),
        }
    }
}
