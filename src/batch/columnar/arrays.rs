//! Builds Arrow arrays from rows of cells.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Date32Builder, Float64Builder, StringBuilder};
use arrow_schema::{DataType, Field};

use crate::batch::Column;
use crate::batch::cells::take_cell;

/// Returns the Arrow field of an output column: a number, or text as in CSV; nullable.
pub(crate) fn field(column: Column) -> Field {
    let data_type = match column.is_number() {
        true => DataType::Float64,
        false => DataType::Utf8,
    };
    Field::new(column.to_string(), data_type, true)
}

/// Array builders that are filled row by row.
pub(crate) struct Arrays(Vec<Filling>);

enum Filling {
    Text(StringBuilder),
    Number(Float64Builder),
    /// A date, as days since 1970-01-01.
    Day(Date32Builder),
}

/// The typical length of a text.
const TEXT_BYTES: usize = 12;

impl Arrays {
    /// Creates builders for columns of text, numbers (float64) and dates (date32), with capacity
    /// for `rows` rows.
    pub(crate) fn new<'f>(
        columns: impl IntoIterator<Item = &'f Arc<Field>>,
        rows: usize,
    ) -> Arrays {
        let filling = |column: &Arc<Field>| match column.data_type() {
            DataType::Float64 => Filling::Number(Float64Builder::with_capacity(rows)),
            DataType::Date32 => Filling::Day(Date32Builder::with_capacity(rows)),
            _ => Filling::Text(StringBuilder::with_capacity(rows, rows * TEXT_BYTES)),
        };
        Arrays(columns.into_iter().map(filling).collect())
    }

    /// Appends a row of cells in `CellFormat::LengthPrefixed`.
    pub(crate) fn add(&mut self, mut cells: &[u8]) {
        for filling in &mut self.0 {
            let cell = take_cell(&mut cells);
            match filling {
                Filling::Text(array) => array.append_option(
                    cell.map(|text| std::str::from_utf8(text).expect("our texts are UTF-8")),
                ),
                Filling::Number(array) => array.append_option(
                    cell.map(|bits| f64::from_le_bytes(bits.try_into().expect("eight bytes"))),
                ),
                Filling::Day(array) => array.append_option(
                    cell.map(|bits| i32::from_le_bytes(bits.try_into().expect("four bytes"))),
                ),
            }
        }
        debug_assert!(cells.is_empty(), "a cell for every column");
    }

    /// Returns the arrays, in the order of the columns.
    pub(crate) fn finish(self) -> Vec<ArrayRef> {
        let array = |filling| -> ArrayRef {
            match filling {
                Filling::Text(mut array) => Arc::new(array.finish()),
                Filling::Number(mut array) => Arc::new(array.finish()),
                Filling::Day(mut array) => Arc::new(array.finish()),
            }
        };
        self.0.into_iter().map(array).collect()
    }
}
