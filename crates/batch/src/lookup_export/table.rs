//! Writes a table to Parquet or CSV. The table contains the rows of each key (a postcode or a
//! practice code), in the order of the keys. Several threads share the work. Memory use depends on
//! the number of threads, but not on the number of rows.

use std::io::Write;
use std::num::NonZeroUsize;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int32Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use jiff::Span;
use jiff::civil::date;

use crate::progress::BatchProgress;
use crate::tabular::cell_format::{escape_formula, write_csv_cell};
use crate::tabular::columnar::{ArrayBuilders, ParquetSink, RowGroupChunks, RowGroupFactory};
use crate::tabular::compression::Compression;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::error::TabularError;
use crate::tabular::pipeline::{BlockSource, ByteSink, Stage, run_ordered};

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Apache Parquet, compressed with Zstandard.
    Parquet,
    /// CSV (RFC 4180) in UTF-8, with LF line endings. A cell that a spreadsheet would evaluate as a
    /// formula is prefixed with an apostrophe.
    Csv,
}

/// The number of keys in a block. The rows of a block form one row group.
const KEYS_PER_BLOCK: usize = 1 << 14;

/// Writes a table with the rows that `emit_key` emits for each key, in order. The cells of the rows
/// are in `CellFormat::LengthPrefixed`.
pub(super) fn write_table<K: Send, W: Write + Send>(
    schema: &SchemaRef,
    keys: impl Iterator<Item = K> + Send,
    emit_key: impl Fn(&K, &mut dyn FnMut(&[u8])) + Sync,
    format: TableFormat,
    mut output: W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<(), TabularError> {
    let keys = KeySource(keys);
    let add_rows = |rows| progress.add_rows(rows);
    let to_batch = |keys: &[K]| record_batch(schema, keys, &emit_key);
    match format {
        TableFormat::Parquet => {
            let (sink, row_group_factory) = ParquetSink::begin(output, schema, Compression::Zstd)?;
            let worker = || TableParquetWorker {
                to_batch: &to_batch,
                row_group_factory: &row_group_factory,
            };
            let (sink, _) = run_ordered(keys, sink, threads, &add_rows, worker)?;
            sink.finish()
        }
        TableFormat::Csv => {
            let names = header_row(schema);
            output.write_all(&names).map_err(TabularError::Write)?;
            let worker = || TableCsvWorker(&to_batch);
            let (mut sink, _) = run_ordered(keys, ByteSink(output), threads, &add_rows, worker)?;
            sink.0.flush().map_err(TabularError::Write)
        }
    }
}

fn record_batch<K>(
    schema: &SchemaRef,
    keys: &[K],
    emit_key: impl Fn(&K, &mut dyn FnMut(&[u8])),
) -> RecordBatch {
    let mut arrays = ArrayBuilders::new(schema.fields(), keys.len());
    for key in keys {
        emit_key(key, &mut |row| arrays.push_row(row));
    }
    RecordBatch::try_new(SchemaRef::clone(schema), arrays.finish()).expect("columns of one length")
}

/// A source that returns keys in blocks.
struct KeySource<I>(I);

impl<K, I: Iterator<Item = K> + Send> BlockSource for KeySource<I> {
    type Block = Vec<K>;

    fn next(&mut self, block: &mut Vec<K>) -> Result<bool, TabularError> {
        block.clear();
        block.extend(self.0.by_ref().take(KEYS_PER_BLOCK));
        Ok(!block.is_empty())
    }
}

struct TableParquetWorker<'w, F> {
    to_batch: &'w F,
    row_group_factory: &'w RowGroupFactory,
}

impl<K, F: Fn(&[K]) -> RecordBatch> Stage<Vec<K>, RowGroupChunks> for TableParquetWorker<'_, F> {
    type Outcome = ();

    fn process(
        &mut self,
        keys: &mut Vec<K>,
        chunks: &mut RowGroupChunks,
    ) -> Result<u64, TabularError> {
        let batch = (self.to_batch)(keys);
        let mut group = self.row_group_factory.begin()?;
        group.add(&batch)?;
        *chunks = group.finish()?;
        Ok(batch.num_rows() as u64)
    }

    fn finish(self) {}
}

struct TableCsvWorker<'w, F>(&'w F);

impl<K, F: Fn(&[K]) -> RecordBatch> Stage<Vec<K>, Vec<u8>> for TableCsvWorker<'_, F> {
    type Outcome = ();

    fn process(&mut self, keys: &mut Vec<K>, output: &mut Vec<u8>) -> Result<u64, TabularError> {
        let batch = (self.0)(keys);
        output.clear();
        for row in 0..batch.num_rows() {
            write_row(output, batch.columns().iter(), |out, array| {
                write_cell(out, array, row)
            });
        }
        Ok(batch.num_rows() as u64)
    }

    fn finish(self) {}
}

fn header_row(schema: &Schema) -> Vec<u8> {
    let mut out = Vec::new();
    write_row(&mut out, schema.fields().iter(), |out, field| {
        out.extend_from_slice(field.name().as_bytes());
    });
    out
}

fn write_row<T>(
    out: &mut Vec<u8>,
    cells: impl Iterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put(out, cell);
    }
    out.push(b'\n');
}

fn write_cell(out: &mut Vec<u8>, array: &dyn Array, row: usize) {
    if array.is_null(row) {
        return;
    }
    match array.data_type() {
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            out.extend_from_slice(value.to_string().as_bytes());
        }
        DataType::Int32 => {
            let value = array.as_primitive::<Int32Type>().value(row);
            out.extend_from_slice(value.to_string().as_bytes());
        }
        DataType::Date32 => {
            let days = Span::new().days(array.as_primitive::<Date32Type>().value(row));
            let day = date(1970, 1, 1) + days;
            out.extend_from_slice(day.to_string().as_bytes());
        }
        _ => {
            let text = escape_formula(array.as_string::<i32>().value(row));
            write_csv_cell(out, &text, Delimiter::COMMA);
        }
    }
}
