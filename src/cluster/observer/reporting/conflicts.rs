//! Conflicts: resources with more than one live copy.

use std::collections::HashSet;

use tracing::{info, warn};

use crate::arm::Identity;
use crate::claim::Record;
use crate::registry::{ClaimScope, RegistryError};

use super::super::{ObserveError, Observer};
use super::{ObjectReport, ReportKey, Reported, count};

impl Observer {
    /// Tells of conflicts that began or ended, and parks newcomers where that is wanted.
    ///
    /// # Errors
    /// The registry or the API server did not answer.
    pub async fn show_conflicts(&self) -> Result<(), ObserveError> {
        let found = self.registry.claims(&ClaimScope::InConflict).await?.records;
        let mut lasting = HashSet::new();
        let mut to_park = Vec::new();
        for record in found.iter().map(|known| &known.record) {
            for (copy, held) in record.live().filter(|(copy, _)| copy.member == self.member) {
                let of = (record.identity.clone(), copy.object.clone());
                lasting.insert(of.clone());
                let uid = held.stored.as_ref().map(|stored| &stored.uid);
                if Reported::is_due(&mut self.reported.state.lock().conflicts, of, uid) {
                    let words = record.conflict_words(copy, self.registry.flags());
                    let news = ObjectReport::warning("Conflict", words).of(record);
                    self.report(&copy.object, uid, news);
                    warn!(object = %copy.object, identity = %record.identity, copies = %record.live_words(), "conflict");
                }
                if record.is_to_step_back(copy) {
                    to_park.push((record.identity.clone(), copy.clone()));
                }
            }
        }
        self.conflicts_ended(&lasting).await?;
        let resources: HashSet<&Identity> = lasting.iter().map(|(identity, _)| identity).collect();
        self.show.metrics.conflicts.set(count(resources.len()));
        // What others took over of a cluster that was declared lost, a person parks in it.
        let is_fenced = self.show.fence.last().is_some();
        if let Some(parking) = self.show.parking.as_ref().filter(|_| !is_fenced) {
            for (identity, copy) in to_park {
                if let Err(error) = self.park(&**parking, &identity, &copy).await {
                    warn!(object = %copy.object, %identity, %error, "cannot park a newcomer; trying again");
                }
            }
        }
        Ok(())
    }

    async fn conflicts_ended(&self, lasting: &HashSet<ReportKey>) -> Result<(), RegistryError> {
        let ended: Vec<_> = {
            let state = self.reported.state.lock();
            let ended = state
                .conflicts
                .iter()
                .filter(|(of, _)| !lasting.contains(of));
            ended
                .map(|(of, reported)| (of.clone(), reported.uid.clone()))
                .collect()
        };
        for ((identity, object), uid) in ended {
            let known = match self.registry.claim(&identity).await {
                // What has become of it, nobody can tell.
                Err(RegistryError::Corrupt(_)) => continue,
                known => known?,
            };
            let record = known.map_or_else(|| Record::new(identity.clone()), |known| known.record);
            let now = if record.copies.is_empty() {
                "no copy is left".to_owned()
            } else {
                record.live_words()
            };
            info!(%object, %identity, copies = %now, "the conflict has ended");
            let words = format!("the conflict has ended: {now}");
            let news = ObjectReport::normal("ConflictEnded", words).of(&record);
            self.report(&object, uid.as_ref(), news);
            self.reported
                .state
                .lock()
                .conflicts
                .remove(&(identity, object));
        }
        Ok(())
    }
}
