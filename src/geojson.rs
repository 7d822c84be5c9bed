//! Writes GeoJSON (RFC 7946): longitude and latitude with at most 7 decimal places,
//! counter-clockwise exterior rings, closed rings, and no `crs` member.

use std::fmt::Write;

use geo::{LineString, MultiPolygon, Polygon};

use crate::domain::Boundary;

/// The number of decimal places of coordinates in degrees. One unit in the last place is about one
/// centimetre.
const COORDINATE_DECIMALS: i32 = 7;

/// Returns a FeatureCollection of boundaries with the properties `id` and `name`, and `from` and
/// `to` if they are known. Each feature is on a line of its own, for readable diffs.
pub(crate) fn layer_to_geojson<'a>(
    name: &str,
    features: impl Iterator<Item = (&'a Boundary, String)>,
) -> Vec<u8> {
    let mut text = format!(
        "{{\"type\":\"FeatureCollection\",\"name\":{},\"features\":[",
        json_string(name)
    );
    for (index, (boundary, title)) in features.enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
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
        write_feature(
            &mut text,
            &serde_json::Value::Object(properties),
            &boundary.lonlat,
        );
    }
    text.push_str("\n]}\n");
    text.into_bytes()
}

/// Appends a feature.
pub(crate) fn write_feature(
    text: &mut String,
    properties: &serde_json::Value,
    geometry: &MultiPolygon<f64>,
) {
    write!(
        text,
        "{{\"type\":\"Feature\",\"properties\":{properties},\"geometry\":"
    )
    .expect("writing to a String");
    write_geometry(text, geometry, COORDINATE_DECIMALS);
    text.push('}');
}

fn write_geometry(text: &mut String, geometry: &MultiPolygon<f64>, decimals: i32) {
    match geometry.0.as_slice() {
        [polygon] => {
            text.push_str("{\"type\":\"Polygon\",\"coordinates\":");
            write_polygon(text, polygon, decimals);
        }
        _ => return write_multi_polygon(text, geometry, decimals),
    }
    text.push('}');
}

/// Appends a MultiPolygon even if there is only one polygon: a GIS expects one geometry type in a
/// layer.
pub(crate) fn write_multi_polygon(text: &mut String, geometry: &MultiPolygon<f64>, decimals: i32) {
    text.push_str("{\"type\":\"MultiPolygon\",\"coordinates\":[");
    for (index, polygon) in geometry.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        write_polygon(text, polygon, decimals);
    }
    text.push_str("]}");
}

fn write_polygon(text: &mut String, polygon: &Polygon<f64>, decimals: i32) {
    text.push('[');
    write_ring(text, polygon.exterior(), decimals);
    for hole in polygon.interiors() {
        text.push(',');
        write_ring(text, hole, decimals);
    }
    text.push(']');
}

fn write_ring(text: &mut String, ring: &LineString<f64>, decimals: i32) {
    let scale = 10_f64.powi(decimals);
    text.push('[');
    for (index, position) in ring.coords().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(
            text,
            "{comma}[{},{}]",
            (position.x * scale).round() / scale,
            (position.y * scale).round() / scale
        )
        .expect("writing to a String");
    }
    text.push(']');
}

/// Rounds degrees to 7 decimal places. One unit in the last place is about one centimetre.
pub(crate) fn to_7_decimals(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

fn json_string(text: &str) -> serde_json::Value {
    text.into()
}
