//! Polygon layers from GeoJSON or Shapefile, in whole units so that a vertex that two areas share
//! stays one vertex.
//!
//! A reader refuses what is no polygon at all: a ring that is not closed, or without area, or of
//! fewer than three places. It does not look for rings that cross: [`PolygonFile::validated`] does,
//! once, when something is imported.

use std::collections::BTreeMap;
use std::io::Cursor;

use geo::{Coord, LineString, MultiPolygon};
use geojson::{GeoJson, GeometryValue};
use shapefile::dbase;

use super::rings::{Polygon, Ring, assemble, by_nesting, doubled_area};
use super::validity::invalidity;
use crate::domain::{Boundary, BritishGrid, Extent, GridPolygon, LonLat, Period};
use crate::geodesy;

/// Units of a degree: 1e-9° is a tenth of a millimetre, and every decimal of a published file fits.
const UNITS_PER_DEGREE: f64 = 1e9;
/// Units of a metre: the grid's own millimetres.
const UNITS_PER_METRE: f64 = 1e3;

/// Faulty features that are named beside the first; the others are only counted.
const FAULTS_NAMED_MAX: usize = 10;

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
    /// Whether rings ran the other way round than RFC 7946 says (than its own format says, for a
    /// Shapefile), and were turned. GDAL writes all of its GeoPackages so.
    pub(crate) turned: bool,
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

/// The files of a Shapefile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShapefileParts<'a> {
    /// The geometries.
    pub(crate) shp: &'a [u8],
    /// The attributes.
    pub(crate) dbf: &'a [u8],
    /// The reference system.
    pub(crate) prj: &'a str,
    /// The code page of the attributes, as the `.cpg` names it. Without one the `.dbf` itself says
    /// it, and where that says nothing it is UTF-8.
    pub(crate) cpg: Option<&'a str>,
}

/// The features of a GeoJSON file, each with its polygons or what is wrong with them.
pub(crate) struct GeoJsonFeatures {
    pub(crate) crs: Crs,
    pub(crate) features: Vec<Result<Feature, WrongFeature>>,
}

/// A feature that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongFeature {
    /// Its place in the file, from 1, and its id where it has one.
    pub(crate) label: String,
    /// Why.
    pub(crate) reason: &'static str,
}

impl PolygonFile {
    /// Reads GeoJSON: RFC 7946, or the format before it with a `crs` member that says longitude and
    /// latitude, or British National Grid.
    pub(crate) fn from_geojson(name: &str, bytes: &[u8]) -> Result<PolygonFile, PolygonError> {
        let read = geojson_features(bytes).map_err(|reason| PolygonError::File {
            file: name.into(),
            reason,
        })?;
        let features = read
            .features
            .into_iter()
            .map(|feature| feature.map_err(|wrong| wrong_feature(name, &wrong.label, wrong.reason)))
            .collect::<Result<_, _>>()?;
        Self::not_empty(name, read.crs, features)
    }

    /// Reads an ESRI Shapefile: `.shp` with its `.dbf`, `.prj` and `.cpg`. Which ring is a hole of
    /// which is found out here, because the format does not say it.
    pub(crate) fn from_shapefile(
        name: &str,
        parts: &ShapefileParts<'_>,
    ) -> Result<PolygonFile, PolygonError> {
        let wrong = |reason: String| PolygonError::File {
            file: name.into(),
            reason,
        };
        let crs = crs_of_prj(parts.prj).map_err(|reason| wrong(reason.into()))?;
        let shapes = shapes(parts.shp).map_err(wrong)?;
        let records = records(parts.dbf, parts.cpg).map_err(wrong)?;
        if shapes.len() != records.len() {
            let (shapes, records) = (shapes.len(), records.len());
            return Err(wrong(format!(
                "its .shp has {shapes} shapes and its .dbf {records} records; they should be as many"
            )));
        }
        let mut features = Vec::with_capacity(shapes.len());
        for (at, (shape, attributes)) in shapes.into_iter().zip(records).enumerate() {
            let label = label(at + 1, &attributes);
            let (polygons, turned) =
                shape_polygons(shape, crs).map_err(|reason| wrong_feature(name, &label, reason))?;
            features.push(Feature {
                number: at + 1,
                attributes,
                polygons,
                turned,
            });
        }
        Self::not_empty(name, crs, features)
    }

