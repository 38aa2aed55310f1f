//! The `aso-guard` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    aso_guard::cli::main()
}
