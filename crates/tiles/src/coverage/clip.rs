//! Clips the areas of a zoom level to a rectangle, such as a tile with its buffer.
//!
//! ```text
//!    ┌──────────┐      An edge that leaves the rectangle is cut at the whole unit nearest to where
//!    │      ╱   │      it crosses the boundary (●). These points and the corners have hot pixels,
//!    │    ╱     ●──    like vertices. An edge that hits such a hot pixel is routed through its
//!    │   ●──────┤      centre. No edge hits the hot pixel of another vertex of the zoom level, so
//!    └──────────┘      other edges do not move, and areas that were adjacent remain adjacent.
//! ```
//!
//! Each area is then closed along the boundary. At each vertex, the number of entering edges equals
//! the number of leaving edges. This condition determines the flow along the boundary up to a
//! constant, which is chosen so that the smallest flow is 0. If no edge of the area meets the
//! boundary, the size of the area shows whether the boundary is inside the area.
//!
//! Rejected alternative: clipping ring by ring (Sutherland–Hodgman), which earlier versions used.
//! Clipping in this way leaves coincident edges along the boundary, and a clipped edge may pass a
//! vertex near the boundary on the wrong side.

use geo::{BoundingRect, Contains, Coord, Intersects, Line, Rect};

use super::grid::PixelGrid;
use super::zoom_level::{AreaGeometry, AreaShape, ZoomLevel, widen};
use catchment_core::geometry::polygonize::{cancel_opposites, edge_key, polygonize};
use catchment_core::geometry::predicates::{cross, div_round, sort_along};
use catchment_core::geometry::rings::{Polygon, Ring, edges};

/// The part of an area that is inside a rectangle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClippedArea {
    Polygons(Vec<Polygon>),
    Point(Coord<i64>),
}

/// Clips the areas of a zoom level. Returns the areas that intersect the rectangle, in order and
/// with their indices.
///
/// The rectangle must be a square. Each unit of the level is `factor` units of the rectangle.
pub(crate) fn clip(level: &ZoomLevel, rect: Rect<i64>, factor: i64) -> Vec<(usize, ClippedArea)> {
    let mut clipped: Vec<(usize, ClippedArea)> = Vec::new();
    let mut crossing: Vec<(usize, Vec<Ring>)> = Vec::new();
    for (index, area) in level.areas.iter().enumerate() {
        let (min, max) = (area.bbox.min(), area.bbox.max());
        let bbox = Rect::new(scale(min, factor), scale(max, factor));
        if !rect.intersects(&bbox) {
            continue;
        }
        match &area.shape {
            AreaShape::Empty => {}
            AreaShape::Point(point) => {
                clipped.push((index, ClippedArea::Point(scale(*point, factor))));
            }
            AreaShape::Polygons(_) if is_strictly_inside(bbox, rect) => {
                clipped.push((index, ClippedArea::Polygons(scaled_polygons(area, factor))));
            }
            AreaShape::Polygons(_) => {
                let rings = scaled_polygons(area, factor)
                    .into_iter()
                    .flatten()
                    .collect();
                crossing.push((index, rings));
            }
        }
    }
    let boundary = BoundaryPoints::new(rect, crossing.iter().flat_map(|area| &area.1));
    let edges: Vec<Vec<Line<i64>>> = crossing
        .iter()
        .map(|(_, rings)| cancel_opposites(boundary.edges_inside(rings)))
        .collect();
    let perimeter = Perimeter(rect);
    let all_offsets = perimeter.vertex_offsets(edges.iter().flatten());
    for ((index, rings), edges) in crossing.into_iter().zip(edges) {
        // In a partition, a neighbour's vertex is also a vertex of this area. If areas overlap, a
        // vertex on the edge of another area may not be a vertex of that area.
        let offsets = if level.is_partition {
            all_offsets.clone()
        } else {
            perimeter.vertex_offsets(&edges)
        };
        let closed = perimeter.close_along(&rings, edges, &offsets);
        let polygons = polygonize(&closed);
        if !polygons.is_empty() {
            clipped.push((index, ClippedArea::Polygons(polygons)));
        }
    }
    clipped.sort_unstable_by_key(|area| area.0);
    clipped
}

fn scale(point: Coord<i32>, factor: i64) -> Coord<i64> {
    widen(point) * factor
}

