//! An edge of a ring, and exact predicates on edges.
//!
//! A *row* is a northing in whole millimetres. An edge occupies the rows from its lower end up to
//! but excluding its upper end, so a horizontal edge occupies no row. An edge is *east* of a point
//! in one of its rows if it crosses that row at an easting greater than the point's easting. A
//! point is inside a ring if an odd number of the ring's edges are east of the point. The rule
//! depends only on the edge, and not on the area that the edge bounds. If two areas share an edge,
//! each point on that edge is therefore in exactly one of the two areas.

use crate::domain::BritishGrid;

/// A position in whole millimetres of the British National Grid.
pub(super) type MmCoord = [i32; 2];

pub(super) fn to_mm(point: BritishGrid) -> MmCoord {
    [point.easting_mm(), point.northing_mm()]
}

/// An edge, from its lower end to its upper end. A horizontal edge is from its western end to its
/// eastern end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) low: MmCoord,
    pub(super) high: MmCoord,
}

/// The part of an edge that is needed to test the points of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EdgeClip {
    /// The first row in which the edge passes through the cell, so that a point of the cell may be
    /// on either side of the edge.
    pub(super) from_row: i32,
    /// The row after the last row in which the edge passes through the cell.
    pub(super) to_row: i32,
    /// The row at which the edge leaves or enters the cell through the cell's east side. A path up
    /// that side crosses the edge if the path starts below this row, but not if it starts in this
    /// row or above. If the edge does not cross that side, the value is [`NO_ROW`].
    pub(super) east_side_row: i32,
}

/// A value below every row.
pub(super) const NO_ROW: i32 = i32::MIN;

