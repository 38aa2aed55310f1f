//! A server on loopback and clients for it, for this module's tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::budget::MemoryBudget;
use super::development_certificates::{CertificateNames, DevelopmentCa, Issued};
use super::readiness::Readiness;
use super::tls::ReloadingCertificate;
use super::{HttpsServer, ServerConfig, ServerError};

/// No test waits longer for anything.
pub(super) const BOUND: Duration = Duration::from_mins(1);

/// `future`, which must end in bounded time.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("this takes too long")
}

/// A server that a test started.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) ca: String,
    pub(super) readiness: Readiness,
    pub(super) budget: Arc<MemoryBudget>,
    pub(super) shutdown: CancellationToken,
    pub(super) ended: JoinHandle<Result<(), ServerError>>,
}

/// A configuration for tests: the system chooses the port, no notice.
pub(super) fn config() -> ServerConfig {
    ServerConfig {
        notice: Duration::ZERO,
        ..ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

/// Serves `router` with a certificate of a new CA.
pub(super) async fn start(router: Router, config: ServerConfig) -> Running {
    let ca = DevelopmentCa::generate().unwrap();
    let issued = ca.issue(&CertificateNames::default(), 1).unwrap();
    let certificate =
        ReloadingCertificate::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes(), None)
            .unwrap();
    start_with(router, config, Arc::new(certificate), ca.certificate()).await
}

/// Serves `router` with `certificate`, which clients accept who trust `ca`.
pub(super) async fn start_with(
    router: Router,
    config: ServerConfig,
    certificate: Arc<ReloadingCertificate>,
    ca: &str,
) -> Running {
    let readiness = Readiness::new();
    let server = HttpsServer::bind(config, certificate, readiness.clone())
        .await
        .unwrap();
    let shutdown = CancellationToken::new();
    Running {
        address: server.local_addr(),
        ca: ca.to_owned(),
        readiness,
        budget: server.limits.body.budget.clone(),
        shutdown: shutdown.clone(),
        ended: tokio::spawn(server.run(router, shutdown)),
    }
}

impl Running {
    /// A TLS connection that offers `alpn` only.
    pub(super) async fn connect(&self, alpn: &[u8]) -> TlsStream<TcpStream> {
        connect(self.address, &self.ca, alpn, None).await.unwrap()
    }

    pub(super) async fn http1(&self) -> Http1 {
        http1(self.connect(b"http/1.1").await).await
    }

    pub(super) async fn http2(&self) -> Http2 {
        let stream = TokioIo::new(self.connect(b"h2").await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        Http2 {
            sender,
            connection: tokio::spawn(connection),
        }
    }

    /// Shuts the server down and returns how it ended.
    pub(super) async fn stop(self) -> Result<(), ServerError> {
        self.shutdown.cancel();
        soon(self.ended).await.unwrap()
    }
}

/// Connects as a client that trusts `ca`.
pub(super) async fn connect(
    address: SocketAddr,
    ca: &str,
    alpn: &[u8],
    identity: Option<&Issued>,
) -> std::io::Result<TlsStream<TcpStream>> {
    handshake(TcpStream::connect(address).await?, ca, alpn, identity).await
}

/// Does a TLS handshake as a client that trusts `ca`.
pub(super) async fn handshake(
    stream: TcpStream,
    ca: &str,
    alpn: &[u8],
    identity: Option<&Issued>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = client_config(ca, alpn, identity, rustls::ALL_VERSIONS);
    start_tls(stream, config).await
}

pub(super) async fn start_tls(
    stream: TcpStream,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// A client that trusts `ca`.
pub(super) fn client_config(
    ca: &str,
    alpn: &[u8],
    identity: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(issued) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

/// The certificate that `stream`'s server showed.
pub(super) fn presented(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// An HTTP/1.1 client on `stream`.
pub(super) async fn http1(stream: TlsStream<TcpStream>) -> Http1 {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    Http1 {
        sender,
        connection: tokio::spawn(connection),
    }
}

pub(super) struct Http1 {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    pub(super) connection: JoinHandle<hyper::Result<()>>,
}

pub(super) struct Http2 {
    pub(super) sender: http2::SendRequest<Full<Bytes>>,
    pub(super) connection: JoinHandle<hyper::Result<()>>,
}

impl Http1 {
    pub(super) async fn call(&mut self, path: &str, body: &str) -> hyper::Result<Response<String>> {
        text(self.sender.send_request(request(path, body)).await?).await
    }
}

impl Http2 {
    pub(super) async fn call(&mut self, path: &str, body: &str) -> hyper::Result<Response<String>> {
        text(self.sender.send_request(request(path, body)).await?).await
    }
}

fn request(path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(format!("https://localhost{path}"))
        .header("host", "localhost")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

async fn text(response: Response<hyper::body::Incoming>) -> hyper::Result<Response<String>> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    Ok(Response::from_parts(
        parts,
        String::from_utf8(bytes.to_vec()).unwrap(),
    ))
}
