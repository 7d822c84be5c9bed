//! File formats, each with its reader and its writer.
//!
//! - `csv_table`: CSV tables with a header row.
//! - `geojson`, `shapefile`, `geopackage`: read as a `PolygonFile`, and written from an
//!   `AreaCollection` or from features.
//! - `flatgeobuf`, `topojson`: written from an `AreaCollection`.
//! - `coordinates`: coordinates of polygon files as integers.
//!
//! Nothing here depends on the dataset's folder, on the columns of published files or on the
//! service. The modules are private, because some have the names of crates: in all other modules,
//! `geojson::` and `shapefile::` mean the crates.

mod areas;
mod coordinates;
mod csv_table;
mod flatgeobuf;
mod geojson;
mod geopackage;
mod polygon_file;
mod shapefile;
mod topojson;

pub use self::areas::{AreaCollection, AreaLayer};
pub use self::coordinates::{Crs, from_units, parse_multi_polygon};
pub use self::csv_table::TableError;
pub use self::csv_table::{CsvTable, CsvTableRow, write_csv};
pub use self::flatgeobuf::areas_to_flatgeobuf;
pub use self::geojson::{
    FeatureCollectionWriter, FeatureGeometry, areas_to_geojson, layer_to_geojson, read_geojson,
    read_geojson_features, round_coordinates, write_geojson_feature, write_geojson_multi_polygon,
};
#[cfg(test)]
pub(crate) use self::geopackage::fixture as geopackage_fixture;
pub use self::geopackage::{areas_to_geopackage, read_geopackage};
pub use self::polygon_file::PolygonError;
pub use self::polygon_file::{PolygonFeature, PolygonFile};
pub use self::shapefile::ShapefileWriteError;
#[cfg(test)]
pub(crate) use self::shapefile::fixture as shapefile_fixture;
pub use self::shapefile::{ShapefileParts, areas_to_shapefiles, read_shapefile};
pub use self::topojson::{ArcIndex, LayerArcs, areas_to_topojson};
use catchment_core::geometry::rings;
