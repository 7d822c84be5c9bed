//! GeoJSON (RFC 7946).
//!
//! The reader also accepts the format that predates the RFC, with a `crs` member and any
//! orientation of rings. The writer writes longitude and latitude with at most 7 decimal places,
//! counter-clockwise exterior rings, closed rings, and no `crs` member.

use std::collections::BTreeMap;
use std::fmt::Write;

use geo::{Coord, LineString, MapCoords, MultiPoint, MultiPolygon, Polygon, RemoveRepeatedPoints};
use geojson::{GeoJson, GeometryValue};
use serde_json::Value;

use super::areas::{AreaCollection, area_properties};
use super::coordinates::{Crs, parse_multi_polygon};
use super::polygon_file::{
    PolygonError, PolygonFeature, PolygonFile, feature_error, feature_label,
};
use super::rings;
use catchment_core::domain::{Boundary, LonLat};

/// The number of decimal places of coordinates in degrees. One unit in the last place is about one
/// centimetre.
const COORDINATE_DECIMALS: i32 = 7;

/// The features of a GeoJSON file, both valid and invalid.
pub struct GeoJsonFeatures {
    pub(crate) crs: Crs,
    pub(crate) features: Vec<Result<PolygonFeature, InvalidFeature>>,
}

/// A feature that is not a valid polygon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidFeature {
    /// The position of the feature in the file, counted from 1, and its id if it has one.
    pub(crate) label: String,
    /// The reason.
    pub(crate) reason: &'static str,
}

/// Reads GeoJSON in the format of RFC 7946, or in the earlier format with a `crs` member. The
/// `crs` member must name longitude and latitude or British National Grid.
pub fn read_geojson(name: &str, bytes: &[u8]) -> Result<PolygonFile, PolygonError> {
    let parsed = read_geojson_features(bytes).map_err(|reason| PolygonError::File {
        file: name.into(),
        reason,
    })?;
    let features = parsed
        .features
        .into_iter()
        .map(|feature| {
            feature.map_err(|invalid| feature_error(name, &invalid.label, invalid.reason))
        })
        .collect::<Result<_, _>>()?;
    PolygonFile::new_non_empty(name, parsed.crs, features)
}

/// Reads the features of a GeoJSON file. An invalid feature does not prevent the other features
/// from being read.
///
/// # Errors
/// If the file as a whole is invalid.
pub fn read_geojson_features(bytes: &[u8]) -> Result<GeoJsonFeatures, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let parsed: GeoJson = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let (features, members) = match parsed {
        GeoJson::FeatureCollection(collection) => (collection.features, collection.foreign_members),
        GeoJson::Feature(mut feature) => {
            let members = feature.foreign_members.take();
            (vec![feature], members)
        }
        GeoJson::Geometry(_) => return Err("it should contain a FeatureCollection".into()),
    };
    let crs = match members.as_ref().and_then(|members| members.get("crs")) {
        Some(crs) => crs_from_member(crs)?,
        None => Crs::LonLat,
    };
    let features = features.into_iter().enumerate();
    Ok(GeoJsonFeatures {
        crs,
        features: features
            .map(|(index, feature)| read_geojson_feature(crs, index + 1, feature))
            .collect(),
    })
}

fn read_geojson_feature(
    crs: Crs,
    ordinal: usize,
    feature: geojson::Feature,
) -> Result<PolygonFeature, InvalidFeature> {
    let attributes = attributes_of(feature.properties.unwrap_or_default());
    match parse_geojson_polygons(crs, feature.geometry.map(|geometry| geometry.value)) {
        Ok((polygons, reoriented)) => Ok(PolygonFeature {
            ordinal,
            attributes,
            polygons,
            reoriented,
        }),
        Err(reason) => Err(InvalidFeature {
            label: feature_label(ordinal, &attributes),
            reason,
        }),
    }
}

fn parse_geojson_polygons(
    crs: Crs,
    geometry: Option<GeometryValue>,
) -> Result<(Vec<rings::Polygon>, bool), &'static str> {
    let parts = match geometry {
        Some(GeometryValue::Polygon { coordinates }) => vec![coordinates],
        Some(GeometryValue::MultiPolygon { coordinates }) => coordinates,
        _ => return Err("it should be a Polygon or a MultiPolygon"),
    };
    let parts = parts
        .iter()
        .map(|rings| rings.iter().map(|ring| xy_only(ring)).collect())
        .collect::<Result<Vec<Vec<_>>, _>>()?;
    parse_multi_polygon(crs, &parts)
}

