//! `aso-guard transfer plan | run | undo`: moving resources, from one cluster or namespace to
//! another, by ASO's four steps.

mod acts;
mod args;
mod check;
mod driver;
mod end;
mod fault;
mod found;
mod obstacles;
mod plan;
mod rehearsal;
mod run;
mod scene;
mod served;
mod show;
mod summary;
mod undo;
mod wanted;

pub(super) use plan::{PlanArgs, run as plan};
pub(super) use run::{RunArgs, run};
pub(super) use undo::{UndoArgs, run as undo};
