//! File formats. Each module contains a reader, a writer or both.
//!
//! - `csv_table`: CSV tables with a header row.
//! - `geojson`, `shapefile`, `geopackage`: read as a `PolygonFile`, and written from an
//!   `AreaCollection` or from features.
//! - `geoparquet`: read as a `PolygonFile`; `geoparquet_write`: written from an `AreaCollection`.
//! - `flatgeobuf`, `topojson`: written from an `AreaCollection`.
//! - `crs`: the coordinate reference systems of polygon files.
//! - `table_format`: the columns by which a published table is recognised.
//! - `unexpected`: content that is often saved in place of a data file.
//! - `coordinates`: coordinates of polygon files as integers.
//!
//! These modules do not depend on the dataset's folder, on the columns of published files or on the
//! service. They are private because some have the same names as crates: in all other modules,
//! `geojson::` and `shapefile::` refer to the crates.

mod areas;
mod coordinates;
mod crs;
mod csv_table;
mod flatgeobuf;
mod geojson;
mod geopackage;
mod geoparquet;
mod geoparquet_write;
mod polygon_file;
mod shapefile;
mod table_format;
mod topojson;
mod unexpected;

pub use self::areas::{AreaCollection, AreaLayer};
pub use self::coordinates::{from_units, parse_multi_polygon};
pub use self::crs::{Crs, SourceCrs};
pub use self::csv_table::TableError;
pub(crate) use self::csv_table::present_name;
pub use self::csv_table::{CsvTable, CsvTableRow, write_csv, write_csv_of_layers};
pub use self::flatgeobuf::areas_to_flatgeobuf;
pub(crate) use self::geojson::read_geojson_with;
pub use self::geojson::{
    FeatureCollectionWriter, FeatureGeometry, areas_to_geojson, layer_to_geojson, read_geojson,
    read_geojson_features, round_coordinates, write_geojson_feature, write_geojson_multi_polygon,
};
#[cfg(test)]
pub(crate) use self::geopackage::fixture as geopackage_fixture;
pub(crate) use self::geopackage::read_geopackage_with;
pub use self::geopackage::{areas_to_geopackage, read_geopackage};
pub(crate) use self::geoparquet::read_geoparquet_with;
pub use self::geoparquet_write::{GeoParquetWriteError, areas_to_geoparquet};
pub use self::polygon_file::PolygonError;
pub(crate) use self::polygon_file::file_error;
pub use self::polygon_file::{PolygonFeature, PolygonFile, PolygonReadOptions};
pub use self::shapefile::ShapefileWriteError;
#[cfg(test)]
pub(crate) use self::shapefile::fixture as shapefile_fixture;
pub(crate) use self::shapefile::read_shapefile_with;
pub use self::shapefile::{ShapefileParts, areas_to_shapefiles, read_shapefile};
pub(crate) use self::table_format::{FormatColumns, HeaderDifference, TableFormat};
pub use self::topojson::{ArcIndex, LayerArcs, areas_to_topojson};
pub(crate) use self::unexpected::unexpected_content;
use catchment_core::geometry::rings;
