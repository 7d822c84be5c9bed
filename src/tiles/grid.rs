//! Whole-number geometry: squares around lattice points, and where to look for points.
//!
//! Each lattice point owns the open square of one step around it. A segment *enters* a square when it
//! has a point strictly inside; every test is exact.

/// A place in whole units, x to the east, y to the south.
pub(super) type Spot = (i64, i64);

/// Twice the area of the triangle; positive where `b` lies left of the way from `origin` to `a`, with
/// y taken upwards.
pub(super) fn cross(origin: Spot, a: Spot, b: Spot) -> i128 {
    let (ax, ay) = (i128::from(a.0 - origin.0), i128::from(a.1 - origin.1));
    let (bx, by) = (i128::from(b.0 - origin.0), i128::from(b.1 - origin.1));
    ax * by - ay * bx
}

/// Twice the area of a ring that does not repeat its first vertex. An exterior's is positive here and
/// in the format, whose y points down as well (MVT 2.1, 4.3.3.3).
pub(super) fn doubled_area(ring: &[Spot]) -> i128 {
    let Some(&origin) = ring.first() else {
        return 0;
    };
    ring.windows(2)
        .map(|edge| cross(origin, edge[0], edge[1]))
        .sum()
}

/// Whether the two segments cross in a single point inside both.
pub(super) fn cross_properly((a, b): (Spot, Spot), (c, d): (Spot, Spot)) -> bool {
    let parted = |p: i128, q: i128| (p < 0 && q > 0) || (p > 0 && q < 0);
    parted(cross(a, b, c), cross(a, b, d)) && parted(cross(c, d, a), cross(c, d, b))
}

/// Where two segments that cross properly meet, to the nearest unit.
pub(super) fn meeting((a, b): (Spot, Spot), (c, d): (Spot, Spot)) -> Spot {
    let (from_c, from_d) = (cross(c, d, a), cross(c, d, b));
    let along = |low: i64, high: i64| {
        let offset = rounded(i128::from(high - low) * from_c, from_c - from_d);
        low + i64::try_from(offset).expect("between the two ends")
    };
    (along(a.0, b.0), along(a.1, b.1))
}

/// The quotient to the nearest whole number, a half up. The divisor is not zero.
pub(super) fn rounded(dividend: i128, divisor: i128) -> i128 {
    let (dividend, divisor) = match divisor < 0 {
        true => (-dividend, -divisor),
        false => (dividend, divisor),
    };
    (2 * dividend + divisor).div_euclid(2 * divisor)
}

/// The points whose coordinates are multiples of a step, numbered in steps, and their squares.
///
/// Sides of squares lie between whole units, so that a vertex is always strictly inside one: of an
/// even step they are half a unit off the middle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lattice {
    step: i64,
    /// 1 where the step is even: squares are moved by as many half units.
    shift: i64,
}

impl Lattice {
    /// The step is 1 or even.
    pub(super) fn new(step: i64) -> Lattice {
        debug_assert!(step == 1 || (step > 0 && step % 2 == 0));
        Lattice {
            step,
            shift: i64::from(step % 2 == 0),
        }
    }

    /// Units from one lattice point to the next.
    pub(super) fn step(self) -> i64 {
        self.step
    }

    /// The lattice point whose square the place is in.
    pub(super) fn nearest(self, (x, y): Spot) -> Spot {
        let near = |at: i64| (2 * at + self.step + self.shift).div_euclid(2 * self.step);
        (near(x), near(y))
    }

    /// Whether the segment, which is in units, enters the square of the lattice point.
    pub(super) fn enters(self, a: Spot, b: Spot, point: Spot) -> bool {
        let middle = |at: i64| 2 * at * self.step - self.shift;
        let (x, y) = (middle(point.0), middle(point.1));
        let beside = |low: i64, high: i64, at: i64| {
            2 * low.min(high) >= at + self.step || 2 * low.max(high) <= at - self.step
        };
        if beside(a.0, b.0, x) || beside(a.1, b.1, y) {
            return false;
        }
        let (dx, dy) = (i128::from(b.0 - a.0), i128::from(b.1 - a.1));
        let off = dx * i128::from(y - 2 * a.1) - dy * i128::from(x - 2 * a.0);
        off.abs() < (dx.abs() + dy.abs()) * i128::from(self.step)
    }
}

