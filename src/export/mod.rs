//! Exports a dataset as files for other programs.
//!
//! - `lookup`: look-up tables by postcode and by practice with periods of validity, so that a data
//!   warehouse can join them without calling the service.
//! - `areas`: the areas on a date, for GIS programs. (`tiles::pmtiles` exports the tiles of areas.)
//! - `table`: writes the rows of a sequence of keys to Parquet or CSV, on several threads and in
//!   order.

mod areas;
mod lookup;
mod table;

pub use areas::{AreaExportError, AreaFile, AreaFormat, encode_areas};
pub use lookup::{write_postcodes, write_practices};
pub use table::TableFormat;
