//! GeoJSON (RFC 7946).
//!
//! The reader also accepts the format that predates the RFC (with a `crs` member and any
//! orientation of rings), text sequences (RFC 8142), and files with one feature on each line. The
//! writer writes longitude and latitude with at most 7 decimal places, counter-clockwise exterior
//! rings, closed rings, and no `crs` member.

use std::fmt::Write;

use geo::{Coord, LineString, MapCoords, MultiPoint, MultiPolygon, Polygon, RemoveRepeatedPoints};
use geojson::{GeoJson, GeometryValue};
use serde_json::Value;

use super::areas::{AreaCollection, area_properties};
use super::coordinates::{ParsedPolygons, RingParser};
use super::crs::{self, Crs, SourceCrs};
use super::polygon_file::{
    CaseVariants, PolygonError, PolygonFeature, PolygonFile, PolygonReadOptions, feature_error,
    feature_label, file_error,
};
use super::unexpected::unexpected_content;
use catchment_core::domain::{Boundary, LonLat};

/// The number of decimal places of coordinates in degrees. One unit in the last place is about one
/// centimetre.
const COORDINATE_DECIMALS: i32 = 7;

/// The features of a GeoJSON file, both valid and invalid.
pub struct GeoJsonFeatures {
    pub(crate) crs: Crs,
    pub(crate) features: Vec<Result<PolygonFeature, InvalidFeature>>,
    case_variants: CaseVariants,
    remark: Option<String>,
}

/// A feature that is not a valid polygon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidFeature {
    /// The position of the feature in the file, counted from 1, and its id, if any.
    pub(crate) label: String,
    /// The reason.
    pub(crate) reason: &'static str,
    /// Whether the feature is omitted without an error, because it has no geometry.
    is_without_geometry: bool,
}

/// Reads GeoJSON in the format of RFC 7946, in the earlier format with a `crs` member, as a text
/// sequence or with a feature on each line. Omits features without a geometry, and lists them.
///
/// # Errors
/// If the file is not GeoJSON, is only a part of the data, is in a coordinate reference system that
/// cannot be read, or contains a feature that is not a valid polygon.
pub fn read_geojson(name: &str, bytes: &[u8]) -> Result<PolygonFile, PolygonError> {
    read_geojson_with(name, bytes, &PolygonReadOptions::default())
}

/// Reads GeoJSON as [`read_geojson`] does, with these options.
pub(crate) fn read_geojson_with(
    name: &str,
    bytes: &[u8],
    options: &PolygonReadOptions,
) -> Result<PolygonFile, PolygonError> {
    let parsed = parse_features(bytes, options).map_err(|reason| file_error(name, reason))?;
    let (mut features, mut without_geometry) = (Vec::new(), Vec::new());
    for feature in parsed.features {
        match feature {
            Ok(feature) => features.push(feature),
            Err(invalid) if invalid.is_without_geometry => without_geometry.push(invalid.label),
            Err(invalid) => return Err(feature_error(name, &invalid.label, invalid.reason)),
        }
    }
    let mut file = PolygonFile::new_non_empty(name, parsed.crs, features, without_geometry)?;
    file.case_variants = parsed.case_variants;
    file.remarks.extend(parsed.remark);
    Ok(file)
}

/// Reads the features of a GeoJSON file. An invalid feature does not prevent the other features
/// from being read.
///
/// # Errors
/// If the file as a whole is invalid.
pub fn read_geojson_features(bytes: &[u8]) -> Result<GeoJsonFeatures, String> {
    parse_features(bytes, &PolygonReadOptions::default())
}

