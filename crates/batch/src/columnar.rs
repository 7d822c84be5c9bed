//! Columnar input: Parquet files, Arrow streams and record batches in memory. The look-up reads the cells of a row from the
//! arrays of the columns that it needs, and answers the row like a row of text. The user's columns
//! are copied unchanged, and the output columns follow them.
//!
//! ```text
//!  Arrow stream ──► RecordBatches  ──► workers: texts → cells → arrays ──► added to the batch
//!  Parquet file ──► RowGroupReader ──► (only columns that are read)    ──► added to the row group
//! ```

use std::borrow::Cow;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::column_mapping::{ColumnMapping, ColumnRole};
use super::context::BatchContext;
use super::input_format::DetectedFormat;
use super::progress::BatchProgress;
use super::row_parser::{InputRow, ParsedRow, RowContent, RowParser};
use super::summary::{BatchSummary, BatchTally};
use super::worker::{BatchWorker, GROUP_ROWS};
use super::{BatchError, BatchRequest, FIELD_BYTES_MAX, OutputColumn};
use crate::tabular::cell_format::{CellFormat, write_csv_cell};
use crate::tabular::columnar::{
    ArrayBuilders, ArrowSink, BatchCollector, BatchSlice, ColumnarInput, GroupAnswers, GroupRows,
    InputColumn, ParquetAppender, RecordBatches, RecordRows, is_number, is_text,
};
use crate::tabular::delimiter::Delimiter;
use crate::tabular::error::TabularError;
use crate::tabular::pipeline::{OutputSink, Stage, run_ordered};
use catchment_core::index::Index;

/// Checks the types of the columns that the look-up needs.
///
/// # Errors
/// If a type is not supported. The error states the name and the type of the first column with such
/// a type.
pub(super) fn check_types(schema: &Schema, mapping: &ColumnMapping) -> Result<(), BatchError> {
    for (role, index) in mapping.columns() {
        let field = schema.field(index);
        let data_type = field.data_type();
        let is_supported = is_text(data_type)
            || match role {
                ColumnRole::Postcode | ColumnRole::Practice | ColumnRole::StatisticalArea => false,
                ColumnRole::AsOf => *data_type == DataType::Date32,
                // Keys and coordinates may be numbers.
                _ => is_number(data_type),
            };
        if !is_supported {
            return Err(BatchError::WrongType {
                role,
                name: field.name().clone(),
                holds: data_type.to_string(),
            });
        }
    }
    Ok(())
}

/// Returns the Arrow field of an output column. The field is nullable, and its values are numbers
/// (float64) or text.
pub(super) fn output_field(column: OutputColumn) -> Field {
    let data_type = if column.is_numeric() {
        DataType::Float64
    } else {
        DataType::Utf8
    };
    Field::new(column.to_string(), data_type, true)
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
        rows: ColumnRows::new(&context),
        added_schema: Arc::clone(&added_schema),
        columns,
    };
    let add_rows = |rows| progress.add_rows(rows);
    let columns = query_columns(detected);
    let tallies = match input {
        ColumnarInput::Arrow(batches) => {
            let schema = extended_schema(&batches.schema(), &added_schema);
            let sink = ArrowSink::begin(output, &schema)?;
            let worker = || ArrowWorker {
                answerer: answerer(columns.clone()),
                schema: Arc::clone(&schema),
            };
            let (sink, tallies) = run_ordered(batches, sink, threads, &add_rows, worker)?;
            sink.finish()?;
            tallies
        }
        ColumnarInput::Parquet(file) => {
            let rows = file.select_columns(&columns)?;
            let positions = rows.column_positions(&columns);
            let sink = ParquetAppender::begin(output, file, &added_schema, request.compression)?;
            let worker = || ParquetWorker(answerer(positions.clone()));
            let (sink, tallies) = run_ordered(rows, sink, threads, &add_rows, worker)?;
            sink.finish()?;
            tallies
        }
    };
    Ok(BatchTally::merge_all(tallies).into_summary(&context))
}

/// The answers of a batch as record batches in memory.
#[derive(Debug)]
pub struct AnsweredBatches {
    /// The input columns, followed by the output columns.
    pub schema: SchemaRef,
    /// The rows, in the order of the input.
    pub batches: Vec<RecordBatch>,
    /// The counts of the rows.
    pub summary: BatchSummary,
}

