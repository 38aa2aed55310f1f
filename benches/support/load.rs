//! A client that keeps a number of calls in flight, as an API server does: few
//! connections, HTTP/2.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;

use super::reviews::Reviews;
use super::server::{Client, Server, Version};

/// How a load is put.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: usize,
    /// Calls in flight on each connection.
    pub concurrency: usize,
}

/// What came of it.
pub struct Outcome {
    pub elapsed: Duration,
    /// How long each call took.
    pub latencies: Vec<Duration>,
}

/// Connections to a server.
pub struct Connections(Vec<SendRequest<Full<Bytes>>>);

impl Connections {
    pub async fn open(server: &Server, load: Load) -> Self {
        let mut senders = Vec::new();
        for _ in 0..load.connections {
            let Client::Http2(sender) = server.connect(Version::Http2).await else {
                unreachable!("HTTP/2 was asked for");
            };
            senders.push(sender);
        }
        Self(senders)
    }

    /// The one that a call of this number is made on.
    pub fn of_call(&self, number: u64) -> SendRequest<Full<Bytes>> {
        self.0[number as usize % self.0.len()].clone()
    }

    /// Sends the reviews of these numbers, each of which must be let through.
    pub async fn send(
        &self,
        load: Load,
        reviews: &Reviews,
        numbers: std::ops::Range<u64>,
    ) -> Outcome {
        let next = Cell::new(numbers.start);
        let workers = self.0.iter().flat_map(|sender| {
            let next = &next;
            let end = numbers.end;
            (0..load.concurrency).map(move |_| async move {
                let mut latencies = Vec::new();
                while next.get() < end {
                    let number = next.replace(next.get() + 1);
                    let body = reviews.body(number);
                    let sent = Instant::now();
                    call(sender.clone(), body).await;
                    latencies.push(sent.elapsed());
                }
                latencies
            })
        });
        let begun = Instant::now();
        let latencies = join_all(workers).await.concat();
        Outcome {
            elapsed: begun.elapsed(),
            latencies,
        }
    }
}

async fn call(sender: SendRequest<Full<Bytes>>, body: Bytes) {
    let answer = ask(sender, body).await;
    assert!(is_yes(&answer), "{}", String::from_utf8_lossy(&answer));
}

/// Whether an answer lets its request through.
pub fn is_yes(answer: &Bytes) -> bool {
    answer.windows(14).any(|words| words == b"\"allowed\":true")
}

/// Sends a review, and gives the answer.
pub async fn ask(mut sender: SendRequest<Full<Bytes>>, body: Bytes) -> Bytes {
    let request = Request::post("https://localhost/validate?timeout=10s")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    response.into_body().collect().await.unwrap().to_bytes()
}
