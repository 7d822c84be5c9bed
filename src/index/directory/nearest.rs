//! The postcodes nearest to a point.
//!
//! A grid of square kilometres covers all positions. Each square lists the rows whose positions are
//! in it, in two flat arrays:
//!
//! ```text
//!  starts  0 │ 3 │ 3 │ 4 │ …      the start of each square, and the end of the last
//!          │         ╲
//!  rows    7 12 40  │ 9 │ …       the rows of each square, in ascending order
//! ```
//!
//! The squares around the point are searched ring by ring, until the next ring is further away than
//! the worst result so far. The grid takes 4 bytes for each postcode and 4 for each square of the
//! bounding box: 10 MB for Great Britain, a fifth of an R-tree of points.

use std::ops::RangeInclusive;

use super::Directory;
use crate::domain::{BritishGrid, PostcodeEntry};

/// The rows in each square kilometre.
#[derive(Debug)]
pub(super) struct Grid {
    /// The columns and rows of squares, in kilometres east and north of the false origin.
    east: RangeInclusive<i32>,
    north: RangeInclusive<i32>,
    /// Where the rows of each square start in `rows`, line by line from the south-west, and the end
    /// of the last.
    first: Vec<u32>,
    rows: Vec<u32>,
}

const SQUARE_MM: i32 = 1_000_000;
const MM_PER_M: f64 = 1_000.0;

/// The rows nearest to a point that have been found so far: squared distance in square millimetres,
/// and row.
struct Nearest {
    found: Vec<(i64, usize)>,
    limit: usize,
    /// The square of the maximum distance, in square millimetres.
    reach_2: i64,
}

impl Grid {
    /// Builds the grid from the position of each row, in order.
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
        // Counted one square ahead, then summed; each entry advances as the rows of its square are
        // placed.
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

    /// Returns the index of a square of the grid.
    fn at(&self, (x, y): (i32, i32)) -> usize {
        let columns = self.east.end() - self.east.start() + 1;
        let at = (y - self.north.start()) * columns + (x - self.east.start());
        usize::try_from(at).expect("the square is in the grid")
    }

    /// Returns the rows of the squares in a line, from one column to another.
    fn rows_of(&self, xs: RangeInclusive<i32>, y: i32) -> &[u32] {
        let (from, to) = (self.at((*xs.start(), y)), self.at((*xs.end(), y)));
        &self.rows[self.first[from] as usize..self.first[to + 1] as usize]
    }

    /// Returns the rows of the squares that are `ring` squares away from a square, in runs.
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

/// Returns the range from the least to the greatest value; if there are none, the range of one
/// empty square, which does no harm.
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
    /// Returns the eligible entries with a position at most `within_m` from the point, with their
    /// distances in metres on the grid: the nearest first, equal distances in order of postcode.
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

    /// Returns the squared distance in square millimetres to the position of a row, which must have
    /// one.
    fn distance_2(&self, row: usize, point: BritishGrid) -> i64 {
        let position = self.rows[row].position().expect("rows in the grid have positions");
        let east = i64::from(position.easting_mm()) - i64::from(point.easting_mm());
        let north = i64::from(position.northing_mm()) - i64::from(point.northing_mm());
        east * east + north * north
    }
}

impl Nearest {
    /// Returns whether nothing at this distance or further can be a result any more.
    fn is_settled(&self, beyond_mm: i64) -> bool {
        let beyond_2 = beyond_mm.pow(2);
        let worst = self.found.get(self.limit.wrapping_sub(1));
        // A postcode at exactly the distance of the worst result may precede it in order.
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

/// Returns a lower bound of the distance from the point to the squares of a ring, in millimetres.
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
