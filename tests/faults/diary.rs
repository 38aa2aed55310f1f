//! What the people of a test did, and what of it must not have been possible.
//!
//! Everything here is known for certain: a copy was stored from the answer to its creation to
//! the question for its deletion, and so on. Two things that overlap in a diary were true
//! at the same time.

use std::time::Instant;

/// What people did, and what was true for certain in between.
#[derive(Default)]
pub struct Diary {
    /// Times during which a copy was stored, or live.
    pub stays: Vec<Stay>,
    /// Deletes that were let through and took the resource in Azure with them.
    pub deletes: Vec<Delete>,
    /// Safe steps that were blocked although they need nobody's leave.
    pub blocked: Vec<String>,
}

/// A time during which a copy was what it was, for certain.
pub struct Stay {
    /// The resource.
    pub resource: String,
    /// Where the copy was.
    pub cluster: &'static str,
    /// Whether it is its being live that is told of, or its being stored.
    pub what: What,
    /// From when.
    pub from: Instant,
    /// Until when.
    pub until: Instant,
}

/// What a copy was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Stored and live.
    Live,
    /// Stored, and known to the guards.
    Stored,
    /// Stored, created parked, and not seen in its claim yet.
    Young,
}

/// A delete that was let through and took the resource with it.
pub struct Delete {
    /// The resource.
    pub resource: String,
    /// Where the copy was.
    pub cluster: &'static str,
    /// When it was asked for.
    pub sent: Instant,
    /// When it was answered.
    pub answered: Instant,
}

impl Diary {
    /// Adds another person's.
    pub fn add(&mut self, other: Self) {
        self.stays.extend(other.stays);
        self.deletes.extend(other.deletes);
        self.blocked.extend(other.blocked);
    }

    /// Two copies of one resource that were live at one time.
    pub fn doubles(&self) -> Vec<String> {
        let live = |stay: &&Stay| stay.what == What::Live;
        let mut doubles = Vec::new();
        for (at, one) in self.stays.iter().enumerate().filter(|(_, stay)| live(stay)) {
            for other in self.stays[at + 1..].iter().filter(live) {
                let both = one.from.max(other.from)..one.until.min(other.until);
                if one.is_peer(&other.resource, other.cluster) && both.start < both.end {
                    doubles.push(format!(
                        "{} was live in both clusters for {:?}",
                        one.resource,
                        both.end - both.start
                    ));
                }
            }
        }
        doubles
    }

    /// Deletes that took a resource from a copy which was stored all the while.
    pub fn unsafe_deletes(&self) -> Vec<String> {
        let unsafe_deletes = self
            .deletes
            .iter()
            .filter(|delete| self.minded(delete, What::Stored) || self.minded(delete, What::Live));
        unsafe_deletes
            .map(|delete| format!("{} was deleted through {}", delete.resource, delete.cluster))
            .collect()
    }

    /// Deletes while the other copy had just been created parked. Its guard registers it then,
    /// unless the registry is in trouble; else the observer does, a moment after. So no promise
    /// is broken, and the number is worth knowing.
    pub fn deletes_beside_the_young(&self) -> usize {
        let minded = |delete: &&Delete| self.minded(delete, What::Young);
        self.deletes.iter().filter(minded).count()
    }

    fn minded(&self, delete: &Delete, what: What) -> bool {
        self.stays.iter().any(|stay| {
            stay.what == what
                && stay.is_peer(&delete.resource, delete.cluster)
                && stay.from <= delete.sent
                && delete.answered <= stay.until
        })
    }
}

impl Stay {
    fn is_peer(&self, resource: &str, cluster: &str) -> bool {
        self.resource == resource && self.cluster != cluster
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Clock(Instant);

    impl Clock {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }

        fn stay(&self, cluster: &'static str, what: What, from: u64, until: u64) -> Stay {
            let resource = "rg".to_owned();
            let (from, until) = (self.at(from), self.at(until));
            Stay {
                resource,
                cluster,
                what,
                from,
                until,
            }
        }

        fn delete(&self, cluster: &'static str, sent: u64, answered: u64) -> Delete {
            Delete {
                resource: "rg".to_owned(),
                cluster,
                sent: self.at(sent),
                answered: self.at(answered),
            }
        }
    }

    #[test]
    fn copies_that_were_live_at_one_time_are_found() {
        let clock = Clock(Instant::now());
        let mut diary = Diary::default();
        diary.stays.push(clock.stay("a", What::Live, 0, 5));
        diary.stays.push(clock.stay("b", What::Live, 5, 9));
        diary.stays.push(clock.stay("b", What::Stored, 0, 9));
        diary.stays.push(clock.stay("a", What::Live, 9, 10));
        assert_eq!(diary.doubles(), Vec::<String>::new());
        diary.stays.push(clock.stay("a", What::Live, 8, 9));
        assert_eq!(diary.doubles().len(), 1);
    }

    #[test]
    fn deletes_under_a_peers_copy_are_found() {
        let clock = Clock(Instant::now());
        let mut diary = Diary::default();
        diary.stays.push(clock.stay("b", What::Young, 1, 3));
        diary.stays.push(clock.stay("b", What::Stored, 3, 9));
        diary.deletes.push(clock.delete("b", 4, 5));
        diary.deletes.push(clock.delete("a", 2, 4));
        diary.deletes.push(clock.delete("a", 8, 10));
        diary.deletes.push(clock.delete("a", 1, 2));
        assert_eq!(diary.unsafe_deletes(), Vec::<String>::new());
        assert_eq!(diary.deletes_beside_the_young(), 1);
        diary.deletes.push(clock.delete("a", 4, 5));
        assert_eq!(diary.unsafe_deletes().len(), 1);
    }
}
