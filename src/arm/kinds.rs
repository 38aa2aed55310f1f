//! ASO's kinds: what each one is in Azure.
//!
//! The table in `kinds.tsv` comes first; a kind that it lacks can be
//! [learned](mod@super::learn) from its installed CRD.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

/// The API group of [`RESOURCE_GROUP_KIND`].
pub const RESOURCE_GROUP_GROUP: &str = "resources.azure.com";
/// The kind that owns the resources of [`Scope::ResourceGroup`].
pub const RESOURCE_GROUP_KIND: &str = "ResourceGroup";

static BUILTIN: LazyLock<Kinds> = LazyLock::new(|| {
    let rows = rows(include_str!("kinds.tsv"));
    Kinds::of(rows.filter_map(Result::ok).map(Arc::new).collect())
});

/// One of ASO's kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The API group.
    pub group: Box<str>,
    /// The kind.
    pub kind: Box<str>,
    /// The resource type, such as `Microsoft.Network/virtualNetworks/subnets`.
    /// Empty for [`Scope::Inside`].
    pub arm_type: Box<str>,
    /// Where the resource lives.
    pub scope: Scope,
    /// Where its name in Azure comes from.
    pub naming: Naming,
    /// Whether it was learned from a CRD rather than taken from the table.
    pub learned: bool,
}

impl Kind {
    /// Whether Azure Resource Manager knows it, so that extension resources can
    /// be put on it.
    pub fn is_arm_resource(&self) -> bool {
        !matches!(self.scope, Scope::Inside { .. }) && self.naming != Naming::Entra
    }

    /// The last segment of the type: what stands before the name in its ID.
    pub fn last_type(&self) -> &str {
        self.arm_type.rsplit('/').next().unwrap_or(&self.arm_type)
    }

    /// The type without its last segment: the owner's type, for [`Scope::Child`].
    pub fn types_above(&self) -> &str {
        self.arm_type
            .rsplit_once('/')
            .map_or("", |(above, _)| above)
    }

    /// The kind that its objects' `spec.owner` names without saying so.
    pub fn implied_owner(&self) -> Option<(&str, &str)> {
        match &self.scope {
            Scope::ResourceGroup => Some((RESOURCE_GROUP_GROUP, RESOURCE_GROUP_KIND)),
            Scope::Child { group, kind } | Scope::Inside { group, kind } => Some((group, kind)),
            Scope::Subscription | Scope::Tenant | Scope::Extension => None,
        }
    }
}

/// Where a kind's resources live, and so what owns them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a subscription; no owner. Only resource groups, so far.
    Subscription,
    /// In the tenant; no owner, no subscription in the ID.
    Tenant,
    /// In a resource group, which is the owner.
    ResourceGroup,
    /// Below another resource, which is the owner.
    Child {
        /// The owner's API group.
        group: Box<str>,
        /// The owner's kind.
        kind: Box<str>,
    },
    /// On any resource, which is the owner.
    Extension,
    /// Inside another resource, which is the owner, but not a resource itself:
    /// a database user. It has no ARM ID.
    Inside {
        /// The owner's API group.
        group: Box<str>,
        /// The owner's kind.
        kind: Box<str>,
    },
}

/// Where a resource's name in Azure comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `spec.azureName`, else `metadata.name`.
    AzureName,
    /// Always the same; such kinds have no `spec.azureName`.
    Fixed(Box<str>),
    /// `spec.azureName`, else a UUID made of the owner's and the object's names.
    Uuid {
        /// ASO's versions differ in whether an owner given as `armId` is part
        /// of what the UUID is made of
        /// (<https://github.com/Azure/azure-service-operator/issues/4079>).
        arm_id_unsure: bool,
    },
    /// The Entra object ID, known once ASO has found or made the object.
    Entra,
}

/// The kinds that are known. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// Sorted by group and kind.
    sorted: Arc<[Arc<Kind>]>,
}

impl Kinds {
    /// The kinds of the built-in table.
    pub fn builtin() -> Self {
        BUILTIN.clone()
    }

    /// The same kinds and one that was learned. The table comes first: a kind
    /// that it has stays as it is. An earlier lesson is replaced.
    #[must_use]
    pub fn with_learned(&self, kind: Kind) -> Self {
        match self.position(&kind.group, &kind.kind) {
            Ok(at) if !self.sorted[at].learned => self.clone(),
            found => {
                let mut kinds = self.sorted.to_vec();
                let kind = Arc::new(Kind {
                    learned: true,
                    ..kind
                });
                match found {
                    Ok(at) => kinds[at] = kind,
                    Err(at) => kinds.insert(at, kind),
                }
                Self {
                    sorted: kinds.into(),
                }
            }
        }
    }

