//! ESRI Shapefiles: the reader, and the writer of an archive with a Shapefile for each layer.

mod read;
mod write;

#[cfg(test)]
pub(crate) use self::read::fixture;
pub(crate) use self::read::read_shapefile_with;
pub use self::read::{ShapefileParts, read_shapefile};
pub use self::write::ShapefileWriteError;
pub use self::write::areas_to_shapefiles;

/// The byte of a .dbf that states its code page.
const LANGUAGE_BYTE: usize = 29;
