//! Polygon layers from GeoJSON or Shapefile, in whole units so that a vertex that two areas share
//! stays one vertex.

use std::collections::BTreeMap;
use std::io::Cursor;

use geo::{Coord, LineString, MultiPolygon};
use geojson::{GeoJson, GeometryValue};

use super::rings::{Polygon, Ring, assemble, doubled_area};
use crate::domain::{Boundary, BritishGrid, GridPolygon, LonLat, Period};
use crate::geodesy;

/// Units of a degree: 1e-9° is a tenth of a millimetre, and every decimal of a published file fits.
const UNITS_PER_DEGREE: f64 = 1e9;
/// Units of a metre: the grid's own millimetres.
const UNITS_PER_METRE: f64 = 1e3;

/// The coordinate reference system of a polygon file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crs {
    /// WGS84 or ETRS89 longitude and latitude, in degrees.
    LonLat,
    /// British National Grid, in metres.
    BritishGrid,
}

/// A feature of a polygon file.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    /// Its place in the file, from 1.
    pub(crate) number: usize,
    /// Its attributes as text, by their name in lower case. Blank ones are left out.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Its polygons, in units of the file's reference system.
    pub(crate) polygons: Vec<Polygon>,
}

/// The features of a polygon file.
#[derive(Debug, Clone)]
pub(crate) struct PolygonFile {
    pub(crate) name: String,
    pub(crate) crs: Crs,
    pub(crate) features: Vec<Feature>,
}

/// A polygon file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolygonError {
    /// The file as a whole.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// One feature of it.
    #[error("{file}, feature {feature}: {reason}")]
    Feature {
        /// The file.
        file: String,
        /// Its place in the file, from 1, and its id where it has one.
        feature: String,
        /// Why.
        reason: String,
    },
}

impl PolygonFile {
    /// Reads GeoJSON (RFC 7946).
    pub(crate) fn from_geojson(name: &str, bytes: &[u8]) -> Result<PolygonFile, PolygonError> {
        let wrong = |reason: String| PolygonError::File {
            file: name.into(),
            reason,
        };
        let parsed: GeoJson =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        let GeoJson::FeatureCollection(collection) = parsed else {
            return Err(wrong("it should hold a FeatureCollection".into()));
        };
        let mut features = Vec::with_capacity(collection.features.len());
        for (at, feature) in collection.features.into_iter().enumerate() {
            let attributes = attributes_of(feature.properties.unwrap_or_default());
            let label = label(at + 1, &attributes);
            let polygons = geojson_polygons(feature.geometry.map(|geometry| geometry.value))
                .map_err(|reason| wrong_feature(name, &label, reason))?;
            features.push(Feature {
                number: at + 1,
                attributes,
                polygons,
            });
        }
        Self::not_empty(name, Crs::LonLat, features)
    }

    /// Reads an ESRI Shapefile: `.shp` with its `.dbf` and `.prj`. Which ring is a hole of which is
    /// found out here, because the format does not say it.
    pub(crate) fn from_shapefile(
        name: &str,
        shp: &[u8],
        dbf: &[u8],
        prj: &str,
    ) -> Result<PolygonFile, PolygonError> {
        let wrong = |reason: String| PolygonError::File {
            file: name.into(),
            reason,
        };
        let crs = crs_of_prj(prj).map_err(|reason| wrong(reason.into()))?;
        let shapes = shapefile::ShapeReader::new(Cursor::new(shp))
            .map_err(|error| wrong(error.to_string()))?;
        let table = shapefile::dbase::Reader::new(Cursor::new(dbf))
            .map_err(|error| wrong(error.to_string()))?;
        let mut reader = shapefile::Reader::new(shapes, table);
        let mut features = Vec::new();
        for (at, entry) in reader.iter_shapes_and_records().enumerate() {
            let (shape, record) = entry.map_err(|error| wrong(error.to_string()))?;
            let attributes = attributes_of_record(record);
            let label = label(at + 1, &attributes);
            let polygons =
                shape_polygons(shape, crs).map_err(|reason| wrong_feature(name, &label, reason))?;
            features.push(Feature {
                number: at + 1,
                attributes,
                polygons,
            });
        }
        Self::not_empty(name, crs, features)
    }

