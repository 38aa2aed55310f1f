//! Orphans: resources that nobody reconciles. All their copies are parked, or the live one
//! is a cluster's that is no member any more.

use std::collections::HashSet;
use std::sync::Arc;

use crate::claim::{ClaimState, CopyRef, MemberName, Record};
use crate::registry::{ClaimScope, CopyFilter, RegistryError};

use super::super::Observer;
use super::{ObjectReport, ReportKey, Reported};

/// How many claims are read again at once, to see what has become of them.
const AT_ONCE: usize = 100;

impl Observer {
    /// Tells of copies that have been parked for long, while nobody reconciles their
    /// resource, and of those for whom that is over. Peers begin and end it, too: so the
    /// registry is asked.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn show_orphans(&self) -> Result<(), RegistryError> {
        let scope = ClaimScope::Orphaned(self.member.clone());
        let mut found: HashSet<ReportKey> = HashSet::new();
        let mut page = self.registry.claims_page(&scope, None).await?;
        loop {
            for record in page.claims.into_iter().map(|known| known.record) {
                for copy in record.copies.keys() {
                    if copy.member == self.member {
                        self.show_orphan(&record, copy);
                        found.insert((record.identity.clone(), copy.object.clone()));
                    }
                }
            }
            let Some(at) = page.next else { break };
            page = self.registry.claims_page(&scope, Some(&at)).await?;
        }
        let others = self.claim_index.parked_except(&found);
        for (identity, object) in others.into_iter().take(AT_ONCE) {
            let known = match self.registry.claim(&identity).await {
                Err(RegistryError::Corrupt(_)) => continue,
                known => known?,
            };
            if let Some(known) = known {
                let state = known.record.state();
                self.claim_index.set_state(&object, &identity, state);
            }
        }
        self.orphans_ended();
        Ok(())
    }

    /// An orphan, or what is one for a moment only: a move is under way.
    fn show_orphan(&self, record: &Record, copy: &CopyRef) {
        let (object, identity) = (&copy.object, &record.identity);
        self.claim_index
            .set_state(object, identity, ClaimState::Parked);
        let parked = self.claim_index.parked_for(object, identity);
        if parked.is_none_or(|parked| parked < self.show.orphaned_after) {
            return;
        }
        let of = (identity.clone(), object.clone());
        let uid = uid(record, copy);
        if Reported::is_due(&mut self.reported.state.lock().orphaned, of, uid) {
            let news = ObjectReport::normal("Orphaned", record.orphan_words(copy));
            self.report(object, uid, news.of(record));
        }
    }

    fn orphans_ended(&self) {
        let over: Vec<_> = {
            let mut state = self.reported.state.lock();
            let is_over = |of: &ReportKey| self.claim_index.parked_for(&of.1, &of.0).is_none();
            state.orphaned.extract_if(|of, _| is_over(of)).collect()
        };
        for (of, reported) in over {
            self.report_ended(&of, reported.uid.as_ref());
        }
    }

    fn report_ended(&self, (_, object): &ReportKey, uid: Option<&Arc<str>>) {
        let words = "its resource has a reconciler again, or the copy is gone";
        let news = ObjectReport::normal("OrphanedEnded", words.to_owned());
        self.report(object, uid, news);
    }

    /// Tells of what a cluster holds that is no member any more.
    pub(super) async fn show_left_by(&self, gone: &MemberName) -> Result<(), RegistryError> {
        let scope = ClaimScope::Of(gone.clone(), CopyFilter::AnyCopy);
        let mut page = self.registry.claims_page(&scope, None).await?;
        loop {
            for known in &page.claims {
                self.show_holder_gone(&known.record);
            }
            let Some(at) = page.next else { return Ok(()) };
            page = self.registry.claims_page(&scope, Some(&at)).await?;
        }
    }

    /// Tells of a claim whose live copy belongs to a cluster that is no member any more.
    pub(in super::super) fn show_holder_gone(&self, record: &Record) {
        let Some(holder) = self.holder_gone(record) else {
            return;
        };
        for copy in record.copies.keys() {
            if copy.member != self.member {
                continue;
            }
            let of = (record.identity.clone(), copy.object.clone());
            let uid = uid(record, copy);
            if Reported::is_due(&mut self.reported.state.lock().abandoned, of, uid) {
                let words = record.abandoned_words(holder, self.registry.flags());
                let news = ObjectReport::warning("Orphaned", words).of(record);
                self.report(&copy.object, uid, news);
            }
        }
    }

    /// The live copy of a cluster that is no member.
    fn holder_gone<'a>(&self, record: &'a Record) -> Option<&'a CopyRef> {
        let members = &self.reported.state.lock().members;
        let is_gone = |copy: &CopyRef| !members.is_empty() && !members.contains(&copy.member);
        let live = record.live().map(|(copy, _)| copy);
        live.into_iter().find(|copy| is_gone(copy))
    }

    /// Tells where what was held by a cluster that is no member is so no more.
    pub(super) async fn abandoned_ended(&self) -> Result<(), RegistryError> {
        let reported: Vec<ReportKey> = {
            let state = self.reported.state.lock();
            state.abandoned.keys().take(AT_ONCE).cloned().collect()
        };
        for of in reported {
            let known = match self.registry.claim(&of.0).await {
                Err(RegistryError::Corrupt(_)) => continue,
                known => known?,
            };
            let copy = self.copy(&of.1);
            let lasts = known.is_some_and(|known| {
                let record = &known.record;
                record.copies.contains_key(&copy) && self.holder_gone(record).is_some()
            });
            if !lasts {
                let reported = self.reported.state.lock().abandoned.remove(&of);
                self.report_ended(&of, reported.and_then(|reported| reported.uid).as_ref());
            }
        }
        Ok(())
    }
}

/// The uid that a copy was last seen stored with.
fn uid<'a>(record: &'a Record, copy: &CopyRef) -> Option<&'a Arc<str>> {
    let stored = record.copies.get(copy)?.stored.as_ref();
    stored.map(|stored| &stored.uid)
}
