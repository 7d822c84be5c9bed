//! ESRI Shapefiles: a reader, and a writer of an archive that contains a Shapefile for each layer.

mod read;
mod write;

#[cfg(test)]
pub(crate) use self::read::fixture;
pub(crate) use self::read::read_shapefile_with;
pub use self::read::{ShapefileParts, read_shapefile};
pub use self::write::ShapefileWriteError;
pub use self::write::areas_to_shapefiles;

/// The position of the byte in a `.dbf` file that states its code page.
const LANGUAGE_BYTE: usize = 29;