    fn not_empty(
        name: &str,
        crs: Crs,
        features: Vec<Feature>,
    ) -> Result<PolygonFile, PolygonError> {
        if features.is_empty() {
            return Err(PolygonError::File {
                file: name.into(),
                reason: "no features".into(),
            });
        }
        Ok(PolygonFile {
            name: name.into(),
            crs,
            features,
        })
    }

    /// The feature's attribute of that name, whatever its case.
    pub(crate) fn attribute<'f>(
        &self,
        feature: &'f Feature,
        attribute: &str,
    ) -> Result<&'f str, PolygonError> {
        feature
            .attributes
            .get(&attribute.to_lowercase())
            .map(String::as_str)
            .ok_or_else(|| {
                let label = label(feature.number, &feature.attributes);
                wrong_feature(&self.name, &label, format!("no attribute `{attribute}`"))
            })
    }

    /// The feature's ground as a boundary.
    pub(crate) fn boundary(
        &self,
        feature: &Feature,
        id: String,
        period: Period,
    ) -> Result<Boundary, PolygonError> {
        boundary(self.crs, &feature.polygons, id, period).map_err(|reason| {
            wrong_feature(
                &self.name,
                &label(feature.number, &feature.attributes),
                reason,
            )
        })
    }
}

/// Polygons in units of `crs` as a boundary in both reference systems.
pub(crate) fn boundary(
    crs: Crs,
    polygons: &[Polygon],
    id: String,
    period: Period,
) -> Result<Boundary, String> {
    let mut lonlat = Vec::with_capacity(polygons.len());
    let mut grid = Vec::with_capacity(polygons.len());
    for polygon in polygons {
        let (mut shown, mut looked_up) = (Vec::new(), Vec::new());
        for ring in polygon {
            let (line, vertices) = both_systems(crs, ring)?;
            shown.push(line);
            looked_up.push(vertices);
        }
        let mut shown = shown.into_iter();
        let exterior = shown.next().ok_or("a polygon without rings")?;
        lonlat.push(geo::Polygon::new(exterior, shown.collect()));
        grid.push(GridPolygon { rings: looked_up });
    }
    Ok(Boundary {
        id,
        period,
        lonlat: MultiPolygon::new(lonlat),
        grid,
    })
}

fn both_systems(crs: Crs, ring: &Ring) -> Result<(LineString<f64>, Vec<BritishGrid>), String> {
    let mut line = Vec::with_capacity(ring.len() + 1);
    let mut vertices = Vec::with_capacity(ring.len());
    for &vertex in ring {
        let (shown, looked_up) =
            position(crs, vertex).ok_or("it leaves the British National Grid")?;
        line.push(Coord {
            x: shown.lon(),
            y: shown.lat(),
        });
        vertices.push(looked_up);
    }
    line.push(line[0]);
    Ok((LineString::new(line), vertices))
}

fn position(crs: Crs, vertex: (i64, i64)) -> Option<(LonLat, BritishGrid)> {
    let (x, y) = from_units(crs, vertex);
    match crs {
        Crs::LonLat => {
            let shown = LonLat::new(x, y).ok()?;
            Some((shown, geodesy::to_grid(shown)?))
        }
        Crs::BritishGrid => {
            let looked_up = BritishGrid::from_metres(x, y).ok()?;
            Some((geodesy::to_lonlat(looked_up)?, looked_up))
        }
    }
}

fn units_of(crs: Crs) -> f64 {
    match crs {
        Crs::LonLat => UNITS_PER_DEGREE,
        Crs::BritishGrid => UNITS_PER_METRE,
    }
}

/// Degrees or metres of a vertex in units.
#[expect(clippy::cast_precision_loss, reason = "at most 1.8e11, far below 2^53")]
pub(crate) fn from_units(crs: Crs, (x, y): (i64, i64)) -> (f64, f64) {
    (x as f64 / units_of(crs), y as f64 / units_of(crs))
}

