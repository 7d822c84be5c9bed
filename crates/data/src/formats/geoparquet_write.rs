//! Writes GeoParquet 1.1 (OGC): all layers in one table, in British National Grid, with geometries
//! as WKB. Columns contain the bounding box of each area, so that readers can skip row groups.

use std::sync::Arc;

use jiff::civil::{Date, date};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use serde_json::{Value, json};

use super::areas::{AreaCollection, AreaWithBoundary, GridBox, grid_bounds};
use super::coordinates::BNG_EPSG_CODE;
use super::geopackage::encode_wkb;

/// The columns. The function `cells` returns their values in the same order.
const SCHEMA: &str = "message areas {
    required binary id (STRING);
    required binary name (STRING);
    required binary layer (STRING);
    optional binary kind (STRING);
    optional binary system (STRING);
    required binary provenance (STRING);
    optional binary extent (STRING);
    optional int32 valid_from (DATE);
    optional int32 valid_to (DATE);
    required group bbox {
        required double xmin;
        required double ymin;
        required double xmax;
        required double ymax;
    }
    required binary geometry;
}";

const GEOMETRY: &str = "geometry";

/// The error for areas that cannot be encoded as Parquet.
#[derive(Debug, thiserror::Error)]
#[error("writing the GeoParquet file failed: {0}")]
pub struct GeoParquetWriteError(#[from] ParquetError);

/// A value of a column.
enum Cell {
    Bytes(Vec<u8>),
    Day(i32),
    Number(f64),
    Null,
}

/// Returns the areas of all layers as GeoParquet, with a row group for each layer.
///
/// # Errors
/// If the file cannot be encoded.
pub fn areas_to_geoparquet(areas: &AreaCollection<'_>) -> Result<Vec<u8>, GeoParquetWriteError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let metadata = [
        ("geo", geo_metadata(areas).to_string()),
        ("title", areas.title.to_string()),
        ("description", areas.description()),
    ];
    let metadata = metadata.map(|(key, value)| KeyValue::new(key.into(), value));
    let geometry = || ColumnPath::from(GEOMETRY);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(metadata.into()))
        // The minimum and maximum of geometries as bytes are meaningless.
        .set_column_statistics_enabled(geometry(), EnabledStatistics::None)
        .set_column_dictionary_enabled(geometry(), false)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    for layer in areas.layers.iter().filter(|layer| !layer.areas.is_empty()) {
        let rows: Vec<Vec<Cell>> = layer.areas.iter().map(cells).collect();
        let mut group = writer.next_row_group()?;
        let mut index = 0;
        while let Some(mut column) = group.next_column()? {
            let values: Vec<&Cell> = rows.iter().map(|row| &row[index]).collect();
            write_column(column.untyped(), &values)?;
            column.close()?;
            index += 1;
        }
        group.close()?;
    }
    Ok(writer.into_inner()?)
}

/// Writes a column of a row group. The levels state which values are null. A required column
/// contains no nulls, so it needs no levels.
fn write_column(column: &mut ColumnWriter<'_>, cells: &[&Cell]) -> Result<(), ParquetError> {
    let levels: Vec<i16> = cells
        .iter()
        .map(|cell| i16::from(!matches!(cell, Cell::Null)))
        .collect();
    let cells = cells.iter();
    match column {
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let bytes = cells.filter_map(|cell| match cell {
                Cell::Bytes(bytes) => Some(ByteArray::from(bytes.clone())),
                _ => None,
            });
            let bytes: Vec<ByteArray> = bytes.collect();
            write_values::<ByteArrayType>(writer, &bytes, &levels)
        }
        ColumnWriter::Int32ColumnWriter(writer) => {
            let days = cells.filter_map(|cell| match cell {
                Cell::Day(day) => Some(*day),
                _ => None,
            });
            write_values::<Int32Type>(writer, &days.collect::<Vec<i32>>(), &levels)
        }
        ColumnWriter::DoubleColumnWriter(writer) => {
            let numbers = cells.filter_map(|cell| match cell {
                Cell::Number(number) => Some(*number),
                _ => None,
            });
            write_values::<DoubleType>(writer, &numbers.collect::<Vec<f64>>(), &levels)
        }
        _ => Err(ParquetError::NYI("a column of another type".into())),
    }
}

fn write_values<T: parquet::data_type::DataType>(
    writer: &mut parquet::column::writer::ColumnWriterImpl<'_, T>,
    values: &[T::T],
    levels: &[i16],
) -> Result<(), ParquetError> {
    let levels = (writer.get_descriptor().max_def_level() > 0).then_some(levels);
    writer.write_batch(values, levels, None).map(|_| ())
}

/// Returns the values of an area, in the order of [`SCHEMA`].
fn cells((area, boundary): &AreaWithBoundary<'_>) -> Vec<Cell> {
    let text = |text: &str| Cell::Bytes(text.as_bytes().to_vec());
    let optional_text = |value: Option<&str>| value.map_or(Cell::Null, text);
    let day = |day: Option<Date>| {
        let since_1970 = day.map(|day| (day - date(1970, 1, 1)).get_days());
        since_1970.map_or(Cell::Null, Cell::Day)
    };
    let bounds: GridBox = grid_bounds([*boundary]).unwrap_or_default();
    let mut cells = vec![
        text(&area.id),
        text(area.title()),
        text(area.layer.as_str()),
        optional_text(area.kind.as_deref()),
        optional_text(area.system.as_deref()),
        text(area.provenance.as_str()),
        optional_text(boundary.catchment_kind.as_str()),
        day(area.period.from),
        day(area.known_end()),
    ];
    cells.extend(bounds.map(Cell::Number));
    cells.push(Cell::Bytes(encode_wkb(boundary)));
    cells
}

