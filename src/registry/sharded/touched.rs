//! Which shards a piece of work has asked: what it comes to rests on those, and on no other.

use std::sync::atomic::{AtomicU64, Ordering};

tokio::task_local! {
    /// A bit for each shard.
    static TOUCHED: AtomicU64;
}

/// Does a piece of work, and takes note of the shards that it asks. It has to ask them itself, and
/// not have another task do it.
pub fn noting<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    TOUCHED.scope(AtomicU64::new(0), work)
}

/// The shards that the work under way has asked until now, of so many; all of them, where it has
/// asked none, or nobody takes note.
pub fn touched(count: usize) -> Vec<usize> {
    let noted = TOUCHED.try_with(|touched| touched.load(Ordering::Relaxed));
    let noted = noted.ok().filter(|touched| *touched != 0);
    let is_noted = |shard: &usize| noted.is_none_or(|noted| noted & (1 << shard) != 0);
    (0..count).filter(is_noted).collect()
}

/// The work under way rests on all shards, whether it asks them or not.
pub fn touch_all() {
    note_bits(u64::MAX);
}

pub(super) fn touch(shard: usize) {
    note_bits(1 << shard);
}

fn note_bits(bits: u64) {
    // Where nobody takes note, nothing is to be noted.
    let _ = TOUCHED.try_with(|touched| touched.fetch_or(bits, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_rests_on_what_it_asked() {
        let noted = noting(async {
            touch(1);
            touched(3)
        });
        assert_eq!(noted.await, [1]);
        assert_eq!(noting(async { touched(2) }).await, [0, 1]);
        let all = noting(async {
            touch(0);
            touch_all();
            touched(2)
        });
        assert_eq!(all.await, [0, 1]);
        touch(1);
        assert_eq!(touched(2), [0, 1]);
    }
}
