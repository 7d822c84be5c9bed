//! Proximity: the distance of a position from the boundary of its area, and the alternatives beyond
//! that boundary.
//!
//! - The distance is to the nearest edge beyond which land begins ([`land_edges`]), or to the
//!   nearest other area if that area is not far beyond the tolerance, even across water. Open coast
//!   is ignored: a position off a generalised coast is inside, unless the nearest edge is a border.
//! - The tolerance is the manifest's `tolerance_m` or, if greater, half the distance to the nearest
//!   live postcode, up to [`TOLERANCE_MAX_M`]. The reason is that a postcode covers more land where
//!   postcodes are far apart. The looked-up postcode itself is ignored. Live postcodes are those
//!   that are live in the edition of the directory, whatever the date of the look-up. An answer
//!   therefore changes only on the dates of [`ChangeDates`](super::ChangeDates), and not whenever a
//!   neighbouring postcode is introduced or terminated.
//! - The tolerance is calculated only if the result of a look-up depends on it, at most once for
//!   all layers, and is not stored. The search ends at the first postcode that is near enough for
//!   `tolerance_m`. The search is therefore fast in towns. Elsewhere, there are few postcodes to
//!   measure.
//!
//! [`land_edges`]: super::spatial

use jiff::civil::Date;

use super::Index;
use super::answer::{AlternativeArea, BoundaryProximity};
use super::layer::LayerIndex;
use super::residence::{AreaHit, ResolvedPosition};
use crate::domain::{Basis, BritishGrid, Certainty, LayerKind, Postcode};

/// The maximum tolerance in metres, unless the manifest's `tolerance_m` is greater.
const TOLERANCE_MAX_M: u32 = 500;

/// The sum, in metres, of two distances: the distance beyond an edge within which another area must
/// begin for the edge to be a land edge, and half the length of the parts of edges that are tested.
const BEYOND_EDGE_M: f64 = 150.0;

/// The maximum difference, in metres, between the distance to an edge and the distance to a part of
/// the edge. The parts of a divided edge are rounded to millimetres.
const PART_ROUNDING_M: f64 = 0.002;

