//! What to do next about the serving certificate: a state machine without I/O or clock.
//!
//! One Secret, shared by all replicas, holds one [`CertificateGeneration`]: the newest. Each replica
//! adds its CA to the webhook configuration's bundle, goes on serving what it serves, and
//! changes over once it has seen the bundle hold the new CA for a while. Nothing is ever
//! taken out of the bundle but what has expired, so a replica that is late harms nobody.

pub mod path;
pub mod repair;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

/// A CA, the one serving certificate that it signed, and that one's key. The CA's own key
/// is forgotten as soon as it has signed.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateGeneration {
    /// The CA's certificate.
    pub ca: Ca,
    /// The serving certificate, PEM.
    pub certificate: Arc<str>,
    /// Its private key, PEM.
    pub key: Arc<str>,
    /// The DNS names and IP addresses that it is for.
    pub names: BTreeSet<String>,
    /// The start of its validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
}

/// Without the key.
impl fmt::Debug for CertificateGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("names", &self.names)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// A CA's certificate, DER.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ca(pub Arc<[u8]>);

impl CertificateGeneration {
    /// When it is time for the next one: two thirds into its validity.
    pub fn renew_at(&self) -> Timestamp {
        self.not_before + self.not_after.duration_since(self.not_before) / 3 * 2
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

/// What the shared Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredSecret {
    /// Nothing, or there is no Secret.
    Nothing,
    /// Something that cannot be served, for this reason.
    Unusable(String),
    /// A generation.
    Generation(CertificateGeneration),
}

/// One look at the cluster: the configuration's bundle was read first, then the Secret.
#[derive(Clone, Debug)]
pub struct CertificateState {
    /// The CAs that every webhook of the configuration trusts; `None` where there is no
    /// configuration, so that nobody calls.
    pub bundle: Option<BTreeSet<Ca>>,
    /// The Secret.
    pub stored: StoredSecret,
    /// When.
    pub now: Timestamp,
}

/// What to do next. After each but [`CertificateStep::Wait`], look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateStep {
    /// Put a new generation for these names into the Secret, on condition that it still
    /// holds what was seen.
    Make {
        /// The DNS names and IP addresses.
        names: BTreeSet<String>,
        /// Why, for the log.
        why: String,
    },
    /// Add these CAs to the bundle, on condition that the configuration is still the one
    /// that was seen.
    Trust(BTreeSet<Ca>),
    /// Serve this from now on; new connections get it.
    Serve(CertificateGeneration),
    /// Nothing, until something changes or it is this time.
    Wait {
        /// When to look again at the latest.
        until: Timestamp,
    },
}

/// One replica's part.
#[derive(Clone, Debug)]
pub struct CertificatePlanner {
    /// What a serving certificate must be good for.
    names: BTreeSet<String>,
    /// How long a CA is in the bundle before a replica changes over to its certificate:
    /// API servers take a moment to notice a new bundle.
    notice: SignedDuration,
    serving: Option<CertificateGeneration>,
    /// A CA that was seen in the bundle at every look, and since when.
    trusted: Option<(Ca, Timestamp)>,
}

impl CertificatePlanner {
    /// A replica that serves nothing yet.
    pub fn new(names: BTreeSet<String>, notice: SignedDuration) -> Self {
        Self {
            names,
            notice,
            serving: None,
            trusted: None,
        }
    }

    /// What it serves.
    pub fn serving(&self) -> Option<&CertificateGeneration> {
        self.serving.as_ref()
    }

    /// Takes note that a [`CertificateStep::Serve`] was taken.
    pub fn serves(&mut self, generation: CertificateGeneration) {
        self.serving = Some(generation);
    }

    /// The next step after a look.
    pub fn next(&mut self, seen: &CertificateState) -> CertificateStep {
        let generation = match self.usable(seen) {
            Ok(generation) => generation,
            Err(step) => return step,
        };
        let missing = self.missing(generation, seen);
        self.remember(generation, seen);
        if !missing.is_empty() {
            return CertificateStep::Trust(missing);
        }
        if self.serving.as_ref() == Some(generation) {
            return CertificateStep::Wait {
                until: generation.renew_at(),
            };
        }
        let change = self.change_at(seen);
        if seen.now < change {
            return CertificateStep::Wait { until: change };
        }
        CertificateStep::Serve(generation.clone())
    }

    /// What the Secret holds, where it is good for a while yet.
    fn usable<'a>(
        &self,
        seen: &'a CertificateState,
    ) -> Result<&'a CertificateGeneration, CertificateStep> {
        let make = |names: BTreeSet<String>, why: String| Err(CertificateStep::Make { names, why });
        let generation = match &seen.stored {
            StoredSecret::Nothing => return make(self.names.clone(), "there is none".to_owned()),
            StoredSecret::Unusable(why) => return make(self.names.clone(), why.clone()),
            StoredSecret::Generation(generation) => generation,
        };
        // All names together: replicas of two versions, told different names, would
        // otherwise replace each other's certificate for as long as both run.
        let names = || &generation.names | &self.names;
        if !generation.is_valid(seen.now) {
            let (from, until) = (generation.not_before, generation.not_after);
            let why = format!("it is valid from {from} until {until} only");
            return make(names(), why);
        }
        if seen.now >= generation.renew_at() {
            return make(names(), format!("it ends at {}", generation.not_after));
        }
        if !self.names.is_subset(&generation.names) {
            let lacking = &self.names - &generation.names;
            let lacking: Vec<String> = lacking.into_iter().collect();
            return make(names(), format!("it is not for {}", lacking.join(", ")));
        }
        Ok(generation)
    }

    /// The CAs that the bundle should hold and does not: the Secret's, and that of what is
    /// served.
    fn missing(&self, generation: &CertificateGeneration, seen: &CertificateState) -> BTreeSet<Ca> {
        let Some(bundle) = &seen.bundle else {
            return BTreeSet::new();
        };
        let serving = self.serving.iter().filter(|own| own.is_valid(seen.now));
        let wanted = serving.chain([generation]).map(|wanted| &wanted.ca);
        wanted.filter(|ca| !bundle.contains(ca)).cloned().collect()
    }

    /// Remembers since when the bundle has held the CA without a gap.
    fn remember(&mut self, generation: &CertificateGeneration, seen: &CertificateState) {
        let bundle = seen.bundle.as_ref();
        if bundle.is_some_and(|bundle| !bundle.contains(&generation.ca)) {
            self.trusted = None;
            return;
        }
        let known = self.trusted.take();
        let since = known
            .filter(|(ca, _)| *ca == generation.ca)
            // A clock that was set back must not hold the change up.
            .map_or(seen.now, |(_, since)| since.min(seen.now));
        self.trusted = Some((generation.ca.clone(), since));
    }

    /// When to change over to what the Secret holds.
    fn change_at(&self, seen: &CertificateState) -> Timestamp {
        let waits = seen.bundle.is_some()
            && self
                .serving
                .as_ref()
                .is_some_and(|own| own.is_valid(seen.now));
        match &self.trusted {
            Some((_, since)) if waits => *since + self.notice,
            // Nothing good is served now, or nobody calls.
            _ => seen.now,
        }
    }
}

#[cfg(test)]
mod tests;
