//! From signals to the end of the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// SIGTERM and SIGINT, caught from [`ShutdownSignals::listen`] on.
#[derive(Debug)]
pub struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// A second signal came: whoever sent it does not want to wait any longer.
/// The process is to end at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondSignal;

impl ShutdownSignals {
    /// Catches both signals. Fails only where the system has no room for it.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Cancels `shutdown` at the first signal, and returns at the second. Race
    /// it against the work that ends by `shutdown`.
    pub async fn watch(mut self, shutdown: CancellationToken) -> SecondSignal {
        let name = self.next().await;
        tracing::info!("received {name}: shutting down; send it again to end at once");
        shutdown.cancel();
        let name = self.next().await;
        tracing::warn!("received {name} again: ending at once");
        SecondSignal
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::soon;
    use super::*;

    async fn send_to_this_process(signal: &str) {
        let process = std::process::id().to_string();
        let mut kill = tokio::process::Command::new("kill");
        let status = kill.args(["-s", signal, &process]).status().await.unwrap();
        assert!(status.success());
    }

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_insists() {
        let signals = ShutdownSignals::listen().unwrap();
        let shutdown = CancellationToken::new();
        let watch = tokio::spawn(signals.watch(shutdown.clone()));
        send_to_this_process("TERM").await;
        soon(shutdown.cancelled()).await;
        assert!(!watch.is_finished());
        send_to_this_process("INT").await;
        assert_eq!(soon(watch).await.unwrap(), SecondSignal);
    }
}
