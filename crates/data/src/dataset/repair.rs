//! Repairs invalid polygons in the same way as the `structure` method of `MakeValid` in GEOS
//! (`GeometryFixer` in JTS):
//!
//! - A ring covers every point that it winds around, in either direction. A ring that crosses or
//!   touches itself becomes several rings.
//! - A hole that overlaps or touches the area of its exterior is subtracted from this area. A hole
//!   outside its exterior becomes a polygon.
//! - Parts of a feature are united.
//!
//! The overlay uses integers, so vertices that are not at a crossing do not move, and areas that
//! shared an edge still share it.

use std::collections::HashMap;

use geo::Coord;
use i_overlay::core::fill_rule::FillRule;
use i_overlay::core::overlay::{ContourDirection, IntOverlayOptions, Overlay, ShapeType};
use i_overlay::core::overlay_rule::OverlayRule;
use i_overlay::core::relate::PredicateOverlay;
use i_overlay::i_float::int::point::IntPoint;
use i_overlay::i_shape::int::shape::{IntContour, IntShapes};

use super::boundary::{place_name, vertex_grid_metres};
use crate::formats::{Crs, PolygonError, PolygonFile};
use catchment_core::geometry::rings::{Polygon, Ring, doubled_signed_area};
use catchment_core::geometry::validity::{find_located_topology_error, find_topology_error};

/// The maximum distance of a vertex from the middle of its feature, in the integer units of the
/// overlay.
const EXTENT_MAX: i64 = 1 << 29;

/// The maximum number of passes of a repair. A further pass may be needed because rounding a
/// crossing to an integer can create new crossings.
const REPEATS_MAX: usize = 4;

/// Repairs the invalid features of a file. Adds a remark about each feature, with the position, the
/// change in its area and its new area.
///
/// # Errors
/// If nothing remains of a feature, or a feature is still invalid.
pub(crate) fn repair_features(file: &mut PolygonFile) -> Result<(), PolygonError> {
    let mut remarks = Vec::new();
    for index in 0..file.features.len() {
        let feature = &file.features[index];
        let reason = match find_located_topology_error(&feature.polygons) {
            Some((error, vertex)) => {
                format!("{} near {}", error.reason(), place_name(file.crs, vertex))
            }
            None if feature.dropped_rings => "a ring is only a point or a line".to_string(),
            None => continue,
        };
        let Some(repaired) = repair(&feature.polygons) else {
            return Err(file.error(feature, format!("{reason}; it cannot be repaired")));
        };
        if repaired.is_empty() {
            return Err(file.error(feature, format!("{reason}; it has no area")));
        }
        let before = area_m2(file.crs, &feature.polygons);
        let after = area_m2(file.crs, &repaired);
        remarks.push(format!(
            "feature {} was repaired: {reason}; its area changed by {:+.1} m² to {after:.1} m²",
            feature.label(),
            // Adding zero turns minus zero into zero.
            ((after - before) * 10.0).round() / 10.0 + 0.0
        ));
        file.features[index].polygons = repaired;
    }
    file.remarks.extend(remarks);
    Ok(())
}

/// Returns the repaired polygons, or `None` if they are still invalid after `REPEATS_MAX` passes.
fn repair(polygons: &[Polygon]) -> Option<Vec<Polygon>> {
    let mut repaired = polygons.to_vec();
    for _ in 0..REPEATS_MAX {
        let frame = OverlayFrame::around(&repaired);
        repaired = frame.polygons(&fix_polygons(&frame, &repaired));
        if repaired.is_empty() || find_topology_error(&repaired).is_none() {
            return Some(repaired);
        }
    }
    None
}

/// The conversion of coordinates to the integers of the overlay. The integers are relative to the
/// middle of the polygons and, for large features in degrees, divided.
struct OverlayFrame {
    middle: Coord<i64>,
    divisor: i64,
    /// The vertex for each point, so that a division does not move the vertex.
    vertices: HashMap<IntPoint, Coord<i64>>,
}

impl OverlayFrame {
    fn around(polygons: &[Polygon]) -> OverlayFrame {
        let vertices = || polygons.iter().flatten().flatten().copied();
        let first = vertices().next().unwrap_or_default();
        let (mut low, mut high) = (first, first);
        for vertex in vertices() {
            low = Coord {
                x: low.x.min(vertex.x),
                y: low.y.min(vertex.y),
            };
            high = Coord {
                x: high.x.max(vertex.x),
                y: high.y.max(vertex.y),
            };
        }
        let extent = (high.x - low.x).max(high.y - low.y) / 2 + 1;
        let mut frame = OverlayFrame {
            middle: (low + high) / 2,
            divisor: extent / EXTENT_MAX + 1,
            vertices: HashMap::new(),
        };
        for vertex in vertices() {
            frame.vertices.entry(frame.point(vertex)).or_insert(vertex);
        }
        frame
    }

