//! People at work while something breaks: one for each copy in each cluster. They create, park,
//! wake and delete, the two of a resource without regard for each other.

use futures::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::checker::Seen;
use crate::diary::Diary;
use crate::lab::aso::FINALIZER;
use crate::lab::crds::{self, SUBSCRIPTION};
use crate::lab::object::Object;
use crate::lab::timeline::about;
use crate::person::{Habit, Person};
use crate::trial::Trial;

/// A resource that both clusters have something to do with.
#[derive(Clone)]
pub struct Resource {
    /// Its ARM ID.
    pub id: String,
    /// A copy of it, live, that nobody has stored yet.
    pub copy: Object,
}

/// So many resources of a test: resource groups, and every third a storage account in a group
/// that is not in Kubernetes. Every other has ASO's finalizer.
pub fn resources(trial: &Trial, number: usize) -> Vec<Resource> {
    (0..number)
        .map(|at| {
            let name = format!("{}-{at}", trial.name);
            let (copy, id) = if at % 3 == 2 {
                let group = trial.resource_group_id("elsewhere");
                let id = format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
                (Object::of("StorageAccount", &name).owner_arm_id(&group), id)
            } else {
                let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}");
                (Object::of("ResourceGroup", &name), id)
            };
            let finalizers = if at % 2 == 1 {
                json!([FINALIZER])
            } else {
                json!([])
            };
            let copy = copy
                .azure_name(&name)
                .with("/metadata/finalizers", finalizers);
            Resource { id, copy }
        })
        .collect()
}

/// So many resource groups of a test, without finalizers: they come and go at once.
pub fn groups(trial: &Trial, number: usize) -> Vec<Resource> {
    let names = (0..number).map(|at| format!("group-{at}"));
    names
        .map(|name| Resource {
            id: trial.resource_group_id(&name),
            copy: trial.resource_group(&name),
        })
        .collect()
}

impl Resource {
    /// The order of events of it.
    pub fn story(&self, trial: &Trial) -> String {
        let copy = about(crds::kind(self.copy.kind()).plural, self.copy.name());
        let namespace = about("namespaces", self.copy.text("/metadata/namespace"));
        let events = trial.timeline.of(&[&copy, &self.id, &namespace]);
        format!("--- the order of events of {}\n{events}", self.id)
    }
}

/// Everybody does everything until told to stop. What they did, in all.
pub async fn work(
    trial: &Trial,
    resources: &[Resource],
    seed: u64,
    stop: &CancellationToken,
) -> Diary {
    work_by(Habit::Everything, trial, resources, seed, stop).await
}

/// Everybody does what is their habit until told to stop. What they did, in all.
pub async fn work_by(
    habit: Habit,
    trial: &Trial,
    resources: &[Resource],
    seed: u64,
    stop: &CancellationToken,
) -> Diary {
    trial
        .timeline
        .note("", format!("the seed of the people is {seed}"));
    let mut people = Vec::new();
    for resource in resources {
        for (cluster, kubectl) in [("a", &trial.a.person), ("b", &trial.b.person)] {
            let seed = seed + 1_000 * people.len() as u64;
            people.push(Person::new(trial, resource, cluster, kubectl, habit, seed).work(stop));
        }
    }
    let mut all = Diary::default();
    for diary in join_all(people).await {
        all.add(diary);
    }
    all
}

/// Resources that are live nowhere and that nobody may have: a line each. Asked by dry run,
/// when everything has settled.
pub async fn stuck(trial: &Trial, resources: &[Resource], seen: &Seen) -> Vec<String> {
    let mut stuck = Vec::new();
    for resource in resources {
        let holder = seen
            .claim(&resource.id)
            .map_or("", |claim| claim.text("/status/holder"));
        if !holder.is_empty() {
            continue;
        }
        for side in [&trial.a, &trial.b] {
            let person = side.person.dry_run();
            let outcome = match person.get(&resource.copy).await {
                // What is going is woken by nobody.
                Ok(stored) if stored.object.is_terminating() => continue,
                Ok(_) => person.clear_policy(&resource.copy).await,
                Err(_) => person.create(&resource.copy).await,
            };
            if let Err(refusal) = outcome {
                stuck.push(format!("{} in {}: {refusal}", resource.copy, side.name()));
            }
        }
    }
    stuck
}