/// Returns the first two numbers of each position. Other numbers, such as a height, are dropped.
fn xy_only(ring: &[geojson::Position]) -> Result<Vec<[f64; 2]>, &'static str> {
    ring.iter()
        .map(|position| match position.as_slice() {
            &[x, y, ..] => Ok([x, y]),
            _ => Err("a position has fewer than two numbers"),
        })
        .collect()
}

/// Parses the `crs` member of GeoJSON that predates RFC 7946.
fn crs_from_member(member: &Value) -> Result<Crs, String> {
    let name = member
        .pointer("/properties/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_ascii_lowercase();
    // `EPSG:27700`, `urn:ogc:def:crs:EPSG::27700`, `http://www.opengis.net/def/crs/EPSG/0/27700`.
    let words: Vec<&str> = name
        .split([':', '/'])
        .filter(|word| !word.is_empty())
        .collect();
    let is_epsg = words.contains(&"epsg");
    match words.last() {
        Some(&"27700") if is_epsg => Ok(Crs::BritishGrid),
        Some(&"4326") if is_epsg => Ok(Crs::LonLat),
        Some(&"crs84") => Ok(Crs::LonLat),
        _ => Err(format!(
            "its `crs` member `{name}` should name CRS84, EPSG:4326 or EPSG:27700"
        )),
    }
}

fn attributes_of(properties: geojson::JsonObject) -> BTreeMap<String, String> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    properties
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), text(value)))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// The geometry of a feature to write.
#[derive(Debug, Clone, Copy)]
pub enum FeatureGeometry<'g> {
    /// One position.
    Point(LonLat),
    /// Several positions.
    MultiPoint(&'g MultiPoint<f64>),
    /// One polygon, or several.
    Polygons(&'g MultiPolygon<f64>),
}

impl<'g> From<&'g MultiPolygon<f64>> for FeatureGeometry<'g> {
    fn from(polygons: &'g MultiPolygon<f64>) -> FeatureGeometry<'g> {
        FeatureGeometry::Polygons(polygons)
    }
}

/// Writes a FeatureCollection. Each feature is on a line of its own, for readable diffs.
pub struct FeatureCollectionWriter {
    text: String,
    count: u64,
}

impl FeatureCollectionWriter {
    /// Starts a collection with these members, such as its name.
    pub(crate) fn new(members: &[(&str, &str)]) -> FeatureCollectionWriter {
        let mut text = String::from("{\"type\":\"FeatureCollection\"");
        for (key, value) in members {
            write!(text, ",\"{key}\":{}", Value::from(*value)).expect("writing to a String");
        }
        text.push_str(",\"features\":[");
        FeatureCollectionWriter { text, count: 0 }
    }

    /// Adds a feature.
    pub(crate) fn push<'g>(
        &mut self,
        properties: &Value,
        geometry: impl Into<FeatureGeometry<'g>>,
    ) {
        let separator = if self.count == 0 { "\n" } else { ",\n" };
        self.text.push_str(separator);
        write_geojson_feature(&mut self.text, properties, geometry);
        self.count += 1;
    }

    /// Returns the text of the collection.
    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("\n]}\n");
        self.text
    }
}

/// Returns a FeatureCollection of boundaries with the properties `id` and `name`, and `from` and
/// `to` if they are known.
pub fn layer_to_geojson<'a>(
    name: &str,
    features: impl Iterator<Item = (&'a Boundary, String)>,
) -> Vec<u8> {
    let mut collection = FeatureCollectionWriter::new(&[("name", name)]);
    for (boundary, title) in features {
        let mut properties = serde_json::Map::new();
        properties.insert("id".into(), boundary.id.clone().into());
        properties.insert("name".into(), title.into());
        if let Some(extent) = boundary.catchment_kind.as_str() {
            properties.insert("extent".into(), extent.into());
        }
        for (key, day) in [("from", boundary.period.from), ("to", boundary.period.to)] {
            if let Some(day) = day {
                properties.insert(key.into(), day.to_string().into());
            }
        }
        collection.push(&Value::Object(properties), &boundary.lonlat);
    }
    collection.finish().into_bytes()
}

/// Returns the areas of all layers as one FeatureCollection.
pub fn areas_to_geojson(areas: &AreaCollection<'_>) -> Vec<u8> {
    let members = [("name", areas.name), ("attribution", areas.attribution)];
    let mut collection = FeatureCollectionWriter::new(&members);
    for area in areas.layers.iter().flat_map(|layer| &layer.areas) {
        collection.push(&area_properties(area), &area.1.lonlat);
    }
    collection.finish().into_bytes()
}