/// Answers record batches that are in memory.
pub(super) fn run_in_memory<R: Read + Send>(
    index: &Index,
    detected: &DetectedFormat,
    batches: RecordBatches<R>,
    request: &BatchRequest,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<AnsweredBatches, BatchError> {
    let context = BatchContext::new(index, detected, request, CellFormat::LengthPrefixed);
    let added_schema = output_schema(&request.output_columns);
    let schema = extended_schema(&batches.schema(), &added_schema);
    let worker = || ArrowWorker {
        answerer: ColumnarAnswerer {
            rows: ColumnRows::new(&context),
            added_schema: Arc::clone(&added_schema),
            columns: query_columns(detected),
        },
        schema: Arc::clone(&schema),
    };
    let add_rows = |rows| progress.add_rows(rows);
    let sink = BatchCollector::default();
    let (sink, tallies) = run_ordered(batches, sink, threads, &add_rows, worker)?;
    let summary = BatchTally::merge_all(tallies).into_summary(&context);
    Ok(AnsweredBatches {
        schema,
        batches: sink.0,
        summary,
    })
}

/// Counts the rows, without writing them. Returns the counts of each thread.
pub(super) fn count_rows<R: Read + Send>(
    context: &BatchContext<'_>,
    detected: &DetectedFormat,
    input: ColumnarInput<R>,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<Vec<BatchTally>, BatchError> {
    let counter = |columns: &[usize]| RowCounter {
        rows: ColumnRows::new(context),
        columns: columns.to_vec(),
    };
    let add_rows = |rows| progress.add_rows(rows);
    let columns = query_columns(detected);
    Ok(match input {
        ColumnarInput::Arrow(batches) => {
            run_ordered(batches, NoOutput, threads, &add_rows, || counter(&columns))?.1
        }
        ColumnarInput::Parquet(file) => {
            let rows = file.select_columns(&columns)?;
            let columns = rows.column_positions(&columns);
            run_ordered(rows, NoOutput, threads, &add_rows, || counter(&columns))?.1
        }
    })
}

/// Returns the indices of the columns that the look-up reads.
fn query_columns(detected: &DetectedFormat) -> Vec<usize> {
    let columns = detected.column_mapping.columns().into_iter();
    columns.map(|(_, column)| column).collect()
}

/// Returns the first output rows as CSV for display. The rows contain the columns that the look-up
/// reads, and the output columns.
pub(super) fn preview<R: Read>(
    index: &Index,
    detected: &DetectedFormat,
    input: ColumnarInput<R>,
    request: &BatchRequest,
    rows: usize,
) -> Result<Vec<u8>, BatchError> {
    let comma = Delimiter::COMMA;
    let context = BatchContext::new(index, detected, request, CellFormat::Csv(comma));
    let names = context.read_names.iter().map(String::as_bytes);
    let mut out = Vec::new();
    write_csv_line(names, &mut out);
    context.layout.write_header(&mut out);
    out.push(b'\n');
    let (batch, columns) = first_rows(input, detected)?;
    if let Some(batch) = batch {
        let input_columns = InputColumn::from_batch(&batch, &columns);
        let rows = rows.min(batch.num_rows());
        ColumnRows::new(&context).answer(&input_columns, rows, 0, |row, cells| {
            let texts = input_columns.iter().map(|column| column.text(row));
            // Several string views may refer to the same string of several megabytes.
            let truncated = texts.map(|text| &text[..text.len().min(FIELD_BYTES_MAX)]);
            write_csv_line(truncated, &mut out);
            out.extend_from_slice(cells);
            out.push(b'\n');
        });
    }
    Ok(out)
}

/// Returns the first rows of the input, and the positions in these rows of the columns that the
/// look-up reads.
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
            let columns = query_columns(detected);
            let mut groups = file.select_columns(&columns)?;
            let mut rows = GroupRows::default();
            groups.fill(&mut rows)?;
            let columns = groups.column_positions(&columns);
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

/// The worker of one thread for rows of columns.
struct ColumnRows<'s, 'i> {
    worker: BatchWorker<'s, 'i>,
    /// The position of each column among the columns that the look-up reads.
    mapping: ColumnMapping,
    /// The output cells of a row.
    cells: Vec<u8>,
}

impl<'s, 'i> ColumnRows<'s, 'i> {
    fn new(context: &'s BatchContext<'i>) -> ColumnRows<'s, 'i> {
        ColumnRows {
            worker: BatchWorker::new(context),
            mapping: context.column_mapping.of_read_columns(),
            cells: Vec::new(),
        }
    }

    /// Answers the first `rows` rows of the columns that the look-up reads, and passes the index
    /// and the output cells of each row to `emit`. A bad row is reported by its row number.
    fn answer(
        &mut self,
        columns: &[InputColumn<'_>],
        rows: usize,
        rows_before: u64,
        mut emit: impl FnMut(usize, &[u8]),
    ) {
        let mut group = Vec::with_capacity(GROUP_ROWS);
        for start in (0..rows).step_by(GROUP_ROWS) {
            group.clear();
            for row in start..rows.min(start + GROUP_ROWS) {
                let parsed = read_row(columns, row, &self.mapping, &mut self.worker.parser);
                group.push(InputRow {
                    text: b"",
                    ending: b"",
                    position: row,
                    content: parsed.into(),
                });
            }
            self.worker.look_up(&mut group);
            for row in &group {
                self.cells.clear();
                self.answer_row(row, rows_before);
                emit(row.position, &self.cells);
            }
        }
    }

    fn answer_row(&mut self, row: &InputRow<'_>, rows_before: u64) {
        let number = rows_before + row.position as u64 + 1;
        match &row.content {
            RowContent::Parsed(row) => self.worker.answer_row(row, || number, &mut self.cells),
            RowContent::Bad(error) => {
                let reason = format!("row {number}: {error}");
                self.worker.answer_bad_row(number, &reason, &mut self.cells);
            }
            RowContent::Blank => unreachable!("columns have no blank lines"),
        }
    }
}

/// Reads the cells of a row that the look-up needs. The error is the reason why the row is bad.
fn read_row<'r>(
    columns: &'r [InputColumn<'_>],
    row: usize,
    mapping: &ColumnMapping,
    parser: &mut RowParser<'_>,
) -> Result<ParsedRow<'r>, String> {
    if columns
        .iter()
        .any(|column| column.text(row).len() > FIELD_BYTES_MAX)
    {
        return Err(format!("a field is longer than {FIELD_BYTES_MAX} bytes"));
    }
    parser.parse(mapping, |position| {
        Cow::Borrowed(columns[position].text(row))
    })
}

