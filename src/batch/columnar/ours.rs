//! Our columns as arrays.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_schema::{DataType, Field};

use crate::batch::Column;
use crate::batch::cells::take_cell;

/// A column of ours: texts as they are in CSV, numbers as numbers; what is not there is null.
pub(in crate::batch) fn field(column: Column) -> Field {
    let data_type = match column.is_number() {
        true => DataType::Float64,
        false => DataType::Utf8,
    };
    Field::new(column.to_string(), data_type, true)
}

/// Arrays that are being filled row by row.
pub(in crate::batch) struct Ours(Vec<Filling>);

enum Filling {
    Text(StringBuilder),
    Number(Float64Builder),
}

/// What a cell of ours takes, more often than not.
const CELL_BYTES: usize = 12;

impl Ours {
    /// With room for so many rows.
    pub(in crate::batch) fn new(columns: &[Column], rows: usize) -> Ours {
        let filling = |column: &Column| match column.is_number() {
            true => Filling::Number(Float64Builder::with_capacity(rows)),
            false => Filling::Text(StringBuilder::with_capacity(rows, rows * CELL_BYTES)),
        };
        Ours(columns.iter().map(filling).collect())
    }

    /// Adds a row of cells in `Encoding::Columns`.
    pub(in crate::batch) fn add(&mut self, mut cells: &[u8]) {
        for filling in &mut self.0 {
            let cell = take_cell(&mut cells);
            match filling {
                Filling::Text(array) => array.append_option(
                    cell.map(|text| std::str::from_utf8(text).expect("our texts are UTF-8")),
                ),
                Filling::Number(array) => array.append_option(
                    cell.map(|bits| f64::from_le_bytes(bits.try_into().expect("eight bytes"))),
                ),
            }
        }
        debug_assert!(cells.is_empty(), "a cell for every column");
    }

    /// The arrays, in the order of the columns.
    pub(in crate::batch) fn finish(self) -> Vec<ArrayRef> {
        let array = |filling| -> ArrayRef {
            match filling {
                Filling::Text(mut array) => Arc::new(array.finish()),
                Filling::Number(mut array) => Arc::new(array.finish()),
            }
        };
        self.0.into_iter().map(array).collect()
    }
}
