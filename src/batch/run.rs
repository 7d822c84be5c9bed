//! Runs a batch: reads, looks up and writes on several threads, in order.

use std::io::{Read, Write};
use std::num::NonZeroUsize;

use super::answers::{Shared, Worker};
use super::blocks::{Block, Blocks};
use super::cells::Encoding;
use super::compression::Compression;
use super::fields::without_line_ending;
use super::intake::{Body, Intake, TextBody, Understood};
use super::limits::with_limits;
use super::relay::{Progress, Sink, Source, Work, relay};
use super::summary::{Summary, Tally};
use super::{BatchError, Request, columnar};
use crate::index::Index;

/// Runs a batch: writes every input row with the output columns appended, in the same order.
///
/// Exactly `threads` threads run. Each takes the next block of whole rows, answers it, and writes
/// it when all earlier blocks are written. A slow reader of the output therefore slows the reading
/// of the input down (backpressure), and at most one block per thread is in memory.
///
/// # Errors
/// If reading the input or writing the output fails. The output written until then is incomplete.
pub fn run<R: Read + Send, W: Write + Send>(
    index: &Index,
    intake: Intake<R>,
    request: &Request,
    output: W,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Summary, BatchError> {
    let output = intake.received.bound_answers(output);
    with_limits(run_within(
        index, intake, request, output, threads, progress,
    ))
}

fn run_within<R: Read + Send, W: Write + Send>(
    index: &Index,
    intake: Intake<R>,
    request: &Request,
    mut output: W,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Summary, BatchError> {
    let understood = &intake.understood;
    let text = match intake.body {
        Body::Text(text) => text,
        Body::Columns(list) => {
            return columnar::run(index, understood, list, request, output, threads, progress);
        }
    };
    let shared = Shared::new(index, understood, request, encoding(understood));
    let first_line = first_line(&text, &shared);
    write_part(&mut output, &first_line, request.compression)?;
    let worker = || Rows {
        worker: Worker::new(&shared),
        compression: request.compression,
    };
    let (mut sink, tallies) = relay(text.blocks, Bytes(output), threads, progress, worker)?;
    sink.0.flush().map_err(BatchError::Write)?;
    Ok(Tally::of_all(tallies).summary())
}

/// Returns the header row and the first output rows, at most `rows` of them. For columnar input the
/// result is CSV, with only the input columns that are read and the output columns.
///
/// # Errors
/// If reading the input fails.
pub fn preview<R: Read>(
    index: &Index,
    intake: Intake<R>,
    request: &Request,
    rows: usize,
) -> Result<Vec<u8>, BatchError> {
    with_limits(preview_within(index, intake, request, rows))
}

fn preview_within<R: Read>(
    index: &Index,
    intake: Intake<R>,
    request: &Request,
    rows: usize,
) -> Result<Vec<u8>, BatchError> {
    let understood = &intake.understood;
    let mut text = match intake.body {
        Body::Text(text) => text,
        Body::Columns(list) => {
            return columnar::preview(index, understood, list, request, rows);
        }
    };
    let shared = Shared::new(index, understood, request, encoding(understood));
    let mut out = first_line(&text, &shared);
    let mut block = Block::default();
    if text.blocks.next(&mut block)? {
        block.rows.truncate(rows);
        Worker::new(&shared).answer(&block, &mut out);
    }
    Ok(out)
}

/// The format of the output cells in text rows.
fn encoding(understood: &Understood) -> Encoding {
    match understood.delimiter {
        Some(delimiter) => Encoding::Csv(delimiter),
        None => Encoding::Json,
    }
}

/// Returns the header row of the output.
fn first_line<R: Read>(text: &TextBody<R>, shared: &Shared<'_>) -> Vec<u8> {
    let mut out = text.mark.to_vec();
    if let Encoding::Csv(_) = shared.layout.encoding {
        let (names, ending) = without_line_ending(&text.names);
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

impl<R: Read + Send> Source for Blocks<R> {
    type Block = Block;

    fn next(&mut self, block: &mut Block) -> Result<bool, BatchError> {
        Blocks::next(self, block)
    }
}

/// A sink that writes the bytes unchanged.
struct Bytes<W>(W);

impl<W: Write + Send> Sink for Bytes<W> {
    type Part = Vec<u8>;

    fn write(&mut self, part: &mut Vec<u8>) -> Result<(), BatchError> {
        self.0.write_all(part).map_err(BatchError::Write)
    }
}

/// The pipeline stage that answers rows of text.
struct Rows<'s, 'i> {
    worker: Worker<'s, 'i>,
    compression: Compression,
}

impl Work<Block, Vec<u8>> for Rows<'_, '_> {
    type Outcome = Tally;

    fn work(&mut self, block: &mut Block, out: &mut Vec<u8>) -> Result<u64, BatchError> {
        out.clear();
        let rows_before = self.worker.tally.rows;
        self.worker.answer(block, out);
        if self.compression != Compression::None {
            *out = self.compression.pack(out).map_err(BatchError::Write)?;
        }
        Ok(self.worker.tally.rows - rows_before)
    }

    fn outcome(self) -> Tally {
        self.worker.into_tally()
    }
}
