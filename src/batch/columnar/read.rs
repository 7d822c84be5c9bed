//! Reads an Arrow stream in slices of record batches.

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

/// The marker at the start of each message of an Arrow stream, since format version 0.15 of 2019.
pub(in crate::batch) const ARROW_BEGINNING: &[u8] = b"\xff\xff\xff\xff";

/// Reads slices of record batches. Their boundaries depend only on the input.
pub(in crate::batch) struct Batches<R: Read> {
    stream: Box<ArrowStream<BufReader<R>>>,
    /// The maximum number of rows in a slice.
    rows_max: usize,
    rest: Option<Slice>,
    rows_before: u64,
}

/// Rows of a record batch, and the permit for the memory of the whole batch.
pub(super) struct Slice {
    pub(super) batch: RecordBatch,
    pub(super) permit: Arc<Permit>,
}

impl<R: Read> Batches<R> {
    /// Opens a stream and reads its schema.
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

    /// Reads the rest of the current batch, or else the next one, but at most `rows_max` rows. An
    /// answer never waits for later batches.
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

    /// Returns the next batch that has rows.
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

/// Copies the texts that the slice needs out of its view arrays if that makes it smaller. A slice
/// of a view array refers to all texts of the array, which would be written with every slice.
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

/// Rows of one record batch.
#[derive(Default)]
pub(in crate::batch) struct Rows {
    pub(super) slice: Option<Slice>,
    /// The number of rows of the stream before these.
    pub(super) rows_before: u64,
}

impl<R: Read + Send> Source for Batches<R> {
    type Block = Rows;

    fn next(&mut self, block: &mut Rows) -> Result<bool, BatchError> {
        self.fill(block)
    }
}

/// Runs a reader and converts a panic into an error. The Arrow and Parquet readers panic on some
/// corrupt files; their state must not be used after that.
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
                .contains("as Arrow: it is corrupt: its parts"),
            "{fault}"
        );
    }
}
