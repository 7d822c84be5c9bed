//! The postcodes nearest to a point. The squares of the grid around the point are searched ring by
//! ring, until the next ring is further away than the worst result so far.

use super::PostcodeDirectory;
use crate::domain::{BritishGrid, Postcode, PostcodeEntry};
use crate::index::position_grid::{ring_distance_mm, square_of};

const MM_PER_M: f64 = 1_000.0;

/// The rows nearest to a point that have been found so far, each with its squared distance in
/// square millimetres.
struct NearestRows {
    found: Vec<(i64, usize)>,
    limit: usize,
    /// The square of the maximum distance, in square millimetres.
    radius_2: i64,
}

impl PostcodeDirectory {
    /// Returns at most `limit` eligible entries within `within_m` of the point, each with its grid
    /// distance in metres: the nearest entries first, and entries at equal distances in order of
    /// postcode.
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
    /// edition of the directory, excluding the postcode `except`; `None` if there is no such
    /// postcode within `within_m`. If some postcode is at most `enough_m` away, the function may
    /// return the distance to that postcode instead. This shortcut makes the search faster where
    /// postcodes are dense.
    pub(in crate::index) fn distance_to_live_m(
        &self,
        point: BritishGrid,
        except: Option<Postcode>,
        enough_m: f64,
        within_m: u32,
    ) -> Option<f64> {
        let except = except.and_then(|postcode| self.find_row(postcode));
        // The positions of pseudo postcodes, whose rows are the last rows, have no meaning.
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
        // A postcode at exactly the distance of the worst result may come before that result in
        // order of postcode.
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

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 95 km, where it is below 2^53; beyond that, within 1e-9"
)]
fn to_metres(distance_2: i64) -> f64 {
    (distance_2 as f64).sqrt() / MM_PER_M
}
