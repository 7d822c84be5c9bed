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
//! the worst result so far. The grid takes 4 bytes for each postcode and 4 bytes for each square of
//! the bounding box: 10 MB for Great Britain, a fifth of the size of an R-tree of points.

use std::ops::RangeInclusive;

use super::PostcodeDirectory;
use crate::domain::{BritishGrid, Postcode, PostcodeEntry};

/// The rows in each square kilometre.
#[derive(Debug)]
pub(super) struct PositionGrid {
    /// The columns and rows of squares, in kilometres east and north of the false origin.
    east: RangeInclusive<i32>,
    north: RangeInclusive<i32>,
    /// The start of each square's rows in `rows`, line by line from the south-west, and the end of
    /// the last square's rows.
    starts: Vec<u32>,
    rows: Vec<u32>,
}

const SQUARE_MM: i32 = 1_000_000;
const MM_PER_M: f64 = 1_000.0;

/// The rows nearest to a point that have been found so far, each with its squared distance in
/// square millimetres.
struct NearestRows {
    found: Vec<(i64, usize)>,
    limit: usize,
    /// The square of the maximum distance, in square millimetres.
    radius_2: i64,
}

impl PositionGrid {
    /// Builds the grid from the position of each row, in order.
    pub(super) fn new(
        positions: impl Iterator<Item = Option<BritishGrid>> + Clone,
    ) -> PositionGrid {
        let located = (0_u32..).zip(positions);
        let located = located.filter_map(|(row, position)| Some((row, square_of(position?))));
        let mut grid = PositionGrid {
            east: min_to_max(located.clone().map(|(_, (x, _))| x)),
            north: min_to_max(located.clone().map(|(_, (_, y))| y)),
            starts: Vec::new(),
            rows: Vec::new(),
        };
        let squares = grid.east.clone().count() * grid.north.clone().count();
        // The number of rows of each square is counted in the next square's entry, then summed, so
        // that each entry is the start of its square's rows. The entry advances as these rows are
        // added.
        let mut next = vec![0_u32; squares + 1];
        for (_, square) in located.clone() {
            next[grid.square_index(square) + 1] += 1;
        }
        for index in 0..squares {
            next[index + 1] += next[index];
        }
        grid.starts = next.clone();
        grid.rows = vec![0; next[squares] as usize];
        for (row, square) in located {
            let place = &mut next[grid.square_index(square)];
            grid.rows[*place as usize] = row;
            *place += 1;
        }
        grid
    }

    /// Returns the index of a square of the grid.
    fn square_index(&self, (x, y): (i32, i32)) -> usize {
        let columns = self.east.end() - self.east.start() + 1;
        let index = (y - self.north.start()) * columns + (x - self.east.start());
        usize::try_from(index).expect("the square is in the grid")
    }

    /// Returns the rows of the squares in a line, from one column to another.
    fn rows_in_line(&self, xs: RangeInclusive<i32>, y: i32) -> &[u32] {
        let (from, to) = (
            self.square_index((*xs.start(), y)),
            self.square_index((*xs.end(), y)),
        );
        &self.rows[self.starts[from] as usize..self.starts[to + 1] as usize]
    }

    /// Returns the rows of the squares that are `ring` squares away from a square, in runs.
    fn rows_of_ring(&self, (x, y): (i32, i32), ring: i32) -> impl Iterator<Item = &[u32]> {
        let lines = intersect(y - ring..=y + ring, &self.north);
        lines.flat_map(move |line| {
            let is_whole = (line - y).abs() == ring;
            let runs = if is_whole {
                [Some(x - ring..=x + ring), None]
            } else {
                [Some(x - ring..=x - ring), Some(x + ring..=x + ring)]
            };
            let runs = runs.into_iter().flatten();
            let runs_in_grid = runs.map(|run| intersect(run, &self.east));
            let non_empty_runs = runs_in_grid.filter(|run| !run.is_empty());
            non_empty_runs.map(move |run| self.rows_in_line(run, line))
        })
    }
}

fn intersect(a: RangeInclusive<i32>, b: &RangeInclusive<i32>) -> RangeInclusive<i32> {
    *a.start().max(b.start())..=*a.end().min(b.end())
}

/// Returns the range from the least to the greatest value; if there are no values, the range of one
/// square, which remains empty.
fn min_to_max(values: impl Iterator<Item = i32> + Clone) -> RangeInclusive<i32> {
    values.clone().min().unwrap_or(0)..=values.max().unwrap_or(0)
}

fn square_of(position: BritishGrid) -> (i32, i32) {
    (
        position.easting_mm().div_euclid(SQUARE_MM),
        position.northing_mm().div_euclid(SQUARE_MM),
    )
}

