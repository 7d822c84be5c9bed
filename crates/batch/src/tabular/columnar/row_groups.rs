//! Reads selected columns of a Parquet file, and writes the file with additional columns, one row
//! group after another. Only the selected columns are decoded. The column chunks of all input
//! columns are copied byte for byte.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ProjectionMask, add_encoded_arrow_schema_to_metadata};
use parquet::basic;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    ColumnChunkMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader,
};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::parquet_check::{DecompressedTotal, check_arrow_schema, check_chunk, check_footer};
use super::record_batches::catch_reader_panic;
use super::write::{
    ParquetSink, RowGroupBuilder, RowGroupFactory, parquet_write_error, writer_properties,
};
use crate::tabular::compression::Compression;
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::limits::{DecodeLimits, ReceivedBytes};
use crate::tabular::pipeline::{BlockSource, OutputSink};

/// The key of Spark's own copy of the schema. Spark prefers this copy to the file's schema, so the
/// output columns would not be visible in Spark.
const SPARK_ROW_METADATA_KEY: &str = "org.apache.spark.sql.parquet.row.metadata";

/// The maximum number and total size in bytes of rows that are decoded together.
const READ_ROWS_MAX: usize = 1 << 13;
const READ_BYTES_MAX: u64 = 64 << 20;
/// The maximum number of rows in a block.
const BLOCK_ROWS_MAX: usize = 1 << 16;
/// The size in bytes at which a block is full. The last batch of rows in a block may exceed it.
const BLOCK_BYTES_MAX: usize = 32 << 20;

/// A Parquet file whose footer has been read.
#[derive(Clone)]
pub(crate) struct ParquetFile {
    bytes: SharedFile,
    metadata: ArrowReaderMetadata,
    limits: DecodeLimits,
    received: ReceivedBytes,
}

impl ParquetFile {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// If the file is not Parquet, or its column chunks extend beyond the end of the file.
    pub(crate) fn open(
        file: File,
        limits: DecodeLimits,
        received: ReceivedBytes,
    ) -> Result<ParquetFile, TabularError> {
        let bytes = SharedFile::new(file)?;
        let metadata = catch_reader_panic(BatchFormat::Parquet, || {
            check_footer(&bytes, limits)?;
            let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes);
            let metadata = metadata.map_err(parquet_read_error)?;
            check_arrow_schema(&metadata, limits)?;
            let options = ArrowReaderOptions::new();
            ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(parquet_read_error)
        })?;
        let file = ParquetFile {
            bytes,
            metadata,
            limits,
            received,
        };
        catch_reader_panic(BatchFormat::Parquet, || file.check_chunks())?;
        Ok(file)
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    fn parquet(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    fn check_chunks(&self) -> Result<(), TabularError> {
        let groups = self.parquet().row_groups().iter();
        for chunk in groups.flat_map(|group| group.columns()) {
            let (start, length) = chunk.byte_range();
            let end = start.checked_add(length);
            if end.is_none_or(|end| end > self.bytes.length) {
                return Err(corrupt_parquet("the file ends before its column chunks do"));
            }
        }
        Ok(())
    }

    /// Returns a reader of the columns with the given indices.
    ///
    /// # Errors
    /// If the pages of a column use an unsupported codec. Without this check, reading would fail
    /// only at the first row.
    pub(crate) fn select_columns(&self, columns: &[usize]) -> Result<RowGroupReader, TabularError> {
        let columns: BTreeSet<usize> = columns.iter().copied().collect();
        let schema = self.parquet().file_metadata().schema_descr();
        let mask = ProjectionMask::roots(schema, columns.iter().copied());
        for group in self.parquet().row_groups() {
            let chunks = group.columns().iter().enumerate();
            let mut read = chunks.filter(|(leaf, _)| mask.leaf_included(*leaf));
            read.try_for_each(|(_, chunk)| check_codec(chunk))?;
        }
        Ok(RowGroupReader {
            file: self.clone(),
            columns: columns.into_iter().collect(),
            mask,
            decompressed: DecompressedTotal::new(self.received.clone()),
            next_group: 0,
            open_group: None,
            rows_before: 0,
        })
    }
}

/// Checks that the pages of a column chunk use a supported codec.
fn check_codec(chunk: &ColumnChunkMetaData) -> Result<(), TabularError> {
    let codec = match chunk.compression() {
        basic::Compression::BROTLI(_) => "Brotli",
        basic::Compression::LZO => "LZO",
        _ => return Ok(()),
    };
    Err(TabularError::Unreadable {
        format: BatchFormat::Parquet,
        what: format!(
            "pages of `{}` are compressed with {codec}: use Snappy, gzip, LZ4 or Zstandard",
            chunk.column_path()
        ),
    })
}

/// Reads selected columns block by block. The block boundaries depend only on the file.
pub(crate) struct RowGroupReader {
    file: ParquetFile,
    /// The indices of the selected columns, in ascending order.
    columns: Vec<usize>,
    mask: ProjectionMask,
    decompressed: DecompressedTotal,
    /// The index of the next row group.
    next_group: usize,
    open_group: Option<OpenGroup>,
    rows_before: u64,
}

/// A row group that is being read.
struct OpenGroup {
    index: usize,
    reader: ParquetRecordBatchReader,
    rows_left: usize,
}

/// Rows of one row group, with only the selected columns.
#[derive(Default)]
pub(crate) struct GroupRows {
    pub(crate) batches: Vec<RecordBatch>,
    /// The number of rows that precede these rows in the file.
    pub(crate) rows_before: u64,
    /// The index of the row group, if these are its last rows.
    pub(crate) completed_group: Option<usize>,
}

impl RowGroupReader {
    /// Returns the positions in a batch of the columns with these indices in the file.
    pub(crate) fn column_positions(&self, columns: &[usize]) -> Vec<usize> {
        let position = |&index: &usize| self.columns.partition_point(|&column| column < index);
        columns.iter().map(position).collect()
    }

