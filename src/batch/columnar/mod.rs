//! Columnar input: Parquet files and Arrow streams. The cells of a row are read from the arrays of
//! the columns that the look-up needs, and answered like a row of text. The user's columns are
//! copied unchanged, and the output columns follow them.
//!
//! ```text
//!  Arrow stream ──► RecordBatches  ──► workers: texts → cells → arrays ──► added to the batch
//!  Parquet file ──► RowGroupReader ──► (only columns that are read)    ──► added to the row group
//! ```

mod arrays;
mod arrow_stream;
mod parquet_check;
mod read;
mod row_groups;
mod theirs;
mod thrift;
mod write;

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};

use self::read::{Rows, Slice};
use self::row_groups::{GroupAnswers, GroupRows, GroupSink};
use self::theirs::Cells;
use self::write::ArrowSink;
use super::answers::{Shared, Worker};
use super::cells::{Encoding, csv_cell};
use super::compression::Compression;
use super::delimiter::Delimiter;
use super::intake::{Format, Understood};
use super::relay::{Progress, Work, relay};
use super::summary::{Summary, Tally};
use super::{BatchError, Column, FIELD_BYTES_MAX, Request};
use crate::index::Index;

pub(crate) use self::arrays::{Arrays, field};
pub(super) use self::read::{ARROW_BEGINNING, Batches};
pub(super) use self::row_groups::ParquetFile;
pub(super) use self::theirs::check_types;
pub(crate) use self::write::{Chunks, ColumnChunks, ParquetSink};

/// The magic bytes at the start of a Parquet file.
pub(super) const PARQUET_BEGINNING: &[u8] = b"PAR1";

/// Columnar input whose schema was read.
pub(super) enum Columns<R: Read> {
    Arrow(Batches<R>),
    Parquet(ParquetFile),
}

impl<R: Read> Columns<R> {
    pub(super) fn format(&self) -> Format {
        match self {
            Columns::Arrow(_) => Format::Arrow,
            Columns::Parquet(_) => Format::Parquet,
        }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            Columns::Arrow(batches) => batches.schema(),
            Columns::Parquet(file) => SchemaRef::clone(file.schema()),
        }
    }
}

/// Runs a batch on columnar input.
pub(super) fn run<R: Read + Send, W: Write + Send>(
    index: &Index,
    understood: &Understood,
    list: Columns<R>,
    request: &Request,
    output: W,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Summary, BatchError> {
    let shared = Shared::new(index, understood, request, Encoding::Columns);
    let ours = our_schema(&request.columns);
    let answering = |columns: Vec<usize>| Answering {
        worker: Worker::new(&shared),
        ours: Arc::clone(&ours),
        columns,
        row: Vec::new(),
    };
    let tallies = match list {
        Columns::Arrow(batches) => {
            let schema = answered_schema(&batches.schema(), &ours);
            let sink = ArrowSink::begin(output, &schema)?;
            let worker = || ToArrow {
                answering: answering(asked(understood)),
                schema: Arc::clone(&schema),
            };
            let (sink, tallies) = relay(batches, sink, threads, progress, worker)?;
            sink.finish()?;
            tallies
        }
        Columns::Parquet(file) => {
            let rows = file.rows_of(&understood.roles)?;
            let places = rows.places(&understood.roles);
            let sink = GroupSink::begin(output, file, &ours, request.compression)?;
            let worker = || ToParquet(answering(places.clone()));
            let (sink, tallies) = relay(rows, sink, threads, progress, worker)?;
            sink.finish()?;
            tallies
        }
    };
    Ok(Tally::of_all(tallies).summary())
}

/// Returns the indices of the columns that are read.
fn asked(understood: &Understood) -> Vec<usize> {
    let columns = understood.roles.columns().into_iter();
    columns.map(|(_, at)| at).collect()
}

/// Returns the first output rows as CSV for display: the columns that are read, and the output
/// columns.
pub(super) fn preview<R: Read>(
    index: &Index,
    understood: &Understood,
    list: Columns<R>,
    request: &Request,
    rows: usize,
) -> Result<Vec<u8>, BatchError> {
    let comma = Delimiter::COMMA;
    let shared = Shared::new(index, understood, request, Encoding::Csv(comma));
    let read = understood.roles.columns();
    let names = read
        .iter()
        .map(|&(_, at)| understood.columns[at].as_bytes());
    let mut out = Vec::new();
    line_of(names, &mut out);
    shared.layout.names(&mut out);
    out.push(b'\n');
    let (batch, columns) = first_rows(list, understood)?;
    if let Some(batch) = batch {
        let mut worker = Worker::new(&shared);
        let cells = Cells::of(&batch, &columns);
        for row in 0..rows.min(batch.num_rows()) {
            let texts: Vec<&[u8]> = cells.iter().map(|it| it.text(row)).collect();
            // A few string views may all refer to one text of several megabytes.
            let shown = texts
                .iter()
                .map(|text| &text[..text.len().min(FIELD_BYTES_MAX)]);
            line_of(shown, &mut out);
            worker.answer_texts(&texts, row as u64 + 1, &mut out);
            out.push(b'\n');
        }
    }
    Ok(out)
}

/// Returns the first rows of the input, and the indices of the columns in them that are read.
fn first_rows<R: Read>(
    list: Columns<R>,
    understood: &Understood,
) -> Result<(Option<RecordBatch>, Vec<usize>), BatchError> {
    match list {
        Columns::Arrow(mut batches) => {
            let mut rows = Rows::default();
            batches.fill(&mut rows)?;
            Ok((rows.slice.map(|it| it.batch), asked(understood)))
        }
        Columns::Parquet(file) => {
            let mut groups = file.rows_of(&understood.roles)?;
            let mut rows = GroupRows::default();
            groups.fill(&mut rows)?;
            let columns = groups.places(&understood.roles);
            Ok((rows.batches.into_iter().next(), columns))
        }
    }
}

fn line_of<'t>(texts: impl Iterator<Item = &'t [u8]>, out: &mut Vec<u8>) {
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        csv_cell(out, &String::from_utf8_lossy(text), Delimiter::COMMA);
    }
}

