//! Import errors and import reports. A report contains the numbers of rows that were read, kept,
//! skipped and rejected.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::plural::count_with_noun;

/// The maximum number of locations listed for each reason. Further rows are only counted.
const LOCATIONS_LISTED_MAX: usize = 10;

/// The result of importing a published file: counts of rows by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The name of the file, folder or archive.
    pub(crate) source: String,
    /// The edition, if the file states it. For example, the edition is `25` if a column is called
    /// `lad25cd`.
    pub(crate) vintage: Option<String>,
    /// The number of rows or features read.
    pub(crate) read: u64,
    /// The number of rows or features that became records.
    pub(crate) kept: u64,
    /// The number of valid rows that were skipped as out of scope or duplicate, by reason.
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// The invalid rows, by reason.
    pub(crate) rejected: BTreeMap<&'static str, AffectedRows>,
    /// Warnings, which do not stop the import.
    pub(crate) warnings: Vec<String>,
    /// The location of the first row that was skipped or rejected, and the reason.
    pub(crate) first_unused: Option<String>,
    /// The number of people in the rows that were skipped or rejected, by reason, if the rows
    /// contain numbers of people.
    pub(crate) people_left_out: BTreeMap<&'static str, u64>,
}

/// Rows with the same problem: the number of rows, and the locations of the first rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AffectedRows {
    /// The number of rows.
    pub(crate) count: u64,
    /// The locations of the first rows: the file and the line number, counted from 1.
    pub(crate) first_locations: Vec<(String, u64)>,
}

impl ImportReport {
    /// Creates an empty report for a source.
    pub(crate) fn new(source: impl Into<String>) -> ImportReport {
        ImportReport {
            source: source.into(),
            ..ImportReport::default()
        }
    }

    /// Counts a valid row that is skipped.
    pub(crate) fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Counts a valid row that is skipped, at a location.
    pub(crate) fn skip_at(&mut self, reason: &'static str, file: &str, line: u64) {
        self.skip(reason);
        self.note_unused(reason, file, line);
    }

    /// Counts the people in a row that is skipped or rejected.
    pub(crate) fn leave_out_people(&mut self, reason: &'static str, people: u64) {
        *self.people_left_out.entry(reason).or_default() += people;
    }

    /// Counts an invalid row.
    pub(crate) fn reject(&mut self, reason: &'static str, file: &str, line: u64) {
        self.rejected.entry(reason).or_default().add(file, line);
        self.note_unused(reason, file, line);
    }

    fn note_unused(&mut self, reason: &'static str, file: &str, line: u64) {
        if self.first_unused.is_none() {
            let line = match line {
                0 => String::new(),
                line => format!(", line {line}"),
            };
            self.first_unused = Some(format!("{file}{line}: {reason}"));
        }
    }

    /// Returns the error for a source from which no row became a record. The error contains the
    /// reason for the first row.
    pub(crate) fn into_empty_error(self) -> ImportError {
        ImportError::Empty {
            source_name: self.source,
            read: self.read,
            first_unused: self.first_unused,
        }
    }
}

impl AffectedRows {
    /// Adds a row at a location.
    pub(crate) fn add(&mut self, file: &str, line: u64) {
        self.count += 1;
        if self.first_locations.len() < LOCATIONS_LISTED_MAX {
            self.first_locations.push((file.to_string(), line));
        }
    }
}

/// Prints the locations: `onspd.csv line 4, onspd.csv line 7, …`.
impl fmt::Display for AffectedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locations = self.first_locations.iter();
        let locations = locations.map(|(file, line)| format!("{file} line {line}"));
        f.write_str(&locations.collect::<Vec<_>>().join(", "))?;
        if self.count > self.first_locations.len() as u64 {
            f.write_str(", …")?;
        }
        Ok(())
    }
}

/// Prints a summary with one line for each reason and warning.
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} read, {} kept", self.source, self.read, self.kept)?;
        if let Some(vintage) = &self.vintage {
            write!(f, ", edition {vintage}")?;
        }
        for (reason, count) in &self.skipped {
            write!(f, "\n  {count} skipped: {reason}")?;
        }
        for (reason, rejected) in &self.rejected {
            let count = rejected.count;
            write!(f, "\n  {count} rejected: {reason} ({rejected})")?;
        }
        for warning in &self.warnings {
            write!(f, "\n  warning: {warning}")?;
        }
        Ok(())
    }
}

/// The error for a published file that cannot be used at all. An invalid row does not cause this
/// error, but is counted in the [`ImportReport`].
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file does not exist, or cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not the required file, regardless of its rows.
    #[error("{file}: {reason}")]
    Refused {
        /// The file.
        file: String,
        /// A description of the file, and what to use instead.
        reason: String,
    },
    /// The header row lacks a column.
    #[error("{file}: no column `{column}` in the header row")]
    MissingColumn {
        /// The file.
        file: String,
        /// The name of the column without the year, followed by its other names, separated by
        /// commas.
        column: String,
        /// The cells of the header row.
        header: Vec<String>,
    },
    /// The first row of a table that is read by position is not a row of this table.
    #[error("{file}, line {line}: {expected}")]
    UnknownTable {
        /// The file.
        file: String,
        /// The number of the line, counted from 1.
        line: u64,
        /// The expected format, and what was found.
        expected: String,
        /// The cells of the row.
        first_row: Vec<String>,
    },
    /// The file does not have the expected format.
    #[error("{file}, line {line}: {expected}")]
    InvalidFormat {
        /// The file.
        file: String,
        /// The number of the line or feature, counted from 1.
        line: u64,
        /// The expected format, or what is wrong.
        expected: String,
    },
    /// No row became a record.
    #[error(
        "{source_name}: no usable rows ({} read){}",
        count_with_noun(*.read, "row", "rows"),
        first_unused.as_ref().map(|row| format!("; the first is {row}")).unwrap_or_default()
    )]
    Empty {
        /// The name of the file, folder or archive.
        source_name: String,
        /// The number of rows read.
        read: u64,
        /// The location of the first row, and the reason why it was not used.
        first_unused: Option<String>,
    },
    /// A folder, archive or file does not contain a required part.
    #[error("{source_name}: does not contain {expected}")]
    NoSuchMember {
        /// The name of the folder, archive or file.
        source_name: String,
        /// The part that is required.
        expected: &'static str,
    },
    /// Two rows, columns or files contradict each other.
    #[error("{file}, line {line}: {what}")]
    Conflict {
        /// The file.
        file: String,
        /// The number of the line in which the contradiction was found, counted from 1.
        line: u64,
        /// The contradiction.
        what: String,
    },
}
