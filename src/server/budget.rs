//! The memory that calls may take, all connections together: pure bookkeeping.
//!
//! Every call is charged for its head and for what has arrived of its body. When there is no
//! room, the call whose body has been arriving the longest gives way. So whoever leaves many
//! bodies unfinished loses them to whoever sends one at once, and large bodies cannot take the
//! part that is kept for small ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Up to this size, a call may take the part that large ones cannot.
const SMALL: usize = 64 * 1024;

/// How much there is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BudgetLimits {
    /// For all calls.
    pub(super) all: usize,
    /// For those larger than 64 KiB, together.
    pub(super) large: usize,
}

/// There is no room, and nobody who would give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BudgetExceeded;

/// What is done to a call that gives way: it forgets its body, and is woken.
type EvictCallback = Box<dyn FnOnce() + Send>;

/// What is charged to whom.
pub(super) struct MemoryBudget {
    limits: BudgetLimits,
    usage: Mutex<BudgetUse>,
}

#[derive(Default)]
struct BudgetUse {
    all: usize,
    large: usize,
    next: u64,
    /// Those that have been arriving the longest come first.
    calls: BTreeMap<u64, CallCharge>,
}

struct CallCharge {
    bytes: usize,
    /// While its body is arriving.
    give_way: Option<EvictCallback>,
}

/// The part of one call, which goes back when this is dropped.
pub(super) struct BudgetShare {
    budget: Arc<MemoryBudget>,
    id: u64,
}

impl MemoryBudget {
    pub(super) fn new(limits: BudgetLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            usage: Mutex::default(),
        })
    }

    /// Charges a new call for what has come of it. It may have to give way until
    /// [`BudgetShare::arrived`].
    pub(super) fn admit(
        self: &Arc<Self>,
        bytes: usize,
        give_way: impl FnOnce() + Send + 'static,
    ) -> Result<BudgetShare, BudgetExceeded> {
        let id = {
            let mut usage = self.usage.lock();
            let id = usage.next;
            usage.next += 1;
            let charge = CallCharge {
                bytes: 0,
                give_way: Some(Box::new(give_way)),
            };
            usage.calls.insert(id, charge);
            id
        };
        let share = BudgetShare {
            budget: Arc::clone(self),
            id,
        };
        share.grow(bytes)?;
        Ok(share)
    }

    /// What is charged to all calls now.
    #[cfg(test)]
    pub(super) fn charged(&self) -> usize {
        self.usage.lock().all
    }
}

impl BudgetShare {
    /// Charges more, before it is kept.
    pub(super) fn grow(&self, bytes: usize) -> Result<(), BudgetExceeded> {
        let mut giving_way = Vec::new();
        let grown =
            self.budget
                .usage
                .lock()
                .grow(self.id, bytes, self.budget.limits, &mut giving_way);
        for give_way in giving_way {
            give_way();
        }
        grown
    }

    /// All of it is here: it stays until it is answered.
    pub(super) fn arrived(&self) {
        if let Some(charge) = self.budget.usage.lock().calls.get_mut(&self.id) {
            charge.give_way = None;
        }
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.budget.usage.lock().remove(self.id);
    }
}

impl BudgetUse {
    fn grow(
        &mut self,
        id: u64,
        by: usize,
        limits: BudgetLimits,
        giving_way: &mut Vec<EvictCallback>,
    ) -> Result<(), BudgetExceeded> {
        loop {
            let before = self.calls.get(&id).ok_or(BudgetExceeded)?.bytes;
            let after = before + by;
            let large = self.large - large(before) + large(after);
            let crowded = large > limits.large && after > SMALL;
            if !crowded && self.all + by <= limits.all {
                self.all += by;
                self.large = large;
                if let Some(charge) = self.calls.get_mut(&id) {
                    charge.bytes = after;
                }
                return Ok(());
            }
            let oldest = self.calls.iter().find(|&(&other, charge)| {
                let of_use = other == id || !crowded || charge.bytes > SMALL;
                charge.give_way.is_some() && of_use
            });
            match oldest.map(|(&oldest, _)| oldest) {
                Some(oldest) if oldest != id => giving_way.extend(self.remove(oldest)),
                _ => return Err(BudgetExceeded),
            }
        }
    }

    fn remove(&mut self, id: u64) -> Option<EvictCallback> {
        let charge = self.calls.remove(&id)?;
        self.all -= charge.bytes;
        self.large -= large(charge.bytes);
        charge.give_way
    }
}

