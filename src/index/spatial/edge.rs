//! An edge of a ring, and exact predicates on it.
//!
//! A *row* is a northing in whole millimetres. An edge occupies the rows from its lower end up to
//! but excluding its upper end, so a horizontal edge occupies none. It is *east* of a point in one
//! of its rows if it crosses the row further east than the point, and not at the point. A point is
//! inside a ring if an odd number of its edges are east of it. The rule depends only on the edge
//! and not on the area that it bounds: of two areas that share an edge, exactly one contains each
//! point on it.

use crate::domain::BritishGrid;

/// A position in whole millimetres of the British National Grid.
pub(super) type Mm = [i32; 2];

pub(super) fn mm(point: BritishGrid) -> Mm {
    [point.easting_mm(), point.northing_mm()]
}

/// An edge, from its lower end to its upper one; if it is horizontal, from west to east.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) low: Mm,
    pub(super) high: Mm,
}

/// The part of an edge that matters to the points of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clip {
    /// The first row…
    pub(super) from: i32,
    /// … and the row after the last of those in which the edge passes through the cell, so that a
    /// point may be on either side of it.
    pub(super) to: i32,
    /// The row at which the edge leaves or enters the cell through its east side: a path up that
    /// side crosses the edge if it starts below this row, but not if it starts in it or above.
    /// [`NO_ROW`] if the edge does not cross that side.
    pub(super) turn: i32,
}

/// Below every row.
pub(super) const NEVER: i32 = i32::MIN;

