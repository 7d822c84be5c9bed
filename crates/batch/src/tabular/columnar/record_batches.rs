//! Reads an Arrow stream, or record batches in memory, in slices of record batches.

use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch, RecordBatchReader};
use arrow_schema::{DataType, SchemaRef};

use super::arrow_stream::{ArrowStream, DecodedBatch};
use super::corrupt;
use super::memory_batches::MemoryBatches;
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::limits::{DecodeLimits, MemoryPermit, ReceivedBytes};
use crate::tabular::pipeline::BlockSource;
use catchment_data::panics;

/// The marker at the start of each message of an Arrow stream, since format version 0.15 of 2019.
pub(crate) const ARROW_CONTINUATION: &[u8] = b"\xff\xff\xff\xff";

/// A reader of slices of record batches. The boundaries of the slices depend only on the input.
pub(crate) struct RecordBatches<R: Read> {
    source: BatchSource<R>,
    /// The maximum number of rows in a slice.
    rows_max: usize,
    remainder: Option<BatchSlice>,
    rows_before: u64,
}

/// The source of record batches.
enum BatchSource<R: Read> {
    Stream(Box<ArrowStream<BufReader<R>>>),
    Memory(MemoryBatches),
}

/// Rows of a record batch, and the permit for the memory of the whole batch.
pub(crate) struct BatchSlice {
    pub(crate) batch: RecordBatch,
    pub(crate) permit: Arc<MemoryPermit>,
}

impl<R: Read> RecordBatches<R> {
    /// Opens a stream and reads its schema. A slice has at most `rows_max` rows.
    pub(crate) fn open(
        source: R,
        limits: DecodeLimits,
        rows_max: usize,
        received: &ReceivedBytes,
    ) -> Result<RecordBatches<R>, TabularError> {
        let source = BufReader::with_capacity(1 << 16, source);
        let stream = catch_reader_panic(BatchFormat::Arrow, || {
            ArrowStream::open(source, limits, received.clone())
        })?;
        Ok(RecordBatches::new(
            BatchSource::Stream(Box::new(stream)),
            rows_max,
        ))
    }

    /// Reads record batches that are in memory. A slice has at most `rows_max` rows.
    pub(crate) fn in_memory(
        reader: Box<dyn RecordBatchReader + Send>,
        rows_max: usize,
    ) -> RecordBatches<R> {
        RecordBatches::new(BatchSource::Memory(MemoryBatches::new(reader)), rows_max)
    }

    fn new(source: BatchSource<R>, rows_max: usize) -> RecordBatches<R> {
        RecordBatches {
            source,
            rows_max,
            remainder: None,
            rows_before: 0,
        }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        match &self.source {
            BatchSource::Stream(stream) => stream.schema(),
            BatchSource::Memory(batches) => batches.schema(),
        }
    }

    /// Reads at most `rows_max` rows, either from the rest of the current batch or, if this batch
    /// has no more rows, from the next batch. Never waits for a later batch to complete the rows.
    pub(crate) fn fill(&mut self, rows: &mut RecordRows) -> Result<bool, TabularError> {
        rows.rows_before = self.rows_before;
        rows.slice = None;
        let remainder = self.remainder.take();
        let is_remainder = remainder.is_some();
        let next = match remainder {
            Some(remainder) => Some(remainder),
            None => self.next_batch()?,
        };
        let Some(BatchSlice { batch, permit }) = next else {
            return Ok(false);
        };
        let excess = batch.num_rows().saturating_sub(self.rows_max);
        if excess > 0 {
            self.remainder = Some(BatchSlice {
                batch: batch.slice(self.rows_max, excess),
                permit: Arc::clone(&permit),
            });
        }
        let is_slice = is_remainder || excess > 0;
        let batch = match &self.source {
            _ if !is_slice => batch,
            // The whole batch stays in memory in any case.
            BatchSource::Memory(_) => batch.slice(0, batch.num_rows() - excess),
            BatchSource::Stream(_) => compact(&batch.slice(0, batch.num_rows() - excess)),
        };
        self.rows_before += batch.num_rows() as u64;
        rows.slice = Some(BatchSlice { batch, permit });
        Ok(true)
    }

    /// Returns the next batch that contains rows.
    fn next_batch(&mut self) -> Result<Option<BatchSlice>, TabularError> {
        loop {
            let next = match &mut self.source {
                BatchSource::Stream(stream) => {
                    catch_reader_panic(BatchFormat::Arrow, || stream.next())
                }
                BatchSource::Memory(batches) => batches.next(),
            };
            match next? {
                Some(DecodedBatch { batch, .. }) if batch.num_rows() == 0 => {}
                Some(DecodedBatch { batch, permit }) => {
                    let permit = Arc::new(permit);
                    return Ok(Some(BatchSlice { batch, permit }));
                }
                None => return Ok(None),
            }
        }
    }
}

/// Copies the strings that the slice needs out of its view arrays, if this makes the slice smaller.
/// A slice of a view array refers to all strings of the array, so all these strings would be
/// written with every slice.
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
pub(crate) struct RecordRows {
    pub(crate) slice: Option<BatchSlice>,
    /// The number of rows that precede these rows in the stream.
    pub(crate) rows_before: u64,
}

impl<R: Read + Send> BlockSource for RecordBatches<R> {
    type Block = RecordRows;

    fn next(&mut self, block: &mut RecordRows) -> Result<bool, TabularError> {
        self.fill(block)
    }
}

/// Runs a reader and converts a panic into an error. The Arrow and Parquet readers panic on some
/// corrupt files. A reader must not be used after a panic.
pub(super) fn catch_reader_panic<T>(
    format: BatchFormat,
    read: impl FnOnce() -> Result<T, TabularError>,
) -> Result<T, TabularError> {
    panics::catch_expected(read)
        .unwrap_or_else(|_| Err(corrupt(format, "its parts contradict each other")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_panics_are_reported_as_corruption() {
        let read = || -> Result<(), TabularError> { panic!("the offset exceeds the length") };
        let error = catch_reader_panic(BatchFormat::Arrow, read).expect_err("damaged");
        assert!(
            error
                .to_string()
                .contains("as Arrow: it is corrupt: its parts"),
            "{error}"
        );
    }
}
