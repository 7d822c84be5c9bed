//! Clips the areas of a zoom level to a rectangle, such as a tile with its buffer.
//!
//! ```text
//!    ┌──────────┐      An edge that leaves the rectangle is cut at the whole unit nearest to where
//!    │      ╱   │      it crosses the boundary (●). These points and the corners have hot pixels,
//!    │    ╱     ●──    as vertices do, and every edge that hits one is routed through it. No edge
//!    │   ●──────┤      hits the hot pixel of another vertex of the zoom level, so nothing else has
//!    └──────────┘      to move, and areas that were adjacent remain adjacent.
//! ```
//!
//! Each area is then closed along the boundary. The number of edges that enter a vertex equals the
//! number of edges that leave it. This determines the flow along the boundary up to a constant,
//! which is chosen so that the smallest flow is 0. If none of the area's edges meets the boundary,
//! the size of the area shows whether the boundary is inside the area.
//!
//! Rejected: clipping ring by ring (Sutherland–Hodgman), as earlier versions did. It leaves
//! coincident edges along the boundary, and a clipped edge may pass a vertex near the boundary on
//! the wrong side.

use super::grid::PixelGrid;
use super::zoom_level::{AreaGeometry, AreaShape, ZoomCoord, ZoomLevel};
use crate::geometry::polygonize::{DirectedEdge, IntPolygon, cancel_opposites, polygonize};
use crate::geometry::predicates::{IntCoord, cross, div_round, sort_along};

/// The square to which areas are clipped. Its sides are parallel to the axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClipRect {
    pub(crate) min: IntCoord,
    pub(crate) max: IntCoord,
}

/// The part of an area that is inside a [`ClipRect`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClippedArea {
    Polygons(Vec<IntPolygon>),
    Point(IntCoord),
}

