//! Learning a kind that the table lacks from its installed CRD.
//!
//! ASO's generated CRDs tell where each resource lives: the description of every
//! version has a line `ARM URI: /subscriptions/{subscriptionId}/…`, and that of
//! `spec.owner` ends with `… a reference to a <group>/<Kind> resource`. Some
//! installers strip descriptions; then there is nothing to learn.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::kinds::{Kind, Naming, RESOURCE_GROUP_GROUP, RESOURCE_GROUP_KIND, Scope};

/// What is needed of an installed CRD. Deserializes from the CRD's body, and
/// keeps next to nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "body::Crd")]
pub struct CrdFacts {
    /// `spec.group`.
    pub group: String,
    /// `spec.names.kind`.
    pub kind: String,
    /// The versions, as the CRD lists them.
    pub versions: Vec<VersionFacts>,
}

/// What is needed of one version of a CRD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionFacts {
    /// The description of the whole object.
    pub description: Option<String>,
    /// The description of `spec.owner`; `None` where there is no such property,
    /// or it has no description.
    pub owner_description: Option<String>,
    /// Whether there is a `spec.azureName`.
    pub azure_name: bool,
    /// Whether there is a `spec.operatorSpec.namingConvention`.
    pub naming_convention: bool,
}

/// Why a CRD does not tell what its kind is in Azure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// No version has an ARM URI in its description.
    #[error("the descriptions of the CRD have no ARM URI; they may have been stripped")]
    NoArmUri,
    /// An ARM URI of a form that is not known.
    #[error("the ARM URI {0:?} has a form that is not known")]
    Unreadable(String),
    /// Versions that speak of different resources.
    #[error("the versions of the CRD disagree: one says {0}, another {1}")]
    Disagree(String, String),
    /// The description of `spec.owner` names no owner.
    #[error("the description of spec.owner names no owner")]
    NoOwner,
    /// The owner and the ARM URI don't fit.
    #[error("the type {arm_type} does not fit the owner {owner}")]
    OwnerMisfit {
        /// The type, from the ARM URI.
        arm_type: String,
        /// The owner, from the description of `spec.owner`.
        owner: String,
    },
    /// A kind without `spec.azureName` whose ARM URI doesn't tell the fixed name.
    #[error("the name in Azure is fixed, and the CRD does not say what it is")]
    NameUnknown,
}

/// Tells from its CRD what a kind is in Azure.
///
/// # Errors
/// [`LearnError`], where the CRD doesn't say.
pub fn learn(crd: &CrdFacts) -> Result<Kind, LearnError> {
    let mut lessons = crd.versions.iter().filter_map(|version| {
        let uri = arm_uri(version.description.as_deref()?)?;
        Some(lesson(crd, version, uri))
    });
    let first = lessons.next().ok_or(LearnError::NoArmUri)??;
    for other in lessons {
        let other = other?;
        if !agree(&first, &other) {
            let described =
                |kind: &Kind| format!("{} ({:?}, {:?})", kind.arm_type, kind.scope, kind.naming);
            return Err(LearnError::Disagree(described(&first), described(&other)));
        }
    }
    Ok(first)
}

fn agree(a: &Kind, b: &Kind) -> bool {
    a.arm_type.eq_ignore_ascii_case(&b.arm_type) && a.scope == b.scope && a.naming == b.naming
}

fn arm_uri(description: &str) -> Option<&str> {
    let (_, rest) = description.split_once("ARM URI:")?;
    rest.split_whitespace().next()
}

fn lesson(crd: &CrdFacts, version: &VersionFacts, uri: &str) -> Result<Kind, LearnError> {
    let uri = ArmUri::read(uri).ok_or_else(|| LearnError::Unreadable(uri.to_owned()))?;
    let naming = match (version.azure_name, uri.fixed_name) {
        (true, _) if version.naming_convention => Naming::Uuid {
            arm_id_unsure: false,
        },
        (true, _) => Naming::AzureName,
        (false, Some(name)) => Naming::Fixed(name.into()),
        (false, None) => return Err(LearnError::NameUnknown),
    };
    Ok(Kind {
        group: crd.group.as_str().into(),
        kind: crd.kind.as_str().into(),
        scope: scope(&uri, version.owner_description.as_deref())?,
        arm_type: uri.arm_type.into(),
        naming,
        learned: true,
    })
}

fn scope(uri: &ArmUri<'_>, owner: Option<&str>) -> Result<Scope, LearnError> {
    match uri.root {
        UriRoot::Anything => return Ok(Scope::Extension),
        UriRoot::Tenant => return Ok(Scope::Tenant),
        UriRoot::Subscription => return Ok(Scope::Subscription),
        UriRoot::ResourceGroup => {}
    }
    let (group, kind) = owner.and_then(owner_named).ok_or(LearnError::NoOwner)?;
    let types = uri.arm_type.split('/').count() - 1;
    let in_group = (&*group, &*kind) == (RESOURCE_GROUP_GROUP, RESOURCE_GROUP_KIND);
    match (in_group, types) {
        (true, 1) => Ok(Scope::ResourceGroup),
        (false, 2..) => Ok(Scope::Child { group, kind }),
        _ => Err(LearnError::OwnerMisfit {
            arm_type: uri.arm_type.clone(),
            owner: format!("{group}/{kind}"),
        }),
    }
}