/// Returns the metadata `geo`.
fn geo_metadata(areas: &AreaCollection<'_>) -> Value {
    let boundaries = areas.layers.iter().flat_map(|layer| &layer.areas);
    let bounds = grid_bounds(boundaries.map(|area| area.1));
    let covering = ["xmin", "ymin", "xmax", "ymax"].map(|side| (side, json!(["bbox", side])));
    let covering: serde_json::Map<String, Value> = covering
        .into_iter()
        .map(|(side, path)| (side.to_string(), path))
        .collect();
    let mut column = json!({
        "encoding": "WKB",
        "geometry_types": ["MultiPolygon"],
        "crs": british_national_grid(),
        "covering": { "bbox": covering },
    });
    if let Some(bounds) = bounds {
        column["bbox"] = json!(bounds);
    }
    json!({
        "version": "1.1.0",
        "primary_column": GEOMETRY,
        "columns": { GEOMETRY: column },
    })
}

/// Returns the British National Grid as PROJJSON, with the parameters of EPSG:27700.
fn british_national_grid() -> Value {
    let id = |code: i32| json!({ "authority": "EPSG", "code": code });
    let parameter = |name: &str, value: f64, unit: &str, code: i32| json!({ "name": name, "value": value, "unit": unit, "id": id(code) });
    let axis = |name: &str, abbreviation: &str, direction: &str, unit: &str| json!({ "name": name, "abbreviation": abbreviation, "direction": direction, "unit": unit });
    json!({
        "$schema": "https://proj.org/schemas/v0.7/projjson.schema.json",
        "type": "ProjectedCRS",
        "name": "OSGB36 / British National Grid",
        "base_crs": {
            "name": "OSGB36",
            "datum": {
                "type": "GeodeticReferenceFrame",
                "name": "Ordnance Survey of Great Britain 1936",
                "ellipsoid": {
                    "name": "Airy 1830",
                    "semi_major_axis": 6_377_563.396,
                    "inverse_flattening": 299.324_964_6,
                },
            },
            "coordinate_system": {
                "subtype": "ellipsoidal",
                "axis": [
                    axis("Geodetic latitude", "Lat", "north", "degree"),
                    axis("Geodetic longitude", "Lon", "east", "degree"),
                ],
            },
            "id": id(4277),
        },
        "conversion": {
            "name": "British National Grid",
            "method": { "name": "Transverse Mercator", "id": id(9807) },
            "parameters": [
                parameter("Latitude of natural origin", 49.0, "degree", 8801),
                parameter("Longitude of natural origin", -2.0, "degree", 8802),
                parameter("Scale factor at natural origin", 0.999_601_271_7, "unity", 8805),
                parameter("False easting", 400_000.0, "metre", 8806),
                parameter("False northing", -100_000.0, "metre", 8807),
            ],
        },
        "coordinate_system": {
            "subtype": "Cartesian",
            "axis": [
                axis("Easting", "E", "east", "metre"),
                axis("Northing", "N", "north", "metre"),
            ],
        },
        "id": id(BNG_EPSG_CODE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::areas::AreaLayer;
    use crate::formats::geoparquet::read_geoparquet_with;
    use crate::formats::polygon_file::PolygonReadOptions;
    use catchment_core::domain::{
        Area, Boundary, BritishGrid, CatchmentKind, GridPolygon, Layer, Period, Provenance,
    };

    #[test]
    fn written_areas_are_read_back() {
        let layer = Layer::declare("ward-group").expect("an id");
        let vertex = |x: f64, y: f64| BritishGrid::from_metres(x, y).expect("on the grid");
        let square = [(0.0, 0.0), (1000.0, 0.0), (1000.0, 500.0), (0.0, 500.0)];
        let ring = square.map(|(x, y)| vertex(340_000.0 + x, 460_000.0 + y));
        let boundary = Boundary {
            id: "w1".into(),
            catchment_kind: CatchmentKind::Whole,
            period: Period::default(),
            lonlat: geo::MultiPolygon::new(Vec::new()),
            grid: vec![GridPolygon {
                rings: vec![ring.to_vec()],
            }],
        };
        let area = Area {
            layer,
            id: "w1".into(),
            name: "Ward “1”".into(),
            title: None,
            label: None,
            kind: None,
            system: None,
            provenance: Provenance::Official,
            period: Period {
                from: Some(date(2023, 4, 1)),
                to: None,
            },
            ended_by: None,
        };
        let collection = |areas| AreaCollection {
            name: "world",
            title: "World",
            version: "1",
            attribution: "nobody",
            as_of: "2025-01-01".into(),
            day: date(2025, 1, 1),
            layers: vec![AreaLayer {
                layer,
                title: "Wards",
                areas,
            }],
        };
        let bytes = areas_to_geoparquet(&collection(vec![(&area, &boundary)])).expect("encoded");
        let file = read_geoparquet_with("w.parquet", bytes, &PolygonReadOptions::default());
        let file = file.expect("GeoParquet");
        let feature = &file.features[0];
        assert_eq!(file.attribute(feature, "id").expect("an id"), "w1");
        assert_eq!(file.attribute(feature, "name").expect("a name"), "Ward “1”");
        // A file without areas is also valid.
        assert!(areas_to_geoparquet(&collection(Vec::new())).is_ok());
    }
}
