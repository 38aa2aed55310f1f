//! The effective reconcile policy of an object, exactly as ASO works it out.
//!
//! The object's annotation counts if it is not empty, else the same annotation
//! on its namespace, else the operator's default, else `manage`. Values are
//! compared as they stand: neither case nor white space is forgiven. An unknown
//! value falls to the operator's default, never to the namespace's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What ASO may do in Azure for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// ASO writes the resource, and deletes it with the object.
    Manage,
    /// ASO only reads.
    Skip,
    /// ASO writes the resource, and leaves it when the object is deleted.
    DetachOnDelete,
}

impl Policy {
    /// All policies.
    pub const ALL: [Self; 3] = [Self::Manage, Self::Skip, Self::DetachOnDelete];

    /// Whether ASO writes to Azure for an object with this policy.
    pub fn is_live(self) -> bool {
        self != Self::Skip
    }

    /// Whether deleting the object deletes the resource in Azure.
    pub fn deletes(self) -> bool {
        self == Self::Manage
    }

    /// The policy as ASO spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Skip => "skip",
            Self::DetachOnDelete => "detach-on-delete",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text is none of ASO's policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a reconcile policy; ASO knows manage, skip and detach-on-delete")]
pub struct InvalidPolicy(Box<str>);

impl FromStr for Policy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        let found = Self::ALL.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| InvalidPolicy(text.into()))
    }
}

/// What a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicySource {
    /// The annotation on the object.
    Object,
    /// The annotation on its namespace.
    Namespace,
    /// `DEFAULT_RECONCILE_POLICY` of the operator.
    Operator,
    /// Nothing was said anywhere, or nothing that ASO understands.
    Default,
}

/// How messages name it: `the annotation on the object`.
impl fmt::Display for PolicySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "the annotation on the object",
            Self::Namespace => "the annotation on the namespace",
            Self::Operator => "ASO's DEFAULT_RECONCILE_POLICY",
            Self::Default => "ASO's built-in default",
        })
    }
}

/// A value that ASO doesn't know, and so passes over. It shows as what it is: a
/// `skip ` that was meant to protect does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnknownPolicy {
    /// The value, as written.
    pub value: Box<str>,
    /// Where it stands.
    pub at: PolicySource,
}

/// `"Skip" in the annotation on the object`.
impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}", self.value, self.at)
    }
}

/// The policy that holds for an object, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EffectivePolicy {
    /// The policy that ASO follows.
    pub policy: Policy,
    /// What it comes from.
    pub source: PolicySource,
    /// The value that ASO passed over, the one nearest to the object.
    pub unknown: Option<UnknownPolicy>,
}

