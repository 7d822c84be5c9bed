//! Columnar input: Parquet files and Arrow streams. The look-up reads the cells of a row from the
//! arrays of the columns that it needs, and answers the row like a row of text. The user's columns
//! are copied unchanged, and the output columns follow them.
//!
//! ```text
//!  Arrow stream ──► RecordBatches  ──► workers: texts → cells → arrays ──► added to the batch
//!  Parquet file ──► RowGroupReader ──► (only columns that are read)    ──► added to the row group
//! ```

mod arrays;
mod arrow_stream;
mod input_columns;
mod parquet_check;
mod record_batches;
mod row_groups;
mod thrift;
mod write;

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};

use self::input_columns::InputColumn;
use self::record_batches::{BatchSlice, RecordRows};
use self::row_groups::{GroupAnswers, GroupRows, ParquetAppender};
use self::write::ArrowSink;
use super::cell_format::{CellFormat, write_csv_cell};
use super::compression::Compression;
use super::delimiter::Delimiter;
use super::input_format::{BatchFormat, DetectedFormat};
use super::pipeline::{BatchProgress, Stage, run_ordered};
use super::summary::{BatchSummary, BatchTally};
use super::worker::{BatchContext, BatchWorker};
use super::{BatchError, BatchRequest, FIELD_BYTES_MAX, OutputColumn};
use crate::index::Index;

pub(crate) use self::arrays::{ArrayBuilders, output_field};
pub(super) use self::input_columns::check_types;
pub(super) use self::record_batches::{ARROW_CONTINUATION, RecordBatches};
pub(super) use self::row_groups::ParquetFile;
pub(crate) use self::write::{ParquetSink, RowGroupChunks, RowGroupFactory};

/// The magic bytes at the start of a Parquet file.
pub(super) const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Columnar input whose schema has been read.
pub(super) enum ColumnarInput<R: Read> {
    Arrow(RecordBatches<R>),
    Parquet(ParquetFile),
}

impl<R: Read> ColumnarInput<R> {
    pub(super) fn format(&self) -> BatchFormat {
        match self {
            ColumnarInput::Arrow(_) => BatchFormat::Arrow,
            ColumnarInput::Parquet(_) => BatchFormat::Parquet,
        }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            ColumnarInput::Arrow(batches) => batches.schema(),
            ColumnarInput::Parquet(file) => SchemaRef::clone(file.schema()),
        }
    }
}

/// Runs a batch on columnar input.
pub(super) fn run<R: Read + Send, W: Write + Send>(
    index: &Index,
    detected: &DetectedFormat,
    input: ColumnarInput<R>,
    request: &BatchRequest,
    output: W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<BatchSummary, BatchError> {
    let context = BatchContext::new(index, detected, request, CellFormat::LengthPrefixed);
    let added_schema = output_schema(&request.output_columns);
    let answerer = |columns: Vec<usize>| ColumnarAnswerer {
        worker: BatchWorker::new(&context),
        added_schema: Arc::clone(&added_schema),
        columns,
        row_cells: Vec::new(),
    };
    let tallies = match input {
        ColumnarInput::Arrow(batches) => {
            let schema = extended_schema(&batches.schema(), &added_schema);
            let sink = ArrowSink::begin(output, &schema)?;
            let worker = || ArrowWorker {
                answerer: answerer(query_columns(detected)),
                schema: Arc::clone(&schema),
            };
            let (sink, tallies) = run_ordered(batches, sink, threads, progress, worker)?;
            sink.finish()?;
            tallies
        }
        ColumnarInput::Parquet(file) => {
            let rows = file.select_columns(&detected.column_mapping)?;
            let positions = rows.column_positions(&detected.column_mapping);
            let sink = ParquetAppender::begin(output, file, &added_schema, request.compression)?;
            let worker = || ParquetWorker(answerer(positions.clone()));
            let (sink, tallies) = run_ordered(rows, sink, threads, progress, worker)?;
            sink.finish()?;
            tallies
        }
    };
    Ok(BatchTally::merge_all(tallies).into_summary())
}

/// Returns the indices of the columns that are read.
fn query_columns(detected: &DetectedFormat) -> Vec<usize> {
    let columns = detected.column_mapping.columns().into_iter();
    columns.map(|(_, column)| column).collect()
}

/// Returns the first output rows as CSV for display: the columns that are read, and the output
/// columns.
pub(super) fn preview<R: Read>(
    index: &Index,
    detected: &DetectedFormat,
    input: ColumnarInput<R>,
    request: &BatchRequest,
    rows: usize,
) -> Result<Vec<u8>, BatchError> {
    let comma = Delimiter::COMMA;
    let context = BatchContext::new(index, detected, request, CellFormat::Csv(comma));
    let read_columns = detected.column_mapping.columns();
    let names = read_columns
        .iter()
        .map(|&(_, read_column)| detected.columns[read_column].as_bytes());
    let mut out = Vec::new();
    write_csv_line(names, &mut out);
    context.layout.write_header(&mut out);
    out.push(b'\n');
    let (batch, columns) = first_rows(input, detected)?;
    if let Some(batch) = batch {
        let mut worker = BatchWorker::new(&context);
        let input_columns = InputColumn::from_batch(&batch, &columns);
        for row in 0..rows.min(batch.num_rows()) {
            let texts: Vec<&[u8]> = input_columns
                .iter()
                .map(|column| column.text(row))
                .collect();
            // A few string views may all refer to one text of several megabytes.
            let truncated = texts
                .iter()
                .map(|text| &text[..text.len().min(FIELD_BYTES_MAX)]);
            write_csv_line(truncated, &mut out);
            worker.answer_row_texts(&texts, row as u64 + 1, &mut out);
            out.push(b'\n');
        }
    }
    Ok(out)
}

/// Returns the first rows of the input, and the positions of the columns that are read within these
/// rows.
fn first_rows<R: Read>(
    input: ColumnarInput<R>,
    detected: &DetectedFormat,
) -> Result<(Option<RecordBatch>, Vec<usize>), BatchError> {
    match input {
        ColumnarInput::Arrow(mut batches) => {
            let mut rows = RecordRows::default();
            batches.fill(&mut rows)?;
            Ok((rows.slice.map(|slice| slice.batch), query_columns(detected)))
        }
        ColumnarInput::Parquet(file) => {
            let mut groups = file.select_columns(&detected.column_mapping)?;
            let mut rows = GroupRows::default();
            groups.fill(&mut rows)?;
            let columns = groups.column_positions(&detected.column_mapping);
            Ok((rows.batches.into_iter().next(), columns))
        }
    }
}

fn write_csv_line<'t>(texts: impl Iterator<Item = &'t [u8]>, out: &mut Vec<u8>) {
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_csv_cell(out, &String::from_utf8_lossy(text), Delimiter::COMMA);
    }
}