fn parse_features(bytes: &[u8], options: &PolygonReadOptions) -> Result<GeoJsonFeatures, String> {
    if let Some(found) = unexpected_content(bytes) {
        return Err(found);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (features, members) = parse_json(bytes)?;
    check_is_complete(&members, features.len())?;
    let stated = stated_crs(&members, &features);
    let (source_crs, remark) = crs::choose(stated, options.crs, options.is_crs_configurable)?;
    let parser = RingParser {
        crs: source_crs,
        keep_invalid: options.keep_invalid,
    };
    let names = features
        .iter()
        .filter_map(|feature| feature.properties.as_ref());
    let case_variants =
        CaseVariants::find(names.flat_map(|names| names.keys().map(String::as_str)));
    let features = features.into_iter().enumerate();
    Ok(GeoJsonFeatures {
        crs: source_crs.stored(),
        features: features
            .map(|(index, feature)| read_feature(parser, &case_variants, index + 1, feature))
            .collect(),
        case_variants,
        remark,
    })
}

/// Parses a collection, a feature, or several consecutive features. In a text sequence, each
/// feature begins with a record separator. Returns the features and the members of the collection.
fn parse_json(bytes: &[u8]) -> Result<(Vec<geojson::Feature>, geojson::JsonObject), String> {
    const RECORD_SEPARATOR: u8 = 0x1e;
    let without_separators: Vec<u8>;
    let bytes = if bytes.contains(&RECORD_SEPARATOR) {
        // JSON does not allow this byte in JSON text.
        let to_space = |&byte: &u8| if byte == RECORD_SEPARATOR { b' ' } else { byte };
        without_separators = bytes.iter().map(to_space).collect();
        &without_separators
    } else {
        bytes
    };
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<GeoJson>();
    let (mut features, mut members) = (Vec::new(), geojson::JsonObject::new());
    let mut count = 0_usize;
    while let Some(value) = values.next() {
        let value = value.map_err(|error| describe_error(bytes, &error))?;
        count += 1;
        match value {
            GeoJson::FeatureCollection(collection) if count == 1 => {
                features = collection.features;
                members = collection.foreign_members.unwrap_or_default();
                members.extend(collection_properties(bytes));
                // Only features may follow each other in a file.
                let end = values.byte_offset();
                if !bytes[end..].trim_ascii().is_empty() {
                    return Err("there is text after the end of the FeatureCollection".into());
                }
            }
            GeoJson::FeatureCollection(_) => {
                return Err(format!(
                    "value {count} should be a Feature, as the first is"
                ));
            }
            GeoJson::Feature(feature) => features.push(feature),
            GeoJson::Geometry(_) => {
                return Err("it should contain a FeatureCollection, not a geometry alone".into());
            }
        }
    }
    Ok((features, members))
}

/// The member with which ArcGIS states that a file contains only a part of the features.
const TRANSFER_LIMIT: &str = "exceededTransferLimit";

/// Returns the member `properties` of a collection, in which ArcGIS writes [`TRANSFER_LIMIT`]. The
/// `geojson` crate drops this member, because in GeoJSON only features have properties.
fn collection_properties(bytes: &[u8]) -> Option<(String, Value)> {
    #[derive(serde::Deserialize)]
    struct Collection {
        properties: Value,
    }

    memchr::memmem::find(bytes, TRANSFER_LIMIT.as_bytes())?;
    let collection: Collection = serde_json::from_slice(bytes).ok()?;
    Some(("properties".into(), collection.properties))
}

/// Returns a description of what is wrong with a file that is not GeoJSON.
fn describe_error(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return format!("{error}: the file ends too early; was the download interrupted?");
    }
    if error.is_syntax() {
        return match not_a_number(bytes, error) {
            Some(word) => format!(
                "line {}, column {}: {word} is not JSON; write `null` for a number that is not \
                 known",
                error.line(),
                error.column()
            ),
            None => error.to_string(),
        };
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => describe_value(&value).unwrap_or_else(|| error.to_string()),
        Err(_) => error.to_string(),
    }
}

