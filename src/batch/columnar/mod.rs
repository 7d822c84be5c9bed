//! Lists in columns: Parquet files and Arrow streams. A row's cells are read from the arrays of the
//! columns that say what is asked and answered as a row of text is; the user's arrays pass as they
//! are, and ours stand after them.
//!
//! ```text
//!  Parquet file, Arrow stream ──► Batches ──► a worker each: their arrays → texts → cells → our arrays ──► written in turn
//! ```

mod arrays;
mod read;
mod theirs;
mod write;

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};

use self::read::Group;
use self::theirs::Cells;
use self::write::ArrowSink;
use super::answers::{Shared, Worker};
use super::cells::{Encoding, csv_cell};
use super::compression::Compression;
use super::delimiter::Delimiter;
use super::intake::{Format, Understood};
use super::relay::{Progress, Work, relay};
use super::roles::Roles;
use super::summary::{Summary, Tally};
use super::{BatchError, Column, Request};
use crate::index::Index;

pub(crate) use self::arrays::{Arrays, field};
pub(super) use self::read::{ARROW_BEGINNING, Batches, PARQUET_BEGINNING};
pub(super) use self::theirs::check_types;
pub(crate) use self::write::{Chunks, ColumnChunks, ParquetSink};

/// Spark's own account of a file's columns, which it believes before the file: with it, ours would
/// not be seen.
const SPARK_COLUMNS: &str = "org.apache.spark.sql.parquet.row.metadata";

/// Answers a list in columns.
pub(super) fn run<R: Read + Send, W: Write + Send>(
    index: &Index,
    understood: &Understood,
    mut batches: Batches<R>,
    request: &Request,
    output: W,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Summary, BatchError> {
    let shared = Shared::new(index, understood, request, Encoding::Columns);
    let schema = answered_schema(&batches.schema(), &request.columns);
    let answering = || Answering::new(&shared, &schema, understood.roles);
    let tallies = match understood.format {
        Format::Parquet => {
            batches.group = Group::Rows;
            let (sink, columns) = ParquetSink::begin(output, &schema, request.compression)?;
            let worker = || ToParquet {
                answering: answering(),
                columns: &columns,
            };
            let (sink, tallies) = relay(batches, sink, threads, progress, worker)?;
            sink.finish()?;
            tallies
        }
        _ => {
            let sink = ArrowSink::begin(output, &schema)?;
            let worker = || ToArrow(answering());
            let (sink, tallies) = relay(batches, sink, threads, progress, worker)?;
            sink.finish()?;
            tallies
        }
    };
    Ok(Tally::of_all(tallies).summary())
}

/// The first rows of a list as they would become, as CSV for people: the columns that are read, and
/// ours.
pub(super) fn preview<R: Read>(
    index: &Index,
    understood: &Understood,
    mut batches: Batches<R>,
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
    let mut block = Block::default();
    if batches.fill(&mut block)? {
        let batch = &block.batches[0];
        let mut worker = Worker::new(&shared);
        let cells = Cells::of(batch, &understood.roles);
        for row in 0..rows.min(batch.num_rows()) {
            let texts: Vec<&[u8]> = cells.iter().map(|it| it.text(row)).collect();
            line_of(texts.iter().copied(), &mut out);
            worker.answer_texts(&texts, row as u64 + 1, &mut out);
            out.push(b'\n');
        }
    }
    Ok(out)
}

fn line_of<'t>(texts: impl Iterator<Item = &'t [u8]>, out: &mut Vec<u8>) {
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        csv_cell(out, &String::from_utf8_lossy(text), Delimiter::COMMA);
    }
}

/// The user's columns, then ours.
fn answered_schema(theirs: &Schema, ours: &[Column]) -> SchemaRef {
    let mut fields = theirs.fields().to_vec();
    let ours = ours.iter().map(|it| Arc::new(field(*it)));
    fields.extend(ours);
    let mut metadata = theirs.metadata().clone();
    metadata.remove(SPARK_COLUMNS);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Whole batches, of which the rows are answered together.
#[derive(Default)]
pub(super) struct Block {
    batches: Vec<RecordBatch>,
    /// The rows before it.
    rows_before: u64,
}

/// Answers batches, one thread's share of them.
struct Answering<'s, 'i> {
    worker: Worker<'s, 'i>,
    schema: SchemaRef,
    roles: Roles,
    /// The cells of a row, before they stand in columns.
    row: Vec<u8>,
}

impl<'s, 'i> Answering<'s, 'i> {
    fn new(shared: &'s Shared<'i>, schema: &SchemaRef, roles: Roles) -> Answering<'s, 'i> {
        Answering {
            worker: Worker::new(shared),
            schema: Arc::clone(schema),
            roles,
            row: Vec::new(),
        }
    }

    /// The batch with our columns after the user's.
    fn answer(&mut self, batch: &RecordBatch, rows_before: u64) -> RecordBatch {
        let cells = Cells::of(batch, &self.roles);
        let ours = &self.schema.fields()[batch.num_columns()..];
        let mut ours = Arrays::new(ours, batch.num_rows());
        let mut texts: Vec<&[u8]> = Vec::with_capacity(cells.len());
        for (row, number) in (0..batch.num_rows()).zip(rows_before + 1..) {
            texts.clear();
            texts.extend(cells.iter().map(|it| it.text(row)));
            self.row.clear();
            self.worker.answer_texts(&texts, number, &mut self.row);
            ours.add(&self.row);
        }
        let arrays: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .cloned()
            .chain(ours.finish())
            .collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).expect("as many rows as there were")
    }

    fn rows(&self) -> u64 {
        self.worker.tally.rows
    }
}

struct ToArrow<'s, 'i>(Answering<'s, 'i>);

impl Work<Block, Vec<RecordBatch>> for ToArrow<'_, '_> {
    type Outcome = Tally;

    fn work(&mut self, block: &Block, part: &mut Vec<RecordBatch>) -> Result<u64, BatchError> {
        let first = self.0.rows();
        for batch in &block.batches {
            let rows_before = block.rows_before + self.0.rows() - first;
            part.push(self.0.answer(batch, rows_before));
        }
        Ok(self.0.rows() - first)
    }

    fn outcome(self) -> Tally {
        self.0.worker.into_tally()
    }
}

struct ToParquet<'s, 'i> {
    answering: Answering<'s, 'i>,
    columns: &'s ColumnChunks,
}

impl Work<Block, Chunks> for ToParquet<'_, '_> {
    type Outcome = Tally;

    fn work(&mut self, block: &Block, part: &mut Chunks) -> Result<u64, BatchError> {
        let first = self.answering.rows();
        let mut chunks = self.columns.begin()?;
        for batch in &block.batches {
            let rows_before = block.rows_before + self.answering.rows() - first;
            chunks.add(&self.answering.answer(batch, rows_before))?;
        }
        *part = chunks.finish()?;
        Ok(self.answering.rows() - first)
    }

    fn outcome(self) -> Tally {
        self.answering.worker.into_tally()
    }
}
