//! A busy machine: programs that compute all the time, a slow second webhook in both clusters, and
//! API servers whose watch events and answers reach the guards late.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api_proxy::{ApiProxy, Delays};
use crate::random::Random;
use crate::second_webhook::SecondWebhook;

/// How many of them there are: as many as CI's machine has cores.
const HOGS: usize = 2;
/// However long a test takes, they end.
const AT_MOST: Duration = Duration::from_mins(3);
/// Events come later than answers.
const LATE_EVENTS: Delays = Delays {
    events: (50, 400),
    answers: (0, 20),
};
/// Answers come later than events.
pub const LATE_ANSWERS: Delays = Delays {
    events: (0, 20),
    answers: (50, 300),
};
/// Nobody knows which comes later.
const LATE_EITHER: Delays = Delays {
    events: (0, 300),
    answers: (0, 300),
};
/// Under load, where the proxies are slow in one way and then in another.
pub const BUSY: Conditions = Conditions::Busy(&[LATE_EVENTS, LATE_ANSWERS, LATE_EITHER]);
/// How long a while is, from so many up to so many milliseconds.
const WHILE: (u64, u64) = (500, 2_500);

/// In which conditions a story is told.
#[derive(Clone, Copy)]
pub enum Conditions {
    /// Nothing else happens.
    Calm,
    /// Under load, where the proxies have these delays, each for a while.
    Busy(&'static [Delays]),
}

/// A proxy is slow in one way and then in another.
async fn change_delays(proxy: Arc<ApiProxy>, delays: &[Delays], seed: u64) {
    let mut random = Random::new(seed);
    let (least, most) = WHILE;
    loop {
        proxy.set(random.one_of(delays));
        sleep(random.millis(least, most)).await;
    }
}

/// The load; it is gone when this is dropped.
pub struct Load {
    _hogs: Hogs,
    _second_webhooks: [SecondWebhook; 2],
    _proxies: JoinSet<()>,
}

impl Load {
    /// Begins, with a second webhook for each cluster, and the proxies between them and their guards.
    pub fn begin(
        seed: u64,
        second_webhooks: [SecondWebhook; 2],
        proxies: [Arc<ApiProxy>; 2],
        delays: &'static [Delays],
    ) -> Self {
        let mut changing = JoinSet::new();
        for (number, proxy) in (1..).zip(proxies) {
            changing.spawn(change_delays(proxy, delays, seed + number));
        }
        for (number, webhook) in (1..).zip(&second_webhooks) {
            webhook.is_slow(seed + number);
        }
        Self {
            _hogs: Hogs::start(HOGS, AT_MOST),
            _second_webhooks: second_webhooks,
            _proxies: changing,
        }
    }
}

/// Threads that compute nothing, as fast as they can. They end when this is dropped, or when
/// their time is up.
pub struct Hogs(Arc<AtomicBool>);

impl Hogs {
    /// Starts so many, for so long at most.
    pub fn start(number: usize, at_most: Duration) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let until = Instant::now() + at_most;
        for _ in 0..number {
            let end = end.clone();
            thread::spawn(move || {
                while !end.load(Ordering::Relaxed) && Instant::now() < until {
                    black_box((0..10_000_u64).fold(0, |sum: u64, next| sum ^ black_box(next)));
                }
            });
        }
        Self(end)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
