//! The areas of layers on a date, as files for GIS programs.

mod flatgeobuf;
mod shapefile;
mod topojson;

use jiff::civil::Date;
use rusqlite::{Connection, MAIN_DB, params};
use serde_json::{Value, json};

use crate::domain::{Area, Boundary, BritishGrid, Layer};
use crate::geojson;
use crate::index::Index;

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
}

/// A file of areas. Areas without a boundary are omitted.
pub struct AreaFile {
    /// The content of the file.
    pub bytes: Vec<u8>,
    /// The number of areas.
    pub count: u64,
}

/// Why areas cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum AreaExportError {
    /// SQLite failed. The database is in memory, so the likely cause is that memory ran out.
    #[error("writing the GeoPackage failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A shape cannot be written.
    #[error("writing the Shapefile failed: {0}")]
    Shape(#[from] ::shapefile::Error),
    /// The zip cannot be written.
    #[error("writing the zip failed: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A value is too long for a Shapefile.
    #[error(
        "the `{column}` of an area is longer than {max} bytes, the limit of Shapefiles; use GeoPackage"
    )]
    TooLong {
        /// The name of the column.
        column: &'static str,
        /// The maximum number of bytes in a value.
        max: usize,
    },
}

/// Encodes those areas of the layers that have a boundary on the date.
///
/// # Errors
/// If the format cannot represent an area, or the file cannot be written.
pub fn encode_areas(
    index: &Index,
    format: AreaFormat,
    layers: &[Layer],
    day: Date,
) -> Result<AreaFile, AreaExportError> {
    match format {
        AreaFormat::GeoJson => Ok(to_geojson(index, layers, day)),
        AreaFormat::GeoPackage => Ok(to_geopackage(index, layers, day)?),
        AreaFormat::TopoJson => Ok(topojson::to_topojson(index, layers, day)),
        AreaFormat::Shapefiles => shapefile::to_shapefiles(index, layers, day),
        AreaFormat::FlatGeobuf => Ok(flatgeobuf::to_flatgeobuf(index, layers, day)),
    }
}

/// An area and its boundary.
type AreaWithBoundary<'i> = (&'i Area, &'i Boundary);

fn areas_with_boundary(
    index: &Index,
    layer: Layer,
    day: Date,
) -> impl Iterator<Item = AreaWithBoundary<'_>> {
    index
        .boundaries(layer, day)
        .filter_map(move |boundary| Some((index.area(layer, &boundary.id, day)?, boundary)))
}

fn to_geojson(index: &Index, layers: &[Layer], day: Date) -> AreaFile {
    let manifest = index.manifest();
    let (name, attribution) = (
        Value::from(manifest.name.as_str()),
        Value::from(manifest.attribution.as_str()),
    );
    let mut text = format!(
        "{{\"type\":\"FeatureCollection\",\"name\":{name},\"attribution\":{attribution},\"features\":["
    );
    let mut count = 0;
    for (area, boundary) in layers
        .iter()
        .flat_map(|&layer| areas_with_boundary(index, layer, day))
    {
        text.push_str(if count == 0 { "\n" } else { ",\n" });
        geojson::write_feature(&mut text, &properties(area, boundary), &boundary.lonlat);
        count += 1;
    }
    text.push_str("\n]}\n");
    AreaFile {
        bytes: text.into_bytes(),
        count,
    }
}

fn properties(area: &Area, boundary: &Boundary) -> Value {
    let date_text = |day: Option<Date>| day.map(|day| day.to_string());
    json!({
        "id": area.id, "name": area.title(), "layer": area.layer.as_str(), "kind": area.kind,
        "system": area.system, "provenance": area.provenance.as_str(),
        "extent": boundary.catchment_kind.as_str(),
        "from": date_text(area.period.from), "to": date_text(area.period.to),
    })
}

/// `GPKG` and version 1.3, which identify a SQLite database as a GeoPackage.
const APPLICATION_ID: i64 = 0x4750_4b47;
const USER_VERSION: i64 = 10_300;
const BNG_EPSG_CODE: i32 = 27_700;

/// The tables that every GeoPackage has, with the required reference systems (12-128r17, 1.1.2) and
/// that of the British National Grid.
const TABLES: &str = r#"
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
    description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
    srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
INSERT INTO gpkg_spatial_ref_sys VALUES
    ('Undefined Cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined Cartesian coordinate reference system'),
    ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic coordinate reference system'),
    ('WGS 84', 4326, 'EPSG', 4326,
     'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]',
     'longitude/latitude coordinates in decimal degrees on the WGS 84 spheroid'),
    ('OSGB36 / British National Grid', 27700, 'EPSG', 27700,
     'PROJCS["OSGB36 / British National Grid",GEOGCS["OSGB36",DATUM["Ordnance_Survey_of_Great_Britain_1936",SPHEROID["Airy 1830",6377563.396,299.3249646,AUTHORITY["EPSG","7001"]],AUTHORITY["EPSG","6277"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4277"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",49],PARAMETER["central_meridian",-2],PARAMETER["scale_factor",0.9996012717],PARAMETER["false_easting",400000],PARAMETER["false_northing",-100000],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["EPSG","27700"]]',
     'metres');
