//! How often a registry is asked for what is not urgent.
//!
//! A record that every member reads every few seconds is read as often as there are members, and a
//! storage account takes no more than 500 requests a second for one blob. So the more members
//! there are, the less often each asks; and no two that started together go on together, or all
//! would ask within one second and none in the next.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The period of one of so many members: `each` for every one of them, from `least` to `most`.
pub(super) fn period(least: Duration, each: Duration, most: Duration, members: usize) -> Duration {
    let members = u32::try_from(members).unwrap_or(u32::MAX);
    each.saturating_mul(members).min(most).max(least)
}

/// From half of a period to all of it, another part each time.
pub(super) fn spread(period: Duration) -> Duration {
    // A new one has keys that no other has.
    let random = RandomState::new().hash_one(0_u8) % 256;
    period / 2 + period / 512 * u32::try_from(random).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_period_grows_with_the_members_up_to_a_bound() {
        let of = |members| period(SECOND * 3, SECOND / 10, SECOND * 60, members).as_secs();
        assert_eq!([0, 2, 30, 100, 600, 100_000].map(of), [3, 3, 3, 10, 60, 60]);
    }

    #[test]
    fn no_two_go_on_together_and_none_is_late() {
        let parts: Vec<Duration> = (0..100).map(|_| spread(SECOND)).collect();
        assert!(
            parts
                .iter()
                .all(|part| (SECOND / 2..=SECOND).contains(part))
        );
        let other = parts.iter().filter(|part| **part != parts[0]);
        assert!(other.count() > 50, "{parts:?}");
    }
}
