//! The claim protocol as a model to be checked: the functions that the product
//! runs, called in every order that the world allows.

pub mod bounds;
pub mod checked;
mod course;
pub mod coverage;
mod fencing;
mod looks;
pub mod losses;
mod namespace;
pub mod places;
mod properties;
mod registry;
mod replay;
mod requests;
pub mod rules;
mod sealed;
pub mod steps;
mod storing;
pub mod transfers;
pub mod world;
mod written;

use jiff::Timestamp;

/// A time by a cluster's clock that counts from nothing.
fn time(ticks: u16) -> Timestamp {
    Timestamp::from_second(i64::from(ticks)).expect("a time within a few minutes of 1970")
}

/// What an object's uid or version is called where names are texts.
fn name(number: u16) -> String {
    number.to_string()
}
