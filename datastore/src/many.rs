//! Work on many artifacts of one store.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rayon::prelude::*;

use crate::artifact::ArtifactStore;

/// Does something for each of `count` artifacts of a store, several at a time, and gives the
/// results in their order.
///
/// For files that is work of the processors. Whoever asks an object store mostly waits, so that is
/// left to threads of its own, as many as the store takes requests at once: a pool for computations
/// never waits for a network.
pub fn for_many<T: Send>(
    store: &dyn ArtifactStore,
    count: usize,
    work: &(dyn Fn(usize) -> T + Sync),
) -> Vec<T> {
    at_once(store.requests_at_once(), count, work)
}

/// The same for artifacts of several stores, one of which takes that many requests at once.
pub(crate) fn at_once<T: Send>(
    threads: Option<NonZeroUsize>,
    count: usize,
    work: &(dyn Fn(usize) -> T + Sync),
) -> Vec<T> {
    let Some(threads) = threads else {
        return (0..count).into_par_iter().map(work).collect();
    };
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return done;
            }
            done.push((at, work(at)));
        }
    };
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get().min(count)).map(|_| scope.spawn(worker)).collect();
        let joined =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|e| resume_unwind(e)));
        joined.flatten().collect()
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use camino::Utf8Path;
    use object_store::memory::InMemory;

    use super::*;
    use crate::local_store::LocalStore;
    use crate::object_artifacts::ObjectStoreArtifacts;
    use crate::uri::ArtifactUri;

    #[test]
    fn results_are_in_order_and_requests_leave_the_pool_alone() {
        let root = ArtifactUri::parse("mem://bucket/").unwrap();
        let objects = ObjectStoreArtifacts::new(Arc::new(InMemory::new()), root, "");
        let files = LocalStore::new(Utf8Path::new("/nowhere")).unwrap();
        let stores: [(&dyn ArtifactStore, bool); 2] = [(&objects, false), (&files, true)];
        for (store, pooled) in stores {
            let found = for_many(store, 100, &|at| (at * at, rayon::current_thread_index()));
            assert!(found.iter().all(|(_, thread)| thread.is_some() == pooled));
            let squares: Vec<usize> = found.iter().map(|(square, _)| *square).collect();
            assert_eq!(squares, (0..100).map(|at| at * at).collect::<Vec<_>>());
            assert!(for_many(store, 0, &|at| at).is_empty());
        }
    }
}
