//! `aso-guard hub`: all that a hub needs, as `deploy/hub` holds it.

use std::io::Write;

/// Who the members are, and what they may do at all.
const RBAC: &str = include_str!("../../deploy/hub/rbac.yaml");
/// Which claims a member may change, and how.
const CLAIMS: &str = include_str!("../../deploy/hub/claims.yaml");
/// Which members' records it may write.
const MEMBERS: &str = include_str!("../../deploy/hub/members.yaml");

/// Which transfers it may write, and which claims it may give to one.
const TRANSFERS: &str = include_str!("../../deploy/hub/transfers.yaml");

/// Prints CRDs, RBAC and policies, to be piped into `kubectl apply -f -`.
pub(super) fn run(out: &mut impl Write) -> anyhow::Result<()> {
    super::crds::run(out)?;
    for part in [RBAC, CLAIMS, MEMBERS, TRANSFERS] {
        write!(out, "---\n{part}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_directory_holds_the_crds_that_are_printed() {
        let mut printed = Vec::new();
        super::super::crds::run(&mut printed).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/hub/crds.yaml");
        let printed = String::from_utf8(printed).unwrap();
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(path, &printed).unwrap();
        }
        let held = std::fs::read_to_string(path).unwrap();
        assert!(
            held == printed,
            "deploy/hub/crds.yaml is old: INSTA_UPDATE=always cargo test --lib hub"
        );
    }
}
