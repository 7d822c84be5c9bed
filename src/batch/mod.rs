//! A list of any length answered row for row: N rows in, N rows out, in the same order, the user's own
//! columns byte for byte and ours after them.
//!
//! ```text
//!  bytes ──► Intake: packed how, which format, delimiter, columns ──► refused before any output
//!                 │
//!                 ▼
//!  Blocks of whole rows ──► a worker each: fields → look-up, kept → cells ──► written in turn
//! ```
//!
//! Rows are text (CSV, TSV, NDJSON) or columns (Parquet, Arrow: `columnar`).
//!
//! Nothing here opens a file: a list comes from any [`std::io::Read`] and goes to any
//! [`std::io::Write`], so that a file, a pipe and a connection give the same bytes. Memory is bounded
//! by the number of threads, whatever the number of rows; the bytes do not depend on the threads.
//!
//! An answer is put together from two parts that are worked out once and kept: what is known of a
//! postcode, and what is known of a practice. `Index::locate` makes both, and says how they compare.

mod answers;
mod blocks;
pub(crate) mod cells;
pub(crate) mod columnar;
mod columns;
mod compression;
mod delimiter;
mod fields;
pub(crate) mod halves;
mod intake;
mod layout;
mod limits;
mod memo;
mod ndjson;
mod parts;
pub(crate) mod relay;
mod roles;
mod run;
mod summary;

use std::io;

use jiff::civil::Date;

pub use cells::SEPARATOR;
pub use columns::{
    COLUMNS, Column, CommunityFact, DatasetFact, PREFIX, PlaceFact, PracticeFact, Text,
    UnknownColumn,
};
pub use compression::Compression;
pub use delimiter::{Delimiter, InvalidDelimiter};
pub use fields::records;
pub use intake::{Format, Intake, LineEnding, Understood, is_parquet};
pub use limits::{DecodeLimits, Excess};
pub use relay::Progress;
pub use roles::{NAMES, Named, PlaceColumns, Role, Roles};
pub use run::{preview, run};
pub use summary::{IccCount, Shortened, Summary};

/// What is wanted of a list.
#[derive(Debug, Clone)]
pub struct Request {
    /// The format; found out where it is `None`.
    pub format: Option<Format>,
    /// What stands between fields; found out where it is `None`.
    pub delimiter: Option<Delimiter>,
    /// The columns that the user names.
    pub named: Named,
    /// The day of the answers, for rows that have none of their own.
    pub as_of: Date,
    /// Our columns, in their order.
    pub columns: Vec<Column>,
    /// Whether the user's own cells are neutralised too, where a spreadsheet would run them.
    pub excel_safe: bool,
    /// How the answers are packed.
    pub compression: Compression,
    /// What decoding may take.
    pub limits: DecodeLimits,
}

/// The longest field that is looked at; a row with a longer one is a bad row.
pub const FIELD_BYTES_MAX: usize = 64 << 10;
/// A list with more columns is refused.
pub const COLUMNS_MAX: usize = 4_096;

/// Why a list cannot be used. Nothing that stands in its rows is repeated.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Nothing in it.
    #[error("it is empty: a line with the names of the columns comes first, then the rows")]
    Empty,
    /// Names of columns alone.
    #[error("it has no rows, only the names of the columns")]
    NoRows,
    /// Something else than a list.
    #[error("it is {what}, not CSV, TSV, NDJSON, Parquet or Arrow{hint}")]
    NotAList {
        /// What.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A Parquet file that does not come from a file.
    #[error(
        "it is a Parquet file, which is read from its end: give the file itself, not standard input or a pipe"
    )]
    NeedsFile,
    /// A Parquet file or an Arrow stream that is none, or is broken.
    #[error("it cannot be read as {format}: {what}")]
    Unsound {
        /// Which.
        format: Format,
        /// What is wrong with it.
        what: String,
    },
    /// A Parquet file or an Arrow stream whose parts contradict each other.
    #[error("it cannot be read as {format}: it is damaged: {cause}")]
    Damaged {
        /// Which.
        format: Format,
        /// Where it was noticed; it may quote names of columns.
        cause: String,
    },
    /// A column of a type that cannot hold what it should.
    #[error("the column `{name}` holds {holds}, and {}", role.expected())]
    WrongType {
        /// What it would hold.
        role: Role,
        /// What it is called.
        name: String,
        /// Its type in Arrow.
        holds: String,
    },
    /// Something is wanted that the format does not have.
    #[error("{format} has no {what}")]
    NotThere {
        /// The format.
        format: Format,
        /// What.
        what: &'static str,
    },
    /// The first line holds a postcode.
    #[error("its first line looks like a row: the names of the columns come first")]
    NoNames,
    /// Lines end with carriage returns alone.
    #[error("its lines end with carriage returns alone: save it with LF or CRLF")]
    CarriageReturns,
    /// Two delimiters would do.
    #[error("its fields may be separated by {first} or by {second}: say which with --delimiter")]
    TwoDelimiters {
        /// One.
        first: Delimiter,
        /// The other.
        second: Delimiter,
    },
    /// Two columns have one name. Columns are counted from 1.
    #[error("columns {first} and {second} have the same name")]
    SameName {
        /// The one.
        first: usize,
        /// The other.
        second: usize,
    },
    /// It has been answered before.
    #[error("it has a column `{column}` already: leave it out, for it would be there twice")]
    AlreadyThere {
        /// Ours.
        column: String,
    },
    /// More columns than anybody has.
    #[error("it has more than {COLUMNS_MAX} columns")]
    TooManyColumns,
    /// A column that is needed and not there.
    #[error(
        "no column holds a {}: name it with {}{}", role.as_str(), role.argument(),
        if matches!(role, Role::Postcode) { " (or the coordinates, or --registration-only; and --delimiter if the columns are not separated as it seems)" } else { "" }
    )]
    NoColumn {
        /// What it would hold.
        role: Role,
    },
    /// A column that the user names and that is not there.
    #[error("{} `{name}`: no column has that name", role.argument())]
    NoSuchColumn {
        /// What it would hold.
        role: Role,
        /// As the user names it.
        name: String,
    },
    /// Several columns would do.
    #[error("{} may each hold the {}: say which with {}", quoted(names), role.as_str(), role.argument())]
    SeveralColumns {
        /// What they would hold.
        role: Role,
        /// What they are called.
        names: Vec<String>,
    },
    /// Two ways to say where somebody lives.
    #[error(
        "it has a postcode and coordinates, or two kinds of coordinates: say which to use with --postcode-column, --lon-column and --lat-column, or --easting-column and --northing-column"
    )]
    TwoPlaces,
    /// A row longer than any.
    #[error(
        "the row that begins on line {line} is longer than a mebibyte: is a quotation mark not closed?"
    )]
    RowTooLong {
        /// Where.
        line: u64,
    },
    /// The file ends between quotation marks.
    #[error("the row that begins on line {line} has a quotation mark that is not closed")]
    OpenQuote {
        /// Where.
        line: u64,
    },
    /// It exceeds a limit on what it may claim, hold or become.
    #[error("{0}")]
    TooMuch(Excess),
    /// It cannot be read to its end.
    #[error("reading failed: {0}")]
    Read(#[from] io::Error),
    /// The answers cannot be written.
    #[error("writing failed: {0}")]
    Write(io::Error),
}

impl From<Excess> for BatchError {
    fn from(excess: Excess) -> BatchError {
        BatchError::TooMuch(excess)
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