/// The part of a worker that answers record batches.
struct ColumnarAnswerer<'s, 'i> {
    rows: ColumnRows<'s, 'i>,
    added_schema: SchemaRef,
    /// The indices of the columns that the look-up reads.
    columns: Vec<usize>,
}

impl ColumnarAnswerer<'_, '_> {
    /// Returns the output columns of a batch.
    fn answer_batch(&mut self, batch: &RecordBatch, rows_before: u64) -> Vec<ArrayRef> {
        let columns = InputColumn::from_batch(batch, &self.columns);
        let rows = batch.num_rows();
        let mut builders = ArrayBuilders::new(self.added_schema.fields(), rows);
        self.rows.answer(&columns, rows, rows_before, |_, cells| {
            builders.push_row(cells);
        });
        builders.finish()
    }

    fn into_tally(self) -> BatchTally {
        self.rows.worker.into_tally()
    }
}

/// The worker of one thread that only counts rows.
struct RowCounter<'s, 'i> {
    rows: ColumnRows<'s, 'i>,
    /// The indices of the columns that the look-up reads.
    columns: Vec<usize>,
}

impl RowCounter<'_, '_> {
    fn count(&mut self, batch: &RecordBatch, rows_before: u64) -> u64 {
        let columns = InputColumn::from_batch(batch, &self.columns);
        let rows = batch.num_rows();
        self.rows.answer(&columns, rows, rows_before, |_, _| {});
        rows as u64
    }
}

impl Stage<RecordRows, ()> for RowCounter<'_, '_> {
    type Outcome = BatchTally;

    fn process(&mut self, rows: &mut RecordRows, _: &mut ()) -> Result<u64, TabularError> {
        // The slice is dropped at the end, so that its memory can be reused for the next batch.
        let slice = rows.slice.take();
        Ok(slice.map_or(0, |slice| self.count(&slice.batch, rows.rows_before)))
    }

    fn finish(self) -> BatchTally {
        self.rows.worker.into_tally()
    }
}

impl Stage<GroupRows, ()> for RowCounter<'_, '_> {
    type Outcome = BatchTally;

    fn process(&mut self, rows: &mut GroupRows, _: &mut ()) -> Result<u64, TabularError> {
        let mut counted = 0;
        for batch in &rows.batches {
            counted += self.count(batch, rows.rows_before + counted);
        }
        Ok(counted)
    }

    fn finish(self) -> BatchTally {
        self.rows.worker.into_tally()
    }
}

/// A sink for rows that are only counted.
struct NoOutput;

impl OutputSink for NoOutput {
    type Output = ();

    fn write(&mut self, _: &mut ()) -> Result<(), TabularError> {
        Ok(())
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
    ) -> Result<u64, TabularError> {
        // The slice is taken out of the block so that it is dropped early, because the next batch
        // may have to wait for the slice's memory.
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
        self.answerer.into_tally()
    }
}

struct ParquetWorker<'s, 'i>(ColumnarAnswerer<'s, 'i>);

impl Stage<GroupRows, GroupAnswers> for ParquetWorker<'_, '_> {
    type Outcome = BatchTally;

    fn process(
        &mut self,
        rows: &mut GroupRows,
        output: &mut GroupAnswers,
    ) -> Result<u64, TabularError> {
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
        self.0.into_tally()
    }
}
