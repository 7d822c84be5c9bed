//! GeoParquet (OGC, versions 1.0 and 1.1) with geometries as WKB. A GeoParquet file is a Parquet
//! file whose metadata `geo` states the column of the geometry and its coordinate reference system.

use std::collections::BTreeMap;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::Value;

use super::coordinates::RingParser;
use super::crs::{self, SourceCrs};
use super::geopackage::parse_wkb;
use super::polygon_file::{
    CaseVariants, PolygonError, PolygonFeature, PolygonFile, PolygonReadOptions, feature_error,
    feature_label, file_error,
};
use crate::panics::catch_expected;

/// The maximum total size of the decompressed columns, according to the file's metadata.
const DECOMPRESSED_BYTES_MAX: i64 = 2 << 30;

/// Reads the polygons of a GeoParquet file. Ignores columns of lists and structs. Omits rows
/// without a geometry, and lists them.
///
/// # Errors
/// If the file is not GeoParquet, its geometries are not WKB, its coordinate reference system cannot
/// be read, or a row is not a valid polygon.
pub(crate) fn read_geoparquet_with(
    name: &str,
    bytes: Vec<u8>,
    options: &PolygonReadOptions,
) -> Result<PolygonFile, PolygonError> {
    // The library panics on some corrupt files.
    catch_expected(|| read_file(name, bytes, options))
        .unwrap_or_else(|_| Err(file_error(name, "not a readable Parquet file")))
}

fn read_file(
    name: &str,
    bytes: Vec<u8>,
    options: &PolygonReadOptions,
) -> Result<PolygonFile, PolygonError> {
    let in_file = |reason: String| file_error(name, reason);
    let unreadable = |error: ParquetError| in_file(format!("not a readable Parquet file: {error}"));
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(unreadable)?;
    let metadata = reader.metadata();
    let sizes = metadata
        .row_groups()
        .iter()
        .map(|group| group.total_byte_size().max(0));
    if sizes.fold(0_i64, i64::saturating_add) > DECOMPRESSED_BYTES_MAX {
        return Err(file_error(
            name,
            "its columns decompress to more than 2 GiB",
        ));
    }
    let geometry =
        GeometryColumn::find(metadata.file_metadata().key_value_metadata()).map_err(in_file)?;
    let (source_crs, remark) =
        crs::choose(geometry.crs, options.crs, options.is_crs_configurable).map_err(in_file)?;
    let parser = RingParser {
        crs: source_crs,
        keep_invalid: options.keep_invalid,
    };
    let schema = metadata.file_metadata().schema();
    let columns = schema
        .get_fields()
        .iter()
        .filter(|column| column.is_primitive());
    let columns: Vec<_> = columns.cloned().collect();
    if !columns.iter().any(|column| column.name() == geometry.name) {
        return Err(in_file(format!("it has no column `{}`", geometry.name)));
    }
    let case_variants = CaseVariants::find(columns.iter().map(|column| column.name()));
    let projection = Type::group_type_builder(schema.name())
        .with_fields(columns)
        .build();
    let rows = reader
        .get_row_iter(Some(projection.map_err(unreadable)?))
        .map_err(unreadable)?;
    let (mut features, mut without_geometry) = (Vec::new(), Vec::new());
    for (ordinal, row) in (1..).zip(rows) {
        let row = row.map_err(unreadable)?;
        let (attributes, wkb) = split_row(&row, &geometry.name);
        let (attributes, case_variants) = case_variants.separate(attributes);
        let label = feature_label(ordinal, &attributes);
        let invalid = |reason: &'static str| feature_error(name, &label, reason);
        let Some(wkb) = wkb else {
            without_geometry.push(label);
            continue;
        };
        let parts = parse_wkb(wkb).map_err(invalid)?;
        let parsed = parser.parse_multi_polygon(&parts).map_err(invalid)?;
        features.push(PolygonFeature::new(
            ordinal,
            attributes,
            case_variants,
            parsed,
        ));
    }
    let mut file =
        PolygonFile::new_non_empty(name, source_crs.stored(), features, without_geometry)?;
    file.case_variants = case_variants;
    file.remarks.extend(remark);
    Ok(file)
}

/// The geometry column, as described in the metadata.
struct GeometryColumn {
    name: String,
    crs: Result<SourceCrs, String>,
}

impl GeometryColumn {
    fn find(
        metadata: Option<&Vec<parquet::file::metadata::KeyValue>>,
    ) -> Result<GeometryColumn, String> {
        let geo = metadata
            .into_iter()
            .flatten()
            .find(|pair| pair.key == "geo");
        let geo = geo
            .and_then(|pair| pair.value.as_deref())
            .ok_or("it is Parquet, but not GeoParquet: it has no metadata `geo`")?;
        let geo: Value = serde_json::from_str(geo)
            .map_err(|error| format!("its metadata `geo` is not JSON: {error}"))?;
        let name = geo["primary_column"].as_str();
        let name = name.ok_or("its metadata `geo` has no `primary_column`")?;
        let column = &geo["columns"][name];
        let encoding = column["encoding"].as_str().unwrap_or_default();
        if !encoding.eq_ignore_ascii_case("wkb") {
            return Err(format!(
                "its geometries are encoded as `{encoding}`; write them as WKB"
            ));
        }
        let crs = match column.get("crs") {
            // If `crs` is missing, positions are longitude and latitude. If `crs` is null, the
            // system is not known.
            None => Ok(SourceCrs::LonLat),
            Some(Value::Null) => Err("the coordinate reference system is undefined".to_string()),
            Some(crs) => SourceCrs::from_projjson(crs),
        };
        Ok(GeometryColumn {
            name: name.to_string(),
            crs,
        })
    }
}

