//! Who may do what others may not, and what the guard leaves alone.

use serde::{Deserialize, Serialize};

/// The groups of which one member is enough to change what the guard does.
pub const MODE_GROUP: &str = "system:masters";
/// Never judged: what keeps the cluster itself going must not wait for the guard.
const SYSTEM_NAMESPACE: &str = "kube-system";

/// What the operator decided about users and namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privileges {
    /// Who may override a refusal.
    pub overrides: Overrides,
    /// The groups whose members may loosen the mode of a namespace.
    pub mode_groups: Vec<String>,
    /// What is not judged.
    pub exempt: Exempt,
}

/// Who may override a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overrides {
    /// Nobody.
    Off,
    /// Everybody who may write the object.
    Everybody,
    /// Members of one of these groups.
    Groups(Vec<String>),
}

/// Namespaces and users that are let through without a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exempt {
    /// Groups of users.
    pub groups: Vec<String>,
    /// Namespaces, `kube-system` always among them.
    namespaces: Vec<String>,
    /// Names of users.
    pub users: Vec<String>,
}

impl Default for Privileges {
    fn default() -> Self {
        Self {
            overrides: Overrides::Everybody,
            mode_groups: vec![MODE_GROUP.to_owned()],
            exempt: Exempt::default(),
        }
    }
}

impl Default for Exempt {
    fn default() -> Self {
        Self::new(&[], Vec::new(), Vec::new())
    }
}

impl Exempt {
    /// Exempts these, and `kube-system`.
    pub fn new(namespaces: &[String], users: Vec<String>, groups: Vec<String>) -> Self {
        let mut all = vec![SYSTEM_NAMESPACE.to_owned()];
        for namespace in namespaces {
            if !all.contains(namespace) {
                all.push(namespace.clone());
            }
        }
        Self {
            namespaces: all,
            users,
            groups,
        }
    }

    /// The namespaces, at least one.
    pub fn namespaces(&self) -> &[String] {
        &self.namespaces
    }
}