impl PostcodeDirectory {
    /// Returns at most `limit` eligible entries within `within_m` of the point, each with its grid
    /// distance in metres: the nearest first, equal distances in order of postcode.
    pub(in crate::index) fn nearest(
        &self,
        point: BritishGrid,
        within_m: u32,
        limit: usize,
        is_eligible: impl Fn(&PostcodeEntry) -> bool,
    ) -> Vec<(PostcodeEntry, f64)> {
        let mut nearest = NearestRows {
            found: Vec::with_capacity(limit + 1),
            limit,
            radius_2: (i64::from(within_m) * 1_000).pow(2),
        };
        let centre = square_of(point);
        for ring in 0.. {
            if nearest.is_complete(ring_distance_mm(point, ring)) {
                break;
            }
            for &row in self.grid.rows_of_ring(centre, ring).flatten() {
                let row = row as usize;
                let distance_2 = self.distance_2(row, point);
                if nearest.would_accept((distance_2, row)) && is_eligible(&self.entry(row)) {
                    nearest.insert((distance_2, row));
                }
            }
        }
        let found = nearest.found.into_iter();
        found
            .map(|(distance_2, row)| (self.entry(row), to_metres(distance_2)))
            .collect()
    }

    /// Returns the distance in metres from the point to the nearest postcode that is live in this
    /// edition of the directory, other than `except`; `None` if there is no such postcode within
    /// `within_m`. If a postcode is at most `enough_m` away, the distance to it may be returned
    /// instead, which is faster where postcodes are dense.
    pub(in crate::index) fn distance_to_live_m(
        &self,
        point: BritishGrid,
        except: Option<Postcode>,
        enough_m: f64,
        within_m: u32,
    ) -> Option<f64> {
        let except = except.and_then(|postcode| self.find_row(postcode));
        // The positions of pseudo postcodes, whose rows come last, mean nothing.
        let ordinary_count = self.rows.len() - self.pseudo_postcodes.len();
        let mut nearest_2 = None;
        let mut limit_2 = (i64::from(within_m) * 1_000).pow(2);
        let centre = square_of(point);
        for ring in 0.. {
            if ring_distance_mm(point, ring).pow(2) > limit_2 {
                break;
            }
            for &row in self.grid.rows_of_ring(centre, ring).flatten() {
                let index = row as usize;
                let distance_2 = self.distance_2(index, point);
                let is_nearer = distance_2 <= limit_2;
                if !is_nearer || Some(row) == except || index >= ordinary_count {
                    continue;
                }
                if self.rows[index].is_live() {
                    (nearest_2, limit_2) = (Some(distance_2), distance_2);
                    if to_metres(distance_2) <= enough_m {
                        return Some(to_metres(distance_2));
                    }
                }
            }
        }
        nearest_2.map(to_metres)
    }

    /// Returns the squared distance in square millimetres to the position of a row. The row must
    /// have a position.
    fn distance_2(&self, row: usize, point: BritishGrid) -> i64 {
        let position = self.rows[row]
            .position()
            .expect("rows in the grid have positions");
        let east = i64::from(position.easting_mm()) - i64::from(point.easting_mm());
        let north = i64::from(position.northing_mm()) - i64::from(point.northing_mm());
        east * east + north * north
    }
}

impl NearestRows {
    /// Returns whether the search is complete, which means that no row at this distance or further
    /// away can be a result.
    fn is_complete(&self, ring_distance_mm: i64) -> bool {
        let beyond_2 = ring_distance_mm.pow(2);
        let worst = self.found.get(self.limit.wrapping_sub(1));
        // A postcode at exactly the distance of the worst result may precede that result in order.
        beyond_2 > self.radius_2 || worst.is_some_and(|&(worst_2, _)| beyond_2 > worst_2)
    }

    fn would_accept(&self, found: (i64, usize)) -> bool {
        let worst = self.found.get(self.limit.wrapping_sub(1));
        found.0 <= self.radius_2 && worst.is_none_or(|worst| found < *worst)
    }

    fn insert(&mut self, found: (i64, usize)) {
        let index = self.found.partition_point(|earlier| *earlier < found);
        self.found.insert(index, found);
        self.found.truncate(self.limit);
    }
}

/// Returns a lower bound on the distance from the point to the squares of a ring, in millimetres.
fn ring_distance_mm(point: BritishGrid, ring: i32) -> i64 {
    let distance_to_side = |mm: i32| {
        let offset = mm.rem_euclid(SQUARE_MM);
        offset.min(SQUARE_MM - offset)
    };
    let nearest_side =
        distance_to_side(point.easting_mm()).min(distance_to_side(point.northing_mm()));
    match ring {
        0 => 0,
        _ => i64::from(ring - 1) * i64::from(SQUARE_MM) + i64::from(nearest_side),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 95 km, where it is below 2^53; beyond that, within 1e-9"
)]
fn to_metres(distance_2: i64) -> f64 {
    (distance_2 as f64).sqrt() / MM_PER_M
}
