//! Reads one layer of a GeoPackage (OGC 12-128). A GeoPackage is an SQLite database that stores
//! each geometry as a GeoPackage header followed by well-known binary (WKB).
//!
//! The file is opened read-only and as immutable, so SQLite neither locks the file nor creates
//! other files in the file's folder. Changes that are still in the write-ahead log (`…-wal`) of
//! another program would be missed, so a file with a write-ahead log that is not empty is rejected.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row};

use super::geometry::parse_geometry;
use crate::formats::coordinates::RingParser;
use crate::formats::crs::{self, SourceCrs};
use crate::formats::polygon_file::{
    CaseVariants, PolygonError, PolygonFeature, PolygonFile, PolygonReadOptions, feature_error,
    feature_label,
};

/// Reads the polygons of a layer. `layer` may be `None` if the file contains only one layer.
///
/// # Errors
/// If the file is not a GeoPackage, the layer does not exist or contains no rows, the layer's
/// coordinate reference system cannot be read, or one of the rows is not a valid polygon. Rows
/// without a geometry are omitted and listed.
pub fn read_geopackage(path: &Path, layer: Option<&str>) -> Result<PolygonFile, PolygonError> {
    read_geopackage_with(path, layer, &PolygonReadOptions::default())
}

/// Reads the polygons of a layer as [`read_geopackage`] does, with these options.
pub(crate) fn read_geopackage_with(
    path: &Path,
    layer: Option<&str>,
    options: &PolygonReadOptions,
) -> Result<PolygonFile, PolygonError> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy().into_owned();
    read_layer(&name, path, layer, options).map_err(|error| match error {
        GeoPackageError::File(reason) => PolygonError::File { file: name, reason },
        GeoPackageError::Feature(error) => error,
    })
}

enum GeoPackageError {
    File(String),
    Feature(PolygonError),
}

impl From<rusqlite::Error> for GeoPackageError {
    fn from(error: rusqlite::Error) -> GeoPackageError {
        GeoPackageError::File(format!("not a readable GeoPackage: {error}"))
    }
}

impl From<String> for GeoPackageError {
    fn from(reason: String) -> GeoPackageError {
        GeoPackageError::File(reason)
    }
}

fn read_layer(
    name: &str,
    path: &Path,
    layer: Option<&str>,
    options: &PolygonReadOptions,
) -> Result<PolygonFile, GeoPackageError> {
    reject_pending_wal(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(uri(path), flags)?;
    let size_bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    set_limits(&mut database, size_bytes)?;
    database.pragma_update(None, "trusted_schema", false)?;
    let table = FeatureTable::find(&database, layer)?;
    let (source_crs, remark) = crs::choose(
        stated_crs(&database, table.srs_id)?,
        options.crs,
        options.is_crs_configurable,
    )?;
    let parser = RingParser {
        crs: source_crs,
        keep_invalid: options.keep_invalid,
    };
    let rows = table.rows(name, &database, parser)?;
    let crs = source_crs.stored();
    let mut file = PolygonFile::new_non_empty(name, crs, rows.features, rows.without_geometry)
        .map_err(GeoPackageError::Feature)?;
    file.case_variants = rows.case_variants;
    file.remarks.extend(remark);
    Ok(file)
}

/// Limits the memory and the number of SQLite instructions for reading the file, because a view, a
/// generated column or a damaged page could produce an unlimited number of rows.
fn set_limits(database: &mut Connection, size_bytes: u64) -> Result<(), rusqlite::Error> {
    /// The number of instructions between calls of the progress handler.
    const STEP: i32 = 10_000;
    /// The number of instructions allowed per byte of the file. A row requires about ten
    /// instructions and at least ten bytes.
    const INSTRUCTIONS_PER_BYTE: u64 = 4;
    const INSTRUCTIONS_MIN: u64 = 20_000_000;
    let instructions = INSTRUCTIONS_MIN.saturating_add(size_bytes * INSTRUCTIONS_PER_BYTE);
    let mut steps_left = instructions / u64::from(STEP.unsigned_abs());
    database.progress_handler(
        STEP,
        Some(move || {
            steps_left = steps_left.saturating_sub(1);
            steps_left == 0
        }),
    )?;
    // No stored value is longer than the file.
    let length_max = i32::try_from(size_bytes.max(1 << 20)).unwrap_or(i32::MAX);
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, length_max)?;
    Ok(())
}

