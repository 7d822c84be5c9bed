//! A grid of square kilometres over positions, which are searched by their distance to a point.
//!
//! The grid covers all positions. Each square lists the rows whose positions are in it, in two flat
//! arrays:
//!
//! ```text
//!  starts  0 │ 3 │ 3 │ 4 │ …      the start of each square, and the end of the last
//!          │         ╲
//!  rows    7 12 40  │ 9 │ …       the rows of each square, in ascending order
//! ```
//!
//! The squares around a point are searched ring by ring, until the next ring is further away than the
//! worst result so far. The grid takes 4 bytes for each position and 4 bytes for each square of
//! the bounding box: for the postcodes of Great Britain 10 MB, a fifth of the size of an R-tree of points.

use std::ops::RangeInclusive;

use crate::domain::BritishGrid;

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

    /// Returns the rows of the squares that may contain positions at most `radius_m` metres from a
    /// point, in runs.
    pub(super) fn rows_within(
        &self,
        point: BritishGrid,
        radius_m: f64,
    ) -> impl Iterator<Item = &[u32]> {
        // One millimetre more, so that the rounding of the radius excludes no square.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast of a float saturates"
        )]
        let radius_mm = (radius_m * 1_000.0).ceil() as i64 + 1;
        let rings = (0..).take_while(move |&ring| ring_distance_mm(point, ring) <= radius_mm);
        rings.flat_map(move |ring| self.rows_of_ring(square_of(point), ring))
    }

    /// Returns the rows of the squares that are `ring` squares away from a square, in runs.
    pub(super) fn rows_of_ring(
        &self,
        (x, y): (i32, i32),
        ring: i32,
    ) -> impl Iterator<Item = &[u32]> {
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

/// Returns the square of a position: kilometres east and north of the false origin.
pub(super) fn square_of(position: BritishGrid) -> (i32, i32) {
    (
        position.easting_mm().div_euclid(SQUARE_MM),
        position.northing_mm().div_euclid(SQUARE_MM),
    )
}

/// Returns a lower bound on the distance from the point to the squares of a ring, in millimetres.
pub(super) fn ring_distance_mm(point: BritishGrid, ring: i32) -> i64 {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_within_a_radius_include_every_position_there(
            positions in proptest::collection::vec((0..30_000_000, 0..20_000_000), 0..40),
            centre in (-5_000_000..35_000_000, -5_000_000..25_000_000),
            radius_m in 0.0..12_000.0,
        ) {
            let at_mm = |(x, y)| BritishGrid::from_mm(x, y);
            let (positions, centre) = (positions.into_iter().map(at_mm), at_mm(centre));
            let grid = PositionGrid::new(positions.clone().map(Some));
            let found: Vec<u32> = grid.rows_within(centre, radius_m).flatten().copied().collect();
            for (row, position) in (0..).zip(positions) {
                let east = position.easting_m() - centre.easting_m();
                let north = position.northing_m() - centre.northing_m();
                if east.hypot(north) <= radius_m {
                    prop_assert_eq!(found.iter().filter(|&&known| known == row).count(), 1);
                }
            }
        }
    }
}
