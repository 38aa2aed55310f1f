use rstest::rstest;

use super::*;

#[rstest]
#[case(0, "just now")]
#[case(-1, "just now")]
#[case(59, "59 s ago")]
#[case(150, "2 min ago")]
#[case(7200, "2 h ago")]
#[case(200_000, "2 days ago")]
#[case(-43, "in 43 s")]
fn times_are_told_from_now(#[case] seconds: i64, #[case] ago: &str) {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let at = now - SignedDuration::from_secs(seconds);
    assert_eq!(TimeView::new(at, now).ago, ago);
}

#[rstest]
#[case(0, "0")]
#[case(999, "999")]
#[case(1000, "1,000")]
#[case(1_234_567, "1,234,567")]
fn numbers_are_told_in_threes(#[case] number: usize, #[case] shown: &str) {
    assert_eq!(count(number), shown);
}
