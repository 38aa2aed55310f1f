//! The HTTPS server around a router, its certificates, the operations port and
//! the way out. Nothing here knows what the router does.
//!
//! - [`HttpsServer`] binds, serves and drains;
//! - [`path`] keeps those out who were not told the secret part of the path;
//! - [`tls`] holds the serving certificate, replaced when its files change;
//! - [`ops`] answers `/healthz`, `/readyz` and `/metrics`, from [`readiness`];
//! - [`shutdown`] turns signals into a token;
//! - [`development_certificates`] makes a CA and certificates to develop with.

mod activity;
mod body;
mod budget;
mod certificate;
mod certificate_error;
mod connection;
pub mod development_certificates;
mod engine;
pub mod expiry;
mod handshake;
mod lingering_close;
pub mod metrics;
pub mod ops;
mod panics;
pub mod path;
mod rate_limit;
pub mod readiness;
pub mod shutdown;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text_format;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use activity::ConnectionTimeouts;
use body::BodyLimits;
use budget::{BudgetLimits, MemoryBudget};
use engine::{ConnectionLimits, Engine, Transport, UnfinishedCalls};
use metrics::ServerMetrics;
use readiness::Readiness;
use tls::ReloadingCertificate;

/// How the HTTPS server behaves.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The time a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// The time the headers of a request may take, from their first byte.
    pub header_timeout: Duration,
    /// The time a whole request body may take, from the end of the headers; less for
    /// one that stands still. A body that comes later is answered with 408.
    pub body_timeout: Duration,
    /// The largest request body, in bytes; a larger one is answered with 413.
    pub body_size: usize,
    /// The memory that the requests of all connections may take together, in bytes. A
    /// quarter of it is for those up to 64 KiB only. Where there is no room, the one that
    /// has been arriving the longest is answered with 503.
    pub bodies: usize,
    /// How long a connection may wait for its next request. Longer than the
    /// 90 s after which API servers close idle connections themselves, so that
    /// a request and the end of its connection don't cross.
    pub idle_timeout: Duration,
    /// So many connections at once; more are closed as they come.
    pub max_connections: usize,
    /// After readiness turned off: how long to go on serving, so that endpoints
    /// and load balancers notice before the port closes.
    pub notice: Duration,
    /// After the port closed: how long calls in flight may take.
    pub drain: Duration,
}

impl ServerConfig {
    /// The defaults: 10 s for a handshake, headers and body each, 8 MiB for a body and 64 MiB
    /// for all, 120 s idle, 1024 connections, 10 s notice, 25 s to drain. A connection takes
    /// up to some 100 KiB besides, so all of it fits the 256 MiB of the chart.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            body_size: 8 << 20,
            bodies: 64 << 20,
            idle_timeout: Duration::from_mins(2),
            max_connections: 1024,
            notice: Duration::from_secs(10),
            drain: Duration::from_secs(25),
        }
    }

    fn limits(&self) -> ConnectionLimits {
        let room = BudgetLimits {
            all: self.bodies,
            large: self.bodies / 4 * 3,
        };
        ConnectionLimits {
            handshake: self.handshake_timeout,
            timeouts: ConnectionTimeouts {
                header: self.header_timeout,
                idle: self.idle_timeout,
            },
            body: BodyLimits {
                time: self.body_timeout,
                size: self.body_size,
                budget: MemoryBudget::new(room),
                metrics: ServerMetrics::default(),
            },
            connections: self.max_connections,
        }
    }
}

/// Why the server did not start, or did not end as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {listen}: {source}. Is another process on this port \
         (`ss -ltnp`), or is the address not this machine's?"
    )]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Calls were cut off at the end.
    #[error(
        "{connections} connection(s) still had calls in flight {drain:?} after the port closed; \
         they were cut off. Their API servers apply the webhook's failurePolicy"
    )]
    Unfinished {
        /// How many connections.
        connections: usize,
        /// The time they were given.
        drain: Duration,
    },
}

/// A bound port that serves a router over TLS: HTTP/2 and HTTP/1.1.
pub struct HttpsServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    config: ServerConfig,
    certificate: Arc<ReloadingCertificate>,
    readiness: Readiness,
    limits: ConnectionLimits,
}

impl HttpsServer {
    /// Binds the port. From now on the kernel accepts connections; they are
    /// answered once [`HttpsServer::run`] runs.
    pub async fn bind(
        config: ServerConfig,
        certificate: Arc<ReloadingCertificate>,
        readiness: Readiness,
    ) -> Result<Self, ServerError> {
        let (listener, local_addr) = bind(config.listen).await?;
        Ok(Self {
            listener,
            local_addr,
            limits: config.limits(),
            config,
            certificate,
            readiness,
        })
    }

    /// Counts whom it turns away in these.
    #[must_use]
    pub fn counting(mut self, metrics: ServerMetrics) -> Self {
        self.limits.body.metrics = metrics;
        self
    }

    /// The address it listens on, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves `router` until `shutdown` is cancelled. Then readiness turns off;
    /// for [`ServerConfig::notice`] it goes on serving, with GOAWAY on HTTP/2 and
    /// `Connection: close` on HTTP/1.1, one call per connection; then it closes
    /// the port and gives calls in flight [`ServerConfig::drain`] to finish.
    ///
    /// A panic in the router answers 500, and the server goes on. When this
    /// future is dropped, all its connections are closed at once.
    pub async fn run(self, router: Router, shutdown: CancellationToken) -> Result<(), ServerError> {
        let Self { config, .. } = self;
        let transport = Transport::Tls(self.certificate);
        let mut engine = Engine::new(self.listener, transport, router, self.limits);
        tracing::info!(listen = %self.local_addr, "serving HTTPS");
        engine.serve_until(shutdown.cancelled()).await;
        tracing::info!(notice = ?config.notice, "shutting down: no longer ready, still serving");
        self.readiness.drain();
        engine.leave();
        engine.serve_until(sleep(config.notice)).await;
        tracing::info!(drain = ?config.drain, "the port is closed: finishing calls in flight");
        let drained = engine.stop(config.drain).await;
        drained.map_err(|UnfinishedCalls(connections)| ServerError::Unfinished {
            connections,
            drain: config.drain,
        })
    }
}

/// Binds a listener, with an error that says what to do.
pub async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Bind { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    Ok((listener, local_addr))
}
