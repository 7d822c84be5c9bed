//! Writes a GeoPackage 1.3 with a table for each layer, in British National Grid.

use jiff::civil::Date;
use rusqlite::{Connection, MAIN_DB, params};

use super::geometry::encode_geometry;
use crate::formats::areas::{AreaCollection, AreaLayer, grid_bounds};
use crate::formats::coordinates::BNG_EPSG_CODE;

/// `GPKG` and version 1.3, which identify a SQLite database as a GeoPackage.
const APPLICATION_ID: i64 = 0x4750_4b47;
const USER_VERSION: i64 = 10_300;

/// The tables that are in every GeoPackage, with the required reference systems (12-128r17, 1.1.2)
/// and the British National Grid.
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

/// Returns a GeoPackage with a table for each layer.
///
/// # Errors
/// If SQLite fails. The database is in memory, so the likely cause is a lack of memory.
pub fn areas_to_geopackage(areas: &AreaCollection<'_>) -> Result<Vec<u8>, rusqlite::Error> {
    let mut database = Connection::open_in_memory()?;
    database.pragma_update(None, "application_id", APPLICATION_ID)?;
    database.pragma_update(None, "user_version", USER_VERSION)?;
    database.execute_batch(TABLES)?;
    for layer in &areas.layers {
        add_layer(&database, areas, layer)?;
    }
    Ok(database.serialize(MAIN_DB)?.to_vec())
}

fn add_layer(
    database: &Connection,
    areas: &AreaCollection<'_>,
    layer: &AreaLayer<'_>,
) -> Result<(), rusqlite::Error> {
    let table = layer.layer.as_str().replace('-', "_");
    database.execute_batch(&format!(
        "CREATE TABLE {table} (fid INTEGER PRIMARY KEY, geom MULTIPOLYGON, id TEXT NOT NULL, name TEXT NOT NULL,
            kind TEXT, system TEXT, provenance TEXT NOT NULL, extent TEXT, valid_from DATE, valid_to DATE)"
    ))?;
    // The date is the date of the dataset instead of the current date, so that the same dataset
    // always produces the same bytes.
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id)
            VALUES (?1, 'features', ?2, ?3, ?4, ?5)",
        params![
            table,
            layer.title,
            areas.description(),
            format!("{}T00:00:00.000Z", areas.as_of),
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
    for (area, boundary) in &layer.areas {
        let date_text = |day: Option<Date>| day.map(|day| day.to_string());
        insert.execute(params![
            encode_geometry(boundary),
            area.id,
            area.title(),
            area.kind,
            area.system,
            area.provenance.as_str(),
            boundary.catchment_kind.as_str(),
            date_text(area.period.from),
            date_text(area.known_end())
        ])?;
    }
    let bounds = grid_bounds(layer.areas.iter().map(|area| area.1));
    if let Some([west, south, east, north]) = bounds {
        database.execute(
            "UPDATE gpkg_contents SET min_x = ?1, min_y = ?2, max_x = ?3, max_y = ?4 WHERE table_name = ?5",
            params![west, south, east, north, table],
        )?;
    }
    Ok(())
}
