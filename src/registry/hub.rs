//! What a hub has besides the CRDs: what holds each member to its own copies.

/// Who the members are, and what they may do at all.
pub const RBAC: &str = include_str!("../../deploy/hub/rbac.yaml");

/// Which claims, members' records and transfers a member may write, and how; and what it may say
/// of the registry itself.
pub const POLICIES: [&str; 4] = [
    include_str!("../../deploy/hub/claims.yaml"),
    include_str!("../../deploy/hub/epoch.yaml"),
    include_str!("../../deploy/hub/members.yaml"),
    include_str!("../../deploy/hub/transfers.yaml"),
];
