//! Converts boundaries to `geo` polygons in planar coordinates (metres of the British National
//! Grid), for overlays, and converts the results back.
//!
//! The vertices of a boundary are whole millimetres, so an edge that two areas share cancels
//! exactly. If two areas follow the same line with different vertices, rounding leaves slivers up
//! to a millimetre wide. [`is_sliver`] detects such slivers.

use geo::{Area as _, Coord, Euclidean, Length as _, LineString, MapCoords, MultiPolygon, Polygon};

use crate::domain::{Boundary, BritishGrid, GridPolygon, LonLat};
use crate::geodesy;

/// A polygon with a smaller mean width is treated as a sliver that results from rounding vertices
/// to millimetres. Rounding moves each of the two sides of a sliver by up to half a millimetre
/// along each axis. The limit allows the same amount for the intersections of an overlay.
const SLIVER_WIDTH_M: f64 = 0.002;

/// The number of square metres in a square kilometre.
pub const M2_PER_KM2: f64 = 1e6;

/// Returns the polygons of a boundary in metres.
pub fn to_planar(boundary: &Boundary) -> MultiPolygon<f64> {
    boundary.grid.iter().map(polygon_to_planar).collect()
}

fn polygon_to_planar(polygon: &GridPolygon) -> Polygon<f64> {
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

/// Transforms polygons in metres to longitude and latitude, without rounding.
///
/// Polygons outside the extent of OSTN15 are omitted. In practice, there are no such polygons: the
/// extent is a rectangle that contains all boundaries of a dataset, and therefore all overlays of
/// these boundaries.
pub fn to_lonlat(polygons: &MultiPolygon<f64>) -> MultiPolygon<f64> {
    let to_degrees = |position: Coord<f64>| {
        let (lon, lat) = geodesy::to_lonlat_degrees(position.x, position.y).ok_or(())?;
        Ok::<_, ()>(Coord { x: lon, y: lat })
    };
    let parts = polygons
        .iter()
        .filter_map(|part| part.try_map_coords(to_degrees).ok());
    MultiPolygon::from_iter(parts)
}

/// Transforms a position in metres to longitude and latitude; `None` outside the extent of OSTN15.
pub fn to_point(position: Coord<f64>) -> Option<LonLat> {
    geodesy::to_lonlat(BritishGrid::from_metres(position.x, position.y).ok()?)
}

/// Returns the mean width of a polygon in metres, calculated as for a long thin strip: twice the
/// area divided by the length of the rings.
pub fn mean_width_m(polygon: &Polygon<f64>) -> f64 {
    let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
    let perimeter_m: f64 = rings.map(|ring| Euclidean.length(ring)).sum();
    if perimeter_m == 0.0 {
        return 0.0;
    }
    2.0 * polygon.unsigned_area() / perimeter_m
}

/// Returns whether a polygon is a sliver that results from rounding vertices.
pub fn is_sliver(polygon: &Polygon<f64>) -> bool {
    mean_width_m(polygon) < SLIVER_WIDTH_M
}

/// Returns the polygons that are not slivers.
pub fn remove_slivers(polygons: MultiPolygon<f64>) -> MultiPolygon<f64> {
    polygons
        .into_iter()
        .filter(|part| !is_sliver(part))
        .collect()
}

/// Returns the area in square metres on the grid, which differs from the area on the Earth by less
/// than 0.1%.
pub fn area_m2(polygons: &MultiPolygon<f64>) -> f64 {
    polygons.unsigned_area()
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
    fn areas_that_share_an_edge_do_not_overlap() {
        let both = square(300_000.0, 1_000.0).intersection(&square(301_000.0, 1_000.0));
        assert!(remove_slivers(both).0.is_empty());
    }

    #[test]
    fn a_millimetre_is_a_sliver_and_a_centimetre_is_not() {
        let overlap = |width_m: f64| {
            let right = square(301_000.0 - width_m, 1_000.0);
            remove_slivers(square(300_000.0, 1_000.0).intersection(&right))
        };
        assert!(overlap(0.001).0.is_empty());
        let strip = overlap(0.01);
        assert!((mean_width_m(&strip.0[0]) - 0.01).abs() < 0.001);
        assert!((area_m2(&strip) - 10.0).abs() < 0.5);
    }
}
