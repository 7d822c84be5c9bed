//! Batch look-ups. Every input row produces exactly one output row, in the same order. The user's
//! own columns are unchanged byte for byte and are followed by the output columns.
//!
//! ```text
//!  bytes ──► BatchInput: detects compression, format, delimiter, columns ──► errors, if any
//!                 │
//!                 ▼
//!  blocks of whole rows ──► workers: fields → look-up (cached) → cells ──► output, in order
//! ```
//!
//! Rows are text (CSV, TSV, NDJSON), columnar (Parquet, Arrow) or in a sheet of a workbook. The
//! module `tabular` reads and writes these formats. See also `columnar` and `workbook_rows`.
//!
//! Nothing in this module opens a file. The input is any [`std::io::Read`] and the output any
//! [`std::io::Write`], so a file, a pipe and a connection produce the same output. Memory use
//! depends on the number of threads, but not on the number of rows. The output bytes do not depend
//! on the number of threads.
//!
//! An answer combines two parts that are computed once and cached: the cells that depend on the
//! postcode, and the cells that depend on the practice. `Index::locate` computes both parts and
//! their agreement.
//!
//! A batch from a reader to a writer, which may be files, pipes or, as here, memory:
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use catchment_batch::{BatchInput, BatchProgress, BatchRequest, run};
//! use catchment_core::domain::date_from_iso;
//! use catchment_core::index::Index;
//! use catchment_data::dataset::{self, DatasetSource};
//!
//! let index = Index::build(dataset::read(&DatasetSource::Embedded)?)?;
//! let request = BatchRequest::new(&index, date_from_iso("2025-12-01")?);
//!
//! let patients = "postcode,gp_practice_code\nLA18 4DB,P81064\nLA1O 5DL,A82608\n";
//! let input = BatchInput::open(patients.as_bytes(), &request)?;
//! let mut output = Vec::new();
//! let progress = BatchProgress::default();
//! let summary = run(&index, input, &request, &mut output, NonZeroUsize::MIN, &progress)?;
//!
//! assert_eq!(summary.rows, 2);
//! let output = String::from_utf8(output)?;
//! let rows: Vec<&str> = output.lines().collect();
//! assert!(rows[0].starts_with("postcode,gp_practice_code,catchment_status,"));
//! assert!(rows[1].starts_with("LA18 4DB,P81064,located,mb-lancaster,mb-barrow-and-millom,differ,"));
//! assert!(rows[2].starts_with("LA1O 5DL,A82608,malformed,mb-east,,registration_only,"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`answer_record_batches()`] answers Arrow record batches that are in memory, and [`count_flows()`]
//! counts patients by where they are registered and where they live.

mod answer_cells;
mod answer_record_batches;
mod bad_rows;
mod cache;
mod column_mapping;
mod column_sets;
mod column_values;
mod columnar;
mod columns;
mod comparison;
mod context;
mod count_flows;
mod counted_areas;
mod csv_header;
mod csv_rows;
mod days;
pub mod flows;
mod input;
mod input_format;
mod layout;
mod line_sample;
pub mod lookup_export;
mod ndjson_rows;
mod practice_area;
mod practice_names;
mod previous_answers;
mod previous_reader;
mod progress;
mod reasons;
mod registration_cache;
mod requested_columns;
mod residence_cache;
mod row_location;
mod row_parser;
mod run;
mod signatures;
mod statistical_columns;
mod summary;
mod summary_sheet;
mod summary_suppression;
mod swallowed_rows;
pub mod tabular;
#[cfg(test)]
mod test_manifest;
mod text_rows;
mod workbook_input;
mod workbook_options;
mod workbook_output;
mod workbook_rows;
mod worker;

use std::io;
use std::sync::Arc;

use catchment_core::domain::LayerRole;
use catchment_core::index::Index;
use jiff::civil::Date;

