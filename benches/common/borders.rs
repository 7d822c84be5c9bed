//! Adjacent synthetic areas with boundaries as irregular as real boundaries. The sides of the cells
//! of a distorted grid are repeatedly bent at their midpoints. The areas are the same on every
//! machine.

use std::collections::BTreeMap;

use catchment::domain::{Boundary, BritishGrid, CatchmentKind, GridPolygon, Period};
use catchment::geodesy;
use geo::{LineString, MultiPolygon, Polygon};

/// A point in whole millimetres, easting first.
type Point = (i32, i32);

/// The number, position and irregularity of the cells of a distorted grid. Each cell is an area.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DistortedGrid {
    pub(crate) columns: i32,
    pub(crate) rows: i32,
    /// The south-west corner.
    pub(crate) corner: Point,
    /// The side of a cell in millimetres.
    pub(crate) side: i32,
    /// The number of edges of a cell's side that is on the outside of the grid. A side between two
    /// cells has one more edge.
    pub(crate) edges: u32,
    pub(crate) seed: u64,
}

/// 60 areas with 77,010 vertices in one tile at zoom 6.
pub(crate) const SIXTY_AREAS: DistortedGrid = DistortedGrid {
    columns: 10,
    rows: 6,
    corner: (290_000_000, 400_000_000),
    side: 20_000_000,
    edges: 320,
    seed: 60,
};

/// The maximum offset of a midpoint relative to the length of the segment. With this value,
/// boundaries are about as irregular as the boundaries of parishes.
const BEND_RATIO: f64 = 0.2;

/// A side of a cell, given by the grid corners at its two ends. The smaller corner is first.
type GridSide = ((i32, i32), (i32, i32));

/// The maximum number of attempts to draw a side that does not cross itself or another side. Each
/// attempt uses smaller offsets than the previous attempt.
const ATTEMPTS_MAX: u64 = 60;

impl DistortedGrid {
    /// Returns the areas, ordered by row, then column.
    pub(crate) fn areas(&self) -> Vec<Boundary> {
        let borders = self.side_lines();
        let cells =
            (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (column, row)));
        cells
            .enumerate()
            .map(|(index, cell)| area(index, &ring(&borders, cell)))
            .collect()
    }

    /// Returns the line that each side follows.
    fn side_lines(&self) -> BTreeMap<GridSide, Vec<Point>> {
        let mut borders: BTreeMap<GridSide, Vec<Point>> = BTreeMap::new();
        for x in 0..=self.columns {
            for y in 0..=self.rows {
                for to in [(x + 1, y), (x, y + 1)] {
                    if to.0 <= self.columns && to.1 <= self.rows {
                        let side = ((x, y), to);
                        let line = self.find_line(side, &borders);
                        borders.insert(side, line);
                    }
                }
            }
        }
        borders
    }

    /// Returns the first line that crosses neither itself nor a nearby line of `others`, or a
    /// straight line if every attempt fails.
    fn find_line(&self, side: GridSide, others: &BTreeMap<GridSide, Vec<Point>>) -> Vec<Point> {
        let is_near = |other: &GridSide| {
            let near = |a: i32, b: i32| (a - b).abs() <= 1;
            near(other.0.0, side.0.0) && near(other.0.1, side.0.1)
        };
        let near: Vec<&Vec<Point>> = others
            .iter()
            .filter(|(other, _)| is_near(other))
            .map(|(_, line)| line)
            .collect();
        let mut lines = (0..ATTEMPTS_MAX).map(|attempt| {
            let fraction = 1.0 - attempt as f64 / ATTEMPTS_MAX as f64;
            self.bent_line(side, attempt, BEND_RATIO * fraction)
        });
        let crosses = |line: &Vec<Point>| {
            lines_cross(line, line) || near.iter().any(|other| lines_cross(line, other))
        };
        let found = lines.find(|line| !crosses(line));
        found.unwrap_or_else(|| self.bent_line(side, 0, 0.0))
    }

    /// Returns a line from one corner to the other, both included.
    fn bent_line(&self, (from, to): GridSide, attempt: u64, bend: f64) -> Vec<Point> {
        let is_horizontal = from.0 != to.0;
        let is_outer = if is_horizontal {
            from.1 == 0 || from.1 == self.rows
        } else {
            from.0 == 0 || from.0 == self.columns
        };
        let is_first_of_two = from.1 == 0 && from.0 < 2 && is_horizontal;
        let edges = self.edges + u32::from(!is_outer || is_first_of_two);
        let (a, b) = (self.jittered_corner(from), self.jittered_corner(to));
        let mut line = vec![a];
        self.subdivide((a, b), edges, (attempt, bend), &mut line);
        line
    }

    fn jittered_corner(&self, (column, row): (i32, i32)) -> Point {
        let key = (i64::from(column), i64::from(row));
        let offset = |salt: u64| round_mm(0.15 * self.noise(key, salt) * f64::from(self.side));
        (
            self.corner.0 + column * self.side + offset(1),
            self.corner.1 + row * self.side + offset(2),
        )
    }

    /// Appends the vertices after `a` up to and including `b`.
    fn subdivide(
        &self,
        (a, b): (Point, Point),
        edges: u32,
        (attempt, bend): (u64, f64),
        line: &mut Vec<Point>,
    ) {
        if edges <= 1 {
            line.push(b);
            return;
        }
        let (dx, dy) = (f64::from(b.0 - a.0), f64::from(b.1 - a.1));
        let key = (
            i64::from(a.0) + i64::from(b.0),
            i64::from(a.1) + i64::from(b.1),
        );
        let offset = bend * self.noise(key, 3 + attempt);
        let middle = (
            a.0.midpoint(b.0) + round_mm(-dy * offset),
            a.1.midpoint(b.1) + round_mm(dx * offset),
        );
        self.subdivide((a, middle), edges / 2, (attempt, bend), line);
        self.subdivide((middle, b), edges - edges / 2, (attempt, bend), line);
    }

    /// Returns a pseudorandom number in [-1, 1) (splitmix64). The same arguments always give the
    /// same number.
    fn noise(&self, (x, y): (i64, i64), salt: u64) -> f64 {
        let mut mixed = self.seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
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

/// Returns the sides of a cell as a ring, counter-clockwise from its south-west corner.
fn ring(borders: &BTreeMap<GridSide, Vec<Point>>, (x, y): (i32, i32)) -> Vec<Point> {
    let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)];
    let mut ring = Vec::new();
    for ends in corners.windows(2) {
        let (from, to) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let mut side = borders[&(from, to)].clone();
        if ends[0] != from {
            side.reverse();
        }
        side.pop();
        ring.extend(side);
    }
    ring
}

