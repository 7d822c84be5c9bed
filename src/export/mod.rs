//! What a dataset says, as files for other programs.
//!
//! - `lookup`: every answer that depends on a postcode alone or on a practice alone, with the time for
//!   which it holds, so that a warehouse can join without running us.
//! - `areas`: the areas of a day for GIS programs. (All their tiles in one file are `tiles::pmtiles`.)
//! - `table`: rows by key to Parquet or CSV, on several threads and in order.

mod areas;
mod lookup;
mod table;

pub use areas::{AreaFormat, Areas, AreasError, areas};
pub use lookup::{postcodes, practices};
pub use table::TableFormat;