    /// The file, if every feature of it is one valid area: no ring crosses or touches itself, holes
    /// lie inside and leave the interior in one piece, parts neither overlap nor share a border.
    ///
    /// # Errors
    /// The first feature that is not, and how many more there are.
    pub(crate) fn validated(self) -> Result<PolygonFile, PolygonError> {
        let faults: Vec<(String, &'static str)> = self
            .features
            .iter()
            .filter_map(|feature| {
                let reason = invalidity(&feature.polygons)?.reason();
                Some((label(feature.number, &feature.attributes), reason))
            })
            .collect();
        match faults.as_slice() {
            [] => Ok(self),
            [(label, reason)] => Err(wrong_feature(&self.name, label, *reason)),
            [(label, reason), others @ ..] => {
                let others: Vec<&str> = others.iter().map(|(label, _)| label.as_str()).collect();
                let named = others[..others.len().min(FAULTS_NAMED_MAX)].join(", ");
                let reason = format!("{reason}; {} more have faults: {named}", others.len());
                Err(wrong_feature(&self.name, label, reason))
            }
        }
    }

    /// Makes holes of the parts that lie within another part of their feature; labels of the features
    /// that had such parts. ArcGIS writes some of its enclaves so. The rings stay what they are, and
    /// a feature that is faulty otherwise stays as it is.
    pub(crate) fn make_holes_of_nested_parts(&mut self) -> Vec<String> {
        let mut changed = Vec::new();
        for feature in &mut self.features {
            let has_parts = feature.polygons.len() > 1;
            if !has_parts || invalidity(&feature.polygons).is_none() {
                continue;
            }
            let rings = feature.polygons.iter().flatten().cloned().collect();
            if let Ok(polygons) = by_nesting(rings)
                && invalidity(&polygons).is_none()
            {
                feature.polygons = polygons;
                changed.push(label(feature.number, &feature.attributes));
            }
        }
        changed
    }

    /// Labels of the features whose rings were turned.
    pub(crate) fn turned(&self) -> Vec<String> {
        self.features
            .iter()
            .filter(|feature| feature.turned)
            .map(|feature| label(feature.number, &feature.attributes))
            .collect()
    }

    /// The file, if it has features.
    pub(crate) fn not_empty(
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
        extent: Extent::Whole,
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

/// Degrees of longitude and latitude of a vertex in units of `crs`.
pub(crate) fn lonlat_of(crs: Crs, vertex: (i64, i64)) -> Option<(f64, f64)> {
    let (x, y) = from_units(crs, vertex);
    match crs {
        Crs::LonLat => Some((x, y)),
        Crs::BritishGrid => geodesy::to_lonlat_degrees(x, y),
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

fn to_units(crs: Crs, [x, y]: [f64; 2]) -> Result<(i64, i64), &'static str> {
    let (bound, reason) = match crs {
        Crs::LonLat => (
            360.0,
            "a vertex is not in degrees; is the file in another reference system than it says?",
        ),
        Crs::BritishGrid => (1e7, "a vertex is nowhere near the British National Grid"),
    };
    // NaN is in no range.
    if !(-bound..=bound).contains(&x) || !(-bound..=bound).contains(&y) {
        return Err(reason);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 3.6e11 or 1e10")]
    let rounded = |value: f64| (value * units_of(crs)).round() as i64;
    Ok((rounded(x), rounded(y)))
}

/// An open ring, in the direction in which it is written.
fn ring_of(crs: Crs, positions: &[[f64; 2]]) -> Result<Ring, &'static str> {
    let mut ring = Vec::with_capacity(positions.len());
    for &position in positions {
        let vertex = to_units(crs, position)?;
        if ring.last() != Some(&vertex) {
            ring.push(vertex);
        }
    }
    if positions.first() != positions.last() || ring.len() < 4 {
        return Err("a ring has at least four positions, and its last is its first");
    }
    ring.pop();
    if doubled_area(&ring) == 0 {
        return Err("a ring without area");
    }
    Ok(ring)
}

/// A polygon whose first ring is the exterior, and whether rings were turned for it.
pub(crate) fn polygon_of(
    crs: Crs,
    rings: &[Vec<[f64; 2]>],
) -> Result<(Polygon, bool), &'static str> {
    if rings.is_empty() {
        return Err("a polygon without rings");
    }
    let mut polygon = Vec::with_capacity(rings.len());
    let mut turned = false;
    for (at, positions) in rings.iter().enumerate() {
        let mut ring = ring_of(crs, positions)?;
        // Older writers wind as they please; what is exterior is said by the order.
        if (doubled_area(&ring) > 0) != (at == 0) {
            ring.reverse();
            turned = true;
        }
        polygon.push(ring);
    }
    Ok((polygon, turned))
}

/// Reads the features of GeoJSON; a faulty one does not keep the others from being read.
///
/// # Errors
/// What is wrong with the file as a whole.
pub(crate) fn geojson_features(bytes: &[u8]) -> Result<GeoJsonFeatures, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let parsed: GeoJson = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let (features, members) = match parsed {
        GeoJson::FeatureCollection(collection) => (collection.features, collection.foreign_members),
        GeoJson::Feature(mut feature) => {
            let members = feature.foreign_members.take();
            (vec![feature], members)
        }
        GeoJson::Geometry(_) => return Err("it should hold a FeatureCollection".into()),
    };
    let crs = match members.as_ref().and_then(|members| members.get("crs")) {
        Some(crs) => crs_of_member(crs)?,
        None => Crs::LonLat,
    };
    let features = features.into_iter().enumerate();
    Ok(GeoJsonFeatures {
        crs,
        features: features
            .map(|(at, feature)| geojson_feature(crs, at + 1, feature))
            .collect(),
    })
}

fn geojson_feature(
    crs: Crs,
    number: usize,
    feature: geojson::Feature,
) -> Result<Feature, WrongFeature> {
    let attributes = attributes_of(feature.properties.unwrap_or_default());
    match geojson_polygons(crs, feature.geometry.map(|geometry| geometry.value)) {
        Ok((polygons, turned)) => Ok(Feature {
            number,
            attributes,
            polygons,
            turned,
        }),
        Err(reason) => Err(WrongFeature {
            label: label(number, &attributes),
            reason,
        }),
    }
}

fn geojson_polygons(
    crs: Crs,
    geometry: Option<GeometryValue>,
) -> Result<(Vec<Polygon>, bool), &'static str> {
    let parts = match geometry {
        Some(GeometryValue::Polygon { coordinates }) => vec![coordinates],
        Some(GeometryValue::MultiPolygon { coordinates }) => coordinates,
        _ => return Err("it should be a Polygon or a MultiPolygon"),
    };
    let parts = parts
        .iter()
        .map(|rings| rings.iter().map(|ring| plain_positions(ring)).collect())
        .collect::<Result<Vec<Vec<_>>, _>>()?;
    multi_polygon_of(crs, &parts)
}

/// Polygons whose first ring is the exterior, and whether rings were turned for them.
pub(crate) fn multi_polygon_of(
    crs: Crs,
    parts: &[Vec<Vec<[f64; 2]>>],
) -> Result<(Vec<Polygon>, bool), &'static str> {
    if parts.is_empty() {
        return Err("a polygon without rings");
    }
    let mut polygons = Vec::with_capacity(parts.len());
    let mut any_turned = false;
    for rings in parts {
        let (polygon, turned) = polygon_of(crs, rings)?;
        polygons.push(polygon);
        any_turned |= turned;
    }
    Ok((polygons, any_turned))
}

