//! What the process tells the world of itself: logs, notices, Kubernetes Events.

pub mod events;
pub mod logs;
mod notice;

pub use notice::{Notice, Notices, Severity, Silent};
