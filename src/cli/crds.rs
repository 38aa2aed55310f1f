//! `aso-guard crds`.

use std::io::Write;

use crate::registry::kubernetes::crd;

/// Prints the registry's CRDs, to be piped into `kubectl apply -f -`.
pub(super) fn run(out: &mut impl Write) -> anyhow::Result<()> {
    for crd in crd::crds() {
        writeln!(out, "---\n{}", serde_yaml::to_string(&crd)?.trim_end())?;
    }
    Ok(())
}
