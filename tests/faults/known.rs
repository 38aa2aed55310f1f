//! What is known for certain of one copy: since when it is stored, and since when live.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::diary::{Delete, Diary, Stay, What};
use crate::traffic::Resource;
use crate::trial::Trial;

/// How long somebody who created a parked copy waits for it to show in the claim.
const REGISTERED: Duration = Duration::from_secs(15);

/// One copy, as somebody knows it who looks after it.
pub struct Known {
    /// The resource.
    pub resource: Resource,
    cluster: &'static str,
    namespace: String,
    live: Option<Instant>,
    stored: Option<(What, Instant)>,
}

impl Known {
    /// Nothing is known yet of the copy in a cluster and a namespace.
    pub fn new(resource: Resource, cluster: &'static str, namespace: &str) -> Self {
        Self {
            resource,
            cluster,
            namespace: namespace.to_owned(),
            live: None,
            stored: None,
        }
    }

    /// It is stored, and live.
    pub fn is_live(&mut self) {
        let now = Instant::now();
        self.live.get_or_insert(now);
        self.stored.get_or_insert((What::Stored, now));
    }

    /// It has been created parked: it is known to the guards when the claim shows it.
    pub async fn is_young(&mut self, trial: &Trial, diary: &mut Diary) {
        let since = Instant::now();
        self.stored = Some((What::Young, since));
        let copy = &self.resource.copy;
        let name = format!("{}/{}/{copy}", self.cluster, self.namespace);
        let is_a = trial.a.name() == self.cluster;
        let side = if is_a { &trial.a } else { &trial.b };
        while since.elapsed() < REGISTERED {
            // A claim may still have the copy of that name that was there before.
            let uid = side
                .person
                .get(copy)
                .await
                .map(|stored| stored.object.uid().to_owned());
            let seen = trial.hub_claim(&self.resource.id).await;
            let (Ok(uid), Some(claim)) = (uid, seen) else {
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            let status = claim.0["status"].to_string();
            if status.contains(&name) && status.contains(&uid) {
                self.no_longer_stored(Instant::now(), diary);
                self.stored = Some((What::Stored, Instant::now()));
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// A delete was let through that takes the resource with it.
    pub fn is_deleted(&self, sent: Instant, diary: &mut Diary) {
        diary.deletes.push(Delete {
            resource: self.resource.id.clone(),
            cluster: self.cluster,
            sent,
            answered: Instant::now(),
        });
    }

    /// It may be gone from then on, or be anything.
    pub fn gone(&mut self, sent: Instant, diary: &mut Diary) {
        self.no_longer_live(sent, diary);
        self.no_longer_stored(sent, diary);
    }

    /// It may not be live any more from then on.
    pub fn no_longer_live(&mut self, until: Instant, diary: &mut Diary) {
        if let Some(from) = self.live.take() {
            self.stay(What::Live, from, until, diary);
        }
    }

    fn no_longer_stored(&mut self, until: Instant, diary: &mut Diary) {
        if let Some((what, from)) = self.stored.take() {
            self.stay(what, from, until, diary);
        }
    }

    fn stay(&self, what: What, from: Instant, until: Instant, diary: &mut Diary) {
        diary.stays.push(Stay {
            resource: self.resource.id.clone(),
            cluster: self.cluster,
            what,
            from,
            until,
        });
    }
}
