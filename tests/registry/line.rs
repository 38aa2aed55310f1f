//! A bad line to Blob Storage: a server on loopback that passes calls on, or does worse.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It is passed on, and so is the answer.
    Fair,
    /// The same, after so long.
    Slow(Duration),
    /// Every third write is passed on, and its connection cut before the answer.
    LosingAnswers,
    /// Every third call is cut before it is passed on.
    Cutting,
    /// Every third call is answered with 503 and `Retry-After`, and not passed on.
    Busy,
    /// Every third write is passed on, and answered with 500 as if it had failed.
    LyingFailures,
    /// Every call is answered with 503 and a `Retry-After` that nobody has time for.
    Storm,
}

/// The line; it is gone when this is dropped.
pub struct Line {
    port: u16,
    sky: Arc<Sky>,
    accepting: AbortHandle,
}

struct Sky {
    weather: Mutex<Weather>,
    to: u16,
    calls: AtomicUsize,
    writes: AtomicUsize,
    damaged: AtomicUsize,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Line {
    /// A line to a port on loopback.
    pub async fn to(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let here = listener.local_addr()?.port();
        let sky = Arc::new(Sky {
            weather: Mutex::new(Weather::Fair),
            to: port,
            calls: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            damaged: AtomicUsize::new(0),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let accepting = tokio::spawn(accept(listener, sky.clone()));
        Ok(Self {
            port: here,
            sky,
            accepting: accepting.abort_handle(),
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn set(&self, weather: Weather) {
        *self.sky.weather.lock() = weather;
    }

    /// How many calls there were, and how many were damaged.
    pub fn counts(&self) -> (usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        (count(&self.sky.calls), count(&self.sky.damaged))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, sky: Arc<Sky>) -> Result<Infallible, io::Error> {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let sky = sky.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| carry(sky.clone(), request));
            let serving = hyper::server::conn::http1::Builder::new();
            // However it ends, the other side is told by the end of the connection.
            let _ = serving
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error cuts the connection.
async fn carry(sky: Arc<Sky>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let cut = || io::Error::from(io::ErrorKind::ConnectionAborted);
    let call = sky.calls.fetch_add(1, Ordering::SeqCst);
    let is_write = request.method() != Method::GET;
    let write = is_write.then(|| sky.writes.fetch_add(1, Ordering::SeqCst));
    let third = |number: usize| number % 3 == 1;
    let weather = *sky.weather.lock();
    let damaged = || sky.damaged.fetch_add(1, Ordering::SeqCst);
    match weather {
        Weather::Slow(pause) => tokio::time::sleep(pause).await,
        Weather::Cutting if third(call) => {
            damaged();
            return Err(cut());
        }
        Weather::Busy if third(call) => {
            damaged();
            return Ok(busy(503, "0"));
        }
        Weather::Storm => {
            damaged();
            return Ok(busy(503, "30"));
        }
        _ => {}
    }
    let answer = pass_on(&sky, request).await.map_err(io::Error::other)?;
    match weather {
        Weather::LosingAnswers if write.is_some_and(third) => {
            damaged();
            Err(cut())
        }
        Weather::LyingFailures if write.is_some_and(third) => {
            damaged();
            Ok(busy(500, "0"))
        }
        _ => Ok(answer),
    }
}

fn busy(status: u16, seconds: &str) -> Response<Full<Bytes>> {
    let answer = Response::builder()
        .status(status)
        .header("x-ms-error-code", "ServerBusy")
        .header("retry-after", seconds);
    answer.body(Full::default()).unwrap()
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn pass_on(sky: &Sky, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, AnyError> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("http://127.0.0.1:{}{path}", sky.to).parse()?;
    let body = body.collect().await?.to_bytes();
    let request = Request::from_parts(head, Full::new(body));
    let (head, body) = sky.client.request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, Full::new(body)))
}