    /// Returns the row group that is being read or, if there is no such group, opens the next row
    /// group that contains rows.
    fn current_group(&mut self) -> Result<Option<&mut OpenGroup>, TabularError> {
        while self.open_group.is_none() {
            let index = self.next_group;
            let Some(group) = self.file.parquet().row_groups().get(index) else {
                return Ok(None);
            };
            self.next_group += 1;
            let rows = usize::try_from(group.num_rows())
                .map_err(|_| corrupt_parquet("a row group has a negative number of rows"))?;
            if rows == 0 {
                continue;
            }
            let reader = catch_reader_panic(BatchFormat::Parquet, || {
                let batch_size = self.check_pages(index, rows)?;
                ParquetRecordBatchReaderBuilder::new_with_metadata(
                    self.file.bytes.clone(),
                    self.file.metadata.clone(),
                )
                .with_row_groups(vec![index])
                .with_projection(self.mask.clone())
                .with_batch_size(batch_size)
                .build()
                .map_err(parquet_read_error)
            })?;
            self.open_group = Some(OpenGroup {
                index,
                reader,
                rows_left: rows,
            });
        }
        Ok(self.open_group.as_mut())
    }

    /// Checks the pages of a row group in the selected columns. Returns the number of
    /// rows to decode together, which is smaller if values are long.
    fn check_pages(&mut self, index: usize, rows: usize) -> Result<usize, TabularError> {
        let file = Arc::new(self.file.bytes.clone());
        let chunks = self.file.parquet().row_group(index).columns();
        let mut row_bytes = 1_u64;
        for (leaf, chunk) in chunks.iter().enumerate() {
            if self.mask.leaf_included(leaf) {
                let limits = self.file.limits;
                let longest = check_chunk(&file, chunk, rows, limits, &mut self.decompressed)?;
                row_bytes = row_bytes.saturating_add(longest);
            }
        }
        let bytes = READ_BYTES_MAX.min(self.file.limits.record_batch_bytes / 4);
        let rows = usize::try_from(bytes / row_bytes).unwrap_or(READ_ROWS_MAX);
        Ok(rows.clamp(1, READ_ROWS_MAX))
    }

