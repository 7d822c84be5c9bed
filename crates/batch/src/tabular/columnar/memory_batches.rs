//! Record batches that are in memory, such as those of a data frame.

use std::sync::Arc;

use arrow_array::RecordBatchReader;
use arrow_schema::SchemaRef;

use super::arrow_stream::DecodedBatch;
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::limits::InFlightBytes;

/// The source of record batches in memory.
pub(super) struct MemoryBatches {
    reader: Box<dyn RecordBatchReader + Send>,
    /// No limit, because the batches are already in the caller's memory.
    in_flight: Arc<InFlightBytes>,
}

impl MemoryBatches {
    pub(super) fn new(reader: Box<dyn RecordBatchReader + Send>) -> MemoryBatches {
        MemoryBatches {
            reader,
            in_flight: InFlightBytes::new(u64::MAX),
        }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    pub(super) fn next(&mut self) -> Result<Option<DecodedBatch>, TabularError> {
        let Some(batch) = self.reader.next() else {
            return Ok(None);
        };
        let batch = batch.map_err(|error| TabularError::Corrupt {
            format: BatchFormat::Arrow,
            cause: error.to_string(),
        })?;
        let permit = self.in_flight.wait_for(0, 0);
        Ok(Some(DecodedBatch { batch, permit }))
    }
}
