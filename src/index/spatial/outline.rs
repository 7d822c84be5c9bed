//! How far a point is from the edges of a boundary: boxes of edges, boxes of boxes.
//!
//! The edges of a ring follow each other, so eight in a row lie close together, and so do eight such
//! runs: the boxes need no sorting.
//!
//! ```text
//!   boxes of level 2   ┌───────────────────────┐
//!             level 1  ├───────┬───────┬───────┤   8 to 1
//!             level 0  ├─┬─┬─┬─┼─┬─┬─┬─┼─┬─┬─┬─┤   8 to 1
//!             edges    ╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲╱╲
//! ```

use super::edge::{Edge, Mm};

/// Edges in a box, and boxes in a box of the next level.
const FAN_OUT: usize = 8;

/// So few edges are looked at one by one: boxes would be one more thing to fetch.
const SCANNED_MAX: usize = 4 * FAN_OUT;

/// Makes the distance to a box no more than that to an edge in it, however both were rounded: the
/// former is an `f32`.
const NO_MORE: f32 = 1.0 - 1e-6;

/// The edges of one boundary.
#[derive(Debug)]
pub(super) struct Outline {
    edges: Vec<Edge>,
    /// From the boxes of edges up to a level of no more than eight; none where the edges are few.
    levels: Vec<Vec<Boxes>>,
}

/// Eight rectangles, their sides included, side by side: the processor measures several at a time.
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

    /// The corners of the rectangle around it; `None` where it has no edges.
    pub(super) fn bounds(&self) -> Option<(Mm, Mm)> {
        around_edges(&self.edges)
    }

    /// Square millimetres from the point to the nearest place of the nearest edge that is nearer than
    /// `within_2`; else that.
    pub(super) fn distance_2(&self, point: Mm, within_2: f64) -> f64 {
        match self.levels.len() {
            0 => nearest_of(&self.edges, point, within_2),
            levels => self.nearest(levels - 1, 0, point, within_2),
        }
    }

    /// Calls `tell` with every edge whose box meets a rectangle, sides included, and with some others.
    pub(super) fn edges_near(&self, low: Mm, high: Mm, tell: &mut impl FnMut(Edge)) {
        match self.levels.len() {
            0 => self.edges.iter().copied().for_each(tell),
            levels => self.near(levels - 1, 0, (low, high), tell),
        }
    }

    /// Among the boxes of one group of a level.
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

    /// Among the boxes of one group of a level.
    fn nearest(&self, level: usize, group: usize, point: Mm, mut best: f64) -> f64 {
        let Some(boxes) = self.levels[level].get(group) else {
            return best;
        };
        let mut away = boxes.distances_2(point);
        // The nearest box first: it makes short work of the others.
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

    /// The edges of a box of the lowest level; none of one that only fills a place.
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
    /// Of up to eight rectangles; the places that are left hold the first one once more, and lead to
    /// nothing.
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

    /// Square millimetres from the point to each rectangle, or a trifle less; 0 inside.
    fn distances_2(&self, [x, y]: Mm) -> [f32; FAN_OUT] {
        // Positions keep within 1.7e9 mm of each other, so differences fit.
        let off = |low: i32, at: i32, high: i32| (low - at).max(at - high).max(0) as f32;
        std::array::from_fn(|at| {
            let across = off(self.west[at], x, self.east[at]);
            let up = off(self.south[at], y, self.north[at]);
            (across * across + up * up) * NO_MORE
        })
    }
}
