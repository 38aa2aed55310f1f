//! Calls of an API server, and what their answers mean.

use std::time::Duration;

/// A call that ends, one way or another.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = kube::Result<T>>,
) -> kube::Result<T> {
    let silence = || kube::Error::Service(format!("no answer within {limit:?}").into());
    tokio::time::timeout(limit, answer)
        .await
        .unwrap_or_else(|_| Err(silence()))
}

/// An object is missing, rather than the resource it would be of: then the API
/// server names the object.
pub(crate) fn is_missing_object(status: &kube::core::Status) -> bool {
    status.code == 404 && status.details.as_ref().is_some_and(|d| !d.name.is_empty())
}

/// Somebody else was there: a create that found one, a replace or delete of a
/// version that is gone.
pub(super) fn is_conflict(status: &kube::core::Status) -> bool {
    status.code == 409 || is_missing_object(status)
}
