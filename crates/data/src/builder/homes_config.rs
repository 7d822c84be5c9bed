//! The `[uprn]` table of a configuration.

use std::path::PathBuf;

use serde::Deserialize;

use crate::dataset::manifest::deserialize_optional_keyword;
use crate::import::uprns::UprnColumns;
use catchment_core::domain::SourceDate;

/// The `[uprn]` table: the list of addresses by which the homes of postcodes are counted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UprnConfig {
    pub(super) file: PathBuf,
    #[serde(default)]
    pub(super) columns: UprnColumns,
    /// The file to which the table of UPRNs is written, for look-ups by UPRN. It is not part of the
    /// dataset.
    pub(super) table: Option<PathBuf>,
    /// The date of the source, and a description of the source in which `{date}` represents the
    /// date.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) data_as_of: Option<SourceDate>,
    pub(super) data_words: Option<String>,
}
