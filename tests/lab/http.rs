//! The plainest of HTTP clients, for the plain HTTP that aso-guard's operators get.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(5);

/// `GET path` from a server on loopback: status and body.
pub async fn get(port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    timeout(TIMEOUT, ask(port, "GET", path, ""))
        .await
        .with_context(|| format!("no answer to GET {path} within {TIMEOUT:?}"))?
}

/// `POST path` to a server on loopback, with a body of JSON: status and body.
pub async fn post(port: u16, path: &str, json: &str) -> anyhow::Result<(u16, String)> {
    timeout(TIMEOUT, ask(port, "POST", path, json))
        .await
        .with_context(|| format!("no answer to POST {path} within {TIMEOUT:?}"))?
}

async fn ask(port: u16, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("connecting to {address}"))?;
    // HTTP/1.0: the answer ends with the connection, and is never chunked.
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("not an HTTP answer: {answer:?}"))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("no status in {head:?}"))?;
    Ok((status, body.to_owned()))
}
