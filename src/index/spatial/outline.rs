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

/// Makes the distance to a box no more than that to an edge in it, however that was rounded.
pub(super) const NO_MORE: f64 = 1.0 - 1e-9;

/// The edges of one boundary.
#[derive(Debug)]
pub(super) struct Outline {
    edges: Vec<Edge>,
    /// From the boxes of edges up to a level of no more than eight.
    levels: Vec<Vec<Bounds>>,
}

/// A rectangle, its sides included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) low: Mm,
    pub(super) high: Mm,
}

impl Outline {
    pub(super) fn new(edges: Vec<Edge>) -> Outline {
        let mut levels = Vec::new();
        let mut level = bounds_of(edges.iter().map(Bounds::of_edge), edges.len());
        while level.len() > FAN_OUT {
            let next = bounds_of(level.iter().copied(), level.len());
            levels.push(std::mem::replace(&mut level, next));
        }
        levels.push(level);
        Outline { edges, levels }
    }

    pub(super) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The rectangle around it; `None` where it has no edges.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        let top = self.levels.last()?;
        top.iter().copied().reduce(Bounds::with)
    }

    /// Square millimetres from the point to the nearest place of the nearest edge that is nearer than
    /// `within_2`; else that.
    pub(super) fn distance_2(&self, point: Mm, within_2: f64) -> f64 {
        let top = self.levels.len() - 1;
        self.nearest(top, 0, point, within_2)
    }

    /// Among the boxes of a level from `first` on that one box of the next level holds.
    fn nearest(&self, level: usize, first: usize, point: Mm, mut best: f64) -> f64 {
        let boxes = &self.levels[level];
        let boxes = &boxes[first..boxes.len().min(first + FAN_OUT)];
        let mut away = [f64::INFINITY; FAN_OUT];
        for (away, bounds) in away.iter_mut().zip(boxes) {
            *away = bounds.distance_2(point);
        }
        // The nearest box first: it makes short work of the others.
        loop {
            let nearer = |a, b| if away[b] < away[a] { b } else { a };
            let at = (1..FAN_OUT).fold(0, nearer);
            if away[at] >= best {
                return best;
            }
            away[at] = f64::INFINITY;
            let inner = (first + at) * FAN_OUT;
            best = match level {
                0 => self.nearest_edge(inner, point, best),
                _ => self.nearest(level - 1, inner, point, best),
            };
        }
    }

    fn nearest_edge(&self, first: usize, point: Mm, best: f64) -> f64 {
        let edges = &self.edges[first..self.edges.len().min(first + FAN_OUT)];
        let distances = edges.iter().map(|edge| edge.distance_2(point));
        distances.fold(best, f64::min)
    }
}

fn bounds_of(items: impl Iterator<Item = Bounds>, count: usize) -> Vec<Bounds> {
    let mut bounds: Vec<Bounds> = Vec::with_capacity(count.div_ceil(FAN_OUT));
    for (at, item) in items.enumerate() {
        match bounds.last_mut() {
            Some(last) if at % FAN_OUT != 0 => *last = last.with(item),
            _ => bounds.push(item),
        }
    }
    bounds
}

impl Bounds {
    fn of_edge(edge: &Edge) -> Bounds {
        let (low, high) = edge.bounds();
        Bounds { low, high }
    }

    fn with(self, other: Bounds) -> Bounds {
        let both = |axis: usize| {
            let low = self.low[axis].min(other.low[axis]);
            (low, self.high[axis].max(other.high[axis]))
        };
        let (x, y) = (both(0), both(1));
        Bounds {
            low: [x.0, y.0],
            high: [x.1, y.1],
        }
    }

    /// Square millimetres from the point to the rectangle, or a trifle less; 0 inside.
    fn distance_2(&self, point: Mm) -> f64 {
        let off = |axis: usize| {
            let [low, at, high] = [self.low, point, self.high].map(|it| i64::from(it[axis]));
            #[expect(clippy::cast_precision_loss, reason = "below 2^32")]
            let off = (low - at).max(at - high).max(0) as f64;
            off
        };
        (off(0).powi(2) + off(1).powi(2)) * NO_MORE
    }
}
