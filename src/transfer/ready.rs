//! What ASO says of a copy: whether it has reconciled it, by the condition `Ready`.
//!
//! "Make sure that ASO runs in the target" is a step that no claim tells of. What tells of it is
//! that ASO has done there what it is for.

use serde_json::Value;

/// What ASO says of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It reconciled the copy, in its present generation.
    Yes,
    /// It looked at the copy, and has not come to an end: its reason and its message.
    No(String),
    /// Nothing: no ASO has looked at the copy in its present generation.
    Unseen,
}

impl Ready {
    /// Reads it off an object as its API server has it.
    pub fn of(object: &Value) -> Self {
        let generation = &object["metadata"]["generation"];
        let conditions = object["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let Some(ready) = conditions.find(|condition| condition["type"] == "Ready") else {
            return Self::Unseen;
        };
        if ready["observedGeneration"] != *generation {
            return Self::Unseen;
        }
        if ready["status"] == "True" {
            return Self::Yes;
        }
        let text = |field: &str| ready[field].as_str().unwrap_or_default();
        let words = [text("reason"), text("message")];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        Self::No(words.join(": "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(conditions: &Value) -> Value {
        json!({"metadata": {"generation": 2}, "status": {"conditions": conditions}})
    }

    #[test]
    fn only_ready_in_the_present_generation_is_reconciled() {
        let of = |status: &str, generation: u64| {
            let ready = json!({
                "type": "Ready", "status": status, "observedGeneration": generation,
                "reason": "AzureResourceNotFound", "message": "no such group",
            });
            Ready::of(&object(&json!([{"type": "Other"}, ready])))
        };
        assert_eq!(of("True", 2), Ready::Yes);
        assert_eq!(of("True", 1), Ready::Unseen);
        let said = "AzureResourceNotFound: no such group".to_owned();
        assert_eq!(of("False", 2), Ready::No(said));
        assert_eq!(Ready::of(&object(&json!([]))), Ready::Unseen);
        assert_eq!(Ready::of(&json!({})), Ready::Unseen);
    }
}
