//! Where faults are tried: three control planes that all tests of this binary share, one test
//! at a time, each with guards of its own in front of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use crate::GUARD;
use crate::api_proxy::{ApiProxy, Delays};
use crate::checker;
use crate::lab::control_plane::ControlPlane;
use crate::lab::crds::SUBSCRIPTION;
use crate::lab::guard::{Guard, Plan};
use crate::lab::hub;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::report::{Mark, report};
use crate::lab::timeline::Timeline;
use crate::lab::wait::{eventually, until};
use crate::lab::world::{self, Lab, Shared};
use crate::load::{Conditions, Load};
use crate::second_webhook::SecondWebhook;

/// How long an admitted request may be under way: longer than the API servers' 5 s.
pub const DEADLINE: Duration = Duration::from_secs(8);

/// Stands for a member's name.
const MEMBER: &str = "<member>";

/// How long it may take to put away what the test before left.
const TIDY: Duration = Duration::from_mins(2);

/// How many of the last events are shown of a test that failed.
const LAST: usize = 120;

/// What a webhook of a test's own is registered as.
pub const SECOND_WEBHOOK: &str = "second";

/// One test with the control planes to itself.
pub struct Trial {
    /// Its name, and that of its namespace in both clusters.
    pub name: &'static str,
    /// The first cluster.
    pub a: Side,
    /// The second cluster.
    pub b: Side,
    /// An administrator of the hub.
    pub hub: Kubectl,
    /// The control planes.
    pub lab: &'static Lab,
    /// The order of events.
    pub timeline: Arc<Timeline>,
    planned: Option<(&'static [Delays], u64)>,
    load: Option<Load>,
    following: JoinSet<()>,
    _turn: MutexGuard<'static, ()>,
}

/// One of the two clusters.
pub struct Side {
    /// Its control plane.
    pub plane: &'static ControlPlane,
    /// Somebody who works in the test's namespace.
    pub person: Kubectl,
    /// What its guard talks to instead of the API server, from its next start on.
    proxy: Option<Arc<ApiProxy>>,
    guard: Option<Guard>,
    marks: Vec<Mark>,
}

/// Guards that lose patience soon: two replicas that give an admitted request 8 s.
pub fn plan() -> Plan {
    Plan {
        replicas: 2,
        claim_deadline: format!("{}s", DEADLINE.as_secs()),
        webhook_args: vec!["--timeout-seconds=3".to_owned()],
        ..Plan::enforce(GUARD)
    }
}

impl Trial {
    /// Waits for its turn, and starts guards as planned in front of both clusters.
    pub async fn guarded(name: &'static str, plan: &Plan) -> Self {
        Self::guarded_in(Conditions::Calm, 0, name, plan).await
    }

    /// The same in other conditions; `seed` is that of the load.
    pub async fn guarded_in(
        conditions: Conditions,
        seed: u64,
        name: &'static str,
        plan: &Plan,
    ) -> Self {
        let mut trial = Self::begin(name).await;
        trial.put_in(conditions, seed).await;
        let registry = trial.registry();
        trial.guard([plan, plan], [&registry, &registry]).await;
        trial
    }

    /// Starts guards in front of A and B, each with its plan and its registry.
    pub async fn guard(&mut self, [in_a, in_b]: [&Plan; 2], [of_a, of_b]: [&str; 2]) {
        let (a, b) = (self.a.put_guard(in_a, of_a), self.b.put_guard(in_b, of_b));
        futures::join!(a, b);
        if let Some((delays, seed)) = self.planned.take() {
            self.load = Some(Box::pin(self.begin_load(delays, seed)).await);
        }
    }

    /// Puts it in these conditions, which begin when the guards have started.
    pub async fn put_in(&mut self, conditions: Conditions, seed: u64) {
        if let Conditions::Busy(delays) = conditions {
            self.put_proxies(seed).await;
            self.planned = Some((delays, seed));
        }
    }

    async fn begin_load(&self, delays: &'static [Delays], seed: u64) -> Load {
        let (a, b) = futures::join!(SecondWebhook::of(&self.a), SecondWebhook::of(&self.b));
        let proxies = [&self.a, &self.b].map(|side| side.proxy().clone());
        Load::begin(seed, [a, b], proxies, delays)
    }

    /// Puts a proxy between each API server and the guard that is yet to be started.
    pub async fn put_proxies(&mut self, seed: u64) {
        self.timeline
            .note("", format!("the seed of the proxies is {seed}"));
        for side in [&mut self.a, &mut self.b] {
            match ApiProxy::start(side.plane, seed, &self.timeline).await {
                Ok(proxy) => side.proxy = Some(Arc::new(proxy)),
                Err(error) => panic!("the proxy of {}: {error:#}", side.name()),
            }
        }
    }

