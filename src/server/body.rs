//! Request bodies that arrive in time, or not at all.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// How much of a body that nobody wanted is still read, so that a client that
/// writes first and reads later finds the answer and not a closed connection.
const DISCARD_LIMIT: usize = 32 << 20;

/// The body did not arrive in time.
#[derive(Debug, thiserror::Error)]
#[error("the request body did not arrive within {0:?}")]
struct TooSlow(Duration);

/// Gives the whole body of `request` until `patience` from now. Reading it
/// later fails; [`Rest::settle`] then answers 408.
pub(super) fn limit(request: Request<Incoming>, patience: Duration) -> (Request<Body>, Rest) {
    let expects = request.headers().contains_key(header::EXPECT);
    let (parts, incoming) = request.into_parts();
    let rest = Rest {
        slot: Arc::default(),
        deadline: Instant::now() + patience,
        patience,
        expects,
    };
    let body = if incoming.is_end_stream() {
        Body::empty()
    } else {
        Body::new(TimedBody {
            incoming: Some(incoming),
            timer: None,
            deadline: rest.deadline,
            patience,
            slot: Arc::clone(&rest.slot),
        })
    };
    (Request::from_parts(parts, body), rest)
}

/// What is left of a request body after the call.
pub(super) struct Rest {
    slot: Arc<Mutex<Slot>>,
    deadline: Instant,
    patience: Duration,
    /// The client waits to be asked for the body (`Expect: 100-continue`).
    expects: bool,
}

#[derive(Default)]
struct Slot {
    /// The body, where it was dropped before its end.
    unread: Option<Incoming>,
    /// Whether some of it was read, and so asked for.
    begun: bool,
    /// Whether the time ran out while it was read.
    expired: bool,
}

impl Rest {
    /// Turns a refusal that came of a slow body into a 408 that says so.
    pub(super) fn settle(&self, response: Response) -> Response {
        let status = response.status();
        if !lock(&self.slot).expired || !(status.is_client_error() || status.is_server_error()) {
            return response;
        }
        let mut response = (
            StatusCode::REQUEST_TIMEOUT,
            format!("{}\n", TooSlow(self.patience)),
        )
            .into_response();
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// Reads what the call left unread, within the body's own time and
    /// [`DISCARD_LIMIT`]. Only HTTP/1 needs it: HTTP/2 can reset one stream.
    pub(super) async fn discard(&self) {
        let unread = {
            let mut slot = lock(&self.slot);
            if self.expects && !slot.begun {
                return;
            }
            slot.unread.take()
        };
        let Some(mut unread) = unread else { return };
        let mut read = 0;
        let all = async {
            while read < DISCARD_LIMIT {
                let frame = std::future::poll_fn(|cx| Pin::new(&mut unread).poll_frame(cx)).await;
                match frame {
                    Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
                    Some(Err(_)) | None => return,
                }
            }
        };
        // Out of time or not, the connection is closed if the body isn't at its end.
        let _ = timeout_at(self.deadline, all).await;
    }
}

struct TimedBody {
    /// `None` once it failed.
    incoming: Option<Incoming>,
    /// Made when the body is first waited for.
    timer: Option<Pin<Box<Sleep>>>,
    deadline: Instant,
    patience: Duration,
    slot: Arc<Mutex<Slot>>,
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        lock(&this.slot).begun = true;
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(this.deadline)));
        ready!(timer.as_mut().poll(cx));
        lock(&this.slot).expired = true;
        this.incoming = None;
        Poll::Ready(Some(Err(TooSlow(this.patience).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        let unread = self.incoming.take().filter(|body| !body.is_end_stream());
        lock(&self.slot).unread = unread;
    }
}

/// Nothing is done under this lock that could panic half-way.
fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
