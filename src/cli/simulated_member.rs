//! A member in memory, through whose guard requests go again.
//!
//! The guard itself gives the verdicts, and the observer keeps the claims, as in a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::admission::review::AdmissionRequest;
use crate::admission::{
    AdmissionMetrics, CutOffRequests, Guard, GuardSettings, Mode, OnUnresolved, Privileges, Verdict,
};
use crate::check::{CheckedCluster, Finding, Level, Location, Rule};
use crate::claim::{CopyRef, MemberName, Record};
use crate::cluster::Cluster as _;
use crate::cluster::enrolment::{ProcessMemory, RegistryEpoch};
use crate::cluster::member::{MemberReport, Membership};
use crate::cluster::memory::{MemoryCluster, credential};
use crate::cluster::observer::Observer;
use crate::object::wire::WireNamespace;
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::memory::MemoryRegistry;
use crate::resolve::{NAMESPACE_SECRET, SecretLookup};
use crate::telemetry::NoNotices;

/// How long one verdict may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// As in `serve`, where nothing else is said.
const CLAIM_DEADLINE: Duration = Duration::from_secs(90);

/// A member in memory.
pub(in crate::cli) struct SimulatedMember {
    guard: Guard,
    pub(in crate::cli) cluster: Arc<MemoryCluster>,
    pub(in crate::cli) observer: Arc<Observer>,
    /// What is stated, or among the manifests.
    own: CheckedCluster,
    /// The subscriptions that claims tell of: of objects, and of namespaces.
    of_objects: BTreeMap<ObjectKey, String>,
    of_namespaces: BTreeMap<Arc<str>, String>,
}

/// The subscriptions that a member's claims tell of: of its objects, and of its namespaces.
fn subscriptions_of(
    member: &MemberName,
    records: &[Record],
) -> (BTreeMap<ObjectKey, String>, BTreeMap<Arc<str>, String>) {
    let (mut of_objects, mut of_namespaces) = (BTreeMap::new(), BTreeMap::new());
    for record in records {
        let Some(subscription) = record.identity.subscription() else {
            continue;
        };
        for copy in record.copies.keys().filter(|copy| copy.member == *member) {
            let namespace = copy.object.namespace.clone();
            of_objects.insert(copy.object.clone(), subscription.to_owned());
            of_namespaces.insert(namespace, subscription.to_owned());
        }
    }
    (of_objects, of_namespaces)
}

impl SimulatedMember {
    /// A member with the objects of `own`, each with the claim that its observer would have made.
    /// `records`: what the registry has of it.
    ///
    /// # Errors
    /// None of a registry in memory.
    pub(in crate::cli) async fn set(
        own: CheckedCluster,
        registry: Arc<MemoryRegistry>,
        records: &[Record],
    ) -> anyhow::Result<Self> {
        let member = own.name().clone();
        let memory = Arc::new(ProcessMemory);
        let epoch = RegistryEpoch::new(member.clone(), registry.clone(), memory, CLAIM_DEADLINE);
        epoch.look().await?;
        let epoch = Arc::new(epoch);
        let membership = Membership {
            name: member.clone(),
            mode: "".into(),
            cluster: "".into(),
            fence: Arc::default(),
            epoch: epoch.clone(),
        };
        membership
            .write(&*registry, &MemberReport::default())
            .await?;
        let (of_objects, of_namespaces) = subscriptions_of(&member, records);
        // A namespace of which nothing is known has the global credential, most likely.
        let global = of_namespaces.values().next().map_or("", String::as_str);
        let cluster = Arc::new(MemoryCluster::new(global));
        for (namespace, policy, _) in own.policies() {
            cluster.set_namespace_policy(namespace, Some(policy));
        }
        let observer = Arc::new(Observer::new(
            member.clone(),
            registry.clone(),
            cluster.clone(),
            CLAIM_DEADLINE,
        ));
        let guard = Guard {
            member,
            registry,
            cluster: cluster.clone(),
            cut_off: CutOffRequests::default(),
            shards: Vec::new(),
            fence: Arc::default(),
            follow_up: observer.clone(),
            settings: GuardSettings {
                mode: Mode::Enforce,
                on_unresolved: OnUnresolved::Warn,
                claim_deadline: CLAIM_DEADLINE,
            },
            notices: Arc::new(NoNotices),
            metrics: AdmissionMetrics::default(),
            privileges: Privileges::default(),
            epoch,
        };
        let member = Self {
            guard,
            cluster,
            observer,
            own,
            of_objects,
            of_namespaces,
        };
        member.enrol().await?;
        Ok(member)
    }

    /// Stores the objects, and looks at each as an observer does that starts.
    async fn enrol(&self) -> anyhow::Result<()> {
        let default = self.own.default_policies();
        let default = default.first().map(|(policy, _)| *policy);
        self.cluster.set_operator_policy(default);
        let objects: Vec<Arc<ObjectFacts>> =
            self.own.objects().map(|one| one.facts.clone()).collect();
        for object in &objects {
            self.know_credential(object);
            self.cluster.store(ObjectFacts::clone(object));
        }
        for object in &objects {
            self.observer.look(&object.key).await?;
        }
        // From here on it knows which claims list an object.
        self.observer.compare().await?;
        Ok(())
    }

