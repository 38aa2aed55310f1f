//! Calls that are made again where no answer came.

use std::time::Duration;

use crate::registry::RegistryError;

/// The first pause; each one is twice as long as that before it, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often a call is made, in about a minute all in all.
const TRIES: u32 = 10;

/// Makes a call until an answer comes, some times. `call` is told how often it was made before:
/// what brought no answer may have been carried out.
///
/// # Errors
/// That of the last try; or at once, where the registry has answered with no.
pub(super) async fn patiently<T>(
    call: impl AsyncFn(u32) -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let mut pause = FIRST_PAUSE;
    for attempt in 1..TRIES {
        match call(attempt - 1).await {
            Err(RegistryError::Unavailable { .. }) => tokio::time::sleep(pause).await,
            ended => return ended,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    call(TRIES - 1).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unanswered() -> RegistryError {
        RegistryError::Unavailable {
            registry: "memory:".to_owned(),
            why: "the connection was reset".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_answered_at_last_is_the_answer() {
        let answered = patiently(async |attempt| match attempt {
            0..4 => Err(unanswered()),
            attempt => Ok(attempt),
        });
        assert_eq!(answered.await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_given_up_after_some_tries() {
        let error = patiently(async |attempt| {
            assert!(attempt < TRIES);
            Err::<(), _>(unanswered())
        });
        let error = error.await.unwrap_err();
        assert!(error.to_string().contains("reset"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_an_answer() {
        let refused = patiently(async |attempt| {
            assert_eq!(attempt, 0);
            Err::<(), _>(RegistryError::Forbidden {
                registry: "memory:".to_owned(),
                why: "no".to_owned(),
            })
        });
        assert!(refused.await.is_err());
    }
}
