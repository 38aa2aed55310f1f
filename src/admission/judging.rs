//! A verdict by what was known when it began, before anybody hears of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::claim::{KnownEpoch, MigrationError, Reason};

use super::context::{Enforcement, RequestContext};
use super::guard::{Guard, PARTS};
use super::review::AdmissionRequest;
use super::verdict::Verdict;

/// A verdict that nobody has heard of yet.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) context: RequestContext,
}

impl Guard {
    /// The verdict on a request, by what was known of the registry's epoch before, of which nobody
    /// has heard yet. `unclear`: why nothing can be judged by claims.
    pub(super) async fn judge_by(
        &self,
        request: &AdmissionRequest<'_>,
        timeout: Duration,
        known: Option<Arc<KnownEpoch>>,
        unclear: Option<MigrationError>,
    ) -> Judged {
        let over = tokio::time::Instant::now() + timeout;
        let mut context = self.context(request, timeout / PARTS, known).await;
        context.unclear = unclear;
        // In a box, for it is large, and moved by each that waits for it.
        let judged = Box::pin(self.verdict(request, &context, timeout));
        let judged = tokio::time::timeout_at(over, judged).await;
        let verdict = judged.unwrap_or_else(|_| context.too_late(timeout, &self.member));
        let verdict = context.finish(request, verdict);
        Judged { verdict, context }
    }

    /// Writes in the claims what another registry's verdict lets through, whatever they say.
    ///
    /// # Errors
    /// What keeps the request from being let through: the registry did not do its part in time.
    pub(super) async fn write(
        &self,
        request: &AdmissionRequest<'_>,
        timeout: Duration,
    ) -> Result<(), Verdict> {
        let over = tokio::time::Instant::now() + timeout;
        let mut context = self.context(request, timeout / PARTS, None).await;
        context.only_writes = true;
        if matches!(context.enforcement, Enforcement::Enforce(_)) {
            context.enforcement = Enforcement::Audit;
        }
        let written = Box::pin(self.verdict(request, &context, timeout));
        let written = tokio::time::timeout_at(over, written).await;
        let verdict = written.unwrap_or_else(|_| context.too_late(timeout, &self.member));
        match verdict.reason {
            Some(Reason::RegistryUnavailable) => Err(verdict),
            _ => Ok(()),
        }
    }

    /// Counts a verdict, and says it to whom it concerns.
    pub(super) fn tell(
        &self,
        request: &AdmissionRequest<'_>,
        judged: Judged,
        begun: Instant,
    ) -> Verdict {
        let Judged { verdict, context } = judged;
        self.remember_later(request, &context, &verdict);
        self.report(request, &verdict, begun.elapsed());
        verdict
    }
}
