//! Uses a tree of bounding boxes to measure the distance from a point to the edges of a boundary.
//!
//! Consecutive edges of a ring are close together, so eight consecutive edges have a compact
//! bounding box, and eight consecutive boxes also have a compact bounding box. The edges do not
//! need to be sorted.
//!
//! ```text
//!   boxes of level 2   ┌───────────────────────┐
//!             level 1  ├───────┬───────┬───────┤   8 to 1
//!             level 0  ├─┬─┬─┬─┼─┬─┬─┬─┼─┬─┬─┬─┤   8 to 1
//!             edges    ╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲
//! ```

use super::edge::{Edge, MmCoord};

/// The number of edges in a box, and the number of boxes in a box of the next level.
const FAN_OUT: usize = 8;

/// The maximum number of edges for which there are no boxes, because reading the boxes would cost
/// more than measuring every edge.
const LINEAR_SCAN_MAX: usize = 4 * FAN_OUT;

/// The factor by which the distance to a box is multiplied, so that the product never exceeds the
/// distance to an edge in the box, however the two distances are rounded. The distance to a box is
/// an `f32`.
const ROUND_DOWN: f32 = 1.0 - 1e-6;

/// The edges of one boundary, in a tree of bounding boxes.
#[derive(Debug)]
pub(super) struct EdgeTree {
    edges: Vec<Edge>,
    /// The levels, from the boxes of edges up to a level of at most eight boxes; empty if there are
    /// at most [`LINEAR_SCAN_MAX`] edges.
    levels: Vec<Vec<BBox8>>,
}

/// Eight bounding boxes (including their sides) as a structure of arrays, so that the processor can
/// measure several boxes at the same time.
#[derive(Debug, Clone, Copy)]
struct BBox8 {
    west: [i32; FAN_OUT],
    south: [i32; FAN_OUT],
    east: [i32; FAN_OUT],
    north: [i32; FAN_OUT],
}

impl EdgeTree {
    pub(super) fn new(edges: Vec<Edge>) -> EdgeTree {
        let mut levels: Vec<Vec<BBox8>> = Vec::new();
        if edges.len() > LINEAR_SCAN_MAX {
            let mut boxes: Vec<(MmCoord, MmCoord)> =
                edges.chunks(FAN_OUT).filter_map(bbox_of_edges).collect();
            while levels.last().is_none_or(|level| level.len() > 1) {
                levels.push(boxes.chunks(FAN_OUT).map(BBox8::new).collect());
                boxes = boxes.chunks(FAN_OUT).filter_map(bbox_of_boxes).collect();
            }
        }
        EdgeTree { edges, levels }
    }

    pub(super) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Returns the corners of the bounding box, or `None` if there are no edges.
    pub(super) fn bbox(&self) -> Option<(MmCoord, MmCoord)> {
        bbox_of_edges(&self.edges)
    }

    /// Returns the squared distance in square millimetres from the point to the nearest edge that
    /// is nearer than `within_2`, or `within_2` if no edge is nearer.
    pub(super) fn distance_2(&self, point: MmCoord, within_2: f64) -> f64 {
        match self.levels.len() {
            0 => nearest_by_scan(&self.edges, point, within_2),
            levels => self.nearest_in_group(levels - 1, 0, point, within_2),
        }
    }

    /// Calls `visit` with every edge whose bounding box intersects a rectangle (including its
    /// sides), and with some other edges.
    pub(super) fn edges_near(&self, low: MmCoord, high: MmCoord, visit: &mut impl FnMut(Edge)) {
        match self.levels.len() {
            0 => self.edges.iter().copied().for_each(visit),
            levels => self.visit_near(levels - 1, 0, (low, high), visit),
        }
    }

    /// Visits the edges in those boxes of a group that intersect a rectangle.
    fn visit_near(
        &self,
        level: usize,
        group: usize,
        rect: (MmCoord, MmCoord),
        visit: &mut impl FnMut(Edge),
    ) {
        let Some(boxes) = self.levels[level].get(group) else {
            return;
        };
        for position in (0..FAN_OUT).filter(|&index| boxes.intersects(index, rect)) {
            let inner = group * FAN_OUT + position;
            match level {
                0 => self
                    .edges_of_box(inner)
                    .iter()
                    .copied()
                    .for_each(&mut *visit),
                _ => self.visit_near(level - 1, inner, rect, visit),
            }
        }
    }

