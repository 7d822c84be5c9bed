//! Builds Arrow arrays from rows of cells.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Date32Builder, Float64Builder, Int32Builder, StringBuilder};
use arrow_schema::{DataType, Field};

use crate::tabular::cell_format::take_cell;

/// Array builders that are filled row by row.
pub(crate) struct ArrayBuilders(Vec<ColumnBuilder>);

enum ColumnBuilder {
    Text(StringBuilder),
    Number(Float64Builder),
    /// A date, as days since 1970-01-01.
    Day(Date32Builder),
    Count(Int32Builder),
}

/// The typical length of a string in bytes.
const TYPICAL_TEXT_BYTES: usize = 12;

impl ArrayBuilders {
    /// Creates builders for columns of text, numbers (float64), counts (int32) and dates (date32),
    /// with capacity for `rows` rows.
    pub(crate) fn new<'f>(
        columns: impl IntoIterator<Item = &'f Arc<Field>>,
        rows: usize,
    ) -> ArrayBuilders {
        let builder = |column: &Arc<Field>| match column.data_type() {
            DataType::Float64 => ColumnBuilder::Number(Float64Builder::with_capacity(rows)),
            DataType::Date32 => ColumnBuilder::Day(Date32Builder::with_capacity(rows)),
            DataType::Int32 => ColumnBuilder::Count(Int32Builder::with_capacity(rows)),
            _ => ColumnBuilder::Text(StringBuilder::with_capacity(
                rows,
                rows * TYPICAL_TEXT_BYTES,
            )),
        };
        ArrayBuilders(columns.into_iter().map(builder).collect())
    }

    /// Appends a row of cells in `CellFormat::LengthPrefixed`.
    pub(crate) fn push_row(&mut self, mut cells: &[u8]) {
        for builder in &mut self.0 {
            let cell = take_cell(&mut cells);
            match builder {
                ColumnBuilder::Text(array) => array.append_option(
                    cell.map(|text| std::str::from_utf8(text).expect("our texts are UTF-8")),
                ),
                ColumnBuilder::Number(array) => array.append_option(
                    cell.map(|bits| f64::from_le_bytes(bits.try_into().expect("eight bytes"))),
                ),
                ColumnBuilder::Day(array) => array.append_option(cell.map(number_of_cell)),
                ColumnBuilder::Count(array) => array.append_option(cell.map(number_of_cell)),
            }
        }
        debug_assert!(cells.is_empty(), "a cell for every column");
    }

    /// Returns the arrays, in the order of the columns.
    pub(crate) fn finish(self) -> Vec<ArrayRef> {
        let array = |builder| -> ArrayRef {
            match builder {
                ColumnBuilder::Text(mut array) => Arc::new(array.finish()),
                ColumnBuilder::Number(mut array) => Arc::new(array.finish()),
                ColumnBuilder::Day(mut array) => Arc::new(array.finish()),
                ColumnBuilder::Count(mut array) => Arc::new(array.finish()),
            }
        };
        self.0.into_iter().map(array).collect()
    }
}

fn number_of_cell(bits: &[u8]) -> i32 {
    i32::from_le_bytes(bits.try_into().expect("four bytes"))
}
