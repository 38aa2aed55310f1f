//! The accept loop and the way out, for the webhook's HTTPS port and for the
//! plain operations port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tower_http::catch_panic::CatchPanicLayer;

use super::activity::{ConnectionTimeouts, HttpVersion, ShutdownPhase};
use super::body::BodyLimits;
use super::connection::{self, ConnectionConfig};
use super::handshake;
use super::lingering_close::LingeringClose;
use super::metrics::RejectionReason;
use super::panics;
use super::rate_limit::RateLimit;
use super::tls::ReloadingCertificate;

/// How long to wait after an accept that failed for want of something, such
/// as file descriptors, which closing connections give back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// At most so often is a complaint of one sort written.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// What lies below HTTP.
#[derive(Clone)]
pub(super) enum Transport {
    /// Plain TCP, HTTP/1 only.
    Plain,
    /// TLS, with the certificate that is current when a connection arrives.
    Tls(Arc<ReloadingCertificate>),
}

/// How much time and room connections get.
#[derive(Clone)]
pub(super) struct ConnectionLimits {
    pub(super) handshake: Duration,
    pub(super) timeouts: ConnectionTimeouts,
    pub(super) body: BodyLimits,
    pub(super) connections: usize,
}

/// So many connections had a call in flight when the time to drain was over.
pub(super) struct UnfinishedCalls(pub(super) usize);

/// A listener with its connections.
pub(super) struct Engine {
    listener: TcpListener,
    transport: Transport,
    router: Router,
    limits: ConnectionLimits,
    connections: JoinSet<()>,
    phase: watch::Sender<ShutdownPhase>,
    crowded: RateLimit,
}

impl Engine {
    pub(super) fn new(
        listener: TcpListener,
        transport: Transport,
        router: Router,
        limits: ConnectionLimits,
    ) -> Self {
        Self {
            listener,
            transport,
            router: router.layer(CatchPanicLayer::custom(panics::answer)),
            limits,
            connections: JoinSet::new(),
            phase: watch::Sender::new(ShutdownPhase::Serving),
            crowded: RateLimit::every(COMPLAIN_EVERY),
        }
    }

    /// Accepts and serves connections until `end`.
    pub(super) async fn serve_until(&mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        let complaints = RateLimit::every(COMPLAIN_EVERY);
        loop {
            tokio::select! {
                () = end.as_mut() => return,
                (stream, peer) = accept(|| self.listener.accept(), &complaints) => {
                    self.spawn(stream, peer);
                }
                Some(ended) = self.connections.join_next() => log_unexpected(&ended),
            }
        }
    }

    /// From now on every client is asked to go elsewhere after its next call.
    pub(super) fn leave(&self) {
        self.phase.send_replace(ShutdownPhase::Leaving);
    }

    /// Closes the listener and lets calls in flight take `limit`.
    pub(super) async fn stop(mut self, limit: Duration) -> Result<(), UnfinishedCalls> {
        // Connections that the kernel has accepted already have clients that
        // count on an answer; closing the listener would reset them.
        for _ in 0..self.limits.connections {
            let Some(Ok((stream, peer))) = self.listener.accept().now_or_never() else {
                break;
            };
            self.spawn(stream, peer);
        }
        let Self {
            listener,
            mut connections,
            phase,
            ..
        } = self;
        drop(listener);
        phase.send_replace(ShutdownPhase::Stopped(Instant::now()));
        let all = async {
            while let Some(ended) = connections.join_next().await {
                log_unexpected(&ended);
            }
        };
        let in_time = timeout(limit, all).await;
        in_time.map_err(|_| UnfinishedCalls(connections.len()))
    }

    fn spawn(&mut self, stream: TcpStream, peer: SocketAddr) {
        if self.connections.len() >= self.limits.connections {
            self.limits
                .body
                .metrics
                .rejected(RejectionReason::Connections);
            if self.crowded.now() {
                tracing::warn!(
                    connections = self.connections.len(),
                    %peer,
                    "too many connections: closing new ones at once. API servers need one or two \
                     each, so look for another client of this port"
                );
            }
            return;
        }
        let (transport, router, limits) = (
            self.transport.clone(),
            self.router.clone(),
            self.limits.clone(),
        );
        let phase = self.phase.subscribe();
        self.connections.spawn(async move {
            // Verdicts are small and waited for. Failing to say so is no harm.
            let _ = stream.set_nodelay(true);
            let stream = LingeringClose::new(stream);
            let terms = |protocol| ConnectionConfig {
                router,
                peer,
                protocol,
                timeouts: limits.timeouts,
                body: limits.body,
                phase,
            };
            match transport {
                Transport::Plain => connection::serve(stream, terms(HttpVersion::Http1)).await,
                Transport::Tls(certificate) => {
                    let config = certificate.server_config();
                    let accepted = handshake::accept(stream, peer, config, limits.handshake).await;
                    if let Some((stream, protocol)) = accepted {
                        connection::serve(stream, terms(protocol)).await;
                    }
                }
            }
        });
    }
}

/// The next connection. Errors don't end the server: some belong to the one
/// connection that failed, the others pass when resources are free again.
async fn accept<T, F>(mut next: impl FnMut() -> F, complaints: &RateLimit) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match next().await {
            Ok(accepted) => return accepted,
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                if complaints.now() {
                    tracing::error!(
                        %error,
                        "cannot accept connections; trying again. Too many open files? \
                         Raise the limit (ulimit -n), or look for a client that opens too many"
                    );
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

fn log_unexpected(ended: &Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended unexpectedly; the server goes on");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn accept_errors_pass() {
        let mut outcomes = VecDeque::from([
            Err(io::Error::from_raw_os_error(24)), // EMFILE
            Err(io::ErrorKind::ConnectionAborted.into()),
            Err(io::Error::from_raw_os_error(23)), // ENFILE
            Ok("a connection"),
        ]);
        let start = Instant::now();
        let accepted = accept(
            || std::future::ready(outcomes.pop_front().unwrap()),
            &RateLimit::every(COMPLAIN_EVERY),
        )
        .await;
        assert_eq!(accepted, "a connection");
        let waited = start.elapsed();
        assert!(
            waited >= ACCEPT_PAUSE * 2,
            "it must not spin while descriptors are missing, but waited {waited:?}"
        );
    }
}