/// Returns the error for input whose parts are inconsistent.
fn corrupt(format: BatchFormat, cause: impl ToString) -> BatchError {
    BatchError::Corrupt {
        format,
        cause: cause.to_string(),
    }
}

fn output_schema(columns: &[OutputColumn]) -> SchemaRef {
    let fields: Vec<_> = columns.iter().map(|column| output_field(*column)).collect();
    Arc::new(Schema::new(fields))
}

/// Returns the user's columns followed by the output columns.
fn extended_schema(input: &Schema, added: &Schema) -> SchemaRef {
    let mut fields = input.fields().to_vec();
    fields.extend(added.fields().iter().cloned());
    let metadata = input.metadata().clone();
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// The part of a worker that answers record batches.
struct ColumnarAnswerer<'s, 'i> {
    worker: BatchWorker<'s, 'i>,
    added_schema: SchemaRef,
    /// The indices of the columns that are read.
    columns: Vec<usize>,
    /// The output cells of a row, before they are appended to the arrays.
    row_cells: Vec<u8>,
}

impl ColumnarAnswerer<'_, '_> {
    /// Returns the output columns of a batch.
    fn answer_batch(&mut self, batch: &RecordBatch, rows_before: u64) -> Vec<ArrayRef> {
        let input_columns = InputColumn::from_batch(batch, &self.columns);
        let mut builders = ArrayBuilders::new(self.added_schema.fields(), batch.num_rows());
        let mut texts: Vec<&[u8]> = Vec::with_capacity(input_columns.len());
        for (row, row_number) in (0..batch.num_rows()).zip(rows_before + 1..) {
            texts.clear();
            texts.extend(input_columns.iter().map(|column| column.text(row)));
            self.row_cells.clear();
            self.worker
                .answer_row_texts(&texts, row_number, &mut self.row_cells);
            builders.push_row(&self.row_cells);
        }
        builders.finish()
    }
}

const SAME_ROW_COUNT: &str = "the input and output columns have the same number of rows";

struct ArrowWorker<'s, 'i> {
    answerer: ColumnarAnswerer<'s, 'i>,
    schema: SchemaRef,
}

impl Stage<RecordRows, Option<BatchSlice>> for ArrowWorker<'_, '_> {
    type Outcome = BatchTally;

    fn process(
        &mut self,
        rows: &mut RecordRows,
        output: &mut Option<BatchSlice>,
    ) -> Result<u64, BatchError> {
        // The slice is taken out of the block, so that the slice is dropped early, because the next
        // batch may have to wait for the slice's memory.
        let Some(BatchSlice { batch, permit }) = rows.slice.take() else {
            return Ok(0);
        };
        let mut arrays = batch.columns().to_vec();
        arrays.extend(self.answerer.answer_batch(&batch, rows.rows_before));
        let schema = Arc::clone(&self.schema);
        let extended = RecordBatch::try_new(schema, arrays).expect(SAME_ROW_COUNT);
        *output = Some(BatchSlice {
            batch: extended,
            permit,
        });
        Ok(batch.num_rows() as u64)
    }

    fn finish(self) -> BatchTally {
        self.answerer.worker.into_tally()
    }
}

struct ParquetWorker<'s, 'i>(ColumnarAnswerer<'s, 'i>);

impl Stage<GroupRows, GroupAnswers> for ParquetWorker<'_, '_> {
    type Outcome = BatchTally;

    fn process(
        &mut self,
        rows: &mut GroupRows,
        output: &mut GroupAnswers,
    ) -> Result<u64, BatchError> {
        let mut rows_done = 0;
        for batch in &rows.batches {
            let arrays = self.0.answer_batch(batch, rows.rows_before + rows_done);
            let added_batch = RecordBatch::try_new(Arc::clone(&self.0.added_schema), arrays)
                .expect(SAME_ROW_COUNT);
            output.batches.push(added_batch);
            rows_done += batch.num_rows() as u64;
        }
        output.completed_group = rows.completed_group;
        Ok(rows_done)
    }

    fn finish(self) -> BatchTally {
        self.0.worker.into_tally()
    }
}