impl Edge {
    /// Returns the edge between two vertices of a ring, or `None` if they are equal.
    pub(super) fn between(a: Mm, b: Mm) -> Option<Edge> {
        let key = |[x, y]: Mm| (y, x);
        match key(a).cmp(&key(b)) {
            std::cmp::Ordering::Less => Some(Edge { low: a, high: b }),
            std::cmp::Ordering::Greater => Some(Edge { low: b, high: a }),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// Returns whether the edge, extended to an infinite line, crosses the point's row east of the
    /// point.
    ///
    /// Exact: positions are within 2^31 mm of each other, so each product fits in 62 bits.
    pub(super) fn line_is_east_of(&self, [x, y]: Mm) -> bool {
        let reach = apart(self.high[0], self.low[0]) * apart(y, self.low[1]);
        let needed = apart(x, self.low[0]) * apart(self.high[1], self.low[1]);
        reach > needed
    }

    /// Returns the first row from which the edge is on the same side of the easting `x` as its
    /// upper end, where the sides are "east" and "not east"; `None` if both ends are on the same
    /// side.
    ///
    /// A horizontal edge is on neither side in any row. For it the result is its own row, in which
    /// its neighbours in the ring change sides.
    fn turn(&self, x: i32) -> Option<i32> {
        let [low_is_east, high_is_east] = [self.low, self.high].map(|end| end[0] > x);
        if low_is_east == high_is_east {
            return None;
        }
        let rise = apart(self.high[1], self.low[1]);
        if rise == 0 {
            return Some(self.low[1]);
        }
        let run = apart(self.high[0], self.low[0]);
        let rows = if high_is_east {
            (apart(x, self.low[0]) * rise).div_euclid(run) + 1
        } else {
            let (over, run) = (apart(self.low[0], x) * rise, -run);
            over.div_euclid(run) + i64::from(over.rem_euclid(run) != 0)
        };
        Some(self.low[1] + i32::try_from(rows).expect("between the ends"))
    }

    /// Returns the part that matters to the points of a cell, `[west, east] × [south, north]`, both
    /// ends included; it may be empty.
    pub(super) fn clip(&self, [west, south]: Mm, [east, north]: Mm) -> Clip {
        let is_rising = self.low[0] <= self.high[0];
        // The row at which the edge passes an easting; its lower or upper end if the edge is on one
        // side of it.
        let passes = |x: i32| {
            let end = if (self.low[0] > x) == is_rising {
                self.low[1]
            } else {
                self.high[1]
            };
            self.turn(x).unwrap_or(end)
        };
        let (from, to) = if is_rising {
            (passes(west), passes(east))
        } else {
            (passes(east), passes(west))
        };
        Clip {
            from: from.max(south),
            to: to.min(north.saturating_add(1)),
            turn: self
                .turn(east)
                .filter(|&row| south < row && row <= north)
                .unwrap_or(NEVER),
        }
    }

    /// Returns the squared distance from the point to the edge, in square millimetres.
    pub(super) fn distance_2(&self, [x, y]: Mm) -> f64 {
        let (along_x, along_y) = self.along();
        let (off_x, off_y) = (far(x, self.low[0]), far(y, self.low[1]));
        let length_2 = along_x * along_x + along_y * along_y;
        let part = ((off_x * along_x + off_y * along_y) / length_2).clamp(0.0, 1.0);
        let (off_x, off_y) = (off_x - part * along_x, off_y - part * along_y);
        off_x * off_x + off_y * off_y
    }

    fn along(&self) -> (f64, f64) {
        (
            far(self.high[0], self.low[0]),
            far(self.high[1], self.low[1]),
        )
    }

    /// Returns the south-west and north-east corners of its bounding box.
    pub(super) fn bounds(&self) -> (Mm, Mm) {
        let [x1, x2] = [self.low[0], self.high[0]];
        ([x1.min(x2), self.low[1]], [x1.max(x2), self.high[1]])
    }

    /// Returns an easting at least a millimetre west of every point of the edge between two
    /// northings.
    pub(super) fn west_between(&self, south: i32, north: i32) -> i32 {
        let [a, b] = self.crossings_of(south, north);
        a.min(b) - 1
    }

    /// Returns an easting at least a millimetre east of every point of the edge between two
    /// northings.
    pub(super) fn east_between(&self, south: i32, north: i32) -> i32 {
        let [a, b] = self.crossings_of(south, north);
        a.max(b) + 2
    }

    /// Returns the eastings at which the edge passes two northings, clamped to its ends, rounded
    /// down to whole millimetres.
    fn crossings_of(&self, south: i32, north: i32) -> [i32; 2] {
        let rise = apart(self.high[1], self.low[1]);
        if rise == 0 {
            return [self.low[0], self.high[0]];
        }
        let run = apart(self.high[0], self.low[0]);
        [south, north].map(|height| {
            let up = apart(height.clamp(self.low[1], self.high[1]), self.low[1]);
            let over = (run * up).div_euclid(rise);
            self.low[0] + i32::try_from(over).expect("between the ends")
        })
    }

    /// Returns whether any point of the edge is in a rectangle, its sides included.
    pub(super) fn touches(&self, [west, south]: Mm, [east, north]: Mm) -> bool {
        let ([left, lower], [right, upper]) = self.bounds();
        if right < west || left > east || upper < south || lower > north {
            return false;
        }
        let side = |x: i32, y: i32| {
            let reach = apart(self.high[0], self.low[0]) * apart(y, self.low[1]);
            let needed = apart(x, self.low[0]) * apart(self.high[1], self.low[1]);
            reach.cmp(&needed)
        };
        let first = side(west, south);
        let rest = [side(east, south), side(west, north), side(east, north)];
        first.is_eq() || rest.iter().any(|&other| other != first)
    }
}

impl Clip {
    /// Returns whether the path from the point east to the cell's side, and up that side to the
    /// corner, crosses the edge an odd number of times.
    pub(super) fn is_crossed(&self, edge: &Edge, point: Mm) -> bool {
        let row = point[1];
        let is_east = self.from <= row && row < self.to && edge.line_is_east_of(point);
        is_east != (row < self.turn)
    }
}

/// Returns the difference, which an `f64` represents exactly.
fn far(a: i32, b: i32) -> f64 {
    f64::from(a) - f64::from(b)
}

/// Returns the difference, which may not fit in an `i32`.
fn apart(a: i32, b: i32) -> i64 {
    i64::from(a) - i64::from(b)
}
