//! Batches of rows from a Parquet file or an Arrow stream.

use std::fs::File;
use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::Block;
use crate::batch::BatchError;
use crate::batch::intake::Format;
use crate::batch::relay::Source;

/// How a Parquet file begins.
pub(in crate::batch) const PARQUET_BEGINNING: &[u8] = b"PAR1";
/// How each message of an Arrow stream begins, since format 0.15 of 2019.
pub(in crate::batch) const ARROW_BEGINNING: &[u8] = b"\xff\xff\xff\xff";

/// So many rows are answered together at most, and are a row group of a Parquet file.
const ROWS_MAX: usize = 1 << 16;
/// Rows that take more are no longer grouped.
const GROUP_BYTES: usize = 32 << 20;
/// So many rows are read from a Parquet file at a time, or fewer where they are long.
const READ_ROWS: usize = 1 << 13;
const READ_BYTES: usize = 8 << 20;

/// Gives block after block; where they begin depends on the list alone.
pub(in crate::batch) struct Batches<R: Read> {
    reader: Reader<R>,
    /// With the metadata, which batches of a Parquet file do not carry.
    schema: SchemaRef,
    rest: Option<RecordBatch>,
    rows_before: u64,
    pub(super) group: Group,
}

/// Which rows are answered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::batch) enum Group {
    /// Those that came together: an answer waits for no more.
    AsTheyCome,
    /// As many as make a good row group.
    Rows,
}

enum Reader<R: Read> {
    Arrow(Box<StreamReader<BufReader<R>>>),
    Parquet(Box<ParquetRecordBatchReader>),
}

impl<R: Read> Batches<R> {
    /// A stream, of which the schema is read.
    pub(in crate::batch) fn arrow(source: R) -> Result<Batches<R>, BatchError> {
        let source = BufReader::with_capacity(1 << 16, source);
        let reader = sound(Format::Arrow, || {
            StreamReader::try_new(source, None).map_err(arrow_fault)
        })?;
        let schema = reader.schema();
        Ok(Batches::new(Reader::Arrow(Box::new(reader)), schema))
    }

    /// A file, of which the end is read.
    pub(in crate::batch) fn parquet(file: File) -> Result<Batches<R>, BatchError> {
        let reader = sound(Format::Parquet, || {
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_fault)
        })?;
        check_packing(reader.metadata())?;
        let schema = SchemaRef::clone(reader.schema());
        let rows = rows_at_a_time(reader.metadata());
        let reader = reader.with_batch_size(rows).build();
        let reader = reader.map_err(parquet_fault)?;
        Ok(Batches::new(Reader::Parquet(Box::new(reader)), schema))
    }

    fn new(reader: Reader<R>, schema: SchemaRef) -> Batches<R> {
        Batches {
            reader,
            schema,
            rest: None,
            rows_before: 0,
            group: Group::AsTheyCome,
        }
    }

    pub(in crate::batch) fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Fills the block with the next rows; whether there were any.
    pub(super) fn fill(&mut self, block: &mut Block) -> Result<bool, BatchError> {
        block.batches.clear();
        block.rows_before = self.rows_before;
        let (mut rows, mut bytes) = (0, 0);
        while rows < ROWS_MAX && bytes < GROUP_BYTES {
            let Some(batch) = self.next_rows(ROWS_MAX - rows)? else {
                break;
            };
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
            block.batches.push(batch);
            if self.group == Group::AsTheyCome {
                break;
            }
        }
        self.rows_before += rows as u64;
        Ok(rows > 0)
    }

    /// The next rows that came together, at most so many of them.
    fn next_rows(&mut self, at_most: usize) -> Result<Option<RecordBatch>, BatchError> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.next_batch()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        if batch.num_rows() <= at_most {
            return Ok(Some(batch));
        }
        self.rest = Some(batch.slice(at_most, batch.num_rows() - at_most));
        Ok(Some(batch.slice(0, at_most)))
    }

    /// The next batch that has rows.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, BatchError> {
        loop {
            let next = match &mut self.reader {
                Reader::Arrow(reader) => sound(Format::Arrow, || {
                    reader.next().transpose().map_err(arrow_fault)
                })?,
                Reader::Parquet(reader) => sound(Format::Parquet, || {
                    let fault = |fault: ArrowError| parquet_fault(fault.into());
                    reader.next().transpose().map_err(fault)
                })?,
            };
            match next {
                Some(batch) if batch.num_rows() == 0 => {}
                next => return Ok(next),
            }
        }
    }
}

impl<R: Read + Send> Source for Batches<R> {
    type Block = Block;

    fn next(&mut self, block: &mut Block) -> Result<bool, BatchError> {
        self.fill(block)
    }
}

/// Refuses pages that cannot be unpacked, which would come to light in the midst of the rows.
fn check_packing(metadata: &ParquetMetaData) -> Result<(), BatchError> {
    let groups = metadata.row_groups().iter();
    let mut packings = groups
        .flat_map(|group| group.columns())
        .map(|it| it.compression());
    let unknown = packings.find_map(|packing| match packing {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    });
    unknown.map_or(Ok(()), |packing| {
        Err(BatchError::Unsound {
            format: Format::Parquet,
            what: format!(
                "its pages are packed with {packing}: pack them with Snappy, gzip, LZ4 or Zstandard"
            ),
        })
    })
}

fn rows_at_a_time(metadata: &ParquetMetaData) -> usize {
    let bytes_of_a_row = metadata.row_groups().iter().map(|group| {
        let rows = group.num_rows().max(1);
        usize::try_from(group.total_byte_size() / rows).unwrap_or(usize::MAX)
    });
    let bytes = bytes_of_a_row.max().unwrap_or(0).max(1);
    (READ_BYTES / bytes).clamp(1, READ_ROWS)
}

/// What reading gives. The readers panic where a list is damaged so that its parts contradict each other;
/// what they hold is not used afterwards.
fn sound<T>(format: Format, read: impl FnOnce() -> Result<T, BatchError>) -> Result<T, BatchError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
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

fn parquet_fault(fault: ParquetError) -> BatchError {
    BatchError::Unsound {
        format: Format::Parquet,
        what: fault.to_string(),
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
