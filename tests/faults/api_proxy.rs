//! A proxy between a guard and its own API server. It can be slow: watch events and the answers to
//! reads come on different connections, and nobody promises in which order they are processed.
//!
//! It ends TLS, so that it sees what is asked: answers to `GET` are held once the API server has
//! made them, and watch events one by one, in their order.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::lab::control_plane::ControlPlane;
use crate::lab::kubeconfig::Server;
use crate::lab::object::Object;
use crate::lab::pki::Authority;
use crate::lab::timeline::{Timeline, about, about_path, described};
use crate::random::Random;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// How long watch events and the answers to reads take, from so many up to so many milliseconds.
#[derive(Clone, Copy)]
pub struct Delays {
    /// A watch event.
    pub events: (u64, u64),
    /// The answer to a `GET` of one object.
    pub answers: (u64, u64),
}

/// No delay that is worth a name.
pub const NO_DELAYS: Delays = Delays {
    events: (0, 1),
    answers: (0, 1),
};

/// The proxy; it is gone when this is dropped.
pub struct ApiProxy {
    here: Server,
    line: Arc<Line>,
    accepting: AbortHandle,
}

/// What all connections have in common.
struct Line {
    cluster: String,
    there: SocketAddr,
    connector: TlsConnector,
    delays: Mutex<Delays>,
    random: Mutex<Random>,
    timeline: Arc<Timeline>,
    /// Whether watch events are held.
    events_held: watch::Sender<bool>,
    /// The object, as `plural/name`, the answers to whose reads are held.
    answers_held: watch::Sender<Option<String>>,
    /// How many answers were held so far.
    held: AtomicUsize,
}

