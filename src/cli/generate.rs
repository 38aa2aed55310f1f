//! `aso-guard completions` and `aso-guard man`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

/// For which shell.
#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: Shell,
}

/// Where to.
#[derive(Args)]
pub(super) struct ManArgs {
    /// The directory to write the pages to; made if it is missing
    pub(super) dir: PathBuf,
}

/// Prints the completions of a shell.
pub(super) fn completions(
    args: &CompletionsArgs,
    mut command: Command,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut text);
    out.write_all(&text)?;
    Ok(())
}

/// Writes a manual page for each command.
pub(super) fn man(args: &ManArgs, command: Command, out: &mut impl Write) -> anyhow::Result<()> {
    let dir = args.dir.display();
    fs::create_dir_all(&args.dir).with_context(|| dir.to_string())?;
    clap_mangen::generate_to(command, &args.dir).with_context(|| dir.to_string())?;
    writeln!(
        out,
        "Wrote the manual to {dir}; begin with: man -l {dir}/aso-guard.1"
    )?;
    Ok(())
}
