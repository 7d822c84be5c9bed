//! The areas of layers on a date, as files for GIS programs.

use jiff::civil::Date;

use catchment_core::domain::Layer;
use catchment_core::index::Index;
use catchment_data::formats::{
    self, ArcIndex, AreaCollection, AreaLayer, GeoParquetWriteError, LayerArcs, ShapefileWriteError,
};
use catchment_tiles::{ArcRef, Topology};

/// A file format for areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AreaFormat {
    /// GeoJSON (RFC 7946): longitude and latitude, with all layers in one collection.
    GeoJson,
    /// GeoPackage 1.3 (OGC 12-128r17): British National Grid, with a table for each layer.
    GeoPackage,
    /// TopoJSON 1: longitude and latitude, with an object for each layer. A border between two
    /// areas of a layer is stored once.
    TopoJson,
    /// Shapefiles in a zip archive: British National Grid, with a Shapefile for each layer.
    Shapefiles,
    /// FlatGeobuf 3: British National Grid, with all layers in one collection.
    FlatGeobuf,
    /// GeoParquet 1.1: British National Grid, with all layers in one table.
    GeoParquet,
}

/// A file of areas. Areas without a boundary are omitted.
pub struct AreaFile {
    /// The content of the file.
    pub bytes: Vec<u8>,
    /// The number of areas.
    pub count: u64,
}

/// The reason why areas cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum AreaExportError {
    /// SQLite failed. The database is in memory, so the likely cause is a lack of memory.
    #[error("writing the GeoPackage failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The GeoParquet file cannot be written.
    #[error(transparent)]
    GeoParquet(#[from] GeoParquetWriteError),
    /// The Shapefiles cannot be written.
    #[error(transparent)]
    Shapefile(#[from] ShapefileWriteError),
}

/// Encodes the areas of the layers that have a boundary on the date.
///
/// # Errors
/// If the format cannot represent an area, or the file cannot be written.
pub fn encode_areas(
    index: &Index,
    format: AreaFormat,
    layers: &[Layer],
    day: Date,
) -> Result<AreaFile, AreaExportError> {
    let areas = areas_with_boundary(index, layers, day);
    let bytes = match format {
        AreaFormat::GeoJson => formats::areas_to_geojson(&areas),
        AreaFormat::GeoPackage => formats::areas_to_geopackage(&areas)?,
        AreaFormat::TopoJson => {
            let borders: Vec<LayerArcs> = areas
                .layers
                .iter()
                .map(|layer| layer_arcs(layer, index))
                .collect();
            formats::areas_to_topojson(&areas, &borders)
        }
        AreaFormat::Shapefiles => formats::areas_to_shapefiles(&areas)?,
        AreaFormat::FlatGeobuf => formats::areas_to_flatgeobuf(&areas),
        AreaFormat::GeoParquet => formats::areas_to_geoparquet(&areas)?,
    };
    Ok(AreaFile {
        bytes,
        count: areas.count() as u64,
    })
}

fn areas_with_boundary<'i>(index: &'i Index, layers: &[Layer], day: Date) -> AreaCollection<'i> {
    let manifest = index.manifest();
    let area_layer = |&layer: &Layer| {
        let areas = index
            .boundaries(layer, day)
            .filter_map(|boundary| Some((index.area(layer, &boundary.id, day)?, boundary)));
        AreaLayer {
            layer,
            title: manifest.layer_title(layer),
            areas: areas.collect(),
        }
    };
    AreaCollection {
        name: &manifest.name,
        title: &manifest.title,
        version: &manifest.version,
        attribution: &manifest.attribution,
        as_of: manifest.as_of.to_string(),
        day,
        layers: layers.iter().map(area_layer).collect(),
    }
}

/// Returns the borders of a layer's areas as arcs.
fn layer_arcs(layer: &AreaLayer<'_>, index: &Index) -> LayerArcs {
    let boundaries: Vec<_> = layer.areas.iter().map(|area| area.1).collect();
    let topology = Topology::new(&boundaries, index.is_partition(layer.layer));
    let ring = |ring: Vec<ArcRef>| {
        let arcs = ring.into_iter().map(|arc| ArcIndex {
            arc: arc.arc,
            is_reversed: arc.is_reversed,
        });
        arcs.collect()
    };
    let polygon = |rings: Vec<Vec<ArcRef>>| rings.into_iter().map(ring).collect();
    let area = |polygons: Vec<Vec<Vec<ArcRef>>>| polygons.into_iter().map(polygon).collect();
    LayerArcs {
        arcs: topology.arcs,
        areas: topology.areas.into_iter().map(area).collect(),
    }
}