/// The error for input whose parts are inconsistent.
fn damaged(format: Format, cause: impl ToString) -> BatchError {
    BatchError::Damaged {
        format,
        cause: cause.to_string(),
    }
}

fn our_schema(ours: &[Column]) -> SchemaRef {
    let fields: Vec<_> = ours.iter().map(|it| field(*it)).collect();
    Arc::new(Schema::new(fields))
}

/// Returns the user's columns followed by the output columns.
fn answered_schema(theirs: &Schema, ours: &Schema) -> SchemaRef {
    let mut fields = theirs.fields().to_vec();
    fields.extend(ours.fields().iter().cloned());
    let metadata = theirs.metadata().clone();
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Answers the record batches of one thread.
struct Answering<'s, 'i> {
    worker: Worker<'s, 'i>,
    ours: SchemaRef,
    /// The indices of the columns that are read.
    columns: Vec<usize>,
    /// The output cells of a row, before they are appended to the arrays.
    row: Vec<u8>,
}

impl Answering<'_, '_> {
    /// Returns the output columns of a batch.
    fn answer(&mut self, batch: &RecordBatch, rows_before: u64) -> Vec<ArrayRef> {
        let cells = Cells::of(batch, &self.columns);
        let mut ours = Arrays::new(self.ours.fields(), batch.num_rows());
        let mut texts: Vec<&[u8]> = Vec::with_capacity(cells.len());
        for (row, number) in (0..batch.num_rows()).zip(rows_before + 1..) {
            texts.clear();
            texts.extend(cells.iter().map(|it| it.text(row)));
            self.row.clear();
            self.worker.answer_texts(&texts, number, &mut self.row);
            ours.add(&self.row);
        }
        ours.finish()
    }
}

const AS_MANY_ROWS: &str = "as many rows as there were";

struct ToArrow<'s, 'i> {
    answering: Answering<'s, 'i>,
    schema: SchemaRef,
}

impl Work<Rows, Option<Slice>> for ToArrow<'_, '_> {
    type Outcome = Tally;

    fn work(&mut self, rows: &mut Rows, part: &mut Option<Slice>) -> Result<u64, BatchError> {
        // Taken, because the next batch may have to wait until this one is dropped.
        let Some(Slice { batch, permit }) = rows.slice.take() else {
            return Ok(0);
        };
        let mut arrays = batch.columns().to_vec();
        arrays.extend(self.answering.answer(&batch, rows.rows_before));
        let schema = Arc::clone(&self.schema);
        let answered = RecordBatch::try_new(schema, arrays).expect(AS_MANY_ROWS);
        *part = Some(Slice {
            batch: answered,
            permit,
        });
        Ok(batch.num_rows() as u64)
    }

    fn outcome(self) -> Tally {
        self.answering.worker.into_tally()
    }
}

struct ToParquet<'s, 'i>(Answering<'s, 'i>);

impl Work<GroupRows, GroupAnswers> for ToParquet<'_, '_> {
    type Outcome = Tally;

    fn work(&mut self, rows: &mut GroupRows, part: &mut GroupAnswers) -> Result<u64, BatchError> {
        let mut rows_done = 0;
        for batch in &rows.batches {
            let ours = self.0.answer(batch, rows.rows_before + rows_done);
            let ours = RecordBatch::try_new(Arc::clone(&self.0.ours), ours).expect(AS_MANY_ROWS);
            part.batches.push(ours);
            rows_done += batch.num_rows() as u64;
        }
        part.ends = rows.ends;
        Ok(rows_done)
    }

    fn outcome(self) -> Tally {
        self.0.worker.into_tally()
    }
}
