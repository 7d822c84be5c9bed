//! What is detected about an input file: format, delimiter, compression and columns.

use std::fmt;

use super::column_mapping::ColumnMapping;
use super::compression::Compression;
use super::delimiter::Delimiter;

/// The format of an input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchFormat {
    /// Fields separated by a delimiter; TSV if the delimiter is a tab.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// An Apache Parquet file.
    Parquet,
    /// An Apache Arrow stream (IPC).
    Arrow,
}

/// The line ending of the first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnding {
    /// A line feed.
    Lf,
    /// A carriage return and a line feed.
    CrLf,
}

/// What was detected about an input file.
#[derive(Debug, Clone)]
pub struct DetectedFormat {
    /// The format of the file.
    pub format: BatchFormat,
    /// The delimiter between fields; `None` if the format is not CSV.
    pub delimiter: Option<Delimiter>,
    /// The compression of the file.
    pub compression: Compression,
    /// Whether the file starts with a byte order mark.
    pub has_byte_order_mark: bool,
    /// The line ending; `None` if the format has no lines.
    pub line_ending: Option<LineEnding>,
    /// The column names; in NDJSON, the member names of the first objects.
    pub columns: Vec<String>,
    /// The columns that are read.
    pub column_mapping: ColumnMapping,
}

impl fmt::Display for BatchFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BatchFormat::Csv => "CSV",
            BatchFormat::Ndjson => "NDJSON",
            BatchFormat::Parquet => "Parquet",
            BatchFormat::Arrow => "Arrow",
        })
    }
}

impl fmt::Display for LineEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LineEnding::Lf => "LF",
            LineEnding::CrLf => "CRLF",
        })
    }
}
