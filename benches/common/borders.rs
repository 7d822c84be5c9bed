//! Made-up areas side by side whose borders are as crooked as real ones: a grid of bent cells whose
//! sides are broken in the middle again and again. The same on every machine.

use catchment::domain::{Boundary, BritishGrid, Extent, GridPolygon, Period};
use catchment::geodesy;
use geo::{LineString, MultiPolygon, Polygon};

/// A place in whole millimetres, easting first.
type Point = (i32, i32);

/// How many areas, where, and how crooked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Borders {
    pub(crate) columns: i32,
    pub(crate) rows: i32,
    /// The south-western corner, in millimetres.
    pub(crate) corner: Point,
    /// The side of a cell, in millimetres.
    pub(crate) side: i32,
    /// Edges along a side of a cell; the borders inside have one more.
    pub(crate) edges: u32,
    pub(crate) seed: u64,
}

/// 60 areas with 77,010 vertices, which one tile holds at zoom 6.
pub(crate) const SIXTY: Borders = Borders {
    columns: 10,
    rows: 6,
    corner: (290_000_000, 400_000_000),
    side: 20_000_000,
    edges: 320,
    seed: 60,
};

impl Borders {
    /// The areas, in order of row and column.
    pub(crate) fn areas(&self) -> Vec<Boundary> {
        let cells =
            (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (column, row)));
        cells
            .enumerate()
            .map(|(number, cell)| area(number, &self.ring(cell)))
            .collect()
    }

    fn ring(&self, (x, y): (i32, i32)) -> Vec<Point> {
        let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)];
        let mut ring = Vec::new();
        for ends in corners.windows(2) {
            let (from, to) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
            let mut side = self.border(from, to);
            if ends[0] != from {
                side.reverse();
            }
            side.pop();
            ring.extend(side);
        }
        ring
    }

    /// From one corner of the grid to the next, both included.
    fn border(&self, from: (i32, i32), to: (i32, i32)) -> Vec<Point> {
        let is_across = from.0 != to.0;
        let is_outer = match is_across {
            true => from.1 == 0 || from.1 == self.rows,
            false => from.0 == 0 || from.0 == self.columns,
        };
        let is_first_of_two = from.1 == 0 && from.0 < 2 && is_across;
        let edges = self.edges + u32::from(!is_outer || is_first_of_two);
        let mut line = vec![self.corner_at(from)];
        self.broken(self.corner_at(from), self.corner_at(to), edges, &mut line);
        line
    }

    fn corner_at(&self, (column, row): (i32, i32)) -> Point {
        let key = (i64::from(column), i64::from(row));
        let off = |which: u64| whole(0.15 * self.noise(key, which) * f64::from(self.side));
        (
            self.corner.0 + column * self.side + off(1),
            self.corner.1 + row * self.side + off(2),
        )
    }

    /// Adds the way after `a` to `b`: it stays in a flat rhombus around the two.
    fn broken(&self, a: Point, b: Point, edges: u32, line: &mut Vec<Point>) {
        if edges <= 1 {
            line.push(b);
            return;
        }
        let (dx, dy) = (f64::from(b.0 - a.0), f64::from(b.1 - a.1));
        // Any more, and borders cross themselves.
        let off = 0.1
            * self.noise(
                (
                    i64::from(a.0) + i64::from(b.0),
                    i64::from(a.1) + i64::from(b.1),
                ),
                3,
            );
        let middle = (
            a.0.midpoint(b.0) + whole(-dy * off),
            a.1.midpoint(b.1) + whole(dx * off),
        );
        self.broken(a, middle, edges / 2, line);
        self.broken(middle, b, edges - edges / 2, line);
    }

    /// From -1 to 1, the same for the same place (splitmix64).
    fn noise(&self, (x, y): (i64, i64), which: u64) -> f64 {
        let mut mixed = self.seed ^ which.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for part in [x, y] {
            mixed = mixed
                .wrapping_add(part.cast_unsigned())
                .wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
        }
        (mixed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a position of the grid")]
fn whole(value: f64) -> i32 {
    value.round() as i32
}

/// An area of one ring, with its longitudes and latitudes.
pub(crate) fn area(number: usize, ring: &[Point]) -> Boundary {
    let grid: Vec<BritishGrid> = ring
        .iter()
        .map(|&(x, y)| {
            let metres = |mm: i32| f64::from(mm) / 1_000.0;
            BritishGrid::from_metres(metres(x), metres(y)).expect("on the grid")
        })
        .collect();
    let mut line: LineString = grid
        .iter()
        .map(|&at| {
            let shown = geodesy::to_lonlat(at).expect("on the grid");
            (shown.lon(), shown.lat())
        })
        .collect();
    line.close();
    Boundary {
        id: format!("area-{number}"),
        extent: Extent::Whole,
        period: Period::default(),
        lonlat: MultiPolygon::new(vec![Polygon::new(line, Vec::new())]),
        grid: vec![GridPolygon { rings: vec![grid] }],
    }
}
