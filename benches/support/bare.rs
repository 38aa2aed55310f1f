//! What the webhook is measured against: axum and rustls, and nothing of this
//! package but the types a review is read into.

use std::net::SocketAddr;
use std::sync::Arc;

use aso_guard::admission::Verdict;
use aso_guard::admission::review::{ReviewAnswer, parse};
use aso_guard::server::development_certificates::{CertificateNames, DevelopmentCa};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::server::Server;

/// A webhook that reads the whole review, and says yes.
pub fn yes() -> Router {
    Router::new()
        .route("/validate", post(say_yes))
        .layer(DefaultBodyLimit::max(8 << 20))
}

async fn say_yes(body: Bytes) -> Response {
    let Ok(request) = parse(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (Ok(_), Ok(_)) = (request.object(), request.old_object()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let answer = serde_json::to_vec(&ReviewAnswer::new(&request.uid, &Verdict::allow())).unwrap();
    ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

/// Serves a router over HTTP/2 and TLS, as the examples of those crates do.
pub async fn serve(router: Router) -> Server {
    let ca = DevelopmentCa::generate().unwrap();
    let issued = ca.issue(&CertificateNames::default(), 1).unwrap();
    let certificates = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
    let certificates: Vec<_> = certificates.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));

    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(loopback).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                stream.set_nodelay(true).unwrap();
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service =
                    service_fn(move |request| router.clone().oneshot(request.map(Body::new)));
                // How a connection ends is the client's business.
                let _ = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Server::at(address, ca.certificate(), task.abort_handle())
}