"#;

fn to_geopackage(index: &Index, layers: &[Layer], day: Date) -> Result<AreaFile, rusqlite::Error> {
    let mut database = Connection::open_in_memory()?;
    database.pragma_update(None, "application_id", APPLICATION_ID)?;
    database.pragma_update(None, "user_version", USER_VERSION)?;
    database.execute_batch(TABLES)?;
    let mut count = 0;
    for &layer in layers {
        count += add_layer(&database, index, layer, day)?;
    }
    let bytes = database.serialize(MAIN_DB)?.to_vec();
    Ok(AreaFile { bytes, count })
}

fn add_layer(
    database: &Connection,
    index: &Index,
    layer: Layer,
    day: Date,
) -> Result<u64, rusqlite::Error> {
    let table = layer.as_str().replace('-', "_");
    let manifest = index.manifest();
    database.execute_batch(&format!(
        "CREATE TABLE {table} (fid INTEGER PRIMARY KEY, geom MULTIPOLYGON, id TEXT NOT NULL, name TEXT NOT NULL,
            kind TEXT, system TEXT, provenance TEXT NOT NULL, extent TEXT, valid_from DATE, valid_to DATE)"
    ))?;
    // The date is the dataset's, not today's, so that the same dataset always produces the same
    // bytes.
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id)
            VALUES (?1, 'features', ?2, ?3, ?4, ?5)",
        params![
            table,
            manifest.layer_title(layer),
            format!("{} {} on {day}. {}", manifest.name, manifest.version, manifest.attribution),
            format!("{}T00:00:00.000Z", manifest.as_of),
            BNG_EPSG_CODE
        ],
    )?;
    database.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?1, 'geom', 'MULTIPOLYGON', ?2, 0, 0)",
        params![table, BNG_EPSG_CODE],
    )?;
    let mut insert = database.prepare(&format!(
        "INSERT INTO {table} (geom, id, name, kind, system, provenance, extent, valid_from, valid_to)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    ))?;
    let mut bounds = GridBounds::default();
    let mut count = 0;
    for (area, boundary) in areas_with_boundary(index, layer, day) {
        bounds.add(boundary);
        let date_text = |day: Option<Date>| day.map(|day| day.to_string());
        insert.execute(params![
            geometry_blob(boundary),
            area.id,
            area.title(),
            area.kind,
            area.system,
            area.provenance.as_str(),
            boundary.catchment_kind.as_str(),
            date_text(area.period.from),
            date_text(area.period.to)
        ])?;
        count += 1;
    }
    if let Some([west, south, east, north]) = bounds.0 {
        database.execute(
            "UPDATE gpkg_contents SET min_x = ?1, min_y = ?2, max_x = ?3, max_y = ?4 WHERE table_name = ?5",
            params![west, south, east, north, table],
        )?;
    }
    Ok(count)
}

/// A bounding box: west, south, east, north in metres. `None` if the box is empty.
#[derive(Default)]
struct GridBounds(Option<[f64; 4]>);

impl GridBounds {
    fn add(&mut self, boundary: &Boundary) {
        for position in vertices(boundary) {
            let (x, y) = (position.easting_m(), position.northing_m());
            let [west, south, east, north] = self.0.unwrap_or([x, y, x, y]);
            self.0 = Some([west.min(x), south.min(y), east.max(x), north.max(y)]);
        }
    }
}

fn vertices(boundary: &Boundary) -> impl Iterator<Item = &BritishGrid> {
    boundary
        .grid
        .iter()
        .flat_map(|polygon| polygon.rings.iter().flatten())
}

/// The first bytes of a GeoPackage geometry: little-endian, no envelope.
const GEOMETRY_HEADER: [u8; 4] = [b'G', b'P', 0, 0b1];
const LITTLE_ENDIAN: u8 = 1;
const POLYGON: u32 = 3;
const MULTI_POLYGON: u32 = 6;

/// Returns a GeoPackage geometry: its header (12-128r17, 2.1.3), then well-known binary in metres.
fn geometry_blob(boundary: &Boundary) -> Vec<u8> {
    let mut out = GEOMETRY_HEADER.to_vec();
    out.extend(BNG_EPSG_CODE.to_le_bytes());
    put_geometry_start(&mut out, MULTI_POLYGON, boundary.grid.len());
    for polygon in &boundary.grid {
        put_geometry_start(&mut out, POLYGON, polygon.rings.len());
        for ring in &polygon.rings {
            put_u32(&mut out, ring.len() + 1);
            for position in ring.iter().chain(ring.first()) {
                out.extend(position.easting_m().to_le_bytes());
                out.extend(position.northing_m().to_le_bytes());
            }
        }
    }
    out
}

fn put_geometry_start(out: &mut Vec<u8>, kind: u32, parts: usize) {
    out.push(LITTLE_ENDIAN);
    out.extend(kind.to_le_bytes());
    put_u32(out, parts);
}

fn put_u32(out: &mut Vec<u8>, number: usize) {
    let value = u32::try_from(number).expect("a boundary has fewer than 2^32 vertices");
    out.extend(value.to_le_bytes());
}