fn to_units(crs: Crs, [x, y]: [f64; 2]) -> Result<(i64, i64), String> {
    let bound = match crs {
        Crs::LonLat => 360.0,
        Crs::BritishGrid => 1e7,
    };
    // NaN is in no range.
    if !(-bound..=bound).contains(&x) || !(-bound..=bound).contains(&y) {
        return Err("a vertex is not a place in its reference system".into());
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 3.6e11 or 1e10")]
    let rounded = |value: f64| (value * units_of(crs)).round() as i64;
    Ok((rounded(x), rounded(y)))
}

/// An open ring, counter-clockwise where it is an exterior.
fn ring_of(crs: Crs, positions: &[[f64; 2]]) -> Result<Ring, String> {
    let mut ring = Vec::with_capacity(positions.len());
    for &position in positions {
        let vertex = to_units(crs, position)?;
        if ring.last() != Some(&vertex) {
            ring.push(vertex);
        }
    }
    if positions.first() != positions.last() || ring.len() < 4 {
        return Err("a ring has at least four positions, and its last is its first".into());
    }
    ring.pop();
    if doubled_area(&ring) == 0 {
        return Err("a ring without area".into());
    }
    Ok(ring)
}

fn geojson_polygons(geometry: Option<GeometryValue>) -> Result<Vec<Polygon>, String> {
    let parts = match geometry {
        Some(GeometryValue::Polygon { coordinates }) => vec![coordinates],
        Some(GeometryValue::MultiPolygon { coordinates }) => coordinates,
        _ => return Err("it should be a Polygon or a MultiPolygon".into()),
    };
    if parts.is_empty() || parts.iter().any(Vec::is_empty) {
        return Err("a polygon without rings".into());
    }
    parts.iter().map(|rings| geojson_polygon(rings)).collect()
}

fn geojson_polygon(rings: &[Vec<geojson::Position>]) -> Result<Polygon, String> {
    let mut polygon = Vec::with_capacity(rings.len());
    for (at, positions) in rings.iter().enumerate() {
        let mut plain = Vec::with_capacity(positions.len());
        for position in positions {
            let &[x, y, ..] = position.as_slice() else {
                return Err("a position of fewer than two numbers".into());
            };
            plain.push([x, y]);
        }
        let mut ring = ring_of(Crs::LonLat, &plain)?;
        // Older writers wind as they please; what is exterior is said by the order.
        if (doubled_area(&ring) > 0) != (at == 0) {
            ring.reverse();
        }
        polygon.push(ring);
    }
    Ok(polygon)
}

fn shape_polygons(shape: shapefile::Shape, crs: Crs) -> Result<Vec<Polygon>, String> {
    let rings: Vec<Vec<[f64; 2]>> = match shape {
        shapefile::Shape::Polygon(polygon) => polygon
            .rings()
            .iter()
            .map(|ring| ring.points().iter().map(|p| [p.x, p.y]).collect())
            .collect(),
        shapefile::Shape::PolygonZ(polygon) => polygon
            .rings()
            .iter()
            .map(|ring| ring.points().iter().map(|p| [p.x, p.y]).collect())
            .collect(),
        shapefile::Shape::PolygonM(polygon) => polygon
            .rings()
            .iter()
            .map(|ring| ring.points().iter().map(|p| [p.x, p.y]).collect())
            .collect(),
        _ => return Err("it should be a polygon".into()),
    };
    let mut wound = Vec::with_capacity(rings.len());
    for positions in &rings {
        let mut ring = ring_of(crs, positions)?;
        // A shapefile winds exteriors clockwise.
        ring.reverse();
        wound.push(ring);
    }
    assemble(wound).map_err(String::from)
}

/// Recognises what our users' files say; anything else is refused rather than guessed at.
fn crs_of_prj(prj: &str) -> Result<Crs, &'static str> {
    let text: String = prj
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let is_projected = text.contains("projcs") || text.contains("projcrs");
    if text.contains("britishnationalgrid") || (is_projected && text.contains("epsg27700")) {
        Ok(Crs::BritishGrid)
    } else if !is_projected
        && (text.contains("wgs84") || text.contains("wgs1984") || text.contains("etrs89"))
    {
        Ok(Crs::LonLat)
    } else {
        Err("its .prj should say British National Grid (EPSG:27700) or WGS 84 (EPSG:4326)")
    }
}

