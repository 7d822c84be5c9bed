//! The distance from a point to the edges of a boundary: a tree of bounding boxes.
//!
//! Consecutive edges of a ring are close together, so eight of them make a compact box, and so do
//! eight of those boxes: no sorting is needed.
//!
//! ```text
//!   boxes of level 2   ┌───────────────────────┐
//!             level 1  ├───────┬───────┬───────┤   8 to 1
//!             level 0  ├─┬─┬─┬─┼─┬─┬─┬─┼─┬─┬─┬─┤   8 to 1
//!             edges    ╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲
//! ```

use super::edge::{Edge, Mm};

/// The number of edges in a box, and of boxes in a box of the next level.
const FAN_OUT: usize = 8;

/// With at most this many edges, all of them are measured: boxes would be more to read.
const SCANNED_MAX: usize = 4 * FAN_OUT;

/// Scales the distance to a box so that it never exceeds that to an edge in it, however both were
/// rounded: the distance to the box is an `f32`.
const NO_MORE: f32 = 1.0 - 1e-6;

/// The edges of one boundary, in a tree of bounding boxes.
#[derive(Debug)]
pub(super) struct Outline {
    edges: Vec<Edge>,
    /// From the boxes of edges up to a level of at most eight boxes; empty if there are few edges.
    levels: Vec<Vec<Boxes>>,
}

/// Eight bounding boxes, sides included, as a structure of arrays, so that the processor measures
/// several at a time.
#[derive(Debug, Clone, Copy)]
struct Boxes {
    west: [i32; FAN_OUT],
    south: [i32; FAN_OUT],
    east: [i32; FAN_OUT],
    north: [i32; FAN_OUT],
}

impl Outline {
    pub(super) fn new(edges: Vec<Edge>) -> Outline {
        let mut levels: Vec<Vec<Boxes>> = Vec::new();
        if edges.len() > SCANNED_MAX {
            let mut boxes: Vec<(Mm, Mm)> = edges.chunks(FAN_OUT).filter_map(around_edges).collect();
            while levels.last().is_none_or(|level| level.len() > 1) {
                levels.push(boxes.chunks(FAN_OUT).map(Boxes::of).collect());
                boxes = boxes.chunks(FAN_OUT).filter_map(around).collect();
            }
        }
        Outline { edges, levels }
    }

    pub(super) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Returns the corners of the bounding box, or `None` if there are no edges.
    pub(super) fn bounds(&self) -> Option<(Mm, Mm)> {
        around_edges(&self.edges)
    }

    /// Returns the squared distance in square millimetres from the point to the nearest edge that
    /// is nearer than `within_2`, or `within_2` if there is none.
    pub(super) fn distance_2(&self, point: Mm, within_2: f64) -> f64 {
        match self.levels.len() {
            0 => nearest_of(&self.edges, point, within_2),
            levels => self.nearest(levels - 1, 0, point, within_2),
        }
    }

    /// Calls `visit` with every edge whose bounding box intersects a rectangle, sides included, and
    /// with some others.
    pub(super) fn edges_near(&self, low: Mm, high: Mm, tell: &mut impl FnMut(Edge)) {
        match self.levels.len() {
            0 => self.edges.iter().copied().for_each(tell),
            levels => self.near(levels - 1, 0, (low, high), tell),
        }
    }

    /// Visits the boxes of one group of a level.
    fn near(&self, level: usize, group: usize, around: (Mm, Mm), tell: &mut impl FnMut(Edge)) {
        let Some(boxes) = self.levels[level].get(group) else {
            return;
        };
        for at in (0..FAN_OUT).filter(|&at| boxes.meets(at, around)) {
            let inner = group * FAN_OUT + at;
            match level {
                0 => self.run(inner).iter().copied().for_each(&mut *tell),
                _ => self.near(level - 1, inner, around, tell),
            }
        }
    }

    /// Searches the boxes of one group of a level.
    fn nearest(&self, level: usize, group: usize, point: Mm, mut best: f64) -> f64 {
        let Some(boxes) = self.levels[level].get(group) else {
            return best;
        };
        let mut away = boxes.distances_2(point);
        // The nearest box first, because it usually excludes the others.
        loop {
            let nearer = |a, b| if away[b] < away[a] { b } else { a };
            let at = (1..FAN_OUT).fold(0, nearer);
            if f64::from(away[at]) >= best || away[at] == f32::INFINITY {
                return best;
            }
            away[at] = f32::INFINITY;
            let inner = group * FAN_OUT + at;
            best = match level {
                0 => nearest_of(self.run(inner), point, best),
                _ => self.nearest(level - 1, inner, point, best),
            };
        }
    }

    /// Returns the edges of a box of the lowest level; empty if the box only fills up its group.
    fn run(&self, at: usize) -> &[Edge] {
        let rest = self.edges.get(at * FAN_OUT..).unwrap_or_default();
        &rest[..rest.len().min(FAN_OUT)]
    }
}

fn nearest_of(edges: &[Edge], point: Mm, best: f64) -> f64 {
    let distances = edges.iter().map(|edge| edge.distance_2(point));
    distances.fold(best, f64::min)
}

fn around_edges(edges: &[Edge]) -> Option<(Mm, Mm)> {
    edges.iter().map(Edge::bounds).reduce(both)
}

fn around(boxes: &[(Mm, Mm)]) -> Option<(Mm, Mm)> {
    boxes.iter().copied().reduce(both)
}

fn both(a: (Mm, Mm), b: (Mm, Mm)) -> (Mm, Mm) {
    let low = [0, 1].map(|axis| a.0[axis].min(b.0[axis]));
    let high = [0, 1].map(|axis| a.1[axis].max(b.1[axis]));
    (low, high)
}

impl Boxes {
    /// Creates a group of up to eight boxes. Unused places repeat the first box, and have no edges
    /// or boxes in them.
    fn of(boxes: &[(Mm, Mm)]) -> Boxes {
        let each = |side: fn(&(Mm, Mm)) -> i32| {
            let mut sides = [side(&boxes[0]); FAN_OUT];
            for (place, rectangle) in sides.iter_mut().zip(boxes) {
                *place = side(rectangle);
            }
            sides
        };
        Boxes {
            west: each(|it| it.0[0]),
            south: each(|it| it.0[1]),
            east: each(|it| it.1[0]),
            north: each(|it| it.1[1]),
        }
    }

    fn meets(&self, at: usize, (low, high): (Mm, Mm)) -> bool {
        self.west[at] <= high[0]
            && self.south[at] <= high[1]
            && self.east[at] >= low[0]
            && self.north[at] >= low[1]
    }

    /// Returns a lower bound of the squared distance in square millimetres from the point to each
    /// box; 0 inside it.
    fn distances_2(&self, [x, y]: Mm) -> [f32; FAN_OUT] {
        // Positions are within 1.7e9 mm of each other, so differences fit.
        let off = |low: i32, at: i32, high: i32| (low - at).max(at - high).max(0) as f32;
        std::array::from_fn(|at| {
            let across = off(self.west[at], x, self.east[at]);
            let up = off(self.south[at], y, self.north[at]);
            (across * across + up * up) * NO_MORE
        })
    }
}
