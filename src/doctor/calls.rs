//! Calls to API servers.

use std::time::Duration;

use super::facts::{NotRead, Read};
use crate::api_server::within;
use crate::object::text::causes;

/// How long one call may take.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// One call, within its time, with what it was for.
pub(super) async fn call<T>(what: &str, answer: impl Future<Output = kube::Result<T>>) -> Read<T> {
    let read = within(CALL_TIMEOUT, answer).await;
    read.map_err(|error| match NotRead::from(error) {
        NotRead::Failed(why) => NotRead::Failed(format!("cannot read {what}: {why}")),
        skipped @ NotRead::Skipped(_) => skipped,
    })
}

impl From<kube::Error> for NotRead {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
                Self::Skipped(format!("you may not: {}", status.message))
            }
            _ => Self::Failed(causes(&error)),
        }
    }
}
