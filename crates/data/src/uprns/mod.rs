//! The table of UPRNs: one row for each address, with its position, in order of UPRN.
//!
//! The file is CSV, so that other programs can read it. All rows have the same length, so the
//! position of a row follows from its number:
//!
//! ```text
//! uprn,easting,northing,postcode,statistical_area
//! 000010002345,0349234.00,0461234.00,LA1 1AA ,E01019293
//! ```
//!
//! Numbers are padded with zeros, and text is padded with spaces. A table of the whole country has
//! 41 million rows of 54 bytes (2.2 GB). The table is not read into memory: a look-up reads a few
//! rows in a binary search, and then one block.

mod sort;
mod table;

use catchment_core::domain::{Home, Uprn};

pub(crate) use sort::{SameUprn, UprnSorter};
pub(crate) use table::UprnTableWriter;
pub use table::{UprnTable, UprnTableError};

/// An address with its UPRN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UprnRecord {
    pub(crate) uprn: Uprn,
    pub(crate) home: Home,
}