impl Index {
    /// Measures the distance of a position from the boundary of an area that includes it. `covering`
    /// lists the boundaries of the layer that cover the position.
    pub(super) fn boundary_proximity<'i>(
        &'i self,
        layer: &'i LayerIndex,
        hit: &AreaHit,
        resolved: &ResolvedPosition,
        covering: &[u32],
        day: Date,
    ) -> BoundaryProximity<'i> {
        let own = layer.boundary(hit.ordinal, day);
        let (distance_m, mut alternatives) =
            match self.distance_if_far(layer, own, resolved.position, covering) {
                Some(distance_m) if hit.basis != Basis::Nearest => (distance_m, Vec::new()),
                _ => self.distance_and_lands(layer, hit.basis, own, resolved, covering, day),
            };
        alternatives.retain(|other| self.is_near(other.distance_m, resolved));
        let is_near = distance_m.is_some_and(|distance_m| self.is_near(distance_m, resolved));
        BoundaryProximity {
            certainty: if is_near || resolved.is_coarse || hit.basis == Basis::Nearest {
                Certainty::NearBoundary
            } else {
                Certainty::Inside
            },
            distance_m,
            alternatives,
        }
    }

    /// Returns the distance in metres to the nearest edge beyond which land begins, if every edge
    /// of the area that covers the position is further away than any tolerance. If every edge is
    /// that far away, no other area of a partition is nearby. Most positions are of this kind.
    #[expect(
        clippy::option_option,
        reason = "a far area may have only open coast around it"
    )]
    fn distance_if_far(
        &self,
        layer: &LayerIndex,
        own: Option<u32>,
        position: BritishGrid,
        covering: &[u32],
    ) -> Option<Option<f64>> {
        let own = own.filter(|own| layer.kind == LayerKind::Partition && covering == [*own])?;
        let (boundary_index, limit_m) = (&layer.boundary_index, self.tolerance_limit_m());
        let to_land = || boundary_index.distance_to_land_m(own, position);
        if boundary_index.is_surrounded_by_land(own) {
            // Land begins beyond the nearest edge, so one search is enough.
            let to_land_m = to_land();
            let is_far = to_land_m.is_none_or(|to_land_m| to_land_m >= limit_m);
            return is_far.then_some(to_land_m);
        }
        (!boundary_index.has_edge_within(own, position, limit_m)).then(to_land)
    }

    /// Returns the distance of a position from the boundary, and the nearby areas and uncovered
    /// land.
    fn distance_and_lands<'i>(
        &'i self,
        layer: &'i LayerIndex,
        basis: Basis,
        own: Option<u32>,
        resolved: &ResolvedPosition,
        covering: &[u32],
        day: Date,
    ) -> (Option<f64>, Vec<AlternativeArea<'i>>) {
        let lands = self.lands_nearby(layer, own, resolved, covering, day);
        let is_partition = layer.kind == LayerKind::Partition;
        let nearest_m = lands.first().filter(|_| is_partition);
        let nearest_m = nearest_m.map(|other| other.distance_m);
        let is_covered = own.is_some_and(|own| covering.contains(&own));
        let distance_m = match (basis, nearest_m) {
            // For a position off the coast whose area is only the nearest area, the sea cannot be
            // distinguished from land that the dataset does not cover.
            (Basis::Nearest, _) => Some(0.0),
            // If the other area is across a narrow river, it begins on the other side of the river.
            (_, Some(nearest_m)) if is_covered => Some(nearest_m),
            _ => {
                let to_land_m = land_distance_m(layer, own, resolved.position, covering);
                [to_land_m, nearest_m]
                    .into_iter()
                    .flatten()
                    .reduce(f64::min)
            }
        };
        (distance_m, lands)
    }

    fn is_near(&self, distance_m: f64, resolved: &ResolvedPosition) -> bool {
        distance_m < self.manifest.tolerance_m
            || (distance_m < self.tolerance_limit_m() && distance_m < self.tolerance_m(resolved))
    }

    /// Returns the tolerance of a look-up in metres.
    fn tolerance_m(&self, resolved: &ResolvedPosition) -> f64 {
        let calculate = || self.tolerance_at_m(resolved.position, resolved.postcode);
        *resolved.tolerance_m.get_or_init(calculate)
    }

    fn tolerance_at_m(&self, position: BritishGrid, postcode: Option<Postcode>) -> f64 {
        let (min_m, max_m) = (self.manifest.tolerance_m, self.tolerance_limit_m());
        if min_m >= max_m || self.directory.entries().len() == 0 {
            return min_m;
        }
        let nearest_m =
            self.directory
                .distance_to_live_m(position, postcode, 2.0 * min_m, 2 * TOLERANCE_MAX_M);
        let half_m = nearest_m.map_or(max_m, |nearest_m| nearest_m / 2.0);
        half_m.clamp(min_m, max_m)
    }

    /// Returns the maximum tolerance of any look-up.
    fn tolerance_limit_m(&self) -> f64 {
        self.manifest.tolerance_m.max(f64::from(TOLERANCE_MAX_M))
    }

    /// Returns the layer's other areas within the tolerance and [`BEYOND_EDGE_M`], and the land in
    /// no area of the layer, in ascending order of distance.
    fn lands_nearby<'i>(
        &'i self,
        layer: &'i LayerIndex,
        own: Option<u32>,
        resolved: &ResolvedPosition,
        covering: &[u32],
        day: Date,
    ) -> Vec<AlternativeArea<'i>> {
        let (boundary_index, position) = (&layer.boundary_index, resolved.position);
        let within_m = self.tolerance_m(resolved) + BEYOND_EDGE_M;
        let mut near = boundary_index.boundaries_within(position, within_m, day);
        for &index in covering {
            near.retain(|&(boundary, _)| boundary != index);
            near.insert(0, (index, 0.0));
        }
        let others = near.into_iter().filter(|&(index, _)| Some(index) != own);
        let others = others.filter_map(|(index, distance_m)| {
            let area = layer.version(layer.area_of(index), day)?;
            let area = Some(area);
            Some(AlternativeArea { area, distance_m })
        });
        let mut lands: Vec<AlternativeArea<'i>> = others.collect();
        let uncovered_m =
            own.and_then(|own| uncovered_land_distance_m(layer, own, position, covering, within_m));
        if let Some(distance_m) = uncovered_m {
            let index = lands.partition_point(|other| other.distance_m <= distance_m);
            let area = None;
            lands.insert(index, AlternativeArea { area, distance_m });
        }
        lands
    }
}

