//! The postcodes nearest to a point.
//!
//! A grid of square kilometres over all positions; each knows the rows whose position it holds, in
//! two plain tables:
//!
//! ```text
//!  first   0 │ 3 │ 3 │ 4 │ …      one number a square, and one to end the last
//!          │         ╲
//!  rows    7 12 40  │ 9 │ …       the rows of each square, in order
//! ```
//!
//! The squares around the point are looked at ring by ring, until the next ring is further away than
//! the worst of the answers so far. It takes 4 bytes a postcode and 4 a square of the box around all:
//! 10 MB for Great Britain, a fifth of an R-tree of points.

use std::ops::RangeInclusive;

use super::Directory;
use crate::domain::{BritishGrid, PostcodeEntry};

/// Rows by the square kilometre in which their position is.
#[derive(Debug)]
pub(super) struct Grid {
    /// The squares that there are, in kilometres east and north of the false origin.
    east: RangeInclusive<i32>,
    north: RangeInclusive<i32>,
    /// Where the rows of each square begin, line by line from the south-west.
    first: Vec<u32>,
    rows: Vec<u32>,
}

const SQUARE_MM: i32 = 1_000_000;
const MM_PER_M: f64 = 1_000.0;

/// The rows nearest to a point so far: square millimetres, then row.
struct Nearest {
    found: Vec<(i64, usize)>,
    limit: usize,
    /// Square millimetres; nothing further away is an answer.
    reach_2: i64,
}

impl Grid {
    /// `positions` are those of the rows, in order.
    pub(super) fn of(positions: impl Iterator<Item = Option<BritishGrid>> + Clone) -> Grid {
        let placed = (0_u32..).zip(positions);
        let placed = placed.filter_map(|(row, position)| Some((row, square(position?))));
        let mut grid = Grid {
            east: range(placed.clone().map(|(_, (x, _))| x)),
            north: range(placed.clone().map(|(_, (_, y))| y)),
            first: Vec::new(),
            rows: Vec::new(),
        };
        let squares = grid.east.clone().count() * grid.north.clone().count();
        // Counted one square late, summed up, and then moved on as each row takes its place.
        let mut next = vec![0_u32; squares + 1];
        for (_, square) in placed.clone() {
            next[grid.at(square) + 1] += 1;
        }
        for at in 0..squares {
            next[at + 1] += next[at];
        }
        grid.first = next.clone();
        grid.rows = vec![0; next[squares] as usize];
        for (row, square) in placed {
            let place = &mut next[grid.at(square)];
            grid.rows[*place as usize] = row;
            *place += 1;
        }
        grid
    }

    /// The place of a square that is there.
    fn at(&self, (x, y): (i32, i32)) -> usize {
        let columns = self.east.end() - self.east.start() + 1;
        let at = (y - self.north.start()) * columns + (x - self.east.start());
        usize::try_from(at).expect("the square is there")
    }

    /// The rows of a line of squares, from one to another.
    fn rows_of(&self, xs: RangeInclusive<i32>, y: i32) -> &[u32] {
        let (from, to) = (self.at((*xs.start(), y)), self.at((*xs.end(), y)));
        &self.rows[self.first[from] as usize..self.first[to + 1] as usize]
    }

    /// The rows of the squares so many squares away from one, in runs.
    fn ring(&self, (x, y): (i32, i32), away: i32) -> impl Iterator<Item = &[u32]> {
        let lines = both(y - away..=y + away, &self.north);
        lines.flat_map(move |line| {
            let is_whole = (line - y).abs() == away;
            let runs = match is_whole {
                true => [Some(x - away..=x + away), None],
                false => [Some(x - away..=x - away), Some(x + away..=x + away)],
            };
            let runs = runs.into_iter().flatten();
            let there = runs.map(|run| both(run, &self.east));
            let there = there.filter(|run| !run.is_empty());
            there.map(move |run| self.rows_of(run, line))
        })
    }
}

