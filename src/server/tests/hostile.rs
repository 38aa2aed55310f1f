//! Clients that are slow, silent, broken or too many.

use std::time::{Duration, Instant};

use axum::extract::DefaultBodyLimit;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower_http::limit::RequestBodyLimitLayer;

use super::super::ServerConfig;
use super::super::testing::{BOUND, Running, config, connect, soon, start};
use super::echo;

/// Long enough that a call in between is served, short enough for a test.
const SHORT: Duration = Duration::from_millis(400);

/// The first bytes of a TLS record that announces a ClientHello of 512 bytes.
const HALF_HELLO: [u8; 9] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc];

async fn assert_serves(server: &Running) {
    let response = soon(async { server.http2().await.call("/echo", "on").await });
    assert_eq!(response.await.unwrap().body(), "on");
}

/// Waits until the server closes the connection. Returns what it said before.
async fn closed(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is as good as an end.
    let _ = soon(stream.read_to_end(&mut said)).await;
    said
}

#[tokio::test]
async fn half_open_handshakes_disturb_nobody_and_are_closed() {
    let config = ServerConfig {
        handshake_timeout: SHORT,
        ..config()
    };
    let server = start(echo(), config).await;
    let mut half_open = Vec::new();
    for number in 0..50 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(&HALF_HELLO).await.unwrap();
        }
        half_open.push(stream);
    }
    assert_serves(&server).await;
    for stream in half_open {
        closed(stream).await;
    }
    assert_serves(&server).await;
}

#[tokio::test]
async fn what_is_not_tls_is_turned_away() {
    let server = start(echo(), config()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    closed(stream).await;
    assert_serves(&server).await;
}

#[tokio::test]
async fn slow_headers_are_cut() {
    let config = ServerConfig {
        header_timeout: SHORT,
        ..config()
    };
    let server = start(echo(), config).await;
    let (reading, mut writing) = tokio::io::split(server.connect(b"http/1.1").await);
    let trickle = tokio::spawn(async move {
        let _ = writing.write_all(b"POST /echo HTTP/1.1\r\nx: ").await;
        while writing.write_all(b"y").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    assert_eq!(closed(reading).await, b"");
    trickle.abort();
    assert_serves(&server).await;
}

#[tokio::test]
async fn an_http2_client_that_says_nothing_is_closed() {
    let config = ServerConfig {
        header_timeout: SHORT,
        ..config()
    };
    let server = start(echo(), config).await;
    closed(server.connect(b"h2").await).await;
    let mut half_preface = server.connect(b"h2").await;
    half_preface.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    half_preface.flush().await.unwrap();
    closed(half_preface).await;
    assert_serves(&server).await;
}

#[tokio::test]
async fn waiting_for_the_next_request_is_not_slow() {
    let config = ServerConfig {
        header_timeout: SHORT / 8,
        idle_timeout: SHORT,
        ..config()
    };
    let server = start(echo(), config).await;
    let mut client = server.http1().await;
    let begun = Instant::now();
    soon(client.call("/echo", "")).await.unwrap();
    soon(client.connection).await.unwrap().unwrap();
    assert!(begun.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_slow_body_is_answered_with_408() {
    let config = ServerConfig {
        body_timeout: SHORT,
        ..config()
    };
    let server = start(echo(), config).await;
    let mut stream = server.connect(b"http/1.1").await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf")
        .await
        .unwrap();
    stream.flush().await.unwrap();
    let answer = String::from_utf8(closed(stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("too slowly: 4 bytes in "), "{answer}");
    assert_serves(&server).await;
}

#[tokio::test]
async fn a_body_that_stands_still_has_little_time() {
    let config = ServerConfig {
        body_timeout: BOUND,
        ..config()
    };
    let server = start(echo(), config).await;
    let begun = Instant::now();
    let answer = closed(half_a_body(&server, 100, 50).await).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begun.elapsed() < BOUND / 4, "{:?}", begun.elapsed());
}

/// A call that announces so large a body, and of which so much comes.
async fn half_a_body(server: &Running, announced: usize, sent: usize) -> TlsStream<TcpStream> {
    let mut stream = server.connect(b"http/1.1").await;
    let head = format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {announced}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // It may be answered before it was all sent.
    let _ = stream.write_all(&vec![b'x'; sent]).await;
    let _ = stream.flush().await;
    stream
}

#[tokio::test]
async fn bodies_that_are_left_unfinished_take_no_room_from_others() {
    const MIB: usize = 1 << 20;
    let config = ServerConfig {
        body_size: MIB,
        bodies: 4 * MIB,
        ..config()
    };
    let server = start(echo().layer(DefaultBodyLimit::disable()), config).await;
    let mut client = server.http2().await;
    let mut strangers = Vec::new();
    for _ in 0..64 {
        strangers.push(half_a_body(&server, MIB, MIB - 1).await);
        assert_eq!(soon(client.call("/echo", "on")).await.unwrap().body(), "on");
        let charged = server.budget.charged();
        assert!(charged <= 4 * MIB, "{charged} bytes are kept");
    }
    assert!(server.budget.charged() > 2 * MIB);
    // Nor do they keep a large one out that comes at once.
    let large = "x".repeat(MIB - 1);
    let answer = soon(client.call("/echo", &large)).await.unwrap();
    assert_eq!(answer.body().len(), large.len());
    let answer = closed(strangers.swap_remove(0)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("too much is being sent"), "{answer}");
    drop(strangers);
    soon(async {
        while server.budget.charged() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_writes_first_can_read_the_refusal_of_a_large_body() {
    let router = echo().layer(RequestBodyLimitLayer::new(1 << 20));
    let config = ServerConfig {
        body_timeout: BOUND,
        ..config()
    };
    let server = start(router, config).await;
    let body = "x".repeat(20 << 20);
    let mut stream = server.connect(b"http/1.1").await;
    let head = format!(
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    soon(stream.write_all(head.as_bytes())).await.unwrap();
    soon(stream.write_all(body.as_bytes())).await.unwrap();
    stream.flush().await.unwrap();
    let answer = String::from_utf8(closed(stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    let mut new = server.http2().await;
    let answer = soon(new.call("/echo", &body)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(soon(new.call("/echo", "on")).await.unwrap().body(), "on");
}

#[tokio::test]
async fn who_asks_before_sending_a_body_is_answered_at_once() {
    let router = echo().layer(RequestBodyLimitLayer::new(1 << 20));
    let server = start(router, config()).await;
    let mut stream = server.connect(b"http/1.1").await;
    stream
        .write_all(
            b"POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\
              content-length: 99999999\r\n\r\n",
        )
        .await
        .unwrap();
    stream.flush().await.unwrap();
    let answer = String::from_utf8(closed(stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn too_many_connections_are_closed_as_they_come() {
    let config = ServerConfig {
        max_connections: 2,
        ..config()
    };
    let server = start(echo(), config).await;
    let mut first = server.http1().await;
    let second = server.http1().await;
    closed(TcpStream::connect(server.address).await.unwrap()).await;
    assert_eq!(soon(first.call("/echo", "on")).await.unwrap().body(), "on");
    drop(second);
    soon(async {
        // The server sees the end of the second connection a little later.
        while connect(server.address, &server.ca, b"h2", None)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
