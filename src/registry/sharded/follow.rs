//! The claims of all shards as they change, as if they were those of one.

use std::collections::HashSet;

use futures::stream::{self, BoxStream, StreamExt as _};

use crate::arm::Identity;
use crate::registry::{ClaimEvent, ClaimScope, FollowClaims};

use super::ShardedRegistry;

/// What is known of each shard.
#[derive(Default)]
struct ShardFeed {
    /// The claims that are there.
    known: HashSet<Identity>,
    /// Those that came since all of them began to come; `None` while they are not coming.
    coming: Option<HashSet<Identity>>,
    complete: bool,
}

/// The feeds of all shards as one.
pub(super) struct Merged {
    feeds: Vec<ShardFeed>,
    /// All claims of all shards have come once, and nothing has failed since.
    complete: bool,
}

impl FollowClaims for ShardedRegistry {
    fn follow<'a>(&'a self, scope: &ClaimScope) -> BoxStream<'a, ClaimEvent> {
        let shards = self.with(scope);
        let mut merged = Merged::of(shards.len());
        let feeds = shards.into_iter().enumerate().map(|(number, shard)| {
            let events = self.followed[shard].follow(scope);
            let events = events.filter(move |event| {
                let belongs = match event {
                    ClaimEvent::Stored(record) => {
                        self.shards.map.shard_of(&record.identity) == shard
                    }
                    _ => true,
                };
                std::future::ready(belongs)
            });
            events.map(move |event| (number, event)).boxed()
        });
        let events = stream::select_all(feeds);
        events
            .flat_map(move |(number, event)| stream::iter(merged.take(number, event)))
            .boxed()
    }
}

impl Merged {
    /// So many, of which nothing has come yet.
    pub(super) fn of(shards: usize) -> Self {
        Self {
            feeds: (0..shards).map(|_| ShardFeed::default()).collect(),
            complete: false,
        }
    }

    /// What an event of one shard is for who follows all of them.
    ///
    /// All claims come once more from a shard that failed, and from it alone. So what was known of it
    /// and does not come again is gone; and all have come once each shard is complete.
    pub(super) fn take(&mut self, number: usize, event: ClaimEvent) -> Vec<ClaimEvent> {
        let feed = &mut self.feeds[number];
        let mut events = Vec::new();
        match event {
            ClaimEvent::Begins => feed.coming = Some(HashSet::new()),
            ClaimEvent::Stored(record) => {
                feed.note(&record.identity);
                events.push(ClaimEvent::Stored(record));
            }
            ClaimEvent::Unread(identity) => {
                feed.note(&identity);
                events.push(ClaimEvent::Unread(identity));
            }
            ClaimEvent::Gone(identity) => {
                feed.known.remove(&identity);
                if let Some(coming) = &mut feed.coming {
                    coming.remove(&identity);
                }
                events.push(ClaimEvent::Gone(identity));
            }
            ClaimEvent::Complete => {
                let came = feed.coming.take().unwrap_or_default();
                let gone = feed.known.difference(&came).cloned();
                events.extend(gone.map(ClaimEvent::Gone));
                feed.known = came;
                feed.complete = true;
            }
            ClaimEvent::Failed(why) => {
                feed.complete = false;
                self.complete = false;
                events.push(ClaimEvent::Failed(why));
            }
        }
        if !self.complete && self.feeds.iter().all(|feed| feed.complete) {
            self.complete = true;
            events.extend(self.all_anew());
        }
        events
    }

    /// That all claims have come: those that are known, as they were told last. Who follows takes
    /// whatever else they know of for gone.
    fn all_anew(&self) -> Vec<ClaimEvent> {
        let known = self.feeds.iter().flat_map(|feed| feed.known.iter());
        let mut events = vec![ClaimEvent::Begins];
        events.extend(known.cloned().map(ClaimEvent::Unread));
        events.push(ClaimEvent::Complete);
        events
    }
}

impl ShardFeed {
    fn note(&mut self, identity: &Identity) {
        self.known.insert(identity.clone());
        if let Some(coming) = &mut self.coming {
            coming.insert(identity.clone());
        }
    }
}
