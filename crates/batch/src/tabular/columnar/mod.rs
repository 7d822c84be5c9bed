//! Columnar files: Parquet files and Arrow streams. Selected columns are read as text. The columns
//! of the file are copied unchanged, and output columns may be added after them.

mod arrays;
mod arrow_stream;
mod input_columns;
mod memory_batches;
mod parquet_check;
mod record_batches;
mod row_groups;
mod thrift;
mod write;

use std::io::Read;

use arrow_schema::SchemaRef;

use super::error::TabularError;
use super::file_format::BatchFormat;

pub(crate) use self::arrays::ArrayBuilders;
pub(crate) use self::input_columns::{InputColumn, is_number, is_text};
pub(crate) use self::record_batches::{ARROW_CONTINUATION, BatchSlice, RecordBatches, RecordRows};
pub(crate) use self::row_groups::{GroupAnswers, GroupRows, ParquetAppender, ParquetFile};
pub(crate) use self::write::{
    ArrowSink, BatchCollector, ParquetSink, RowGroupChunks, RowGroupFactory,
};

/// The magic bytes at the start of a Parquet file.
pub(crate) const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Columnar input whose schema has been read.
pub(crate) enum ColumnarInput<R: Read> {
    Arrow(RecordBatches<R>),
    Parquet(ParquetFile),
}

impl<R: Read> ColumnarInput<R> {
    pub(crate) fn format(&self) -> BatchFormat {
        match self {
            ColumnarInput::Arrow(_) => BatchFormat::Arrow,
            ColumnarInput::Parquet(_) => BatchFormat::Parquet,
        }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        match self {
            ColumnarInput::Arrow(batches) => batches.schema(),
            ColumnarInput::Parquet(file) => SchemaRef::clone(file.schema()),
        }
    }
}

/// Returns the error for input whose parts are inconsistent.
fn corrupt(format: BatchFormat, cause: impl ToString) -> TabularError {
    TabularError::Corrupt {
        format,
        cause: cause.to_string(),
    }
}