    fn point(&self, vertex: Coord<i64>) -> IntPoint {
        let rounded = |value: i64| {
            let value = (value + self.divisor / 2).div_euclid(self.divisor);
            i32::try_from(value).expect("at most EXTENT_MAX")
        };
        let from_middle = vertex - self.middle;
        IntPoint::new(rounded(from_middle.x), rounded(from_middle.y))
    }

    fn contour(&self, ring: &Ring) -> IntContour {
        ring.iter().map(|&vertex| self.point(vertex)).collect()
    }

    fn vertex(&self, point: IntPoint) -> Coord<i64> {
        let moved = || Coord {
            x: i64::from(point.x) * self.divisor + self.middle.x,
            y: i64::from(point.y) * self.divisor + self.middle.y,
        };
        self.vertices.get(&point).copied().unwrap_or_else(moved)
    }

    /// Converts shapes to polygons, whose exteriors are counter-clockwise and whose holes are
    /// clockwise.
    fn polygons(&self, shapes: &IntShapes) -> Vec<Polygon> {
        let ring = |(index, contour): (usize, &IntContour)| {
            let mut ring: Ring = contour.iter().map(|&point| self.vertex(point)).collect();
            ring.dedup();
            if (doubled_signed_area(&ring) > 0) != (index == 0) {
                ring.reverse();
            }
            ring
        };
        let polygons = shapes.iter();
        polygons
            .map(|shape| shape.iter().enumerate().map(ring).collect())
            .collect()
    }
}

fn fix_polygons(frame: &OverlayFrame, polygons: &[Polygon]) -> IntShapes {
    let mut parts = IntShapes::new();
    for polygon in polygons {
        let Some((exterior, holes)) = polygon.split_first() else {
            continue;
        };
        let exterior = overlay(&fill(&frame.contour(exterior)), &IntShapes::new());
        let (mut cut_out, mut outside) = (IntShapes::new(), IntShapes::new());
        for hole in holes {
            let hole = fill(&frame.contour(hole));
            if meet(&exterior, &hole) {
                cut_out.extend(hole);
            } else if !exterior.is_empty() {
                outside.extend(hole);
            }
        }
        parts.extend(overlay(&exterior, &cut_out));
        parts.extend(outside);
    }
    overlay(&parts, &IntShapes::new())
}

/// Keeps every vertex, even between two collinear edges, because the vertex may also belong to a
/// neighbour.
fn options() -> IntOverlayOptions {
    IntOverlayOptions {
        preserve_input_collinear: true,
        output_direction: ContourDirection::CounterClockwise,
        preserve_output_collinear: true,
        min_output_area: 0,
        ogc: true,
    }
}

/// Returns the area around which a ring winds.
fn fill(ring: &IntContour) -> IntShapes {
    let mut overlay = Overlay::new_custom(ring.len(), options(), Default::default());
    overlay.add_contour(ring, ShapeType::Subject);
    oriented(overlay.overlay(OverlayRule::Subject, FillRule::NonZero))
}

/// Returns the union of `shapes`, from which the shapes in `without` are subtracted.
fn overlay(shapes: &IntShapes, without: &IntShapes) -> IntShapes {
    let size = shapes.iter().chain(without).flatten().map(Vec::len).sum();
    let mut overlay = Overlay::new_custom(size, options(), Default::default());
    overlay.add_shapes(shapes, ShapeType::Subject);
    overlay.add_shapes(without, ShapeType::Clip);
    oriented(overlay.overlay(OverlayRule::Difference, FillRule::NonZero))
}

/// Returns the shapes with counter-clockwise exteriors and clockwise holes, which the next overlay
/// expects. With the option `ogc`, the library returns the wrong orientation for a hole that
/// touches its exterior.
fn oriented(mut shapes: IntShapes) -> IntShapes {
    for shape in &mut shapes {
        for (index, contour) in shape.iter_mut().enumerate() {
            let ring: Ring = contour
                .iter()
                .map(|point| Coord::from((i64::from(point.x), i64::from(point.y))))
                .collect();
            if (doubled_signed_area(&ring) > 0) != (index == 0) {
                contour.reverse();
            }
        }
    }
    shapes
}

/// Returns whether shapes overlap or touch.
fn meet(shapes: &IntShapes, others: &IntShapes) -> bool {
    let size = shapes.iter().chain(others).flatten().map(Vec::len).sum();
    let mut overlay = PredicateOverlay::new(size);
    overlay.add_shapes(shapes, ShapeType::Subject);
    overlay.add_shapes(others, ShapeType::Clip);
    overlay.intersects()
}

