//! The webhook's answer, read as an API server reads it.

use serde::Deserialize;
use serde_json::Value;

/// An answer to a review.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    pub uid: String,
    pub allowed: bool,
    #[serde(default)]
    pub status: Status,
    #[serde(default)]
    pub warnings: Vec<String>,
    #[serde(default)]
    pub audit_annotations: Audit,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Status {
    pub code: u16,
    pub reason: String,
    pub message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    pub verdict: String,
    pub reason: Option<String>,
    #[serde(rename = "override")]
    pub overriding: Option<String>,
}

impl Answer {
    /// Reads an answer that an API server would take: it must carry the uid of
    /// the request.
    pub fn read(body: &[u8], uid: &str) -> Self {
        let mut review: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(review["kind"], "AdmissionReview");
        let answer: Self = serde_json::from_value(review["response"].take()).unwrap();
        assert_eq!(answer.uid, uid);
        answer.assert_well_formed();
        answer
    }

    fn assert_well_formed(&self) {
        assert_eq!(self.allowed, self.status == Status::default(), "{self:?}");
        assert_eq!(!self.allowed, self.audit_annotations.verdict == "refused");
        assert!(self.status.message.len() <= 8 * 1024, "{self:?}");
        let texts = self.warnings.iter().chain([&self.status.message]);
        for text in texts {
            let odd = |c: char| c.is_control() && c != '\n';
            assert!(!text.contains(odd), "{text:?}");
        }
        for warning in &self.warnings {
            assert!(
                !warning.contains('\n') && !warning.is_empty(),
                "{warning:?}"
            );
            assert!(warning.len() <= 2 * 1024, "{warning}");
        }
    }

    /// Let through without a word.
    #[track_caller]
    pub fn admitted(&self) {
        assert!(self.allowed && self.warnings.is_empty(), "{self:#?}");
        assert_eq!(self.audit_annotations.verdict, "allowed");
    }

    /// Let through, with warnings for this reason. Gives them as one text.
    #[track_caller]
    pub fn warned(&self, reason: &str) -> String {
        assert!(self.allowed && !self.warnings.is_empty(), "{self:#?}");
        assert_eq!(self.audit_annotations.verdict, "warned", "{self:#?}");
        assert_eq!(self.audit_annotations.reason.as_deref(), Some(reason));
        self.warnings.join("\n")
    }

    /// Let through against a refusal. Gives the warnings as one text.
    #[track_caller]
    pub fn overridden(&self, reason: &str, why: &str) -> String {
        assert!(self.allowed && !self.warnings.is_empty(), "{self:#?}");
        let audit = &self.audit_annotations;
        assert_eq!(audit.verdict, "overridden", "{self:#?}");
        assert_eq!(audit.reason.as_deref(), Some(reason));
        assert_eq!(audit.overriding.as_deref(), Some(why));
        self.warnings.join("\n")
    }

    /// Let through without a verdict.
    #[track_caller]
    pub fn unjudged(&self) {
        assert!(self.allowed && self.warnings.is_empty(), "{self:#?}");
        assert_eq!(self.audit_annotations.verdict, "unjudged");
    }

    /// Refused for this reason. Gives the message.
    #[track_caller]
    pub fn refused(&self, code: u16, reason: &str) -> &str {
        assert!(!self.allowed, "{self:#?}");
        let found = (self.status.code, self.status.reason.as_str());
        assert_eq!(found, (code, reason), "{self:#?}");
        assert_eq!(self.audit_annotations.reason.as_deref(), Some(reason));
        &self.status.message
    }
}
