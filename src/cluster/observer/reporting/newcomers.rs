//! Parks newcomers, where that is wanted.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::info;

use crate::arm::Identity;
use crate::claim::CopyRef;
use crate::cluster::Parking;
use crate::object::ObjectFacts;
use crate::policy::Policy;
use crate::registry::PutOutcome;
use crate::resolve::Freshness;

use super::super::{ObserveError, Observer};
use super::ObjectReport;

impl Observer {
    /// Parks a newcomer, in this order: the object is read; then the claim is, and it is
    /// written into its history what is about to be done, on condition that the claim has
    /// not changed; then the API server takes the patch only while the object is as it
    /// was read. So the older copy was live by the claim at the time of that write, and
    /// only what its own cluster's observer had not yet seen of it can have been otherwise.
    pub(super) async fn park(
        &self,
        parking: &dyn Parking,
        identity: &Identity,
        copy: &CopyRef,
    ) -> Result<(), ObserveError> {
        let Some(object) = self.cluster.object(&copy.object, Freshness::Store).await? else {
            return Ok(());
        };
        let Some(known) = self.registry.claim(identity).await? else {
            return Ok(());
        };
        let (record, uid) = (known.record, Arc::<str>::from(&*object.uid));
        let claimed = record
            .copies
            .get(copy)
            .and_then(|held| held.stored.as_ref());
        let is_the_same = claimed.is_some_and(|stored| stored.uid == uid);
        if !record.is_to_step_back(copy) || !is_the_same || !may_be_parked(&object) {
            return Ok(());
        }
        let noted = record.with_parked_newcomer(copy, Timestamp::now());
        if noted != record
            && self
                .registry
                .put_claim(&noted, Some(&known.version))
                .await?
                == PutOutcome::Conflict
        {
            // Whatever it is now, it is looked at again.
            self.reported.news.notify_one();
            return Ok(());
        }
        if parking.park(&object).await? {
            self.show.metrics.parked.inc();
            self.queue.add(copy.object.clone());
            info!(object = %copy.object, %identity, "parked a newcomer");
            let words = format!(
                "parked by aso-guard (--on-conflict park): it came on top of another live copy; {}",
                record.live_words()
            );
            let news = ObjectReport::warning("ParkedNewcomer", words).of(&record);
            self.report(&copy.object, Some(&uid), news);
        }
        Ok(())
    }
}

/// Whether the observer may set the policy of an object: only where nobody has decided
/// anything but what ASO does anyway.
fn may_be_parked(object: &ObjectFacts) -> bool {
    let own = object.annotations.policy.as_deref().unwrap_or_default();
    !object.terminating && (own.is_empty() || own == Policy::Manage.to_string())
}
