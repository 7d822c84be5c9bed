//! Exports the areas of a dataset as files for GIS programs, and the look-up as static files.
//! `tiles::pmtiles` exports the tiles of areas, and `batch::lookup_export` exports the look-up
//! tables.

mod areas;
mod static_site;

pub use areas::{AreaExportError, AreaFile, AreaFormat, encode_areas};
pub use static_site::{
    StaticSite, StaticSiteChanges, StaticSiteError, StaticSiteOptions, StaticSiteSummary,
    files_of_static_site, read_file_list,
};