/// Orders places along the way from `a` to `b`.
pub(super) fn sort_along(places: &mut [Spot], a: Spot, b: Spot) {
    let (dx, dy) = (i128::from(b.0 - a.0), i128::from(b.1 - a.1));
    places.sort_unstable_by_key(|&(x, y)| dx * i128::from(x) + dy * i128::from(y));
}

/// Points by the square buckets that they are in.
#[derive(Debug)]
pub(super) struct Buckets {
    low: Spot,
    /// A bucket's side is two to this.
    shift: u32,
    columns: usize,
    rows: usize,
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Buckets {
    /// About one bucket a point.
    pub(super) fn new(points: &[Spot]) -> Buckets {
        let least = |of: fn(&Spot) -> i64| points.iter().map(of).min().unwrap_or(0);
        let most = |of: fn(&Spot) -> i64| points.iter().map(of).max().unwrap_or(0);
        let low = (least(|it| it.0), least(|it| it.1));
        let (width, height) = (most(|it| it.0) - low.0, most(|it| it.1) - low.1);
        let count = |side: i64, shift: u32| usize::try_from((side >> shift) + 1).unwrap_or(1);
        let mut shift = 0;
        while count(width, shift).saturating_mul(count(height, shift)) > 2 * points.len() + 16 {
            shift += 1;
        }
        let mut buckets = Buckets {
            low,
            shift,
            columns: count(width, shift),
            rows: count(height, shift),
            starts: Vec::new(),
            items: vec![0; points.len()],
        };
        let of: Vec<usize> = points
            .iter()
            .map(|&(x, y)| buckets.row(y) * buckets.columns + buckets.column(x))
            .collect();
        buckets.starts = vec![0; buckets.columns * buckets.rows + 1];
        for &bucket in &of {
            buckets.starts[bucket + 1] += 1;
        }
        for at in 1..buckets.starts.len() {
            buckets.starts[at] += buckets.starts[at - 1];
        }
        let mut next = buckets.starts.clone();
        for (point, &bucket) in (0_u32..).zip(&of) {
            buckets.items[next[bucket] as usize] = point;
            next[bucket] += 1;
        }
        buckets
    }

    fn column(&self, x: i64) -> usize {
        usize::try_from((x - self.low.0).max(0) >> self.shift)
            .map_or(0, |column| column.min(self.columns - 1))
    }

    fn row(&self, y: i64) -> usize {
        usize::try_from((y - self.low.1).max(0) >> self.shift)
            .map_or(0, |row| row.min(self.rows - 1))
    }

    fn in_row(&self, row: usize, west: i64, east: i64) -> &[u32] {
        let first = row * self.columns;
        let from = self.starts[first + self.column(west)] as usize;
        let to = self.starts[first + self.column(east) + 1] as usize;
        &self.items[from..to]
    }

    /// Every point of the box, its sides included, and some near it.
    pub(super) fn within(&self, low: Spot, high: Spot) -> impl Iterator<Item = u32> {
        (self.row(low.1)..=self.row(high.1))
            .flat_map(move |row| self.in_row(row, low.0, high.0))
            .copied()
    }

    /// Every point within one unit of the segment along both axes, and some near it. The segment is
    /// in units of the points, not whole ones.
    pub(super) fn along(&self, a: (f64, f64), b: (f64, f64)) -> impl Iterator<Item = u32> {
        let (top, bottom) = if a.1 <= b.1 { (a, b) } else { (b, a) };
        let slope = (bottom.0 - top.0) / (bottom.1 - top.1).max(1e-9);
        let rows = self.row(floor(top.1) - 1)..=self.row(floor(bottom.1) + 2);
        rows.flat_map(move |row| {
            let bucket = i64::try_from(row).expect("few rows");
            let north = (self.low.1 + (bucket << self.shift) - 2) as f64;
            let south = (self.low.1 + ((bucket + 1) << self.shift) + 2) as f64;
            // The first and the last row hold what lies beyond them as well.
            let from = if row == 0 {
                top.1
            } else {
                north.clamp(top.1, bottom.1)
            };
            let to = if row + 1 == self.rows {
                bottom.1
            } else {
                south.clamp(top.1, bottom.1)
            };
            let at = |y: f64| top.0 + (y - top.1) * slope;
            let (west, east) = match bottom.1 - top.1 < 1e-6 {
                true => (a.0.min(b.0), a.0.max(b.0)),
                false => (at(from).min(at(to)), at(from).max(at(to))),
            };
            self.in_row(row, floor(west) - 2, floor(east) + 3)
        })
        .copied()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "positions are below 2^40")]
fn floor(value: f64) -> i64 {
    value.floor() as i64
}