    /// One kind, if it is known.
    pub fn get(&self, group: &str, kind: &str) -> Option<&Kind> {
        let at = self.position(group, kind).ok()?;
        Some(&self.sorted[at])
    }

    /// All kinds, by group and kind.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.sorted.iter().map(|kind| &**kind)
    }

    /// The API groups that have kinds, each once.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.sorted
            .chunk_by(|a, b| a.group == b.group)
            .map(|kinds| &*kinds[0].group)
    }

    /// The kinds whose objects belong to an object of this kind. The
    /// [extension kinds](Self::extensions) can, whatever the kind.
    pub fn children_of(&self, group: &str, kind: &str) -> impl Iterator<Item = &Kind> {
        self.iter()
            .filter(move |child| child.implied_owner() == Some((group, kind)))
    }

    /// The kinds whose objects can belong to any resource.
    pub fn extensions(&self) -> impl Iterator<Item = &Kind> {
        self.iter().filter(|kind| kind.scope == Scope::Extension)
    }

    /// How many kinds are known.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether no kind is known.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    fn of(mut kinds: Vec<Arc<Kind>>) -> Self {
        kinds.sort_by(|a, b| order(a, &b.group, &b.kind));
        Self {
            sorted: kinds.into(),
        }
    }

    fn position(&self, group: &str, kind: &str) -> Result<usize, usize> {
        self.sorted
            .binary_search_by(|entry| order(entry, group, kind))
    }
}

fn order(entry: &Kind, group: &str, kind: &str) -> Ordering {
    (&*entry.group, &*entry.kind).cmp(&(group, kind))
}

/// Reads the table, one row a line; the table's head says what the columns are.
fn rows(table: &str) -> impl Iterator<Item = Result<Kind, String>> {
    table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| row(line).ok_or_else(|| format!("not a row of the table of kinds: {line:?}")))
}

