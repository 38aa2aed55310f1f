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

/// The name of a transfer: a DNS label (RFC 1123), for it becomes a label's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferName(Arc<str>);

/// Why a transfer name was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a transfer's name: use 1 to 63 lower-case letters, digits and dashes, \
     beginning and ending with a letter or digit"
)]
pub struct TransferNameError(String);

impl TransferName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TransferName {
    type Err = TransferNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_dns_label(text) {
            Ok(Self(text.into()))
        } else {
            Err(TransferNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for TransferName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A namespace of a member cluster, written `member/namespace`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceRef {
    /// The cluster.
    pub member: MemberName,
    /// The namespace in it.
    pub namespace: Arc<str>,
}

/// Why a text names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place: write <cluster>/<namespace>, such as west/team-a")]
pub struct NamespaceRefError(String);

impl NamespaceRef {
    /// Whether a copy is in this place.
    pub fn has(&self, copy: &CopyRef) -> bool {
        copy.member == self.member && copy.object.namespace == self.namespace
    }
}

impl FromStr for NamespaceRef {
    type Err = NamespaceRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NamespaceRefError(text.to_owned());
        let (member, namespace) = text.split_once('/').ok_or_else(wrong)?;
        if !is_dns_label(namespace) {
            return Err(wrong());
        }
        Ok(Self {
            member: member.parse().map_err(|_| wrong())?,
            namespace: namespace.into(),
        })
    }
}

impl fmt::Display for NamespaceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.member, self.namespace)
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

    #[rstest]
    #[case("a/team", true)]
    #[case("a", false)]
    #[case("a/", false)]
    #[case("/team", false)]
    #[case("A/team", false)]
    #[case("a/team/x", false)]
    fn places_are_a_cluster_and_a_namespace(#[case] text: &str, #[case] taken: bool) {
        let place = text.parse::<NamespaceRef>();
        assert_eq!(place.is_ok(), taken);
        assert!(place.is_ok_and(|place| place.to_string() == text) == taken);
        assert_eq!(
            text.replace('/', "-").parse::<TransferName>().is_ok(),
            text != "/team" && text != "a/" && text != "A/team"
        );
    }
}
