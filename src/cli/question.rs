//! A question to whoever sits at the terminal.

use std::io::{IsTerminal as _, Write, stdin};

use super::registry::CommandError;

/// Asks, and whether the answer is yes. `flags`: how a script says so beforehand.
///
/// # Errors
/// Nobody is there to answer.
pub(super) fn agreed(
    question: &str,
    flags: &str,
    out: &mut impl Write,
) -> Result<bool, CommandError> {
    if !stdin().is_terminal() {
        return Err(CommandError::Usage(format!(
            "nobody is here to be asked, and nothing was changed; if this is what you want, say so: {flags}"
        )));
    }
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