/// Longitude and latitude of each position; what follows them, such as a height, is left out.
fn plain_positions(ring: &[geojson::Position]) -> Result<Vec<[f64; 2]>, &'static str> {
    ring.iter()
        .map(|position| match position.as_slice() {
            &[x, y, ..] => Ok([x, y]),
            _ => Err("a position of fewer than two numbers"),
        })
        .collect()
}

/// Reads the `crs` member of GeoJSON from before RFC 7946.
fn crs_of_member(member: &serde_json::Value) -> Result<Crs, String> {
    let name = member
        .pointer("/properties/name")
        .and_then(serde_json::Value::as_str)
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

/// The shapes of a `.shp`.
fn shapes(shp: &[u8]) -> Result<Vec<shapefile::Shape>, String> {
    check_length(shp)?;
    let mut reader =
        shapefile::ShapeReader::new(Cursor::new(shp)).map_err(|error| error.to_string())?;
    let mut shapes = Vec::new();
    for shape in reader.iter_shapes() {
        let number = shapes.len() + 1;
        shapes.push(shape.map_err(|error| format!("shape {number} of its .shp: {error}"))?);
    }
    Ok(shapes)
}

/// Compares the length that the header says (bytes 24 to 27, in 16-bit words) with the file's: one
/// that was cut short would otherwise be read as far as it goes.
fn check_length(shp: &[u8]) -> Result<(), String> {
    let Some(&[a, b, c, d]) = shp.get(24..28) else {
        return Err("its .shp should begin with a header of 100 bytes".into());
    };
    let said = 2 * u64::from(u32::from_be_bytes([a, b, c, d]));
    if said == shp.len() as u64 {
        return Ok(());
    }
    Err(format!(
        "its .shp has {} bytes where its header says {said}; was it cut short?",
        shp.len()
    ))
}

/// The attributes of each record of a `.dbf`.
fn records(dbf: &[u8], cpg: Option<&str>) -> Result<Vec<BTreeMap<String, String>>, String> {
    let mut builder = dbase::ReaderBuilder::new();
    if let Some(encoding) = encoding(dbf, cpg)? {
        builder = builder.with_encoding(encoding);
    }
    let mut reader = builder
        .build(Cursor::new(dbf))
        .map_err(|error| format!("its .dbf: {error}"))?;
    let mut records = Vec::new();
    for record in reader.iter_records() {
        let attributes =
            attributes_of_record(record.map_err(|error| format!("its .dbf: {error}"))?);
        let undecoded = |text: &String| text.contains('\u{fffd}');
        if let Some((name, _)) = attributes.iter().find(|(_, text)| undecoded(text)) {
            return Err(format!(
                "record {} of its .dbf, column `{name}`: not text in the code page; \
                 its .cpg should name the right one",
                records.len() + 1
            ));
        }
        records.push(attributes);
    }
    Ok(records)
}

/// What a `.cpg` says, or else the language byte of the `.dbf`. There is no standard for either;
/// 0x57 is what ESRI and GDAL write for Latin 1, and is missing from dbase.
fn encoding(dbf: &[u8], cpg: Option<&str>) -> Result<Option<dbase::encoding::DynEncoding>, String> {
    const LANGUAGE_BYTE: usize = 29;
    const ANSI: u8 = 0x57;
    let Some(said) = cpg else {
        let is_ansi = dbf.get(LANGUAGE_BYTE) == Some(&ANSI);
        let ansi = is_ansi.then(|| dbase::encoding::DynEncoding::from_name("1252"));
        return Ok(ansi.flatten());
    };
    let plain: String = said
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let name = match plain.as_str() {
        "utf8" | "65001" | "cp65001" | "usascii" | "ascii" => "UTF-8",
        "latin1" | "iso88591" | "88591" | "1252" | "cp1252" | "windows1252" | "ansi1252" => "1252",
        "iso885915" | "885915" | "latin9" => "8859-15",
        _ => "",
    };
    match dbase::encoding::DynEncoding::from_name(name) {
        Some(encoding) => Ok(Some(encoding)),
        None => Err(format!(
            "its .cpg says `{}`; it should say UTF-8, ISO-8859-1, ISO-8859-15 or 1252",
            said.trim()
        )),
    }
}

fn shape_polygons(shape: shapefile::Shape, crs: Crs) -> Result<(Vec<Polygon>, bool), &'static str> {
    let rings = shape_rings(&shape)?;
    let as_written = rings
        .iter()
        .map(|positions| ring_of(crs, positions))
        .collect::<Result<Vec<Ring>, _>>()?;
    if as_written.is_empty() {
        return Err("a polygon without rings");
    }
    // A shapefile winds exteriors clockwise.
    let mut wound = as_written.clone();
    wound.iter_mut().for_each(|ring| ring.reverse());
    match assemble(wound) {
        Ok(polygons) => Ok((polygons, false)),
        // Some writers wind them as GeoJSON does. Then an exterior ring looks like a hole outside
        // every exterior, which no right file has.
        Err(reason) => match assemble(as_written) {
            Ok(polygons) => Ok((polygons, true)),
            Err(_) => Err(reason),
        },
    }
}

