//! Exports the areas of a dataset as files for GIS programs. (`tiles::pmtiles` exports the tiles of
//! areas, and `batch::lookup_export` the look-up tables.)

mod areas;

pub use areas::{AreaExportError, AreaFile, AreaFormat, encode_areas};
