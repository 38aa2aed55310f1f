//! What is logged of a certificate that is watched: each thing once.

use jiff::{SignedDuration, Timestamp};

use super::{CertificateError, CertificateSummary, ReloadOutcome};

/// A certificate that still is not replaced so long before its end is worth a warning.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the watch has logged already, so that it logs it once.
#[derive(Default)]
pub(super) struct LoggedState {
    problem: Option<String>,
    expiry: LoggedExpiry,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum LoggedExpiry {
    #[default]
    Far,
    Soon,
    Past,
}

impl LoggedState {
    /// Logs what a look came to, unless it was logged before.
    pub(super) fn log(
        &mut self,
        outcome: Result<ReloadOutcome, CertificateError>,
        serving: &CertificateSummary,
        now: Timestamp,
    ) {
        match outcome {
            Ok(ReloadOutcome::Unchanged) => self.problem = None,
            Ok(ReloadOutcome::Replaced(summary)) => {
                tracing::info!(certificate = %summary, "serving a new certificate");
                self.problem = None;
            }
            Err(error) => {
                let problem = error.to_string();
                if self.problem.as_ref() != Some(&problem) {
                    tracing::error!(
                        serving = %serving,
                        "the certificate files cannot be used now, the last good certificate is \
                         still served: {problem}"
                    );
                    self.problem = Some(problem);
                }
            }
        }
        let expiry = expiry(serving, now);
        if expiry != self.expiry {
            let not_after = serving.not_after;
            match expiry {
                LoggedExpiry::Far => {}
                LoggedExpiry::Soon => {
                    tracing::warn!(%not_after, "the certificate expires soon: renew it");
                }
                LoggedExpiry::Past => {
                    tracing::error!(%not_after, "the certificate has expired: API servers refuse it");
                }
            }
            self.expiry = expiry;
        }
    }
}

fn expiry(serving: &CertificateSummary, now: Timestamp) -> LoggedExpiry {
    let left = serving.not_after.duration_since(now);
    if left.is_negative() {
        LoggedExpiry::Past
    } else if left < EXPIRES_SOON {
        LoggedExpiry::Soon
    } else {
        LoggedExpiry::Far
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn summary(days_left: i64) -> CertificateSummary {
        let now = Timestamp::UNIX_EPOCH;
        CertificateSummary {
            names: vec!["localhost".to_owned()],
            not_before: now,
            not_after: now + SignedDuration::from_hours(24 * days_left),
        }
    }

    /// What the watch writes when it finds `outcomes` one after the other.
    fn logged(
        days_left: i64,
        outcomes: impl IntoIterator<Item = Result<ReloadOutcome, CertificateError>>,
    ) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(Arc::new(file.reopen().unwrap()))
            .finish();
        let serving = summary(days_left);
        tracing::subscriber::with_default(subscriber, || {
            let mut said = LoggedState::default();
            for outcome in outcomes {
                said.log(outcome, &serving, Timestamp::UNIX_EPOCH);
            }
        });
        let text = std::fs::read_to_string(file.path()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn bad(path: &str) -> Result<ReloadOutcome, CertificateError> {
        Err(CertificateError::WrongOrder {
            path: path.to_owned(),
        })
    }

    #[test]
    fn a_problem_is_told_once_until_it_changes() {
        let lines = logged(
            300,
            [
                bad("a.pem"),
                bad("a.pem"),
                bad("b.pem"),
                Ok(ReloadOutcome::Unchanged),
                bad("b.pem"),
                Ok(ReloadOutcome::Replaced(summary(300))),
            ],
        );
        let expected = ["a.pem", "b.pem", "b.pem", "serving a new certificate"];
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{line}");
        }
        assert!(lines[0].contains("the last good certificate is still served"));
    }

    #[test]
    fn the_end_of_a_certificate_is_told_once() {
        for (days_left, expected) in [(300, None), (6, Some("soon")), (-1, Some("has expired"))] {
            let lines = logged(
                days_left,
                [Ok(ReloadOutcome::Unchanged), Ok(ReloadOutcome::Unchanged)],
            );
            assert_eq!(lines.len(), usize::from(expected.is_some()), "{lines:?}");
            if let Some(expected) = expected {
                assert!(lines[0].contains(expected), "{lines:?}");
            }
        }
    }
}
