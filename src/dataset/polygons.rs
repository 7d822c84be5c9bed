//! Reads polygon layers from GeoJSON and Shapefile. Coordinates are integers, so that a vertex
//! shared by two areas stays one vertex.
//!
//! The reader rejects rings that are not closed, have no area or have fewer than three distinct
//! vertices. The reader does not detect rings that cross; [`PolygonFile::validated`] detects them,
//! once, when a file is imported.

use std::collections::BTreeMap;
use std::io::Cursor;

use geo::{Coord, LineString, MultiPolygon};
use geojson::{GeoJson, GeometryValue};
use shapefile::dbase;

use super::rings::{Polygon, Ring, assemble_polygons, doubled_signed_area, polygons_by_nesting};
use super::validity::find_topology_error;
use crate::domain::{Boundary, BritishGrid, CatchmentKind, GridPolygon, LonLat, Period};
use crate::geodesy;

/// Units per degree. A unit of 1e-9° is a tenth of a millimetre, so every decimal place in a
/// published file is preserved.
const UNITS_PER_DEGREE: f64 = 1e9;
/// Units per metre: the millimetres of [`BritishGrid`].
const UNITS_PER_METRE: f64 = 1e3;

/// The maximum number of invalid features that an error names after the first. The error counts all
/// invalid features.
const INVALID_FEATURES_NAMED_MAX: usize = 10;

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
pub(crate) struct PolygonFeature {
    /// The position of the feature in the file, counted from 1.
    pub(crate) ordinal: usize,
    /// The attributes as text, by name in lower case. Blank attributes are left out.
    pub(crate) attributes: BTreeMap<String, String>,
    /// The polygons, in units of the file's coordinate reference system.
    pub(crate) polygons: Vec<Polygon>,
    /// Whether rings were reversed, because they did not have the orientation that RFC 7946
    /// requires or, in a Shapefile, the orientation that the Shapefile format requires. All
    /// GeoPackages written by GDAL have such rings.
    pub(crate) reoriented: bool,
}

/// A polygon file that has been read.
#[derive(Debug, Clone)]
pub(crate) struct PolygonFile {
    pub(crate) name: String,
    pub(crate) crs: Crs,
    pub(crate) features: Vec<PolygonFeature>,
}

/// An error in a polygon file.
#[derive(Debug, thiserror::Error)]
pub enum PolygonError {
    /// An error in the file as a whole.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// The reason.
        reason: String,
    },
    /// An error in one feature.
    #[error("{file}, feature {feature}: {reason}")]
    Feature {
        /// The file.
        file: String,
        /// The position of the feature in the file, counted from 1, and its id if it has one.
        feature: String,
        /// The reason.
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
    /// The coordinate reference system.
    pub(crate) prj: &'a str,
    /// The content of the `.cpg`, the code page of the attributes. If there is no `.cpg`, the
    /// language byte of the `.dbf` determines the code page; if that byte is not set either, the
    /// code page is UTF-8.
    pub(crate) cpg: Option<&'a str>,
}

/// The features of a GeoJSON file, both valid and invalid.
pub(crate) struct GeoJsonFeatures {
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

impl PolygonFile {
    /// Reads GeoJSON in the format of RFC 7946, or in the earlier format with a `crs` member. The
    /// `crs` member must name longitude and latitude or British National Grid.
    pub(crate) fn from_geojson(name: &str, bytes: &[u8]) -> Result<PolygonFile, PolygonError> {
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
        Self::new_non_empty(name, parsed.crs, features)
    }

    /// Reads an ESRI Shapefile: `.shp` with `.dbf`, `.prj` and `.cpg`. Assigns holes to exterior
    /// rings, because the format does not do so.
    pub(crate) fn from_shapefile(
        name: &str,
        parts: &ShapefileParts<'_>,
    ) -> Result<PolygonFile, PolygonError> {
        let file_error = |reason: String| PolygonError::File {
            file: name.into(),
            reason,
        };
        let crs = crs_from_prj(parts.prj).map_err(|reason| file_error(reason.into()))?;
        let shapes = read_shapes(parts.shp).map_err(file_error)?;
        let records = read_records(parts.dbf, parts.cpg).map_err(file_error)?;
        if shapes.len() != records.len() {
            let (shapes, records) = (shapes.len(), records.len());
            return Err(file_error(format!(
                "its .shp has {shapes} shapes but its .dbf has {records} records; the numbers should be equal"
            )));
        }
        let mut features = Vec::with_capacity(shapes.len());
        for (index, (shape, attributes)) in shapes.into_iter().zip(records).enumerate() {
            let label = feature_label(index + 1, &attributes);
            let (polygons, reoriented) =
                shape_polygons(shape, crs).map_err(|reason| feature_error(name, &label, reason))?;
            features.push(PolygonFeature {
                ordinal: index + 1,
                attributes,
                polygons,
                reoriented,
            });
        }
        Self::new_non_empty(name, crs, features)
    }

