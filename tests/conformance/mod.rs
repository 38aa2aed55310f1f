//! What every registry must do, whatever it runs on.
//!
//! [`all`] takes an empty registry or one in use: each case works in a
//! subscription and with members that nobody else has. What it put there stays.
//!
//! | module | what it shows |
//! | --- | --- |
//! | [`stored`] | what is put comes back whole |
//! | [`compare_and_set`] | a put holds only against the version it expects |
//! | [`epoch`] | the registry says which contents it has, and who is awaited |
//! | [`scope`] | lists hold what is in their scope, and nothing else |
//! | [`races`] | many writers on one record lose nothing; a read sees what was answered |
//! | [`transfers`] | transfers are records like the others, and claims say which one moves them |
//! | [`lost`] | who reads again after an answer was lost is right |

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is all tests, though few of its functions are marked so"
)]

mod compare_and_set;
mod epoch;
pub mod fixtures;
mod lost;
mod races;
mod scope;
mod stored;
mod transfers;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aso_guard::registry::Registry;

/// No case takes longer on any registry.
const BOUND: Duration = Duration::from_mins(1);

type Case = fn(Arc<dyn Registry>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Each case under its own name.
macro_rules! cases {
    ($($module:ident::$case:ident,)*) => {
        &[$((concat!(stringify!($module), "::", stringify!($case)), |registry| {
            Box::pin($module::$case(registry))
        }),)*]
    };
}

const CASES: &[(&str, Case)] = cases![
    stored::a_claim_comes_back_whole,
    stored::a_history_outlives_the_copies,
    stored::a_member_comes_back_whole,
    stored::what_was_never_put_is_not_there,
    stored::another_spelling_is_the_same_record,
    stored::wild_names_are_records_of_their_own,
    compare_and_set::a_claim_is_created_once,
    compare_and_set::a_stale_version_changes_nothing,
    compare_and_set::no_version_comes_twice,
    compare_and_set::a_record_without_copies_is_removed,
    compare_and_set::removal_needs_the_version_too,
    compare_and_set::a_member_is_changed_by_the_same_rule,
    compare_and_set::a_member_is_removed_by_the_same_rule,
    epoch::it_is_made_once_and_keeps_its_id,
    epoch::it_is_changed_by_the_same_rule,
    epoch::it_says_how_it_stands_to_another_registry,
    epoch::it_is_no_claim,
    scope::below_goes_by_whole_segments,
    scope::below_finds_wild_names,
    scope::below_works_outside_subscriptions,
    scope::of_a_member_finds_its_copies_alone,
    scope::in_flight_is_told_apart,
    scope::conflicts_are_found_while_they_last,
    scope::orphans_are_found_while_they_last,
    scope::a_long_list_comes_whole,
    races::of_many_creators_one_wins,
    races::of_many_removers_one_wins,
    races::no_update_is_lost,
    races::at_most_one_copy_goes_live,
    races::a_read_sees_what_was_answered,
    transfers::a_transfer_comes_back_whole,
    transfers::a_transfer_is_changed_by_the_same_rule,
    transfers::one_of_many_writers_of_a_transfer_holds,
    transfers::reserved_claims_are_found_by_their_transfer,
    transfers::opening_and_closing_at_once_leaves_nothing_reserved,
    lost::who_reads_again_knows_what_became_of_it,
    lost::an_acquire_repeated_is_one_acquire,
    lost::lost_answers_do_not_make_two_holders,
];

/// Runs every case, one after the other, and panics at the first that fails.
pub async fn all(registry: Arc<dyn Registry>) {
    for (name, case) in CASES {
        println!("conformance: {name}");
        let ended = tokio::time::timeout(BOUND, case(registry.clone())).await;
        assert!(ended.is_ok(), "{name} takes more than {BOUND:?}");
    }
}
