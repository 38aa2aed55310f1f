//! The second opinion: compares what both clusters have stored with the claims on the hub.
//!
//! It shares no code with aso-guard. It reads plain JSON, works out ARM IDs by itself, for the
//! three kinds that the faults use, and knows of claims only what their columns and copies say.
//! Whatever it finds is wrong once nothing is under way any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::lab::crds::{self, SUBSCRIPTION};
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::lab::verdict::Refusal;
use crate::lab::wait::until;
use crate::trial::Trial;

/// The kinds that the faults use.
pub const KINDS: [&str; 3] = ["ResourceGroup", "StorageAccount", "UserAssignedIdentity"];

/// What there is at one time.
#[derive(Default)]
pub struct Seen {
    /// Every object of both clusters, by its cluster's name.
    objects: Vec<(&'static str, Object)>,
    /// The namespaces of both that park what is in them, each after its cluster's name.
    parking: BTreeSet<(&'static str, String)>,
    /// Every claim of the hub, by its ARM ID in lower case.
    claims: BTreeMap<String, Vec<Object>>,
}

impl Seen {
    /// Reads both clusters and the hub.
    pub async fn now(trial: &Trial) -> Result<Self, Refusal> {
        let (mut objects, mut parking) = (Vec::new(), BTreeSet::new());
        for (cluster, person) in [("a", &trial.a.person), ("b", &trial.b.person)] {
            let stored = stored(person).await?;
            objects.extend(stored.into_iter().map(|object| (cluster, object)));
            let mut namespaces = person.list_path("/api/v1/namespaces").await?;
            namespaces.retain(|namespace| namespace.annotation(POLICY) == Some("skip"));
            let names = namespaces
                .iter()
                .map(|namespace| namespace.name().to_owned());
            parking.extend(names.map(|name| (cluster, name)));
        }
        let mut seen = Self {
            objects,
            parking,
            claims: BTreeMap::new(),
        };
        for claim in trial.hub.claims().await? {
            seen.add_claim(claim);
        }
        Ok(seen)
    }

    fn add_claim(&mut self, claim: Object) {
        let id = claim.text("/spec/identity").to_lowercase();
        self.claims.entry(id).or_default().push(claim);
    }

    /// The claim of an ARM ID.
    pub fn claim(&self, arm_id: &str) -> Option<&Object> {
        self.claims.get(&arm_id.to_lowercase())?.first()
    }

    /// All that is wrong, a line each.
    pub fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let resources = self.resources();
        for (id, copies) in &resources {
            let live: Vec<&Stored> = copies.iter().filter(|copy| copy.is_live()).collect();
            if live.len() > 1 {
                findings.push(format!("two live copies of {id}: {}", names(&live)));
            }
            self.check_claim(id, copies, &live, &mut findings);
        }
        for (id, claims) in &self.claims {
            if claims.len() > 1 {
                findings.push(format!("{} claims of {id}", claims.len()));
            }
            if !resources.contains_key(id) {
                findings.push(format!("a claim of {id}, of which no copy is stored"));
            }
        }
        findings
    }

    /// Of each resource its copies.
    fn resources(&self) -> BTreeMap<String, Vec<Stored<'_>>> {
        let mut resources: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
        for (cluster, object) in &self.objects {
            let id = self.arm_id(cluster, object).to_lowercase();
            let namespace = object.text("/metadata/namespace").to_owned();
            let is_parked_by_namespace = self.parking.contains(&(*cluster, namespace));
            resources.entry(id).or_default().push(Stored {
                cluster,
                object,
                is_parked_by_namespace,
            });
        }
        resources
    }