    /// Returns the file if every feature is a valid area: no ring crosses or touches itself, holes
    /// are inside their exterior and do not disconnect its interior, and parts neither overlap nor
    /// share an edge.
    ///
    /// # Errors
    /// If a feature is invalid. The error describes the first invalid feature, and names and counts
    /// the other invalid features.
    pub(crate) fn validated(self) -> Result<PolygonFile, PolygonError> {
        let invalid: Vec<(String, &'static str)> = self
            .features
            .iter()
            .filter_map(|feature| {
                let reason = find_topology_error(&feature.polygons)?.reason();
                Some((feature_label(feature.ordinal, &feature.attributes), reason))
            })
            .collect();
        match invalid.as_slice() {
            [] => Ok(self),
            [(label, reason)] => Err(feature_error(&self.name, label, *reason)),
            [(label, reason), others @ ..] => {
                let others: Vec<&str> = others.iter().map(|(label, _)| label.as_str()).collect();
                let named = others[..others.len().min(INVALID_FEATURES_NAMED_MAX)].join(", ");
                let reason = format!("{reason}; {} more are invalid: {named}", others.len());
                Err(feature_error(&self.name, label, reason))
            }
        }
    }

    /// Converts parts that are inside another part of the same feature to holes, because ArcGIS
    /// writes some holes as such parts. Returns the labels of the changed features. Vertices do not
    /// change, and neither do features that are invalid for other reasons.
    pub(crate) fn nested_parts_to_holes(&mut self) -> Vec<String> {
        let mut changed = Vec::new();
        for feature in &mut self.features {
            let has_parts = feature.polygons.len() > 1;
            if !has_parts || find_topology_error(&feature.polygons).is_none() {
                continue;
            }
            let rings = feature.polygons.iter().flatten().cloned().collect();
            if let Ok(polygons) = polygons_by_nesting(rings)
                && find_topology_error(&polygons).is_none()
            {
                feature.polygons = polygons;
                changed.push(feature_label(feature.ordinal, &feature.attributes));
            }
        }
        changed
    }

    /// Returns the labels of the features whose rings were reversed.
    pub(crate) fn reoriented(&self) -> Vec<String> {
        self.features
            .iter()
            .filter(|feature| feature.reoriented)
            .map(|feature| feature_label(feature.ordinal, &feature.attributes))
            .collect()
    }

    /// Creates a polygon file. Returns an error if there are no features.
    pub(crate) fn new_non_empty(
        name: &str,
        crs: Crs,
        features: Vec<PolygonFeature>,
    ) -> Result<PolygonFile, PolygonError> {
        if features.is_empty() {
            return Err(PolygonError::File {
                file: name.into(),
                reason: "the file has no features".into(),
            });
        }
        Ok(PolygonFile {
            name: name.into(),
            crs,
            features,
        })
    }

    /// Returns an attribute of a feature by name, ignoring case, or an error if the feature does
    /// not have the attribute.
    pub(crate) fn attribute<'f>(
        &self,
        feature: &'f PolygonFeature,
        attribute: &str,
    ) -> Result<&'f str, PolygonError> {
        feature
            .attributes
            .get(&attribute.to_lowercase())
            .map(String::as_str)
            .ok_or_else(|| {
                let label = feature_label(feature.ordinal, &feature.attributes);
                feature_error(&self.name, &label, format!("no attribute `{attribute}`"))
            })
    }

    /// Converts the polygons of a feature to a boundary.
    pub(crate) fn boundary(
        &self,
        feature: &PolygonFeature,
        id: String,
        period: Period,
    ) -> Result<Boundary, PolygonError> {
        boundary(self.crs, &feature.polygons, id, period).map_err(|reason| {
            feature_error(
                &self.name,
                &feature_label(feature.ordinal, &feature.attributes),
                reason,
            )
        })
    }
}

