//! Boundaries as GeoJSON, WKT and KML, and their measures.

use std::fmt::Write as _;

use geo::{BoundingRect as _, Centroid as _, Coord, LineString, MultiPolygon, Polygon};

use crate::wire::json_writer::JsonWriter;
use catchment_core::domain::Boundary;
use catchment_core::geometry::planar;
use catchment_data::formats::write_geojson_multi_polygon;
use catchment_tiles::maps::escape_xml;

/// The decimal places of degrees in GeoJSON: about a centimetre.
const DEGREES_DECIMALS: i32 = 7;
/// The decimal places of metres in WKT: vertices are whole millimetres.
const METRES_DECIMALS: usize = 3;

/// A format of boundaries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GeometryFormat {
    /// A GeoJSON geometry in longitude and latitude, not a feature.
    GeoJson,
    /// Well-known text on the British National Grid.
    Wkt,
    /// KML with one placemark.
    Kml,
}

impl GeometryFormat {
    /// Returns an id without the extension of a format, and the format.
    pub(super) fn split_extension(text: &str) -> (&str, Option<GeometryFormat>) {
        let formats = [
            (".geojson", GeometryFormat::GeoJson),
            (".wkt", GeometryFormat::Wkt),
            (".kml", GeometryFormat::Kml),
        ];
        let mut found = formats
            .into_iter()
            .filter_map(|(extension, format)| Some((text.strip_suffix(extension)?, Some(format))));
        found.next().unwrap_or((text, None))
    }

    /// Returns the media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            GeometryFormat::GeoJson => "application/json",
            GeometryFormat::Wkt => "text/plain; charset=utf-8",
            GeometryFormat::Kml => "application/vnd.google-earth.kml+xml; charset=utf-8",
        }
    }

    /// Returns the boundary of an area in this format.
    pub(super) fn write(self, name: &str, boundary: &Boundary) -> Vec<u8> {
        let mut text = String::new();
        match self {
            GeometryFormat::GeoJson => {
                write_geojson_multi_polygon(&mut text, &boundary.lonlat, DEGREES_DECIMALS);
            }
            GeometryFormat::Wkt => write_wkt(&mut text, &planar::to_planar(boundary)),
            GeometryFormat::Kml => write_kml(&mut text, name, &boundary.lonlat),
        }
        text.into_bytes()
    }
}

fn write_wkt(text: &mut String, polygons: &MultiPolygon<f64>) {
    text.push_str("MULTIPOLYGON (");
    for (index, polygon) in polygons.iter().enumerate() {
        text.push_str(if index == 0 { "(" } else { ", (" });
        for (index, ring) in rings(polygon).enumerate() {
            text.push_str(if index == 0 { "(" } else { ", (" });
            for (index, Coord { x, y }) in ring.coords().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(text, "{comma}{x:.METRES_DECIMALS$} {y:.METRES_DECIMALS$}")
                    .expect("writing to a String");
            }
            text.push(')');
        }
        text.push(')');
    }
    text.push(')');
}

fn write_kml(text: &mut String, name: &str, polygons: &MultiPolygon<f64>) {
    text.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <kml xmlns=\"http://www.opengis.net/kml/2.2\"><Placemark><name>",
    );
    text.push_str(&escape_xml(name));
    text.push_str("</name><MultiGeometry>");
    for polygon in polygons {
        text.push_str("<Polygon>");
        for (index, ring) in rings(polygon).enumerate() {
            let element = if index == 0 {
                "outerBoundaryIs"
            } else {
                "innerBoundaryIs"
            };
            write!(text, "<{element}><LinearRing><coordinates>").expect("writing to a String");
            for (index, Coord { x, y }) in ring.coords().enumerate() {
                let space = if index == 0 { "" } else { " " };
                write!(text, "{space}{x:.6},{y:.6}").expect("writing to a String");
            }
            write!(text, "</coordinates></LinearRing></{element}>").expect("writing to a String");
        }
        text.push_str("</Polygon>");
    }
    text.push_str("</MultiGeometry></Placemark></kml>\n");
}

fn rings(polygon: &Polygon<f64>) -> impl Iterator<Item = &LineString<f64>> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors())
}

/// Writes the measures of a boundary: the number of its parts, its area in square metres, its
/// bounding box and its centroid; `None` if the boundary is empty.
pub(super) fn measures(boundary: &Boundary) -> Option<Vec<u8>> {
    let planar = planar::to_planar(boundary);
    let (extent, centre) = (planar.bounding_rect()?, planar.centroid()?);
    let degrees = boundary.lonlat.bounding_rect()?;
    let centre_degrees = planar::to_point(centre.0);
    let mut json = JsonWriter::new();
    json.raw("{\"parts\":");
    json.value(&planar.0.len());
    json.raw(",\"srid_en\":27700,\"area\":");
    json.number(planar::area_m2(&planar), 1);
    for (name, value, decimals) in [
        ("min_e", extent.min().x, 3),
        ("min_n", extent.min().y, 3),
        ("max_e", extent.max().x, 3),
        ("max_n", extent.max().y, 3),
        ("centre_e", centre.x(), 3),
        ("centre_n", centre.y(), 3),
        ("min_lon", degrees.min().x, 6),
        ("min_lat", degrees.min().y, 6),
        ("max_lon", degrees.max().x, 6),
        ("max_lat", degrees.max().y, 6),
    ] {
        json.raw(",");
        json.string(name);
        json.raw(":");
        json.number(value, decimals);
    }
    json.raw(",\"centre_lon\":");
    json.or_null(centre_degrees, |json, centre| json.number(centre.lon(), 6));
    json.raw(",\"centre_lat\":");
    json.or_null(centre_degrees, |json, centre| json.number(centre.lat(), 6));
    json.raw("}");
    Some(json.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_select_the_format() {
        let split = GeometryFormat::split_extension;
        assert_eq!(split("a:b.wkt"), ("a:b", Some(GeometryFormat::Wkt)));
        assert_eq!(split("a:b.geojson"), ("a:b", Some(GeometryFormat::GeoJson)));
        assert_eq!(split("a:b.c"), ("a:b.c", None));
    }

    #[test]
    fn holes_are_written_after_their_exterior() {
        let square = |low: f64, high: f64| -> LineString<f64> {
            let corners = [(low, low), (high, low), (high, high), (low, high)];
            let mut ring: LineString<f64> = corners.into_iter().collect();
            ring.close();
            ring
        };
        let polygon = Polygon::new(square(0.0, 3.0), vec![square(1.0, 2.0)]);
        let polygons = MultiPolygon::new(vec![polygon]);
        let mut wkt = String::new();
        write_wkt(&mut wkt, &polygons);
        assert!(
            wkt.starts_with("MULTIPOLYGON (((0.000 0.000, 3.000 0.000, "),
            "{wkt}"
        );
        assert!(
            wkt.contains("), (1.000 1.000, ") && wkt.ends_with(")))"),
            "{wkt}"
        );
        let mut kml = String::new();
        write_kml(&mut kml, "A & B", &polygons);
        assert!(kml.contains("<name>A &amp; B</name>"), "{kml}");
        assert_eq!(kml.matches("<innerBoundaryIs>").count(), 1, "{kml}");
    }
}