/// Returns the attributes of a row as text, and its geometry.
fn split_row<'r>(row: &'r Row, geometry: &str) -> (BTreeMap<String, String>, Option<&'r [u8]>) {
    let mut attributes = BTreeMap::new();
    let mut wkb = None;
    for (name, field) in row.get_column_iter() {
        let text = match field {
            Field::Bytes(bytes) if name == geometry => {
                wkb = Some(bytes.data());
                continue;
            }
            Field::Null | Field::Bytes(_) => continue,
            Field::Str(text) => text.clone(),
            Field::Float(number) => number.to_string(),
            Field::Double(number) => number.to_string(),
            other => other.to_string(),
        };
        attributes.insert(name.clone(), text);
    }
    (attributes, wkb)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;
    use crate::formats::crs::Crs;
    use crate::formats::geopackage_fixture::{SQUARE, wkb};

    /// Writes a file with two rows. The second row has no geometry.
    fn geoparquet(geo: Option<&str>) -> Vec<u8> {
        let schema = "message schema { optional binary geometry; optional binary ID (STRING); \
                      optional double size; }";
        let schema = Arc::new(parse_message_type(schema).expect("a schema"));
        let pair = geo.map(|geo| vec![KeyValue::new("geo".to_string(), geo.to_string())]);
        let properties = WriterProperties::builder()
            .set_key_value_metadata(pair)
            .build();
        let mut bytes = Vec::new();
        let mut writer =
            SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).expect("a writer");
        let mut group = writer.next_row_group().expect("a group");
        let texts = |values: &[&[u8]]| {
            let values = values.iter().map(|value| ByteArray::from(value.to_vec()));
            values.collect::<Vec<_>>()
        };
        let square = wkb(3, 2, true, &[&SQUARE]);
        let mut column = group.next_column().expect("a column").expect("a column");
        let writer_of = column.typed::<ByteArrayType>();
        writer_of
            .write_batch(&texts(&[&square]), Some(&[1, 0]), None)
            .expect("values");
        column.close().expect("a column");
        let mut column = group.next_column().expect("a column").expect("a column");
        let writer_of = column.typed::<ByteArrayType>();
        writer_of
            .write_batch(&texts(&[b"k", b"l"]), Some(&[1, 1]), None)
            .expect("values");
        column.close().expect("a column");
        let mut column = group.next_column().expect("a column").expect("a column");
        let writer_of = column.typed::<DoubleType>();
        writer_of
            .write_batch(&[7.0, 1.5], Some(&[1, 1]), None)
            .expect("values");
        column.close().expect("a column");
        group.close().expect("a group");
        writer.close().expect("a file");
        bytes
    }

    fn geo(encoding: &str, crs: &str) -> String {
        format!(
            r#"{{"version":"1.1.0","primary_column":"geometry","columns":{{"geometry":{{"encoding":"{encoding}"{crs}}}}}}}"#
        )
    }

    fn read(bytes: Vec<u8>) -> Result<PolygonFile, String> {
        let options = PolygonReadOptions::default();
        read_geoparquet_with("a.parquet", bytes, &options).map_err(|error| error.to_string())
    }

    const GRID: &str = r#","crs":{"type":"ProjectedCRS","id":{"authority":"EPSG","code":27700}}"#;

    #[test]
    fn rows_are_features_and_columns_are_attributes() {
        let file = read(geoparquet(Some(&geo("WKB", GRID)))).expect("a file");
        assert_eq!(file.crs, Crs::BritishGrid);
        assert_eq!((file.features.len(), file.without_geometry.len()), (1, 1));
        let read = |name: &str| file.attribute(&file.features[0], name).expect(name);
        assert_eq!((read("id"), read("size")), ("k", "7"));
    }

    #[test]
    fn other_files_are_refused_by_name() {
        for (bytes, expected) in [
            (geoparquet(None), "it has no metadata `geo`"),
            (geoparquet(Some("{")), "is not JSON"),
            (geoparquet(Some("{}")), "has no `primary_column`"),
            (
                geoparquet(Some(&geo("multipolygon", ""))),
                "encoded as `multipolygon`",
            ),
            (
                geoparquet(Some(&geo("WKB", r#","crs":null"#))),
                "is undefined",
            ),
            (geoparquet(Some(&geo("WKB", ""))), "is not in degrees"),
            (b"PAR1".to_vec(), "not a readable Parquet file"),
        ] {
            let error = read(bytes).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn damaged_files_do_not_panic() {
        let bytes = geoparquet(Some(&geo("WKB", GRID)));
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0xff;
            let _ = read(damaged);
            let _ = read(bytes[..index].to_vec());
        }
    }
}