/// Rejects a file with a write-ahead log that is not empty.
fn reject_pending_wal(path: &Path) -> Result<(), String> {
    let mut wal = path.as_os_str().to_os_string();
    wal.push("-wal");
    match fs::metadata(PathBuf::from(wal)) {
        Ok(metadata) if metadata.len() > 0 => Err(
            "another program has the file open and is still writing to it; close that program"
                .into(),
        ),
        _ => Ok(()),
    }
}

/// Returns the path as an SQLite URI, with special characters percent-encoded.
fn uri(path: &Path) -> String {
    let mut uri = String::from(if cfg!(windows) { "file:///" } else { "file:" });
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'/' | b'.' | b'-' | b'_' | b':' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => write!(uri, "%{byte:02X}").expect("writing to a string succeeds"),
        }
    }
    uri + "?mode=ro&immutable=1"
}

/// The table that contains the features of a layer.
struct FeatureTable {
    table: String,
    geometry: String,
    srs_id: i32,
    /// The columns by which the rows are ordered. Empty for a view.
    order: Vec<String>,
}

/// The rows of a layer.
#[derive(Default)]
struct FeatureRows {
    features: Vec<PolygonFeature>,
    /// The labels of the rows without a geometry.
    without_geometry: Vec<String>,
    case_variants: CaseVariants,
}

impl FeatureTable {
    fn find(
        database: &Connection,
        layer_name: Option<&str>,
    ) -> Result<FeatureTable, GeoPackageError> {
        let tables = query_strings(
            database,
            "SELECT table_name FROM gpkg_contents WHERE data_type = 'features' ORDER BY table_name",
            [],
        )?;
        let is_selected = |table: &&String| layer_name.is_none_or(|name| name == *table);
        let matching: Vec<&String> = tables.iter().filter(is_selected).collect();
        let [table] = matching.as_slice() else {
            return Err(GeoPackageError::File(format!(
                "`layer` must name one of these layers: {}",
                format_names(&tables)
            )));
        };
        let geometry_column = database
            .query_row(
                "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?1",
                [table],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let Some((geometry, srs_id)) = geometry_column else {
            return Err(GeoPackageError::File(format!(
                "`{table}` has no row in gpkg_geometry_columns"
            )));
        };
        // A virtual table is rejected, because it computes its rows with code that the file
        // specifies. The rows of a view are limited in the same way as the rows of a table.
        let kind: Option<String> = database
            .query_row(
                "SELECT CASE WHEN type = 'view' OR sql LIKE 'CREATE TABLE%' THEN type END \
                 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')",
                [table],
                |row| row.get(0),
            )
            .optional()?
            .flatten();
        let order = match kind.as_deref() {
            Some("view") => Vec::new(),
            Some(_) => row_order(database, table)?,
            None => {
                return Err(GeoPackageError::File(format!(
                    "`{table}` is not a table or a view; copy its rows into a table"
                )));
            }
        };
        Ok(FeatureTable {
            table: (*table).clone(),
            geometry,
            srs_id,
            order,
        })
    }

    /// Reads every row. A table is read in the order of its keys, and a view in the order that the
    /// view defines.
    fn rows(
        &self,
        name: &str,
        database: &Connection,
        parser: RingParser,
    ) -> Result<FeatureRows, GeoPackageError> {
        let columns = query_strings(
            database,
            "SELECT name FROM pragma_table_info(?1)",
            [&self.table],
        )?;
        let is_geometry = |column: &String| column.eq_ignore_ascii_case(&self.geometry);
        let Some(geometry) = columns.iter().position(is_geometry) else {
            return Err(GeoPackageError::File(format!(
                "`{}` has no column `{}`",
                self.table, self.geometry
            )));
        };
        // The columns are selected by name, because rusqlite panics if the name of a column of a
        // statement is not UTF-8.
        let quoted_columns: Vec<String> = columns
            .iter()
            .map(|column| quote_identifier(column))
            .collect();
        let (column_list, table) = (quoted_columns.join(", "), quote_identifier(&self.table));
        let order = match self.order.as_slice() {
            [] => String::new(),
            order => format!(" ORDER BY {}", order.join(", ")),
        };
        let mut statement =
            database.prepare(&format!("SELECT {column_list} FROM {table}{order}"))?;
        let mut found = FeatureRows {
            case_variants: CaseVariants::find(columns.iter().map(String::as_str)),
            ..FeatureRows::default()
        };
        let mut rows = statement.query([])?;
        // The total size of the rows is limited, because a default value is stored once but
        // returned in every row, a damaged page may be read twice, and a view may return an
        // unlimited number of rows.
        let size_bytes = database.path().and_then(|path| fs::metadata(path).ok());
        let mut bytes_left = size_bytes.map_or(0, |metadata| metadata.len()) * 4 + (16 << 20);
        let mut ordinal = 0;
        while let Some(row) = rows.next()? {
            ordinal += 1;
            bytes_left = bytes_left
                .checked_sub(row_size_bytes(row, columns.len())?)
                .ok_or_else(|| format!("`{}` has more rows than fit in the file", self.table))?;
            let attributes = read_attributes(row, &columns, geometry).map_err(|reason| {
                GeoPackageError::Feature(feature_error(name, &ordinal.to_string(), reason))
            })?;
            let (attributes, case_variants) = found.case_variants.separate(attributes);
            let label = feature_label(ordinal, &attributes);
            let invalid = |reason: &'static str| {
                GeoPackageError::Feature(feature_error(name, &label, reason))
            };
            let parts = match row.get_ref(geometry)? {
                ValueRef::Null => None,
                ValueRef::Blob(blob) => parse_geometry(blob, self.srs_id).map_err(invalid)?,
                _ => {
                    return Err(invalid(
                        "its geometry should be a Polygon or a MultiPolygon",
                    ));
                }
            };
            let Some(parts) = parts else {
                found.without_geometry.push(label);
                continue;
            };
            let parsed = parser.parse_multi_polygon(&parts).map_err(invalid)?;
            found.features.push(PolygonFeature::new(
                ordinal,
                attributes,
                case_variants,
                parsed,
            ));
        }
        Ok(found)
    }
}