/// Returns whether a box does not intersect any hot pixel of the boundary of a rectangle.
fn is_strictly_inside(bbox: Rect<i64>, rect: Rect<i64>) -> bool {
    rect.contains(&bbox.min()) && rect.contains(&bbox.max())
}

fn scaled_polygons(area: &AreaGeometry, factor: i64) -> Vec<Polygon> {
    let AreaShape::Polygons(polygons) = &area.shape else {
        return Vec::new();
    };
    let ring = |ring: &Vec<Coord<i32>>| ring.iter().map(|&vertex| scale(vertex, factor)).collect();
    polygons
        .iter()
        .map(|rings| rings.iter().map(ring).collect())
        .collect()
}

/// The boundary of a square to which areas are clipped. An offset is a distance along the boundary
/// from the corner `min`, with the interior on the left.
#[derive(Debug, Clone, Copy)]
struct Perimeter(Rect<i64>);

impl Perimeter {
    fn side(self) -> i64 {
        self.0.width()
    }

    /// Returns the offset of a point, or `None` if the point is not on the boundary.
    fn offset(self, point: Coord<i64>) -> Option<i64> {
        let (min, max, side) = (self.0.min(), self.0.max(), self.side());
        if !self.0.intersects(&point) {
            None
        } else if point.y == min.y {
            Some(point.x - min.x)
        } else if point.x == max.x {
            Some(side + point.y - min.y)
        } else if point.y == max.y {
            Some(2 * side + max.x - point.x)
        } else if point.x == min.x {
            Some(3 * side + max.y - point.y)
        } else {
            None
        }
    }

    fn point_at(self, offset: i64) -> Coord<i64> {
        let (min, max) = (self.0.min(), self.0.max());
        let (side, along) = (self.side(), offset % self.side());
        let (x, y) = match offset / side {
            0 => (min.x + along, min.y),
            1 => (max.x, min.y + along),
            2 => (max.x - along, max.y),
            _ => (min.x, max.y - along),
        };
        Coord { x, y }
    }

    /// Returns whether two points are on the same side of the boundary.
    fn are_on_same_side(self, edge: &Line<i64>) -> bool {
        let (min, max, a, b) = (self.0.min(), self.0.max(), edge.start, edge.end);
        let are_both = |coord_a: i64, coord_b: i64, side: i64| coord_a == side && coord_b == side;
        are_both(a.x, b.x, min.x)
            || are_both(a.x, b.x, max.x)
            || are_both(a.y, b.y, min.y)
            || are_both(a.y, b.y, max.y)
    }

