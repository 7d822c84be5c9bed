//! Reads rows of NDJSON.

use std::borrow::Cow;

use super::column_mapping::ColumnMapping;
use super::context::BatchContext;
use super::row_parser::{ParsedRow, RowParser};
use crate::tabular::ndjson::{InvalidObject, member_texts};

/// A reader of rows.
pub(super) struct NdjsonReader<'s> {
    /// The names of the members that the look-up reads.
    names: &'s [String],
    /// The position in `names` of each column.
    mapping: ColumnMapping,
}

impl<'s> NdjsonReader<'s> {
    pub(super) fn new(context: &'s BatchContext<'_>) -> NdjsonReader<'s> {
        NdjsonReader {
            names: &context.read_names,
            mapping: context.column_mapping.of_read_columns(),
        }
    }

    /// Reads the members of an object that the look-up needs. The error is the reason why the row
    /// is bad.
    pub(super) fn read<'r>(
        &self,
        line: &[u8],
        parser: &mut RowParser<'_>,
    ) -> Result<ParsedRow<'r>, String> {
        let mut texts = member_texts(line, self.names).map_err(|InvalidObject| {
            "the line is not a JSON object, or a field is not a string or a number".to_string()
        })?;
        parser.parse(&self.mapping, |position| {
            Cow::Owned(std::mem::take(&mut texts[position]).into_bytes())
        })
    }
}