/// Returns the columns by which the rows of a table are ordered: the row id or, in a table WITHOUT
/// ROWID, the primary key.
fn row_order(database: &Connection, table: &str) -> Result<Vec<String>, rusqlite::Error> {
    let has_no_rowid: Option<bool> = database
        .query_row(
            "SELECT wr FROM pragma_table_list(?1) WHERE schema = 'main'",
            [table],
            |row| row.get(0),
        )
        .optional()?;
    if has_no_rowid != Some(true) {
        return Ok(vec!["rowid".to_string()]);
    }
    let key = query_strings(
        database,
        "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk",
        [table],
    )?;
    Ok(key.iter().map(|column| quote_identifier(column)).collect())
}

/// Returns the approximate size of a row: the size of its values plus eight bytes.
fn row_size_bytes(row: &Row<'_>, columns: usize) -> Result<u64, rusqlite::Error> {
    const ROW_BYTES: u64 = 8;
    let mut bytes = ROW_BYTES;
    for column in 0..columns {
        bytes += match row.get_ref(column)? {
            ValueRef::Blob(value) | ValueRef::Text(value) => value.len() as u64,
            _ => 1,
        };
    }
    Ok(bytes)
}

fn query_strings(
    database: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = database.prepare(sql)?;
    let rows = statement.query_map(parameters, |row| row.get(0))?;
    rows.collect()
}

