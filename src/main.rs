//! The `aso-guard` binary.

use std::process::ExitCode;

use aso_guard::cli::Cli;
use aso_guard::server::tls::install_crypto_provider;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    install_crypto_provider();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("aso-guard: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(Cli::from_command_line().run());
    // What still blocks, such as looking up a name, is not waited for.
    runtime.shutdown_background();
    outcome.into()
}