fn attributes_of(properties: geojson::JsonObject) -> BTreeMap<String, String> {
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    properties
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), text(value)))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn attributes_of_record(record: shapefile::dbase::Record) -> BTreeMap<String, String> {
    use shapefile::dbase::FieldValue;
    let text = |value: FieldValue| match value {
        FieldValue::Character(text) => text.unwrap_or_default(),
        FieldValue::Numeric(Some(number)) => number.to_string(),
        FieldValue::Integer(number) => number.to_string(),
        FieldValue::Date(Some(date)) => {
            format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
        }
        _ => String::new(),
    };
    record
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), text(value)))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn label(number: usize, attributes: &BTreeMap<String, String>) -> String {
    match attributes.get("id") {
        Some(id) => format!("{number} (`{id}`)"),
        None => number.to_string(),
    }
}

fn wrong_feature(file: &str, feature: &str, reason: impl Into<String>) -> PolygonError {
    PolygonError::Feature {
        file: file.into(),
        feature: feature.into(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geojson(geometry: &str) -> Result<PolygonFile, PolygonError> {
        let text = format!(
            r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"id":"a"}},"geometry":{geometry}}}]}}"#
        );
        PolygonFile::from_geojson("a.geojson", text.as_bytes())
    }

    #[test]
    fn winding_is_put_right() {
        let file = geojson(
            r#"{"type":"Polygon","coordinates":[[[-3,54],[-3,55],[-2,55],[-2,54],[-3,54]],[[-2.6,54.4],[-2.4,54.4],[-2.4,54.6],[-2.6,54.6],[-2.6,54.4]]]}"#,
        )
        .expect("a polygon");
        let polygon = &file.features[0].polygons[0];
        assert!(doubled_area(&polygon[0]) > 0);
        assert!(doubled_area(&polygon[1]) < 0);
    }

    #[test]
    fn a_broken_geometry_is_refused_with_its_feature() {
        for geometry in [
            "null",
            r#"{"type":"Polygon","coordinates":[]}"#,
            r#"{"type":"Polygon","coordinates":[[[-3,54],[-3,55],[-3,54]]]}"#,
            r#"{"type":"Polygon","coordinates":[[[-3,54],[-3,55],[-2,55],[-2,54]]]}"#,
            r#"{"type":"Polygon","coordinates":[[[-3,54],[-2,54],[-1,54],[-3,54]]]}"#,
            r#"{"type":"Point","coordinates":[-3,54]}"#,
            r#"{"type":"Polygon","coordinates":[[[-3e9,54],[-2,54],[-1,55],[-3e9,54]]]}"#,
        ] {
            let error = geojson(geometry).expect_err(geometry).to_string();
            assert!(error.starts_with("a.geojson, feature 1 (`a`): "), "{error}");
        }
        assert!(PolygonFile::from_geojson("a", b"{").is_err());
        assert!(
            PolygonFile::from_geojson("a", br#"{"type":"FeatureCollection","features":[]}"#)
                .is_err()
        );
    }

    #[test]
    fn a_published_decimal_comes_back_as_it_was() {
        for degrees in [-2.456_648_8, 53.746_453_6, 54.1, -3.000_000_1] {
            let units = to_units(Crs::LonLat, [degrees, degrees]).expect("a position");
            assert_eq!(
                from_units(Crs::LonLat, units).0.to_bits(),
                f64::to_bits(degrees)
            );
        }
    }

    #[test]
    fn a_prj_is_recognised_or_refused() {
        let grid =
            r#"PROJCS["British_National_Grid",GEOGCS["GCS_OSGB_1936",DATUM["D_OSGB_1936"]]]"#;
        assert_eq!(crs_of_prj(grid), Ok(Crs::BritishGrid));
        assert_eq!(
            crs_of_prj(r#"GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984"]]"#),
            Ok(Crs::LonLat)
        );
        assert!(crs_of_prj(r#"PROJCS["WGS_1984_Web_Mercator",GEOGCS["GCS_WGS_1984"]]"#).is_err());
        assert!(crs_of_prj("").is_err());
    }
}