/// Clips the areas of a zoom level. Returns the areas that intersect the rectangle, in order, each
/// with its index.
///
/// Each unit of the level is `factor` units of the rectangle.
pub(crate) fn clip(level: &ZoomLevel, rect: ClipRect, factor: i64) -> Vec<(usize, ClippedArea)> {
    let mut clipped: Vec<(usize, ClippedArea)> = Vec::new();
    let mut crossing: Vec<(usize, Vec<Vec<IntCoord>>)> = Vec::new();
    for (index, area) in level.areas.iter().enumerate() {
        let (min, max) = (scale(area.min, factor), scale(area.max, factor));
        if !rect.intersects(min, max) {
            continue;
        }
        match &area.shape {
            AreaShape::Empty => {}
            AreaShape::Point(point) => {
                clipped.push((index, ClippedArea::Point(scale(*point, factor))));
            }
            AreaShape::Polygons(_) if rect.contains(min) && rect.contains(max) => {
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
    let edges: Vec<Vec<DirectedEdge>> = crossing
        .iter()
        .map(|(_, rings)| cancel_opposites(boundary.edges_inside(rings)))
        .collect();
    let all_offsets = rect.perimeter_offsets(edges.iter().flatten());
    for ((index, rings), edges) in crossing.into_iter().zip(edges) {
        // In a partition, a neighbour's vertex is also a vertex of this area. If areas overlap,
        // that need not be the case.
        let offsets = if level.is_partition {
            all_offsets.clone()
        } else {
            rect.perimeter_offsets(&edges)
        };
        let closed = rect.close_along_boundary(&rings, edges, &offsets);
        let polygons = polygonize(&closed);
        if !polygons.is_empty() {
            clipped.push((index, ClippedArea::Polygons(polygons)));
        }
    }
    clipped.sort_unstable_by_key(|area| area.0);
    clipped
}

fn scale((x, y): ZoomCoord, factor: i64) -> IntCoord {
    (i64::from(x) * factor, i64::from(y) * factor)
}

fn scaled_polygons(area: &AreaGeometry, factor: i64) -> Vec<IntPolygon> {
    let AreaShape::Polygons(polygons) = &area.shape else {
        return Vec::new();
    };
    let ring = |ring: &Vec<ZoomCoord>| ring.iter().map(|&vertex| scale(vertex, factor)).collect();
    polygons
        .iter()
        .map(|rings| rings.iter().map(ring).collect())
        .collect()
}

impl ClipRect {
    /// Returns whether a bounding box intersects the rectangle or touches it.
    fn intersects(self, min: IntCoord, max: IntCoord) -> bool {
        min.0 <= self.max.0 && min.1 <= self.max.1 && max.0 >= self.min.0 && max.1 >= self.min.1
    }

    /// Returns whether a point is inside the rectangle or on its boundary.
    fn covers(self, (x, y): IntCoord) -> bool {
        (self.min.0..=self.max.0).contains(&x) && (self.min.1..=self.max.1).contains(&y)
    }

    /// Returns whether a point is strictly inside the rectangle, and so in no hot pixel of its
    /// boundary.
    fn contains(self, (x, y): IntCoord) -> bool {
        (self.min.0 + 1..self.max.0).contains(&x) && (self.min.1 + 1..self.max.1).contains(&y)
    }

    fn side(self) -> i64 {
        self.max.0 - self.min.0
    }

    /// Returns the distance of a point along the boundary from the corner `min`, with the interior
    /// on the left, or `None` if the point is not on the boundary.
    fn perimeter_offset(self, (x, y): IntCoord) -> Option<i64> {
        let side = self.side();
        if !self.covers((x, y)) {
            None
        } else if y == self.min.1 {
            Some(x - self.min.0)
        } else if x == self.max.0 {
            Some(side + y - self.min.1)
        } else if y == self.max.1 {
            Some(2 * side + self.max.0 - x)
        } else if x == self.min.0 {
            Some(3 * side + self.max.1 - y)
        } else {
            None
        }
    }

    fn point_at(self, perimeter_offset: i64) -> IntCoord {
        let (side, along) = (self.side(), perimeter_offset % self.side());
        match perimeter_offset / side {
            0 => (self.min.0 + along, self.min.1),
            1 => (self.max.0, self.min.1 + along),
            2 => (self.max.0 - along, self.max.1),
            _ => (self.min.0, self.max.1 - along),
        }
    }

    /// Returns whether two points are on the same side of the boundary.
    fn are_on_same_side(self, a: IntCoord, b: IntCoord) -> bool {
        let are_both = |coord_a: i64, coord_b: i64, side: i64| coord_a == side && coord_b == side;
        are_both(a.0, b.0, self.min.0)
            || are_both(a.0, b.0, self.max.0)
            || are_both(a.1, b.1, self.min.1)
            || are_both(a.1, b.1, self.max.1)
    }

    /// Returns the perimeter offsets of the corners and of the vertices on the boundary, in order.
    fn perimeter_offsets<'e>(self, edges: impl IntoIterator<Item = &'e DirectedEdge>) -> Vec<i64> {
        let mut offsets: Vec<i64> = edges
            .into_iter()
            .flat_map(|&(from, to)| [from, to])
            .filter_map(|vertex| self.perimeter_offset(vertex))
            .chain((0..4).map(|corner| corner * self.side()))
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    /// Adds the edges along the boundary that close an area; the result is sorted.
    fn close_along_boundary(
        self,
        rings: &[Vec<IntCoord>],
        mut edges: Vec<DirectedEdge>,
        offsets: &[i64],
    ) -> Vec<DirectedEdge> {
        // The number of edges that leave each boundary vertex, minus the number that enter it.
        let mut net_outgoing: Vec<(i64, i64)> = Vec::new();
        for &(from, to) in &edges {
            net_outgoing.extend(self.perimeter_offset(from).map(|offset| (offset, 1)));
            net_outgoing.extend(self.perimeter_offset(to).map(|offset| (offset, -1)));
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
                edges.push((self.point_at(offsets[index]), self.point_at(to)));
            }
        }
        edges.sort_unstable();
        edges
    }

    /// Returns whether an area contains all of the boundary, provided that none of the area's edges
    /// meets the boundary.
    ///
    /// If so, the part of the area inside the rectangle is larger than what its edges inside the
    /// rectangle enclose, by the size of the whole square.
    fn is_boundary_inside(self, rings: &[Vec<IntCoord>], edges: &[DirectedEdge]) -> bool {
        let doubled_inside: f64 = rings
            .iter()
            .map(|ring| self.doubled_area_inside(ring))
            .sum();
        let doubled = |edge: &DirectedEdge| cross(self.min, edge.0, edge.1) as f64;
        let doubled_enclosed: f64 = edges.iter().map(doubled).sum();
        // The difference is doubled, so this tests whether the difference exceeds half of the area
        // of the square.
        doubled_inside - doubled_enclosed > (self.side() * self.side()) as f64
    }

    /// Returns twice the area of a ring within the rectangle.
    ///
    /// Sutherland–Hodgman suffices for this: the coincident edges that it leaves along the sides
    /// enclose no area.
    fn doubled_area_inside(self, ring: &[IntCoord]) -> f64 {
        let side = self.side() as f64;
        let mut ring: Vec<[f64; 2]> = ring
            .iter()
            .map(|&(x, y)| [(x - self.min.0) as f64, (y - self.min.1) as f64])
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

/// A side of a [`ClipRect`]: its fixed coordinate, and the range of the other coordinate.
#[derive(Debug, Clone, Copy)]
struct RectSide {
    fixed: i64,
    start: i64,
    end: i64,
}

/// The points where edges cross the boundary of a rectangle, and its corners.
struct BoundaryPoints {
    rect: ClipRect,
    /// For each side (x min, x max, y min, y max), the varying coordinates of the points, in order.
    by_side: [Vec<i64>; 4],
}

impl BoundaryPoints {
    fn new<'r>(
        rect: ClipRect,
        rings: impl IntoIterator<Item = &'r Vec<IntCoord>>,
    ) -> BoundaryPoints {
        let mut points = BoundaryPoints {
            rect,
            by_side: [
                vec![rect.min.1, rect.max.1],
                vec![rect.min.1, rect.max.1],
                vec![rect.min.0, rect.max.0],
                vec![rect.min.0, rect.max.0],
            ],
        };
        for (a, b) in rings.into_iter().flat_map(|ring| ring_edges(ring)) {
            if rect.intersects((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))) {
                points.add_crossings(a, b);
            }
        }
        for side in &mut points.by_side {
            side.sort_unstable();
            side.dedup();
        }
        points
    }

    fn side(&self, side: usize) -> RectSide {
        let ClipRect { min, max } = self.rect;
        let (fixed, start, end) = [
            (min.0, min.1, max.1),
            (max.0, min.1, max.1),
            (min.1, min.0, max.0),
            (max.1, min.0, max.0),
        ][side];
        RectSide { fixed, start, end }
    }

    fn add_crossings(&mut self, a: IntCoord, b: IntCoord) {
        for side in 0..4 {
            let RectSide { fixed, start, end } = self.side(side);
            let (a, b) = (fixed_axis_first(a, side), fixed_axis_first(b, side));
            if a.0.min(b.0) > fixed || a.0.max(b.0) < fixed {
                continue;
            }
            if a.0 == b.0 {
                let ends = [a.1, b.1].into_iter();
                self.by_side[side].extend(ends.filter(|value| (start..=end).contains(value)));
                continue;
            }
            // The intersection is exact, so that both neighbours get the same point, whatever the
            // direction of their edges.
            let (rise, run) = (i128::from(b.1 - a.1), i128::from(b.0 - a.0));
            let offset = rise * i128::from(fixed - a.0);
            let is_at_or_above =
                |limit: i64| (offset + i128::from(a.1 - limit) * run) * run.signum() >= 0;
            let is_at_or_below =
                |limit: i64| (offset + i128::from(a.1 - limit) * run) * run.signum() <= 0;
            if is_at_or_above(start) && is_at_or_below(end) {
                let offset = i64::try_from(div_round(offset, run)).expect("between the two ends");
                self.by_side[side].push(a.1 + offset);
            }
        }
    }

    /// Returns the edges of rings inside the rectangle, routed through the boundary points that
    /// they hit.
    ///
    /// Edges along the boundary are omitted.
    fn edges_inside(&self, rings: &[Vec<IntCoord>]) -> Vec<DirectedEdge> {
        let rect = self.rect;
        let mut edges = Vec::new();
        let mut route: Vec<IntCoord> = Vec::new();
        for (a, b) in rings.iter().flat_map(|ring| ring_edges(ring)) {
            if rect.contains(a) && rect.contains(b) {
                edges.push((a, b));
                continue;
            }
            if !rect.intersects((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))) {
                continue;
            }
            route.clear();
            self.add_hits(a, b, &mut route);
            route.extend([a, b].into_iter().filter(|&end| rect.covers(end)));
            sort_along(&mut route, a, b);
            route.dedup();
            let parts = route.windows(2).map(|edge| (edge[0], edge[1]));
            edges.extend(parts.filter(|&(from, to)| !rect.are_on_same_side(from, to)));
        }
        edges
    }

    /// Adds the boundary points whose hot pixels an edge hits, except the ends of the edge.
    fn add_hits(&self, a: IntCoord, b: IntCoord, route: &mut Vec<IntCoord>) {
        let grid = PixelGrid::new(1);
        for (side, points) in self.by_side.iter().enumerate() {
            let fixed = self.side(side).fixed;
            let (a, b) = (fixed_axis_first(a, side), fixed_axis_first(b, side));
            let (min, max) = (a.0.min(b.0), a.0.max(b.0));
            if min > fixed + 1 || max < fixed - 1 {
                continue;
            }
            let range = if a.0 == b.0 {
                [a.1 as f64, b.1 as f64]
            } else {
                [fixed - 1, fixed + 1].map(|position| {
                    let fraction = (position.clamp(min, max) - a.0) as f64 / (b.0 - a.0) as f64;
                    a.1 as f64 + fraction * (b.1 - a.1) as f64
                })
            };
            let first =
                points.partition_point(|&value| (value as f64) < range[0].min(range[1]) - 2.0);
            let last =
                points.partition_point(|&value| (value as f64) <= range[0].max(range[1]) + 2.0);
            let hits = points[first..last]
                .iter()
                .map(|&value| (fixed, value))
                .filter(|&point| point != a && point != b && grid.segment_hits(a, b, point));
            route.extend(hits.map(|point| fixed_axis_first(point, side)));
        }
    }
}

/// Swaps the axes where necessary, so that the axis that is constant along a side comes first. This
/// function is its own inverse.
fn fixed_axis_first((x, y): IntCoord, side: usize) -> IntCoord {
    if side < 2 { (x, y) } else { (y, x) }
}

fn ring_edges(ring: &[IntCoord]) -> impl Iterator<Item = DirectedEdge> {
    let next = ring.iter().cycle().skip(1);
    ring.iter().copied().zip(next.copied())
}