/// Returns the coordinate reference system with the id `srs_id`, or the reason why the layer cannot
/// be read. The authority's code and the definition must describe the same system.
fn stated_crs(
    database: &Connection,
    srs_id: i32,
) -> Result<Result<SourceCrs, String>, rusqlite::Error> {
    let row: Option<(String, i64, Option<String>)> = database
        .query_row(
            "SELECT organization, organization_coordsys_id, CAST(definition AS TEXT) \
             FROM gpkg_spatial_ref_sys WHERE srs_id = ?1",
            [srs_id],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((authority, code, definition)) = row else {
        return Ok(Err(format!(
            "gpkg_spatial_ref_sys has no row {srs_id}; the layer must be in EPSG:27700 or EPSG:4326"
        )));
    };
    let definition = definition.unwrap_or_default();
    let is_stated = !["", "undefined"].contains(&definition.trim());
    let by_definition = is_stated.then(|| SourceCrs::from_wkt(&definition));
    let by_code = SourceCrs::from_authority(&authority, &code.to_string());
    Ok(match (by_code, by_definition) {
        (Some(crs), Some(Ok(defined))) if defined != crs => Err(format!(
            "the layer is in {authority}:{code}, but its definition in gpkg_spatial_ref_sys is that \
             of {defined}"
        )),
        (Some(crs), _) => Ok(crs),
        (None, Some(Ok(crs))) => Ok(crs),
        (None, Some(Err(reason))) => Err(format!("the layer is in {authority}:{code}: {reason}")),
        (None, None) if srs_id <= 0 => {
            Err("the coordinate reference system of the layer is undefined".into())
        }
        (None, None) => Err(format!(
            "the layer is in {authority}:{code}; convert it to EPSG:27700 or EPSG:4326"
        )),
    })
}

/// Quotes an identifier for SQL.
fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn format_names(names: &[String]) -> String {
    match names {
        [] => "none".to_string(),
        _ => format!("`{}`", names.join("`, `")),
    }
}

/// Returns the attributes as text, by name. Omits blobs.
fn read_attributes(
    row: &Row<'_>,
    columns: &[String],
    geometry: usize,
) -> Result<BTreeMap<String, String>, String> {
    let mut attributes = BTreeMap::new();
    for (index, column) in columns
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != geometry)
    {
        let text = match row.get_ref(index).map_err(|error| error.to_string())? {
            ValueRef::Null | ValueRef::Blob(_) => continue,
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| format!("column `{column}` is not text in UTF-8"))?
                .to_string(),
        };
        attributes.insert(column.clone(), text);
    }
    Ok(attributes)
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// Encodes one polygon as WKB, with `dimensions` coordinates per position.
    pub(crate) fn wkb(
        kind: u32,
        dimensions: usize,
        is_little_endian: bool,
        rings: &[&[[f64; 2]]],
    ) -> Vec<u8> {
        let u32_bytes = |value: u32| {
            if is_little_endian {
                value.to_le_bytes()
            } else {
                value.to_be_bytes()
            }
        };
        let f64_bytes = |value: f64| {
            if is_little_endian {
                value.to_le_bytes()
            } else {
                value.to_be_bytes()
            }
        };
        let size = |count: usize| u32_bytes(u32::try_from(count).expect("few"));
        let mut bytes = vec![u8::from(is_little_endian)];
        bytes.extend(u32_bytes(kind));
        bytes.extend(size(rings.len()));
        for ring in rings {
            bytes.extend(size(ring.len()));
            for position in *ring {
                for index in 0..dimensions {
                    bytes.extend(f64_bytes(position.get(index).copied().unwrap_or(7.0)));
                }
            }
        }
        bytes
    }

    /// Encodes a GeoPackage geometry: a header with an envelope of `envelope` bytes, then WKB.
    pub(crate) fn blob(srs_id: i32, envelope: usize, wkb: &[u8]) -> Vec<u8> {
        let envelope_code = match envelope {
            0 => 0,
            32 => 1,
            48 => 2,
            _ => 4,
        };
        let mut bytes = b"GP\0".to_vec();
        bytes.push(envelope_code << 1 | 1);
        bytes.extend(srs_id.to_le_bytes());
        bytes.extend(vec![0; envelope]);
        bytes.extend(wkb);
        bytes
    }

    /// Writes a GeoPackage with one layer, `icc`.
    pub(crate) fn write_one_layer(path: &Path, srs_id: i32, rows: &[(&str, Option<Vec<u8>>)]) {
        let database = Connection::open(path).expect("a database");
        database
            .execute_batch(&format!(
                "PRAGMA application_id = 1196444487;
                 CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY,
                   organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL,
                   definition TEXT NOT NULL, description TEXT);
                 CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT NOT NULL,
                   identifier TEXT UNIQUE, srs_id INTEGER);
                 CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
                   geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT, m TINYINT);
                 INSERT INTO gpkg_spatial_ref_sys VALUES ('', {srs_id}, 'EPSG', {srs_id}, '', NULL);
                 INSERT INTO gpkg_contents VALUES ('icc', 'features', 'icc', {srs_id});
                 INSERT INTO gpkg_geometry_columns VALUES ('icc', 'geom', 'MULTIPOLYGON', {srs_id}, 0, 0);
                 CREATE TABLE icc (fid INTEGER PRIMARY KEY, geom BLOB, id TEXT, note TEXT, size REAL);"
            ))
            .expect("a layer");
        for (id, geometry) in rows {
            database
                .execute(
                    "INSERT INTO icc (geom, id, note, size) VALUES (?1, ?2, NULL, 1.5)",
                    (geometry, id),
                )
                .expect("a row");
        }
    }

    /// A square with sides of 1 km on the British National Grid, counter-clockwise.
    pub(crate) const SQUARE: [[f64; 2]; 5] = [
        [300_000.0, 470_000.0],
        [301_000.0, 470_000.0],
        [301_000.0, 471_000.0],
        [300_000.0, 471_000.0],
        [300_000.0, 470_000.0],
    ];
}

