//! The real server over real TLS on loopback, and clients for it. The benchmarks
//! share it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aso_guard::server::development_certificates::{CertificateNames, DevelopmentCa};
use aso_guard::server::readiness::Readiness;
use aso_guard::server::tls::ReloadingCertificate;
use aso_guard::server::{HttpsServer, ServerConfig};
use axum::Router;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

/// Nothing here takes longer.
const BOUND: Duration = Duration::from_secs(30);

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    Http1,
    Http2,
}

pub const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

/// A server that ends with this value.
pub struct Server {
    pub address: SocketAddr,
    client: Arc<ClientConfig>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection to the server.
pub enum Client {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// What the server says.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Bytes,
}

/// As users run it, but on a port that the system chooses.
pub fn config() -> ServerConfig {
    ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
}

impl Server {
    /// Serves a router.
    pub async fn start(router: Router, config: ServerConfig) -> Self {
        let ca = DevelopmentCa::generate().unwrap();
        let issued = ca.issue(&CertificateNames::default(), 1).unwrap();
        let pem = (issued.certificate.as_bytes(), issued.key.as_bytes());
        let certificate = ReloadingCertificate::from_pem(pem.0, pem.1, None).unwrap();
        let server = HttpsServer::bind(config, Arc::new(certificate), Readiness::new())
            .await
            .unwrap();
        let address = server.local_addr();
        let task = tokio::spawn(server.run(router, CancellationToken::new()));
        Self::at(address, ca.certificate(), task.abort_handle())
    }

    /// A server that this task runs, with a certificate of this CA.
    pub fn at(address: SocketAddr, ca: &str, task: AbortHandle) -> Self {
        Self {
            address,
            client: Arc::new(trusting(ca)),
            task,
        }
    }

    /// A TLS connection on which a version of HTTP is spoken.
    pub async fn tls(&self, version: Version) -> TlsStream<TcpStream> {
        let mut config = ClientConfig::clone(&self.client);
        config.alpn_protocols = match version {
            Version::Http1 => vec![b"http/1.1".to_vec()],
            Version::Http2 => vec![b"h2".to_vec()],
        };
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        soon(connector.connect(name, stream)).await.unwrap()
    }

    /// A connection.
    pub async fn connect(&self, version: Version) -> Client {
        let stream = TokioIo::new(self.tls(version).await);
        match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                Client::Http1(sender)
            }
            Version::Http2 => {
                let executor = TokioExecutor::new();
                let (sender, connection) = http2::handshake(executor, stream).await.unwrap();
                tokio::spawn(connection);
                Client::Http2(sender)
            }
        }
    }
}

impl Client {
    /// Posts a body.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.call(Method::POST, path, body).await.unwrap()
    }

    /// Sends a request.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> hyper::Result<Reply> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                soon(sender.send_request(request)).await?
            }
            Self::Http2(sender) => soon(sender.send_request(request)).await?,
        };
        let (parts, body) = response.into_parts();
        Ok(Reply {
            status: parts.status,
            body: soon(body.collect()).await?.to_bytes(),
        })
    }
}

impl Reply {
    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// `future`, which must end in bounded time.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(BOUND, future).await;
    done.unwrap_or_else(|_| panic!("this takes more than {BOUND:?}"))
}

fn trusting(ca: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(ca.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