    fn arm_id(&self, cluster: &str, object: &Object) -> String {
        let name = match object.text("/spec/azureName") {
            "" => object.name(),
            name => name,
        };
        let provider = match object.kind() {
            "ResourceGroup" => {
                return format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}");
            }
            "StorageAccount" => "Microsoft.Storage/storageAccounts",
            "UserAssignedIdentity" => "Microsoft.ManagedIdentity/userAssignedIdentities",
            kind => panic!("the checker does not know {kind}"),
        };
        let owner = match object.text("/spec/owner/armId") {
            "" => self.owner_id(cluster, object),
            id => id.to_owned(),
        };
        format!("{owner}/providers/{provider}/{name}")
    }

    fn owner_id(&self, cluster: &str, object: &Object) -> String {
        let name = object.text("/spec/owner/name");
        let owner = self.objects.iter().find(|(in_cluster, other)| {
            *in_cluster == cluster
                && other.kind() == "ResourceGroup"
                && other.name() == name
                && other.text("/metadata/namespace") == object.text("/metadata/namespace")
        });
        match owner {
            Some((_, owner)) => self.arm_id(cluster, owner),
            None => format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"),
        }
    }

    fn check_claim(
        &self,
        id: &str,
        copies: &[Stored],
        live: &[&Stored],
        findings: &mut Vec<String>,
    ) {
        let Some(claim) = self.claim(id) else {
            findings.push(format!("{id} has no claim"));
            return;
        };
        let claimed = claim.0["status"]["copies"].as_array().cloned();
        let claimed: Vec<Object> = claimed
            .unwrap_or_default()
            .into_iter()
            .map(Object)
            .collect();
        for copy in copies {
            let name = copy.name();
            let Some(entry) = claimed.iter().find(|entry| name_in_claim(entry) == name) else {
                findings.push(format!("the claim of {id} does not know of {name}"));
                continue;
            };
            let same = entry.text("/stored/uid") == copy.object.uid()
                && entry.text("/stored/policy") == copy.policy()
                && (entry.0["stored"]["terminating"] == true) == copy.is_terminating();
            if !same {
                let stored = &entry.0["stored"];
                findings.push(format!(
                    "{name} is not what the claim of {id} says: {stored}, but uid {}, {}",
                    copy.object.uid(),
                    copy.policy()
                ));
            }
        }
        for entry in &claimed {
            let name = name_in_claim(entry);
            if copies.iter().all(|copy| copy.name() != name) {
                findings.push(format!("the claim of {id} has {name}, which is not stored"));
            }
            for list in ["acquiring", "arriving", "renaming", "deleting"] {
                if entry.0[list]
                    .as_array()
                    .is_some_and(|list| !list.is_empty())
                {
                    findings.push(format!("{list} of {name} is stuck: {}", entry.0[list]));
                }
            }
        }
        if claim.text("/status/holder") != names(live) {
            let holder = claim.text("/status/holder");
            findings.push(format!("{id} is held by {:?}, not {holder:?}", names(live)));
        }
    }
}

/// One copy, as it is stored.
struct Stored<'a> {
    cluster: &'a str,
    object: &'a Object,
    is_parked_by_namespace: bool,
}

impl Stored<'_> {
    fn policy(&self) -> &str {
        match self.object.annotation(POLICY) {
            Some(policy @ ("skip" | "detach-on-delete")) => policy,
            None if self.is_parked_by_namespace => "skip",
            _ => "manage",
        }
    }

    fn is_live(&self) -> bool {
        self.policy() != "skip"
    }

    fn is_terminating(&self) -> bool {
        !self.object.text("/metadata/deletionTimestamp").is_empty()
    }

    /// The way claims name it.
    fn name(&self) -> String {
        let (cluster, object) = (self.cluster, self.object);
        format!("{cluster}/{}/{object}", object.text("/metadata/namespace"))
    }
}

fn names(copies: &[&Stored]) -> String {
    let names: Vec<String> = copies.iter().map(|copy| copy.name()).collect();
    names.join(", ")
}

fn name_in_claim(entry: &Object) -> String {
    let part = |name: &str| entry.text(name).to_owned();
    [
        part("/member"),
        part("/namespace"),
        part("/kind"),
        part("/name"),
    ]
    .join("/")
}

/// Every object of the kinds that the faults use.
pub async fn stored(person: &Kubectl) -> Result<Vec<Object>, Refusal> {
    let mut objects = Vec::new();
    for kind in KINDS {
        let kind = crds::kind(kind);
        let path = format!("/apis/{}/{}", kind.api_version(), kind.plural);
        objects.extend(person.list_path(&path).await?);
    }
    Ok(objects)
}

/// Waits until the checker finds nothing. Otherwise, what it still finds at the end.
pub async fn settles(trial: &Trial, within: Duration) -> Result<Seen, String> {
    let settled = until("the claims to be the truth", within, async || {
        let seen = Seen::now(trial).await?;
        let findings = seen.findings();
        anyhow::ensure!(findings.is_empty(), "{}", findings.join("\n"));
        Ok(seen)
    });
    settled.await.map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests;