pub use answer_record_batches::answer_record_batches;
pub use column_mapping::{
    COLUMN_ALIASES, ColumnMapping, ColumnOverrides, ColumnRole, KeyColumn, LocationColumns,
    NotStatisticalLayer,
};
pub use column_sets::ColumnSet;
pub use column_values::ColumnType;
pub use columnar::AnsweredBatches;
pub use columns::{
    AreaText, ColumnDescription, CommunityFact, ComparisonFact, DatasetFact, LocationFact,
    NamePattern, OutputColumn, PREFIX, PracticeAreaFact, PracticeFact, PremisesFact, UnknownColumn,
    columns_of,
};
pub use comparison::{AnswerChange, Comparison};
pub use count_flows::count_flows;
pub use csv_header::HeaderOptions;
pub use input::{BatchInput, is_parquet, is_workbook};
pub use input_format::DetectedFormat;
pub use line_sample::LineSample;
pub use previous_answers::PreviousAnswers;
pub use previous_reader::read_previous;
pub use progress::BatchProgress;
pub use run::{preview, run};
pub use summary::{AreaCount, BatchSummary, LayerCounts, ReasonCount, ScientificNotation};
pub use summary_suppression::SummarySuppression;
pub use workbook_options::WorkbookOptions;

pub use crate::tabular::cell_format::SEPARATOR;
pub use crate::tabular::compression::Compression;
pub use crate::tabular::delimiter::{Delimiter, InvalidDelimiter};
pub use crate::tabular::error::TabularError;
pub use crate::tabular::fields::parse_records;
pub use crate::tabular::file_format::{BatchFormat, LineEnding};
pub use crate::tabular::limits::{COLUMNS_MAX, DecodeLimits, ExceededLimit};

/// The options of a batch.
#[derive(Debug, Clone)]
pub struct BatchRequest {
    /// The format of the input. If `None`, the format is detected.
    pub format: Option<BatchFormat>,
    /// The delimiter between fields. If `None`, the delimiter is detected.
    pub delimiter: Option<Delimiter>,
    /// The columns that the user specified.
    pub column_overrides: ColumnOverrides,
    /// The position of the header row.
    pub header: HeaderOptions,
    /// The as-of date of rows without an as-of date.
    pub as_of: Date,
    /// The output columns, in order.
    pub output_columns: Vec<OutputColumn>,
    /// Whether the user's own cells are also escaped if a spreadsheet would evaluate them as
    /// formulas.
    pub excel_safe: bool,
    /// The compression of the output.
    pub compression: Compression,
    /// The limits on decoding.
    pub limits: DecodeLimits,
    /// The options for workbooks, and for conversions to and from workbooks.
    pub workbook: WorkbookOptions,
    /// The answers of a previous run, with which rows are compared. See [`read_previous`].
    pub previous: Option<Arc<PreviousAnswers>>,
}

impl BatchRequest {
    /// Returns a request that detects the format and the columns, and adds the default columns.
    /// `as_of` is the date of the look-ups.
    pub fn new(index: &Index, as_of: Date) -> BatchRequest {
        let manifest = index.manifest();
        let statistical_layers = manifest.layers_with_role(LayerRole::Statistical).collect();
        BatchRequest {
            format: None,
            delimiter: None,
            column_overrides: ColumnOverrides {
                statistical_layers,
                ..ColumnOverrides::default()
            },
            header: HeaderOptions::default(),
            as_of,
            output_columns: OutputColumn::defaults(manifest),
            excel_safe: false,
            compression: Compression::None,
            limits: DecodeLimits::for_this_machine(),
            workbook: WorkbookOptions::default(),
            previous: None,
        }
    }
}

/// The length of the longest accepted field; a row with a longer field is a bad row.
pub const FIELD_BYTES_MAX: usize = 64 << 10;

