//! Errors of reading and writing tables.

use std::io;

use super::file_format::BatchFormat;
use super::limits::{COLUMNS_MAX, ExceededLimit};

/// An error that stops the reading or writing of a table. Its message never repeats the content of
/// a row.
#[derive(Debug, thiserror::Error)]
pub enum TabularError {
    /// The input is not in the stated format, or uses a feature that is not supported.
    #[error("it cannot be read as {format}: {what}")]
    Unreadable {
        /// The format of the input.
        format: BatchFormat,
        /// The reason why the input cannot be read.
        what: String,
    },
    /// The input is a corrupt Parquet file or Arrow stream.
    #[error("it cannot be read as {format}: it is corrupt: {cause}")]
    Corrupt {
        /// The format of the input.
        format: BatchFormat,
        /// A description of the inconsistency in the input. The description may quote column names.
        cause: String,
    },
    /// The input contains more than [`COLUMNS_MAX`] columns.
    #[error("it has more than {COLUMNS_MAX} columns: remove the columns that you do not need")]
    TooManyColumns,
    /// A row is longer than 1 MiB.
    #[error(
        "the row that starts on line {line} is longer than 1 MiB: is a quotation mark not closed?"
    )]
    RowTooLong {
        /// The line on which the row starts.
        line: u64,
    },
    /// The input ends inside a quoted field.
    #[error(
        "the row that starts on line {line} has a quotation mark that is not closed: close or remove it"
    )]
    UnterminatedQuote {
        /// The line on which the row starts.
        line: u64,
    },
    /// A sheet of a workbook cannot be read or written.
    #[error("{}{what}", in_sheet(sheet, place))]
    InSheet {
        /// The name of the sheet. Empty if the sheet is new.
        sheet: String,
        /// The row or cell, such as `cell B2`. Empty if the place is not known.
        place: String,
        /// The problem.
        what: String,
    },
    /// The output has more rows than a sheet allows.
    #[error(
        "its output has more than 1,048,576 rows, which is the limit of a sheet: write CSV or Parquet"
    )]
    SheetTooLong,
    /// The XML of a sheet is larger than 4 GiB.
    #[error("its sheet would be larger than 4 GiB: request fewer columns, or write CSV")]
    SheetTooLarge,
    /// The input exceeds a limit.
    #[error("{0}")]
    LimitExceeded(ExceededLimit),
    /// Reading the input failed.
    #[error("reading failed: {0}")]
    Read(#[from] io::Error),
    /// Writing the output failed.
    #[error("writing failed: {0}")]
    Write(io::Error),
}

/// Returns the start of a message about a place in a sheet.
fn in_sheet(sheet: &str, place: &str) -> String {
    let sheet = match sheet {
        "" => String::new(),
        name => format!("sheet `{name}`"),
    };
    match (sheet.as_str(), place) {
        ("", "") => String::new(),
        (sheet, "") => format!("{sheet}: "),
        ("", place) => format!("{place}: "),
        (sheet, place) => format!("{sheet}, {place}: "),
    }
}

impl TabularError {
    /// Converts a read or write error that was caused by a limit into
    /// [`TabularError::LimitExceeded`].
    pub(crate) fn into_exceeded_limit(self) -> TabularError {
        match &self {
            TabularError::Read(error) | TabularError::Write(error) => {
                ExceededLimit::from_io_error(error).map_or(self, TabularError::LimitExceeded)
            }
            _ => self,
        }
    }
}

impl From<ExceededLimit> for TabularError {
    fn from(limit: ExceededLimit) -> TabularError {
        TabularError::LimitExceeded(limit)
    }
}
