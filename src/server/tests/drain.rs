//! The way out: nobody who was accepted is left without an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use http::header::CONNECTION;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::super::testing::{BOUND, Running, config, connect, handshake, http1, soon, start};
use super::super::{ServerConfig, ServerError};
use super::echo;

/// `/slow` says in `begun` that it was called, and answers when `release` lets it.
#[derive(Clone)]
struct Slow {
    begun: Arc<Semaphore>,
    release: Arc<Semaphore>,
}

impl Slow {
    fn new() -> Self {
        Self {
            begun: Arc::new(Semaphore::new(0)),
            release: Arc::new(Semaphore::new(0)),
        }
    }

    fn router(&self) -> Router {
        let slow = self.clone();
        echo().route(
            "/slow",
            post(move || async move {
                slow.begun.add_permits(1);
                slow.release.acquire().await.unwrap().forget();
                "done"
            }),
        )
    }

    async fn begun(&self, calls: u32) {
        soon(self.begun.acquire_many(calls)).await.unwrap().forget();
    }
}

async fn port_closed(server: &Running) {
    soon(async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn calls_in_flight_finish_and_idle_connections_close() {
    let slow = Slow::new();
    let config = ServerConfig {
        drain: BOUND * 10,
        ..config()
    };
    let server = start(slow.router(), config).await;
    let mut idle_old = server.http1().await;
    let mut idle_new = server.http2().await;
    soon(idle_old.call("/echo", "")).await.unwrap();
    soon(idle_new.call("/echo", "")).await.unwrap();
    let (mut old, mut new) = (server.http1().await, server.http2().await);
    let old_call = tokio::spawn(async move { old.call("/slow", "").await });
    let new_call = tokio::spawn(async move { new.call("/slow", "").await });
    slow.begun(2).await;
    assert!(server.readiness.is_ready());

    server.shutdown.cancel();
    port_closed(&server).await;
    assert!(!server.readiness.is_ready());
    soon(idle_old.connection).await.unwrap().unwrap();
    soon(idle_new.connection).await.unwrap().unwrap();
    assert!(!server.ended.is_finished());

    slow.release.add_permits(2);
    let answer = soon(old_call).await.unwrap().unwrap();
    assert_eq!(answer.headers()[CONNECTION], "close");
    assert_eq!(answer.body(), "done");
    assert_eq!(soon(new_call).await.unwrap().unwrap().body(), "done");
    soon(server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn during_the_notice_each_connection_serves_one_more_call() {
    let config = ServerConfig {
        notice: BOUND * 10,
        ..config()
    };
    let server = start(echo(), config).await;
    let mut old = server.http1().await;
    let mut new = server.http2().await;
    soon(old.call("/echo", "")).await.unwrap();
    soon(new.call("/echo", "")).await.unwrap();
    server.shutdown.cancel();

    // HTTP/2 can say goodbye at once.
    soon(new.connection).await.unwrap().unwrap();
    // HTTP/1.1 only with an answer.
    let answer = soon(old.call("/echo", "on")).await.unwrap();
    assert_eq!(answer.headers()[CONNECTION], "close");
    assert_eq!(answer.body(), "on");
    soon(old.connection).await.unwrap().unwrap();
    // Clients that have not noticed yet are served.
    let mut late = server.http2().await;
    assert_eq!(soon(late.call("/echo", "on")).await.unwrap().body(), "on");
    soon(late.connection).await.unwrap().unwrap();
    let mut late = server.http1().await;
    let answer = soon(late.call("/echo", "on")).await.unwrap();
    assert_eq!(answer.headers()[CONNECTION], "close");
    assert!(!server.ended.is_finished());
    server.ended.abort();
}

#[tokio::test]
async fn a_request_whose_headers_are_half_sent_is_served() {
    let server = start(echo(), config()).await;
    let mut stream = server.connect(b"http/1.1").await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-")
        .await
        .unwrap();
    stream.flush().await.unwrap();
    // A call on a second connection, so that the server has seen the first.
    soon(server.http1().await.call("/echo", "")).await.unwrap();
    server.shutdown.cancel();
    port_closed(&server).await;
    stream.write_all(b"length: 2\r\n\r\non").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\non"), "{answer}");
    drop(stream);
    soon(server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_that_the_kernel_accepted_are_served() {
    let server = start(echo(), config()).await;
    // Nothing has been awaited since: the server did not accept this one yet.
    let connecting = std::net::TcpStream::connect(server.address).unwrap();
    server.shutdown.cancel();
    connecting.set_nonblocking(true).unwrap();
    let stream = TcpStream::from_std(connecting).unwrap();
    let stream = handshake(stream, &server.ca, b"http/1.1", None)
        .await
        .unwrap();
    let mut client = http1(stream).await;
    assert_eq!(soon(client.call("/echo", "on")).await.unwrap().body(), "on");
    soon(server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn calls_that_take_too_long_are_cut_off_and_told() {
    let slow = Slow::new();
    let config = ServerConfig {
        drain: Duration::from_millis(50),
        ..config()
    };
    let server = start(slow.router(), config).await;
    let mut client = server.http1().await;
    let call = tokio::spawn(async move { client.call("/slow", "").await });
    slow.begun(1).await;
    let (address, ca) = (server.address, server.ca.clone());
    let ended = server.stop().await;
    assert!(
        matches!(ended, Err(ServerError::Unfinished { connections: 1, .. })),
        "{ended:?}"
    );
    assert!(soon(call).await.unwrap().is_err());
    assert!(connect(address, &ca, b"h2", None).await.is_err());
}
