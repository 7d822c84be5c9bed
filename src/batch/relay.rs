//! Hands blocks from a source over several threads to a sink, in order.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use super::BatchError;
use super::memo::UNPOISONED;

/// How far a run has come, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
}

impl Progress {
    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// Gives block after block.
pub(crate) trait Source: Send {
    /// Some rows; filled again and again.
    type Block: Default;
    /// Fills the block with the next rows; whether there were any.
    fn next(&mut self, block: &mut Self::Block) -> Result<bool, BatchError>;
}

/// Takes what became of the blocks, in their order.
pub(crate) trait Sink: Send {
    /// What becomes of a block; filled again and again.
    type Part: Default;
    /// Writes it.
    fn write(&mut self, part: &mut Self::Part) -> Result<(), BatchError>;
}

/// One thread's work.
pub(crate) trait Work<Block, Part> {
    /// What is left of it at the end.
    type Outcome: Send;
    /// Makes a part of a block; of how many rows. It may take what the block holds.
    fn work(&mut self, block: &mut Block, part: &mut Part) -> Result<u64, BatchError>;
    /// When there is no more.
    fn outcome(self) -> Self::Outcome;
}

/// Exactly `threads` threads work. Each takes the next block, works on it and writes it when its turn
/// has come; so a slow reader of the sink slows the reading down, and what is in memory is a block for
/// each thread. Returns the sink and what each thread leaves.
///
/// # Errors
/// Those of the source, the work and the sink: the first to meet one stops the others.
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

/// What the threads hand on to each other.
struct Relay<'p, S, K> {
    input: Mutex<Numbered<S>>,
    output: Mutex<Turn<K>>,
    /// Told when it is another block's turn to be written, or when all is over.
    turned: Condvar,
    has_stopped: AtomicBool,
    progress: &'p Progress,
}

/// Counts the blocks.
struct Numbered<S> {
    next: u64,
    source: S,
    /// Nothing is read behind a fault: what follows would only be misunderstood.
    has_failed: bool,
}

/// Whose turn it is to write.
struct Turn<K> {
    next: u64,
    sink: K,
}

/// Ends the waiting of the others where a thread fails or panics.
struct Stop<'r, 'p, S, K> {
    relay: &'r Relay<'p, S, K>,
    is_done: bool,
}

impl<S, K> Drop for Stop<'_, '_, S, K> {
    fn drop(&mut self) {
        if !self.is_done {
            // Under the lock, so that nobody looks before it and waits after it; a panic may have
            // poisoned it, and it serves all the same.
            let _turn = self.relay.output.lock();
            self.relay.has_stopped.store(true, Ordering::SeqCst);
            self.relay.turned.notify_all();
        }
    }
}

impl<S: Source, K: Sink> Relay<'_, S, K> {
    /// One thread's work, until there is no more.
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

    /// The number of the block that was filled; `None` where there is no more.
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

    /// Waits for the block's turn; `None` where all is over before.
    fn turn(&self, number: u64) -> Option<MutexGuard<'_, Turn<K>>> {
        let turn = self.output.lock().expect(UNPOISONED);
        let waits =
            |turn: &mut Turn<K>| turn.next != number && !self.has_stopped.load(Ordering::SeqCst);
        let turn = self.turned.wait_while(turn, waits).expect(UNPOISONED);
        (turn.next == number).then_some(turn)
    }
}