    /// Returns the squared distance to the nearest edge in the boxes of a group, or `best` if no
    /// edge is nearer.
    fn nearest_in_group(&self, level: usize, group: usize, point: MmCoord, mut best: f64) -> f64 {
        let Some(boxes) = self.levels[level].get(group) else {
            return best;
        };
        let mut distances = boxes.distances_2(point);
        // Search the nearest box first, because its result usually excludes the other boxes.
        loop {
            let nearer = |a, b| if distances[b] < distances[a] { b } else { a };
            let index = (1..FAN_OUT).fold(0, nearer);
            if f64::from(distances[index]) >= best || distances[index] == f32::INFINITY {
                return best;
            }
            distances[index] = f32::INFINITY;
            let inner = group * FAN_OUT + index;
            best = match level {
                0 => nearest_by_scan(self.edges_of_box(inner), point, best),
                _ => self.nearest_in_group(level - 1, inner, point, best),
            };
        }
    }

    /// Returns the edges of a box of the lowest level; empty if the box is an unused slot.
    fn edges_of_box(&self, index: usize) -> &[Edge] {
        let rest = self.edges.get(index * FAN_OUT..).unwrap_or_default();
        &rest[..rest.len().min(FAN_OUT)]
    }
}

fn nearest_by_scan(edges: &[Edge], point: MmCoord, best: f64) -> f64 {
    let distances = edges.iter().map(|edge| edge.distance_2(point));
    distances.fold(best, f64::min)
}

fn bbox_of_edges(edges: &[Edge]) -> Option<(MmCoord, MmCoord)> {
    edges.iter().map(Edge::bbox).reduce(union)
}

fn bbox_of_boxes(boxes: &[(MmCoord, MmCoord)]) -> Option<(MmCoord, MmCoord)> {
    boxes.iter().copied().reduce(union)
}

fn union(a: (MmCoord, MmCoord), b: (MmCoord, MmCoord)) -> (MmCoord, MmCoord) {
    let low = [0, 1].map(|axis| a.0[axis].min(b.0[axis]));
    let high = [0, 1].map(|axis| a.1[axis].max(b.1[axis]));
    (low, high)
}

impl BBox8 {
    /// Creates a group of up to eight boxes. Unused slots repeat the first box and contain no edges
    /// or boxes.
    fn new(boxes: &[(MmCoord, MmCoord)]) -> BBox8 {
        let sides_of_boxes = |side: fn(&(MmCoord, MmCoord)) -> i32| {
            let mut sides = [side(&boxes[0]); FAN_OUT];
            for (place, rectangle) in sides.iter_mut().zip(boxes) {
                *place = side(rectangle);
            }
            sides
        };
        BBox8 {
            west: sides_of_boxes(|value| value.0[0]),
            south: sides_of_boxes(|value| value.0[1]),
            east: sides_of_boxes(|value| value.1[0]),
            north: sides_of_boxes(|value| value.1[1]),
        }
    }

    fn intersects(&self, index: usize, (low, high): (MmCoord, MmCoord)) -> bool {
        self.west[index] <= high[0]
            && self.south[index] <= high[1]
            && self.east[index] >= low[0]
            && self.north[index] >= low[1]
    }

    /// Returns a lower bound on the squared distance in square millimetres from the point to each
    /// box; 0 for a box that contains the point.
    fn distances_2(&self, [x, y]: MmCoord) -> [f32; FAN_OUT] {
        // Positions are within 1.7e9 mm of each other, so differences fit.
        let gap = |low: i32, value: i32, high: i32| (low - value).max(value - high).max(0) as f32;
        std::array::from_fn(|index| {
            let across = gap(self.west[index], x, self.east[index]);
            let up = gap(self.south[index], y, self.north[index]);
            (across * across + up * up) * ROUND_DOWN
        })
    }
}