/// An error that stops a batch. Its message never repeats the content of a row.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The input is empty.
    #[error("it is empty: it must start with a header row that names the columns")]
    Empty,
    /// The input contains a header row but no other rows.
    #[error("it has no rows after the header row")]
    NoRows,
    /// The input is in a format that is not supported.
    #[error(
        "it is {what}, not CSV, TSV, NDJSON, an Excel workbook (.xlsx), Parquet or Arrow{hint}"
    )]
    UnsupportedFormat {
        /// The format or content that was detected.
        what: &'static str,
        /// A way for the user to solve the problem.
        hint: &'static str,
    },
    /// The input is a Parquet file, but its source is not seekable.
    #[error(
        "it is a Parquet file, which must be read from the end: give the file itself, not standard input or a pipe"
    )]
    NeedsFile,
    /// The workbook has no sheet with the name or number that the user specified.
    #[error(
        "--sheet `{wanted}`: no sheet has that name or number; the sheets are {}",
        quoted(sheets)
    )]
    NoSuchSheet {
        /// The name or number that the user specified.
        wanted: String,
        /// The names of the sheets.
        sheets: Vec<String>,
    },
    /// The workbook contains macros, which are not allowed in the format of the output.
    #[error(
        "it has macros: give the output the extension .xlsm to keep them, or save the workbook as .xlsx"
    )]
    HasMacros,
    /// The output should be a workbook with macros, but the input contains no macros.
    #[error("it has no macros: give the output the extension .xlsx")]
    HasNoMacros,
    /// The input cannot be converted to the format of the output.
    #[error("its format is {from}, which cannot be converted to {to}")]
    UnsupportedConversion {
        /// The format of the input.
        from: BatchFormat,
        /// The requested format of the output.
        to: BatchFormat,
    },
    /// The type of a column is not allowed for its role.
    #[error("the column `{name}` has type {holds}, but {}", role.expected())]
    WrongType {
        /// The role of the column.
        role: ColumnRole,
        /// The name of the column.
        name: String,
        /// The Arrow data type of the column.
        holds: String,
    },
    /// An option does not apply to the format of the input.
    #[error("{format} does not support {what}")]
    UnsupportedOption {
        /// The format of the input.
        format: BatchFormat,
        /// The option that does not apply.
        what: &'static str,
    },
    /// The first row contains a postcode.
    #[error(
        "its first line looks like data, but a header row is required: add one, or use --no-header, and --postcode-column with the number of the column"
    )]
    MissingHeader,
    /// The first line does not contain the names of the columns, but a later line probably does.
    #[error(
        "its first line does not name the columns, but line {line} looks like the header row: use --skip-lines {}", line - 1
    )]
    HeaderBelow {
        /// The number of the line, counted from 1.
        line: usize,
    },
    /// The input has fewer lines than the number of lines to skip.
    #[error("it does not have more than {lines} lines, which is the number of --skip-lines")]
    TooFewLines {
        /// The number of lines to skip.
        lines: usize,
    },
    /// The lines of the input end with a carriage return without a line feed.
    #[error("its lines end with carriage returns only: save it with LF or CRLF line endings")]
    CarriageReturns,
    /// Two delimiters are equally likely.
    #[error("its delimiter may be {first} or {second}: specify one with --delimiter")]
    AmbiguousDelimiter {
        /// The first candidate.
        first: Delimiter,
        /// The second candidate.
        second: Delimiter,
    },
    /// Two columns have the same name. Column numbers start at 1.
    #[error("columns {first} and {second} have the same name: rename one of them")]
    DuplicateColumn {
        /// The number of the first column.
        first: usize,
        /// The number of the second column.
        second: usize,
    },
    /// The input already contains one of the output columns.
    #[error("it already has a column `{column}`: remove or rename it")]
    OutputColumnExists {
        /// The name of the column.
        column: String,
    },
    /// A required column is missing.
    #[error(
        "no {} column found{}: specify it with {}{}", role.as_str(), listed(columns), role.argument(),
        if matches!(role, ColumnRole::Postcode) { ", or use --lon-column and --lat-column, --easting-column and --northing-column, --area-column or --registration-only. If the detected delimiter is wrong, set --delimiter" } else { "" }
    )]
    MissingColumn {
        /// The role of the column.
        role: ColumnRole,
        /// The names of the columns of the input, if the error lists them.
        columns: Vec<String>,
    },
    /// A column that the user specified does not exist.
    #[error("{} `{name}`: no column has that name", role.argument())]
    ColumnNotFound {
        /// The role of the column.
        role: ColumnRole,
        /// The name that the user specified.
        name: String,
    },
    /// Several columns match the same role.
    #[error("{} may each be the {} column: specify one with {}", quoted(names), role.as_str(), role.argument())]
    AmbiguousColumn {
        /// The role that the columns match.
        role: ColumnRole,
        /// The names of the columns.
        names: Vec<String>,
    },
    /// The columns contain the location in more than one way.
    #[error(
        "it has more than one kind of location, such as a postcode and coordinates: specify which to use with --postcode-column, --lon-column and --lat-column, --easting-column and --northing-column, or --area-column"
    )]
    AmbiguousLocation,
    /// The column with the keys of rows also has another role.
    #[error(
        "the {} column cannot be the key: use --key to specify a column that identifies each row", role.as_str()
    )]
    UnsuitableKey {
        /// The other role of the column.
        role: ColumnRole,
    },
    /// A column that is in every output is missing from the answers of a previous run.
    #[error(
        "it has no column `{column}`: it must be the output of an earlier `catchment batch`, with its header row"
    )]
    NotAnswered {
        /// The name of the column.
        column: String,
    },
    /// The answers of a previous run are in a format that cannot be compared.
    #[error("its format is {format}: give the previous answers as CSV, TSV or NDJSON")]
    UnsupportedPrevious {
        /// The format of the answers.
        format: BatchFormat,
    },
    /// The answers of a previous run have too many rows for the available memory.
    #[error(
        "it has more than {rows_max} rows, which is the limit for the available memory: compare only part of the rows"
    )]
    PreviousTooLong {
        /// The maximum number of rows.
        rows_max: usize,
    },
    /// The dataset has no communities, so there is nothing to compare with previous answers.
    #[error("the dataset has no layer of communities to compare")]
    NoCommunities,
    /// Reading or writing a table failed.
    #[error(transparent)]
    Tabular(#[from] TabularError),
}