/// What of a call's bytes counts as large: all or nothing.
fn large(bytes: usize) -> usize {
    if bytes > SMALL { bytes } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;
    const ROOM: BudgetLimits = BudgetLimits {
        all: 4 * MIB,
        large: 3 * MIB,
    };

    /// A call, and whether it was made to give way.
    struct Call {
        share: BudgetShare,
        gone: Arc<AtomicBool>,
    }

    impl Call {
        fn admit(budget: &Arc<MemoryBudget>, bytes: usize) -> Result<Self, BudgetExceeded> {
            let gone = Arc::new(AtomicBool::new(false));
            let flag = gone.clone();
            let share = budget.admit(bytes, move || flag.store(true, Ordering::Relaxed))?;
            Ok(Self { share, gone })
        }

        fn is_gone(&self) -> bool {
            self.gone.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let budget = MemoryBudget::new(ROOM);
        let large: Vec<Call> = (0..64)
            .filter_map(|_| Call::admit(&budget, MIB).ok())
            .collect();
        assert_eq!(budget.charged(), 3 * MIB);
        assert_eq!(large.iter().filter(|call| !call.is_gone()).count(), 3);
        let small: Vec<Call> = (0..16)
            .map(|_| Call::admit(&budget, SMALL).unwrap())
            .collect();
        assert_eq!(budget.charged(), 4 * MIB);
        assert!(small.iter().all(|call| !call.is_gone()));
        drop((large, small));
        assert_eq!(budget.charged(), 0);
    }

    #[test]
    fn the_one_that_has_been_arriving_the_longest_gives_way() {
        let budget = MemoryBudget::new(ROOM);
        let calls = [(); 3].map(|()| Call::admit(&budget, MIB).unwrap());
        calls[0].share.arrived();
        let new = Call::admit(&budget, MIB).unwrap();
        let gone: Vec<bool> = calls.iter().map(Call::is_gone).collect();
        assert_eq!(gone, [false, true, false]);
        // Gone is gone, and the oldest one that is left has nobody to send away.
        assert_eq!(calls[1].share.grow(1), Err(BudgetExceeded));
        assert_eq!(calls[2].share.grow(1), Err(BudgetExceeded));
        assert!(!new.is_gone());
    }

    #[test]
    fn what_has_arrived_is_not_sent_away() {
        let budget = MemoryBudget::new(ROOM);
        let calls = [(); 3].map(|()| Call::admit(&budget, MIB).unwrap());
        for call in &calls {
            call.share.arrived();
        }
        assert_eq!(Call::admit(&budget, MIB).err(), Some(BudgetExceeded));
        assert!(calls.iter().all(|call| !call.is_gone()));
        assert_eq!(budget.charged(), 3 * MIB);
        assert!(Call::admit(&budget, SMALL).is_ok());
    }

    #[derive(Clone, Debug)]
    enum Event {
        Admit(usize),
        Grow(usize, usize),
        Arrived(usize),
        Ends(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        let bytes = || prop_oneof![0..SMALL, SMALL..2 * MIB];
        prop_oneof![
            3 => bytes().prop_map(Event::Admit),
            3 => (0..16_usize, bytes()).prop_map(|(at, by)| Event::Grow(at, by)),
            1 => (0..16_usize).prop_map(Event::Arrived),
            1 => (0..16_usize).prop_map(Event::Ends),
        ]
    }

    proptest! {
        #[test]
        fn no_more_is_charged_than_there_is_room_for(
            events in prop::collection::vec(event(), 0..80),
        ) {
            let budget = MemoryBudget::new(ROOM);
            // With what each holds, as it knows itself.
            let mut calls: Vec<(Call, usize)> = Vec::new();
            for event in events {
                match event {
                    Event::Admit(bytes) => {
                        calls.extend(Call::admit(&budget, bytes).map(|call| (call, bytes)));
                    }
                    Event::Grow(at, by) => {
                        if let Some((call, held)) = calls.get_mut(at)
                            && call.share.grow(by).is_ok()
                        {
                            *held += by;
                        }
                    }
                    Event::Arrived(at) => {
                        calls.get(at).inspect(|(call, _)| call.share.arrived());
                    }
                    Event::Ends(at) => {
                        if at < calls.len() {
                            calls.remove(at);
                        }
                    }
                }
                let held = calls.iter().filter(|(call, _)| !call.is_gone()).map(|(_, held)| *held);
                let large: usize = held.clone().map(large).sum();
                let all: usize = held.sum();
                prop_assert_eq!(all, budget.charged());
                prop_assert!(all <= ROOM.all && large <= ROOM.large);
            }
            calls.clear();
            prop_assert_eq!(budget.charged(), 0);
        }
    }
}
