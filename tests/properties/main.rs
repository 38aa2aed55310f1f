//! What must hold of any input: the properties of the fuzz targets, here within
//! bounds that every build can afford.
//!
//! | module | where the input comes from |
//! | --- | --- |
//! | [`seeds`] | the committed seeds |
//! | [`bytes`] | any bytes |
//! | [`reviews`] | good reviews, changed |
//! | [`scripts`] | objects and stories made of words that mean something |

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is all tests, though few of its functions are marked so"
)]

mod bytes;
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
mod reviews;
mod scripts;
mod seeds;
mod slips;