impl Edge {
    /// Returns the edge between two vertices of a ring, or `None` if the vertices are equal.
    pub(super) fn between(a: MmCoord, b: MmCoord) -> Option<Edge> {
        let key = |[x, y]: MmCoord| (y, x);
        match key(a).cmp(&key(b)) {
            std::cmp::Ordering::Less => Some(Edge { low: a, high: b }),
            std::cmp::Ordering::Greater => Some(Edge { low: b, high: a }),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// Returns whether the infinite line through the edge crosses the point's row east of the
    /// point.
    ///
    /// The result is exact, because positions are within 2^31 mm of each other, so each product
    /// fits in 62 bits.
    pub(super) fn line_is_east_of(&self, [x, y]: MmCoord) -> bool {
        let line_offset =
            difference_i64(self.high[0], self.low[0]) * difference_i64(y, self.low[1]);
        let point_offset =
            difference_i64(x, self.low[0]) * difference_i64(self.high[1], self.low[1]);
        line_offset > point_offset
    }

    /// Returns the first row from which the edge is on the same side of the easting `x` as the
    /// edge's upper end. The two sides are "east" and "not east". Returns `None` if both ends of
    /// the edge are on the same side.
    ///
    /// A horizontal edge has no single easting in its row. If its ends are on different sides, the
    /// result is its row, because the adjacent edges of the ring change sides in that row.
    fn crossing_row(&self, x: i32) -> Option<i32> {
        let [low_is_east, high_is_east] = [self.low, self.high].map(|end| end[0] > x);
        if low_is_east == high_is_east {
            return None;
        }
        let rise = difference_i64(self.high[1], self.low[1]);
        if rise == 0 {
            return Some(self.low[1]);
        }
        let run = difference_i64(self.high[0], self.low[0]);
        let rows = if high_is_east {
            (difference_i64(x, self.low[0]) * rise).div_euclid(run) + 1
        } else {
            let (over, run) = (difference_i64(self.low[0], x) * rise, -run);
            over.div_euclid(run) + i64::from(over.rem_euclid(run) != 0)
        };
        Some(self.low[1] + i32::try_from(rows).expect("between the ends"))
    }

    /// Returns the rows in which the edge passes through the cell, and the row at which it passes the
    /// east side of the cell. The edge may pass through no row of the cell.
    /// The cell is `[west, east] × [south, north]`, with all sides included.
    pub(super) fn clip(&self, [west, south]: MmCoord, [east, north]: MmCoord) -> EdgeClip {
        let is_rising = self.low[0] <= self.high[0];
        // The row at which the edge passes an easting or, if all of the edge is on one side of that
        // easting, the row of its lower or upper end.
        let row_at = |x: i32| {
            let end = if (self.low[0] > x) == is_rising {
                self.low[1]
            } else {
                self.high[1]
            };
            self.crossing_row(x).unwrap_or(end)
        };
        let (from, to) = if is_rising {
            (row_at(west), row_at(east))
        } else {
            (row_at(east), row_at(west))
        };
        EdgeClip {
            from_row: from.max(south),
            to_row: to.min(north.saturating_add(1)),
            east_side_row: self
                .crossing_row(east)
                .filter(|&row| south < row && row <= north)
                .unwrap_or(NO_ROW),
        }
    }

    /// Returns the squared distance from the point to the edge, in square millimetres.
    pub(super) fn distance_2(&self, [x, y]: MmCoord) -> f64 {
        let (along_x, along_y) = self.direction();
        let (off_x, off_y) = (
            difference_f64(x, self.low[0]),
            difference_f64(y, self.low[1]),
        );
        let length_2 = along_x * along_x + along_y * along_y;
        let fraction = ((off_x * along_x + off_y * along_y) / length_2).clamp(0.0, 1.0);
        let (off_x, off_y) = (off_x - fraction * along_x, off_y - fraction * along_y);
        off_x * off_x + off_y * off_y
    }

    pub(super) fn length_mm(&self) -> f64 {
        let (along_x, along_y) = self.direction();
        along_x.hypot(along_y)
    }

    /// Returns the point at a fraction of the way from the lower end to the upper end.
    pub(super) fn point_at(&self, fraction: f64) -> [f64; 2] {
        let (along_x, along_y) = self.direction();
        [
            f64::from(self.low[0]) + fraction * along_x,
            f64::from(self.low[1]) + fraction * along_y,
        ]
    }

    /// Returns the direction of length 1 that is perpendicular to the edge, on its right.
    pub(super) fn normal(&self) -> [f64; 2] {
        let (along_x, along_y) = self.direction();
        let length = self.length_mm();
        [along_y / length, -along_x / length]
    }

    fn direction(&self) -> (f64, f64) {
        (
            difference_f64(self.high[0], self.low[0]),
            difference_f64(self.high[1], self.low[1]),
        )
    }

    /// Returns the south-west and north-east corners of the edge's bounding box.
    pub(super) fn bbox(&self) -> (MmCoord, MmCoord) {
        let [x1, x2] = [self.low[0], self.high[0]];
        ([x1.min(x2), self.low[1]], [x1.max(x2), self.high[1]])
    }

    /// Returns an easting at least a millimetre west of every point of the edge between two
    /// northings.
    pub(super) fn west_limit(&self, south: i32, north: i32) -> i32 {
        let [a, b] = self.x_at_heights(south, north);
        a.min(b) - 1
    }

    /// Returns an easting at least a millimetre east of every point of the edge between two
    /// northings.
    pub(super) fn east_limit(&self, south: i32, north: i32) -> i32 {
        let [a, b] = self.x_at_heights(south, north);
        a.max(b) + 2
    }

    /// Returns the eastings at which the edge passes two northings, which are clamped to the ends
    /// of the edge. The eastings are rounded down to whole millimetres.
    fn x_at_heights(&self, south: i32, north: i32) -> [i32; 2] {
        let rise = difference_i64(self.high[1], self.low[1]);
        if rise == 0 {
            return [self.low[0], self.high[0]];
        }
        let run = difference_i64(self.high[0], self.low[0]);
        [south, north].map(|height| {
            let up = difference_i64(height.clamp(self.low[1], self.high[1]), self.low[1]);
            let over = (run * up).div_euclid(rise);
            self.low[0] + i32::try_from(over).expect("between the ends")
        })
    }

    /// Returns whether any point of the edge is in a rectangle, including the sides of the
    /// rectangle.
    pub(super) fn intersects_rect(&self, [west, south]: MmCoord, [east, north]: MmCoord) -> bool {
        let ([left, lower], [right, upper]) = self.bbox();
        if right < west || left > east || upper < south || lower > north {
            return false;
        }
        let side = |x: i32, y: i32| {
            let line_offset =
                difference_i64(self.high[0], self.low[0]) * difference_i64(y, self.low[1]);
            let point_offset =
                difference_i64(x, self.low[0]) * difference_i64(self.high[1], self.low[1]);
            line_offset.cmp(&point_offset)
        };
        let first = side(west, south);
        let rest = [side(east, south), side(west, north), side(east, north)];
        first.is_eq() || rest.iter().any(|&other| other != first)
    }
}

impl EdgeClip {
    /// Returns whether the path from the point east to the cell's side, and up that side to the
    /// corner, crosses the edge an odd number of times.
    pub(super) fn is_crossed(&self, edge: &Edge, point: MmCoord) -> bool {
        let row = point[1];
        let is_east = self.from_row <= row && row < self.to_row && edge.line_is_east_of(point);
        is_east != (row < self.east_side_row)
    }
}

/// Returns the difference, which an `f64` represents exactly.
fn difference_f64(a: i32, b: i32) -> f64 {
    f64::from(a) - f64::from(b)
}

/// Returns the difference, which may not fit in an `i32`.
fn difference_i64(a: i32, b: i32) -> i64 {
    i64::from(a) - i64::from(b)
}
