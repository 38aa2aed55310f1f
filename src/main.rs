//! The `aso-guard` binary.

use std::process::ExitCode;

use aso_guard::cli::Cli;
use aso_guard::server::tls::install_crypto_provider;

#[tokio::main]
async fn main() -> ExitCode {
    install_crypto_provider();
    Cli::from_command_line().run().await.into()
}
