//! What the guard leaves alone, as flags.

use clap::Args;

use crate::admission::Exempt;

/// What the guard leaves alone: the same for `serve` and for `webhook`.
#[derive(Args, Clone, Default)]
pub(super) struct ExemptArgs {
    /// A namespace that is not judged, besides kube-system; may be repeated
    #[arg(
        long = "exempt-namespace",
        value_name = "NAME",
        env = "ASO_GUARD_EXEMPT_NAMESPACE",
        value_delimiter = ','
    )]
    pub(super) namespaces: Vec<String>,
    /// A user whose requests are not judged; may be repeated
    #[arg(
        long = "exempt-user",
        value_name = "NAME",
        env = "ASO_GUARD_EXEMPT_USER",
        value_delimiter = ','
    )]
    pub(super) users: Vec<String>,
    /// A group of such users; may be repeated
    #[arg(
        long = "exempt-group",
        value_name = "NAME",
        env = "ASO_GUARD_EXEMPT_GROUP",
        value_delimiter = ','
    )]
    pub(super) groups: Vec<String>,
}

impl ExemptArgs {
    pub(super) fn exempt(&self) -> Exempt {
        let (users, groups) = (self.users.clone(), self.groups.clone());
        Exempt::new(&self.namespaces, users, groups)
    }
}
