//! Of copies that are live at once: which of them came on top of another.
//!
//! No clocks are compared for it. A copy that was adopted as live while the record
//! had another live one is a newcomer, in the order of the record's own writes. What
//! was admitted is none, not even by an override: somebody wanted it.

use super::names::CopyRef;
use super::record::{MemberCopy, Record};

impl Record {
    /// Marks a copy that was just found live as a newcomer, if another one was live
    /// already.
    pub(super) fn mark_newcomer(&mut self, copy: &CopyRef) {
        let last = self.copies.values().map(|copy| copy.newcomer).max();
        let others = self.others(copy).any(|(_, other)| other.is_live());
        if let (true, Some(found)) = (others, self.copies.get_mut(copy)) {
            found.newcomer = last.unwrap_or(0).saturating_add(1);
        }
    }

    /// Takes a copy's mark away where it is void: of what is not live, and of what is live
    /// alone. Marks of others are theirs, void or not: a member writes of its own copies only.
    pub(super) fn clear_newcomer(&mut self, copy: &CopyRef) {
        let others = self.others(copy).any(|(_, other)| other.is_live());
        if let Some(own) = self.copies.get_mut(copy)
            && !(own.is_live() && others)
        {
            own.newcomer = 0;
        }
    }

    /// The turn of the copies that are live by right: of those that were first.
    pub(super) fn first_turn(&self) -> u32 {
        let turns = self.live().map(|(_, copy)| copy.newcomer);
        turns.min().unwrap_or(0)
    }

    /// Whether this copy is to step back where newcomers are parked: another copy that was
    /// seen live came before it. So one copy always stays; where all that are live came on top
    /// of one that is gone, the first of them has its place.
    pub fn is_to_step_back(&self, copy: &CopyRef) -> bool {
        let is_there = |copy: &MemberCopy| copy.stored_live() && !copy.is_deleting();
        let own = self.copies.get(copy).filter(|own| own.stored_live());
        own.is_some_and(|own| {
            self.others(copy)
                .any(|(_, other)| is_there(other) && other.newcomer < own.newcomer)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Story, copy, creating, look, observed};
    use crate::policy::Policy::{self, Manage, Skip};

    fn to_step_back(story: &Story) -> Vec<String> {
        let record = story.record();
        let copies = record
            .copies
            .keys()
            .filter(|copy| record.is_to_step_back(copy));
        copies.map(|copy| copy.member.to_string()).collect()
    }

    #[test]
    fn the_one_found_second_came_on_top_whatever_its_name() {
        for (first, second) in [("a", "b"), ("b", "a")] {
            let story = Story::default()
                .found(&copy(first), Manage)
                .found(&copy(second), Manage);
            assert_eq!(to_step_back(&story), [second]);
            // Looking again changes nothing.
            let again = story
                .clone()
                .found(&copy(first), Manage)
                .found(&copy(second), Manage);
            assert_eq!(again.record(), story.record());
        }
    }

    #[test]
    fn what_was_admitted_is_no_newcomer() {
        let story = Story::default()
            .acquires(&creating(&copy("b"), "r", "uid-1", 0))
            .found(&copy("a"), Manage)
            .found(&copy("b"), Manage);
        assert_eq!(to_step_back(&story), ["a"]);
    }

    #[test]
    fn who_came_on_top_of_what_is_only_under_way_may_stay() {
        let story = Story::default()
            .acquires(&creating(&copy("b"), "r", "uid-1", 0))
            .found(&copy("a"), Manage);
        // B may never come to be.
        assert_eq!(to_step_back(&story), [""; 0]);
    }

    #[test]
    fn when_the_first_steps_back_the_next_has_its_place() {
        let three = ["a", "b", "c"].map(copy);
        let story = three
            .iter()
            .fold(Story::default(), |story, copy| story.found(copy, Manage));
        assert_eq!(to_step_back(&story), ["b", "c"]);
        let story = story.found(&copy("a"), Skip);
        assert_eq!(to_step_back(&story), ["c"]);
        let story = story.found(&copy("c"), Skip);
        assert_eq!(to_step_back(&story), [""; 0]);
        let story = story.found(&copy("b"), Manage);
        assert!(
            story
                .record()
                .copies
                .values()
                .all(|copy| copy.newcomer == 0)
        );
    }

    #[test]
    fn what_an_override_puts_on_top_of_a_former_newcomer_does_not_push_it_out() {
        let story = Story::default()
            .found(&copy("a"), Manage)
            .found(&copy("b"), Manage)
            .found(&copy("a"), Skip)
            // Its turn is 1 still: it was not looked at since.
            .forces(&creating(&copy("c"), "r", "uid-1", 0))
            .found(&copy("c"), Manage);
        assert_eq!(to_step_back(&story), [""; 0]);
    }

    proptest! {
        /// Whatever is found in whatever order, one that is live is never told to go.
        #[test]
        fn one_always_stays(finds in prop::collection::vec((0..4_usize, 0..4_u8), 1..40)) {
            let copies = ["a", "b", "b/other", "c"].map(copy);
            let mut story = Story::default();
            for (at, what) in finds {
                let found = match what {
                    0 => Some(Policy::Skip),
                    1 => None,
                    _ => Some(Policy::Manage),
                };
                story = match found {
                    Some(policy) => story.found(&copies[at], policy),
                    None => story.sees(&look(&copies[at], None, 0)),
                };
                let Some(record) = &story.0 else { continue };
                let going = record.copies.keys().filter(|copy| record.is_to_step_back(copy)).count();
                let live = record.live().count();
                prop_assert!(going < live.max(1), "{going} of {live}");
                prop_assert_eq!(going, live.saturating_sub(1));
            }
            let _ = observed(Manage);
        }
    }
}