/// Returns the distance in metres to the nearest edge of an area's boundary beyond which land begins;
/// `None` if the whole boundary is open coast. The distance is 0 if the position is beyond
/// such an edge.
fn land_distance_m(
    layer: &LayerIndex,
    own: Option<u32>,
    position: BritishGrid,
    covering: &[u32],
) -> Option<f64> {
    let Some(own) = own else {
        return Some(0.0);
    };
    let to_land = layer.boundary_index.distance_to_land_m(own, position);
    if covering.contains(&own) {
        return to_land;
    }
    if !covering.is_empty() {
        return Some(0.0);
    }
    let to_edge = layer.boundary_index.distance_to_edge_m(own, position);
    to_land.map(|to_land| distance_from_outside_m(to_land, to_edge))
}

/// Returns the distance in metres to the nearest edge of an area's boundary beyond which there is
/// land in no area of the layer, if that edge is nearer than `within_m`.
fn uncovered_land_distance_m(
    layer: &LayerIndex,
    own: u32,
    position: BritishGrid,
    covering: &[u32],
    within_m: f64,
) -> Option<f64> {
    let boundary_index = &layer.boundary_index;
    let to_edge = || boundary_index.distance_to_edge_m(own, position);
    let is_outside = covering.is_empty();
    // If the position is on that land, the distance is 0, even if the edge is far away.
    let search_m = if is_outside {
        within_m.max(to_edge() + 2.0 * PART_ROUNDING_M)
    } else {
        within_m
    };
    let to_land = boundary_index.distance_to_uncovered_land_m(own, position, search_m)?;
    let distance_m = if is_outside {
        distance_from_outside_m(to_land, to_edge())
    } else {
        to_land
    };
    (distance_m < within_m).then_some(distance_m)
}

