//! What an import read, kept and left out, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Lines that are named one by one for each reason; the others are only counted.
const LINES_NAMED_MAX: usize = 10;

/// What became of a published file's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ImportReport {
    /// The file, folder or archive.
    pub(crate) source: String,
    /// The edition, where the file says it: `25` for columns such as `lad25cd`.
    pub(crate) vintage: Option<String>,
    /// Rows or features read.
    pub(crate) read: u64,
    /// Of those, the ones that became records.
    pub(crate) kept: u64,
    /// Of those, the ones left out because they are not ours, by reason.
    pub(crate) left_out: BTreeMap<&'static str, u64>,
    /// Of those, the faulty ones, by reason.
    pub(crate) rejected: BTreeMap<&'static str, Places>,
    /// What a person should know and may ignore.
    pub(crate) warnings: Vec<String>,
}

/// Rows that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// How many.
    pub(crate) count: u64,
    /// Where the first ones are: file and line, from 1.
    pub(crate) places: Vec<(String, u64)>,
}

impl ImportReport {
    /// An empty report of a source.
    pub(crate) fn of(source: impl Into<String>) -> ImportReport {
        ImportReport {
            source: source.into(),
            ..ImportReport::default()
        }
    }

    /// Counts a row that is not ours.
    pub(crate) fn leave_out(&mut self, reason: &'static str) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    /// Counts a faulty row.
    pub(crate) fn reject(&mut self, reason: &'static str, file: &str, line: u64) {
        self.rejected.entry(reason).or_default().note(file, line);
    }
}

impl Places {
    /// Counts a row.
    pub(crate) fn note(&mut self, file: &str, line: u64) {
        self.count += 1;
        if self.places.len() < LINES_NAMED_MAX {
            self.places.push((file.to_string(), line));
        }
    }
}

/// `onspd.csv line 4, onspd.csv line 7, …`
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places.iter();
        let places = places.map(|(file, line)| format!("{file} line {line}"));
        f.write_str(&places.collect::<Vec<_>>().join(", "))?;
        if self.count > self.places.len() as u64 {
            f.write_str(", …")?;
        }
        Ok(())
    }
}

/// A paragraph for people.
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} read, {} kept", self.source, self.read, self.kept)?;
        if let Some(vintage) = &self.vintage {
            write!(f, ", edition {vintage}")?;
        }
        for (reason, count) in &self.left_out {
            write!(f, "\n  {count} left out: {reason}")?;
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

/// A published file that cannot be used at all. A faulty row is no such error: it is counted in the
/// [`ImportReport`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// It is not there, or cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The header lacks a column.
    #[error("{file}: no column `{column}` in the header")]
    MissingColumn {
        /// The file.
        file: String,
        /// The column, by its name without the year; with its other names after a comma.
        column: String,
    },
    /// It is not what its format says.
    #[error("{file}, line {line}: {expected}")]
    WrongShape {
        /// The file.
        file: String,
        /// The line or feature, from 1.
        line: u64,
        /// What would have been right.
        expected: String,
    },
    /// Nothing in it became a record: never an empty country.
    #[error("{source_name}: of {read} rows none could be used")]
    Empty {
        /// The file, folder or archive.
        source_name: String,
        /// Rows read.
        read: u64,
    },
    /// A folder or an archive without a file that looks right.
    #[error("{source_name}: no {expected} in it")]
    NoSuchMember {
        /// The folder or archive.
        source_name: String,
        /// What was looked for.
        expected: &'static str,
    },
    /// Two rows contradict each other.
    #[error("{file}, line {line}: {what}")]
    Contradiction {
        /// The file.
        file: String,
        /// The second of them, from 1.
        line: u64,
        /// How.
        what: String,
    },
}
