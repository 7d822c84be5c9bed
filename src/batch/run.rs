//! Reads, answers and writes, on several threads and in order.

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use super::answers::{Shared, Worker};
use super::blocks::{Block, Blocks};
use super::cells::Encoding;
use super::compression::Compression;
use super::fields::without_line_ending;
use super::intake::Intake;
use super::memo::UNPOISONED;
use super::summary::{Summary, Tally};
use super::{BatchError, Request};
use crate::index::Index;

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

/// Answers a list: every row of it is written in its place, with our columns at its end.
///
/// Exactly `threads` threads work. Each takes the next block of whole rows, answers it and writes it
/// when its turn has come; so a slow reader of the answers slows the reading down, and what is in
/// memory is a block for each thread.
///
/// # Errors
/// When the list cannot be read to its end, or the answers cannot be written; what was written until
/// then is no whole list.
pub fn run<R: Read + Send, W: Write + Send>(
    index: &Index,
    intake: Intake<R>,
    request: &Request,
    mut output: W,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Summary, BatchError> {
    let shared = Shared::new(index, &intake.understood, request);
    let first_line = first_line(&intake, &shared);
    write_part(&mut output, &first_line, request.compression)?;
    let relay = Relay {
        input: Mutex::new(intake.blocks),
        output: Mutex::new(Turn { next: 0, output }),
        turned: Condvar::new(),
        has_stopped: AtomicBool::new(false),
        compression: request.compression,
        progress,
    };
    let tallies = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get())
            .map(|_| scope.spawn(|| relay.work(&shared)))
            .collect();
        let mine = relay.work(&shared);
        let others = others
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(mine).chain(others).collect::<Vec<_>>()
    });
    let mut tally = Tally::default();
    let mut fault = None;
    for outcome in tallies {
        match outcome {
            Ok(more) => tally = tally.and(more),
            // The first thread to meet one stops the others.
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    if let Some(fault) = fault {
        return Err(fault);
    }
    let mut turn = relay.output.into_inner().expect(UNPOISONED);
    turn.output.flush().map_err(BatchError::Write)?;
    Ok(tally.summary())
}

/// The first rows of a list, at most `rows` of them, as they would become; with the line of names.
///
/// # Errors
/// When the list cannot be read.
pub fn preview<R: Read>(
    index: &Index,
    mut intake: Intake<R>,
    request: &Request,
    rows: usize,
) -> Result<Vec<u8>, BatchError> {
    let shared = Shared::new(index, &intake.understood, request);
    let mut out = first_line(&intake, &shared);
    let mut block = Block::default();
    if intake.blocks.next(&mut block)? {
        block.rows.truncate(rows);
        Worker::new(&shared).answer(&block, &mut out);
    }
    Ok(out)
}

/// The line with the names, as it becomes.
fn first_line<R: Read>(intake: &Intake<R>, shared: &Shared<'_>) -> Vec<u8> {
    let mut out = intake.mark.to_vec();
    if let Encoding::Csv(_) = shared.layout.encoding {
        let (names, ending) = without_line_ending(&intake.names);
        shared.user_names(names, &mut out);
        shared.layout.names(&mut out);
        out.extend_from_slice(ending);
    }
    out
}

fn write_part(
    output: &mut impl Write,
    part: &[u8],
    compression: Compression,
) -> Result<(), BatchError> {
    let written = match compression {
        _ if part.is_empty() => Ok(()),
        Compression::None => output.write_all(part),
        packed => packed
            .pack(part)
            .and_then(|packed| output.write_all(&packed)),
    };
    written.map_err(BatchError::Write)
}

/// What the threads hand on to each other.
struct Relay<'p, B, W> {
    input: Mutex<Blocks<B>>,
    output: Mutex<Turn<W>>,
    /// Told when it is another block's turn to be written, or when all is over.
    turned: Condvar,
    has_stopped: AtomicBool,
    compression: Compression,
    progress: &'p Progress,
}

/// Whose turn it is to write.
struct Turn<W> {
    next: u64,
    output: W,
}

/// Ends the waiting of the others where a thread fails or panics.
struct Stop<'r, 'p, B, W> {
    relay: &'r Relay<'p, B, W>,
    is_done: bool,
}

impl<B, W> Drop for Stop<'_, '_, B, W> {
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

impl<B: Read, W: Write> Relay<'_, B, W> {
    /// One thread's work, until there is no more.
    fn work(&self, shared: &Shared<'_>) -> Result<Tally, BatchError> {
        let mut stop = Stop {
            relay: self,
            is_done: false,
        };
        let mut worker = Worker::new(shared);
        let mut block = Block::default();
        let mut out = Vec::new();
        while !self.has_stopped.load(Ordering::SeqCst) && self.next_block(&mut block)? {
            out.clear();
            let rows_before = worker.tally.rows;
            worker.answer(&block, &mut out);
            if self.compression != Compression::None {
                out = self.compression.pack(&out).map_err(BatchError::Write)?;
            }
            let Some(mut turn) = self.turn(block.number) else {
                break;
            };
            turn.output.write_all(&out).map_err(BatchError::Write)?;
            turn.next += 1;
            drop(turn);
            self.turned.notify_all();
            let rows = worker.tally.rows - rows_before;
            self.progress.rows.fetch_add(rows, Ordering::Relaxed);
        }
        stop.is_done = true;
        Ok(worker.into_tally())
    }

    fn next_block(&self, block: &mut Block) -> Result<bool, BatchError> {
        self.input.lock().expect(UNPOISONED).next(block)
    }

    /// Waits for the block's turn; `None` where all is over before.
    fn turn(&self, number: u64) -> Option<MutexGuard<'_, Turn<W>>> {
        let turn = self.output.lock().expect(UNPOISONED);
        let waits =
            |turn: &mut Turn<W>| turn.next != number && !self.has_stopped.load(Ordering::SeqCst);
        let turn = self.turned.wait_while(turn, waits).expect(UNPOISONED);
        (turn.next == number).then_some(turn)
    }
}