#[cfg(test)]
mod tests {
    use super::super::parse_wkb;
    use super::fixture::{SQUARE, blob, wkb, write_one_layer};
    use super::*;
    use crate::formats::coordinates::parse_multi_polygon;
    use crate::formats::crs::Crs;

    fn import_rows(
        srs_id: i32,
        rows: &[(&str, Option<Vec<u8>>)],
    ) -> Result<PolygonFile, PolygonError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a b%#?.gpkg");
        write_one_layer(&path, srs_id, rows);
        let before = fs::read(&path).expect("a file");
        let result = read_geopackage(&path, None);
        assert_eq!(fs::read(&path).expect("a file"), before);
        let files = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 1, "no other files remain");
        result
    }

    #[test]
    fn every_wkb_form_gives_the_same_polygon() {
        let plain = import_rows(
            27700,
            &[("k", Some(blob(27700, 0, &wkb(3, 2, true, &[&SQUARE]))))],
        )
        .expect("a polygon");
        assert_eq!(
            (plain.crs, plain.name.as_str()),
            (Crs::BritishGrid, "a b%#?.gpkg")
        );
        let expected = &plain.features[0].polygons;
        assert_eq!(expected[0][0][0].x_y(), (300_000_000, 470_000_000));
        for (kind, dimensions, is_little_endian, envelope) in [
            (3, 2, false, 32),
            (1003, 3, true, 48),
            (2003, 3, true, 48),
            (3003, 4, false, 64),
            (0x8000_0003, 3, true, 0),
            (0x4000_0003, 3, false, 0),
            (0xc000_0003, 4, true, 0),
        ] {
            let single = wkb(kind, dimensions, is_little_endian, &[&SQUARE]);
            let file = import_rows(27700, &[("k", Some(blob(27700, envelope, &single)))]);
            assert_eq!(
                &file.expect("a polygon").features[0].polygons,
                expected,
                "{kind:x}"
            );
        }
        let mut multi = vec![1, 6, 0, 0, 0, 1, 0, 0, 0];
        multi.extend(wkb(3, 2, false, &[&SQUARE]));
        let file = import_rows(27700, &[("k", Some(blob(27700, 32, &multi)))]).expect("a polygon");
        assert_eq!(&file.features[0].polygons, expected);
    }

    #[test]
    fn attributes_are_text_by_name() {
        let square = Some(blob(27700, 0, &wkb(3, 2, true, &[&SQUARE])));
        let file = import_rows(27700, &[("k", square.clone()), ("l", square)]).expect("two");
        let attributes = &file.features[1].attributes;
        assert_eq!(file.attribute(&file.features[1], "ID").expect("an id"), "l");
        assert_eq!(attributes["fid"], "2");
        assert_eq!(attributes["size"], "1.5");
        assert!(!attributes.contains_key("note"));
    }

    #[test]
    fn clockwise_ring_is_reoriented_and_reported() {
        let mut clockwise = SQUARE;
        clockwise.reverse();
        let file = import_rows(
            27700,
            &[("k", Some(blob(27700, 0, &wkb(3, 2, true, &[&clockwise]))))],
        )
        .expect("a polygon");
        assert_eq!(file.reoriented(), ["1 (`k`)"]);
    }

    #[test]
    fn invalid_blob_is_an_error_that_names_the_row() {
        let good = blob(27700, 32, &wkb(3, 2, true, &[&SQUARE]));
        let mut wrong: Vec<Vec<u8>> = (0..good.len())
            .map(|index| good[..index].to_vec())
            .collect();
        wrong.push([good.as_slice(), b"x"].concat());
        wrong.push(blob(4326, 0, &wkb(3, 2, true, &[&SQUARE])));
        wrong.push(blob(27700, 0, &wkb(10, 2, true, &[&SQUARE])));
        wrong.push(blob(27700, 0, &wkb(3, 2, true, &[])));
        wrong.push(blob(27700, 0, &wkb(3, 2, true, &[&SQUARE[..3]])));
        wrong.push(blob(27700, 0, &wkb(3, 2, true, &[&SQUARE[1..]])));
        wrong.push(blob(27700, 0, &wkb(3, 2, true, &[&[[f64::NAN; 2]; 4]])));
        wrong.push(blob(27700, 0, &[1, 3, 0, 0, 0, 255, 255, 255, 255]));
        for bytes in wrong {
            assert!(
                parse_geometry(&bytes, 27700)
                    .and_then(|parts| {
                        parse_multi_polygon(Crs::BritishGrid, &parts.unwrap_or_default())
                    })
                    .is_err()
            );
        }
        let rows = [("k", Some(good.clone())), ("l", Some(good[..50].to_vec()))];
        let error = import_rows(27700, &rows)
            .expect_err("an invalid row")
            .to_string();
        assert!(
            error.starts_with("a b%#?.gpkg, feature 2 (`l`): "),
            "{error}"
        );
        let mut empty = blob(27700, 0, &wkb(3, 2, true, &[]));
        empty[3] |= 0b1_0000;
        let rows = [("k", Some(good)), ("l", None), ("m", Some(empty))];
        let file = import_rows(27700, &rows).expect("one polygon");
        assert_eq!(file.features.len(), 1);
        assert_eq!(file.without_geometry, ["2 (`l`)", "3 (`m`)"]);
    }

    #[test]
    fn a_collection_of_polygons_is_read() {
        let square = wkb(3, 2, true, &[&SQUARE]);
        let collection = |count: u8, inner: &[u8]| {
            let mut bytes = vec![1, 7, 0, 0, 0, count, 0, 0, 0];
            bytes.extend(inner);
            bytes
        };
        let inside = collection(1, &square);
        let parts = parse_wkb(&collection(2, &[inside.as_slice(), &square].concat()));
        assert_eq!(parts.expect("two polygons").len(), 2);
        let deep = (0..20).fold(square, |inner, _| collection(1, &inner));
        assert!(parse_wkb(&deep).is_err());
    }

    #[test]
    fn views_and_tables_without_row_ids_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.gpkg");
        let square = Some(blob(27700, 0, &wkb(3, 2, true, &[&SQUARE])));
        for change in [
            "ALTER TABLE icc RENAME TO rows; \
             CREATE VIEW icc AS SELECT fid AS OGC_FID, geom, id FROM rows ORDER BY fid;",
            "ALTER TABLE icc RENAME TO rows; \
             CREATE TABLE icc (id TEXT PRIMARY KEY, geom BLOB) WITHOUT ROWID; \
             INSERT INTO icc SELECT id, geom FROM rows;",
        ] {
            let _ = fs::remove_file(&path);
            write_one_layer(
                &path,
                27700,
                &[("k", square.clone()), ("l", square.clone())],
            );
            let database = Connection::open(&path).expect("a database");
            database.execute_batch(change).expect("a change");
            drop(database);
            let file = read_geopackage(&path, None).expect(change);
            let ids = file
                .features
                .iter()
                .map(|feature| file.attribute(feature, "id"));
            let ids: Vec<&str> = ids.map(|id| id.expect("an id")).collect();
            assert_eq!(ids, ["k", "l"]);
        }
    }

    #[test]
    fn a_crs_is_identified_by_code_and_by_definition() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.gpkg");
        let wgs84 = r#"GEOGCS["WGS 84 (CRS84)",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],UNIT["degree",0.0174532925199433]]"#;
        let read = |organization: &str, code: i32, srs_id: i32, definition: &str, crs| {
            let _ = fs::remove_file(&path);
            let ring = [[-3.0, 54.0], [-2.0, 54.0], [-2.0, 55.0], [-3.0, 54.0]];
            write_one_layer(
                &path,
                srs_id,
                &[("k", Some(blob(srs_id, 0, &wkb(3, 2, true, &[&ring]))))],
            );
            let database = Connection::open(&path).expect("a database");
            database
                .execute(
                    "UPDATE gpkg_spatial_ref_sys SET organization = ?1, \
                     organization_coordsys_id = ?2, definition = ?3",
                    (organization, code, definition),
                )
                .expect("a row");
            drop(database);
            let options = PolygonReadOptions {
                crs,
                ..PolygonReadOptions::default()
            };
            let file = read_geopackage_with(&path, None, &options);
            file.map(|file| file.crs).map_err(|error| error.to_string())
        };
        assert_eq!(read("EPSG", 4258, 4258, "undefined", None), Ok(Crs::LonLat));
        assert_eq!(read("NONE", 100_000, 100_000, wgs84, None), Ok(Crs::LonLat));
        assert_eq!(read("epsg", 4326, 4326, wgs84, None), Ok(Crs::LonLat));
        let error = read("EPSG", 27700, 27700, wgs84, None).expect_err("they differ");
        assert!(
            error.contains("but its definition in gpkg_spatial_ref_sys is that of EPSG:4326"),
            "{error}"
        );
        let error = read("NONE", 0, 0, "undefined", None).expect_err("undefined");
        assert!(error.contains("is undefined"), "{error}");
        let configured = Some(SourceCrs::LonLat);
        assert_eq!(read("NONE", 0, 0, "undefined", configured), Ok(Crs::LonLat));
        assert_eq!(
            read("NONE", -1, -1, "undefined", configured),
            Ok(Crs::LonLat)
        );
    }

    #[test]
    fn files_that_are_not_geopackages_are_rejected() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.gpkg");
        assert!(read_geopackage(&path, None).is_err());
        assert!(!path.exists());
        write_one_layer(
            &path,
            27700,
            &[("k", Some(blob(27700, 0, &wkb(3, 2, true, &[&SQUARE]))))],
        );
        let bytes = fs::read(&path).expect("a file");
        for index in (0..bytes.len()).step_by(37) {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0xff;
            fs::write(&path, &damaged).expect("a file");
            let _ = read_geopackage(&path, None);
        }
        for size in [0, 100, 5_000, bytes.len() / 2] {
            fs::write(&path, &bytes[..size]).expect("a file");
            assert!(read_geopackage(&path, None).is_err(), "{size} bytes");
        }
        fs::write(folder.path().join("x.gpkg-wal"), "x").expect("a file");
        fs::write(&path, &bytes).expect("a file");
        let error = read_geopackage(&path, None).expect_err("open").to_string();
        assert!(
            error.contains("another program has the file open"),
            "{error}"
        );
    }

    #[test]
    fn endless_view_is_rejected() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.gpkg");
        let square = Some(blob(27700, 0, &wkb(3, 2, true, &[&SQUARE])));
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
        for (change, expected) in [
            (
                format!(
                    "ALTER TABLE icc RENAME TO rows; CREATE VIEW icc AS {endless} \
                     SELECT i AS fid, geom, id, note, size FROM n, rows;"
                ),
                "`icc` has more rows than fit in the file",
            ),
            (
                format!(
                    "ALTER TABLE gpkg_contents RENAME TO rows; CREATE VIEW gpkg_contents AS \
                     {endless} SELECT rows.* FROM n, rows;"
                ),
                "not a readable GeoPackage: interrupted",
            ),
            (
                "INSERT INTO icc (geom, id) SELECT geom, value FROM icc, generate; \
                 ALTER TABLE icc ADD COLUMN long TEXT DEFAULT ''"
                    .replace("generate", "(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 1000) SELECT value FROM n)")
                    .replace("''", &format!("'{}'", "x".repeat(100_000))),
                "`icc` has more rows than fit in the file",
            ),
        ] {
            let _ = fs::remove_file(&path);
            write_one_layer(&path, 27700, &[("k", square.clone())]);
            let database = Connection::open(&path).expect("a database");
            database.execute_batch(&change).expect("a change");
            drop(database);
            let error = read_geopackage(&path, None).expect_err("endless").to_string();
            assert_eq!(error, format!("x.gpkg: {expected}"));
        }
    }

    #[test]
    fn other_crs_or_layer_is_rejected() {
        let square = wkb(3, 2, true, &[&SQUARE]);
        let error = import_rows(29902, &[("k", Some(blob(29902, 0, &square)))]).expect_err("Irish");
        let error = error.to_string();
        let expected =
            "a b%#?.gpkg: the layer is in EPSG:29902; convert it to EPSG:27700 or EPSG:4326";
        assert!(error.starts_with(expected), "{error}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.gpkg");
        write_one_layer(&path, 27700, &[("k", Some(blob(27700, 0, &square)))]);
        assert!(read_geopackage(&path, Some("icc")).is_ok());
        let error = read_geopackage(&path, Some("pcn"))
            .expect_err("no such layer")
            .to_string();
        assert_eq!(
            error,
            "x.gpkg: `layer` must name one of these layers: `icc`"
        );
        assert!(import_rows(27700, &[]).is_err());
    }
}
