//! A question to whoever sits at the terminal.

use std::io::{IsTerminal as _, Write, stdin};

use super::registry::CommandError;

/// Asks. `flags`: how a script says so beforehand.
///
/// # Errors
/// The answer is no, or nobody is there to give one.
pub(super) fn agree(question: &str, flags: &str, out: &mut impl Write) -> Result<(), CommandError> {
    if !stdin().is_terminal() {
        return Err(CommandError::Usage(format!(
            "nobody is here to be asked, and nothing was changed; if this is what you want, say so: {flags}"
        )));
    }
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CommandError::Failed("nothing was changed".to_owned())),
    }
}