fn row(line: &str) -> Option<Kind> {
    let mut columns = line.split('\t');
    let mut column = || columns.next().filter(|text| !text.is_empty());
    let (group, kind, arm_type) = (column()?, column()?, column()?);
    let (scope, parent, naming, _note) = (column()?, column()?, column()?, column()?);
    if columns.next().is_some() {
        return None;
    }
    let owner = parent
        .split_once('/')
        .map(|(group, kind)| (group.into(), kind.into()));
    let scope = match (scope, owner) {
        ("subscription", None) => Scope::Subscription,
        ("tenant", None) => Scope::Tenant,
        ("resourcegroup", None) => Scope::ResourceGroup,
        ("extension", None) => Scope::Extension,
        ("child", Some((group, kind))) => Scope::Child { group, kind },
        ("inside", Some((group, kind))) => Scope::Inside { group, kind },
        _ => return None,
    };
    let naming = match naming.split_once(':') {
        None if naming == "azureName" => Naming::AzureName,
        None if naming == "entra" => Naming::Entra,
        None if naming == "uuid" => Naming::Uuid {
            arm_id_unsure: false,
        },
        Some(("uuid", "armid-unsure")) => Naming::Uuid {
            arm_id_unsure: true,
        },
        Some(("fixed", name)) if !name.is_empty() => Naming::Fixed(name.into()),
        _ => return None,
    };
    let arm_type = match (arm_type, &scope) {
        ("-", Scope::Inside { .. }) => "",
        (_, Scope::Inside { .. }) => return None,
        (arm_type, _) if arm_type.contains('/') => arm_type,
        _ => return None,
    };
    Some(Kind {
        group: group.into(),
        kind: kind.into(),
        arm_type: arm_type.into(),
        scope,
        naming,
        learned: false,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TABLE: &str = include_str!("kinds.tsv");

    fn child_of(group: &str, kind: &str) -> Scope {
        Scope::Child {
            group: group.into(),
            kind: kind.into(),
        }
    }

    #[test]
    fn every_row_can_be_read() {
        let bad: Vec<String> = rows(TABLE).filter_map(Result::err).collect();
        assert_eq!(bad, Vec::<String>::new());
    }

    #[test]
    fn the_table_is_sorted_and_names_each_kind_once() {
        let kinds: Vec<Kind> = rows(TABLE).map(Result::unwrap).collect();
        for pair in kinds.windows(2) {
            assert_eq!(
                order(&pair[0], &pair[1].group, &pair[1].kind),
                Ordering::Less,
                "{} and {}",
                pair[0].kind,
                pair[1].kind
            );
        }
        assert_eq!(Kinds::builtin().len(), kinds.len());
        assert_eq!(Kinds::builtin().groups().count(), 47);
    }

    #[test]
    fn types_fit_their_owners() {
        let kinds = Kinds::builtin();
        for kind in kinds.iter() {
            let types = kind.arm_type.split('/').count() - 1;
            match &kind.scope {
                Scope::Child { .. } => {
                    let (group, owner) = kind.implied_owner().unwrap();
                    let owner = kinds.get(group, owner).unwrap();
                    assert!(
                        kind.types_above().eq_ignore_ascii_case(&owner.arm_type),
                        "{kind:?}"
                    );
                }
                Scope::Inside { group, kind } => assert!(kinds.get(group, kind).is_some()),
                _ => assert_eq!(types, 1, "{kind:?}"),
            }
        }
    }

    #[test]
    fn no_two_kinds_share_a_type() {
        let kinds = Kinds::builtin();
        let mut types: Vec<String> = kinds
            .iter()
            .map(|kind| kind.arm_type.to_ascii_lowercase())
            .filter(|arm_type| !arm_type.is_empty())
            .collect();
        let all = types.len();
        types.sort();
        types.dedup();
        assert_eq!(types.len(), all);
    }

    #[rstest]
    #[case("a\tB\tM.x/y\tresourcegroup\t-\tazureName", "a column too few")]
    #[case("a\tB\tM.x/y\tresourcegroup\t-\tazureName\t-\t-", "a column too many")]
    #[case(
        "a\tB\tM.x/y\tresourcegroup\ta/C\tazureName\t-",
        "an owner that is never read"
    )]
    #[case("a\tB\tM.x/y\tchild\t-\tazureName\t-", "a child without an owner")]
    #[case("a\tB\tM.x\tresourcegroup\t-\tazureName\t-", "no type")]
    #[case("a\tB\tM.x/y\tresourcegroup\t-\tfixed:\t-", "no fixed name")]
    #[case("a\tB\tM.x/y\tplanet\t-\tazureName\t-", "an unknown scope")]
    #[case("a\tB\tM.x/y\tinside\ta/C\tazureName\t-", "a type where there is none")]
    fn a_bad_row_is_told(#[case] line: &str, #[case] what: &str) {
        assert!(rows(line).next().unwrap().is_err(), "{what}");
    }

    #[test]
    fn finds_what_belongs_to_a_kind() {
        let kinds = Kinds::builtin();
        let names = |group, kind| {
            let children = kinds.children_of(group, kind);
            children.map(|kind| &*kind.kind).collect::<Vec<_>>()
        };
        assert_eq!(
            names("sql.azure.com", "ServersDatabase"),
            [
                "ServersDatabasesAdvancedThreatProtectionSetting",
                "ServersDatabasesAuditingSetting",
                "ServersDatabasesBackupLongTermRetentionPolicy",
                "ServersDatabasesBackupShortTermRetentionPolicy",
                "ServersDatabasesSecurityAlertPolicy",
                "ServersDatabasesTransparentDataEncryption",
                "ServersDatabasesVulnerabilityAssessment",
                "User",
            ]
        );
        assert!(names("resources.azure.com", "ResourceGroup").contains(&"VirtualNetwork"));
        assert_eq!(kinds.extensions().count(), 8);
    }

    #[test]
    fn the_table_comes_before_what_is_learned() {
        let lesson = |group: &str, kind: &str, arm_type: &str| Kind {
            group: group.into(),
            kind: kind.into(),
            arm_type: arm_type.into(),
            scope: child_of("sql.azure.com", "Server"),
            naming: Naming::AzureName,
            learned: false,
        };
        let kinds = Kinds::builtin()
            .with_learned(lesson("sql.azure.com", "Server", "M.x/wrong"))
            .with_learned(lesson("sql.azure.com", "Newcomer", "M.x/first"))
            .with_learned(lesson("sql.azure.com", "Newcomer", "M.x/second"));
        let server = kinds.get("sql.azure.com", "Server").unwrap();
        assert_eq!(&*server.arm_type, "Microsoft.Sql/servers");
        let newcomer = kinds.get("sql.azure.com", "Newcomer").unwrap();
        assert_eq!(
            (&*newcomer.arm_type, newcomer.learned),
            ("M.x/second", true)
        );
        assert_eq!(kinds.len(), Kinds::builtin().len() + 1);
        assert!(Kinds::builtin().get("sql.azure.com", "Newcomer").is_none());
    }
}
