//! The options of a batch that reads or writes a workbook.

use crate::tabular::delimiter::Delimiter;
use crate::tabular::file_format::BatchFormat;
use catchment_core::domain::SuppressionRule;

/// The options of a batch that reads or writes a workbook.
#[derive(Debug, Clone)]
pub struct WorkbookOptions {
    /// The name or the number of the sheet to answer; the first visible sheet if `None`.
    pub sheet: Option<String>,
    /// The format of the output; that of the input if `None`. Workbooks are also converted to and from
    /// CSV and NDJSON.
    pub output_format: Option<BatchFormat>,
    /// The delimiter of CSV that is converted from a workbook; a comma if `None`.
    pub output_delimiter: Option<Delimiter>,
    /// The rule by which small numbers in the sheet with the summary are suppressed.
    pub suppression: SuppressionRule,
}

impl Default for WorkbookOptions {
    fn default() -> WorkbookOptions {
        WorkbookOptions {
            sheet: None,
            output_format: None,
            output_delimiter: None,
            suppression: SuppressionRule::NONE,
        }
    }
}
