//! What is written down of one namespace.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object::{ObjectFacts, ObjectKey};
use crate::policy::Policy;

/// What must not be deleted or made live in a namespace. Objects are named `group/Kind/name`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceProtection {
    /// The policy of objects where neither they nor the namespace say one; left out where the
    /// operators of the namespace's objects disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_policy: Option<String>,
    /// Copies of which a delete would take somebody's resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, KeptCopy>,
    /// Parked copies whose resource is live elsewhere, or moved elsewhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<String, HeldCopy>,
    /// Whether asoguard.io/protect is on one of the objects, or on the namespace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// The same for requests on the whole namespace.
    #[serde(default, skip_serializing_if = "Whole::is_empty")]
    pub whole: Whole,
    /// Kinds, `group/Kind`, whose CRD must not be deleted, and why. In the guard's own namespace
    /// alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, String>,
}

/// A copy of which a delete would take somebody's resource, and what would go wrong.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeptCopy {
    /// The object's uid: another object of the same name is not meant.
    pub uid: String,
    /// The object's policy where neither it nor the namespace says one.
    pub default_policy: String,
    /// Where the delete is one in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Where it is one in Azure, and what the object owns is deleted, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<String>,
    /// Where it leaves Azure alone, and what the object owns is deleted in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_children: Option<String>,
    /// Reasons in asoguard.io/override that were used before: they let no delete through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_reasons: Vec<String>,
}

/// A parked copy whose resource is live elsewhere.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HeldCopy {
    /// The object's uid.
    pub uid: String,
    /// The object's policy where neither it nor the namespace says one.
    pub default_policy: String,
    /// What would go wrong if it became live.
    pub live: String,
    /// What makes it a copy of that resource: an object that says something else is not meant.
    pub naming: Naming,
}

/// What of an object says which resource it stands for; empty for what is not there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Naming {
    /// spec.azureName
    pub azure_name: String,
    /// spec.owner.group
    pub owner_group: String,
    /// spec.owner.kind
    pub owner_kind: String,
    /// spec.owner.name
    pub owner_name: String,
    /// spec.owner.armId
    pub owner_arm_id: String,
    /// The annotation serviceoperator.azure.com/credential-from
    pub credential_from: String,
    /// The annotation serviceoperator.azure.com/resource-id
    pub resource_id: String,
    /// spec.operatorSpec.namingConvention
    pub naming_convention: String,
}

/// What would go wrong if the whole namespace were deleted, or became live.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Whole {
    /// A copy in it whose delete would take somebody's resource.
    #[serde(default, skip_serializing_if = "WholeText::is_empty")]
    pub kept: WholeText,
    /// A copy in it that is deleted in Azure, where asoguard.io/protect is on the namespace.
    #[serde(default, skip_serializing_if = "WholeText::is_empty")]
    pub live: WholeText,
    /// A copy in it that is parked by the namespace, and live elsewhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub held: String,
}

/// What would go wrong, by where the policy comes from of the copy that it is about.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WholeText {
    /// It has a policy of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub own: String,
    /// It has the namespace's, or its operator's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inherited: String,
}

impl NamespaceProtection {
    /// Whether it keeps nobody from anything.
    pub fn is_empty(&self) -> bool {
        !self.protected
            && self.kept.is_empty()
            && self.held.is_empty()
            && self.whole.is_empty()
            && self.kinds.is_empty()
    }

    /// The same in parts of so many entries at most. Each entry is in the part that its name
    /// gives, so that one that comes changes no other part.
    pub fn parts(self, most: usize) -> Vec<Self> {
        let entries = self.kept.len().max(self.held.len());
        let count = entries.div_ceil(most.max(1)).max(1);
        let head = Self {
            kept: BTreeMap::new(),
            held: BTreeMap::new(),
            ..self.clone()
        };
        let mut parts = vec![head; count];
        // Once is enough.
        parts.iter_mut().skip(1).for_each(|part| {
            part.protected = false;
            part.whole = Whole::default();
        });
        for (key, kept) in self.kept {
            let part = &mut parts[part_of(&key, count)];
            part.kept.insert(key, kept);
        }
        for (key, held) in self.held {
            let part = &mut parts[part_of(&key, count)];
            part.held.insert(key, held);
        }
        parts
    }
}

/// FNV-1a: the same in every version and on every machine.
fn part_of(key: &str, count: usize) -> usize {
    let hash = key.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    usize::try_from(hash).unwrap_or_default() % count
}

impl Whole {
    fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.live.is_empty() && self.held.is_empty()
    }
}

impl WholeText {
    fn is_empty(&self) -> bool {
        self.own.is_empty() && self.inherited.is_empty()
    }
}

impl Naming {
    /// What an object says; `None` where it has its name from elsewhere, which no policy sees.
    pub(super) fn of(object: &ObjectFacts) -> Option<Self> {
        if object.azure_name_from_config {
            return None;
        }
        let owner = object.owner.clone().unwrap_or_default();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let annotations = &object.annotations;
        Some(Self {
            azure_name: text(object.azure_name.as_deref()),
            owner_group: text(owner.group.as_deref()),
            owner_kind: text(owner.kind.as_deref()),
            owner_name: text(owner.name.as_deref()),
            owner_arm_id: text(owner.arm_id.as_deref()),
            credential_from: text(annotations.credential_from.as_deref()),
            resource_id: text(annotations.resource_id.as_deref()),
            naming_convention: text(object.naming_convention.as_deref()),
        })
    }
}

/// How policies name an object of a namespace.
pub(super) fn key_of(key: &ObjectKey) -> String {
    format!("{}/{}/{}", key.group, key.kind, key.name)
}

/// How policies name a kind.
pub(super) fn kind_of(key: &ObjectKey) -> String {
    format!("{}/{}", key.group, key.kind)
}

/// A policy as ASO spells it.
pub(super) fn word(policy: Policy) -> String {
    policy.as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_in_its_part_and_none_is_lost() {
        let key = |number: usize| format!("g/K/n{number}");
        let kept = (0..25).map(|number| (key(number), KeptCopy::default()));
        let held = (20..40).map(|number| (key(number), HeldCopy::default()));
        let all = NamespaceProtection {
            kept: kept.collect(),
            held: held.collect(),
            ..NamespaceProtection::default()
        };
        let parts = all.clone().parts(10);
        assert_eq!(parts.len(), 3);
        let kept: usize = parts.iter().map(|part| part.kept.len()).sum();
        let held: usize = parts.iter().map(|part| part.held.len()).sum();
        assert_eq!((kept, held), (25, 20));
        let again = all.parts(10);
        assert_eq!(parts, again);
        assert_eq!(NamespaceProtection::default().parts(10).len(), 1);
    }
}