/// Returns the distance in metres to land for a position outside all areas, given the distance to
/// the nearest edge beyond which land begins and the distance to the nearest edge of any kind. If
/// these are the same edge, the position is on the land beyond that edge. Otherwise, the position
/// is off the open coast.
fn distance_from_outside_m(to_land_m: f64, to_edge_m: f64) -> f64 {
    if to_land_m <= to_edge_m + PART_ROUNDING_M {
        0.0
    } else {
        to_land_m
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{LocateQuery, Locator, areas_of_layer};
    use super::super::test_dataset::{
        build, dataset, entry, index, km, postcode, rectangle, residence_query, strip,
    };
    use super::*;
    use crate::domain::layers;
    use crate::domain::{Dataset, DirectoryStatus, Layer, PositionalQuality, RecordIndex};

    fn postcode_query(text: &str) -> LocateQuery {
        residence_query(Locator::Postcode(postcode(text)))
    }

    fn grid_query(east: f64, north: f64) -> LocateQuery {
        residence_query(Locator::Grid(km(east, north)))
    }

    /// The certainty, the distance, and the alternatives; `-` represents land in no area. Distances
    /// are in millimetres.
    type Proximity = (Certainty, Option<i64>, Vec<(String, i64)>);

    #[track_caller]
    fn proximity_in(index: &Index, query: &LocateQuery, layer: Layer) -> Proximity {
        let answer = index.locate(query);
        let [area] = areas_of_layer(&answer.residence, layer) else {
            panic!("one area")
        };
        let proximity = area.proximity.as_ref().expect("measured");
        #[expect(clippy::cast_possible_truncation, reason = "some kilometres")]
        let mm = |metres: f64| (metres * 1_000.0).round() as i64;
        let others = proximity.alternatives.iter().map(|other| {
            let id = other.area.map_or("-", |area| area.id.as_str());
            (id.to_string(), mm(other.distance_m))
        });
        (
            proximity.certainty,
            proximity.distance_m.map(mm),
            others.collect(),
        )
    }

    #[track_caller]
    fn check_in(
        index: &Index,
        query: &LocateQuery,
        expected: (Certainty, Option<i64>, &[(&str, i64)]),
    ) {
        let (certainty, distance_mm, others) = proximity_in(index, query, layers::icc());
        let others: Vec<(&str, i64)> = others
            .iter()
            .map(|(id, distance_mm)| (id.as_str(), *distance_mm))
            .collect();
        assert_eq!((certainty, distance_mm, others.as_slice()), expected);
    }

    #[track_caller]
    fn check(query: &LocateQuery, expected: (Certainty, Option<i64>, &[(&str, i64)])) {
        check_in(&index(), query, expected);
    }

    #[test]
    fn distances_are_to_the_nearest_border_and_not_to_the_coast() {
        use Certainty::{Inside, NearBoundary};
        // The position is 1 km from the coast.
        check(&postcode_query("LA1 1AA"), (Inside, Some(9_000_000), &[]));
        // The position of this postcode is coarse.
        check(
            &postcode_query("LA1 1AB"),
            (NearBoundary, Some(6_000_000), &[]),
        );
        check(
            &postcode_query("LA1 1AD"),
            (NearBoundary, Some(40_000), &[("l", 40_000)]),
        );
        // The directory overrides the boundaries. For positions off the coast, the nearest boundary
        // is used.
        check(
            &postcode_query("LA1 1AJ"),
            (NearBoundary, Some(0), &[("k", 0)]),
        );
        check(&postcode_query("LA1 1AE"), (NearBoundary, Some(0), &[]));
        // The whole boundary of the ICB is open coast, so there is a distance only for a postcode
        // that is off the coast of its areas.
        let mut dataset = dataset();
        dataset.postcodes.remove(3);
        let icb = proximity_in(&build(dataset), &postcode_query("LA1 1AA"), layers::icb());
        assert_eq!(icb, (Inside, None, Vec::new()));
    }

    #[test]
    fn a_distance_of_exactly_the_tolerance_counts_as_inside() {
        // The nearest postcode is 60 m away.
        let certainty = |east| proximity_in(&index(), &grid_query(east, 5.0), layers::icc()).0;
        assert_eq!(certainty(9.9), Certainty::Inside);
        assert_eq!(certainty(9.900_001), Certainty::NearBoundary);
    }

    #[test]
    fn off_the_coast_a_postcode_of_the_directory_is_inside() {
        let mut dataset = dataset();
        // The postcode is 120 m off the coast of k, which contains its statistical area.
        dataset.postcodes[3].statistical_area = Some(RecordIndex::new(0));
        let index = build(dataset);
        check_in(
            &index,
            &postcode_query("LA1 1AE"),
            (Certainty::Inside, Some(10_120_000), &[]),
        );
    }

    /// Returns the dataset with a postcode `LA2 1AD`, in S0, at a distance in metres from the border of
    /// k and l, and another postcode at a distance in metres from the first.
    fn with_neighbour(border_m: f64, neighbour_m: f64) -> Dataset {
        let mut dataset = dataset();
        let east = 10.0 - border_m / 1_000.0;
        let position = km(east, 2.0);
        let neighbour = km(east, 2.0 - neighbour_m / 1_000.0);
        dataset
            .postcodes
            .insert(10, entry("LA2 1AD", Some(position), Some(0)));
        dataset
            .postcodes
            .insert(11, entry("LA2 1AE", Some(neighbour), Some(0)));
        dataset
    }

    #[test]
    fn the_tolerance_is_half_the_distance_to_the_nearest_live_postcode() {
        let certainty = |dataset: Dataset| {
            proximity_in(&build(dataset), &postcode_query("LA2 1AD"), layers::icc()).0
        };
        let is_near = |border_m, neighbour_m| {
            certainty(with_neighbour(border_m, neighbour_m)) == Certainty::NearBoundary
        };
        assert!(is_near(99.0, 0.0) && !is_near(100.0, 0.0));
        assert!(is_near(99.0, 200.0) && !is_near(100.0, 200.0));
        assert!(is_near(149.0, 300.0) && !is_near(150.0, 300.0));
        assert!(is_near(499.0, 1_000.0) && !is_near(500.0, 1_000.0));
        assert!(is_near(499.0, 1_500.0) && !is_near(500.0, 1_500.0));
        let mut terminated = with_neighbour(300.0, 50.0);
        terminated.postcodes[11].status = DirectoryStatus::Terminated;
        assert_eq!(certainty(terminated), Certainty::NearBoundary);
        let mut greater = with_neighbour(600.0, 50.0);
        greater.manifest.tolerance_m = 700.0;
        assert_eq!(certainty(greater), Certainty::NearBoundary);
        // If there is no directory, the distances between postcodes are not known.
        let mut none = dataset();
        none.postcodes.clear();
        let certainty =
            |east| proximity_in(&build(none.clone()), &grid_query(east, 5.0), layers::icc()).0;
        assert_eq!(certainty(9.9), Certainty::Inside);
        assert_eq!(certainty(9.91), Certainty::NearBoundary);
    }

    #[test]
    fn a_position_in_another_area_is_at_distance_zero() {
        let mut dataset = dataset();
        dataset.postcodes[7].position = Some(km(9.99, 8.5));
        check_in(
            &build(dataset),
            &postcode_query("LA1 1AJ"),
            (Certainty::NearBoundary, Some(0), &[("k", 0)]),
        );
    }

    #[test]
    fn land_in_no_area_is_an_alternative() {
        let mut dataset = dataset();
        // The statistical area S3, in no ICC, is east of l.
        dataset.statistical_areas.push("S3".into());
        dataset
            .statistical_boundaries
            .push(rectangle("S3", (20.0, 4.0), (30.0, 6.0)));
        let index = build(dataset);
        check_in(
            &index,
            &grid_query(19.7, 5.0),
            (Certainty::NearBoundary, Some(300_000), &[("-", 300_000)]),
        );
        // South of S3, the edge of l is open coast.
        check_in(
            &index,
            &grid_query(19.7, 3.7),
            (Certainty::NearBoundary, Some(424_264), &[("-", 424_264)]),
        );
        check_in(
            &index,
            &grid_query(19.7, 3.5),
            (Certainty::Inside, Some(583_095), &[]),
        );
    }

    #[test]
    fn areas_across_water_are_alternatives_within_the_tolerance() {
        let mut dataset = dataset();
        let narrower = |id| strip(id, 0.0, 9.7);
        dataset.boundaries[1].1[0] = narrower("k");
        dataset.statistical_boundaries[0] = narrower("S0");
        let index = build(dataset);
        // The water between 9.7 km and 10 km is open to the south and to the north.
        check_in(
            &index,
            &grid_query(9.6, 2.0),
            (Certainty::NearBoundary, Some(400_000), &[("l", 400_000)]),
        );
        check_in(
            &index,
            &grid_query(9.4, 2.0),
            (Certainty::Inside, Some(600_000), &[]),
        );
        check_in(
            &index,
            &grid_query(9.3, 2.0),
            (Certainty::Inside, None, &[]),
        );
    }

    #[test]
    fn across_a_narrow_river_the_other_area_begins_on_the_other_side() {
        let mut dataset = dataset();
        let narrower = |id| strip(id, 0.0, 9.93);
        dataset.boundaries[1].1[0] = narrower("k");
        dataset.statistical_boundaries[0] = narrower("S0");
        // The nearest other postcodes are 60 m away.
        dataset
            .postcodes
            .insert(10, entry("LA2 1AD", Some(km(9.86, 2.06)), Some(0)));
        let index = build(dataset);
        check_in(
            &index,
            &grid_query(9.86, 2.0),
            (Certainty::Inside, Some(140_000), &[]),
        );
        check_in(
            &index,
            &grid_query(9.901, 2.0),
            (Certainty::NearBoundary, Some(99_000), &[("l", 99_000)]),
        );
        // At this position, the nearest land edge is the edge at the river.
        check_in(
            &index,
            &grid_query(9.0, 2.0),
            (Certainty::Inside, Some(930_000), &[]),
        );
    }

    #[test]
    fn large_user_postcodes_are_near_the_boundary() {
        let mut dataset = dataset();
        let mut large_user = entry("LA2 1AD", Some(km(1.0, 1.0)), Some(0));
        (large_user.is_large_user, large_user.positional_quality) =
            (true, PositionalQuality::new(10));
        dataset.postcodes.insert(10, large_user);
        let index = build(dataset);
        let (certainty, ..) = proximity_in(&index, &postcode_query("LA2 1AD"), layers::icc());
        assert_eq!(certainty, Certainty::NearBoundary);
    }
}
