//! How many requests of each kind came in each second.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// Reads of one claim.
    ClaimRead,
    /// Writes of one claim.
    ClaimWrite,
    /// Pages of lists of claims.
    ClaimList,
    /// Reads of the registry's epoch.
    EpochRead,
    /// Writes of it.
    EpochWrite,
    /// Reads of one member.
    MemberRead,
    /// Writes of one member.
    MemberWrite,
    /// Lists of members.
    MemberList,
    /// Reads of an inbox.
    InboxRead,
    /// Writes of one.
    InboxWrite,
    /// Reads of one transfer.
    TransferRead,
    /// Writes of one.
    TransferWrite,
    /// Lists of transfers.
    TransferList,
    /// What was refused because there was too much to do, and is counted nowhere else.
    Busy,
    /// What did not get through in an outage, and is counted nowhere else.
    Lost,
}

use CallKind::{
    Busy, ClaimList, ClaimRead, ClaimWrite, EpochRead, EpochWrite, InboxRead, InboxWrite, Lost,
    MemberList, MemberRead, MemberWrite, TransferList, TransferRead, TransferWrite,
};

impl CallKind {
    /// All there are.
    pub const ALL: [Self; 15] = [
        ClaimRead,
        ClaimWrite,
        ClaimList,
        EpochRead,
        EpochWrite,
        MemberRead,
        MemberWrite,
        MemberList,
        InboxRead,
        InboxWrite,
        TransferRead,
        TransferWrite,
        TransferList,
        Busy,
        Lost,
    ];

    /// What a table calls it.
    pub fn words(self) -> &'static str {
        match self {
            ClaimRead => "claims read",
            ClaimWrite => "claims written",
            ClaimList => "pages of claims listed",
            EpochRead => "epoch read",
            EpochWrite => "epoch written",
            MemberRead => "members read",
            MemberWrite => "members written",
            MemberList => "lists of members",
            InboxRead => "inboxes read",
            InboxWrite => "inboxes written",
            TransferRead => "transfers read",
            TransferWrite => "transfers written",
            TransferList => "lists of transfers",
            Busy => "refused: too many",
            Lost => "lost in an outage",
        }
    }

    /// Whether it is a list.
    pub fn is_list(self) -> bool {
        matches!(self, ClaimList | MemberList | TransferList)
    }

    /// Whether it changes something.
    pub fn is_write(self) -> bool {
        matches!(
            self,
            ClaimWrite | EpochWrite | MemberWrite | InboxWrite | TransferWrite
        )
    }

    /// Whether the service did what was asked.
    pub fn is_served(self) -> bool {
        !matches!(self, Busy | Lost)
    }
}

/// How many of each kind.
pub type Counts = [u64; CallKind::ALL.len()];

/// Counts requests, and how much work they were, second by second.
pub struct Meter {
    start: Instant,
    seconds: Mutex<Vec<(Counts, f64)>>,
}

/// What came between two moments.
#[derive(Clone, Debug)]
pub struct Window {
    /// How long it was.
    pub lasted: Duration,
    /// How many requests of each kind.
    pub counts: Counts,
    /// The most of each kind in one second.
    pub peaks: Counts,
    /// The most that was asked for in one second, whatever became of it.
    pub peak: u64,
    /// How much work it was, in the units of the service's capacity.
    pub work: f64,
}

impl Meter {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            seconds: Mutex::default(),
        }
    }

    /// So many came, which were so much work.
    pub fn add(&self, kind: CallKind, count: usize, work: f64) {
        let second = self.start.elapsed().as_secs() as usize;
        let mut seconds = self.seconds.lock();
        if seconds.len() <= second {
            seconds.resize(second + 1, (Counts::default(), 0.0));
        }
        seconds[second].0[kind as usize] += count as u64;
        seconds[second].1 += work;
    }

    /// What came since then.
    pub fn since(&self, then: Instant) -> Window {
        self.between(then, Instant::now())
    }

    /// What came from then on and before that.
    pub fn between(&self, from: Instant, to: Instant) -> Window {
        let (mut counts, mut peaks) = (Counts::default(), Counts::default());
        let (mut peak, mut work) = (0, 0.0);
        let second = |at: Instant| (at - self.start).as_secs() as usize;
        let seconds = self.seconds.lock();
        let wanted = seconds.iter().take(second(to) + 1).skip(second(from));
        for (one, busy) in wanted {
            peak = peak.max(one.iter().sum());
            work += busy;
            for (kind, count) in one.iter().enumerate() {
                counts[kind] += count;
                peaks[kind] = peaks[kind].max(*count);
            }
        }
        Window {
            lasted: to - from,
            counts,
            peaks,
            peak,
            work,
        }
    }
}

impl Window {
    /// How many of a kind.
    pub fn count(&self, kind: CallKind) -> u64 {
        self.counts[kind as usize]
    }

    /// The most of a kind in one second.
    pub fn peak_of(&self, kind: CallKind) -> u64 {
        self.peaks[kind as usize]
    }

    /// How many in a second of all that was served, on average.
    pub fn rate(&self) -> f64 {
        let served = CallKind::ALL.into_iter().filter(|kind| kind.is_served());
        self.per_second(served.map(|kind| self.count(kind)).sum())
    }

    /// So many of them in a second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.lasted.as_secs_f64().max(1.0)
    }
}
