//! Writes record batches to a Parquet file or an Arrow stream, or stores them in memory.

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

use super::record_batches::{BatchSlice, catch_reader_panic};
use crate::tabular::compression::Compression;
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::pipeline::OutputSink;

/// A sink that writes an Arrow stream. Each message is sent immediately.
pub(crate) struct ArrowSink<W: Write> {
    stream: StreamWriter<BufWriter<W>>,
}

/// The size in bytes of the buffer in which small buffers of a message are combined. Larger buffers
/// are written directly.
const WRITE_BUFFER_BYTES: usize = 1 << 16;

impl<W: Write> ArrowSink<W> {
    pub(crate) fn begin(output: W, schema: &Schema) -> Result<ArrowSink<W>, TabularError> {
        let output = BufWriter::with_capacity(WRITE_BUFFER_BYTES, output);
        let stream = catch_reader_panic(BatchFormat::Arrow, || {
            StreamWriter::try_new(output, schema).map_err(arrow_write_error)
        })?;
        let mut sink = ArrowSink { stream };
        sink.flush()?;
        Ok(sink)
    }

    fn flush(&mut self) -> Result<(), TabularError> {
        self.stream.get_mut().flush().map_err(TabularError::Write)
    }

    /// Writes the end of the stream.
    pub(crate) fn finish(mut self) -> Result<(), TabularError> {
        self.stream.finish().map_err(arrow_write_error)
    }
}

impl<W: Write + Send> OutputSink for ArrowSink<W> {
    type Output = Option<BatchSlice>;

    fn write(&mut self, output: &mut Option<BatchSlice>) -> Result<(), TabularError> {
        if let Some(slice) = output.take() {
            // The writer panics on some arrays that the reader accepts.
            catch_reader_panic(BatchFormat::Arrow, || {
                self.stream.write(&slice.batch).map_err(arrow_write_error)
            })?;
        }
        self.flush()
    }
}

/// A sink that stores the record batches in memory.
#[derive(Default)]
pub(crate) struct BatchCollector(pub(crate) Vec<RecordBatch>);

impl OutputSink for BatchCollector {
    type Output = Option<BatchSlice>;

    fn write(&mut self, output: &mut Option<BatchSlice>) -> Result<(), TabularError> {
        self.0.extend(output.take().map(|slice| slice.batch));
        Ok(())
    }
}

/// A sink that writes a Parquet file, one row group after another.
pub(crate) struct ParquetSink<W: Write + Send> {
    file: SerializedFileWriter<W>,
}

/// Returns the properties of a Parquet writer. Pages are compressed with Snappy unless
/// `compression` specifies another codec.
pub(super) fn writer_properties(
    compression: Compression,
    metadata: Vec<KeyValue>,
) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(match compression {
            Compression::None => basic::Compression::SNAPPY,
            Compression::Gzip => basic::Compression::GZIP(GzipLevel::default()),
            Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
        })
        // Statistics of column chunks let readers skip row groups. Statistics of pages would remain
        // in memory until the end of the file.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata))
        .build()
}

/// The column chunks of a row group.
pub(crate) type RowGroupChunks = Vec<ArrowColumnChunk>;

impl<W: Write + Send> ParquetSink<W> {
    /// Writes the start of the file. Pages are compressed with Snappy unless `compression`
    /// specifies another codec.
    pub(crate) fn begin(
        output: W,
        schema: &SchemaRef,
        compression: Compression,
    ) -> Result<(ParquetSink<W>, RowGroupFactory), TabularError> {
        let metadata = schema.metadata().iter();
        let metadata =
            metadata.map(|(key, value)| KeyValue::new(key.to_string(), value.to_string()));
        let properties = writer_properties(compression, metadata.collect());
        let writer = ArrowWriter::try_new(output, Arc::clone(schema), Some(properties));
        let writer_parts = writer.and_then(ArrowWriter::into_serialized_writer);
        let (file, factory) = writer_parts.map_err(parquet_write_error)?;
        let row_group_factory = RowGroupFactory {
            factory,
            schema: Arc::clone(schema),
        };
        Ok((ParquetSink { file }, row_group_factory))
    }

    /// Writes the end of the file.
    pub(crate) fn finish(mut self) -> Result<(), TabularError> {
        self.file.finish().map_err(parquet_write_error)?;
        self.file.flush().map_err(TabularError::Write)
    }

    /// Returns the schema of the columns as a Parquet type.
    pub(super) fn root_schema(&self) -> &Type {
        self.file.schema_descr().root_schema()
    }

    fn row_group(&mut self, chunks: RowGroupChunks) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close().map(drop)
    }
}

impl<W: Write + Send> OutputSink for ParquetSink<W> {
    type Output = RowGroupChunks;

    fn write(&mut self, chunks: &mut RowGroupChunks) -> Result<(), TabularError> {
        self.row_group(std::mem::take(chunks))
            .map_err(parquet_write_error)
    }
}

/// A factory of row groups. It may be used on any thread.
pub(crate) struct RowGroupFactory {
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
}

/// A row group that is being built.
pub(crate) struct RowGroupBuilder {
    schema: SchemaRef,
    writers: Vec<ArrowColumnWriter>,
}

impl RowGroupFactory {
    pub(crate) fn begin(&self) -> Result<RowGroupBuilder, TabularError> {
        // The index of the row group is used only for encryption.
        let writers = self.factory.create_column_writers(0);
        Ok(RowGroupBuilder {
            schema: Arc::clone(&self.schema),
            writers: writers.map_err(parquet_write_error)?,
        })
    }
}

impl RowGroupBuilder {
    /// Appends the rows of a batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), TabularError> {
        let mut writers = self.writers.iter_mut();
        for (field, array) in self.schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array).map_err(parquet_write_error)? {
                let writer = writers.next().expect("a writer for every leaf");
                writer.write(&leaf).map_err(parquet_write_error)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<RowGroupChunks, TabularError> {
        let chunks = self.writers.into_iter().map(ArrowColumnWriter::close);
        chunks
            .collect::<Result<_, _>>()
            .map_err(parquet_write_error)
    }
}

fn arrow_write_error(arrow_error: ArrowError) -> TabularError {
    TabularError::Write(match arrow_error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    })
}

pub(super) fn parquet_write_error(parquet_error: ParquetError) -> TabularError {
    TabularError::Write(match parquet_error {
        ParquetError::External(cause) => into_io_error(cause),
        other => io::Error::other(other),
    })
}

fn into_io_error(cause: Box<dyn Error + Send + Sync>) -> io::Error {
    match cause.downcast::<io::Error>() {
        Ok(error) => *error,
        Err(cause) => io::Error::other(cause),
    }
}
