//! The dataset folder: files in open formats and a manifest with the SHA-256 of every file. The
//! folder is parsed strictly and written atomically.
//!
//! | file | content |
//! |---|---|
//! | `dataset.toml` | the [`Manifest`] |
//! | `areas.csv` | versions of areas: `layer,id,name,kind,system,provenance,from,to,ended_by`; if the last day of an area is not known, `ended_by` is a day by which the area no longer existed |
//! | `lineage.csv` | predecessors and successors of areas: `layer,predecessor,successor,relation,date,source` |
//! | `memberships.csv` | `member_layer,member,layer,group,from,to,provenance`; a blank group means that the source does not state the group |
//! | `practices.csv`, `practice_sites.csv`, `practice_successions.csv` | practices, open and closed, their premises and their successors |
//! | `practice_sites_former.csv`, `practices_neighbouring.csv` | buildings that practices used in the past, and practices outside the area of the dataset |
//! | `not_gp_practices.csv` | codes of organisations that prescribe but have no registered patients |
//! | `postcodes.csv` | the postcode directory |
//! | `postcode_homes.csv` | optional: the number of homes, in each area, of the postcodes whose homes are in several areas of a layer: `postcode,layer,area,homes,from,to`; a blank area means in no area of the layer, and `from` and `to` are the period in which the areas were the same |
//! | `golden_queries.csv` | queries with their expected answers |
//! | `systems.csv` | the number of ICCs according to each system's page: `system,name,page_date,icc_count_stated,icc_sections_on_page,note` |
//! | `assignments.csv` | `statistical_area,layer,area,share,from,to`; a blank share means the whole statistical area |
//! | `area_names.csv`, `area_codes.csv`, `area_links.csv`, `model_shares.csv`, `residents.csv`, `registrations.csv`, `team_stages.csv`, `care_partnerships.csv`, `announcements.csv`, `councils.csv` | further facts about areas and partnerships; each table is optional |
//! | `build-report.json` | for each source, what the build used, and what it did not use and why; this file is not in the manifest and is never read |
//! | `attributes/*.csv` | the values of each attribute: `code,value`; the manifest states whether the codes are postcodes, statistical areas or areas of a layer |
//! | `areas/*.geojson` or `areas/*.shp` | boundaries, with their `id` and, for periods, `from` and `to` |
//!
//! Dates are `YYYY-MM-DD`, periods are half-open, and a blank date means that the date is not
//! known.

pub(crate) mod attributes;
pub(crate) mod boundary;
pub(crate) mod cells;
pub(crate) mod columns;
mod embedded;
pub(crate) mod facts;
pub(crate) mod great_britain;
pub(crate) mod layer_rules;
pub(crate) mod manifest;
mod output_folder;
mod read;
pub(crate) mod repair;
mod source;
pub mod validation;
mod write;

use crate::plural::count_with_noun;

/// The report of the build of a dataset, a file in the dataset's folder. It is not in the manifest,
/// so that the digest of a dataset depends on the content of the dataset and not on the wording of
/// the report.
pub const BUILD_REPORT: &str = "build-report.json";

pub use boundary::file_boundaries;
pub use columns::practice_member;
pub use manifest::{file_entry, manifest_from_toml, manifest_to_toml};
pub use output_folder::check_output_folder;
pub use read::read;
pub use read::read_memberships;
pub use source::{DatasetSource, MANIFEST};
pub use write::write_folder;
pub use write::{StagedDataset, WriteError, stage, write};

pub use crate::formats::{PolygonError, TableError};
pub use catchment_core::domain::{
    DataDate, Dataset, FileEntry, LayerEntry, LayerKind, Manifest, SourceEntry, SourceUse,
    StatisticalAreasEntry,
};

/// An error in a dataset. The message contains the path of a file within the dataset's folder, but
/// not the path of the folder itself.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The manifest is invalid.
    #[error("{MANIFEST}: {reason}")]
    Manifest {
        /// The reason.
        reason: String,
    },
    /// A file is missing or cannot be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is larger than the maximum of 2 GiB.
    #[error("`{path}` is larger than the maximum of 2 GiB")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// The manifest has no entry for a file.
    #[error("{MANIFEST}: no entry for `{path}` under [files]")]
    NotInManifest {
        /// The file.
        path: String,
    },
    /// A path points outside the dataset's folder.
    #[error("{MANIFEST}: `{path}` is not a path inside the dataset's folder")]
    OutsideFolder {
        /// The path.
        path: String,
    },
    /// The size of a file differs from the size in the manifest.
    #[error(
        "`{path}` is {} long instead of the {} in the manifest, so it was changed or truncated; build the dataset again from its sources (`catchment build`)",
        count_with_noun(*.found, "byte", "bytes"), count_with_noun(*.expected, "byte", "bytes")
    )]
    SizeMismatch {
        /// The file.
        path: String,
        /// The size in the manifest, in bytes.
        expected: u64,
        /// The size of the file, in bytes.
        found: u64,
    },
    /// The SHA-256 of a file differs from the SHA-256 in the manifest.
    #[error(
        "`{path}` does not have the SHA-256 in the manifest, so it was changed; build the dataset again from its sources (`catchment build`)"
    )]
    ChecksumMismatch {
        /// The file.
        path: String,
    },
    /// A table is invalid.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A polygon file is invalid.
    #[error(transparent)]
    Polygons(#[from] PolygonError),
}
