//! `aso-guard hub`: all that a hub needs, as `deploy/hub` holds it.

use std::io::Write;

use crate::registry::hub::{POLICIES, RBAC};

/// Prints CRDs, RBAC and policies, to be piped into `kubectl apply -f -`.
pub(super) fn run(out: &mut impl Write) -> anyhow::Result<()> {
    super::crds::run(out)?;
    for part in [RBAC].into_iter().chain(POLICIES) {
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
