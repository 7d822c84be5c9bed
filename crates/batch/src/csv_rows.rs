//! Reads rows of CSV, and copies the user's fields to the output.

use std::borrow::Cow;

use super::FIELD_BYTES_MAX;
use super::column_mapping::ColumnMapping;
use super::context::BatchContext;
use super::row_parser::{ParsedRow, RowParser};
use super::swallowed_rows::count_swallowed_rows;
use crate::tabular::blocks::END_OF_FILE;
use crate::tabular::cell_format::write_excel_safe;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::fields::{FieldSelection, field_ends, field_range, unquote};

/// A reader of rows.
pub(super) struct CsvReader {
    mapping: ColumnMapping,
    delimiter: Delimiter,
    /// The number of fields in each row.
    field_count: usize,
    selection: FieldSelection,
    /// The end offset of every selected field in the current row.
    ends: Vec<usize>,
    has_single_quotes: bool,
}

impl CsvReader {
    pub(super) fn new(context: &BatchContext<'_>, delimiter: Delimiter) -> CsvReader {
        let mapping = context.column_mapping;
        let columns = mapping.columns().into_iter();
        let columns: Vec<usize> = columns.map(|(_, column)| column).collect();
        CsvReader {
            mapping,
            delimiter,
            field_count: context.field_count,
            selection: FieldSelection::new(&columns, context.field_count),
            ends: Vec::new(),
            has_single_quotes: context.has_single_quotes,
        }
    }

    /// Returns whether a blank line at the end of the file is not a row. In a file with one column, a
    /// blank line is a row whose field is empty.
    pub(super) fn is_blank(&self, line: &[u8]) -> bool {
        self.field_count > 1 || line.contains(&END_OF_FILE)
    }

    /// Reads the fields of a row that the look-up needs. The error is the reason why the row is
    /// bad.
    pub(super) fn read<'r>(
        &mut self,
        row: &'r [u8],
        has_quotes: bool,
        parser: &mut RowParser<'_>,
    ) -> Result<ParsedRow<'r>, String> {
        let (delimiter, width, ends) = (self.delimiter, self.field_count, &mut self.ends);
        let counted = if has_quotes || row.len() > FIELD_BYTES_MAX {
            None
        } else {
            self.selection.find_ends(row, delimiter, ends)
        };
        let fields = counted.unwrap_or_else(|| {
            field_ends(row, has_quotes, delimiter, ends);
            ends.len()
        });
        if fields != width {
            let word = if fields == 1 { "field" } else { "fields" };
            return Err(format!("{fields} {word}, but the header row has {width}"));
        }
        let is_long = row.len() > FIELD_BYTES_MAX
            && (0..ends.len())
                .any(|index| field_range(ends, index, delimiter).len() > FIELD_BYTES_MAX);
        if is_long {
            return Err(format!("a field is longer than {FIELD_BYTES_MAX} bytes"));
        }
        if has_quotes {
            let swallowed = count_swallowed_rows(row, delimiter, width, &self.mapping);
            if swallowed > 0 {
                let rows = if swallowed == 1 {
                    "1 other row"
                } else {
                    "other rows"
                };
                return Err(format!(
                    "a field in quotation marks contains what looks like {rows}: close or remove the quotation mark"
                ));
            }
        }
        let has_single_quotes = self.has_single_quotes;
        parser.parse(&self.mapping, |index| -> Cow<'r, [u8]> {
            let field = &row[field_range(ends, index, delimiter)];
            match field.trim_ascii() {
                [b'\'', inner @ .., b'\''] if has_single_quotes => Cow::Borrowed(inner),
                _ => unquote(field),
            }
        })
    }
}

/// A writer of the user's fields.
#[derive(Clone, Copy)]
pub(super) struct CsvFieldWriter {
    pub(super) delimiter: Delimiter,
    /// Whether fields that a spreadsheet would evaluate as formulas are escaped.
    pub(super) excel_safe: bool,
}

impl CsvFieldWriter {
    /// Writes a row without its line ending.
    pub(super) fn write_row(self, row: &[u8], out: &mut Vec<u8>) {
        if self.excel_safe {
            let mut ends = Vec::new();
            field_ends(row, true, self.delimiter, &mut ends);
            self.write_fields(row, &ends, out);
        } else {
            out.extend_from_slice(row);
        }
    }

    /// Writes all fields of `row`, which end at the offsets in `ends`.
    pub(super) fn write_fields(self, row: &[u8], ends: &[usize], out: &mut Vec<u8>) {
        if !self.excel_safe {
            out.extend_from_slice(row);
            return;
        }
        for index in 0..ends.len() {
            if index > 0 {
                out.extend_from_slice(self.delimiter.as_bytes());
            }
            let field = &row[field_range(ends, index, self.delimiter)];
            write_excel_safe(out, field, self.delimiter);
        }
    }
}