/// Returns the area in square metres, which is the area of the exteriors without the holes.
fn area_m2(crs: Crs, polygons: &[Polygon]) -> f64 {
    let ring_area = |ring: &Ring| {
        let metres: Vec<(f64, f64)> = ring
            .iter()
            .filter_map(|&vertex| vertex_grid_metres(crs, vertex))
            .collect();
        let Some(&(x0, y0)) = metres.first() else {
            return 0.0;
        };
        let next = metres.iter().cycle().skip(1);
        let doubled: f64 = metres
            .iter()
            .zip(next)
            .map(|(a, b)| (a.0 - x0) * (b.1 - y0) - (b.0 - x0) * (a.1 - y0))
            .sum();
        doubled.abs() / 2.0
    };
    let polygon_area = |polygon: &Polygon| {
        let areas = polygon.iter().map(ring_area).enumerate();
        areas
            .map(|(index, area)| if index == 0 { area } else { -area })
            .sum::<f64>()
    };
    polygons.iter().map(polygon_area).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(pairs: &[(i64, i64)]) -> Ring {
        pairs.iter().copied().map(Coord::from).collect()
    }

    fn square(x: i64, y: i64, side: i64) -> Ring {
        ring(&[(x, y), (x + side, y), (x + side, y + side), (x, y + side)])
    }

    /// Returns twice the area and the number of rings of each repaired polygon.
    fn repaired(polygons: &[Polygon]) -> Vec<(i128, usize)> {
        let repaired = repair(polygons).expect("a repair");
        assert_eq!(find_topology_error(&repaired), None);
        let area = |polygon: &Polygon| polygon.iter().map(|ring| doubled_signed_area(ring)).sum();
        let mut sizes: Vec<(i128, usize)> = repaired
            .iter()
            .map(|polygon| (area(polygon), polygon.len()))
            .collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn rings_cover_every_place_around_which_they_wind() {
        let bow_tie = ring(&[(0, 0), (100, 100), (100, 0), (0, 100)]);
        assert_eq!(repaired(&[vec![bow_tie]]), [(5_000, 1), (5_000, 1)]);
        // A ring that touches itself at a point from the inside encloses a hole.
        let keyhole = ring(&[
            (0, 0),
            (100, 0),
            (100, 100),
            (50, 100),
            (70, 50),
            (30, 50),
            (50, 100),
            (0, 100),
        ]);
        assert_eq!(repaired(&[vec![keyhole]]), [(18_000, 2)]);
        // A ring that goes around an area twice covers the area once.
        let twice = [square(0, 0, 100), square(0, 0, 100)].concat();
        assert_eq!(repaired(&[vec![twice]]), [(20_000, 1)]);
        // A spike disappears.
        let spike = ring(&[
            (0, 0),
            (100, 0),
            (100, 50),
            (300, 50),
            (100, 50),
            (100, 100),
            (0, 100),
        ]);
        assert_eq!(repaired(&[vec![spike]]), [(20_000, 1)]);
    }

    #[test]
    fn holes_are_cut_out_and_holes_outside_become_polygons() {
        let hole = |x, y, side| {
            let mut hole = square(x, y, side);
            hole.reverse();
            hole
        };
        let crossing = vec![square(0, 0, 100), hole(50, 50, 100)];
        assert_eq!(repaired(&[crossing]), [(15_000, 1)]);
        let outside = vec![square(0, 0, 100), hole(200, 0, 10)];
        assert_eq!(repaired(&[outside]), [(200, 1), (20_000, 1)]);
        let overlapping = vec![square(0, 0, 100), hole(10, 10, 20), hole(20, 20, 20)];
        assert_eq!(repaired(&[overlapping]), [(20_000 - 1_400, 2)]);
        let parts = [
            vec![square(0, 0, 100)],
            vec![square(50, 50, 100)],
            vec![square(100, 0, 10)],
        ];
        assert_eq!(repaired(&parts), [(35_200, 1)]);
        let line = ring(&[(0, 0), (10, 0), (20, 0)]);
        assert!(repair(&[vec![line]]).expect("nothing").is_empty());
    }

    #[test]
    fn vertices_of_large_features_do_not_move() {
        // The polygon is 5° wide, so the overlay divides its coordinates.
        let pairs = [
            (-7, 3),
            (5_000_000_001, 11),
            (5_000_000_001, 5_000_000_003),
            (-7, 5_000_000_003),
        ];
        let mut crossing = ring(&pairs);
        crossing.swap(1, 2);
        let repaired = repair(&[vec![crossing.clone()]]).expect("a repair");
        assert_eq!(repaired.len(), 2);
        for vertex in crossing {
            assert!(
                repaired
                    .iter()
                    .flatten()
                    .flatten()
                    .any(|&found| found == vertex)
            );
        }
    }
}
