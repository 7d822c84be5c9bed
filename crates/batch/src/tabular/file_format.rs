//! The formats of files with tables.

use std::fmt;

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
