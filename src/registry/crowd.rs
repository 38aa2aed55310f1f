//! How many admissions have to do with a registry at once. Those that come when it is as many as it
//! may be are answered at once: behind a registry that is slow they would pile up, take memory, and
//! wait for no verdict but that their time is over.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::RegistryError;

/// How many admissions may have to do with a registry at once: more than one API server has under
/// way by default, 600.
pub const ADMISSIONS: usize = 1024;

tokio::task_local! {
    /// The places that an admission has taken, one for each registry that it has asked.
    static PLACES: Mutex<Vec<OwnedSemaphorePermit>>;
}

/// Judges a request. From its first call of a registry to its end, it has a place among those that
/// may ask it. It has to ask itself, and not have another task do it.
pub fn admission<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    PLACES.scope(Mutex::default(), work)
}

/// The admissions that have to do with a registry.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    places: Arc<Semaphore>,
    size: usize,
}

impl Default for Crowd {
    fn default() -> Self {
        Self::of(ADMISSIONS)
    }
}

impl Crowd {
    fn of(size: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(size)),
            size,
        }
    }

    /// The admission under way is about to ask the registry. What is no admission may always ask.
    ///
    /// # Errors
    /// As many others as may do so are at it.
    pub(super) fn enter(&self) -> Result<(), RegistryError> {
        let entered = PLACES.try_with(|places| {
            let mut places = places.lock();
            let is_in = |place: &OwnedSemaphorePermit| Arc::ptr_eq(place.semaphore(), &self.places);
            if places.iter().any(is_in) {
                return Ok(());
            }
            let place = Arc::clone(&self.places).try_acquire_owned();
            places.push(place.map_err(|_| RegistryError::Crowded(self.size))?);
            Ok(())
        });
        entered.unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_admission_has_one_place_until_it_ends() {
        let crowd = Crowd::of(1);
        let judged = admission(async {
            crowd.enter().unwrap();
            crowd.enter().unwrap();
            let other = admission(async { crowd.enter() }).await;
            assert!(matches!(other, Err(RegistryError::Crowded(1))));
            crowd.places.available_permits()
        });
        assert_eq!(judged.await, 0);
        assert_eq!(crowd.places.available_permits(), 1);
    }

    #[tokio::test]
    async fn who_asks_another_registry_has_a_place_there_too() {
        let (one, other) = (Crowd::of(1), Crowd::of(1));
        admission(async {
            one.enter().unwrap();
            other.enter().unwrap();
            assert_eq!(one.places.available_permits(), 0);
            assert_eq!(other.places.available_permits(), 0);
        })
        .await;
    }

    #[test]
    fn what_is_no_admission_may_always_ask() {
        let crowd = Crowd::of(0);
        crowd.enter().unwrap();
    }
}
