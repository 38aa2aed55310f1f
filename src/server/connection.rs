//! Serves one connection whose handshake is done, until it has no more use.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::io::InspectReader;
use tower::Service;

use super::activity::{
    ConnectionAction, ConnectionActivity, ConnectionTimeouts, HttpVersion, ShutdownPhase,
};
use super::body::{self, BodyLimits};

/// How often an HTTP/2 client that sends nothing is asked whether it lives.
/// This also ends a connection stuck in the middle of a frame.
const PING_EVERY: Duration = Duration::from_secs(20);

/// What an HTTP/1 connection reads at once, and the most that headers may be.
const READ_BUFFER: usize = 64 * 1024;

/// What a connection is served with.
pub(super) struct ConnectionConfig {
    pub(super) router: Router,
    pub(super) peer: SocketAddr,
    pub(super) protocol: HttpVersion,
    pub(super) timeouts: ConnectionTimeouts,
    pub(super) body: BodyLimits,
    pub(super) phase: watch::Receiver<ShutdownPhase>,
}

/// Serves `stream` to its end.
pub(super) async fn serve<S>(stream: S, terms: ConnectionConfig)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (activity, _) = watch::channel(ConnectionActivity::new(Instant::now()));
    let call = CallService {
        router: terms.router,
        peer: terms.peer,
        protocol: terms.protocol,
        body: terms.body,
        phase: terms.phase.clone(),
        activity: activity.clone(),
    };
    let service = service_fn(move |request| call.clone().answer(request));
    let guard = ConnectionDriver {
        protocol: terms.protocol,
        timeouts: terms.timeouts,
        phase: terms.phase,
        activity,
    };
    match guard.protocol {
        HttpVersion::Http1 => {
            let seen = guard.activity.clone();
            let stream = InspectReader::new(stream, move |bytes: &[u8]| {
                if !bytes.is_empty() {
                    seen.send_if_modified(|activity| activity.bytes_arrived(Instant::now()));
                }
            });
            // The guard keeps the time for headers: hyper's own would also
            // close a connection that only waits for its next request.
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(None)
                .max_buf_size(READ_BUFFER)
                .serve_connection(TokioIo::new(stream), service);
            guard.drive(connection).await;
        }
        HttpVersion::Http2 => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(PING_EVERY)
                .keep_alive_timeout(terms.timeouts.header)
                .serve_connection(TokioIo::new(stream), service);
            guard.drive(connection).await;
        }
    }
}

/// Drives a connection and ends it when it is time.
struct ConnectionDriver {
    protocol: HttpVersion,
    timeouts: ConnectionTimeouts,
    phase: watch::Receiver<ShutdownPhase>,
    activity: watch::Sender<ConnectionActivity>,
}

impl ConnectionDriver {
    async fn drive<C>(mut self, connection: C)
    where
        C: GracefulConnection,
    {
        let mut seen = self.activity.subscribe();
        let mut connection = pin!(connection);
        let mut closing = None;
        loop {
            let activity = *seen.borrow_and_update();
            let phase = *self.phase.borrow_and_update();
            let now = Instant::now();
            let wake = match activity.next(self.protocol, phase, closing, self.timeouts, now) {
                ConnectionAction::Cut => return,
                ConnectionAction::Close => {
                    connection.as_mut().graceful_shutdown();
                    closing = Some(now);
                    continue;
                }
                ConnectionAction::Wait(wake) => wake,
            };
            tokio::select! {
                // How a connection ends is the client's business.
                _ = connection.as_mut() => return,
                // This cannot fail: `self` holds the sender.
                _ = seen.changed() => {}
                changed = self.phase.changed() => if changed.is_err() { return },
                () = at(wake) => {}
            }
        }
    }
}

/// Waits until `time`, or for ever.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Answers the requests of one connection.
#[derive(Clone)]
struct CallService {
    router: Router,
    peer: SocketAddr,
    protocol: HttpVersion,
    body: BodyLimits,
    phase: watch::Receiver<ShutdownPhase>,
    activity: watch::Sender<ConnectionActivity>,
}

impl CallService {
    /// The call counts from now on, not from when the answer is first polled.
    fn answer(
        mut self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response, Infallible>> {
        let in_flight = CallInFlight::new(self.activity);
        let admitted = body::limit(request, &self.body);
        let called = admitted.map(|(mut request, rest)| {
            request.extensions_mut().insert(ConnectInfo(self.peer));
            (self.router.call(request), rest)
        });
        async move {
            let (response, rest) = match called {
                Ok(called) => called,
                Err(refusal) => return Ok(refusal),
            };
            let Ok(response) = response.await;
            let mut response = rest.settle(response);
            if self.protocol == HttpVersion::Http1 {
                if !closes(&response) {
                    rest.discard().await;
                }
                if *self.phase.borrow() != ShutdownPhase::Serving {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
            }
            drop(in_flight);
            Ok(response)
        }
    }
}

/// Whether nothing more is read after this answer.
fn closes(response: &Response) -> bool {
    let connection = response.headers().get(header::CONNECTION);
    connection.is_some_and(|value| value == "close")
}

/// Counts a call for as long as it lives.
struct CallInFlight(watch::Sender<ConnectionActivity>);

impl CallInFlight {
    fn new(activity: watch::Sender<ConnectionActivity>) -> Self {
        activity.send_modify(ConnectionActivity::call_began);
        Self(activity)
    }
}

impl Drop for CallInFlight {
    fn drop(&mut self) {
        self.0
            .send_modify(|activity| activity.call_ended(Instant::now()));
    }
}