/// Appends a feature.
pub fn write_geojson_feature<'g>(
    text: &mut String,
    properties: &Value,
    geometry: impl Into<FeatureGeometry<'g>>,
) {
    write!(
        text,
        "{{\"type\":\"Feature\",\"properties\":{properties},\"geometry\":"
    )
    .expect("writing to a String");
    write_geometry(text, geometry.into());
    text.push('}');
}

fn write_geometry(text: &mut String, geometry: FeatureGeometry<'_>) {
    match geometry {
        FeatureGeometry::Point(lonlat) => {
            text.push_str("{\"type\":\"Point\",\"coordinates\":");
            let position = Coord {
                x: lonlat.lon(),
                y: lonlat.lat(),
            };
            write_position(text, position, 10_f64.powi(COORDINATE_DECIMALS));
        }
        FeatureGeometry::MultiPoint(points) => {
            text.push_str("{\"type\":\"MultiPoint\",\"coordinates\":");
            let positions = points.iter().map(|point| point.0);
            write_positions(text, positions, COORDINATE_DECIMALS);
        }
        FeatureGeometry::Polygons(polygons) => match polygons.0.as_slice() {
            [polygon] => {
                text.push_str("{\"type\":\"Polygon\",\"coordinates\":");
                write_polygon(text, polygon, COORDINATE_DECIMALS);
            }
            _ => return write_geojson_multi_polygon(text, polygons, COORDINATE_DECIMALS),
        },
    }
    text.push('}');
}

/// Appends a MultiPolygon even if there is only one polygon: a GIS expects one geometry type in a
/// layer.
pub fn write_geojson_multi_polygon(text: &mut String, geometry: &MultiPolygon<f64>, decimals: i32) {
    text.push_str("{\"type\":\"MultiPolygon\",\"coordinates\":[");
    for (index, polygon) in geometry.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        write_polygon(text, polygon, decimals);
    }
    text.push_str("]}");
}

fn write_polygon(text: &mut String, polygon: &Polygon<f64>, decimals: i32) {
    let ring = |text: &mut String, ring: &LineString<f64>| {
        write_positions(text, ring.coords().copied(), decimals);
    };
    text.push('[');
    ring(text, polygon.exterior());
    for hole in polygon.interiors() {
        text.push(',');
        ring(text, hole);
    }
    text.push(']');
}

/// Rounds longitude and latitude as the writer does. Of consecutive vertices that rounding makes
/// equal, only the first vertex remains.
pub fn round_coordinates(polygons: &MultiPolygon<f64>) -> MultiPolygon<f64> {
    let scale = 10_f64.powi(COORDINATE_DECIMALS);
    let rounded = polygons.map_coords(|position| Coord {
        x: (position.x * scale).round() / scale,
        y: (position.y * scale).round() / scale,
    });
    rounded.remove_repeated_points()
}

fn write_positions(text: &mut String, positions: impl Iterator<Item = Coord<f64>>, decimals: i32) {
    let scale = 10_f64.powi(decimals);
    text.push('[');
    for (index, position) in positions.enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        write_position(text, position, scale);
    }
    text.push(']');
}

