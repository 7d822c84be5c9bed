//! Runs a batch. Several threads read blocks of rows, look up the rows, and write the output rows
//! in order.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

use super::context::BatchContext;
use super::input::{BatchInput, InputBody, TextBody};
use super::input_format::DetectedFormat;
use super::progress::BatchProgress;
use super::summary::{BatchSummary, BatchTally};
use super::summary_sheet::summary_sheet;
use super::text_rows::{TextAnswerer, write_input_header};
use super::workbook_output::WorkbookSink;
use super::{BatchError, BatchRequest, columnar, map_exceeded_limit, workbook_rows};
use crate::tabular::blocks::RowBlock;
use crate::tabular::cell_format::CellFormat;
use crate::tabular::compression::Compression;
use crate::tabular::error::TabularError;
use crate::tabular::fields::split_line_ending;
use crate::tabular::pipeline::{ByteSink, Stage, run_ordered};
use catchment_core::index::Index;

/// Runs a batch: writes the input rows in their original order, each with the output columns
/// appended.
///
/// Exactly `threads` threads run. Each thread takes the next block of whole rows, answers the
/// block, and writes its output rows after the output rows of all earlier blocks. If the reader of
/// the output is slow, the input is therefore also read slowly (back-pressure), and at most one
/// block per thread is in memory.
///
/// # Errors
/// If reading the input or writing the output fails. The output that was written before the error
/// is incomplete.
pub fn run<R: Read + Send, W: Write + Send>(
    index: &Index,
    input: BatchInput<R>,
    request: &BatchRequest,
    output: W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<BatchSummary, BatchError> {
    let output = input.received.bound_output(output);
    map_exceeded_limit(run_inner(index, input, request, output, threads, progress))
}

fn run_inner<R: Read + Send, W: Write + Send>(
    index: &Index,
    input: BatchInput<R>,
    request: &BatchRequest,
    mut output: W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<BatchSummary, BatchError> {
    let detected = &input.detected;
    let text = match input.body {
        InputBody::Text(text) => *text,
        InputBody::Columnar(columnar_input) => {
            return columnar::run(
                index,
                detected,
                columnar_input,
                request,
                output,
                threads,
                progress,
            );
        }
        InputBody::Workbook(workbook) => {
            return workbook_rows::run(
                index, detected, *workbook, request, output, threads, progress,
            );
        }
    };
    let context = BatchContext::new(index, detected, request, cell_format(detected));
    if detected.output_format.is_workbook() {
        return run_to_workbook(&context, text, detected, request, output, threads, progress);
    }
    let mut beginning = text.byte_order_mark.to_vec();
    write_lines_above_header(&text, &context, &mut beginning);
    write_header_line(&text, detected, &context, &mut beginning);
    write_compressed(&mut output, &beginning, request.compression)?;
    let worker = || TextStage {
        answerer: TextAnswerer::new(&context),
        compression: request.compression,
    };
    let add_rows = |rows| progress.add_rows(rows);
    let (mut sink, tallies) =
        run_ordered(text.blocks, ByteSink(output), threads, &add_rows, worker)?;
    sink.0.flush().map_err(TabularError::Write)?;
    Ok(BatchTally::merge_all(tallies).into_summary(&context))
}

/// Runs a batch on rows of text, and writes the output rows as a new workbook.
fn run_to_workbook<R: Read + Send, W: Write + Send>(
    context: &BatchContext<'_>,
    text: TextBody<R>,
    detected: &DetectedFormat,
    request: &BatchRequest,
    output: W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<BatchSummary, BatchError> {
    let mut beginning = Vec::new();
    write_lines_above_header(&text, context, &mut beginning);
    write_header_line(&text, detected, context, &mut beginning);
    let sink = WorkbookSink::begin(output, detected, context, &beginning)?;
    let worker = || TextStage {
        answerer: TextAnswerer::new(context),
        compression: Compression::None,
    };
    let add_rows = |rows| progress.add_rows(rows);
    let (sink, tallies) = run_ordered(text.blocks, sink, threads, &add_rows, worker)?;
    let summary = BatchTally::merge_all(tallies).into_summary(context);
    sink.finish(&summary_sheet(context.index, &summary, request))?;
    Ok(summary)
}

/// Counts the rows of text without writing the rows. Returns the counts of each thread.
pub(super) fn count_text_rows<R: Read + Send>(
    context: &BatchContext<'_>,
    text: TextBody<R>,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<Vec<BatchTally>, BatchError> {
    let worker = || TextStage {
        answerer: TextAnswerer::new(context),
        compression: Compression::None,
    };
    let add_rows = |rows| progress.add_rows(rows);
    let sink = ByteSink(io::sink());
    let (_, tallies) = run_ordered(text.blocks, sink, threads, &add_rows, worker)?;
    Ok(tallies)
}

/// Returns the header row, if there is one, and at most `rows` output rows. For columnar input, the
/// result is CSV with only two kinds of columns: the input columns that the look-up reads, and the
/// output columns.
///
/// # Errors
/// If reading the input fails.
pub fn preview<R: Read>(
    index: &Index,
    input: BatchInput<R>,
    request: &BatchRequest,
    rows: usize,
) -> Result<Vec<u8>, BatchError> {
    map_exceeded_limit(preview_inner(index, input, request, rows))
}

fn preview_inner<R: Read>(
    index: &Index,
    input: BatchInput<R>,
    request: &BatchRequest,
    rows: usize,
) -> Result<Vec<u8>, BatchError> {
    let detected = &input.detected;
    let mut text = match input.body {
        InputBody::Text(text) => *text,
        InputBody::Columnar(columnar_input) => {
            return columnar::preview(index, detected, columnar_input, request, rows);
        }
        InputBody::Workbook(workbook) => {
            return workbook_rows::preview(index, detected, *workbook, request, rows);
        }
    };
    let context = BatchContext::new(index, detected, request, cell_format(detected));
    let mut out = text.byte_order_mark.to_vec();
    write_header_line(&text, detected, &context, &mut out);
    let mut block = RowBlock::default();
    if text.blocks.next(&mut block)? {
        if block.rows.len() > rows {
            block.rows.truncate(rows);
            block.trailing_blanks = 0;
        }
        TextAnswerer::new(&context).answer_block(&block, &mut out);
    }
    Ok(out)
}

/// Returns the format of the output cells in rows of text.
fn cell_format(detected: &DetectedFormat) -> CellFormat {
    match detected.delimiter {
        Some(delimiter) => CellFormat::Csv(delimiter),
        None => CellFormat::Json,
    }
}

/// Writes the header row of the output, if the input has a header row.
fn write_header_line<R: Read>(
    text: &TextBody<R>,
    detected: &DetectedFormat,
    context: &BatchContext<'_>,
    out: &mut Vec<u8>,
) {
    if matches!(context.layout.format, CellFormat::Csv(_)) && detected.has_header {
        let (header, ending) = split_line_ending(&text.header);
        write_input_header(context, header, out);
        context.layout.write_header(out);
        out.extend_from_slice(ending);
    }
}

/// Copies the lines above the header row.
fn write_lines_above_header<R: Read>(
    text: &TextBody<R>,
    context: &BatchContext<'_>,
    out: &mut Vec<u8>,
) {
    for line in text.above_header.split_inclusive(|&byte| byte == b'\n') {
        let (line, ending) = split_line_ending(line);
        write_input_header(context, line, out);
        out.extend_from_slice(ending);
    }
}

fn write_compressed(
    output: &mut impl Write,
    bytes: &[u8],
    compression: Compression,
) -> Result<(), TabularError> {
    let written = match compression {
        _ if bytes.is_empty() => Ok(()),
        Compression::None => output.write_all(bytes),
        codec => codec
            .compress(bytes)
            .and_then(|compressed| output.write_all(&compressed)),
    };
    written.map_err(TabularError::Write)
}

/// The pipeline stage that answers rows of text.
struct TextStage<'s, 'i> {
    answerer: TextAnswerer<'s, 'i>,
    compression: Compression,
}

impl Stage<RowBlock, Vec<u8>> for TextStage<'_, '_> {
    type Outcome = BatchTally;

    fn process(&mut self, block: &mut RowBlock, out: &mut Vec<u8>) -> Result<u64, TabularError> {
        out.clear();
        let rows_before = self.answerer.rows();
        self.answerer.answer_block(block, out);
        if self.compression != Compression::None {
            *out = self
                .compression
                .compress(out)
                .map_err(TabularError::Write)?;
        }
        Ok(self.answerer.rows() - rows_before)
    }

    fn finish(self) -> BatchTally {
        self.answerer.into_tally()
    }
}
