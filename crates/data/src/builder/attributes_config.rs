//! The `[[attributes]]` tables of a configuration.

use std::path::PathBuf;

use serde::Deserialize;

use crate::dataset::manifest::deserialize_optional_keyword;
use catchment_core::domain::SourceDate;

/// An `[[attributes]]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeConfig {
    pub(super) id: String,
    pub(super) title: String,
    /// What the values belong to: `postcode`, the id of the statistical areas or the id of a layer.
    pub(super) by: String,
    pub(super) file: PathBuf,
    pub(super) columns: AttributeColumns,
    /// The date of the source, and a description of the source in which `{date}` represents the
    /// date.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) data_as_of: Option<SourceDate>,
    pub(super) data_words: Option<String>,
}

/// The columns of a file with the values of an attribute.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeColumns {
    /// The column with the postcode, or with the code of the area.
    pub(super) code: String,
    /// The column with the value.
    pub(super) value: String,
}
