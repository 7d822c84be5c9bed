//! The detected properties of an input file: format, delimiter, compression and columns.

use super::column_mapping::ColumnMapping;
use super::{BatchError, BatchRequest};
use crate::tabular::compression::Compression;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::file_format::{BatchFormat, LineEnding};

/// The detected properties of an input file.
#[derive(Debug, Clone)]
pub struct DetectedFormat {
    /// The format of the file.
    pub format: BatchFormat,
    /// The delimiter between fields, or `None` if the format is not CSV.
    pub delimiter: Option<Delimiter>,
    /// The compression of the file.
    pub compression: Compression,
    /// Whether the file starts with a byte order mark.
    pub has_byte_order_mark: bool,
    /// Whether the file is text in UTF-16. The output is in UTF-8.
    pub is_utf16: bool,
    /// The line ending, or `None` if the format has no lines.
    pub line_ending: Option<LineEnding>,
    /// The number of lines above the header row. These lines are copied to the output and are not
    /// looked up.
    pub lines_above_header: usize,
    /// Whether the file has a header row. If not, the names of the columns are their numbers.
    pub has_header: bool,
    /// Whether the fields are in single quotation marks.
    pub has_single_quotes: bool,
    /// The column names. In NDJSON, these are the member names of the first objects.
    pub columns: Vec<String>,
    /// The columns that the look-up reads.
    pub column_mapping: ColumnMapping,
    /// The name of the sheet that is looked up, or `None` if the file is not a workbook.
    pub sheet: Option<String>,
    /// The format of the output.
    pub output_format: BatchFormat,
    /// The delimiter of the output, if the output is CSV that is converted from a workbook. `None`
    /// means a comma.
    pub output_delimiter: Option<Delimiter>,
}

/// Checks that no two columns have the same name, and that no output column is already in the
/// input.
pub(super) fn check_column_names(
    columns: &[String],
    request: &BatchRequest,
) -> Result<(), BatchError> {
    for (second, name) in columns
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
    {
        if let Some(first) = columns[..second].iter().position(|earlier| earlier == name) {
            let (first, second) = (first + 1, second + 1);
            return Err(BatchError::DuplicateColumn { first, second });
        }
        if request
            .output_columns
            .iter()
            .any(|column| column.to_string() == *name)
        {
            return Err(BatchError::OutputColumnExists {
                column: name.clone(),
            });
        }
    }
    Ok(())
}
