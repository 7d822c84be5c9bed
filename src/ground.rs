//! Ground to be laid over other ground: boundaries as `geo` polygons in metres of the British
//! National Grid, and back.
//!
//! A boundary's vertices are whole millimetres, so an edge that two areas share cancels exactly.
//! Where they share a course but not its vertices, rounding leaves slivers of up to a millimetre:
//! [`is_rounding`] tells them from ground.

use geo::{
    Area as _, Coord, Euclidean, Length as _, LineString, MapCoords, MultiPolygon, Polygon,
    RemoveRepeatedPoints,
};

use crate::domain::{Boundary, BritishGrid, GridPolygon, LonLat};
use crate::geodesy;
use crate::geojson::to_7_decimals;

/// Ground of less mean width is the rounding of vertices to millimetres: half of one on either
/// side, along both axes, and as much again for where an overlay puts a crossing.
const ROUNDING_WIDTH_M: f64 = 0.002;

/// Square metres of a square kilometre.
pub(crate) const M2_PER_KM2: f64 = 1e6;

/// The boundary's polygons in metres.
pub(crate) fn in_metres(boundary: &Boundary) -> MultiPolygon<f64> {
    boundary.grid.iter().map(polygon_in_metres).collect()
}

fn polygon_in_metres(polygon: &GridPolygon) -> Polygon<f64> {
    let mut rings = polygon.rings.iter().map(|ring| {
        let vertices = ring.iter().map(|vertex| Coord {
            x: vertex.easting_m(),
            y: vertex.northing_m(),
        });
        let mut line: LineString<f64> = vertices.collect();
        line.close();
        line
    });
    let exterior = rings.next().unwrap_or_else(|| LineString::new(Vec::new()));
    Polygon::new(exterior, rings.collect())
}

/// Ground in metres as lon/lat with 7 decimals, without the places that these make the same.
///
/// A part that leaves the grid of OSTN15 is left out. No boundary that was read has one: the grid is
/// a rectangle, and what an overlay makes lies between vertices that are on it.
pub(crate) fn to_lonlat(ground: &MultiPolygon<f64>) -> MultiPolygon<f64> {
    let shown = |position: Coord<f64>| {
        let (lon, lat) = geodesy::to_lonlat_degrees(position.x, position.y).ok_or(())?;
        Ok::<_, ()>(Coord {
            x: to_7_decimals(lon),
            y: to_7_decimals(lat),
        })
    };
    let parts = ground
        .iter()
        .filter_map(|part| part.try_map_coords(shown).ok());
    MultiPolygon::from_iter(parts).remove_repeated_points()
}

/// A place in metres as a longitude and latitude.
pub(crate) fn place(metres: Coord<f64>) -> Option<LonLat> {
    geodesy::to_lonlat(BritishGrid::from_metres(metres.x, metres.y).ok()?)
}

/// Metres across, taken for a long thin strip: twice the area by the length of all rings.
pub(crate) fn mean_width_m(polygon: &Polygon<f64>) -> f64 {
    let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
    let around: f64 = rings.map(|ring| Euclidean.length(ring)).sum();
    if around == 0.0 {
        return 0.0;
    }
    2.0 * polygon.unsigned_area() / around
}

/// Whether it is no ground, but the rounding of vertices.
pub(crate) fn is_rounding(polygon: &Polygon<f64>) -> bool {
    mean_width_m(polygon) < ROUNDING_WIDTH_M
}

/// Without the parts that are rounding.
pub(crate) fn without_rounding(ground: MultiPolygon<f64>) -> MultiPolygon<f64> {
    ground
        .into_iter()
        .filter(|part| !is_rounding(part))
        .collect()
}

/// Square metres on the grid, which are within 0.1% of those on the ground.
pub(crate) fn area_m2(ground: &MultiPolygon<f64>) -> f64 {
    ground.unsigned_area()
}

#[cfg(test)]
mod tests {
    use geo::{BooleanOps, polygon};

    use super::*;

    fn square(x: f64, side: f64) -> MultiPolygon<f64> {
        let (y, top) = (400_000.0, 400_000.0 + side);
        polygon![(x: x, y: y), (x: x + side, y: y), (x: x + side, y: top), (x: x, y: top)].into()
    }

    #[test]
    fn neighbours_that_share_an_edge_have_no_ground_in_common() {
        let both = square(300_000.0, 1_000.0).intersection(&square(301_000.0, 1_000.0));
        assert!(without_rounding(both).0.is_empty());
    }

    #[test]
    fn a_millimetre_is_rounding_and_a_centimetre_is_ground() {
        let overlap = |width_m: f64| {
            let right = square(301_000.0 - width_m, 1_000.0);
            without_rounding(square(300_000.0, 1_000.0).intersection(&right))
        };
        assert!(overlap(0.001).0.is_empty());
        let strip = overlap(0.01);
        assert!((mean_width_m(&strip.0[0]) - 0.01).abs() < 0.001);
        assert!((area_m2(&strip) - 10.0).abs() < 0.5);
    }
}
