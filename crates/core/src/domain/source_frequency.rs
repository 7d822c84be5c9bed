//! How often sources are published.

use super::keyword::keyword_enum;

/// How often a publisher publishes a new edition of a work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFrequency {
    /// Every month.
    Monthly,
    /// Every three months.
    Quarterly,
    /// Every year.
    Yearly,
    /// Once, such as the boundaries of a census.
    Once,
}

keyword_enum!(SourceFrequency {
    Monthly = "monthly",
    Quarterly = "quarterly",
    Yearly = "yearly",
    Once = "once",
});

impl SourceFrequency {
    /// Returns the number of months between two editions; `None` if there is only one edition.
    pub(super) fn months(self) -> Option<i32> {
        match self {
            SourceFrequency::Monthly => Some(1),
            SourceFrequency::Quarterly => Some(3),
            SourceFrequency::Yearly => Some(12),
            SourceFrequency::Once => None,
        }
    }
}