/// Returns the word at the position of the error if the word is NaN or an infinity.
fn not_a_number(bytes: &[u8], error: &serde_json::Error) -> Option<&'static str> {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .nth(error.line().checked_sub(1)?)?;
    // The reported column is the column of the last byte that was read, which may be the second
    // byte of the word.
    let start = error.column().saturating_sub(2);
    let near = &line[start.min(line.len())..line.len().min(start + 12)];
    let near = String::from_utf8_lossy(near).to_ascii_lowercase();
    [("nan", "NaN"), ("infinity", "Infinity")]
        .into_iter()
        .find(|(word, _)| near.contains(word))
        .map(|(_, name)| name)
}

/// Describes JSON that is not GeoJSON.
fn describe_value(value: &Value) -> Option<String> {
    let error = value.get("error");
    if let Some(error) = error.filter(|error| error.is_object() || error.is_string()) {
        let message = error.get("message").unwrap_or(error);
        let code = error.get("code").map(|code| format!("{code}: "));
        return Some(format!(
            "it is the error message of a server, not data: {}{}",
            code.unwrap_or_default(),
            message.as_str().unwrap_or("no reason given")
        ));
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if let Some(reason) = text("description").or(text("detail")).or(text("message")) {
        return Some(format!("it is the message of a server, not data: {reason}"));
    }
    match text("type") {
        Some("Topology") => {
            return Some("it is TopoJSON; convert it to GeoJSON".into());
        }
        Some(other) if value.get("features").is_none() => {
            return Some(format!(
                "its `type` is `{other}`; it should be a FeatureCollection or a Feature"
            ));
        }
        _ => {}
    }
    let is_esri = value.get("geometryType").is_some() || value.get("spatialReference").is_some();
    is_esri.then(|| "it is Esri JSON, not GeoJSON; download it with `f=geojson`".into())
}

/// Returns an error if the server stated that the file contains only a part of the features.
fn check_is_complete(members: &geojson::JsonObject, features: usize) -> Result<(), String> {
    // ArcGIS writes the flag into the collection or into an object in the collection.
    let is_limited = |members: &geojson::JsonObject| {
        members.get(TRANSFER_LIMIT).is_some_and(|flag| {
            flag == &Value::Bool(true) || flag.as_str().is_some_and(|text| text == "true")
        })
    };
    let objects = members.values().filter_map(Value::as_object);
    if is_limited(members) || objects.clone().any(is_limited) {
        return Err(format!(
            "it has only {features} of the features: `exceededTransferLimit` shows that the server \
             reached its limit; download the rest, page by page, and join the pages"
        ));
    }
    // OGC API Features: a link to the next page.
    let links = members.get("links").and_then(Value::as_array);
    let is_next = |link: &Value| link.get("rel").and_then(Value::as_str) == Some("next");
    if links.is_some_and(|links| links.iter().any(is_next)) {
        return Err(format!(
            "it has only {features} of the features: it links to a next page; download the rest, \
             page by page, and join the pages"
        ));
    }
    // OGC API Features and WFS: the number of all features.
    for name in ["numberMatched", "totalFeatures"] {
        let matched = members.get(name).and_then(Value::as_u64);
        if let Some(matched) = matched.filter(|&matched| matched > features as u64) {
            return Err(format!(
                "it has {features} of {matched} features (`{name}`); download the rest, page by \
                 page, and join the pages"
            ));
        }
    }
    Ok(())
}

/// Returns the coordinate reference system that the collection, the features and their geometries
/// state. Without a `crs` member, the system is longitude and latitude.
fn stated_crs(
    members: &geojson::JsonObject,
    features: &[geojson::Feature],
) -> Result<SourceCrs, String> {
    let of_features = features.iter().flat_map(|feature| {
        let geometry = feature.geometry.as_ref();
        let geometry = geometry.and_then(|geometry| geometry.foreign_members.as_ref());
        [feature.foreign_members.as_ref(), geometry]
    });
    let stated = std::iter::once(Some(members)).chain(of_features).flatten();
    let mut stated: Vec<&Value> = stated.filter_map(|members| members.get("crs")).collect();
    stated.retain(|crs| !crs.is_null());
    stated.dedup();
    let mut systems = Vec::new();
    for member in stated {
        systems.push(crs_from_member(member)?);
    }
    systems.dedup();
    match systems.as_slice() {
        [] => Ok(SourceCrs::LonLat),
        [crs] => Ok(*crs),
        [one, other, ..] => Err(format!(
            "its `crs` members name {one} and {other}; all features should be in one system"
        )),
    }
}

fn read_feature(
    parser: RingParser,
    case_variants: &CaseVariants,
    ordinal: usize,
    feature: geojson::Feature,
) -> Result<PolygonFeature, InvalidFeature> {
    let properties = attributes_of(feature.properties.unwrap_or_default(), feature.id);
    let (attributes, case_variants) = case_variants.separate(properties);
    let invalid = |reason, is_without_geometry| InvalidFeature {
        label: feature_label(ordinal, &attributes),
        reason,
        is_without_geometry,
    };
    let Some(geometry) = feature.geometry else {
        return Err(invalid("it has no geometry", true));
    };
    let parsed = parse_polygons(parser, geometry.value).map_err(|reason| invalid(reason, false))?;
    Ok(PolygonFeature::new(
        ordinal,
        attributes,
        case_variants,
        parsed,
    ))
}

fn parse_polygons(
    parser: RingParser,
    geometry: GeometryValue,
) -> Result<ParsedPolygons, &'static str> {
    let mut parts = Vec::new();
    collect_parts(geometry, &mut parts)?;
    let parts = parts
        .iter()
        .map(|rings| rings.iter().map(|ring| xy_only(ring)).collect())
        .collect::<Result<Vec<Vec<_>>, _>>()?;
    parser.parse_multi_polygon(&parts)
}