fn both(a: RangeInclusive<i32>, b: &RangeInclusive<i32>) -> RangeInclusive<i32> {
    *a.start().max(b.start())..=*a.end().min(b.end())
}

/// From the least to the greatest; where there is none, one square without rows does no harm.
fn range(numbers: impl Iterator<Item = i32> + Clone) -> RangeInclusive<i32> {
    numbers.clone().min().unwrap_or(0)..=numbers.max().unwrap_or(0)
}

fn square(position: BritishGrid) -> (i32, i32) {
    (
        position.easting_mm().div_euclid(SQUARE_MM),
        position.northing_mm().div_euclid(SQUARE_MM),
    )
}

impl Directory {
    /// The wanted entries with a position at most so far from the point, and the metres to them on
    /// the grid: the nearest first, equally near ones in order of postcode.
    pub(in crate::index) fn nearest(
        &self,
        point: BritishGrid,
        within_m: u32,
        limit: usize,
        is_wanted: impl Fn(&PostcodeEntry) -> bool,
    ) -> Vec<(PostcodeEntry, f64)> {
        let mut nearest = Nearest {
            found: Vec::with_capacity(limit + 1),
            limit,
            reach_2: (i64::from(within_m) * 1_000).pow(2),
        };
        let here = square(point);
        for away in 0.. {
            if nearest.is_settled(beyond_mm(point, away)) {
                break;
            }
            for &row in self.grid.ring(here, away).flatten() {
                let row = row as usize;
                let distance_2 = self.distance_2(row, point);
                if nearest.would_take((distance_2, row)) && is_wanted(&self.entry(row)) {
                    nearest.take((distance_2, row));
                }
            }
        }
        let found = nearest.found.into_iter();
        found
            .map(|(distance_2, row)| (self.entry(row), metres(distance_2)))
            .collect()
    }

    /// Square millimetres from the row's position, which it has.
    fn distance_2(&self, row: usize, point: BritishGrid) -> i64 {
        let position = self.rows[row].position().expect("it is in the grid");
        let east = i64::from(position.easting_mm()) - i64::from(point.easting_mm());
        let north = i64::from(position.northing_mm()) - i64::from(point.northing_mm());
        east * east + north * north
    }
}

impl Nearest {
    /// Whether nothing that far away can be an answer any more.
    fn is_settled(&self, beyond_mm: i64) -> bool {
        let beyond_2 = beyond_mm.pow(2);
        let worst = self.found.get(self.limit.wrapping_sub(1));
        // At exactly the worst one's distance an earlier postcode may be.
        beyond_2 > self.reach_2 || worst.is_some_and(|&(worst_2, _)| beyond_2 > worst_2)
    }

    fn would_take(&self, found: (i64, usize)) -> bool {
        let worst = self.found.get(self.limit.wrapping_sub(1));
        found.0 <= self.reach_2 && worst.is_none_or(|worst| found < *worst)
    }

    fn take(&mut self, found: (i64, usize)) {
        let at = self.found.partition_point(|earlier| *earlier < found);
        self.found.insert(at, found);
        self.found.truncate(self.limit);
    }
}

/// How far from the point the squares of that ring begin, at least.
fn beyond_mm(point: BritishGrid, away: i32) -> i64 {
    let to_the_side = |mm: i32| {
        let into_it = mm.rem_euclid(SQUARE_MM);
        into_it.min(SQUARE_MM - into_it)
    };
    let nearest_side = to_the_side(point.easting_mm()).min(to_the_side(point.northing_mm()));
    match away {
        0 => 0,
        _ => i64::from(away - 1) * i64::from(SQUARE_MM) + i64::from(nearest_side),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "below 2^53 for 95 km and less; within 1e-9 beyond"
)]
fn metres(distance_2: i64) -> f64 {
    (distance_2 as f64).sqrt() / MM_PER_M
}
