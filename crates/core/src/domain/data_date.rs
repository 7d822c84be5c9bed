//! The dates of the sources of a dataset.

use super::SourceDate;

/// The date of the source of a layer or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDate {
    /// The date as of which the source describes its subject.
    pub as_of: SourceDate,
    /// A phrase that describes the source, with [`DataDate::PLACEHOLDER`] in place of the date:
    /// `practices as listed by NHS ODS in {date}`.
    pub words: Option<String>,
}

impl DataDate {
    /// The placeholder for the date in [`DataDate::words`].
    pub const PLACEHOLDER: &str = "{date}";
}
