//! The server on real sockets.

mod drain;
mod hostile;
mod reload;

use axum::Router;
use axum::routing::post;
use http::StatusCode;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;

use super::bind;
use super::testing::{client_config, config, http1, soon, start, start_tls};

fn echo() -> Router {
    Router::new().route("/echo", post(|body: String| async { body }))
}

#[tokio::test]
async fn both_versions_of_http_are_served() {
    let server = start(echo(), config()).await;
    let mut old = server.http1().await;
    let mut new = server.http2().await;
    for round in ["first", "second"] {
        let response = soon(old.call("/echo", round)).await.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_11);
        assert_eq!(response.body(), round);
        let response = soon(new.call("/echo", round)).await.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(response.body(), round);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn both_versions_of_tls_are_served() {
    let server = start(echo(), config()).await;
    for version in [&TLS12, &TLS13] {
        let config = client_config(&server.ca, b"http/1.1", None, &[version]);
        let stream = TcpStream::connect(server.address).await.unwrap();
        let stream = start_tls(stream, config).await.unwrap();
        let spoken = stream.get_ref().1.protocol_version();
        assert_eq!(spoken, Some(version.version));
        let mut client = http1(stream).await;
        assert_eq!(soon(client.call("/echo", "on")).await.unwrap().body(), "on");
    }
}

#[tokio::test]
async fn a_panic_answers_500_and_the_server_goes_on() {
    async fn panics() -> String {
        panic!("a bug")
    }
    let server = start(echo().route("/panic", post(panics)), config()).await;
    let mut old = server.http1().await;
    let mut new = server.http2().await;
    let response = soon(old.call("/panic", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let response = soon(new.call("/panic", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(soon(old.call("/echo", "on")).await.unwrap().body(), "on");
    assert_eq!(soon(new.call("/echo", "on")).await.unwrap().body(), "on");
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let (_listener, address) = bind(config().listen).await.unwrap();
    let error = bind(address).await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(error.contains("another process"), "{error}");
}
