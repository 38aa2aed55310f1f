//! `aso-guard check`, as a pipeline runs it: over a GitOps repository with seeded mistakes, and
//! over input that makes no sense.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails its test"
)]

mod audit_log;
mod bad_input;
mod cases;
mod forms;
mod pipeline;
mod platforms;
mod replay;
mod run;
mod seeded;
