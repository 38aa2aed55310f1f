//! What an answer of Blob Storage means, and what to do about it.

use std::time::Duration;

use http::StatusCode;

/// What an answer means for the call it is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is done.
    Done,
    /// There is no such blob.
    Missing,
    /// The blob is not what was expected.
    Conflict,
    /// Not now; and perhaps how long to wait.
    Busy(Option<Duration>),
    /// The credential may not do that.
    Forbidden(&'static str),
    /// Something else is wrong, with advice for a person.
    Trouble(&'static str),
}

/// Reads an answer: its status, its [error code][codes], and its `Retry-After` in seconds.
///
/// A put on condition that a blob is there is answered with 412 by Azurite and with 404 by Azure
/// where there is none, and a create of one that is there with 409; all of them say that the blob
/// is not what was expected.
///
/// [codes]: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
pub(super) fn meaning(status: StatusCode, code: &str, retry_after: Option<Duration>) -> Meaning {
    match (status.as_u16(), code) {
        (200..=299, _) => Meaning::Done,
        (404, "ContainerNotFound") => Meaning::Trouble(
            "there is no such container; make it with: az storage container create --auth-mode login",
        ),
        (404, "ResourceNotFound") => Meaning::Trouble("there is no such storage account"),
        (404, _) => Meaning::Missing,
        (409, "ContainerBeingDeleted" | "AccountBeingCreated") => {
            Meaning::Trouble("the container or the account is not there now")
        }
        (409, "BlobImmutableDueToPolicy") => Meaning::Trouble(
            "the container has an immutability policy; claims have to be changed: take it off",
        ),
        (409 | 412, code) if code.starts_with("Lease") => Meaning::Trouble(
            "somebody holds a lease on the blob; aso-guard takes none. End it with: \
             az storage blob lease break",
        ),
        (409 | 412, _) => Meaning::Conflict,
        (429 | 500 | 502..=504, _) => Meaning::Busy(retry_after),
        (401, _) => Meaning::Forbidden("its credential is not accepted (any more)"),
        (403, "AuthorizationPermissionMismatch") => Meaning::Forbidden(
            "its identity has no role on the container that lets it: aso-guard members add NAME \
             --registry … prints how to give it one, and a new assignment takes some minutes",
        ),
        (403, "AuthorizationFailure") => {
            Meaning::Forbidden("the account's firewall, or its network rules, keep it out")
        }
        (403, "KeyBasedAuthenticationNotPermitted") => {
            Meaning::Forbidden("the account takes no keys; use an identity")
        }
        (403, _) => Meaning::Forbidden("its credential may not do that"),
        _ => Meaning::Trouble("this is no answer of Blob Storage"),
    }
}

/// `Retry-After`, where it names seconds.
pub(super) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(201, "", Meaning::Done)]
    #[case(404, "BlobNotFound", Meaning::Missing)]
    #[case(412, "ConditionNotMet", Meaning::Conflict)]
    #[case(409, "BlobAlreadyExists", Meaning::Conflict)]
    #[case(503, "ServerBusy", Meaning::Busy(Some(Duration::from_secs(2))))]
    #[case(500, "OperationTimedOut", Meaning::Busy(Some(Duration::from_secs(2))))]
    fn an_answer_has_a_meaning(#[case] status: u16, #[case] code: &str, #[case] expected: Meaning) {
        let status = StatusCode::from_u16(status).unwrap();
        let wait = Some(Duration::from_secs(2));
        assert_eq!(meaning(status, code, wait), expected);
    }

    #[rstest]
    #[case(412, "LeaseIdMissing")]
    #[case(409, "LeaseIdMismatchWithBlobOperation")]
    #[case(409, "BlobImmutableDueToPolicy")]
    #[case(409, "ContainerBeingDeleted")]
    #[case(404, "ContainerNotFound")]
    #[case(302, "")]
    fn what_no_new_read_will_change_is_no_conflict(#[case] status: u16, #[case] code: &str) {
        let status = StatusCode::from_u16(status).unwrap();
        let found = meaning(status, code, None);
        assert!(matches!(found, Meaning::Trouble(_)), "{found:?}");
    }
}