/// The effective policy, from the annotation on the object, that on its
/// namespace, and `DEFAULT_RECONCILE_POLICY`; empty values are as good as none.
///
/// ASO doesn't start with a default that it doesn't know. An instance that
/// started earlier may still run, so `manage` is assumed then: of all policies
/// it allows ASO the most.
pub fn effective(
    object: Option<&str>,
    namespace: Option<&str>,
    operator_default: Option<&str>,
) -> EffectivePolicy {
    let set = |value: Option<&str>, at| match value {
        None | Some("") => None,
        Some(value) => Some((value.parse::<Policy>(), value.into(), at)),
    };
    let annotation =
        set(object, PolicySource::Object).or_else(|| set(namespace, PolicySource::Namespace));
    let settings = [annotation, set(operator_default, PolicySource::Operator)];

    let mut unknown = None;
    for (parsed, value, at) in settings.into_iter().flatten() {
        if let Ok(policy) = parsed {
            return EffectivePolicy {
                policy,
                source: at,
                unknown,
            };
        }
        unknown = unknown.or(Some(UnknownPolicy { value, at }));
    }
    EffectivePolicy {
        policy: Policy::Manage,
        source: PolicySource::Default,
        unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use Policy::{DetachOnDelete, Manage, Skip};

    #[rstest]
    #[case(None, None, None, Manage, PolicySource::Default)]
    #[case(Some("skip"), None, None, Skip, PolicySource::Object)]
    #[case(
        Some("manage"),
        Some("skip"),
        Some("skip"),
        Manage,
        PolicySource::Object
    )]
    #[case(
        None,
        Some("skip"),
        Some("detach-on-delete"),
        Skip,
        PolicySource::Namespace
    )]
    #[case(Some(""), Some("skip"), None, Skip, PolicySource::Namespace)]
    #[case(Some(""), Some(""), Some("skip"), Skip, PolicySource::Operator)]
    #[case(
        None,
        None,
        Some("detach-on-delete"),
        DetachOnDelete,
        PolicySource::Operator
    )]
    #[case(None, None, Some(""), Manage, PolicySource::Default)]
    fn the_nearest_value_holds(
        #[case] object: Option<&str>,
        #[case] namespace: Option<&str>,
        #[case] operator: Option<&str>,
        #[case] policy: Policy,
        #[case] source: PolicySource,
    ) {
        let expected = EffectivePolicy {
            policy,
            source,
            unknown: None,
        };
        assert_eq!(effective(object, namespace, operator), expected);
    }

    #[rstest]
    #[case(
        Some("Skip"),
        Some("skip"),
        None,
        Manage,
        PolicySource::Default,
        "Skip",
        PolicySource::Object
    )]
    #[case(
        Some("skip "),
        Some("skip"),
        Some("detach-on-delete"),
        DetachOnDelete,
        PolicySource::Operator,
        "skip ",
        PolicySource::Object
    )]
    #[case(
        None,
        Some("park"),
        Some("skip"),
        Skip,
        PolicySource::Operator,
        "park",
        PolicySource::Namespace
    )]
    #[case(
        None,
        None,
        Some("Skip"),
        Manage,
        PolicySource::Default,
        "Skip",
        PolicySource::Operator
    )]
    #[case(
        Some("a"),
        None,
        Some("b"),
        Manage,
        PolicySource::Default,
        "a",
        PolicySource::Object
    )]
    fn an_unknown_value_falls_to_the_operators_default(
        #[case] object: Option<&str>,
        #[case] namespace: Option<&str>,
        #[case] operator: Option<&str>,
        #[case] policy: Policy,
        #[case] source: PolicySource,
        #[case] value: &str,
        #[case] at: PolicySource,
    ) {
        let unknown = Some(UnknownPolicy {
            value: value.into(),
            at,
        });
        let expected = EffectivePolicy {
            policy,
            source,
            unknown,
        };
        assert_eq!(effective(object, namespace, operator), expected);
    }

    #[test]
    fn says_where_a_value_is_wrong() {
        let unknown = effective(Some("Skip"), None, None).unknown.unwrap();
        assert_eq!(
            unknown.to_string(),
            "\"Skip\" in the annotation on the object"
        );
        assert_eq!(
            "Skip".parse::<Policy>().unwrap_err().to_string(),
            "\"Skip\" is not a reconcile policy; ASO knows manage, skip and detach-on-delete"
        );
    }

    #[rstest]
    #[case(Manage, true, true, "manage")]
    #[case(Skip, false, false, "skip")]
    #[case(DetachOnDelete, true, false, "detach-on-delete")]
    fn is_what_aso_does(
        #[case] policy: Policy,
        #[case] live: bool,
        #[case] deletes: bool,
        #[case] spelled: &str,
    ) {
        assert_eq!((policy.is_live(), policy.deletes()), (live, deletes));
        assert_eq!(policy.to_string(), spelled);
        assert_eq!(spelled.parse(), Ok(policy));
        assert_eq!(
            serde_json::to_string(&policy).unwrap(),
            format!("{spelled:?}")
        );
    }

    fn value() -> impl Strategy<Value = Option<String>> {
        prop::option::of("(|manage|skip|detach-on-delete|Skip|skip |\\PC{0,5})")
    }

    proptest! {
        /// The rule of ASO's reconciler, written down a second time.
        #[test]
        fn agrees_with_asos_rule(object in value(), namespace in value(), operator in value()) {
            let [object, namespace, operator] =
                [&object, &namespace, &operator].map(|value| value.as_deref().unwrap_or(""));
            let default = operator.parse().unwrap_or(Manage);
            let annotation = if object.is_empty() { namespace } else { object };
            let expected = if annotation.is_empty() { default } else { annotation.parse().unwrap_or(default) };

            let found = effective(Some(object), Some(namespace), Some(operator));
            prop_assert_eq!(found.policy, expected);
            if let Some(unknown) = found.unknown {
                prop_assert!(unknown.value.parse::<Policy>().is_err() && !unknown.value.is_empty());
            }
        }
    }
}
