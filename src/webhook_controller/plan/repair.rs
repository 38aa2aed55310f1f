//! Whether to put right what somebody changed in the webhook configuration: a state machine
//! without I/O or clock.
//!
//! Another writer that keeps changing it is not fought for ever. And one that deletes it twice
//! means it: to be without a guard is better than to be locked out by one that cannot be reached.

use jiff::{SignedDuration, Timestamp};

/// Within this time, repairs and deletions are counted.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// So many repairs at most in that time.
const REPAIRS: usize = 3;
/// How long a configuration has been gone before it is made again: whoever takes the guard away
/// takes its pods and its rights away meanwhile.
const GRACE: SignedDuration = SignedDuration::from_secs(5);

/// How the configuration was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// As it should be.
    Whole,
    /// Something of it is not as it should be.
    Weakened,
    /// People want it left as it is, or as it will be.
    Unmanaged,
    /// It is not there.
    Gone,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairStep {
    /// Nothing.
    Nothing,
    /// Put right what is wrong with it.
    Repair,
    /// Make it again.
    Restore,
    /// Look again at this time.
    Wait(Timestamp),
    /// Nothing until this time: it was repaired too often.
    GiveUp(Timestamp),
    /// Nothing: it never was there, or its deletion is meant.
    Leave,
}

/// One replica's part.
#[derive(Clone, Debug, Default)]
pub struct RepairPlanner {
    /// It was there, and nobody has said since that it is to be left alone.
    known: bool,
    /// When it was repaired, within the window.
    repairs: Vec<Timestamp>,
    /// Since when it is gone.
    gone: Option<Timestamp>,
    /// When it came back last, whoever made it again.
    back: Option<Timestamp>,
}

impl RepairPlanner {
    /// What to do after a look.
    pub fn next(&mut self, seen: Registered, now: Timestamp) -> RepairStep {
        // A clock that was set back holds nothing up.
        let recent = |at: &Timestamp| *at <= now && now < *at + WINDOW;
        self.repairs.retain(recent);
        self.back = self.back.filter(recent);
        if seen == Registered::Gone {
            return self.is_gone(now);
        }
        if self.gone.take().is_some() && self.known {
            self.back = Some(now);
        }
        self.known = seen != Registered::Unmanaged;
        match (seen, self.repairs.as_slice()) {
            (Registered::Weakened, [first, ..]) if self.repairs.len() >= REPAIRS => {
                RepairStep::GiveUp(*first + WINDOW)
            }
            (Registered::Weakened, _) => RepairStep::Repair,
            _ => RepairStep::Nothing,
        }
    }

    /// Takes note that a [`RepairStep::Repair`] was taken.
    pub fn repaired(&mut self, now: Timestamp) {
        self.repairs.push(now);
    }

    fn is_gone(&mut self, now: Timestamp) -> RepairStep {
        if !self.known {
            return RepairStep::Leave;
        }
        if self.back.is_some() {
            self.known = false;
            return RepairStep::Leave;
        }
        let since = self.gone.unwrap_or(now).min(now);
        self.gone = Some(since);
        if now < since + GRACE {
            return RepairStep::Wait(since + GRACE);
        }
        RepairStep::Restore
    }
}

#[cfg(test)]
mod tests {
    use super::Registered::{Gone, Unmanaged, Weakened, Whole};
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn another_writer_is_not_fought_for_ever() {
        let mut planner = RepairPlanner::default();
        for second in [0, 10, 20] {
            assert_eq!(planner.next(Whole, time(second)), RepairStep::Nothing);
            let seen = planner.next(Weakened, time(second + 1));
            assert_eq!(seen, RepairStep::Repair);
            planner.repaired(time(second + 1));
        }
        let until = RepairStep::GiveUp(time(3601));
        assert_eq!(planner.next(Weakened, time(30)), until);
        assert_eq!(planner.next(Weakened, time(3600)), until);
        assert_eq!(planner.next(Weakened, time(3601)), RepairStep::Repair);
    }

    /// A repair that failed is none.
    #[test]
    fn what_could_not_be_repaired_is_tried_again() {
        let mut planner = RepairPlanner::default();
        for second in 0..100 {
            assert_eq!(planner.next(Weakened, time(second)), RepairStep::Repair);
        }
    }

    #[test]
    fn a_configuration_that_was_there_is_made_again_once() {
        let mut planner = RepairPlanner::default();
        planner.next(Whole, time(0));
        assert_eq!(planner.next(Gone, time(1)), RepairStep::Wait(time(6)));
        assert_eq!(planner.next(Gone, time(5)), RepairStep::Wait(time(6)));
        assert_eq!(planner.next(Gone, time(6)), RepairStep::Restore);
        // It could not be.
        assert_eq!(planner.next(Gone, time(8)), RepairStep::Restore);
        assert_eq!(planner.next(Whole, time(9)), RepairStep::Nothing);
        // Who deletes it again means it, until somebody else makes it.
        for second in [20, 30, 4000, 9000] {
            assert_eq!(planner.next(Gone, time(second)), RepairStep::Leave);
        }
        planner.next(Whole, time(9001));
        assert_eq!(planner.next(Gone, time(9002)), RepairStep::Wait(time(9007)));
    }

    /// Another replica was quicker: this one counts the deletion all the same.
    #[test]
    fn replicas_count_alike() {
        let mut planner = RepairPlanner::default();
        planner.next(Whole, time(0));
        planner.next(Gone, time(1));
        planner.next(Whole, time(6));
        assert_eq!(planner.next(Gone, time(100)), RepairStep::Leave);
        // Much later it is a first one again.
        planner.next(Whole, time(200));
        planner.next(Whole, time(4000));
        assert_eq!(planner.next(Gone, time(4001)), RepairStep::Wait(time(4006)));
    }

    #[test]
    fn what_never_was_there_or_was_to_go_is_not_made() {
        let mut planner = RepairPlanner::default();
        assert_eq!(planner.next(Gone, time(0)), RepairStep::Leave);
        planner.next(Whole, time(1));
        assert_eq!(planner.next(Unmanaged, time(2)), RepairStep::Nothing);
        assert_eq!(planner.next(Gone, time(3)), RepairStep::Leave);
        assert_eq!(planner.next(Gone, time(99)), RepairStep::Leave);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let mut planner = RepairPlanner::default();
        for _ in 0..REPAIRS {
            planner.next(Weakened, time(10_000));
            planner.repaired(time(10_000));
        }
        assert_eq!(planner.next(Weakened, time(0)), RepairStep::Repair);
        planner.next(Gone, time(10_000));
        assert_eq!(planner.next(Gone, time(20)), RepairStep::Wait(time(25)));
    }
}