fn write_position(text: &mut String, position: Coord<f64>, scale: f64) {
    write!(
        text,
        "[{},{}]",
        (position.x * scale).round() / scale,
        (position.y * scale).round() / scale
    )
    .expect("writing to a String");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::geopackage_fixture::SQUARE;
    use crate::formats::rings::doubled_signed_area;

    fn read_geometry(geometry: &str) -> Result<PolygonFile, PolygonError> {
        let text = format!(
            r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"id":"a"}},"geometry":{geometry}}}]}}"#
        );
        read_geojson("a.geojson", text.as_bytes())
    }

    #[test]
    fn ring_orientation_is_corrected() {
        let file = read_geometry(
            r#"{"type":"Polygon","coordinates":[[[-3,54],[-3,55],[-2,55],[-2,54],[-3,54]],[[-2.6,54.4],[-2.4,54.4],[-2.4,54.6],[-2.6,54.6],[-2.6,54.4]]]}"#,
        )
        .expect("a polygon");
        let polygon = &file.features[0].polygons[0];
        assert!(doubled_signed_area(&polygon[0]) > 0);
        assert!(doubled_signed_area(&polygon[1]) < 0);
    }

    #[test]
    fn an_invalid_geometry_is_reported_with_its_feature() {
        for geometry in [
            "null",
            r#"{"type":"Polygon","coordinates":[]}"#,
            r#"{"type":"Polygon","coordinates":[[[-3,54],[-3,55],[-3,54]]]}"#,
            r#"{"type":"Polygon","coordinates":[[[-3,54],[-3,55],[-2,55],[-2,54]]]}"#,
            r#"{"type":"Polygon","coordinates":[[[-3,54],[-2,54],[-1,54],[-3,54]]]}"#,
            r#"{"type":"Point","coordinates":[-3,54]}"#,
            r#"{"type":"Polygon","coordinates":[[[-3e9,54],[-2,54],[-1,55],[-3e9,54]]]}"#,
        ] {
            let error = read_geometry(geometry).expect_err(geometry).to_string();
            assert!(error.starts_with("a.geojson, feature 1 (`a`): "), "{error}");
        }
        assert!(read_geojson("a", b"{").is_err());
        assert!(read_geojson("a", br#"{"type":"FeatureCollection","features":[]}"#).is_err());
    }

    /// Formats GeoJSON of one feature with these members: a square on the British National Grid.
    fn collection(members: &str) -> String {
        format!(
            r#"{{"type":"FeatureCollection",{members}"features":[{{"type":"Feature","properties":{{"id":"k"}},"geometry":{{"type":"Polygon","coordinates":[{SQUARE:?}]}}}}]}}"#
        )
    }

    #[test]
    fn crs_member_is_read_or_rejected() {
        let crs = |name: &str| {
            let member = format!(r#""crs":{{"type":"name","properties":{{"name":"{name}"}}}},"#);
            let file = read_geojson("a", collection(&member).as_bytes());
            file.map(|file| file.crs).map_err(|error| error.to_string())
        };
        for name in [
            "urn:ogc:def:crs:EPSG::27700",
            "EPSG:27700",
            "http://www.opengis.net/def/crs/EPSG/0/27700",
        ] {
            assert_eq!(crs(name), Ok(Crs::BritishGrid), "{name}");
        }
        for name in [
            "urn:ogc:def:crs:OGC:1.3:CRS84",
            "EPSG:4326",
            "urn:ogc:def:crs:EPSG::4326",
        ] {
            let error = crs(name).expect_err("metres in degrees");
            assert!(error.contains("a vertex is not in degrees"), "{error}");
        }
        for name in ["EPSG:3857", "urn:ogc:def:crs:EPSG::2770", "27700", ""] {
            let error = crs(name).expect_err(name);
            assert!(
                error.ends_with("should name CRS84, EPSG:4326 or EPSG:27700"),
                "{error}"
            );
        }
    }

    #[test]
    fn geometries_are_written_with_7_decimal_places() {
        let ring = [
            (-3.0, 54.0),
            (-2.0, 54.0),
            (-2.0, 55.000_000_04),
            (-3.0, 54.0),
        ];
        let polygon = Polygon::new(LineString::from(ring.to_vec()), Vec::new());
        let one = MultiPolygon::new(vec![polygon.clone()]);
        let two = MultiPolygon::new(vec![polygon.clone(), polygon]);
        let points = MultiPoint::from(vec![(-3.000_000_06, 54.0), (-2.0, 55.0)]);
        let lonlat = LonLat::new(-2.5, 54.123_456_78).expect("a position");
        let coordinates = "[[[-3,54],[-2,54],[-2,55],[-3,54]]]";
        for (geometry, expected) in [
            (
                FeatureGeometry::Point(lonlat),
                r#"{"type":"Point","coordinates":[-2.5,54.1234568]}"#.to_string(),
            ),
            (
                FeatureGeometry::MultiPoint(&points),
                r#"{"type":"MultiPoint","coordinates":[[-3.0000001,54],[-2,55]]}"#.to_string(),
            ),
            (
                FeatureGeometry::from(&one),
                format!(r#"{{"type":"Polygon","coordinates":{coordinates}}}"#),
            ),
            (
                FeatureGeometry::from(&two),
                format!(r#"{{"type":"MultiPolygon","coordinates":[{coordinates},{coordinates}]}}"#),
            ),
        ] {
            let mut collection = FeatureCollectionWriter::new(&[("name", "\"")]);
            collection.push(&serde_json::json!({ "id": "a" }), geometry);
            assert_eq!(
                collection.finish(),
                format!(
                    "{{\"type\":\"FeatureCollection\",\"name\":\"\\\"\",\"features\":[\n\
                     {{\"type\":\"Feature\",\"properties\":{{\"id\":\"a\"}},\"geometry\":{expected}}}\n]}}\n"
                )
            );
        }
    }
}
