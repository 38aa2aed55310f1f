//! What people and GitOps ask of the clusters, and what they are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aso_guard::admission::Verdict;
use aso_guard::admission::review::parse;
use aso_guard::object::ObjectFacts;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, NAMESPACE};
use super::member::Member;
use super::random::Random;
use super::resource::{Resource, review};

/// What a webhook's configuration gives a guard.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an API server takes with a request after its webhooks.
const STORING: Duration = Duration::from_millis(60);
/// How soon GitOps tries again what was refused because nobody could know.
const RETRY: Duration = Duration::from_mins(1);
/// How long a resource lives that was made in a test.
const LIFE: Duration = Duration::from_mins(10);
/// One create in so many is of a resource that another cluster has, and as many are of one that
/// another cluster creates at the same time.
const SHARED: usize = 10;

/// What came of requests.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// How long each waited for its verdict.
    pub waited: Vec<Duration>,
    /// How many there were of each.
    pub of: BTreeMap<&'static str, usize>,
}

impl Verdicts {
    /// The time within which so many of a hundred had a verdict.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.waited.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }
}

/// Whoever asks: people and GitOps of all clusters.
pub struct Users {
    /// What they were told.
    pub told: Mutex<Verdicts>,
    random: Mutex<Random>,
    /// How many ask again and again.
    waiting: Mutex<usize>,
    /// How many new resources there were.
    made: AtomicUsize,
}

/// What is asked of a cluster's API server.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// To create an object, with this policy.
    Create(Option<&'static str>),
    /// To have the object be parked.
    Park,
    /// To delete it.
    Delete,
}

impl Users {
    /// Nobody has asked yet.
    pub fn new(seed: u64) -> Self {
        Self {
            told: Mutex::default(),
            random: Mutex::new(Random::new(seed, 2)),
            waiting: Mutex::default(),
            made: AtomicUsize::new(0),
        }
    }

    /// How many ask again and again, for nobody could tell them.
    pub fn waiting(&self) -> usize {
        *self.waiting.lock()
    }

    /// Has an API server do this, if its guard admits it. Gives whether that is so.
    pub async fn ask(&self, member: &Member, resource: &Resource, ask: Ask) -> Verdict {
        let (number, storing) = {
            let random = &mut *self.random.lock();
            (random.next(), random.part_of(STORING))
        };
        let uid = format!("{number:016x}");
        let named = resource.object(NAMESPACE, &uid, None);
        let before = member.cluster.stored(&named.key);
        let now = match (ask, &before) {
            (Ask::Create(policy), _) => Some(resource.object(NAMESPACE, &uid, policy)),
            (Ask::Park, Some(before)) => {
                let mut parked = ObjectFacts::clone(before);
                parked.annotations.policy = Some("skip".into());
                Some(parked)
            }
            _ => None,
        };
        let before = before.filter(|_| !matches!(ask, Ask::Create(_)));
        let body = review(&uid, now.as_ref(), before.as_deref());
        let request = parse(&body).expect("it is what an API server sends");
        let replica = &member.replicas[number as usize % member.replicas.len()];
        let began = Instant::now();
        let verdict = replica.guard.judge(&request, TIMEOUT).await;
        {
            let told = &mut *self.told.lock();
            told.waited.push(began.elapsed());
            let reason = verdict.reason.map(|reason| reason.as_str());
            let words = if verdict.allowed {
                "admitted"
            } else {
                reason.unwrap_or("refused")
            };
            *told.of.entry(words).or_default() += 1;
        }
        if !verdict.allowed {
            return verdict;
        }
        sleep(storing).await;
        let identity = resource.identity();
        match (now, before) {
            (Some(now), _) => member.store(now, &identity).await,
            (None, Some(before)) => member.remove(&before, &identity).await,
            (None, None) => {}
        }
        verdict
    }

    /// The same, again and again while nobody can tell.
    pub async fn insist(&self, member: &Member, resource: &Resource, ask: Ask) -> Verdict {
        let mut waits = false;
        loop {
            let verdict = self.ask(member, resource, ask).await;
            let unknown = !verdict.allowed && verdict.code == 503;
            if unknown != waits {
                let waiting = &mut *self.waiting.lock();
                *waiting = if unknown { *waiting + 1 } else { *waiting - 1 };
                waits = unknown;
            }
            if !unknown {
                return verdict;
            }
            sleep(RETRY).await;
        }
    }

    /// Creates a resource, and deletes it when its time is over.
    async fn live(self: Arc<Self>, member: Arc<Member>, resource: Resource) {
        let made = self.insist(&member, &resource, Ask::Create(None)).await;
        if made.allowed {
            sleep(LIFE).await;
            self.insist(&member, &resource, Ask::Delete).await;
        }
    }

    /// Creates, and deletes later, so many resources an hour in each cluster, for so long, until
    /// the time is over. Some are another cluster's, or become one at the same time.
    pub async fn work(self: &Arc<Self>, fleet: &Fleet, each_hour: f64, lasting: Duration) {
        if each_hour <= 0.0 {
            return sleep(lasting).await;
        }
        let mut tasks = JoinSet::new();
        let pause = Duration::from_hours(1).div_f64(each_hour * fleet.members.len() as f64);
        let end = Instant::now() + lasting;
        loop {
            let wait = self.random.lock().part_of(pause * 2);
            if Instant::now() + wait >= end {
                break;
            }
            sleep(wait).await;
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let (member, other, kind) = {
                let random = &mut *self.random.lock();
                let mut one = || fleet.members[random.below(fleet.members.len())].clone();
                (one(), one(), random.below(SHARED))
            };
            let new = Resource::group(&format!("rg-new-{number}"));
            let is_other = other.name != member.name;
            match kind {
                // Another cluster has it.
                0 if is_other => {
                    let held = Resource::of(other.name.as_str(), 0);
                    tasks.spawn(self.clone().live(member, held));
                }
                // Another cluster asks for it at the same time.
                1 if is_other => {
                    tasks.spawn(self.clone().live(other, new.clone()));
                    tasks.spawn(self.clone().live(member, new));
                }
                _ => {
                    tasks.spawn(self.clone().live(member, new));
                }
            }
            while tasks.try_join_next().is_some() {}
        }
        tasks.detach_all();
        sleep(end - Instant::now()).await;
    }
}
