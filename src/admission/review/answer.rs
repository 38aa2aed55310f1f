//! The answer to a review.

use serde::Serialize;

use super::API_VERSION;
use crate::admission::plain;
use crate::admission::verdict::{Verdict, VerdictPath};
use crate::claim::Reason;

/// The answer to a review.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ReviewAnswer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: AdmissionResponse<'a>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct AdmissionResponse<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ResponseStatus<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<AuditAnnotations<'a>>,
}

#[derive(Serialize, Debug)]
struct ResponseStatus<'a> {
    code: u16,
    reason: &'a str,
    message: String,
}

/// What goes into the API server's audit log; it puts the webhook's name before each key.
#[derive(Serialize, Debug)]
struct AuditAnnotations<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// Why a refusal was overridden.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    overriding: Option<&'a str>,
}

impl<'a> ReviewAnswer<'a> {
    /// The answer that carries a verdict to the request `uid`.
    pub fn new(uid: &'a str, verdict: &'a Verdict) -> Self {
        let status = (!verdict.allowed).then(|| ResponseStatus {
            code: verdict.code,
            reason: verdict.reason.map_or("", |reason| reason.as_str()),
            message: plain::message(&verdict.message),
        });
        Self {
            api_version: API_VERSION,
            kind: "AdmissionReview",
            response: AdmissionResponse {
                uid,
                allowed: verdict.allowed,
                status,
                warnings: verdict
                    .warnings
                    .iter()
                    .flat_map(|warning| plain::warning(warning))
                    .collect(),
                audit_annotations: Some(AuditAnnotations {
                    verdict: verdict.label(),
                    reason: verdict.reason.map(Reason::as_str),
                    overriding: match &verdict.pass {
                        VerdictPath::Overridden(why) => Some(why.as_str()),
                        VerdictPath::Judged | VerdictPath::Unjudged => None,
                    },
                }),
            },
        }
    }
}
