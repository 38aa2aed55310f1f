//! Members whose copies the registry is waited for to know.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::json;

use crate::claim::{EpochRecord, MemberName};
use crate::cli::output::ListEntry;
use crate::cli::question::agree;
use crate::cli::registry::CommandError;
use crate::registry::{Registry, edit};

use super::ForgetArgs;

/// The state of such a member.
pub(super) const AWAITED: &str = "Awaited";

/// Those whose copies the registry is waited for to know.
pub(super) fn awaited_under(epoch: Option<EpochRecord>) -> BTreeSet<MemberName> {
    let epoch = epoch.unwrap_or_default();
    epoch.awaited().cloned().collect()
}

/// A member that others know of, and that has no record.
pub(super) fn unheard(name: &MemberName, counted: bool) -> ListEntry {
    let cells = if counted { 10 } else { 7 };
    let mut row = vec![String::new(); cells];
    AWAITED.clone_into(&mut row[0]);
    row[1] = name.to_string();
    "never".clone_into(&mut row[3]);
    ListEntry {
        name: name.to_string(),
        json: json!({"name": name.as_str(), "state": AWAITED, "awaited": true}),
        row,
    }
}

/// Of a member that has no record, only others know: after that nobody waits for it.
pub(super) async fn forget_awaited(
    args: &ForgetArgs,
    registry: &dyn Registry,
    name: &MemberName,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    writeln!(
        out,
        "{name} has no record, and the registry may not know all its copies: what it holds looks \
         free once nobody waits for it."
    )?;
    if !args.yes {
        agree(&format!("Forget {name}?"), "--yes", out)?;
    }
    edit::epoch(registry, |epoch| epoch.forgetting(name)).await?;
    writeln!(out, "Forgot {name}. Nobody waits for it.")?;
    Ok(())
}
