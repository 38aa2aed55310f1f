//! Request bodies that arrive whole and in time, within the room there is, or not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use super::budget::{BudgetExceeded, BudgetShare, MemoryBudget};
use super::metrics::{RejectionReason, ServerMetrics};

/// How much of a body that nobody wanted is still read, so that a client that
/// writes first and reads later finds the answer and not a closed connection.
const DISCARD_LIMIT: usize = 32 << 20;

/// How long the next of such a body is waited for.
const DISCARD_PAUSE: Duration = Duration::from_secs(1);

/// A body may stand still for so long altogether.
const GRACE: Duration = Duration::from_secs(2);

/// Beyond that, so many bytes of it have to come in a millisecond.
const PACE_PER_MS: usize = 512;

/// The first room made for a body: most reviews are smaller.
const SMALLEST: usize = 8 * 1024;

/// What a call takes besides its headers and its body: its connection's part, its task.
const CALL: usize = 2048;

/// How much of a body is taken, for how long, and where it is kept.
#[derive(Clone)]
pub(super) struct BodyLimits {
    /// The time a whole body may take.
    pub(super) time: Duration,
    /// The largest body, in bytes.
    pub(super) size: usize,
    /// Shared by all connections.
    pub(super) budget: Arc<MemoryBudget>,
    pub(super) metrics: ServerMetrics,
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum BodyError {
    #[error("the request body came too slowly: {0} bytes in {secs:.1} s", secs = .1.as_secs_f32())]
    TooSlow(usize, Duration),
    #[error("the request body is larger than {0} bytes")]
    TooLarge(usize),
    #[error(
        "too much is being sent to this port at once, and this request had been arriving the \
         longest; try again. API servers alone never send that much: look for another client"
    )]
    NoRoom,
}