/// Converts polygons in units of `crs` to a boundary in both coordinate reference systems.
pub(crate) fn boundary(
    crs: Crs,
    polygons: &[Polygon],
    id: String,
    period: Period,
) -> Result<Boundary, String> {
    let mut lonlat = Vec::with_capacity(polygons.len());
    let mut grid = Vec::with_capacity(polygons.len());
    for polygon in polygons {
        let (mut lonlat_rings, mut grid_rings) = (Vec::new(), Vec::new());
        for ring in polygon {
            let (line, vertices) = ring_in_both_crs(crs, ring)?;
            lonlat_rings.push(line);
            grid_rings.push(vertices);
        }
        let mut lonlat_rings = lonlat_rings.into_iter();
        let exterior = lonlat_rings.next().ok_or("a polygon has no rings")?;
        lonlat.push(geo::Polygon::new(exterior, lonlat_rings.collect()));
        grid.push(GridPolygon { rings: grid_rings });
    }
    Ok(Boundary {
        id,
        catchment_kind: CatchmentKind::Whole,
        period,
        lonlat: MultiPolygon::new(lonlat),
        grid,
    })
}

fn ring_in_both_crs(crs: Crs, ring: &Ring) -> Result<(LineString<f64>, Vec<BritishGrid>), String> {
    let mut line = Vec::with_capacity(ring.len() + 1);
    let mut vertices = Vec::with_capacity(ring.len());
    for &vertex in ring {
        let (lonlat, grid) = position_in_both_crs(crs, vertex)
            .ok_or("a vertex is outside the British National Grid")?;
        line.push(Coord {
            x: lonlat.lon(),
            y: lonlat.lat(),
        });
        vertices.push(grid);
    }
    line.push(line[0]);
    Ok((LineString::new(line), vertices))
}

fn position_in_both_crs(crs: Crs, vertex: (i64, i64)) -> Option<(LonLat, BritishGrid)> {
    let (x, y) = from_units(crs, vertex);
    match crs {
        Crs::LonLat => {
            let lonlat = LonLat::new(x, y).ok()?;
            Some((lonlat, geodesy::to_grid(lonlat)?))
        }
        Crs::BritishGrid => {
            let grid = BritishGrid::from_metres(x, y).ok()?;
            Some((geodesy::to_lonlat(grid)?, grid))
        }
    }
}

/// Returns the longitude and latitude, in degrees, of a vertex in units of `crs`.
pub(crate) fn vertex_lonlat(crs: Crs, vertex: (i64, i64)) -> Option<(f64, f64)> {
    let (x, y) = from_units(crs, vertex);
    match crs {
        Crs::LonLat => Some((x, y)),
        Crs::BritishGrid => geodesy::to_lonlat_degrees(x, y),
    }
}

fn units_per_crs_unit(crs: Crs) -> f64 {
    match crs {
        Crs::LonLat => UNITS_PER_DEGREE,
        Crs::BritishGrid => UNITS_PER_METRE,
    }
}

/// Converts a vertex in units of `crs` to degrees or metres.
#[expect(clippy::cast_precision_loss, reason = "at most 1.8e11, far below 2^53")]
pub(crate) fn from_units(crs: Crs, (x, y): (i64, i64)) -> (f64, f64) {
    (
        x as f64 / units_per_crs_unit(crs),
        y as f64 / units_per_crs_unit(crs),
    )
}

fn to_units(crs: Crs, [x, y]: [f64; 2]) -> Result<(i64, i64), &'static str> {
    let (bound, reason) = match crs {
        Crs::LonLat => (
            360.0,
            "a vertex is not in degrees; is the coordinate reference system of the file correct?",
        ),
        Crs::BritishGrid => (1e7, "a vertex is far outside the British National Grid"),
    };
    // No range contains NaN.
    if !(-bound..=bound).contains(&x) || !(-bound..=bound).contains(&y) {
        return Err(reason);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 3.6e11 or 1e10")]
    let rounded = |value: f64| (value * units_per_crs_unit(crs)).round() as i64;
    Ok((rounded(x), rounded(y)))
}

/// Parses a ring, which must be closed, without changing its direction.
fn parse_ring(crs: Crs, positions: &[[f64; 2]]) -> Result<Ring, &'static str> {
    let mut ring = Vec::with_capacity(positions.len());
    for &position in positions {
        let vertex = to_units(crs, position)?;
        if ring.last() != Some(&vertex) {
            ring.push(vertex);
        }
    }
    if positions.first() != positions.last() || ring.len() < 4 {
        return Err("a ring should have at least four positions, the last equal to the first");
    }
    ring.pop();
    if doubled_signed_area(&ring) == 0 {
        return Err("a ring has no area");
    }
    Ok(ring)
}

