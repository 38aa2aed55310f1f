//! The webhook: AdmissionReview in, verdict out.

mod answers;
mod context;
mod cut_off;
mod deletes;
mod earlier;
mod enforcement;
mod family;
mod guard;
mod inherited;
mod known;
mod marks;
mod metrics;
mod owners;
mod plain;
mod policies;
mod policy_change;
mod privileges;
mod progress;
mod protect;
mod protocol;
pub mod registration;
mod rehearsal;
mod report;
pub mod review;
mod router;
pub mod second_line;
mod stored;
mod surroundings;
mod verbs;
mod verdict;

pub use cut_off::CutOffRequests;
pub use guard::{Guard, GuardSettings};
pub use metrics::AdmissionMetrics;
pub use privileges::{Exempt, MODE_GROUP, Overrides, Privileges};
pub use router::{BODY_LIMIT, router};
pub use verdict::{Mode, OnUnresolved, Verdict, VerdictPath, Violation};
