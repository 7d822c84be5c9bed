//! Reads input columns as text, in the form that the values would have in a CSV file.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray, RecordBatch,
    StringArray, StringViewArray,
};
use arrow_schema::DataType;
use jiff::civil::date;
use jiff::{Span, civil::Date};

/// Returns whether values of the type are text.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, Dictionary, LargeBinary, LargeUtf8, Null, Utf8, Utf8View};
    match data_type {
        // A column that contains only nulls may have this type.
        Null => true,
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView => true,
        Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Returns whether values of the type are integers or floating-point numbers.
pub(crate) fn is_number(data_type: &DataType) -> bool {
    let is_float = matches!(data_type, DataType::Float32 | DataType::Float64);
    is_float || data_type.is_integer()
}

/// The cells of a column.
pub(crate) enum InputColumn<'a> {
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    Dictionary {
        keys: Vec<usize>,
        array: &'a dyn Array,
        values: Box<InputColumn<'a>>,
    },
    /// Numbers and dates that have been formatted as text.
    Formatted(Vec<String>),
    Null,
}

impl<'a> InputColumn<'a> {
    /// Returns the columns of a batch at the given indices. The types of these columns must have
    /// been checked.
    pub(crate) fn from_batch(batch: &'a RecordBatch, columns: &[usize]) -> Vec<InputColumn<'a>> {
        let columns = columns.iter();
        columns
            .map(|&column| InputColumn::new(batch.column(column)))
            .collect()
    }

    fn new(array: &'a dyn Array) -> InputColumn<'a> {
        match array.data_type() {
            DataType::Utf8 => InputColumn::Utf8(array.as_string()),
            DataType::LargeUtf8 => InputColumn::LargeUtf8(array.as_string()),
            DataType::Utf8View => InputColumn::Utf8View(array.as_string_view()),
            DataType::Binary => InputColumn::Binary(array.as_binary()),
            DataType::LargeBinary => InputColumn::LargeBinary(array.as_binary()),
            DataType::BinaryView => InputColumn::BinaryView(array.as_binary_view()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let values = dictionary.values();
                if values.is_empty() {
                    return InputColumn::Null;
                }
                InputColumn::Dictionary {
                    keys: dictionary.normalized_keys(),
                    array,
                    values: Box::new(InputColumn::new(values)),
                }
            }
            DataType::Date32 => InputColumn::Formatted(format_days(array)),
            DataType::Float64 => InputColumn::Formatted(format_numbers::<Float64Type>(array)),
            DataType::Float32 => InputColumn::Formatted(format_numbers::<Float32Type>(array)),
            DataType::Int8 => InputColumn::Formatted(format_numbers::<Int8Type>(array)),
            DataType::Int16 => InputColumn::Formatted(format_numbers::<Int16Type>(array)),
            DataType::Int32 => InputColumn::Formatted(format_numbers::<Int32Type>(array)),
            DataType::Int64 => InputColumn::Formatted(format_numbers::<Int64Type>(array)),
            DataType::UInt8 => InputColumn::Formatted(format_numbers::<UInt8Type>(array)),
            DataType::UInt16 => InputColumn::Formatted(format_numbers::<UInt16Type>(array)),
            DataType::UInt32 => InputColumn::Formatted(format_numbers::<UInt32Type>(array)),
            DataType::UInt64 => InputColumn::Formatted(format_numbers::<UInt64Type>(array)),
            _ => InputColumn::Null,
        }
    }

    /// Returns the text of a row, which is empty if the value is null.
    pub(crate) fn text(&self, row: usize) -> &[u8] {
        fn valid<'v, A: Array + ?Sized>(
            array: &A,
            row: usize,
            text: impl FnOnce() -> &'v [u8],
        ) -> &'v [u8] {
            if array.is_null(row) { b"" } else { text() }
        }
        match self {
            InputColumn::Utf8(array) => valid(*array, row, || array.value(row).as_bytes()),
            InputColumn::LargeUtf8(array) => valid(*array, row, || array.value(row).as_bytes()),
            InputColumn::Utf8View(array) => valid(*array, row, || array.value(row).as_bytes()),
            InputColumn::Binary(array) => valid(*array, row, || array.value(row)),
            InputColumn::LargeBinary(array) => valid(*array, row, || array.value(row)),
            InputColumn::BinaryView(array) => valid(*array, row, || array.value(row)),
            InputColumn::Dictionary {
                keys,
                array,
                values,
            } => valid(*array, row, || values.text(keys[row])),
            InputColumn::Formatted(texts) => texts[row].as_bytes(),
            InputColumn::Null => b"",
        }
    }
}

fn format_numbers<T: ArrowPrimitiveType>(array: &dyn Array) -> Vec<String>
where
    T::Native: ToString,
{
    let array = array.as_primitive::<T>().iter();
    array
        .map(|number| number.map(|value| value.to_string()).unwrap_or_default())
        .collect()
}

/// Formats dates in the form 2026-04-01. A date outside the calendar is formatted as text that is
/// not a date.
fn format_days(array: &dyn Array) -> Vec<String> {
    let array = array.as_primitive::<Date32Type>().iter();
    array
        .map(|day| match day {
            None => String::new(),
            Some(day) => {
                date_from_epoch_days(day).map_or("not a date".into(), |day| day.to_string())
            }
        })
        .collect()
}

fn date_from_epoch_days(days: i32) -> Option<Date> {
    let span = Span::new().try_days(days).ok()?;
    date(1970, 1, 1).checked_add(span).ok()
}