impl ApiProxy {
    /// A proxy in front of a cluster's API server.
    pub async fn start(
        plane: &ControlPlane,
        seed: u64,
        timeline: &Arc<Timeline>,
    ) -> anyhow::Result<Self> {
        // A second installation finds the first one's, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let there = plane.server();
        let port = there.url.rsplit(':').next().unwrap_or_default();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(there.authority.as_bytes())?)?;
        let client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let authority = Authority::new("lab api proxy")?;
        let pair = authority.server()?;
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes())?],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?,
            )?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let here = Server {
            url: format!("https://{}", listener.local_addr()?),
            authority: authority.pem(),
        };
        let line = Arc::new(Line {
            cluster: plane.name().to_owned(),
            there: (Ipv4Addr::LOCALHOST, port.parse()?).into(),
            connector: TlsConnector::from(Arc::new(client)),
            delays: Mutex::new(NO_DELAYS),
            random: Mutex::new(Random::new(seed)),
            timeline: timeline.clone(),
            events_held: watch::Sender::new(false),
            answers_held: watch::Sender::new(None),
            held: AtomicUsize::new(0),
        });
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let accepting = tokio::spawn(accept(listener, acceptor, line.clone()));
        Ok(Self {
            here,
            line,
            accepting: accepting.abort_handle(),
        })
    }

    /// What a guard talks to instead of its API server.
    pub fn server(&self) -> Server {
        self.here.clone()
    }

    /// How slow it is from now on.
    pub fn set(&self, delays: Delays) {
        *self.line.delays() = delays;
    }

    /// Watch events are held until told otherwise.
    pub fn hold_events(&self, held: bool) {
        self.line.events_held.send_replace(held);
    }

    /// The answers to reads of this object are held, from now on until told otherwise.
    pub fn hold_answers(&self, object: Option<String>) {
        self.line.answers_held.send_replace(object);
    }

    /// How many answers were held so far.
    pub fn held(&self) -> usize {
        self.line.held.load(Ordering::Relaxed)
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The connections end with the task that accepted them.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, line: Arc<Line>) {
    let mut connections = JoinSet::new();
    while let Ok((guard, _)) = listener.accept().await {
        let (acceptor, line) = (acceptor.clone(), line.clone());
        connections.spawn(async move {
            // However it ends, the guard is told by the end of the connection.
            let _ = carry(guard, acceptor, line).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// One connection of the guard's, and one to the API server for it.
async fn carry(guard: TcpStream, acceptor: TlsAcceptor, line: Arc<Line>) -> anyhow::Result<()> {
    guard.set_nodelay(true)?;
    let guard = acceptor.accept(guard).await?;
    let there = TcpStream::connect(line.there).await?;
    there.set_nodelay(true)?;
    let name = ServerName::IpAddress(line.there.ip().into());
    let there = line.connector.connect(name, there).await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(there)).await?;
    // One request after the other: the guard waits for each answer before it sends the next.
    let sender = Arc::new(tokio::sync::Mutex::new(sender));
    let forward = service_fn(move |request| line.clone().forward(sender.clone(), request));
    let serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(guard), forward);
    tokio::select! {
        end = serving => end.context("the guard's side"),
        end = connection => end.context("the API server's side"),
    }
}

impl Line {
    async fn forward(
        self: Arc<Self>,
        sender: Arc<tokio::sync::Mutex<SendRequest<Incoming>>>,
        request: Request<Incoming>,
    ) -> hyper::Result<Response<Body>> {
        let reads = request.method() == Method::GET;
        let query = request.uri().query().unwrap_or_default();
        let watches = query.split('&').any(|part| part == "watch=true");
        let path = request.uri().path().to_owned();
        let response = sender.lock().await.send_request(request).await?;
        if reads && watches {
            return Ok(response.map(|body| self.slow_events(&path, body)));
        }
        if reads {
            self.slow_answer(&path, response.status()).await;
        }
        Ok(response.map(BodyExt::boxed_unsync))
    }

    /// Waits for as long as an answer takes that the API server has made, where it is about one
    /// object of a custom resource. What else a guard reads is not what this is about.
    async fn slow_answer(&self, path: &str, status: StatusCode) {
        if !path.starts_with("/apis/") || path.matches('/').count() != 7 {
            return;
        }
        let object = about_path("GET", path, None);
        let cluster = &self.cluster;
        let note = |text: String| self.timeline.note(&object, text);
        note(format!("{cluster} answers its guard's read: {status}"));
        let mut held = self.answers_held.subscribe();
        let is_held = |held: &Option<String>| held.as_ref() == Some(&object);
        if is_held(&held.borrow_and_update()) {
            self.held.fetch_add(1, Ordering::Relaxed);
            // The sender lives as long as the line.
            let _ = held.wait_for(|held| !is_held(held)).await;
        }
        sleep(self.delay(|delays| &delays.answers)).await;
        note(format!("the guard of {cluster} has that answer: {status}"));
    }

    /// The events of a watch, each as late as it is to be, in their order.
    fn slow_events(self: Arc<Self>, path: &str, mut body: Incoming) -> Body {
        let plural = path.rsplit('/').next().unwrap_or_default().to_owned();
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let line = self.clone();
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            while let Some(Ok(frame)) = body.frame().await {
                bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
                    let event: Vec<u8> = bytes.drain(..=end).collect();
                    let due = Instant::now() + line.delay(|delays| &delays.events);
                    if arrived.send((due, Bytes::from(event))).is_err() {
                        return;
                    }
                }
            }
        });
        let late = stream::unfold(arrivals, move |mut arrivals| {
            let (line, plural) = (self.clone(), plural.clone());
            async move {
                let (due, event) = arrivals.recv().await?;
                sleep_until(due).await;
                let mut held = line.events_held.subscribe();
                // The sender lives as long as the line.
                let _ = held.wait_for(|held| !held).await;
                line.note_event(&plural, &event);
                Some((Ok(Frame::data(event)), arrivals))
            }
        });
        StreamBody::new(late).boxed_unsync()
    }

    fn note_event(&self, plural: &str, event: &[u8]) {
        let event = Object(serde_json::from_slice(event).unwrap_or_default());
        let object = Object(event.0["object"].clone());
        let kind = event.text("/type");
        if kind != "BOOKMARK" {
            let told = format!(
                "the guard of {} is told: {kind} {}",
                self.cluster,
                described(&object)
            );
            self.timeline.note(&about(plural, object.name()), told);
        }
    }

    fn delay(&self, of: impl FnOnce(&Delays) -> &(u64, u64)) -> Duration {
        let (least, most) = *of(&self.delays());
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.millis(least, most)
    }

    fn delays(&self) -> MutexGuard<'_, Delays> {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
