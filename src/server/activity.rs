//! What one connection is doing, and what is to become of it: a pure decision
//! over what was seen, driven by `connection`.

use std::time::Duration;

use tokio::time::Instant;

/// How long a connection that has not sent its first request may still send it
/// after the listener has closed. Its client dialled because it has a request.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(2);

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpVersion {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// How far the server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShutdownPhase {
    /// It serves.
    Serving,
    /// It still accepts connections, and asks every client to go elsewhere.
    Leaving,
    /// The listener closed at this time; only calls in flight are finished.
    Stopped(Instant),
}

/// The times after which a connection that does nothing useful is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionTimeouts {
    /// From the first byte of a request to the end of its headers; in HTTP/2
    /// from the handshake to the first request.
    pub(super) header: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
}

/// What was seen of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionActivity {
    /// Calls that the router has not answered yet.
    calls: usize,
    /// Whether a request ever arrived.
    served: bool,
    /// Whether bytes of a next request arrived, but not yet all its headers.
    head_begun: bool,
    /// When the state before this one ended.
    since: Instant,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionAction {
    /// Go on; look again when something happens, or at this time.
    Wait(Option<Instant>),
    /// Ask the client to go: GOAWAY, or no further request is read. Calls in
    /// flight are finished.
    Close,
    /// Drop it.
    Cut,
}

impl ConnectionActivity {
    /// A connection that has just finished its handshake.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            calls: 0,
            served: false,
            head_begun: false,
            since: now,
        }
    }

    /// HTTP/1: bytes arrived. Says whether that changed anything.
    pub(super) fn bytes_arrived(&mut self, now: Instant) -> bool {
        let begins = self.calls == 0 && !self.head_begun;
        if begins {
            self.head_begun = true;
            self.since = now;
        }
        begins
    }

    /// A request's headers are complete and the router was called.
    pub(super) fn call_began(&mut self) {
        self.calls += 1;
        self.served = true;
        self.head_begun = false;
    }

    /// The router answered, or the call was given up.
    pub(super) fn call_ended(&mut self, now: Instant) {
        self.calls -= 1;
        self.since = now;
    }

    /// Decides what to do now. `closing` is when [`ConnectionAction::Close`] was carried out.
    pub(super) fn next(
        &self,
        protocol: HttpVersion,
        phase: ShutdownPhase,
        closing: Option<Instant>,
        timeouts: ConnectionTimeouts,
        now: Instant,
    ) -> ConnectionAction {
        if let Some(closing) = closing {
            let until = closing.max(self.since) + timeouts.header;
            return if self.calls > 0 {
                ConnectionAction::Wait(None)
            } else {
                wait(until, now, ConnectionAction::Cut)
            };
        }
        let leave = match phase {
            ShutdownPhase::Serving => false,
            // An HTTP/1 client is told in the answer to its next request: it
            // may be sending that right now, and could not repeat it safely.
            ShutdownPhase::Leaving => self.served && protocol == HttpVersion::Http2,
            ShutdownPhase::Stopped(_) => self.served && !self.head_begun,
        };
        if leave {
            return ConnectionAction::Close;
        }
        if self.calls > 0 {
            return ConnectionAction::Wait(None);
        }
        if self.head_begun {
            return wait(self.since + timeouts.header, now, ConnectionAction::Cut);
        }
        let until = match (phase, protocol) {
            (ShutdownPhase::Stopped(at), _) => self.since.max(at) + FIRST_REQUEST_GRACE,
            (_, HttpVersion::Http2) if !self.served => self.since + timeouts.header,
            (_, HttpVersion::Http1 | HttpVersion::Http2) => self.since + timeouts.idle,
        };
        wait(until, now, ConnectionAction::Close)
    }
}

