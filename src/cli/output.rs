//! How answers are written.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

/// How an answer is written.
#[derive(Args)]
pub(super) struct OutputArgs {
    /// How it is written
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value = "table",
        value_name = "OUTPUT",
        env = "ASO_GUARD_OUTPUT"
    )]
    pub(super) form: Form,
}

/// The forms of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people.
    Table,
    /// For people with wide screens.
    Wide,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Writes a value as YAML.
///
/// # Errors
/// It cannot be written.
pub(super) fn yaml(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let text = serde_yaml::to_string(value).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}
