//! Batches of rows from an Arrow stream.

use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};

use super::arrow_stream::{ArrowStream, Decoded};
use super::damaged;
use crate::batch::intake::Format;
use crate::batch::limits::{Permit, Received, slice_rows};
use crate::batch::relay::Source;
use crate::batch::{BatchError, Request};
use crate::panics;

/// How each message of an Arrow stream begins, since format 0.15 of 2019.
pub(in crate::batch) const ARROW_BEGINNING: &[u8] = b"\xff\xff\xff\xff";

/// Gives block after block; where they begin depends on the list alone.
pub(in crate::batch) struct Batches<R: Read> {
    stream: Box<ArrowStream<BufReader<R>>>,
    /// The most rows that are answered together.
    rows_max: usize,
    rest: Option<Slice>,
    rows_before: u64,
}

/// Rows of a record batch, and the batch's share of the memory in flight.
pub(super) struct Slice {
    pub(super) batch: RecordBatch,
    pub(super) permit: Arc<Permit>,
}

impl<R: Read> Batches<R> {
    /// A stream, of which the schema is read.
    pub(in crate::batch) fn open(
        source: R,
        request: &Request,
        received: &Received,
    ) -> Result<Batches<R>, BatchError> {
        let source = BufReader::with_capacity(1 << 16, source);
        let stream = sound(Format::Arrow, || {
            ArrowStream::open(source, request.limits, received.clone())
        })?;
        Ok(Batches {
            stream: Box::new(stream),
            rows_max: slice_rows(0, request.columns.len()),
            rest: None,
            rows_before: 0,
        })
    }

    pub(in crate::batch) fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// Gives the next rows that came together, at most so many as are answered together: an answer
    /// waits for no more.
    pub(super) fn fill(&mut self, rows: &mut Rows) -> Result<bool, BatchError> {
        rows.rows_before = self.rows_before;
        rows.slice = None;
        let rest = self.rest.take();
        let is_rest = rest.is_some();
        let next = match rest {
            Some(rest) => Some(rest),
            None => self.next_batch()?,
        };
        let Some(Slice { batch, permit }) = next else {
            return Ok(false);
        };
        let more = batch.num_rows().saturating_sub(self.rows_max);
        if more > 0 {
            self.rest = Some(Slice {
                batch: batch.slice(self.rows_max, more),
                permit: Arc::clone(&permit),
            });
        }
        let batch = match is_rest || more > 0 {
            true => compact(&batch.slice(0, batch.num_rows() - more)),
            false => batch,
        };
        self.rows_before += batch.num_rows() as u64;
        rows.slice = Some(Slice { batch, permit });
        Ok(true)
    }

    /// The next batch that has rows.
    fn next_batch(&mut self) -> Result<Option<Slice>, BatchError> {
        loop {
            match sound(Format::Arrow, || self.stream.next())? {
                Some(Decoded { batch, .. }) if batch.num_rows() == 0 => {}
                Some(Decoded { batch, permit }) => {
                    let permit = Arc::new(permit);
                    return Ok(Some(Slice { batch, permit }));
                }
                None => return Ok(None),
            }
        }
    }
}

/// A slice of an array of views refers to all the texts of the array, and they would be written with
/// each slice: those of its own rows are copied where they are fewer bytes.
fn compact(batch: &RecordBatch) -> RecordBatch {
    fn compacted<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Option<ArrayRef> {
        let lengths = array.lengths().map(u64::from);
        let own: u64 = lengths.filter(|length| *length > 12).sum();
        let buffers = array.data_buffers().iter();
        let all: u64 = buffers.map(|buffer| buffer.len() as u64).sum();
        (own < all).then(|| Arc::new(array.gc()) as ArrayRef)
    }
    let arrays = batch.columns().iter().map(|array| {
        let compacted = match array.data_type() {
            DataType::Utf8View => compacted(array.as_string_view()),
            DataType::BinaryView => compacted(array.as_binary_view()),
            _ => None,
        };
        compacted.unwrap_or_else(|| Arc::clone(array))
    });
    RecordBatch::try_new(batch.schema(), arrays.collect()).expect("the same rows")
}

/// Rows that came together.
#[derive(Default)]
pub(in crate::batch) struct Rows {
    pub(super) slice: Option<Slice>,
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
    panics::expected(read)
        .unwrap_or_else(|_| Err(damaged(format, "its parts contradict each other")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_panics_is_a_damaged_list() {
        let read = || -> Result<(), BatchError> { panic!("the offset exceeds the length") };
        let fault = sound(Format::Arrow, read).expect_err("damaged");
        assert!(
            fault
                .to_string()
                .contains("as Arrow: it is damaged: its parts"),
            "{fault}"
        );
    }
}
