//! The names that the protocol tells apart.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::object::ObjectKey;
use crate::object::text::{is_dns_label, is_dns_subdomain, is_kind, printable};

/// The name of a member: a cluster that runs aso-guard against the registry.
///
/// A DNS label (RFC 1123): it becomes part of label keys and object names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberName(Arc<str>);

/// Why a member name was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a cluster name: use 1 to 63 lower-case letters, digits and dashes, \
     beginning and ending with a letter or digit"
)]
pub struct MemberNameError(String);

impl MemberName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MemberName {
    type Err = MemberNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_dns_label(text) {
            Ok(Self(text.into()))
        } else {
            Err(MemberNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one copy: an object in a member cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyRef {
    /// The cluster the object is in.
    pub member: MemberName,
    /// The object.
    pub object: ObjectKey,
}

impl CopyRef {
    /// A copy by its names, as a record of the registry holds them.
    ///
    /// # Errors
    /// One of them is no name in Kubernetes, such as nothing that is there could have; for a
    /// person.
    pub fn read(
        member: &str,
        namespace: &str,
        group: &str,
        kind: &str,
        name: &str,
    ) -> Result<Self, String> {
        let fit = |what: &str, text: &str, fits: bool| {
            let wrong = || format!("{what} {:?} is no name in Kubernetes", printable(text, 80));
            fits.then_some(()).ok_or_else(wrong)
        };
        fit("namespace", namespace, is_dns_label(namespace))?;
        fit("group", group, is_dns_subdomain(group))?;
        fit("kind", kind, is_kind(kind))?;
        fit("name", name, is_dns_subdomain(name))?;
        Ok(Self {
            member: member
                .parse()
                .map_err(|error: MemberNameError| error.to_string())?,
            object: ObjectKey::new(group, kind, namespace, name),
        })
    }

    /// Whether both copies are in the same namespace of the same cluster.
    pub fn shares_namespace(&self, other: &Self) -> bool {
        self.member == other.member && self.object.namespace == other.object.namespace
    }
}

/// `a/team/ResourceGroup/rg-prod`: member, namespace, kind, name.
impl fmt::Display for CopyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.member, self.object)
    }
}

/// The `uid` of an AdmissionRequest: one call of the webhook.
///
/// What a call wrote is found again by it: after a response of the registry was
/// lost, and when the call is refused later on and takes back what it wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestUid(Arc<str>);

impl RequestUid {
    /// Takes the uid as it stands in the request.
    pub fn new(uid: &str) -> Self {
        Self(uid.into())
    }

    /// The uid as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a", true)]
    #[case("prod-west-2", true)]
    #[case("", false)]
    #[case("-a", false)]
    #[case("a-", false)]
    #[case("Prod", false)]
    #[case("a.b", false)]
    #[case(&"a".repeat(63), true)]
    #[case(&"a".repeat(64), false)]
    fn member_names_are_dns_labels(#[case] text: &str, #[case] taken: bool) {
        assert_eq!(text.parse::<MemberName>().is_ok(), taken);
    }
}