    /// Fills the block with the next rows. Returns `false` if there are no more rows.
    pub(crate) fn fill(&mut self, block: &mut GroupRows) -> Result<bool, TabularError> {
        block.batches.clear();
        block.rows_before = self.rows_before;
        block.completed_group = None;
        let Some(group) = self.current_group()? else {
            return Ok(false);
        };
        let (mut rows, mut bytes) = (0, 0);
        while rows < BLOCK_ROWS_MAX && bytes < BLOCK_BYTES_MAX && group.rows_left > 0 {
            let batch = group.next_batch()?;
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
            block.batches.push(batch);
        }
        if group.rows_left == 0 {
            block.completed_group = Some(group.index);
            self.open_group = None;
        }
        self.rows_before += rows as u64;
        Ok(true)
    }
}

impl OpenGroup {
    fn next_batch(&mut self) -> Result<RecordBatch, TabularError> {
        let batch = catch_reader_panic(BatchFormat::Parquet, || {
            let map_error = |arrow_error: ArrowError| parquet_read_error(arrow_error.into());
            self.reader.next().transpose().map_err(map_error)
        })?;
        let batch =
            batch.ok_or_else(|| corrupt_parquet("a row group has fewer rows than it states"))?;
        let rows_left = self.rows_left.checked_sub(batch.num_rows());
        self.rows_left =
            rows_left.ok_or_else(|| corrupt_parquet("a row group has more rows than it states"))?;
        Ok(batch)
    }
}

impl BlockSource for RowGroupReader {
    type Block = GroupRows;

    fn next(&mut self, block: &mut GroupRows) -> Result<bool, TabularError> {
        self.fill(block)
    }
}

/// Output columns for rows of one row group.
#[derive(Default)]
pub(crate) struct GroupAnswers {
    pub(crate) batches: Vec<RecordBatch>,
    /// The index of the row group, if these are its last rows.
    pub(crate) completed_group: Option<usize>,
}

/// A sink that writes the input row groups with the output columns appended.
pub(crate) struct ParquetAppender<W: Write + Send> {
    output: SerializedFileWriter<W>,
    input: ParquetFile,
    added_columns: RowGroupFactory,
    /// The output columns of the current row group, which is not complete yet.
    partial_group: Option<RowGroupBuilder>,
}

impl<W: Write + Send> ParquetAppender<W> {
    /// Writes the start of the file. Pages of the output columns are compressed with Snappy unless
    /// `compression` specifies another codec.
    pub(crate) fn begin(
        output: W,
        input: ParquetFile,
        added_schema: &SchemaRef,
        compression: Compression,
    ) -> Result<ParquetAppender<W>, TabularError> {
        let (standalone, added_columns) =
            ParquetSink::begin(io::sink(), added_schema, compression)?;
        let file_metadata = input.parquet().file_metadata();
        let mut properties = writer_properties(
            compression,
            retained_metadata(file_metadata.key_value_metadata()),
        );
        let has_arrow_schema = file_metadata.key_value_metadata().is_some_and(|metadata| {
            metadata
                .iter()
                .any(|value| value.key == ARROW_SCHEMA_META_KEY)
        });
        if has_arrow_schema {
            let mut fields = input.schema().fields().to_vec();
            fields.extend(added_schema.fields().iter().cloned());
            let combined = Schema::new_with_metadata(fields, input.schema().metadata().clone());
            add_encoded_arrow_schema_to_metadata(&combined, &mut properties);
        }
        let root = file_metadata.schema_descr().root_schema();
        let mut fields = root.get_fields().to_vec();
        fields.extend_from_slice(standalone.root_schema().get_fields());
        let root = Type::group_type_builder(root.name())
            .with_fields(fields)
            .build();
        let output = root.and_then(|root| {
            SerializedFileWriter::new(output, Arc::new(root), Arc::new(properties))
        });
        Ok(ParquetAppender {
            output: output.map_err(parquet_write_error)?,
            input,
            added_columns,
            partial_group: None,
        })
    }

