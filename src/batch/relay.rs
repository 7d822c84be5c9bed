//! An ordered pipeline: several threads process the blocks of a source, and a sink receives the
//! results in the order of the blocks.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use super::BatchError;
use super::memo::UNPOISONED;

/// The progress of a run, readable while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
}

impl Progress {
    /// Returns the number of rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// A source of blocks.
pub(crate) trait Source: Send {
    /// A block of rows; one value is reused for all blocks of a thread.
    type Block: Default;
    /// Fills `block` with the next rows. Returns `false` if there are none.
    fn next(&mut self, block: &mut Self::Block) -> Result<bool, BatchError>;
}

/// A sink that receives the results in the order of the blocks.
pub(crate) trait Sink: Send {
    /// The result of a block; one value is reused for all blocks of a thread.
    type Part: Default;
    /// Writes a result.
    fn write(&mut self, part: &mut Self::Part) -> Result<(), BatchError>;
}

/// The work of one thread.
pub(crate) trait Work<Block, Part> {
    /// What the thread returns at the end.
    type Outcome: Send;
    /// Computes the result of a block and returns its number of rows. It may take values out of the
    /// block.
    fn work(&mut self, block: &mut Block, part: &mut Part) -> Result<u64, BatchError>;
    /// Returns the outcome after the last block.
    fn outcome(self) -> Self::Outcome;
}

/// Processes all blocks on exactly `threads` threads. Each thread takes the next block, processes
/// it, and writes the result when all earlier results are written. A slow sink therefore slows the
/// reading down (backpressure), and at most one block per thread is in memory. Returns the sink and
/// the outcome of each thread.
///
/// # Errors
/// The first error of the source, the processing or the sink; it stops all threads.
pub(crate) fn relay<S: Source, K: Sink, W: Work<S::Block, K::Part>>(
    source: S,
    sink: K,
    threads: NonZeroUsize,
    progress: &Progress,
    worker: impl Fn() -> W + Sync,
) -> Result<(K, Vec<W::Outcome>), BatchError> {
    let relay = Relay {
        input: Mutex::new(Numbered {
            next: 0,
            source,
            has_failed: false,
        }),
        output: Mutex::new(Turn { next: 0, sink }),
        turned: Condvar::new(),
        has_stopped: AtomicBool::new(false),
        progress,
    };
    let outcomes = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get())
            .map(|_| scope.spawn(|| relay.work(worker())))
            .collect();
        let mine = relay.work(worker());
        let others = others
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(mine).chain(others).collect::<Vec<_>>()
    });
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((relay.output.into_inner().expect(UNPOISONED).sink, outcomes))
}

/// The state shared by the threads.
struct Relay<'p, S, K> {
    input: Mutex<Numbered<S>>,
    output: Mutex<Turn<K>>,
    /// Notified when the next block may be written, and when the run stops.
    turned: Condvar,
    has_stopped: AtomicBool,
    progress: &'p Progress,
}

/// The source, and the index of its next block.
struct Numbered<S> {
    next: u64,
    source: S,
    /// Nothing is read after an error, because the rest could be misinterpreted.
    has_failed: bool,
}

/// The sink, and the index of the block to be written next.
struct Turn<K> {
    next: u64,
    sink: K,
}

/// Stops the other threads if a thread fails or panics.
struct Stop<'r, 'p, S, K> {
    relay: &'r Relay<'p, S, K>,
    is_done: bool,
}

impl<S, K> Drop for Stop<'_, '_, S, K> {
    fn drop(&mut self) {
        if !self.is_done {
            // The lock prevents a thread from checking the flag before this store and waiting after
            // the notification. If a panic has poisoned the lock, it is acquired all the same.
            let _turn = self.relay.output.lock();
            self.relay.has_stopped.store(true, Ordering::SeqCst);
            self.relay.turned.notify_all();
        }
    }
}

impl<S: Source, K: Sink> Relay<'_, S, K> {
    /// Processes blocks until there are none left.
    fn work<W: Work<S::Block, K::Part>>(&self, mut worker: W) -> Result<W::Outcome, BatchError> {
        let mut stop = Stop {
            relay: self,
            is_done: false,
        };
        let mut block = S::Block::default();
        let mut part = K::Part::default();
        while !self.has_stopped.load(Ordering::SeqCst) {
            let Some(number) = self.next_block(&mut block)? else {
                break;
            };
            let rows = worker.work(&mut block, &mut part)?;
            let Some(mut turn) = self.turn(number) else {
                break;
            };
            turn.sink.write(&mut part)?;
            turn.next += 1;
            drop(turn);
            self.turned.notify_all();
            self.progress.rows.fetch_add(rows, Ordering::Relaxed);
        }
        stop.is_done = true;
        Ok(worker.outcome())
    }

    /// Fills the block and returns its index, or returns `None` if there are no more blocks.
    fn next_block(&self, block: &mut S::Block) -> Result<Option<u64>, BatchError> {
        let mut input = self.input.lock().expect(UNPOISONED);
        if input.has_failed {
            return Ok(None);
        }
        let next = input.source.next(block);
        input.has_failed = next.is_err();
        if !next? {
            return Ok(None);
        }
        let number = input.next;
        input.next += 1;
        Ok(Some(number))
    }

    /// Waits until the block may be written. Returns `None` if the run stops first.
    fn turn(&self, number: u64) -> Option<MutexGuard<'_, Turn<K>>> {
        let turn = self.output.lock().expect(UNPOISONED);
        let waits =
            |turn: &mut Turn<K>| turn.next != number && !self.has_stopped.load(Ordering::SeqCst);
        let turn = self.turned.wait_while(turn, waits).expect(UNPOISONED);
        (turn.next == number).then_some(turn)
    }
}