impl BodyError {
    fn status(self) -> StatusCode {
        match self {
            Self::TooSlow(..) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn reason(self) -> RejectionReason {
        match self {
            Self::TooSlow(..) => RejectionReason::Slow,
            Self::TooLarge(_) => RejectionReason::Large,
            Self::NoRoom => RejectionReason::Room,
        }
    }
}

impl From<BudgetExceeded> for BodyError {
    fn from(BudgetExceeded: BudgetExceeded) -> Self {
        Self::NoRoom
    }
}

/// Gives the whole body of `request`, within the limits. Reading one that is not taken
/// fails; [`UnreadBody::settle`] then says why. Where there is no room for the call at all, gives
/// the answer to it.
pub(super) fn limit(
    request: Request<Incoming>,
    limits: &BodyLimits,
) -> Result<(Request<Body>, UnreadBody), Response> {
    let (parts, incoming) = request.into_parts();
    let slot: Arc<Mutex<BodyBuffer>> = Arc::default();
    let loser = slot.clone();
    let admitted = limits
        .budget
        .admit(CALL + size_of_head(&parts), move || loser.lock().give_way());
    let share = admitted.map_err(|no_room| {
        limits.metrics.rejected(RejectionReason::Room);
        answer(no_room.into())
    })?;
    let share = Arc::new(share);
    let rest = UnreadBody {
        slot,
        share,
        deadline: Instant::now() + limits.time,
        expects: parts.headers.contains_key(header::EXPECT),
        metrics: limits.metrics.clone(),
    };
    let body = if incoming.is_end_stream() {
        rest.share.arrived();
        Body::empty()
    } else {
        Body::new(WholeBody {
            incoming: Some(incoming),
            timer: None,
            begun: Instant::now(),
            received: 0,
            time: limits.time,
            size: limits.size,
            share: Arc::clone(&rest.share),
            slot: Arc::clone(&rest.slot),
        })
    };
    Ok((Request::from_parts(parts, body), rest))
}

fn size_of_head(parts: &Parts) -> usize {
    let headers = parts.headers.iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
    headers.sum::<usize>() + parts.uri.path().len() + parts.uri.query().map_or(0, str::len)
}

fn answer(refused: BodyError) -> Response {
    let close = HeaderValue::from_static("close");
    let mut response = (refused.status(), format!("{refused}\n")).into_response();
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// What is left of a request body after the call, and its room until then.
pub(super) struct UnreadBody {
    slot: Arc<Mutex<BodyBuffer>>,
    share: Arc<BudgetShare>,
    deadline: Instant,
    /// The client waits to be asked for the body (`Expect: 100-continue`).
    expects: bool,
    metrics: ServerMetrics,
}

#[derive(Default)]
struct BodyBuffer {
    /// What has arrived.
    buffer: Vec<u8>,
    /// Whoever waits for more.
    waker: Option<Waker>,
    /// The body, where it was dropped before its end.
    unread: Option<Incoming>,
    /// Whether some of it was read, and so asked for.
    begun: bool,
    /// Why it is not taken.
    refused: Option<BodyError>,
}

impl BodyBuffer {
    fn give_way(&mut self) {
        self.refused = Some(BodyError::NoRoom);
        self.buffer = Vec::new();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl UnreadBody {
    /// Turns a refusal that came of a body that was not taken into one that says so.
    pub(super) fn settle(&self, response: Response) -> Response {
        let status = response.status();
        match self.slot.lock().refused {
            Some(refused) if status.is_client_error() || status.is_server_error() => {
                self.metrics.rejected(refused.reason());
                answer(refused)
            }
            _ => response,
        }
    }

    /// Reads what the call left unread, within the body's own time and
    /// [`DISCARD_LIMIT`]. Only HTTP/1 needs it: HTTP/2 can reset one stream.
    pub(super) async fn discard(self) {
        let unread = {
            let mut slot = self.slot.lock();
            if self.expects && !slot.begun {
                return;
            }
            slot.unread.take()
        };
        // Nothing of it is kept.
        drop(self.share);
        let Some(mut unread) = unread else { return };
        let mut read = 0;
        let all = async {
            while read < DISCARD_LIMIT {
                match timeout(DISCARD_PAUSE, unread.frame()).await {
                    Ok(Some(Ok(frame))) => read += frame.data_ref().map_or(0, Bytes::len),
                    _ => return,
                }
            }
        };
        // Out of time or not, the connection is closed if the body isn't at its end.
        let _ = timeout_at(self.deadline, all).await;
    }
}

/// A body that is given in one piece: many small ones would take many times their size.
struct WholeBody {
    /// `None` once it ended or failed.
    incoming: Option<Incoming>,
    /// Made when the body is first waited for.
    timer: Option<Pin<Box<Sleep>>>,
    begun: Instant,
    received: usize,
    time: Duration,
    size: usize,
    share: Arc<BudgetShare>,
    slot: Arc<Mutex<BodyBuffer>>,
}

impl WholeBody {
    /// Keeps what has arrived.
    fn keep(&mut self, data: &[u8]) -> Result<(), BodyError> {
        self.received += data.len();
        if self.received > self.size {
            return Err(BodyError::TooLarge(self.size));
        }
        let capacity = self.slot.lock().buffer.capacity();
        if self.received > capacity {
            let doubled = (capacity * 2).max(SMALLEST).min(self.size);
            let grown = self.received.max(doubled);
            self.share.grow(grown - capacity)?;
            let mut slot = self.slot.lock();
            let more = grown - slot.buffer.len();
            slot.buffer.reserve_exact(more);
        }
        let mut slot = self.slot.lock();
        if let Some(refused) = slot.refused {
            return Err(refused);
        }
        slot.buffer.extend_from_slice(data);
        Ok(())
    }

    /// When the next of it must have come.
    fn due(&self) -> Instant {
        let paced = Duration::from_millis((self.received / PACE_PER_MS) as u64);
        self.begun + self.time.min(GRACE + paced)
    }

    fn fail(&mut self, refused: BodyError) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let mut slot = self.slot.lock();
        slot.refused = Some(refused);
        slot.buffer = Vec::new();
        self.incoming = None;
        drop(slot);
        Poll::Ready(Some(Err(refused.into())))
    }
}

impl HttpBody for WholeBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let refused = {
            let mut slot = this.slot.lock();
            slot.begun = true;
            slot.waker = Some(cx.waker().clone());
            slot.refused
        };
        if let Some(refused) = refused {
            return this.fail(refused);
        }
        if this.size_hint().lower() > this.size as u64 {
            return this.fail(BodyError::TooLarge(this.size));
        }
        while let Some(incoming) = &mut this.incoming {
            match Pin::new(incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let kept = frame.into_data().map_or(Ok(()), |data| this.keep(&data));
                    if let Err(refused) = kept {
                        return this.fail(refused);
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    this.incoming = None;
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Ready(None) => {
                    this.incoming = None;
                    this.share.arrived();
                    let whole = std::mem::take(&mut this.slot.lock().buffer);
                    return Poll::Ready((!whole.is_empty()).then(|| Ok(Frame::data(whole.into()))));
                }
                Poll::Pending => {
                    let due = this.due();
                    let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
                    if timer.deadline() != due {
                        timer.as_mut().reset(due);
                    }
                    ready!(timer.as_mut().poll(cx));
                    let slow = BodyError::TooSlow(this.received, this.begun.elapsed());
                    return this.fail(slow);
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Drop for WholeBody {
    fn drop(&mut self) {
        if let Some(unread) = self.incoming.take().filter(|body| !body.is_end_stream()) {
            self.slot.lock().unread = Some(unread);
        }
    }
}
