//! Answers record batches that are in memory, and returns the answers in memory.

use std::num::NonZeroUsize;

use arrow_array::RecordBatchReader;

use super::columnar::{AnsweredBatches, run_in_memory};
use super::input::{BatchInput, InputBody};
use super::progress::BatchProgress;
use super::{BatchError, BatchRequest};
use crate::tabular::columnar::ColumnarInput;
use catchment_core::index::Index;

/// Answers record batches that are in memory, such as those of a data frame. The user's columns are
/// neither copied nor changed, and the output columns follow them. Otherwise, the answers are those
/// of [`run`](crate::run()) on an Arrow stream.
///
/// # Errors
/// If the columns are missing or ambiguous or have the wrong type, or if reading the batches fails.
pub fn answer_record_batches(
    index: &Index,
    batches: Box<dyn RecordBatchReader + Send>,
    request: &BatchRequest,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<AnsweredBatches, BatchError> {
    let input = BatchInput::from_record_batches(batches, request)?;
    let InputBody::Columnar(ColumnarInput::Arrow(batches)) = input.body else {
        unreachable!("the input has record batches")
    };
    run_in_memory(index, &input.detected, batches, request, threads, progress)
}