    /// What the guard says to a request. What the request says was there is there.
    ///
    /// # Errors
    /// None of a registry in memory.
    pub(in crate::cli) async fn judge(
        &self,
        request: &AdmissionRequest<'_>,
    ) -> anyhow::Result<Verdict> {
        for object in [request.object(), request.old_object()] {
            if let Ok(Some(object)) = object {
                self.know_credential(&object);
            }
        }
        if let Ok(Some(old)) = request.old_object()
            && !is_namespace(request)
        {
            let stored = self.cluster.stored(&old.key);
            // What a manifest told of has no uid yet.
            let is_new = stored.as_ref().is_none_or(|stored| stored.uid.is_empty());
            let was_there = stored.is_some();
            let key = old.key.clone();
            if is_new {
                self.cluster.store(old);
            }
            if is_new && was_there {
                self.observer.look(&key).await?;
            }
        }
        Ok(self.guard.judge(request, TIMEOUT).await)
    }

    /// Has the cluster know the credential of an object: as it is stated or written; else as the
    /// claims tell.
    pub(in crate::cli) fn know_credential(&self, object: &ObjectFacts) {
        let key = &object.key;
        let named = object.annotations.credential_from.as_deref();
        let named = named.filter(|name| !name.is_empty());
        let secret = match (
            self.own.subscription(object),
            self.of_objects.get(key),
            named,
        ) {
            (Ok(known), _, _) => credential(&known),
            (Err(_), Some(claimed), _) => credential(claimed),
            // Where the secret that is named is not known, ASO takes no other one.
            (Err(unknown), None, Some(_)) => SecretLookup::Unreadable(unknown.why),
            (Err(_), None, None) => match self.of_namespaces.get(&key.namespace) {
                Some(claimed) => credential(claimed),
                None => return,
            },
        };
        let name = named.unwrap_or(NAMESPACE_SECRET);
        self.cluster.set_secret(&key.namespace, name, secret);
    }

    /// What a request comes to, and what the observer makes of it.
    ///
    /// # Errors
    /// None of a registry in memory.
    pub(in crate::cli) async fn happen(
        &self,
        request: &AdmissionRequest<'_>,
    ) -> anyhow::Result<()> {
        if is_namespace(request) {
            if let Ok((_, Some(now))) = request.both::<WireNamespace>() {
                self.cluster.set_namespace_policy(now.name(), now.policy());
                for object in self.cluster.in_namespace(now.name()) {
                    self.observer.look(&object.key).await?;
                }
            }
            return Ok(());
        }
        let (now, before) = (request.object(), request.old_object());
        let key: Option<ObjectKey> = match (&*request.operation, now, before) {
            ("CREATE" | "UPDATE", Ok(Some(now)), _) => {
                let key = now.key.clone();
                self.cluster.store(now);
                Some(key)
            }
            ("DELETE", _, Ok(Some(before))) => {
                self.cluster.remove(&before.key);
                Some(before.key)
            }
            _ => None,
        };
        for key in key.iter().flat_map(|key| self.concerned(key)) {
            self.observer.look(&key).await?;
        }
        Ok(())
    }

    /// The objects that a change of this one may make something else of: itself and all below
    /// it, or what is in it.
    pub(in crate::cli) fn concerned(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        if &*key.kind == "Namespace" && key.group.is_empty() {
            let inside = self.cluster.in_namespace(&key.name);
            return inside.iter().map(|object| object.key.clone()).collect();
        }
        let mut all = vec![key.clone()];
        let mut next = 0;
        while let Some(owner) = all.get(next) {
            for child in self.cluster.owned_by(&owner.namespace, &owner.name) {
                // Names are those of any kind, and an owner may own itself by mistake.
                if !all.contains(&child.key) {
                    all.push(child.key.clone());
                }
            }
            next += 1;
        }
        all
    }

    /// A verdict as a finding, where it is more than yes.
    pub(in crate::cli) fn finding(
        &self,
        request: &AdmissionRequest<'_>,
        place: Location,
        verdict: &Verdict,
    ) -> Option<Finding> {
        let (rule, level, words) = match (verdict.allowed, verdict.warnings.is_empty()) {
            (true, true) => return None,
            (true, false) => (Rule::Warned, Level::Warning, verdict.warnings.join("\n")),
            (false, _) => (Rule::Refused, Level::Error, verdict.message.clone()),
        };
        let object = request.object().ok().flatten();
        let object = object.or_else(|| request.old_object().ok().flatten());
        let reason = verdict.reason.map_or("", |reason| reason.as_str());
        let message = format!("{} {reason}: {words}", request.operation);
        Some(Finding {
            copy: object.map(|object| CopyRef {
                member: self.guard.member.clone(),
                object: object.key,
            }),
            ..Finding::at(rule, level, place, message)
        })
    }
}

fn is_namespace(request: &AdmissionRequest<'_>) -> bool {
    request.kind.group.is_empty() && request.kind.kind == "Namespace"
}