    /// Writes the end of the file.
    pub(crate) fn finish(mut self) -> Result<(), TabularError> {
        self.output.finish().map_err(parquet_write_error)?;
        self.output.flush().map_err(TabularError::Write)
    }

    fn write_group(&mut self, index: usize, added: RowGroupBuilder) -> Result<(), TabularError> {
        let input_group = self.input.parquet().row_group(index);
        let rows = u64::try_from(input_group.num_rows()).expect("it was read");
        let added_chunks = added.finish()?;
        let write = || -> ParquetResult<()> {
            let mut group = self.output.next_row_group()?;
            for chunk in input_group.columns() {
                group.append_column(&self.input.bytes, copy_chunk(chunk, rows)?)?;
            }
            for chunk in added_chunks {
                chunk.append_to_row_group(&mut group)?;
            }
            group.close().map(drop)
        };
        write().map_err(parquet_write_error)
    }
}

/// Returns the key-value metadata without the entries that would be wrong after output columns are
/// added.
fn retained_metadata(metadata: Option<&Vec<KeyValue>>) -> Vec<KeyValue> {
    let pairs = metadata.into_iter().flatten();
    pairs
        .filter(|value| {
            ![SPARK_ROW_METADATA_KEY, ARROW_SCHEMA_META_KEY].contains(&value.key.as_str())
        })
        .cloned()
        .collect()
}

/// Describes a column chunk that is copied unchanged. The page indexes and Bloom filter of the
/// chunk are stored outside the chunk and are not copied.
fn copy_chunk(chunk: &ColumnChunkMetaData, rows: u64) -> ParquetResult<ColumnCloseResult> {
    let (_, bytes_written) = chunk.byte_range();
    Ok(ColumnCloseResult {
        bytes_written,
        rows_written: rows,
        metadata: chunk.clone(),
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    })
}

impl<W: Write + Send> OutputSink for ParquetAppender<W> {
    type Output = GroupAnswers;

    fn write(&mut self, output: &mut GroupAnswers) -> Result<(), TabularError> {
        let mut added = match self.partial_group.take() {
            Some(added) => added,
            None => self.added_columns.begin()?,
        };
        for batch in output.batches.drain(..) {
            added.add(&batch)?;
        }
        match output.completed_group {
            Some(index) => self.write_group(index, added),
            None => {
                self.partial_group = Some(added);
                Ok(())
            }
        }
    }
}

/// A file that several threads read. Clones of a [`File`] share a position, so every read seeks
/// first.
#[derive(Clone)]
struct SharedFile {
    file: Arc<Mutex<File>>,
    /// The length in bytes.
    length: u64,
}

/// The lock is never poisoned, because the code that runs while the lock is held does not panic.
const POISONED: &str = "no thread panics while it reads";
/// The size of a read buffer.
const BUFFER_BYTES: usize = 1 << 16;

impl SharedFile {
    fn new(file: File) -> io::Result<SharedFile> {
        let length = file.metadata()?.len();
        let file = Arc::new(Mutex::new(file));
        Ok(SharedFile { file, length })
    }
}

impl Length for SharedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for SharedFile {
    type T = BufReader<SharedFileReader>;

    fn get_read(&self, start: u64) -> ParquetResult<BufReader<SharedFileReader>> {
        let from = SharedFileReader {
            file: self.clone(),
            position: start,
        };
        Ok(BufReader::with_capacity(BUFFER_BYTES, from))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // The length is checked before memory is allocated, because the length in a corrupt file
        // may have any value.
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF("a page ends after the file does".into()));
        }
        let mut bytes = vec![0; length];
        let mut file = self.file.lock().expect(POISONED);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A reader of a [`SharedFile`] from a given offset.
struct SharedFileReader {
    file: SharedFile,
    position: u64,
}

impl Read for SharedFileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.file.lock().expect(POISONED);
        file.seek(SeekFrom::Start(self.position))?;
        let read = file.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

fn parquet_read_error(parquet_error: ParquetError) -> TabularError {
    super::corrupt(BatchFormat::Parquet, parquet_error)
}

fn corrupt_parquet(what: &str) -> TabularError {
    super::corrupt(BatchFormat::Parquet, what)
}
