//! The options of a batch that reads or writes a workbook.

use super::summary_suppression::SummarySuppression;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::file_format::BatchFormat;

/// The options of a batch that reads or writes a workbook.
#[derive(Debug, Clone, Default)]
pub struct WorkbookOptions {
    /// The name or the number of the sheet to look up. If `None`, the first visible sheet is used.
    pub sheet: Option<String>,
    /// The format of the output. If `None`, the format of the input is used. Workbooks can also be
    /// converted to and from CSV and NDJSON.
    pub output_format: Option<BatchFormat>,
    /// The delimiter of CSV that is converted from a workbook. `None` means a comma.
    pub output_delimiter: Option<Delimiter>,
    /// The rules by which small numbers in the sheet with the summary are suppressed.
    pub suppression: SummarySuppression,
}
