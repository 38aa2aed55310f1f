//! `aso-guard transfer plan | run | undo`: moving resources, from one cluster or namespace to
//! another, by ASO's four steps.

mod args;
mod call_error;
mod check;
mod driver;
mod endpoint;
mod obstacles;
mod plan;
mod rehearsal;
mod run;
mod selection;
mod served;
mod show;
mod state;
mod steps;
mod summary;
mod undo;
mod wanted;

pub(super) use plan::{PlanArgs, run as plan};
pub(super) use run::{RunArgs, run};
pub(super) use undo::{UndoArgs, run as undo};
