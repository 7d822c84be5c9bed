//! The dataset folder: open formats, a manifest with the SHA-256 of every file, read strictly and
//! written whole or not at all.
//!
//! | file | holds |
//! |---|---|
//! | `dataset.toml` | the [`Manifest`] |
//! | `areas.csv` | versions of areas: `layer,id,name,kind,system,provenance,from,to` |
//! | `lineage.csv` | what became of an area: `layer,predecessor,successor,relation,date,source` |
//! | `memberships.csv` | `member_layer,member,layer,group,from,to,provenance`; a blank group: none named |
//! | `practices.csv`, `practice_sites.csv`, `practice_successions.csv` | practices, open and closed, their buildings, who took over from whom |
//! | `not_gp_practices.csv` | codes of organisations that prescribe and have no registered patients |
//! | `postcodes.csv` | the directory |
//! | `golden_queries.csv` | questions with the answers that the dataset must give |
//! | `systems.csv` | how many ICCs each system's page states: `system,name,page_date,icc_count_stated,icc_sections_on_page,note` |
//! | `assignments.csv` | `statistical_area,layer,area,share,from,to`; a blank share is all of it |
//! | `areas/*.geojson` or `areas/*.shp` | boundaries by `id` (and `from`, `to`) |
//!
//! Dates are `YYYY-MM-DD`, periods half-open, a blank date is not known.

pub(crate) mod cells;
pub(crate) mod columns;
mod embedded;
mod files;
pub(crate) mod manifest;
pub(crate) mod polygons;
mod read;
pub(crate) mod rings;
pub(crate) mod table;
pub(crate) mod validity;
mod write;

pub use files::{Files, MANIFEST};
pub use manifest::{FileEntry, LayerEntry, LayerKind, Manifest, Source, StatisticalAreas};
pub use polygons::PolygonError;
pub(crate) use read::memberships;
pub use read::read;
pub use table::TableError;
pub(crate) use write::write_folder;
pub use write::{Staged, WriteError, stage, write};

use crate::domain::{
    Area, Assignment, Boundary, Canary, Layer, Lineage, Membership, OdsCode, PostcodeEntry,
    Practice, Premises, StatedCount, Succession,
};

/// A dataset in memory, as its files say it; [`crate::index::Index::build`] puts it in order.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What it is.
    pub manifest: Manifest,
    /// SHA-256 of the manifest, which holds that of every file: two datasets with the same digest
    /// are the same.
    pub digest: String,
    /// Every version of every area.
    pub areas: Vec<Area>,
    /// The boundaries of each layer that has them.
    pub boundaries: Vec<(Layer, Vec<Boundary>)>,
    /// What became of areas.
    pub lineage: Vec<Lineage>,
    /// Who is a member of what.
    pub memberships: Vec<Membership>,
    /// Practices, open and closed.
    pub practices: Vec<Practice>,
    /// Their buildings.
    pub premises: Vec<Premises>,
    /// Who took over from whom.
    pub successions: Vec<Succession>,
    /// Codes of the statistical areas that postcodes name, and of those with a boundary.
    pub statistical_areas: Vec<String>,
    /// The boundaries of statistical areas, by code.
    pub statistical_boundaries: Vec<Boundary>,
    /// The areas that statistical areas lie in.
    pub assignments: Vec<Assignment>,
    /// Organisations that prescribe and have no registered patients.
    pub not_gp_practices: Vec<OdsCode>,
    /// The directory, in order of postcode.
    pub postcodes: Vec<PostcodeEntry>,
    /// Questions with the answers that it must give.
    pub canaries: Vec<Canary>,
    /// How many ICCs the systems' own pages state.
    pub stated_counts: Vec<StatedCount>,
}

/// A dataset that cannot be used. Files go by their path in its folder; where that is, the caller
/// knows.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The manifest itself.
    #[error("{MANIFEST}: {reason}")]
    Manifest {
        /// Why.
        reason: String,
    },
    /// A file is not there, or cannot be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than any file of a dataset.
    #[error("`{path}` is larger than 2 GiB")]
    TooLarge {
        /// Which.
        path: String,
    },
    /// The manifest says nothing of a file that it needs.
    #[error("{MANIFEST}: no entry for `{path}` under [files]")]
    NotInManifest {
        /// Which.
        path: String,
    },
    /// A path leads out of the folder.
    #[error("{MANIFEST}: `{path}` is not a path inside the dataset's folder")]
    Outside {
        /// Which.
        path: String,
    },
    /// A file is shorter or longer than the manifest says.
    #[error(
        "`{path}` has {found} bytes where the manifest says {expected}: it was changed or cut short"
    )]
    WrongSize {
        /// Which.
        path: String,
        /// Bytes in the manifest.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// A file is not the one that the manifest describes.
    #[error("`{path}` does not have the SHA-256 that the manifest says: it was changed")]
    WrongDigest {
        /// Which.
        path: String,
    },
    /// A table is not right.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A polygon file is not right.
    #[error(transparent)]
    Polygons(#[from] PolygonError),
}
