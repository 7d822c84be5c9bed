//! GeoPackage (OGC 12-128r17), an SQLite database: a reader of one layer, and a writer that writes
//! a table for each layer.

mod geometry;
mod read;
mod write;

pub(super) use self::geometry::{encode_wkb, parse_wkb};
#[cfg(test)]
pub(crate) use self::read::fixture;
pub use self::read::read_geopackage;
pub(crate) use self::read::read_geopackage_with;
pub use self::write::areas_to_geopackage;