    /// Whether it is under load.
    pub fn is_busy(&self) -> bool {
        self.load.is_some()
    }

    /// Waits for its turn. There are no guards yet.
    pub async fn begin(name: &'static str) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        static LAB: Shared = Shared::new();
        let turn = TURN.lock().await;
        let plan = || world::Plan {
            api_server_args: vec!["--request-timeout=5s".to_owned()],
            ..world::Plan::default()
        };
        let lab = Box::pin(LAB.get(plan)).await;
        let (a, b) = (&lab.a.control_plane, &lab.b.control_plane);
        for plane in [a, b, lab.hub()] {
            make_whole(plane).await;
        }
        let mut trial = Self {
            name,
            a: Side::new(a, name).await,
            b: Side::new(b, name).await,
            hub: person(lab.hub(), "default").await,
            lab,
            timeline: Arc::default(),
            planned: None,
            load: None,
            following: JoinSet::new(),
            _turn: turn,
        };
        if let Err(error) = trial.prepare().await {
            panic!("preparing {name}: {error:#}");
        }
        // Whoever tidied up is not counted with those who work here.
        let timeline = &trial.timeline;
        for side in [&mut trial.a, &mut trial.b] {
            side.person = person(side.plane, name)
                .await
                .noted_in(timeline, side.plane.name());
            timeline.follow(
                &mut trial.following,
                side.name(),
                &checker::KINDS,
                &side.person,
            );
        }
        timeline.follow(&mut trial.following, "the hub", &["Claim"], &trial.hub);
        trial
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        hub::install_on(&plan(), self.lab.hub()).await?;
        for side in [&self.a, &self.b] {
            hub::add_member(&plan(), self.lab.hub(), side.name()).await?;
        }
        futures::try_join!(tidy(&self.a.person), tidy(&self.b.person))?;
        self.forget_members().await?;
        until("no claims to be left", TIDY, async || {
            for kind in ["Claim", "Member"] {
                let all = Object::new("asoguard.io/v1alpha1", kind, "");
                self.hub.delete_collection(&all).await?;
            }
            let left = self.hub.claims().await?;
            anyhow::ensure!(left.is_empty(), "{} claims are left", left.len());
            Ok(())
        })
        .await?;
        for person in [&self.a.person, &self.b.person] {
            person.apply(&Object::namespace(self.name)).await?;
        }
        Ok(())
    }

    /// Who is a member, the test before has left, and maybe by another name.
    async fn forget_members(&self) -> anyhow::Result<()> {
        let members = Object::new("asoguard.io/v1alpha1", "Member", "");
        self.hub.delete_collection(&members).await?;
        Ok(())
    }

    /// The hub, as the value of `--registry`, by the identity that each member has there:
    /// [`Side::put_guard`] puts the member's name in.
    pub fn registry(&self) -> String {
        hub::registry(self.lab.hub(), MEMBER)
    }

    /// The claim of an ARM ID on the hub, if the hub answers and has it.
    pub async fn hub_claim(&self, arm_id: &str) -> Option<Object> {
        let claims = self.hub.claims();
        let mut claims = claims.await.ok()?.into_iter();
        claims.find(|claim| claim.text("/spec/identity").eq_ignore_ascii_case(arm_id))
    }

    /// Waits until the claim of an ARM ID is in a state, such as `Live`.
    pub async fn claim_becomes(&self, arm_id: &str, state: &str) -> Object {
        eventually(&format!("{arm_id} to be {state}"), async || {
            let claim = self.hub_claim(arm_id).await;
            let claim = claim.ok_or_else(|| anyhow::anyhow!("there is no claim"))?;
            anyhow::ensure!(
                claim.text("/status/state") == state,
                "{}",
                claim.0["status"]
            );
            Ok(claim)
        })
        .await
    }

    /// A resource group of this test.
    pub fn resource_group(&self, name: &str) -> Object {
        let azure_name = format!("{name}-{}", self.name);
        Object::of("ResourceGroup", name).azure_name(&azure_name)
    }

    /// Its ARM ID.
    pub fn resource_group_id(&self, name: &str) -> String {
        format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}-{}",
            self.name
        )
    }
}

impl Side {
    async fn new(plane: &'static ControlPlane, namespace: &str) -> Self {
        Self {
            plane,
            person: person(plane, namespace).await,
            proxy: None,
            guard: None,
            marks: Vec::new(),
        }
    }

