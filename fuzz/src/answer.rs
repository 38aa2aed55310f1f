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
        let audit = &self.audit_annotations;
        assert!(self.allowed || audit.overriding.is_none(), "{self:?}");
        assert_eq!(self.allowed, self.status == Status::default(), "{self:?}");
        assert_eq!(!self.allowed, self.audit_annotations.verdict == "refused");
        assert_ne!(self.audit_annotations.overriding.as_deref(), Some(""));
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
}
