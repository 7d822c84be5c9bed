//! Coordinates of polygon files as integers, so that a vertex shared by two areas stays one vertex.
//!
//! Rings that are not closed, have no area or have fewer than three distinct vertices are rejected.
//! Rings that cross are not detected; `dataset::validation` detects them, once, when a file is
//! imported.

use geo::Coord;

use super::rings::{Polygon, Ring, doubled_signed_area};

/// Units per degree. A unit of 1e-9° is a tenth of a millimetre, so every decimal place in a
/// published file is preserved.
const UNITS_PER_DEGREE: f64 = 1e9;
/// Units per metre: the millimetres of `domain::BritishGrid`.
const UNITS_PER_METRE: f64 = 1e3;

/// The EPSG code of British National Grid.
pub(super) const BNG_EPSG_CODE: i32 = 27_700;

/// The coordinate reference system of a polygon file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crs {
    /// WGS84 or ETRS89 longitude and latitude, in degrees.
    LonLat,
    /// British National Grid, in metres.
    BritishGrid,
}

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
    // No range contains NaN.
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

/// Parses a ring, which must be closed, without changing its direction.
pub(super) fn parse_ring(crs: Crs, positions: &[[f64; 2]]) -> Result<Ring, &'static str> {
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
fn parse_polygon(crs: Crs, rings: &[Vec<[f64; 2]>]) -> Result<(Polygon, bool), &'static str> {
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

/// Parses polygons. The first ring of each polygon is its exterior. Also returns whether rings were
/// reversed.
pub fn parse_multi_polygon(
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