/// Parses a polygon, whose first ring is its exterior. Also returns whether rings were reversed.
pub(crate) fn parse_polygon(
    crs: Crs,
    rings: &[Vec<[f64; 2]>],
) -> Result<(Polygon, bool), &'static str> {
    if rings.is_empty() {
        return Err("a polygon has no rings");
    }
    let mut polygon = Vec::with_capacity(rings.len());
    let mut reoriented = false;
    for (index, positions) in rings.iter().enumerate() {
        let mut ring = parse_ring(crs, positions)?;
        // Before RFC 7946 the orientation was not specified; the first ring is the exterior.
        if (doubled_signed_area(&ring) > 0) != (index == 0) {
            ring.reverse();
            reoriented = true;
        }
        polygon.push(ring);
    }
    Ok((polygon, reoriented))
}

/// Reads the features of a GeoJSON file. An invalid feature does not prevent the other features
/// from being read.
///
/// # Errors
/// If the file as a whole is invalid.
pub(crate) fn read_geojson_features(bytes: &[u8]) -> Result<GeoJsonFeatures, String> {
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
) -> Result<(Vec<Polygon>, bool), &'static str> {
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

/// Parses polygons. The first ring of each polygon is its exterior. Also returns whether rings were
/// reversed.
pub(crate) fn parse_multi_polygon(
    crs: Crs,
    parts: &[Vec<Vec<[f64; 2]>>],
) -> Result<(Vec<Polygon>, bool), &'static str> {
    if parts.is_empty() {
        return Err("a polygon has no rings");
    }
    let mut polygons = Vec::with_capacity(parts.len());
    let mut any_reoriented = false;
    for rings in parts {
        let (polygon, reoriented) = parse_polygon(crs, rings)?;
        polygons.push(polygon);
        any_reoriented |= reoriented;
    }
    Ok((polygons, any_reoriented))
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
fn crs_from_member(member: &serde_json::Value) -> Result<Crs, String> {
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

/// Reads the shapes of a `.shp` file.
fn read_shapes(shp: &[u8]) -> Result<Vec<shapefile::Shape>, String> {
    check_length(shp)?;
    let mut reader =
        shapefile::ShapeReader::new(Cursor::new(shp)).map_err(|error| error.to_string())?;
    let mut shapes = Vec::new();
    for shape in reader.iter_shapes() {
        let ordinal = shapes.len() + 1;
        shapes.push(shape.map_err(|error| format!("shape {ordinal} of its .shp: {error}"))?);
    }
    Ok(shapes)
}

/// Checks the file size against the length in the header (bytes 24 to 27, in 16-bit words), because
/// a truncated file would otherwise be read up to its end without an error.
fn check_length(shp: &[u8]) -> Result<(), String> {
    let Some(&[a, b, c, d]) = shp.get(24..28) else {
        return Err("its .shp should begin with a header of 100 bytes".into());
    };
    let header_bytes = 2 * u64::from(u32::from_be_bytes([a, b, c, d]));
    if header_bytes == shp.len() as u64 {
        return Ok(());
    }
    Err(format!(
        "its .shp has {} bytes, but its header states {header_bytes}; was the file truncated?",
        shp.len()
    ))
}

/// Reads the attributes of each record of a `.dbf` file.
fn read_records(dbf: &[u8], cpg: Option<&str>) -> Result<Vec<BTreeMap<String, String>>, String> {
    let mut builder = dbase::ReaderBuilder::new();
    if let Some(encoding) = dbf_encoding(dbf, cpg)? {
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
                "record {} of its .dbf, column `{name}`: the text is not valid in the code page; \
                 its .cpg should name the correct code page",
                records.len() + 1
            ));
        }
        records.push(attributes);
    }
    Ok(records)
}

/// Returns the encoding that the `.cpg` names or, if there is no `.cpg`, the encoding that the
/// language byte of the `.dbf` names. Neither the `.cpg` nor the language byte is standardised.
/// ESRI and GDAL write the language byte 0x57 for Latin 1; the `dbase` crate does not recognise
/// this byte.
fn dbf_encoding(
    dbf: &[u8],
    cpg: Option<&str>,
) -> Result<Option<dbase::encoding::DynEncoding>, String> {
    const LANGUAGE_BYTE: usize = 29;
    const ANSI: u8 = 0x57;
    let Some(code_page) = cpg else {
        let is_ansi = dbf.get(LANGUAGE_BYTE) == Some(&ANSI);
        let ansi = is_ansi.then(|| dbase::encoding::DynEncoding::from_name("1252"));
        return Ok(ansi.flatten());
    };
    let normalised: String = code_page
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let name = match normalised.as_str() {
        "utf8" | "65001" | "cp65001" | "usascii" | "ascii" => "UTF-8",
        "latin1" | "iso88591" | "88591" | "1252" | "cp1252" | "windows1252" | "ansi1252" => "1252",
        "iso885915" | "885915" | "latin9" => "8859-15",
        _ => "",
    };
    match dbase::encoding::DynEncoding::from_name(name) {
        Some(encoding) => Ok(Some(encoding)),
        None => Err(format!(
            "its .cpg names `{}`; it should name UTF-8, ISO-8859-1, ISO-8859-15 or 1252",
            code_page.trim()
        )),
    }
}

