//! `aso-guard protection`: what an API server needs to refuse by itself.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::admission::second_line::SecondLine;
use crate::arm::Kinds;
use crate::cluster::kube::protections;

/// For which guard.
#[derive(Args)]
pub(super) struct ProtectionArgs {
    /// The namespace that the guard runs in
    #[arg(long, value_name = "NAME", default_value = "aso-guard")]
    namespace: String,
}

/// Prints the CRD and the policies, to be piped into `kubectl apply -f -`.
pub(super) fn run(args: &ProtectionArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let kinds = Kinds::builtin();
    let line = SecondLine {
        groups: kinds.groups().collect(),
        namespace: &args.namespace,
    };
    document(&protections::crd(), out)?;
    for (policy, binding) in line.policies()? {
        document(&policy, out)?;
        document(&binding, out)?;
    }
    Ok(())
}

fn document(object: &impl Serialize, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "---\n{}", serde_yaml::to_string(object)?.trim_end())?;
    Ok(())
}
