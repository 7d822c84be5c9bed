//! Batches of rows from an Arrow stream.

use std::io::{BufReader, Read};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, SchemaRef};

use crate::batch::BatchError;
use crate::batch::intake::Format;
use crate::batch::relay::Source;
use crate::panics;

/// How each message of an Arrow stream begins, since format 0.15 of 2019.
pub(in crate::batch) const ARROW_BEGINNING: &[u8] = b"\xff\xff\xff\xff";

/// So many rows are answered together at most.
pub(super) const ROWS_MAX: usize = 1 << 16;

/// Gives block after block; where they begin depends on the list alone.
pub(in crate::batch) struct Batches<R: Read> {
    reader: Box<StreamReader<BufReader<R>>>,
    rest: Option<RecordBatch>,
    rows_before: u64,
}

impl<R: Read> Batches<R> {
    /// A stream, of which the schema is read.
    pub(in crate::batch) fn open(source: R) -> Result<Batches<R>, BatchError> {
        let source = BufReader::with_capacity(1 << 16, source);
        let reader = sound(Format::Arrow, || {
            StreamReader::try_new(source, None).map_err(arrow_fault)
        })?;
        Ok(Batches {
            reader: Box::new(reader),
            rest: None,
            rows_before: 0,
        })
    }

    pub(in crate::batch) fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    /// Gives the next rows that came together, at most so many as are answered together: an answer
    /// waits for no more.
    pub(super) fn fill(&mut self, rows: &mut Rows) -> Result<bool, BatchError> {
        rows.rows_before = self.rows_before;
        let batch = match self.rest.take() {
            Some(rest) => Some(rest),
            None => self.next_batch()?,
        };
        rows.batch = batch.map(|batch| {
            let more = batch.num_rows().saturating_sub(ROWS_MAX);
            if more > 0 {
                self.rest = Some(batch.slice(ROWS_MAX, more));
            }
            batch.slice(0, batch.num_rows() - more)
        });
        let count = rows.batch.as_ref().map_or(0, RecordBatch::num_rows);
        self.rows_before += count as u64;
        Ok(rows.batch.is_some())
    }

    /// The next batch that has rows.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, BatchError> {
        loop {
            let next = sound(Format::Arrow, || {
                self.reader.next().transpose().map_err(arrow_fault)
            })?;
            match next {
                Some(batch) if batch.num_rows() == 0 => {}
                next => return Ok(next),
            }
        }
    }
}

/// Rows that came together.
#[derive(Default)]
pub(in crate::batch) struct Rows {
    pub(super) batch: Option<RecordBatch>,
    /// The rows of the stream before them.
    pub(super) rows_before: u64,
}

impl<R: Read + Send> Source for Batches<R> {
    type Block = Rows;

    fn next(&mut self, block: &mut Rows) -> Result<bool, BatchError> {
        self.fill(block)
    }
}

/// What reading gives. The readers panic where a list is damaged so that its parts contradict each other;
/// what they hold is not used afterwards.
pub(super) fn sound<T>(
    format: Format,
    read: impl FnOnce() -> Result<T, BatchError>,
) -> Result<T, BatchError> {
    panics::expected(read).unwrap_or_else(|_| {
        let what = "it is damaged: its parts contradict each other".into();
        Err(BatchError::Unsound { format, what })
    })
}

fn arrow_fault(fault: ArrowError) -> BatchError {
    match fault {
        ArrowError::IoError(_, error) => BatchError::Read(error),
        other => BatchError::Unsound {
            format: Format::Arrow,
            what: other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_panics_is_a_damaged_list() {
        let read = || -> Result<(), BatchError> { panic!("the offset exceeds the length") };
        let fault = sound(Format::Arrow, read).expect_err("damaged");
        assert!(
            fault.to_string().contains("as Arrow: it is damaged"),
            "{fault}"
        );
    }
}