fn wait(until: Instant, now: Instant, otherwise: ConnectionAction) -> ConnectionAction {
    if now < until {
        ConnectionAction::Wait(Some(until))
    } else {
        otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: ConnectionTimeouts = ConnectionTimeouts {
        header: Duration::from_secs(10),
        idle: Duration::from_mins(2),
    };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn next(
        activity: ConnectionActivity,
        protocol: HttpVersion,
        phase: ShutdownPhase,
        now: Instant,
    ) -> ConnectionAction {
        activity.next(protocol, phase, None, PATIENCE, now)
    }

    #[test]
    fn a_quiet_http1_connection_has_the_idle_time() {
        let start = Instant::now();
        let activity = ConnectionActivity::new(start);
        let idle = |now| next(activity, HttpVersion::Http1, ShutdownPhase::Serving, now);
        assert_eq!(
            idle(start),
            ConnectionAction::Wait(Some(start + seconds(120)))
        );
        assert_eq!(idle(start + seconds(120)), ConnectionAction::Close);
    }

    #[test]
    fn an_http2_client_must_send_its_first_request_soon() {
        let start = Instant::now();
        let mut activity = ConnectionActivity::new(start);
        let quiet = |activity, now| next(activity, HttpVersion::Http2, ShutdownPhase::Serving, now);
        assert_eq!(
            quiet(activity, start + seconds(10)),
            ConnectionAction::Close
        );
        activity.call_began();
        activity.call_ended(start + seconds(5));
        let idle_until = start + seconds(125);
        assert_eq!(
            quiet(activity, start + seconds(10)),
            ConnectionAction::Wait(Some(idle_until))
        );
    }

    #[test]
    fn slow_headers_are_cut_and_trickling_does_not_help() {
        let start = Instant::now();
        let mut activity = ConnectionActivity::new(start);
        assert!(activity.bytes_arrived(start + seconds(1)));
        assert!(!activity.bytes_arrived(start + seconds(9)));
        let slow = |now| next(activity, HttpVersion::Http1, ShutdownPhase::Serving, now);
        assert_eq!(
            slow(start + seconds(2)),
            ConnectionAction::Wait(Some(start + seconds(11)))
        );
        assert_eq!(slow(start + seconds(11)), ConnectionAction::Cut);
    }

    #[test]
    fn a_call_in_flight_is_never_disturbed() {
        let start = Instant::now();
        let mut activity = ConnectionActivity::new(start);
        activity.bytes_arrived(start);
        activity.call_began();
        let later = start + seconds(3600);
        for protocol in [HttpVersion::Http1, HttpVersion::Http2] {
            assert_eq!(
                next(activity, protocol, ShutdownPhase::Serving, later),
                ConnectionAction::Wait(None)
            );
            let closing = activity.next(
                protocol,
                ShutdownPhase::Stopped(start),
                Some(start),
                PATIENCE,
                later,
            );
            assert_eq!(closing, ConnectionAction::Wait(None));
        }
        assert!(
            !activity.bytes_arrived(later),
            "a body is not the next request"
        );
    }

    #[test]
    fn leaving_sends_goaway_after_the_first_request_only() {
        let start = Instant::now();
        let mut activity = ConnectionActivity::new(start);
        let waiting = ConnectionAction::Wait(Some(start + seconds(10)));
        assert_eq!(
            next(activity, HttpVersion::Http2, ShutdownPhase::Leaving, start),
            waiting
        );
        activity.call_began();
        assert_eq!(
            next(activity, HttpVersion::Http2, ShutdownPhase::Leaving, start),
            ConnectionAction::Close
        );
        assert_eq!(
            next(activity, HttpVersion::Http1, ShutdownPhase::Leaving, start),
            ConnectionAction::Wait(None)
        );
    }

    #[test]
    fn stopped_closes_idle_connections_but_not_one_that_is_sending() {
        let start = Instant::now();
        let mut activity = ConnectionActivity::new(start);
        let stopped = ShutdownPhase::Stopped(start);
        assert_eq!(
            next(activity, HttpVersion::Http1, stopped, start),
            ConnectionAction::Wait(Some(start + FIRST_REQUEST_GRACE))
        );
        activity.call_began();
        activity.call_ended(start);
        assert_eq!(
            next(activity, HttpVersion::Http1, stopped, start),
            ConnectionAction::Close
        );
        activity.bytes_arrived(start);
        assert_eq!(
            next(activity, HttpVersion::Http1, stopped, start),
            ConnectionAction::Wait(Some(start + seconds(10)))
        );
    }

    #[test]
    fn a_client_that_ignores_the_farewell_is_cut() {
        let start = Instant::now();
        let mut activity = ConnectionActivity::new(start);
        activity.call_began();
        activity.call_ended(start + seconds(3));
        let closing = |now| {
            activity.next(
                HttpVersion::Http2,
                ShutdownPhase::Serving,
                Some(start),
                PATIENCE,
                now,
            )
        };
        assert_eq!(
            closing(start),
            ConnectionAction::Wait(Some(start + seconds(13)))
        );
        assert_eq!(closing(start + seconds(13)), ConnectionAction::Cut);
    }
}
