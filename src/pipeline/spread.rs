//! The same work on many things, by several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What `work` gives for each of `items`, in their order, with up to `jobs` threads. Who takes which item is left to
/// chance, so `work` may not depend on it.
pub(super) fn spread<I: Sync, R: Send>(jobs: usize, items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let threads = jobs.min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done: Vec<(usize, R)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        // This thread works too.
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(some)).collect();
        let mut results = some();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1_000).collect();
        let squares: Vec<usize> = items.iter().map(|n| n * n).collect();
        for jobs in [0, 1, 2, 8] {
            assert_eq!(spread(jobs, &items, |n| n * n), squares);
        }
        assert_eq!(spread(4, &[] as &[usize], |n| *n), [0; 0]);
    }
}
