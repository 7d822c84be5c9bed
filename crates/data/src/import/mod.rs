//! Importers of published files, one module per format. No other module refers to the columns of
//! these files.
//!
//! Every importer is strict. A missing column is an error that states the name of the column. An
//! invalid cell is reported with its file, line and column. A file without usable rows is an error
//! instead of an empty result.

mod dates;
mod ods;
mod report;
mod rows;
mod source_files;

pub mod area_changes;
pub mod area_history;
pub mod catchments;
pub mod code_point_open;
pub mod districts;
pub mod ebranchs;
pub mod epcn;
pub mod epraccur;
pub mod facts;
pub mod hierarchy;
pub mod lookup;
pub(crate) mod lsoa_codes;
pub mod nhspd;
pub mod ons_lookup;
pub mod onspd;
pub mod polygons;
pub mod postcode_list;
pub mod practice_list;
pub(crate) mod recognition;
pub mod registration_shares;
pub mod registrations;
pub mod resilience_groups;
pub mod source_list;
pub mod succ;
pub mod uprns;

use catchment_core::domain::{
    BritishGrid, DirectoryStatus, PositionalQuality, Postcode, PostcodeCodes, Termination,
    YearMonth,
};

/// A postcode as listed in a postcode directory.
#[derive(Debug, Clone)]
pub struct PostcodeRecord {
    pub(crate) postcode: Postcode,
    /// The position, or `None` if the directory states no position for the postcode.
    pub(crate) position: Option<BritishGrid>,
    pub(crate) positional_quality: Option<PositionalQuality>,
    pub(crate) is_large_user: bool,
    pub(crate) status: DirectoryStatus,
    pub(crate) introduced: Option<YearMonth>,
    /// The termination of the postcode, if it is known.
    pub(crate) termination: Option<Termination>,
    /// The code of the postcode's LSOA or, in Scotland, data zone, if the directory states this
    /// code.
    pub(crate) statistical_area: Option<String>,
    /// The council and the LSOA of 2021, if the directory states them.
    pub(crate) codes: PostcodeCodes,
    /// The code of the postcode's sub-ICB location. This is an ODS code or a GSS code, depending on
    /// the directory.
    pub sub_icb: Option<String>,
}

pub use report::{AffectedRows, ImportError, ImportReport};
pub use source_files::{SourceFiles, read_whole_file};