fn shape_polygons(shape: shapefile::Shape, crs: Crs) -> Result<(Vec<Polygon>, bool), &'static str> {
    let rings = shape_rings(&shape)?;
    let as_written = rings
        .iter()
        .map(|positions| parse_ring(crs, positions))
        .collect::<Result<Vec<Ring>, _>>()?;
    if as_written.is_empty() {
        return Err("a polygon has no rings");
    }
    // The exteriors of a Shapefile are clockwise.
    let mut reversed = as_written.clone();
    reversed.iter_mut().for_each(|ring| ring.reverse());
    match assemble_polygons(reversed) {
        Ok(polygons) => Ok((polygons, false)),
        // Some writers use the orientation of GeoJSON. In their files, an exterior looks like a
        // hole outside every exterior. A correct file never has such a hole.
        Err(reason) => match assemble_polygons(as_written) {
            Ok(polygons) => Ok((polygons, true)),
            Err(_) => Err(reason),
        },
    }
}

fn shape_rings(shape: &shapefile::Shape) -> Result<Vec<Vec<[f64; 2]>>, &'static str> {
    use shapefile::Shape;
    match shape {
        Shape::Polygon(polygon) => Ok(xy_rings(polygon.rings(), |p| [p.x, p.y])),
        Shape::PolygonZ(polygon) => Ok(xy_rings(polygon.rings(), |p| [p.x, p.y])),
        Shape::PolygonM(polygon) => Ok(xy_rings(polygon.rings(), |p| [p.x, p.y])),
        _ => Err("it should be a polygon"),
    }
}

fn xy_rings<P>(
    rings: &[shapefile::PolygonRing<P>],
    to_xy: impl Fn(&P) -> [f64; 2],
) -> Vec<Vec<[f64; 2]>> {
    rings
        .iter()
        .map(|ring| ring.points().iter().map(&to_xy).collect())
        .collect()
}

/// Returns the coordinate reference system of a `.prj`. Recognises the names that occur in
/// practice, and rejects any other name instead of guessing.
fn crs_from_prj(prj: &str) -> Result<Crs, &'static str> {
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
        Err("its .prj should name British National Grid (EPSG:27700) or WGS 84 (EPSG:4326)")
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

/// Returns the label of a feature for messages: its position in the file, and its id if it has one.
pub(crate) fn feature_label(ordinal: usize, attributes: &BTreeMap<String, String>) -> String {
    match attributes.get("id") {
        Some(id) => format!("{ordinal} (`{id}`)"),
        None => ordinal.to_string(),
    }
}

/// Returns an error about one feature.
pub(crate) fn feature_error(file: &str, feature: &str, reason: impl Into<String>) -> PolygonError {
    PolygonError::Feature {
        file: file.into(),
        feature: feature.into(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_geometry(geometry: &str) -> Result<PolygonFile, PolygonError> {
        let text = format!(
            r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"id":"a"}},"geometry":{geometry}}}]}}"#
        );
        PolygonFile::from_geojson("a.geojson", text.as_bytes())
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
        assert!(PolygonFile::from_geojson("a", b"{").is_err());
        assert!(
            PolygonFile::from_geojson("a", br#"{"type":"FeatureCollection","features":[]}"#)
                .is_err()
        );
    }

    #[test]
    fn published_decimals_round_trip() {
        for degrees in [-2.456_648_8, 53.746_453_6, 54.1, -3.000_000_1] {
            let units = to_units(Crs::LonLat, [degrees, degrees]).expect("a position");
            assert_eq!(
                from_units(Crs::LonLat, units).0.to_bits(),
                f64::to_bits(degrees)
            );
        }
    }

    #[test]
    fn a_prj_is_recognised_or_rejected() {
        let grid =
            r#"PROJCS["British_National_Grid",GEOGCS["GCS_OSGB_1936",DATUM["D_OSGB_1936"]]]"#;
        assert_eq!(crs_from_prj(grid), Ok(Crs::BritishGrid));
        assert_eq!(
            crs_from_prj(r#"GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984"]]"#),
            Ok(Crs::LonLat)
        );
        assert!(crs_from_prj(r#"PROJCS["WGS_1984_Web_Mercator",GEOGCS["GCS_WGS_1984"]]"#).is_err());
        assert!(crs_from_prj("").is_err());
    }
}