    /// Returns the offsets of the corners and of the vertices on the boundary, in order.
    fn vertex_offsets<'e>(self, edges: impl IntoIterator<Item = &'e Line<i64>>) -> Vec<i64> {
        let mut offsets: Vec<i64> = edges
            .into_iter()
            .flat_map(|edge| [edge.start, edge.end])
            .filter_map(|vertex| self.offset(vertex))
            .chain((0..4).map(|corner| corner * self.side()))
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    /// Adds the edges along the boundary that close an area. The result is sorted by [`edge_key`].
    fn close_along(
        self,
        rings: &[Ring],
        mut edges: Vec<Line<i64>>,
        offsets: &[i64],
    ) -> Vec<Line<i64>> {
        // For each boundary vertex, the number of leaving edges minus the number of entering edges.
        let mut net_outgoing: Vec<(i64, i64)> = Vec::new();
        for edge in &edges {
            net_outgoing.extend(self.offset(edge.start).map(|offset| (offset, 1)));
            net_outgoing.extend(self.offset(edge.end).map(|offset| (offset, -1)));
        }
        net_outgoing.sort_unstable();
        let mut flows = Vec::with_capacity(offsets.len());
        let mut flow = 0;
        let mut next = net_outgoing.into_iter().peekable();
        for &offset in offsets {
            while let Some((_, count)) = next.next_if(|vertex| vertex.0 == offset) {
                flow -= count;
            }
            flows.push(flow);
        }
        let min_flow = flows.iter().copied().min().unwrap_or(0);
        let max_flow = flows.iter().copied().max().unwrap_or(0);
        let is_whole_boundary = min_flow == max_flow && self.is_boundary_inside(rings, &edges);
        for (index, flow) in flows.into_iter().enumerate() {
            if flow > min_flow || is_whole_boundary {
                let to = offsets[(index + 1) % offsets.len()];
                edges.push(Line {
                    start: self.point_at(offsets[index]),
                    end: self.point_at(to),
                });
            }
        }
        edges.sort_unstable_by_key(edge_key);
        edges
    }

    /// Returns whether an area contains the whole boundary. No edge of the area may meet the
    /// boundary.
    ///
    /// If it does, the size of the part of the area inside the rectangle exceeds the size that the
    /// area's edges inside the rectangle enclose, by the size of the whole square.
    fn is_boundary_inside(self, rings: &[Ring], edges: &[Line<i64>]) -> bool {
        let doubled_inside: f64 = rings
            .iter()
            .map(|ring| self.doubled_area_inside(ring))
            .sum();
        let doubled = |edge: &Line<i64>| cross(self.0.min(), edge.start, edge.end) as f64;
        let doubled_enclosed: f64 = edges.iter().map(doubled).sum();
        // The difference is doubled, so this tests whether the difference exceeds half of the area
        // of the square.
        doubled_inside - doubled_enclosed > (self.side() * self.side()) as f64
    }

    /// Returns twice the area of a ring within the rectangle.
    ///
    /// The function uses the Sutherland–Hodgman algorithm. The coincident edges that this algorithm
    /// leaves along the sides do not enclose any area.
    fn doubled_area_inside(self, ring: &[Coord<i64>]) -> f64 {
        let (min, side) = (self.0.min(), self.side() as f64);
        let mut ring: Vec<[f64; 2]> = ring
            .iter()
            .map(|vertex| [(vertex.x - min.x) as f64, (vertex.y - min.y) as f64])
            .collect();
        for (axis, limit, sign) in [
            (0, 0.0, 1.0),
            (0, side, -1.0),
            (1, 0.0, 1.0),
            (1, side, -1.0),
        ] {
            let distance_inside = |vertex: [f64; 2]| sign * (vertex[axis] - limit);
            let mut clipped = Vec::with_capacity(ring.len());
            for (index, &to) in ring.iter().enumerate() {
                let from = ring[(index + ring.len() - 1) % ring.len()];
                let (before, after) = (distance_inside(from), distance_inside(to));
                if (before < 0.0) != (after < 0.0) {
                    let fraction = before / (before - after);
                    clipped
                        .push([0, 1].map(|axis| from[axis] + fraction * (to[axis] - from[axis])));
                }
                if after >= 0.0 {
                    clipped.push(to);
                }
            }
            ring = clipped;
        }
        let next = ring.iter().cycle().skip(1);
        ring.iter()
            .zip(next)
            .map(|(a, b)| a[0] * b[1] - b[0] * a[1])
            .sum()
    }
}

/// A side of a rectangle: its fixed coordinate, and the range of the other coordinate.
#[derive(Debug, Clone, Copy)]
struct RectSide {
    fixed: i64,
    start: i64,
    end: i64,
}

/// The points where edges cross the boundary of a rectangle, and its corners.
struct BoundaryPoints {
    rect: Rect<i64>,
    /// For each side (x min, x max, y min, y max), the varying coordinates of the points, in order.
    by_side: [Vec<i64>; 4],
}