fn shape_rings(shape: &shapefile::Shape) -> Result<Vec<Vec<[f64; 2]>>, &'static str> {
    use shapefile::Shape;
    match shape {
        Shape::Polygon(polygon) => Ok(plain_rings(polygon.rings(), |p| [p.x, p.y])),
        Shape::PolygonZ(polygon) => Ok(plain_rings(polygon.rings(), |p| [p.x, p.y])),
        Shape::PolygonM(polygon) => Ok(plain_rings(polygon.rings(), |p| [p.x, p.y])),
        _ => Err("it should be a polygon"),
    }
}

fn plain_rings<P>(
    rings: &[shapefile::PolygonRing<P>],
    plain: impl Fn(&P) -> [f64; 2],
) -> Vec<Vec<[f64; 2]>> {
    rings
        .iter()
        .map(|ring| ring.points().iter().map(&plain).collect())
        .collect()
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

fn attributes_of_record(record: dbase::Record) -> BTreeMap<String, String> {
    use dbase::FieldValue;
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

/// What to call a feature in a message: its place in the file, and its id where it has one.
pub(crate) fn label(number: usize, attributes: &BTreeMap<String, String>) -> String {
    match attributes.get("id") {
        Some(id) => format!("{number} (`{id}`)"),
        None => number.to_string(),
    }
}

/// The error of one feature.
pub(crate) fn wrong_feature(file: &str, feature: &str, reason: impl Into<String>) -> PolygonError {
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