/// Collects the polygons of a geometry, which may be a collection of polygons.
fn collect_parts(
    geometry: GeometryValue,
    parts: &mut Vec<Vec<Vec<geojson::Position>>>,
) -> Result<(), &'static str> {
    match geometry {
        GeometryValue::Polygon { coordinates } => parts.push(coordinates),
        GeometryValue::MultiPolygon { coordinates } => parts.extend(coordinates),
        GeometryValue::GeometryCollection { geometries } => {
            for geometry in geometries {
                collect_parts(geometry.value, parts)?;
            }
        }
        _ => return Err("it should be a Polygon or a MultiPolygon"),
    }
    Ok(())
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

/// Parses the `crs` member of GeoJSON that predates RFC 7946, which contains a name or an EPSG
/// code.
fn crs_from_member(member: &Value) -> Result<SourceCrs, String> {
    let name = member.pointer("/properties/name").and_then(Value::as_str);
    let link = member.pointer("/properties/href").and_then(Value::as_str);
    let code = member
        .pointer("/properties/code")
        .filter(|code| !code.is_null());
    let parsed = match (name.or(link), code) {
        (Some(name), _) => name.parse().ok(),
        (None, Some(code)) => format!("EPSG:{code}").replace('"', "").parse().ok(),
        (None, None) => None,
    };
    parsed.ok_or_else(|| {
        let name = name
            .or(link)
            .map_or_else(|| member.to_string(), str::to_string);
        format!("its `crs` member `{name}` should name CRS84, EPSG:4326 or EPSG:27700")
    })
}

/// Returns the properties as text. The feature's own id is the attribute `id`, unless there is a
/// property with this name.
fn attributes_of(
    mut properties: geojson::JsonObject,
    id: Option<geojson::feature::Id>,
) -> Vec<(String, String)> {
    let has_id = properties
        .keys()
        .any(|name| name.eq_ignore_ascii_case("id"));
    if let Some(id) = id.filter(|_| !has_id) {
        let id = match id {
            geojson::feature::Id::String(text) => Value::String(text),
            geojson::feature::Id::Number(number) => Value::Number(number),
        };
        properties.insert("id".into(), id);
    }
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Number(number) => match number.as_f64() {
            // Writers without an integer type write 1.0 instead of 1.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                format!("{float:.0}")
            }
            _ => number.to_string(),
        },
        other => other.to_string(),
    };
    properties
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect()
}

