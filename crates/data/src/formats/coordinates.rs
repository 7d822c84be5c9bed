//! Coordinates of polygon files as integers, so that a vertex that two areas share remains one
//! vertex.
//!
//! Rings that are not closed, have no area or have fewer than three distinct vertices are rejected.
//! Rings that cross are not detected here. The module `dataset::validation` detects them once, when
//! a file is imported.

use geo::Coord;

use super::crs::{Crs, SourceCrs};
use super::rings::{Polygon, Ring, doubled_signed_area};

/// Units per degree. A unit of 1e-9° is a tenth of a millimetre, so every decimal place in a
/// published file is preserved.
const UNITS_PER_DEGREE: f64 = 1e9;
/// Units per metre: the millimetres of `domain::BritishGrid`.
const UNITS_PER_METRE: f64 = 1e3;

/// The EPSG code of British National Grid.
pub(super) const BNG_EPSG_CODE: i32 = 27_700;

/// The rings of each polygon, the exterior ring first, with positions in degrees or metres.
pub(crate) type PolygonRings = Vec<Vec<Vec<[f64; 2]>>>;

fn units_per_crs_unit(crs: Crs) -> f64 {
    match crs {
        Crs::LonLat => UNITS_PER_DEGREE,
        Crs::BritishGrid => UNITS_PER_METRE,
    }
}

/// Converts a vertex in units of `crs` to degrees or metres.
#[expect(clippy::cast_precision_loss, reason = "at most 1.8e11, far below 2^53")]
pub fn from_units(crs: Crs, vertex: Coord<i64>) -> (f64, f64) {
    (
        vertex.x as f64 / units_per_crs_unit(crs),
        vertex.y as f64 / units_per_crs_unit(crs),
    )
}

fn to_units(crs: Crs, [x, y]: [f64; 2]) -> Result<Coord<i64>, &'static str> {
    let (bound, reason) = match crs {
        Crs::LonLat => (
            360.0,
            "a vertex is not in degrees; is the coordinate reference system of the file correct?",
        ),
        Crs::BritishGrid => (1e7, "a vertex is far outside the British National Grid"),
    };
    // NaN is in no range.
    if !(-bound..=bound).contains(&x) || !(-bound..=bound).contains(&y) {
        return Err(reason);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 3.6e11 or 1e10")]
    let rounded = |value: f64| (value * units_per_crs_unit(crs)).round() as i64;
    Ok(Coord {
        x: rounded(x),
        y: rounded(y),
    })
}

/// The options for parsing the rings of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct RingParser {
    /// The coordinate reference system of the file.
    pub(super) crs: SourceCrs,
    /// Whether the polygons are repaired afterwards. If so, rings without an area are retained, and
    /// rings that are only a point or a line are dropped. Otherwise, both kinds of rings are
    /// errors.
    pub(super) keep_invalid: bool,
}

/// Parsed polygons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ParsedPolygons {
    pub(super) polygons: Vec<Polygon>,
    /// Whether rings were reversed.
    pub(super) reoriented: bool,
    /// Whether rings that are only a point or a line were dropped.
    pub(super) dropped_rings: bool,
}

impl RingParser {
    /// Parses a ring, which must be closed, without changing its direction. Returns `None` if the
    /// ring is dropped.
    pub(super) fn parse_ring(self, positions: &[[f64; 2]]) -> Result<Option<Ring>, &'static str> {
        let ring = parse_positions(self.crs, positions)?;
        match (ring.len(), self.keep_invalid) {
            (3.., true) => Ok(Some(ring)),
            (_, true) => Ok(None),
            (..3, false) => Err(UNCLOSED),
            _ if doubled_signed_area(&ring) == 0 => Err("a ring has no area"),
            _ => Ok(Some(ring)),
        }
    }

    /// Parses polygons. The first ring of each polygon is its exterior.
    pub(super) fn parse_multi_polygon(
        self,
        parts: &[Vec<Vec<[f64; 2]>>],
    ) -> Result<ParsedPolygons, &'static str> {
        if parts.is_empty() {
            return Err("a polygon has no rings");
        }
        let mut parsed = ParsedPolygons::default();
        for rings in parts {
            self.parse_polygon(rings, &mut parsed)?;
        }
        Ok(parsed)
    }

    fn parse_polygon(
        self,
        rings: &[Vec<[f64; 2]>],
        parsed: &mut ParsedPolygons,
    ) -> Result<(), &'static str> {
        if rings.is_empty() {
            return Err("a polygon has no rings");
        }
        let mut polygon = Vec::with_capacity(rings.len());
        for (index, positions) in rings.iter().enumerate() {
            let Some(mut ring) = self.parse_ring(positions)? else {
                parsed.dropped_rings = true;
                // A polygon without its exterior is dropped.
                if index == 0 {
                    return Ok(());
                }
                continue;
            };
            // Before RFC 7946, the orientation was not specified, and the first ring was the
            // exterior.
            if (doubled_signed_area(&ring) > 0) != (index == 0) {
                ring.reverse();
                parsed.reoriented = true;
            }
            polygon.push(ring);
        }
        parsed.polygons.push(polygon);
        Ok(())
    }
}

const UNCLOSED: &str = "a ring should have at least four positions, the last equal to the first";

/// Parses the positions of a closed ring. Omits the last position, which repeats the first, and
/// every position that repeats its predecessor.
fn parse_positions(crs: SourceCrs, positions: &[[f64; 2]]) -> Result<Ring, &'static str> {
    let mut ring = Vec::with_capacity(positions.len());
    for &position in positions {
        let stored = crs
            .to_stored(position)
            .ok_or("a vertex is far outside the British National Grid")?;
        let vertex = to_units(crs.stored(), stored)?;
        if ring.last() != Some(&vertex) {
            ring.push(vertex);
        }
    }
    if positions.first() != positions.last() || positions.len() < 4 {
        return Err(UNCLOSED);
    }
    ring.pop();
    Ok(ring)
}

/// Parses polygons. The first ring of each polygon is its exterior. Also returns whether rings were
/// reversed.
pub fn parse_multi_polygon(
    crs: Crs,
    parts: &[Vec<Vec<[f64; 2]>>],
) -> Result<(Vec<Polygon>, bool), &'static str> {
    let parser = RingParser {
        crs: crs.into(),
        keep_invalid: false,
    };
    let parsed = parser.parse_multi_polygon(parts)?;
    Ok((parsed.polygons, parsed.reoriented))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
