//! The formats of files with tables.

use std::fmt;

/// The format of an input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchFormat {
    /// Fields separated by a delimiter. TSV if the delimiter is a tab.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// An Apache Parquet file.
    Parquet,
    /// An Apache Arrow stream (IPC).
    Arrow,
    /// A workbook of Excel 2007 or later.
    Xlsx,
    /// A workbook of Excel 2007 or later with macros.
    Xlsm,
}

/// The line ending of the first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnding {
    /// A line feed.
    Lf,
    /// A carriage return and a line feed.
    CrLf,
}

impl BatchFormat {
    /// Returns whether files of this format are workbooks.
    pub fn is_workbook(self) -> bool {
        matches!(self, BatchFormat::Xlsx | BatchFormat::Xlsm)
    }
}

impl fmt::Display for BatchFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BatchFormat::Csv => "CSV",
            BatchFormat::Ndjson => "NDJSON",
            BatchFormat::Parquet => "Parquet",
            BatchFormat::Arrow => "Arrow",
            BatchFormat::Xlsx => "an Excel workbook (.xlsx)",
            BatchFormat::Xlsm => "an Excel workbook with macros (.xlsm)",
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
