//! What a registry's service makes of calls: how much of its time each takes, and how much of that
//! it has.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::meter::CallKind::{self, EpochRead, EpochWrite};

/// What the claims are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// The API server of a hub.
    Hub,
    /// A container of a storage account.
    Blob,
}

/// What a service can do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How much it does in a second: requests on Blob Storage, milliseconds of a core on a hub.
    pub capacity: f64,
    /// How many requests in a second one blob takes.
    pub one_blob: f64,
}

/// What Microsoft states for one standard account, and for one blob, where nothing else was agreed:
/// <https://learn.microsoft.com/azure/storage/common/scalability-targets-standard-account>,
/// <https://learn.microsoft.com/azure/storage/blobs/scalability-targets>.
const ACCOUNT: f64 = 20_000.0;
const BLOB: f64 = 500.0;
/// Milliseconds of a core that a hub's API server and etcd take, by `cargo bench --bench hub`.
const HUB_READ: f64 = 0.6;
const HUB_WRITE: f64 = 1.9;
const HUB_LIST: f64 = 1.0;
const HUB_SCANNED: f64 = 0.000_6;
const HUB_RETURNED: f64 = 0.04;
/// For how long a call of the product waits for its answer.
const CALL: Duration = Duration::from_secs(5);
/// How the product waits for a storage account that is busy: `registry::azure` has the same.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What a request has a service do.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Of which kind it is.
    pub kind: CallKind,
    /// How many of them come together.
    pub count: usize,
    /// How many records it looks at, of a list.
    pub scanned: usize,
    /// How many it answers with.
    pub returned: usize,
}

impl Request {
    /// One that is about one record.
    pub fn one(kind: CallKind) -> Self {
        Self::many(kind, 1)
    }

    /// So many of those at once.
    pub fn many(kind: CallKind, count: usize) -> Self {
        Self {
            kind,
            count,
            scanned: 0,
            returned: 0,
        }
    }
}

/// What a service says to a request before it does it.
pub enum Turn {
    /// It is done after this time.
    After(Duration),
    /// It is refused: there is too much to do.
    Busy,
}

/// A service, and how far ahead it is booked.
pub struct Service {
    /// Which one.
    pub backend: Backend,
    limits: Limits,
    booked: Mutex<Booked>,
}

struct Booked {
    account: Instant,
    epoch: Instant,
}

impl Service {
    /// One with nothing to do. `cores`: of a hub.
    pub fn new(backend: Backend, cores: f64) -> Self {
        let now = Instant::now();
        let capacity = match backend {
            Backend::Hub => cores * 1_000.0,
            Backend::Blob => ACCOUNT,
        };
        Self {
            backend,
            limits: Limits {
                capacity,
                one_blob: BLOB,
            },
            booked: Mutex::new(Booked {
                account: now,
                epoch: now,
            }),
        }
    }

    /// How much of its capacity a request takes.
    pub fn work(&self, request: &Request) -> f64 {
        let count = request.count as f64;
        if self.backend == Backend::Blob {
            return count;
        }
        let each = match (request.kind.is_list(), request.kind.is_write()) {
            (true, _) => HUB_LIST,
            (_, true) => HUB_WRITE,
            _ => HUB_READ,
        };
        count * each + request.scanned as f64 * HUB_SCANNED + request.returned as f64 * HUB_RETURNED
    }

    /// When a request's turn comes.
    ///
    /// An account does up to a second's worth at once and refuses what is more; an API server has
    /// it wait, and drops it when whoever asked has gone.
    pub fn turn(&self, request: &Request) -> Turn {
        let now = Instant::now();
        let booked = &mut *self.booked.lock();
        let busy = Duration::from_secs_f64(self.work(request) / self.limits.capacity);
        let account = booked.account.max(now) + busy;
        if self.backend == Backend::Hub {
            let wait = account - now;
            if wait > CALL {
                return Turn::Busy;
            }
            booked.account = account;
            return Turn::After(wait);
        }
        let second = now + Duration::from_secs(1);
        let mut epoch = booked.epoch;
        if matches!(request.kind, EpochRead | EpochWrite) {
            epoch = epoch.max(now) + Duration::from_secs_f64(1.0 / self.limits.one_blob);
        }
        if account > second || epoch > second {
            return Turn::Busy;
        }
        (booked.account, booked.epoch) = (account, epoch);
        Turn::After(Duration::ZERO)
    }

    /// How long the product waits before it asks for the so-manieth time, where it began then;
    /// `None`: it gives up.
    pub fn again(&self, tries: u32, began: Instant) -> Option<Duration> {
        let pause = FIRST_PAUSE * 2_u32.pow(tries.min(5));
        let in_time = Instant::now() + pause < began + CALL;
        (self.backend == Backend::Blob && in_time).then_some(pause)
    }

    /// How long it takes until the product gives a call up that is not answered.
    pub fn gives_up_after(&self) -> Duration {
        match self.backend {
            Backend::Hub => CALL,
            Backend::Blob => Duration::ZERO,
        }
    }
}