/// Returns whether an edge of one line meets an edge of the other line at a point that is not a
/// common end of both edges. The two lines may be the same line.
fn lines_cross(one: &[Point], other: &[Point]) -> bool {
    let side = |a: Point, b: Point, c: Point| {
        let difference = |from: i32, to: i32| i64::from(to) - i64::from(from);
        (difference(a.0, b.0) * difference(a.1, c.1) - difference(a.1, b.1) * difference(a.0, c.0))
            .signum()
    };
    let are_disjoint = |a: i32, b: i32, c: i32, d: i32| a.max(b) < c.min(d) || c.max(d) < a.min(b);
    let is_same = std::ptr::eq(one, other);
    one.windows(2).enumerate().any(|(index, edge)| {
        let (a, b) = (edge[0], edge[1]);
        let start = if is_same {
            (index + 2).min(other.len())
        } else {
            0
        };
        other[start..].windows(2).any(|edge| {
            let (c, d) = (edge[0], edge[1]);
            if are_disjoint(a.0, b.0, c.0, d.0) || are_disjoint(a.1, b.1, c.1, d.1) {
                return false;
            }
            let has_end_in_common = a == c || a == d || b == c || b == d;
            !has_end_in_common
                && side(a, b, c) * side(a, b, d) <= 0
                && side(c, d, a) * side(c, d, b) <= 0
        })
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "positions on the grid fit into an i32"
)]
fn round_mm(value: f64) -> i32 {
    value.round() as i32
}

/// Builds an area that consists of one ring. The area also contains the longitudes and latitudes of
/// the vertices.
pub(crate) fn area(index: usize, ring: &[Point]) -> Boundary {
    let grid: Vec<BritishGrid> = ring
        .iter()
        .map(|&(x, y)| {
            let metres = |mm: i32| f64::from(mm) / 1_000.0;
            BritishGrid::from_metres(metres(x), metres(y)).expect("on the grid")
        })
        .collect();
    let mut line: LineString = grid
        .iter()
        .map(|&position| {
            let lonlat = geodesy::to_lonlat(position).expect("on the grid");
            (lonlat.lon(), lonlat.lat())
        })
        .collect();
    line.close();
    Boundary {
        id: format!("area-{index}"),
        catchment_kind: CatchmentKind::Whole,
        period: Period::default(),
        lonlat: MultiPolygon::new(vec![Polygon::new(line, Vec::new())]),
        grid: vec![GridPolygon { rings: vec![grid] }],
    }
}
