//! Calls that are tried again, and what went wrong with those that came to nothing.

use std::time::Duration;

use crate::api_server::{PATIENT_TIMEOUT, within};
use crate::cluster::kube::protections::POLICY_PREFIX;
use crate::object::text::causes;

/// How often a call is tried that brought no answer.
const ATTEMPTS: u32 = 6;
/// How long to wait after the first failed attempt; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// A call that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct CallError {
    /// The HTTP status; `None` where there was no answer.
    pub code: Option<u16>,
    /// What happened, for a person.
    pub words: String,
}

impl CallError {
    /// Something that went wrong here, without an answer.
    pub fn new(words: String) -> Self {
        Self { code: None, words }
    }

    /// Whether somebody else changed the object meanwhile.
    pub fn is_conflict(&self) -> bool {
        self.code == Some(409)
    }
}

/// Makes a call, and makes it again where it brought no answer: what is done here can be done
/// twice.
///
/// # Errors
/// It was refused, or there was no answer to any attempt.
pub async fn patiently<T>(
    what: &str,
    call: impl AsyncFn() -> kube::Result<T>,
) -> Result<T, CallError> {
    let mut pause = PAUSE;
    for attempt in 1.. {
        let fault = match once(what, &call).await {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        if attempt == ATTEMPTS || !is_passing(&fault) {
            return Err(fault);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(CallError::new(format!("{what}: not tried")))
}

/// Makes a call.
///
/// # Errors
/// It was refused, or there was no answer.
pub async fn once<T>(what: &str, call: impl AsyncFn() -> kube::Result<T>) -> Result<T, CallError> {
    let answer = within(PATIENT_TIMEOUT, call()).await;
    answer.map_err(|error| match error {
        kube::Error::Api(status) => CallError {
            code: Some(status.code),
            words: status.message.clone(),
        },
        error => CallError::new(format!("{what}: {}", causes(&error))),
    })
}

/// Whether another attempt may go better.
fn is_passing(fault: &CallError) -> bool {
    // What policies go by may be a moment behind what the guard knows.
    let by_policy = format!("ValidatingAdmissionPolicy '{POLICY_PREFIX}");
    matches!(fault.code, None | Some(429 | 500 | 502 | 503 | 504))
        || fault.words.contains(&by_policy)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kube::core::Status;

    use super::*;

    fn answer(code: u16) -> kube::Error {
        said(code, "no")
    }

    fn said(code: u16, words: &str) -> kube::Error {
        let mut status = Status::failure(words, "");
        status.code = code;
        kube::Error::Api(Box::new(status))
    }

    async fn tried(code: u16, until: u32) -> (Result<(), Option<u16>>, u32) {
        let tries = Cell::new(0);
        let came = patiently("it", async || {
            tries.set(tries.get() + 1);
            if tries.get() >= until {
                Ok(())
            } else {
                Err(answer(code))
            }
        });
        let came = came.await.map_err(|fault| fault.code);
        (came, tries.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_a_refusal_is_not() {
        assert_eq!(tried(503, 3).await, (Ok(()), 3));
        assert_eq!(tried(429, 99).await, (Err(Some(429)), ATTEMPTS));
        assert_eq!(tried(403, 3).await, (Err(Some(403)), 1));
        assert_eq!(tried(409, 3).await, (Err(Some(409)), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_policy_refuses_by_what_was_written_down_is_tried_again() {
        let words =
            "ValidatingAdmissionPolicy 'aso-guard-objects-enforce' denied request: it is live";
        let tries = Cell::new(0);
        let came = patiently("it", async || {
            tries.set(tries.get() + 1);
            if tries.get() < 3 {
                Err(said(403, words))
            } else {
                Ok(())
            }
        });
        assert_eq!((came.await, tries.get()), (Ok(()), 3));
    }
}
