//! Finds the edges of each layer beyond which land begins, when an index is built. [`land_edges`]
//! describes the rule. This module supplies the postcodes that show where there is land.
//!
//! [`land_edges`]: super::spatial

use std::cell::OnceCell;
use std::sync::OnceLock;

use rstar::RTree;

use super::Index;
use super::layer::LayerIndex;
use super::residence::ResolvedPosition;
use super::spatial::LandEdges;
use crate::domain::{Basis, BritishGrid, DirectoryStatus};
use crate::parallel::parallel_map;

/// The position of a live postcode, its statistical area, and the basis on which the statistical
/// area was determined.
struct LivePostcode {
    position: BritishGrid,
    statistical_area: Option<(u32, Basis)>,
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
        let outside =
            || outside.get_or_init(|| RTree::bulk_load(self.positions_outside(layer, postcodes())));
        let has_postcode_within = |centre: BritishGrid, radius_m: f64| {
            let positions = outside().locate_within_distance(metres(centre), radius_m * radius_m);
            positions.into_iter().next().is_some()
        };
        let statistical = &self.statistical_areas.boundary_index;
        layer
            .boundary_index
            .find_land_edges(statistical, has_postcode_within)
    }

    /// Returns the postcodes that are live in this edition of the directory and have a position.
    fn live_postcodes(&self) -> Vec<LivePostcode> {
        let entries = self.directory.entries();
        let live = entries.filter(|entry| {
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
    fn positions_outside(&self, layer: &LayerIndex, postcodes: &[LivePostcode]) -> Vec<[f64; 2]> {
        let day = self.manifest.as_of.max(layer.first_data);
        let is_assigned = |(row, _)| layer.assignments_on(row, day).next().is_some();
        let boundary_index = &layer.boundary_index;
        let mut covering = Vec::new();
        let mut is_covered = |position| {
            boundary_index.collect_covering(&mut covering, position, day);
            !covering.is_empty()
        };
        let is_off_the_coast = |position| {
            let nearest = boundary_index.nearest(position, day);
            nearest.is_some_and(|(_, distance_m)| distance_m <= layer.snap_m)
        };
        let is_outside = |postcode: &&LivePostcode| {
            !postcode.statistical_area.is_some_and(is_assigned)
                && !is_covered(postcode.position)
                && (layer.uses_statistical_areas || !is_off_the_coast(postcode.position))
        };
        let outside = postcodes.iter().filter(is_outside);
        outside.map(|postcode| metres(postcode.position)).collect()
    }
}

fn metres(position: BritishGrid) -> [f64; 2] {
    [position.easting_m(), position.northing_m()]
}
