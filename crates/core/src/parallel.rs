//! Runs a function over items on several threads.

use std::iter;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;

/// Returns the results of `run` for all items, in the order of the items, using a thread for each
/// processor. See [`parallel_map_on`].
///
/// # Panics
/// If `run` panics.
pub fn parallel_map<T: Send, R: Send>(items: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    let available = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    parallel_map_on(available, items, run)
}

/// Returns the results of `run` for all items, in the order of the items. Each thread takes the
/// next item when it has finished its previous item, so an item may take much longer than other
/// items.
///
/// # Panics
/// If `run` panics.
pub fn parallel_map_on<T: Send, R: Send>(
    threads: NonZeroUsize,
    items: Vec<T>,
    run: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let thread_count = threads.get().min(items.len());
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().ok()?.next();
    let work = || {
        let taken = iter::from_fn(next);
        taken
            .map(|(position, item)| (position, run(item)))
            .collect::<Vec<(usize, R)>>()
    };
    let mut results = thread::scope(|scope| {
        let threads: Vec<_> = (1..thread_count).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for thread in threads {
            results.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results
    });
    results.sort_unstable_by_key(|&(position, _)| position);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let numbers: Vec<u64> = (0..1_000).collect();
        let squares = parallel_map(numbers.clone(), |number| {
            if number % 100 == 0 {
                thread::sleep(std::time::Duration::from_millis(1));
            }
            number * number
        });
        let expected: Vec<u64> = numbers.iter().map(|number| number * number).collect();
        assert_eq!(squares, expected);
        assert!(parallel_map(Vec::<u64>::new(), |number| number).is_empty());
    }

    #[test]
    #[should_panic(expected = "an item")]
    fn a_panic_is_passed_on() {
        parallel_map(vec![1, 2, 3], |number| assert_ne!(number, 2, "an item"));
    }
}
