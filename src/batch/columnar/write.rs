//! Writes record batches to a Parquet file or an Arrow stream.

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::{self, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::Compression;
use super::read::{Slice, sound};
use crate::batch::BatchError;
use crate::batch::intake::Format;
use crate::batch::relay::Sink;

/// Writes an Arrow stream; each message is sent immediately.
pub(super) struct ArrowSink<W: Write> {
    stream: StreamWriter<BufWriter<W>>,
}

/// The small buffers of a message are combined up to this size; larger ones are written directly.
const WRITE_BYTES: usize = 1 << 16;

impl<W: Write> ArrowSink<W> {
    pub(super) fn begin(output: W, schema: &Schema) -> Result<ArrowSink<W>, BatchError> {
        let output = BufWriter::with_capacity(WRITE_BYTES, output);
        let stream = sound(Format::Arrow, || {
            StreamWriter::try_new(output, schema).map_err(arrow_fault)
        })?;
        let mut sink = ArrowSink { stream };
        sink.flush()?;
        Ok(sink)
    }

    fn flush(&mut self) -> Result<(), BatchError> {
        self.stream.get_mut().flush().map_err(BatchError::Write)
    }

    /// Writes the end of the stream.
    pub(super) fn finish(mut self) -> Result<(), BatchError> {
        self.stream.finish().map_err(arrow_fault)
    }
}

impl<W: Write + Send> Sink for ArrowSink<W> {
    type Part = Option<Slice>;

    fn write(&mut self, part: &mut Option<Slice>) -> Result<(), BatchError> {
        if let Some(slice) = part.take() {
            // The writer panics on some arrays that the reader accepts.
            sound(Format::Arrow, || {
                self.stream.write(&slice.batch).map_err(arrow_fault)
            })?;
        }
        self.flush()
    }
}

/// Writes a Parquet file, one row group after another.
pub(crate) struct ParquetSink<W: Write + Send> {
    file: SerializedFileWriter<W>,
}

/// The properties of a Parquet writer. Pages are compressed with Snappy unless `compression` says
/// otherwise.
pub(super) fn properties(compression: Compression, metadata: Vec<KeyValue>) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(match compression {
            Compression::None => basic::Compression::SNAPPY,
            Compression::Gzip => basic::Compression::GZIP(GzipLevel::default()),
            Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
        })
        // Chunk statistics let readers skip row groups. Page statistics would stay in memory to
        // the end.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata))
        .build()
}

/// The column chunks of a row group.
pub(crate) type Chunks = Vec<ArrowColumnChunk>;

impl<W: Write + Send> ParquetSink<W> {
    /// Writes the start of the file. Pages are compressed with Snappy unless `compression` says
    /// otherwise.
    pub(crate) fn begin(
        output: W,
        schema: &SchemaRef,
        compression: Compression,
    ) -> Result<(ParquetSink<W>, ColumnChunks), BatchError> {
        let metadata = schema.metadata().iter();
        let metadata =
            metadata.map(|(key, value)| KeyValue::new(key.to_string(), value.to_string()));
        let properties = properties(compression, metadata.collect());
        let writer = ArrowWriter::try_new(output, Arc::clone(schema), Some(properties));
        let parts = writer.and_then(ArrowWriter::into_serialized_writer);
        let (file, factory) = parts.map_err(parquet_fault)?;
        let columns = ColumnChunks {
            factory,
            schema: Arc::clone(schema),
        };
        Ok((ParquetSink { file }, columns))
    }

    /// Writes the end of the file.
    pub(crate) fn finish(mut self) -> Result<(), BatchError> {
        self.file.finish().map_err(parquet_fault)?;
        self.file.flush().map_err(BatchError::Write)
    }

    /// Returns the columns as Parquet types.
    pub(super) fn root_schema(&self) -> &Type {
        self.file.schema_descr().root_schema()
    }

    fn row_group(&mut self, chunks: Chunks) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close().map(drop)
    }
}

impl<W: Write + Send> Sink for ParquetSink<W> {
    type Part = Chunks;

    fn write(&mut self, part: &mut Chunks) -> Result<(), BatchError> {
        self.row_group(std::mem::take(part)).map_err(parquet_fault)
    }
}

/// Creates row groups on any thread.
pub(crate) struct ColumnChunks {
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
}

/// A row group that is being built.
pub(crate) struct RowGroup {
    schema: SchemaRef,
    writers: Vec<ArrowColumnWriter>,
}

impl ColumnChunks {
    pub(crate) fn begin(&self) -> Result<RowGroup, BatchError> {
        // The index of the row group is used only for encryption.
        let writers = self.factory.create_column_writers(0);
        Ok(RowGroup {
            schema: Arc::clone(&self.schema),
            writers: writers.map_err(parquet_fault)?,
        })
    }
}

impl RowGroup {
    /// Appends the rows of a batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), BatchError> {
        let mut writers = self.writers.iter_mut();
        for (field, array) in self.schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array).map_err(parquet_fault)? {
                let writer = writers.next().expect("a writer for every leaf");
                writer.write(&leaf).map_err(parquet_fault)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Chunks, BatchError> {
        let chunks = self.writers.into_iter().map(ArrowColumnWriter::close);
        chunks.collect::<Result<_, _>>().map_err(parquet_fault)
    }
}

fn arrow_fault(fault: ArrowError) -> BatchError {
    BatchError::Write(match fault {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    })
}

pub(super) fn parquet_fault(fault: ParquetError) -> BatchError {
    BatchError::Write(match fault {
        ParquetError::External(cause) => as_io(cause),
        other => io::Error::other(other),
    })
}

fn as_io(cause: Box<dyn Error + Send + Sync>) -> io::Error {
    match cause.downcast::<io::Error>() {
        Ok(error) => *error,
        Err(cause) => io::Error::other(cause),
    }
}
