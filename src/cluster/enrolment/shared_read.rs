//! One read for all who ask before it begins.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::time::timeout;

/// How long a read waits for the one before it: one that gets no answer is in nobody's way.
const PATIENCE: Duration = Duration::from_millis(100);

/// A read that many ask for at a time, each of whom needs an answer that was read after they
/// asked. One is under way at a time, unless it takes long, and whoever asks meanwhile shares the
/// next one.
pub(super) struct SharedRead<T> {
    next: Arc<Mutex<Option<Pending<T>>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

type Pending<T> = Shared<BoxFuture<'static, T>>;

impl<T> Default for SharedRead<T> {
    fn default() -> Self {
        Self {
            next: Arc::default(),
            turn: Arc::default(),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> SharedRead<T> {
    /// What a read says that begins after this call.
    pub(super) async fn get<F>(&self, read: impl FnOnce() -> F + Send + 'static) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        let pending = {
            let mut next = self.next.lock();
            let pending = next.get_or_insert_with(|| self.begin(read));
            pending.clone()
        };
        pending.await
    }

    fn begin<F>(&self, read: impl FnOnce() -> F + Send + 'static) -> Pending<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (next, turn) = (self.next.clone(), self.turn.clone());
        let reading = async move {
            let _turn = timeout(PATIENCE, turn.lock()).await;
            // Whoever asks from here on needs a later one.
            next.lock().take();
            read().await
        };
        reading.boxed().shared()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    const LATENCY: Duration = Duration::from_millis(90);

    async fn began() -> Instant {
        let began = Instant::now();
        sleep(LATENCY).await;
        began
    }

    #[tokio::test(start_paused = true)]
    async fn each_gets_what_was_read_after_they_asked_and_few_reads_serve_all() {
        let shared = Arc::new(SharedRead::default());
        let asked = (0..40).map(|number| {
            let shared = shared.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(10 * number)).await;
                let asked = Instant::now();
                let began = shared.get(began).await;
                assert!(began >= asked, "{:?} too early", asked - began);
                let waited = asked.elapsed();
                assert!(waited <= 2 * LATENCY, "{waited:?}");
                began
            })
        });
        let answers = futures::future::join_all(asked.collect::<Vec<_>>()).await;
        let mut reads: Vec<Instant> = answers.into_iter().map(Result::unwrap).collect();
        reads.dedup();
        assert!(reads.len() <= 6, "{} reads", reads.len());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_the_others_their_answer() {
        let shared = Arc::new(SharedRead::default());
        let first = {
            let shared = shared.clone();
            tokio::spawn(async move { shared.get(began).await })
        };
        tokio::task::yield_now().await;
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                tokio::spawn({
                    let shared = shared.clone();
                    async move { shared.get(began).await }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        first.abort();
        waiting[0].abort();
        for one in waiting.into_iter().skip(1) {
            one.await.unwrap();
        }
        shared.get(began).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_gets_no_answer_is_in_nobodys_way() {
        let shared = Arc::new(SharedRead::default());
        let stuck = {
            let shared = shared.clone();
            tokio::spawn(async move { shared.get(std::future::pending::<Instant>).await })
        };
        tokio::task::yield_now().await;
        let asked = Instant::now();
        shared.get(began).await;
        assert_eq!(asked.elapsed(), PATIENCE + LATENCY);
        stuck.abort();
    }
}
