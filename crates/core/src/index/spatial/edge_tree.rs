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
/// an `f32` whose lowest bits are replaced (see [`BBox8::keys`]), which adds less than 1e-6 of it.
const ROUND_DOWN: f32 = 1.0 - 2e-6;

/// The bits of a key that contain the position of its box.
const POSITION_MASK: u32 = {
    assert!(FAN_OUT == 8);
    0b111
};

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
        let mut keys = boxes.keys(point);
        // Search the nearest box first, because its result usually excludes the other boxes.
        loop {
            let nearest = min_of(keys);
            if f64::from(nearest) >= best || nearest == f32::INFINITY {
                return best;
            }
            let position = (nearest.to_bits() & POSITION_MASK) as usize;
            keys[position] = f32::INFINITY;
            let inner = group * FAN_OUT + position;
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

/// Returns the greater of two numbers. Unlike [`f32::max`], this is one instruction, because no
/// number is NaN.
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn min_of(keys: [f32; FAN_OUT]) -> f32 {
    let lesser = |a: f32, b: f32| if a < b { a } else { b };
    let [a, b, c, d, e, f, g, h] = keys;
    lesser(
        lesser(lesser(a, e), lesser(b, f)),
        lesser(lesser(c, g), lesser(d, h)),
    )
}

fn nearest_by_scan(edges: &[Edge], point: MmCoord, best: f64) -> f64 {
    // Unlike `f64::min`, the comparison is one instruction, because no distance is NaN.
    let distances = edges.iter().map(|edge| edge.distance_2(point));
    distances.fold(best, |least, distance_2| {
        if distance_2 < least {
            distance_2
        } else {
            least
        }
    })
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

    /// Returns a key for each box: a lower bound on the squared distance in square millimetres from
    /// the point to the box, whose lowest bits are the position of the box. The least key therefore
    /// also states which box is nearest.
    fn keys(&self, [x, y]: MmCoord) -> [f32; FAN_OUT] {
        // Positions are within 1.7e9 mm of each other, so differences fit. The baseline instruction
        // set has a maximum of floats, but not of integers.
        let gap = |low: i32, value: i32, high: i32| {
            greater(greater((low - value) as f32, (value - high) as f32), 0.0)
        };
        let mut keys = [0.0; FAN_OUT];
        for (position, key) in (0_u32..).zip(&mut keys) {
            let index = position as usize;
            let across = gap(self.west[index], x, self.east[index]);
            let up = gap(self.south[index], y, self.north[index]);
            let distance_2 = (across * across + up * up) * ROUND_DOWN;
            *key = f32::from_bits(distance_2.to_bits() & !POSITION_MASK | position);
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the edges of a line that starts at a vertex. Each vertex is given by its offset from
    /// the previous vertex.
    fn edges_of_line(start: MmCoord, offsets: &[(i32, i32)]) -> Vec<Edge> {
        let mut last = start;
        let edges = offsets.iter().filter_map(|&(east, north)| {
            let next = [last[0] + east, last[1] + north];
            Edge::between(std::mem::replace(&mut last, next), next)
        });
        edges.collect()
    }

    proptest! {
        /// The lines have the size of the borders of councils, and the positions of Great Britain.
        #[test]
        fn distances_equal_those_of_a_scan(
            start in (100_000_000..600_000_000, 100_000_000..1_200_000_000),
            offsets in proptest::collection::vec((-200_000..200_000, -200_000..200_000), 1..1_500),
            points in proptest::collection::vec((-50_000_000..50_000_000, -50_000_000..50_000_000), 20),
            limit_m in 0.0..10_000.0_f64,
        ) {
            let edges = edges_of_line([start.0, start.1], &offsets);
            let tree = EdgeTree::new(edges.clone());
            let vertices = edges.iter().take(10).map(|edge| edge.high);
            let offset = |(east, north): (i32, i32)| [start.0 + east, start.1 + north];
            let near = points.iter().map(|&(east, north)| offset((east / 100, north / 100)));
            let points = points.iter().copied().map(offset).chain(near).chain(vertices);
            let limit_2 = (limit_m * 1_000.0).powi(2);
            for point in points {
                for within_2 in [f64::INFINITY, limit_2] {
                    let expected = nearest_by_scan(&edges, point, within_2);
                    prop_assert_eq!(tree.distance_2(point, within_2), expected);
                }
            }
        }
    }
}
