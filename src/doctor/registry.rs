//! What a registry says of itself and its members.

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use serde::Deserialize as _;
use serde_json::Value;

use super::calls::call;
use super::facts::{MemberFacts, NotRead, Read, RegistryFacts};
use crate::claim::EpochRecord;
use crate::registry::hub::POLICIES;
use crate::registry::{ClaimScope, MemberRecord, MemberStanding, Registry, RegistryError};

/// How many policies are read at once.
const AT_ONCE: usize = 4;

/// Asks for members and conflicts.
pub(super) async fn read(
    registry: &dyn Registry,
    place: &str,
    now: Timestamp,
) -> Read<RegistryFacts> {
    let members = registry.members().await?;
    let conflicts = registry.claims(&ClaimScope::InConflict).await?;
    let (epoch, not_read) = match registry.epoch().await {
        Ok(known) => (known.map(|known| known.record).unwrap_or_default(), None),
        Err(RegistryError::Corrupt(one)) => (EpochRecord::default(), Some(one)),
        Err(error) => return Err(error.into()),
    };
    let unreadable = members.unreadable.iter().chain(&conflicts.unreadable);
    let unreadable = unreadable.chain(&not_read);
    let records = members.records.iter();
    let mut facts = RegistryFacts {
        place: place.to_owned(),
        flags: registry.flags().to_owned(),
        members: records
            .map(|known| MemberFacts::of(&known.record, now))
            .collect(),
        unreadable: unreadable
            .map(|one| format!("{} {}", one.kind, one.name))
            .collect(),
        conflicts: conflicts.records.len(),
        awaited: epoch.awaited().map(ToString::to_string).collect(),
        migration: epoch.migration,
    };
    facts.members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(facts)
}

impl MemberFacts {
    fn of(member: &MemberRecord, now: Timestamp) -> Self {
        let standing = member.standing(now);
        Self {
            name: member.name.to_string(),
            cluster: member.cluster.to_string(),
            silent_since: (standing == MemberStanding::Silent).then_some(member.heard),
            fenced: member
                .fence
                .as_ref()
                .map(|fence| format!("{}: {}", fence.by, fence.why.as_str())),
            enrolling: member.enrolling,
            mode: member.mode.to_string(),
            unresolved: (member.unresolved.count, member.unresolved.some.clone()),
            unwatched: (member.unwatched.count, member.unwatched.some.clone()),
            second_line: member.second_line.as_ref().map(|line| {
                let stale = &line.stale;
                (line.namespaces, stale.count, stale.some.clone())
            }),
            token_ends: member
                .hub_token_expires
                .map(|end| (end, member.hub_token_ends_soon(now))),
        }
    }
}

impl From<RegistryError> for NotRead {
    fn from(error: RegistryError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What of the hub's policies is missing, or is not what this version has.
pub(super) async fn missing_policies(client: &Client) -> Read<Vec<String>> {
    let wanted = wanted_policies().map_err(NotRead::Failed)?;
    let looks = stream::iter(wanted).map(async |wanted| {
        let kind = wanted["kind"].as_str().unwrap_or_default().to_owned();
        let name = wanted["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let like = ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&());
        let resource = ApiResource {
            plural: format!("{}s", kind.to_lowercase()).replace("policys", "policies"),
            kind: kind.clone(),
            ..like
        };
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let found = call(&format!("{kind} {name}"), api.get_opt(&name)).await?;
        Ok(match found {
            None => Some(format!("there is no {kind} {name}")),
            Some(found) if !holds(&found.data["spec"], &wanted["spec"]) => {
                Some(format!("{kind} {name} is not what this version has"))
            }
            Some(_) => None,
        })
    });
    let looks: Vec<Read<Option<String>>> = looks.buffered(AT_ONCE).collect().await;
    let missing: Read<Vec<Option<String>>> = looks.into_iter().collect();
    Ok(missing?.into_iter().flatten().collect())
}

fn wanted_policies() -> Result<Vec<Value>, String> {
    let texts = POLICIES.into_iter();
    let documents = texts.flat_map(serde_yaml::Deserializer::from_str);
    documents
        .map(|one| Value::deserialize(one).map_err(|error| error.to_string()))
        .collect()
}

/// Whether what is stored says all that is wanted: an API server adds what it takes for granted.
fn holds(stored: &Value, wanted: &Value) -> bool {
    match (stored, wanted) {
        (Value::Object(stored), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| stored.get(key).is_some_and(|stored| holds(stored, wanted))),
        (Value::Array(stored), Value::Array(wanted)) => {
            let mut pairs = stored.iter().zip(wanted);
            stored.len() == wanted.len() && pairs.all(|(stored, wanted)| holds(stored, wanted))
        }
        _ => stored == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_policies_can_be_read() {
        let wanted = wanted_policies().unwrap();
        let kinds: Vec<&str> = wanted
            .iter()
            .filter_map(|one| one["kind"].as_str())
            .collect();
        assert!(kinds.len() >= 6, "{kinds:?}");
        assert!(
            kinds
                .iter()
                .all(|kind| kind.starts_with("ValidatingAdmissionPolicy"))
        );
    }

    #[test]
    fn what_an_api_server_adds_is_no_difference() {
        let wanted = json!({"a": [{"b": 1}], "c": "x"});
        assert!(holds(
            &json!({"a": [{"b": 1, "d": 2}], "c": "x", "e": []}),
            &wanted
        ));
        assert!(!holds(&json!({"a": [{"b": 1}, {}], "c": "x"}), &wanted));
        assert!(!holds(&json!({"a": [{"b": 1}], "c": "y"}), &wanted));
        assert!(!holds(&json!({"c": "x"}), &wanted));
    }
}
