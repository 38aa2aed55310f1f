//! What a test expects of an answer.

pub use super::answered::Answer;

impl Answer {
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