/// The owner that the description of `spec.owner` names. It is wrapped at
/// arbitrary places.
fn owner_named(description: &str) -> Option<(Box<str>, Box<str>)> {
    let mut words = description
        .split_whitespace()
        .skip_while(|word| *word != "reference");
    let [Some("reference"), Some("to"), Some("a" | "an"), Some(owner)] =
        [words.next(), words.next(), words.next(), words.next()]
    else {
        return None;
    };
    let (group, kind) = owner.split_once('/')?;
    Some((group.into(), kind.into()))
}

/// An ARM URI as ASO's descriptions have it: an ARM ID with `{placeholders}`.
struct ArmUri<'a> {
    arm_type: String,
    root: UriRoot,
    /// The last name, where it is not a placeholder.
    fixed_name: Option<&'a str>,
}

enum UriRoot {
    Tenant,
    Subscription,
    ResourceGroup,
    /// Any resource: a placeholder stands for the scope or the provider.
    Anything,
}

impl<'a> ArmUri<'a> {
    fn read(uri: &'a str) -> Option<Self> {
        let path: Vec<&str> = uri.strip_prefix('/')?.split('/').collect();
        let is = |at: usize, word: &str| {
            path.get(at)
                .is_some_and(|segment: &&str| segment.eq_ignore_ascii_case(word))
        };
        let is_open = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
        let in_group = is(0, "subscriptions") && is(2, "resourceGroups");
        if in_group && path.len() == 4 {
            return Some(Self {
                arm_type: "Microsoft.Resources/resourceGroups".to_owned(),
                root: UriRoot::Subscription,
                fixed_name: None,
            });
        }
        let provider = (0..path.len()).rfind(|&at| is(at, "providers"))?;
        let root = match provider {
            0 => UriRoot::Tenant,
            2 if is(0, "subscriptions") => UriRoot::Subscription,
            4 if in_group => UriRoot::ResourceGroup,
            1 if is_open(path[0]) => UriRoot::Anything,
            8.. if in_group && is(4, "providers") && is_open(path[5]) => UriRoot::Anything,
            _ => return None,
        };
        let namespace = *path.get(provider + 1)?;
        let pairs = path.get(provider + 2..)?.chunks(2);
        let (mut arm_type, mut last) = (namespace.to_owned(), None);
        for pair in pairs {
            let [word, name] = *pair else { return None };
            if is_open(word) || word.is_empty() || name.is_empty() {
                return None;
            }
            arm_type.push('/');
            arm_type.push_str(word);
            last = Some(name);
        }
        let last = last.filter(|_| !is_open(namespace) && !namespace.is_empty())?;
        Some(Self {
            arm_type,
            root,
            fixed_name: Some(last).filter(|name| !is_open(name)),
        })
    }
}

/// The parts of a CRD's body that are read.
mod body {
    use super::{CrdFacts, Deserialize, IgnoredAny, VersionFacts};

    #[derive(Deserialize)]
    pub(super) struct Crd {
        spec: CrdSpec,
    }

    #[derive(Deserialize)]
    struct CrdSpec {
        group: String,
        names: Names,
        #[serde(default)]
        versions: Vec<Version>,
    }

    #[derive(Deserialize)]
    struct Names {
        kind: String,
    }

    #[derive(Deserialize)]
    struct Version {
        #[serde(default)]
        schema: Schema,
    }

    #[derive(Default, Deserialize)]
    struct Schema {
        #[serde(default, rename = "openAPIV3Schema")]
        object: Node<Object>,
    }

    /// A node of an OpenAPI schema with the properties `P`.
    #[derive(Deserialize)]
    #[serde(bound = "P: Default + Deserialize<'de>")]
    struct Node<P> {
        description: Option<String>,
        #[serde(default)]
        properties: P,
    }

    impl<P: Default> Default for Node<P> {
        fn default() -> Self {
            Self {
                description: None,
                properties: P::default(),
            }
        }
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Object {
        spec: Node<Spec>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Spec {
        azure_name: Option<IgnoredAny>,
        owner: Option<Node<Nothing>>,
        #[serde(rename = "operatorSpec")]
        operator: Node<OperatorSpec>,
    }

    #[derive(Default, Deserialize)]
    struct Nothing {}

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct OperatorSpec {
        naming_convention: Option<IgnoredAny>,
    }

    impl From<Crd> for CrdFacts {
        fn from(Crd { spec }: Crd) -> Self {
            Self {
                group: spec.group,
                kind: spec.names.kind,
                versions: spec.versions.into_iter().map(VersionFacts::from).collect(),
            }
        }
    }

    impl From<Version> for VersionFacts {
        fn from(version: Version) -> Self {
            let Node {
                description,
                properties,
            } = version.schema.object;
            let spec = properties.spec.properties;
            Self {
                description,
                owner_description: spec.owner.and_then(|owner| owner.description),
                azure_name: spec.azure_name.is_some(),
                naming_convention: spec.operator.properties.naming_convention.is_some(),
            }
        }
    }
}

#[cfg(test)]
mod tests;
