//! What the process tells the world of itself: logs, traces, notices, Kubernetes Events.

pub mod calls;
pub mod events;
pub mod logs;
mod notice;
pub mod traces;

pub use notice::{NoNotices, Notice, Notices, Severity};