    /// Its cluster's name.
    pub fn name(&self) -> &'static str {
        self.plane.name()
    }

    /// Starts a guard, in place of one that there may be, and registers it.
    pub async fn put_guard(&mut self, plan: &Plan, registry: &str) {
        self.guard = None;
        let plan = &Plan {
            api_server: self.proxy.as_ref().map(|proxy| proxy.server()),
            ..plan.clone()
        };
        let started = async {
            let member = plan.member.as_deref().unwrap_or(self.name());
            let registry = registry.replace(MEMBER, member);
            let guard = Guard::start(plan, self.plane, &registry).await?;
            guard.register(plan, self.plane).await?;
            anyhow::Ok(guard)
        };
        match started.await {
            Ok(guard) => {
                let replicas = guard.replicas().iter();
                self.marks = replicas
                    .map(|replica| Mark::now(&replica.process))
                    .collect();
                self.guard = Some(guard);
            }
            Err(error) => panic!("the guard of {}: {error:#}", self.name()),
        }
    }

    /// Takes its guard away, the webhook configuration first.
    pub async fn take_guard_away(&mut self) {
        let api = "admissionregistration.k8s.io/v1";
        let webhook = Object::new(api, "ValidatingWebhookConfiguration", "aso-guard");
        let deleted = self.person.trying_again().delete(&webhook).await;
        if let Err(refusal) = deleted
            && refusal.code != 404
        {
            panic!("the webhook of {}: {refusal}", self.name());
        }
        self.guard = None;
    }

    /// The proxy between it and its guard. Fails the test if there is none.
    pub fn proxy(&self) -> &Arc<ApiProxy> {
        match &self.proxy {
            Some(proxy) => proxy,
            None => panic!("cluster {} has no proxy", self.name()),
        }
    }

    /// Its guard. Fails the test if there is none.
    pub fn guard(&self) -> &Guard {
        match &self.guard {
            Some(guard) => guard,
            None => panic!("cluster {} has no guard", self.name()),
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.following.abort_all();
        if std::thread::panicking() {
            let mut marks = std::mem::take(&mut self.a.marks);
            marks.append(&mut self.b.marks);
            eprintln!("{}", report(self.lab, self.name, &marks));
            eprintln!("--- the last events\n{}", self.timeline.last(LAST));
        }
    }
}

/// Takes away what the test before left: its webhooks, which nobody answers for any more, and
/// its objects.
async fn tidy(person: &Kubectl) -> anyhow::Result<()> {
    for name in ["aso-guard", SECOND_WEBHOOK] {
        let api = "admissionregistration.k8s.io/v1";
        let webhook = Object::new(api, "ValidatingWebhookConfiguration", name);
        if let Err(refusal) = person.delete(&webhook).await
            && refusal.code != 404
        {
            return Err(refusal.into());
        }
    }
    // The registry of a test is a new one, of which its members remember nothing.
    let system = Object::new("v1", "Namespace", "kube-system");
    let nothing = json!({"metadata": {"annotations": {"asoguard.io/registry": null}}});
    person.patch(&system, nothing).await?;
    // Policies of the API server refuse by nothing any more.
    let written = Object::new("asoguard.io/v1alpha1", "Protection", "");
    for namespace in person.list("v1", "Namespace").await? {
        let there = person.in_namespace(namespace.name());
        if let Err(refusal) = there.delete_collection(&written).await
            && refusal.code != 404
        {
            return Err(refusal.into());
        }
    }
    until("no objects to be left", TIDY, async || {
        let left = checker::stored(person).await?;
        let mut collections = BTreeSet::new();
        for object in &left {
            if object.0["metadata"]["finalizers"].is_array() {
                let none = json!({"metadata": {"finalizers": null}});
                person.patch(object, none).await?;
            }
            collections.insert((object.text("/metadata/namespace"), object.kind()));
        }
        for (namespace, kind) in collections {
            person.in_namespace(namespace).delete_all(kind).await?;
        }
        anyhow::ensure!(left.is_empty(), "{} objects are left", left.len());
        Ok(())
    })
    .await
}

/// A test that failed half-way may have left a control plane stopped.
async fn make_whole(plane: &ControlPlane) {
    let processes = [&plane.etcd, &plane.api_server, &plane.controllers];
    if processes
        .iter()
        .any(|process| process.ended().is_some() || process.pid().is_none())
    {
        plane.stop();
        if let Err(error) = plane.start_again().await {
            panic!("starting {} again: {error:#}", plane.name());
        }
    }
}

async fn person(plane: &ControlPlane, namespace: &str) -> Kubectl {
    match plane.kubectl(namespace).await {
        Ok(kubectl) => kubectl,
        Err(error) => panic!("a client for {}: {error:#}", plane.name()),
    }
}
