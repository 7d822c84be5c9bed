//! Finds the edges of each layer beyond which land begins, when an index is built. [`land_edges`]
//! describes the rule. This module supplies the postcodes that show where there is land.
//!
//! [`land_edges`]: super::spatial

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::OnceLock;

use super::Index;
use super::layer::LayerIndex;
use super::position_grid::PositionGrid;
use super::residence::ResolvedPosition;
use super::spatial::LandEdges;
use crate::domain::{Basis, BritishGrid, DirectoryStatus};
use crate::parallel::parallel_map;

/// The number of postcodes that a thread processes at a time.
const CHUNK_LENGTH: usize = 1 << 16;

/// The position of a live postcode, its statistical area, and the basis on which the statistical
/// area was determined.
#[derive(Clone, Copy)]
struct LivePostcode {
    position: BritishGrid,
    statistical_area: Option<(u32, Basis)>,
}

/// Positions that are searched by their distance to a point.
struct SearchablePositions {
    positions: Vec<BritishGrid>,
    grid: PositionGrid,
}

impl SearchablePositions {
    fn new(positions: Vec<BritishGrid>) -> SearchablePositions {
        SearchablePositions {
            grid: PositionGrid::new(positions.iter().copied().map(Some)),
            positions,
        }
    }

    /// Returns whether any position is at most `radius_m` metres from the point.
    fn has_any_within(&self, centre: BritishGrid, radius_m: f64) -> bool {
        let is_within = |row: &u32| {
            let position = self.positions[*row as usize];
            let east = position.easting_m() - centre.easting_m();
            let north = position.northing_m() - centre.northing_m();
            east * east + north * north <= radius_m * radius_m
        };
        let mut rows = self.grid.rows_within(centre, radius_m);
        rows.any(|rows| rows.iter().any(is_within))
    }
}

impl Index {
    /// Finds the edges beyond which land begins, for each boundary of each layer. If distances are
    /// not measured for a layer, its list is empty.
    pub(super) fn find_land_edges(&self) -> Vec<Vec<LandEdges>> {
        let postcodes = OnceLock::new();
        let postcodes = || postcodes.get_or_init(|| self.live_postcodes()).as_slice();
        parallel_map(self.layers.iter().collect(), |layer| {
            self.land_edges_of(layer, postcodes)
        })
    }

    fn land_edges_of<'p>(
        &self,
        layer: &LayerIndex,
        postcodes: impl Fn() -> &'p [LivePostcode],
    ) -> Vec<LandEdges> {
        if !layer.has_boundary_distances() {
            return Vec::new();
        }
        // The postcodes are found only when they are needed. Most layers without a coast do not
        // need them.
        let outside = OnceCell::new();
        let find_outside = || SearchablePositions::new(self.positions_outside(layer, postcodes()));
        let has_postcode_within = |centre: BritishGrid, radius_m: f64| {
            let outside = outside.get_or_init(find_outside);
            outside.has_any_within(centre, radius_m)
        };
        let statistical = &self.statistical_areas.boundary_index;
        layer
            .boundary_index
            .find_land_edges(statistical, has_postcode_within)
    }

    /// Returns the postcodes that are live in this edition of the directory and have a position.
    fn live_postcodes(&self) -> Vec<LivePostcode> {
        let row_count = self.directory.row_count();
        let starts = (0..row_count).step_by(CHUNK_LENGTH);
        let chunks = starts.map(|start| start..row_count.min(start + CHUNK_LENGTH));
        parallel_map(chunks.collect(), |rows| self.live_postcodes_in(rows)).concat()
    }

    fn live_postcodes_in(&self, rows: Range<usize>) -> Vec<LivePostcode> {
        let live = self.directory.entries_in(rows).filter(|entry| {
            entry.status == DirectoryStatus::Live && entry.postcode.special().is_none()
        });
        let day = self.manifest.as_of;
        live.filter_map(|entry| {
            let resolved = ResolvedPosition::of_entry(&entry)?;
            Some(LivePostcode {
                position: resolved.position,
                statistical_area: self.statistical_area_at(&resolved, day),
            })
        })
        .collect()
    }

    /// Returns the positions of the postcodes that are in no area of a layer.
    fn positions_outside(
        &self,
        layer: &LayerIndex,
        postcodes: &[LivePostcode],
    ) -> Vec<BritishGrid> {
        let chunks = postcodes.chunks(CHUNK_LENGTH).collect();
        parallel_map(chunks, |chunk| {
            self.positions_outside_of_chunk(layer, chunk)
        })
        .concat()
    }

    fn positions_outside_of_chunk(
        &self,
        layer: &LayerIndex,
        postcodes: &[LivePostcode],
    ) -> Vec<BritishGrid> {
        let day = self.manifest.as_of.max(layer.first_data);
        let is_assigned = |(row, _)| layer.assignments_on(row, day).next().is_some();
        let boundary_index = &layer.boundary_index;
        let mut covering = Vec::new();
        let mut is_covered = |position| {
            boundary_index.collect_covering(&mut covering, position, day);
            !covering.is_empty()
        };
        let is_off_the_coast = |position| {
            let nearest = boundary_index.nearest_within(position, layer.snap_m, day);
            nearest.is_some()
        };
        let is_outside = |postcode: &&LivePostcode| {
            !postcode.statistical_area.is_some_and(is_assigned)
                && !is_covered(postcode.position)
                && (layer.uses_statistical_areas || !is_off_the_coast(postcode.position))
        };
        let outside = postcodes.iter().filter(is_outside);
        outside.map(|postcode| postcode.position).collect()
    }
}