impl BoundaryPoints {
    fn new<'r>(rect: Rect<i64>, rings: impl IntoIterator<Item = &'r Ring>) -> BoundaryPoints {
        let (min, max) = (rect.min(), rect.max());
        let mut points = BoundaryPoints {
            rect,
            by_side: [
                vec![min.y, max.y],
                vec![min.y, max.y],
                vec![min.x, max.x],
                vec![min.x, max.x],
            ],
        };
        for edge in rings.into_iter().flat_map(|ring| edges(ring)) {
            if rect.intersects(&edge.bounding_rect()) {
                points.add_crossings(edge.start, edge.end);
            }
        }
        for side in &mut points.by_side {
            side.sort_unstable();
            side.dedup();
        }
        points
    }

    fn side(&self, side: usize) -> RectSide {
        let (min, max) = (self.rect.min(), self.rect.max());
        let (fixed, start, end) = [
            (min.x, min.y, max.y),
            (max.x, min.y, max.y),
            (min.y, min.x, max.x),
            (max.y, min.x, max.x),
        ][side];
        RectSide { fixed, start, end }
    }

    fn add_crossings(&mut self, a: Coord<i64>, b: Coord<i64>) {
        for side in 0..4 {
            let RectSide { fixed, start, end } = self.side(side);
            let (a, b) = (fixed_axis_first(a, side), fixed_axis_first(b, side));
            if a.x.min(b.x) > fixed || a.x.max(b.x) < fixed {
                continue;
            }
            if a.x == b.x {
                let ends = [a.y, b.y].into_iter();
                self.by_side[side].extend(ends.filter(|value| (start..=end).contains(value)));
                continue;
            }
            // The intersection is exact, so that the point is the same for both neighbours,
            // whatever the direction of their edges.
            let (rise, run) = (i128::from(b.y - a.y), i128::from(b.x - a.x));
            let offset = rise * i128::from(fixed - a.x);
            let is_at_or_above =
                |limit: i64| (offset + i128::from(a.y - limit) * run) * run.signum() >= 0;
            let is_at_or_below =
                |limit: i64| (offset + i128::from(a.y - limit) * run) * run.signum() <= 0;
            if is_at_or_above(start) && is_at_or_below(end) {
                let offset = i64::try_from(div_round(offset, run)).expect("between the two ends");
                self.by_side[side].push(a.y + offset);
            }
        }
    }

    /// Returns the edges of rings inside the rectangle, routed through the boundary points that
    /// they hit.
    ///
    /// Edges along the boundary are omitted.
    fn edges_inside(&self, rings: &[Ring]) -> Vec<Line<i64>> {
        let rect = self.rect;
        let perimeter = Perimeter(rect);
        let mut inside = Vec::new();
        let mut route: Vec<Coord<i64>> = Vec::new();
        for edge in rings.iter().flat_map(|ring| edges(ring)) {
            let bbox = edge.bounding_rect();
            if is_strictly_inside(bbox, rect) {
                inside.push(edge);
                continue;
            }
            if !rect.intersects(&bbox) {
                continue;
            }
            let (a, b) = (edge.start, edge.end);
            route.clear();
            self.add_hits(a, b, &mut route);
            route.extend([a, b].into_iter().filter(|end| rect.intersects(end)));
            sort_along(&mut route, a, b);
            route.dedup();
            let parts = route.windows(2).map(|part| Line {
                start: part[0],
                end: part[1],
            });
            inside.extend(parts.filter(|part| !perimeter.are_on_same_side(part)));
        }
        inside
    }

    /// Adds the boundary points whose hot pixels an edge hits, except the ends of the edge.
    fn add_hits(&self, a: Coord<i64>, b: Coord<i64>, route: &mut Vec<Coord<i64>>) {
        let grid = PixelGrid::new(1);
        for (side, points) in self.by_side.iter().enumerate() {
            let fixed = self.side(side).fixed;
            let (a, b) = (fixed_axis_first(a, side), fixed_axis_first(b, side));
            let (min, max) = (a.x.min(b.x), a.x.max(b.x));
            if min > fixed + 1 || max < fixed - 1 {
                continue;
            }
            let range = if a.x == b.x {
                [a.y as f64, b.y as f64]
            } else {
                [fixed - 1, fixed + 1].map(|position| {
                    let fraction = (position.clamp(min, max) - a.x) as f64 / (b.x - a.x) as f64;
                    a.y as f64 + fraction * (b.y - a.y) as f64
                })
            };
            let first =
                points.partition_point(|&value| (value as f64) < range[0].min(range[1]) - 2.0);
            let last =
                points.partition_point(|&value| (value as f64) <= range[0].max(range[1]) + 2.0);
            let hits = points[first..last]
                .iter()
                .map(|&value| Coord { x: fixed, y: value })
                .filter(|&point| point != a && point != b && grid.segment_hits(a, b, point));
            route.extend(hits.map(|point| fixed_axis_first(point, side)));
        }
    }
}

/// Swaps the axes if necessary, so that the axis that is constant along a side is first. This
/// function is its own inverse.
fn fixed_axis_first(point: Coord<i64>, side: usize) -> Coord<i64> {
    if side < 2 {
        point
    } else {
        Coord {
            x: point.y,
            y: point.x,
        }
    }
}
