//! The name under which a resource is claimed.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fold::{folded, folded_cmp, folded_hash, rest_after, same_name};
use super::id::{
    ArmId, ArmIdError, ArmLevel, IdPairs, check, check_length, check_name, excerpt, value_at,
    without_last_slash,
};

/// The resource's ARM ID, or a synthetic key below one: `<owner's ID>#<kind>/<name>`
/// for what ASO manages inside a resource, such as a database user.
///
/// What is in no subscription is in a tenant, of which its ARM ID says nothing. Not all
/// members can know the tenant, and one who does must not name a resource otherwise than one
/// who does not: so what has one name in two tenants is taken for one resource, which at
/// worst refuses too much.
///
/// It keeps its spelling; equality, order and hash are [without regard to case](super::fold).
#[derive(Clone, Debug)]
pub struct Identity {
    text: Arc<str>,
    /// How much of the text is an ARM ID.
    arm: usize,
}

impl Identity {
    /// Reads an identity as [`Display`](fmt::Display) writes it.
    ///
    /// # Errors
    /// Where the text, or what stands before its `#`, is not an ARM ID.
    pub fn parse(text: &str) -> Result<Self, ArmIdError> {
        let (arm, inside) = match text.split_once('#') {
            Some((arm, inside)) => (arm, Some(inside)),
            None => (without_last_slash(text), None),
        };
        check(arm)?;
        if let Some(inside) = inside {
            check_inside(text, inside)?;
        }
        Ok(Self {
            text: if inside.is_some() { text } else { arm }.into(),
            arm: arm.len(),
        })
    }

    /// The identity as it was first written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The identity in one case: equal identities have equal keys.
    pub fn key(&self) -> String {
        folded(&self.text)
    }

    /// The subscription it lies in, if it does.
    pub fn subscription(&self) -> Option<&str> {
        value_at(self.arm_id(), ArmLevel::Subscription)
    }

    /// The resource group it lies in, or is.
    pub fn resource_group(&self) -> Option<&str> {
        value_at(self.arm_id(), ArmLevel::ResourceGroup)
    }

    /// The last name in it, for people.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or(&self.text)
    }

    /// `resourceGroups/rg-prod`: the type and name that end it, for people.
    pub fn last_pair(&self) -> &str {
        let cut = self.text.rmatch_indices('/').nth(1);
        &self.text[cut.map_or(0, |(at, _)| at + 1)..]
    }

    /// The resources that contain this one, nearest first. For a resource:
    /// those of the types above it, its resource group, its subscription. For an
    /// extension resource: its target, and what contains that. For a synthetic
    /// key: its owner, and what contains that.
    pub fn ancestors(&self) -> Vec<Self> {
        let mut above: Vec<Self> = IdPairs::of(self.arm_id())
            .filter(|pair| {
                !matches!(pair.level, ArmLevel::Provider | ArmLevel::Tenant)
                    && pair.end < self.text.len()
            })
            .map(|pair| Self {
                text: self.text[..pair.end].into(),
                arm: pair.end,
            })
            .collect();
        above.reverse();
        above
    }

    /// Whether it lies strictly inside `other`, by whole segments.
    pub fn is_below(&self, other: &Self) -> bool {
        let is_below =
            |rest: &str| rest.starts_with(['/', '#']) && self.text.len() - rest.len() <= self.arm;
        other.arm == other.text.len() && rest_after(&self.text, &other.text).is_some_and(is_below)
    }

    /// Whether it is a subscription, rather than something in one.
    pub fn is_subscription(&self) -> bool {
        let above = self.text.trim_start_matches('/').split('/');
        above.count() == 2 && self.subscription().is_some()
    }

    /// What this is called once `from`, in which it lies, is called `to`; `None` where it does
    /// not lie there.
    #[must_use]
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        let rest = rest_after(&self.text, &from.text).filter(|_| self.is_below(from))?;
        Self::parse(&format!("{to}{rest}")).ok()
    }

    fn arm_id(&self) -> &str {
        &self.text[..self.arm]
    }

    /// The same, with another last name.
    pub(super) fn renamed(&self, name: &str) -> Result<Self, ArmIdError> {
        let above = &self.text[..self.text.len() - self.name().len()];
        Self::parse(&format!("{above}{name}"))
    }
}

fn check_inside(text: &str, inside: &str) -> Result<(), ArmIdError> {
    let (kind, name) = inside
        .split_once('/')
        .ok_or_else(|| ArmIdError::Incomplete(excerpt(text)))?;
    if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(ArmIdError::Unexpected {
            id: excerpt(text),
            word: excerpt(kind),
        });
    }
    check_name(name).map_err(|problem| ArmIdError::Segment {
        id: excerpt(text),
        problem,
    })?;
    check_length(text)
}

impl From<ArmId> for Identity {
    fn from(id: ArmId) -> Self {
        Self {
            arm: id.as_str().len(),
            text: id.as_str().into(),
        }
    }
}

impl FromStr for Identity {
    type Err = ArmIdError;

    fn from_str(text: &str) -> Result<Self, ArmIdError> {
        Self::parse(text)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        same_name(&self.text, &other.text)
    }
}

impl Eq for Identity {}

impl PartialOrd for Identity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Identity {
    fn cmp(&self, other: &Self) -> Ordering {
        folded_cmp(&self.text, &other.text)
    }
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        folded_hash(&self.text, state);
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