impl BatchError {
    /// Returns whether a column that is required or that the user specified does not exist.
    fn is_column_missing(&self) -> bool {
        matches!(
            self,
            BatchError::MissingColumn { .. } | BatchError::ColumnNotFound { .. }
        )
    }
}

impl From<io::Error> for BatchError {
    fn from(error: io::Error) -> BatchError {
        BatchError::Tabular(TabularError::Read(error))
    }
}

/// Converts read and write errors that were caused by a limit into [`TabularError::LimitExceeded`].
fn map_exceeded_limit<T>(result: Result<T, BatchError>) -> Result<T, BatchError> {
    result.map_err(|batch_error| match batch_error {
        BatchError::Tabular(error) => BatchError::Tabular(error.into_exceeded_limit()),
        other => other,
    })
}

/// The maximum number of columns that an error lists.
const LISTED_COLUMNS_MAX: usize = 40;
/// A name with at least this number of digits is probably the content of a row.
const DATA_DIGITS: usize = 4;
/// The maximum length of a name in an error, in characters.
const LISTED_NAME_CHARS_MAX: usize = 60;

/// Lists the columns of the input. If a name has several digits or is long, the first line is
/// probably a row of data, so its content is not repeated.
fn listed(columns: &[String]) -> String {
    let names: Vec<String> = columns
        .iter()
        .filter(|name| !name.is_empty())
        .cloned()
        .collect();
    let is_data = |name: &String| {
        name.bytes().filter(u8::is_ascii_digit).count() >= DATA_DIGITS
            || name.chars().count() > LISTED_NAME_CHARS_MAX
    };
    if names.is_empty() || names.iter().any(is_data) {
        return String::new();
    }
    let shown = &names[..names.len().min(LISTED_COLUMNS_MAX)];
    let more = match names.len() - shown.len() {
        0 => String::new(),
        count => format!(" and {count} others"),
    };
    format!(" among {}{more}", quoted(shown))
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
