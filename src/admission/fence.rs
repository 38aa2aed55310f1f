//! Whether a person has declared this cluster lost.

use tokio::time::Instant;

use crate::claim::Refusal;

use super::guard::{AdmissionError, Guard};

impl Guard {
    /// That this cluster is not fenced. What was read a moment ago is enough: whoever releases
    /// what it held waits for longer than that, and for what was let through until then.
    ///
    /// # Errors
    /// It is, or its record could not be read.
    pub(super) async fn not_fenced(&self) -> Result<(), AdmissionError> {
        let fence = if let Some(known) = self.fence.recent() {
            known
        } else {
            let began = Instant::now();
            let known = self.registry.member(&self.member).await?;
            let fence = known.and_then(|known| known.record.fence);
            self.fence.read(began, fence.clone());
            fence
        };
        match fence {
            None => Ok(()),
            Some(fence) => Err(AdmissionError::Refused(Refusal::Fenced {
                member: self.member.clone(),
                fence: Box::new(fence),
            })),
        }
    }
}
