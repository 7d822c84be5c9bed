//! Writes rows by key to Parquet or CSV, on several threads and in order. Memory use is bounded by
//! the number of threads.

use std::io::Write;
use std::num::NonZeroUsize;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use jiff::Span;
use jiff::civil::date;

use crate::batch::cells::{csv_cell, neutralised};
use crate::batch::columnar::{Arrays, Chunks, ColumnChunks, ParquetSink};
use crate::batch::relay::{Sink, Source, Work, relay};
use crate::batch::{BatchError, Compression, Delimiter, Progress};

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Apache Parquet, compressed with Zstandard.
    Parquet,
    /// CSV (RFC 4180) in UTF-8, with LF line endings. A cell that a spreadsheet would run as a
    /// formula is prefixed with an apostrophe.
    Csv,
}

/// The number of keys in a block. Their rows are one row group.
const KEYS: usize = 1 << 14;

/// Writes a table with the rows that `emit_key` passes on for each key, in order. The rows are in
/// `CellFormat::LengthPrefixed`.
pub(super) fn write<K: Send, W: Write + Send>(
    schema: &SchemaRef,
    keys: impl Iterator<Item = K> + Send,
    rows_of: impl Fn(&K, &mut dyn FnMut(&[u8])) + Sync,
    format: TableFormat,
    mut output: W,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<(), BatchError> {
    let keys = Keys(keys);
    let batch_of = |keys: &[K]| batch(schema, keys, &rows_of);
    match format {
        TableFormat::Parquet => {
            let (sink, columns) = ParquetSink::begin(output, schema, Compression::Zstd)?;
            let worker = || ToParquet {
                batch_of: &batch_of,
                columns: &columns,
            };
            let (sink, _) = relay(keys, sink, threads, progress, worker)?;
            sink.finish()
        }
        TableFormat::Csv => {
            let names = names(schema);
            output.write_all(&names).map_err(BatchError::Write)?;
            let worker = || ToCsv(&batch_of);
            let (mut sink, _) = relay(keys, Text(output), threads, progress, worker)?;
            sink.0.flush().map_err(BatchError::Write)
        }
    }
}

fn batch<K>(
    schema: &SchemaRef,
    keys: &[K],
    rows_of: impl Fn(&K, &mut dyn FnMut(&[u8])),
) -> RecordBatch {
    let mut arrays = Arrays::new(schema.fields(), keys.len());
    for key in keys {
        rows_of(key, &mut |row| arrays.add(row));
    }
    RecordBatch::try_new(SchemaRef::clone(schema), arrays.finish()).expect("columns of one length")
}

/// A source of keys, in blocks.
struct Keys<I>(I);

impl<K, I: Iterator<Item = K> + Send> Source for Keys<I> {
    type Block = Vec<K>;

    fn next(&mut self, block: &mut Vec<K>) -> Result<bool, BatchError> {
        block.clear();
        block.extend(self.0.by_ref().take(KEYS));
        Ok(!block.is_empty())
    }
}

struct ToParquet<'w, F> {
    batch_of: &'w F,
    columns: &'w ColumnChunks,
}

impl<K, F: Fn(&[K]) -> RecordBatch> Work<Vec<K>, Chunks> for ToParquet<'_, F> {
    type Outcome = ();

    fn work(&mut self, keys: &mut Vec<K>, part: &mut Chunks) -> Result<u64, BatchError> {
        let batch = (self.batch_of)(keys);
        let mut group = self.columns.begin()?;
        group.add(&batch)?;
        *part = group.finish()?;
        Ok(batch.num_rows() as u64)
    }

    fn outcome(self) {}
}

struct ToCsv<'w, F>(&'w F);

impl<K, F: Fn(&[K]) -> RecordBatch> Work<Vec<K>, Vec<u8>> for ToCsv<'_, F> {
    type Outcome = ();

    fn work(&mut self, keys: &mut Vec<K>, part: &mut Vec<u8>) -> Result<u64, BatchError> {
        let batch = (self.0)(keys);
        part.clear();
        for row in 0..batch.num_rows() {
            line(part, batch.columns().iter(), |out, array| {
                cell(out, array, row)
            });
        }
        Ok(batch.num_rows() as u64)
    }

    fn outcome(self) {}
}

struct Text<W>(W);

impl<W: Write + Send> Sink for Text<W> {
    type Part = Vec<u8>;

    fn write(&mut self, part: &mut Vec<u8>) -> Result<(), BatchError> {
        self.0.write_all(part).map_err(BatchError::Write)
    }
}

fn names(schema: &Schema) -> Vec<u8> {
    let mut out = Vec::new();
    line(&mut out, schema.fields().iter(), |out, field| {
        out.extend_from_slice(field.name().as_bytes());
    });
    out
}

fn line<T>(
    out: &mut Vec<u8>,
    cells: impl Iterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put(out, cell);
    }
    out.push(b'\n');
}

fn cell(out: &mut Vec<u8>, array: &dyn Array, row: usize) {
    if array.is_null(row) {
        return;
    }
    match array.data_type() {
        DataType::Float64 => {
            let number = array.as_primitive::<Float64Type>().value(row);
            out.extend_from_slice(number.to_string().as_bytes());
        }
        DataType::Date32 => {
            let days = Span::new().days(array.as_primitive::<Date32Type>().value(row));
            let day = date(1970, 1, 1) + days;
            out.extend_from_slice(day.to_string().as_bytes());
        }
        _ => {
            let text = neutralised(array.as_string::<i32>().value(row));
            csv_cell(out, &text, Delimiter::COMMA);
        }
    }
}