/// The geometry of a feature that is to be written.
#[derive(Debug, Clone, Copy)]
pub enum FeatureGeometry<'g> {
    /// One position.
    Point(LonLat),
    /// One or more positions.
    MultiPoint(&'g MultiPoint<f64>),
    /// One or more polygons.
    Polygons(&'g MultiPolygon<f64>),
    /// No geometry, which is written as null.
    None,
}

impl<'g> From<&'g MultiPolygon<f64>> for FeatureGeometry<'g> {
    fn from(polygons: &'g MultiPolygon<f64>) -> FeatureGeometry<'g> {
        FeatureGeometry::Polygons(polygons)
    }
}

/// Writes a FeatureCollection. Each feature is on a separate line, so that diffs are readable.
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
        FeatureGeometry::None => return text.push_str("null"),
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

/// Appends a MultiPolygon, even for a single polygon, because a GIS expects all geometries of a
/// layer to be of the same type.
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

/// Rounds longitude and latitude in the same way as the writer. If rounding makes consecutive
/// vertices equal, only the first of them remains.
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

    /// Formats GeoJSON with these members and one feature: a square on the British National Grid.
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
        for name in ["EPSG:29902", "urn:ogc:def:crs:EPSG::2770", "27700", ""] {
            let error = crs(name).expect_err(name);
            assert!(
                error.contains("should name CRS84, EPSG:4326 or EPSG:27700"),
                "{error}"
            );
        }
        // As longitude and latitude, positions in metres near the equator are far outside Great
        // Britain.
        assert_eq!(crs("EPSG:3857"), Ok(Crs::LonLat));
        let null = read_geojson("a", collection("\"crs\":null,").as_bytes());
        assert!(
            null.expect_err("metres in degrees")
                .to_string()
                .contains("degrees")
        );
        let code = r#""crs":{"type":"EPSG","properties":{"code":27700}},"#;
        let file = read_geojson("a", collection(code).as_bytes()).expect("a code");
        assert_eq!(file.crs, Crs::BritishGrid);
    }

    #[test]
    fn the_configured_crs_takes_precedence() {
        let options = PolygonReadOptions {
            crs: Some(SourceCrs::BritishGrid),
            ..PolygonReadOptions::default()
        };
        let file = read_geojson_with("a", collection("").as_bytes(), &options).expect("a grid");
        assert_eq!(file.crs, Crs::BritishGrid);
        assert_eq!(file.remarks.len(), 1);
    }

    fn feature(members: &str) -> String {
        let square = "[[[-3,54],[-2,54],[-2,55],[-3,54]]]";
        format!(
            r#"{{"type":"Feature",{members},"geometry":{{"type":"Polygon","coordinates":{square}}}}}"#
        )
    }

    #[test]
    fn sequences_and_lines_of_features_are_read() {
        let one = feature(r#""id":7,"properties":{"name":"K"}"#);
        let other = feature(r#""id":1.0,"properties":{"name":"L"}"#);
        for text in [
            format!("{one}\n{other}\n"),
            format!("\u{feff}{one}\r\n\r\n{other}"),
            format!("\u{1e}{one}\n\u{1e}{other}\n"),
            format!(r#"{{"type":"FeatureCollection","features":[{one},{other}]}}"#),
        ] {
            let file = read_geojson("a", text.as_bytes()).expect("two features");
            let ids: Vec<&str> = file
                .features
                .iter()
                .map(|feature| file.attribute(feature, "id").expect("its own id"))
                .collect();
            assert_eq!(ids, ["7", "1"], "{text}");
        }
        let collection = format!(r#"{{"type":"FeatureCollection","features":[{one}]}}"#);
        assert!(read_geojson("a", format!("{collection}\n{other}").as_bytes()).is_err());
        assert!(read_geojson("a", format!("{one}\n{collection}").as_bytes()).is_err());
        // A property with the same name is not replaced.
        let both = feature(r#""id":7,"properties":{"ID":"K"}"#);
        let file = read_geojson("a", both.as_bytes()).expect("a feature");
        assert_eq!(file.attribute(&file.features[0], "id").expect("an id"), "K");
    }

    #[test]
    fn features_without_geometry_are_listed_and_collections_are_read() {
        let null = r#"{"type":"Feature","properties":{"id":"n"},"geometry":null}"#;
        let polygon = r#"{"type":"Polygon","coordinates":[[[-3,54],[-2,54],[-2,55],[-3,54]]]}"#;
        let collected = format!(
            r#"{{"type":"Feature","properties":{{"id":"c"}},"geometry":{{"type":"GeometryCollection","geometries":[{polygon},{{"type":"GeometryCollection","geometries":[{polygon}]}}]}}}}"#
        );
        let text = format!(r#"{{"type":"FeatureCollection","features":[{null},{collected}]}}"#);
        let file = read_geojson("a", text.as_bytes()).expect("a collection");
        assert_eq!(file.without_geometry, ["1 (`n`)"]);
        assert_eq!(
            (file.features.len(), file.features[0].polygons.len()),
            (1, 2)
        );
        let error = read_geojson("a", null.as_bytes())
            .expect_err("no geometry")
            .to_string();
        assert_eq!(error, "a: none of the features has a geometry");
        let with_point =
            collected.replacen(polygon, r#"{"type":"Point","coordinates":[-3,54]}"#, 1);
        assert!(read_geojson("a", with_point.as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_the_whole_file_is_refused_by_name() {
        let one = feature(r#""properties":{}"#);
        let with =
            |member: &str| format!(r#"{{"type":"FeatureCollection",{member},"features":[{one}]}}"#);
        for (text, expected) in [
            (
                with(r#""exceededTransferLimit":true"#),
                "`exceededTransferLimit` shows",
            ),
            (
                with(r#""properties":{"exceededTransferLimit":true}"#),
                "`exceededTransferLimit` shows",
            ),
            (
                with(r#""numberMatched":7,"numberReturned":1"#),
                "1 of 7 features",
            ),
            (with(r#""totalFeatures":7"#), "1 of 7 features"),
            (
                with(r#""links":[{"rel":"next","href":"x"}]"#),
                "it links to a next page",
            ),
            (
                r#"{"error":{"code":400,"message":"Invalid URL"}}"#.into(),
                "the error message of a server, not data: 400: Invalid URL",
            ),
            (
                r#"{"code":"NotFound","description":"no such collection"}"#.into(),
                "the message of a server, not data: no such collection",
            ),
            (
                r#"{"geometryType":"esriGeometryPolygon","features":[]}"#.into(),
                "Esri JSON",
            ),
            (r#"{"type":"Topology","arcs":[]}"#.into(), "TopoJSON"),
            (with(r#""x":NaN"#), "NaN is not JSON"),
            (with("\"x\":\n[1, -Infinity]"), "Infinity is not JSON"),
            (one[..one.len() - 3].to_string(), "the file ends too early"),
            ("<html>".into(), "an HTML page"),
            ("[1]".into(), "a: "),
        ] {
            let error = read_geojson("a", text.as_bytes())
                .expect_err(expected)
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
        for member in [
            r#""exceededTransferLimit":false"#,
            r#""numberMatched":1"#,
            r#""links":[{"rel":"self","href":"x"}]"#,
            r#""totalFeatures":"unknown""#,
        ] {
            assert!(
                read_geojson("a", with(member).as_bytes()).is_ok(),
                "{member}"
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
            (FeatureGeometry::None, "null".to_string()),
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
