//! Writes the output rows of text as a new workbook. The user's fields are written as text, so that
//! leading zeros are preserved.

use std::borrow::Cow;
use std::io::Write;

use encoding_rs::WINDOWS_1252;
use serde_json::{Map, Value};

use super::context::BatchContext;
use super::input_format::DetectedFormat;
use crate::tabular::cell_format::SEPARATOR;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::error::TabularError;
use crate::tabular::fields::{field_ends, field_range, rows, unquote};
use crate::tabular::pipeline::OutputSink;
use crate::tabular::workbook::{NewValue, NewWorkbook, SummarySheet};

/// A sink that writes blocks of whole output rows, in the format of the input, to a new workbook.
pub(super) struct WorkbookSink<W: Write> {
    workbook: NewWorkbook<W>,
    format: RowFormat,
    /// For each output column, whether it contains numbers.
    is_numeric: Vec<bool>,
}

/// The format of the rows to convert.
enum RowFormat {
    Csv {
        delimiter: Delimiter,
        /// The number of the user's fields in a row.
        width: usize,
    },
    /// Objects whose members have these names.
    Ndjson(Vec<String>),
}

/// The maximum number of digits of a JSON number that a workbook can store exactly.
const DIGITS_MAX: usize = 15;
/// The member that contains the text of a line that is not an object.
const BAD_LINE: &str = "catchment_input";

impl<W: Write> WorkbookSink<W> {
    /// Starts a workbook. `beginning` contains the lines above the header row, and the header row.
    pub(super) fn begin(
        output: W,
        detected: &DetectedFormat,
        context: &BatchContext<'_>,
        beginning: &[u8],
    ) -> Result<WorkbookSink<W>, TabularError> {
        let columns = &context.layout.columns;
        let header_rows = detected.lines_above_header + usize::from(detected.has_header);
        let header_rows = u32::try_from(header_rows).unwrap_or(0);
        let workbook = NewWorkbook::begin(output, header_rows)?;
        let is_numeric = columns.iter().map(|column| column.is_numeric()).collect();
        let Some(delimiter) = detected.delimiter else {
            let output_names = columns.iter().map(ToString::to_string);
            let names: Vec<String> = detected
                .columns
                .iter()
                .cloned()
                .chain(output_names)
                .collect();
            let mut sink = WorkbookSink {
                workbook,
                format: RowFormat::Ndjson(Vec::new()),
                is_numeric,
            };
            let texts = names.iter().map(|name| NewValue::Text(name));
            sink.workbook.write_row(texts)?;
            sink.format = RowFormat::Ndjson(names);
            return Ok(sink);
        };
        let mut sink = WorkbookSink {
            workbook,
            format: RowFormat::Csv {
                delimiter,
                width: detected.columns.len(),
            },
            // The names of the columns are written as text.
            is_numeric: Vec::new(),
        };
        sink.write_csv(beginning, delimiter, 0)?;
        sink.is_numeric = is_numeric;
        Ok(sink)
    }

    /// Completes the workbook with the sheet that contains the summary.
    pub(super) fn finish(self, summary: &SummarySheet) -> Result<(), TabularError> {
        self.workbook.finish(summary)
    }

    fn write_csv(
        &mut self,
        text: &[u8],
        delimiter: Delimiter,
        width: usize,
    ) -> Result<(), TabularError> {
        let mut ends = Vec::new();
        for row in rows(text, delimiter) {
            field_ends(row, true, delimiter, &mut ends);
            let fields: Vec<Cow<'_, str>> = (0..ends.len())
                .map(|index| decode(unquote(&row[field_range(&ends, index, delimiter)])))
                .collect();
            let is_numeric = &self.is_numeric;
            let values = fields.iter().enumerate().map(|(index, field)| {
                let numeric = index
                    .checked_sub(width)
                    .and_then(|index| is_numeric.get(index));
                match numeric {
                    Some(true) if !field.is_empty() => NewValue::Number(field),
                    _ => NewValue::Text(field),
                }
            });
            self.workbook.write_row(values)?;
        }
        Ok(())
    }

    fn write_ndjson(&mut self, text: &[u8], names: &[String]) -> Result<(), TabularError> {
        let lines = text.split(|&byte| byte == b'\n');
        for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
            let object: Map<String, Value> = serde_json::from_slice(line)
                .map_err(|_| self.error_in_row("it is not an object that can be read"))?;
            let mut texts: Vec<Option<String>> = vec![None; names.len()];
            let mut found = 0;
            for (name, text) in names.iter().zip(&mut texts) {
                if let Some(value) = object.get(name) {
                    found += 1;
                    *text = json_text(value);
                }
            }
            if let Some(bad) = object.get(BAD_LINE) {
                found += 1;
                texts[0] = json_text(bad);
            }
            if found < object.len() {
                return Err(self.error_in_row(
                    "it has a member that the first 100 objects do not have: give all objects the same members, or write NDJSON",
                ));
            }
            let values =
                names
                    .iter()
                    .zip(&texts)
                    .map(|(name, text)| match (object.get(name), text) {
                        (Some(Value::Bool(is_true)), _) => NewValue::Boolean(*is_true),
                        (Some(Value::Number(_)), Some(text)) if is_exact(text) => {
                            NewValue::Number(text)
                        }
                        (_, Some(text)) => NewValue::Text(text),
                        (_, None) => NewValue::Empty,
                    });
            self.workbook.write_row(values)?;
        }
        Ok(())
    }

    fn error_in_row(&self, what: &str) -> TabularError {
        TabularError::InSheet {
            sheet: String::new(),
            place: format!("row {}", self.workbook.last_row() + 1),
            what: what.to_string(),
        }
    }
}

impl<W: Write + Send> OutputSink for WorkbookSink<W> {
    type Output = Vec<u8>;

    fn write(&mut self, output: &mut Vec<u8>) -> Result<(), TabularError> {
        match &mut self.format {
            RowFormat::Csv { delimiter, width } => {
                let (delimiter, width) = (*delimiter, *width);
                self.write_csv(output, delimiter, width)
            }
            RowFormat::Ndjson(names) => {
                let names = std::mem::take(names);
                let written = self.write_ndjson(output, &names);
                self.format = RowFormat::Ndjson(names);
                written
            }
        }
    }
}

/// Decodes a field. Fields that are not valid UTF-8 are decoded as Windows-1252, the encoding of
/// CSV files from Excel.
fn decode(field: Cow<'_, [u8]>) -> Cow<'_, str> {
    match field {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Cow::Owned(text),
            Err(error) => {
                let (text, _) = WINDOWS_1252.decode_without_bom_handling(error.as_bytes());
                Cow::Owned(text.into_owned())
            }
        },
    }
}

/// Returns the text of a value, or `None` for null.
fn json_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().filter_map(json_text).collect();
            Some(texts.join(SEPARATOR))
        }
        other => Some(other.to_string()),
    }
}

/// Returns whether a workbook can store a number exactly, which depends on the number of digits.
fn is_exact(number: &str) -> bool {
    number.bytes().filter(u8::is_ascii_digit).count() <= DIGITS_MAX
}
