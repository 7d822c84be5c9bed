//! An ordered pipeline. Several threads process the blocks of a source, and a sink receives the
//! results in the order of the blocks.

use std::io::Write;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use super::POISONED;
use super::error::TabularError;

/// A source of blocks.
pub(crate) trait BlockSource: Send {
    /// A block of rows. Each thread reuses one value for all its blocks.
    type Block: Default;
    /// Fills `block` with the next rows. Returns `false` if there are no more rows.
    fn next(&mut self, block: &mut Self::Block) -> Result<bool, TabularError>;
}

/// A sink that receives the results in the order of the blocks.
pub(crate) trait OutputSink: Send {
    /// The result of a block. Each thread reuses one value for all its blocks.
    type Output: Default;
    /// Writes a result.
    fn write(&mut self, output: &mut Self::Output) -> Result<(), TabularError>;
}

/// A sink that writes bytes unchanged.
pub(crate) struct ByteSink<W>(pub(crate) W);

impl<W: Write + Send> OutputSink for ByteSink<W> {
    type Output = Vec<u8>;

    fn write(&mut self, output: &mut Vec<u8>) -> Result<(), TabularError> {
        self.0.write_all(output).map_err(TabularError::Write)
    }
}

/// The work of one thread.
pub(crate) trait Stage<Block, Output> {
    /// The value that the thread returns at the end.
    type Outcome: Send;
    /// Computes the result of a block and returns the number of rows in the block. May move values
    /// out of the block.
    fn process(&mut self, block: &mut Block, output: &mut Output) -> Result<u64, TabularError>;
    /// Returns the outcome after the last block.
    fn finish(self) -> Self::Outcome;
}

/// Processes all blocks on exactly `threads` threads. Each thread takes the next block, processes
/// it, and writes the result after all earlier results. If the sink is slow, reading therefore also
/// slows down (back-pressure), and at most one block per thread is in memory. `add_rows` is called
/// with the number of rows of each written block. Returns the sink and the outcome of each thread.
///
/// # Errors
/// If the source, the processing or the sink fails. The first error stops all threads and is
/// returned.
pub(crate) fn run_ordered<S: BlockSource, K: OutputSink, W: Stage<S::Block, K::Output>>(
    source: S,
    sink: K,
    threads: NonZeroUsize,
    add_rows: &(dyn Fn(u64) + Sync),
    worker: impl Fn() -> W + Sync,
) -> Result<(K, Vec<W::Outcome>), TabularError> {
    let pipeline = OrderedPipeline {
        input: Mutex::new(InputState {
            next_index: 0,
            source,
            has_failed: false,
        }),
        output: Mutex::new(OutputState {
            next_index: 0,
            sink,
        }),
        turn_changed: Condvar::new(),
        has_stopped: AtomicBool::new(false),
        add_rows,
    };
    let outcomes = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get())
            .map(|_| scope.spawn(|| pipeline.run_worker(worker())))
            .collect();
        let own_outcome = pipeline.run_worker(worker());
        let others = others
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(own_outcome)
            .chain(others)
            .collect::<Vec<_>>()
    });
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((pipeline.output.into_inner().expect(POISONED).sink, outcomes))
}

/// The state shared by the threads.
struct OrderedPipeline<'p, S, K> {
    input: Mutex<InputState<S>>,
    output: Mutex<OutputState<K>>,
    /// The condition variable that is notified when the next block may be written, and when the run
    /// stops.
    turn_changed: Condvar,
    has_stopped: AtomicBool,
    /// The function that is called with the number of rows of each written block.
    add_rows: &'p (dyn Fn(u64) + Sync),
}

/// The source, and the index of its next block.
struct InputState<S> {
    next_index: u64,
    source: S,
    /// Whether the source has failed. Nothing is read after an error, because the rest of the input
    /// could be misinterpreted.
    has_failed: bool,
}

/// The sink, and the index of the block to be written next.
struct OutputState<K> {
    next_index: u64,
    sink: K,
}

/// A guard that stops the other threads if its own thread fails or panics.
struct StopOnDrop<'r, 'p, S, K> {
    pipeline: &'r OrderedPipeline<'p, S, K>,
    is_done: bool,
}

impl<S, K> Drop for StopOnDrop<'_, '_, S, K> {
    fn drop(&mut self) {
        if !self.is_done {
            // Without the lock, a thread could check the flag before this store and start to wait
            // after the notification. The lock is acquired even if a panic has poisoned it.
            let _guard = self.pipeline.output.lock();
            self.pipeline.has_stopped.store(true, Ordering::SeqCst);
            self.pipeline.turn_changed.notify_all();
        }
    }
}

impl<S: BlockSource, K: OutputSink> OrderedPipeline<'_, S, K> {
    /// Processes blocks until the source has no more blocks.
    fn run_worker<W: Stage<S::Block, K::Output>>(
        &self,
        mut worker: W,
    ) -> Result<W::Outcome, TabularError> {
        let mut stop = StopOnDrop {
            pipeline: self,
            is_done: false,
        };
        let mut block = S::Block::default();
        let mut output = K::Output::default();
        while !self.has_stopped.load(Ordering::SeqCst) {
            let Some(index) = self.next_block(&mut block)? else {
                break;
            };
            let rows = worker.process(&mut block, &mut output)?;
            let Some(mut state) = self.wait_for_turn(index) else {
                break;
            };
            state.sink.write(&mut output)?;
            state.next_index += 1;
            drop(state);
            self.turn_changed.notify_all();
            (self.add_rows)(rows);
        }
        stop.is_done = true;
        Ok(worker.finish())
    }

    /// Fills the block and returns its index, or returns `None` if there are no more blocks.
    fn next_block(&self, block: &mut S::Block) -> Result<Option<u64>, TabularError> {
        let mut input = self.input.lock().expect(POISONED);
        if input.has_failed {
            return Ok(None);
        }
        let next = input.source.next(block);
        input.has_failed = next.is_err();
        if !next? {
            return Ok(None);
        }
        let index = input.next_index;
        input.next_index += 1;
        Ok(Some(index))
    }

    /// Waits until the block may be written. Returns `None` if the run stops first.
    fn wait_for_turn(&self, index: u64) -> Option<MutexGuard<'_, OutputState<K>>> {
        let state = self.output.lock().expect(POISONED);
        let waits = |state: &mut OutputState<K>| {
            state.next_index != index && !self.has_stopped.load(Ordering::SeqCst)
        };
        let state = self.turn_changed.wait_while(state, waits).expect(POISONED);
        (state.next_index == index).then_some(state)
    }
}
