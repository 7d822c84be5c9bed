//! A spatial index of boundaries, for exact point-in-polygon tests, distances to edges, and the
//! nearest boundary.
//!
//! All geometry is in whole millimetres of the British National Grid, and every point on a border
//! belongs to exactly one side of the border ([`edge`]). [`cells`] finds the boundaries that cover
//! a point and the edges near the point. [`cells`] uses [`crossing_tree`] where edges are too dense
//! for cells. [`edge_tree`] measures the distance to the edges of one boundary, and an R-tree of
//! bounding boxes finds the boundary nearest to a point that is outside all boundaries.
//! [`land_edges`] distinguishes borders from open coast.

mod cells;
mod crossing_tree;
mod edge;
mod edge_tree;
mod land_edges;

use std::sync::OnceLock;

use jiff::civil::Date;
use rstar::RTree;
use rstar::primitives::{GeomWithData, Rectangle};

use crate::domain::{Boundary, BritishGrid};
use cells::CellIndex;
use edge::{Edge, MmCoord, to_mm};
use edge_tree::EdgeTree;
pub(super) use land_edges::LandEdges;

const MM_PER_M: f64 = 1_000.0;
/// The factor by which the distance to a bounding box is multiplied, so that the product never
/// exceeds the distance to an edge in the box, however the two distances are rounded.
const ROUND_DOWN: f64 = 1.0 - 1e-9;

/// A spatial index of boundaries.
///
/// A boundary is identified by its position in the list from which the index was built.
#[derive(Debug)]
pub struct BoundaryIndex {
    boundaries: Vec<Boundary>,
    edges: OnceLock<EdgeIndex>,
    /// For each boundary, the edges beyond which land begins; empty if land begins beyond all edges.
    land_edges: OnceLock<Vec<LandEdges>>,
    /// Whether any boundary has a period.
    is_dated: bool,
}

/// The structures that every search uses.
#[derive(Debug)]
struct EdgeIndex {
    edge_trees: Vec<EdgeTree>,
    cells: CellIndex,
    bboxes: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
}

impl EdgeIndex {
    fn build(boundaries: &[Boundary]) -> EdgeIndex {
        let edge_trees: Vec<EdgeTree> = boundaries
            .iter()
            .map(|boundary| EdgeTree::new(edges_of(boundary)))
            .collect();
        let edges: Vec<&[Edge]> = edge_trees.iter().map(EdgeTree::edges).collect();
        let cells = CellIndex::build(&edges);
        let bboxes = edge_trees
            .iter()
            .enumerate()
            .filter_map(|(index, edge_tree)| {
                let (low, high) = edge_tree.bbox()?;
                let corners = Rectangle::from_corners(low.map(f64::from), high.map(f64::from));
                Some(GeomWithData::new(corners, index))
            });
        EdgeIndex {
            bboxes: RTree::bulk_load(bboxes.collect()),
            cells,
            edge_trees,
        }
    }
}

impl BoundaryIndex {
    /// Builds the index of boundaries. The rings do not need to be valid: a ring that crosses
    /// itself contains the points around which it winds an odd number of times.
    pub fn build(boundaries: Vec<Boundary>) -> BoundaryIndex {
        let index = BoundaryIndex::deferred(boundaries);
        index.prepare();
        index
    }

    /// Builds an index whose edges are indexed later, by [`BoundaryIndex::prepare`] or by the first
    /// search. Many boundaries are only displayed, and an index of their edges would take most of
    /// the memory.
    pub(super) fn deferred(boundaries: Vec<Boundary>) -> BoundaryIndex {
        BoundaryIndex {
            edges: OnceLock::new(),
            land_edges: OnceLock::new(),
            is_dated: boundaries
                .iter()
                .any(|boundary| boundary.period.from.is_some() || boundary.period.to.is_some()),
            boundaries,
        }
    }

    /// Indexes the edges, unless they have been indexed.
    pub(super) fn prepare(&self) {
        self.edges();
    }

    fn edges(&self) -> &EdgeIndex {
        self.edges
            .get_or_init(|| EdgeIndex::build(&self.boundaries))
    }

    /// Returns the boundaries from which the index was built.
    pub fn boundaries(&self) -> &[Boundary] {
        &self.boundaries
    }

    /// Returns a boundary, given its position in the list from which the index was built.
    pub fn boundary(&self, index: u32) -> &Boundary {
        &self.boundaries[index as usize]
    }

    /// Returns the boundaries that cover the point on a day, in ascending order.
    pub fn covering(&self, point: BritishGrid, day: Date) -> Vec<u32> {
        let mut covering = Vec::new();
        self.collect_covering(&mut covering, point, day);
        covering
    }

    /// Replaces the content of `covering` with the boundaries that [`BoundaryIndex::covering`]
    /// returns, so that the buffer can be reused.
    pub fn collect_covering(&self, covering: &mut Vec<u32>, point: BritishGrid, day: Date) {
        covering.clear();
        self.edges().cells.covering(to_mm(point), covering);
        self.retain_valid_on(covering, day);
    }

    /// Calls `visit` with the index of each point in `points` and the boundaries that cover it on a
    /// day, in ascending order. If there are many boundaries, this function is faster than looking
    /// up the points one after another.
    pub fn for_each_covering(
        &self,
        points: &[BritishGrid],
        day: Date,
        mut visit: impl FnMut(usize, &[u32]),
    ) {
        self.edges()
            .cells
            .for_each_covering(points, |index, covering| {
                self.retain_valid_on(covering, day);
                visit(index, covering);
            });
    }

    fn retain_valid_on(&self, boundaries: &mut Vec<u32>, day: Date) {
        if self.is_dated {
            boundaries.retain(|&boundary| self.is_valid_on(boundary, day));
        }
        boundaries.sort_unstable();
    }

    fn is_valid_on(&self, boundary: u32, day: Date) -> bool {
        self.boundary(boundary).period.contains(day)
    }

    /// Returns the distance in metres from the point to the nearest edge of the boundary.
    pub fn distance_to_edge_m(&self, boundary: u32, point: BritishGrid) -> f64 {
        let edge_tree = &self.edges().edge_trees[boundary as usize];
        edge_tree.distance_2(to_mm(point), f64::INFINITY).sqrt() / MM_PER_M
    }

    /// Returns whether any boundary covers the point on any date.
    pub(super) fn covers_on_any_date(&self, point: BritishGrid) -> bool {
        let mut covering = Vec::new();
        self.edges().cells.covering(to_mm(point), &mut covering);
        !covering.is_empty()
    }

    /// Returns whether the boundary covers the point or has an edge at most `within_m` metres from
    /// it. The period of the boundary is ignored.
    pub(super) fn is_within_on_any_date(
        &self,
        boundary: u32,
        point: BritishGrid,
        within_m: f64,
    ) -> bool {
        let mut covering = Vec::new();
        self.edges().cells.covering(to_mm(point), &mut covering);
        covering.contains(&boundary) || self.has_edge_within(boundary, point, within_m.next_up())
    }

    /// Returns whether the boundary has an edge nearer than `within_m` metres to the point.
    pub(super) fn has_edge_within(&self, boundary: u32, point: BritishGrid, within_m: f64) -> bool {
        let within_2 = (within_m * MM_PER_M).powi(2);
        self.edges().edge_trees[boundary as usize].distance_2(to_mm(point), within_2) < within_2
    }

    /// Sets the result of [`BoundaryIndex::find_land_edges`]. Until then, land is assumed beyond
    /// every edge. An empty result is not set, because the result is empty only for layers whose
    /// distances are not measured.
    pub(super) fn set_land_edges(&self, land_edges: Vec<LandEdges>) {
        if !land_edges.is_empty() {
            // Layers that share the boundaries have the same result.
            self.land_edges.get_or_init(|| land_edges);
        }
    }

    fn land_edges_of(&self, boundary: u32) -> Option<&LandEdges> {
        self.land_edges.get()?.get(boundary as usize)
    }

    /// Returns whether land begins beyond every edge of the boundary.
    pub(super) fn is_surrounded_by_land(&self, boundary: u32) -> bool {
        let edges = self.land_edges_of(boundary);
        edges.is_none_or(LandEdges::are_all)
    }

    /// Returns the distance in metres from the point to the nearest edge of the boundary beyond
    /// which land begins; `None` if the whole boundary is open coast.
    pub(super) fn distance_to_land_m(&self, boundary: u32, point: BritishGrid) -> Option<f64> {
        let all = &self.edges().edge_trees[boundary as usize];
        let edges = self.land_edges_of(boundary);
        let edges = edges.map_or(all, |edges| edges.land(all));
        let distance_2 = edges.distance_2(to_mm(point), f64::INFINITY);
        distance_2.is_finite().then(|| distance_2.sqrt() / MM_PER_M)
    }

    /// Returns the distance in metres from the point to the nearest edge of the boundary beyond
    /// which there is land in no area of the layer, if that edge is nearer than `within_m`.
    pub(super) fn distance_to_uncovered_land_m(
        &self,
        boundary: u32,
        point: BritishGrid,
        within_m: f64,
    ) -> Option<f64> {
        let edges = self.land_edges_of(boundary)?.uncovered();
        let within_2 = (within_m * MM_PER_M).powi(2);
        let distance_2 = edges.distance_2(to_mm(point), within_2);
        (distance_2 < within_2).then(|| distance_2.sqrt() / MM_PER_M)
    }

    /// Returns the boundaries valid on a day that have an edge nearer than `within_m` metres to the
    /// point, each with the distance to its nearest edge: the nearest boundaries first, and
    /// boundaries at equal distances in ascending order.
    pub fn boundaries_within(
        &self,
        point: BritishGrid,
        within_m: f64,
        day: Date,
    ) -> Vec<(u32, f64)> {
        let point_mm = to_mm(point);
        let within_2 = (within_m * MM_PER_M).powi(2);
        let mut near: Vec<(u32, f64)> = Vec::new();
        let (low, high) = search_square(point_mm, within_m);
        let edges = self.edges();
        edges
            .cells
            .for_each_edge_near(&edges.edge_trees, (low, high), |edge, boundary| {
                let distance_2 = edge.distance_2(point_mm);
                if distance_2 >= within_2 {
                    return;
                }
                match near.iter_mut().find(|(known, _)| *known == boundary) {
                    Some((_, nearest)) => *nearest = nearest.min(distance_2),
                    None => near.push((boundary, distance_2)),
                }
            });
        near.retain(|&(boundary, _)| !self.is_dated || self.is_valid_on(boundary, day));
        near.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let to_metres =
            |(boundary, distance_2): (u32, f64)| (boundary, distance_2.sqrt() / MM_PER_M);
        near.into_iter().map(to_metres).collect()
    }

    /// Returns the boundaries on all dates that cover the point or have an edge nearer than
    /// `within_m` metres, and possibly some other boundaries, in ascending order.
    pub(super) fn near_on_any_date(&self, point: BritishGrid, within_m: f64) -> Vec<u32> {
        let point_mm = to_mm(point);
        let mut near = Vec::new();
        let edges = self.edges();
        edges.cells.covering(point_mm, &mut near);
        let (low, high) = search_square(point_mm, within_m);
        edges
            .cells
            .for_each_edge_near(&edges.edge_trees, (low, high), |_, boundary| {
                near.push(boundary)
            });
        near.sort_unstable();
        near.dedup();
        near
    }

    /// Returns the boundary and the distance that [`BoundaryIndex::nearest`] returns, if the distance
    /// is at most `within_m` metres. If no boundary is that near, which is usual, this function is
    /// much faster.
    pub(super) fn nearest_within(
        &self,
        point: BritishGrid,
        within_m: f64,
        day: Date,
    ) -> Option<(u32, f64)> {
        // The search finds edges nearer than a limit, so the limit is a millimetre more.
        let near = self.boundaries_within(point, within_m + 1.0 / MM_PER_M, day);
        let nearest = near.first().copied();
        nearest.filter(|&(_, distance_m)| distance_m <= within_m)
    }

    /// Of the boundaries valid on a day, returns the boundary with the nearest edge, and the distance
    /// to that edge in metres. If several boundaries are equally near, returns the first of them.
    pub fn nearest(&self, point: BritishGrid, day: Date) -> Option<(u32, f64)> {
        let point_mm = to_mm(point);
        let mut best: Option<(u32, f64)> = None;
        let by_box = self
            .edges()
            .bboxes
            .nearest_neighbor_iter_with_distance_2(&point_mm.map(f64::from));
        for (entry, box_distance_2) in by_box {
            let nearest = best.map_or(f64::INFINITY, |(_, distance_2)| distance_2);
            if box_distance_2 * ROUND_DOWN > nearest {
                break;
            }
            let boundary = u32::try_from(entry.data).expect("fewer than 2^32 boundaries");
            if !self.is_valid_on(boundary, day) {
                continue;
            }
            let distance_2 =
                self.edges().edge_trees[entry.data].distance_2(point_mm, nearest.next_up());
            let is_first = best.is_none_or(|(known, _)| boundary < known);
            if distance_2 < nearest || (distance_2 == nearest && is_first) {
                best = Some((boundary, distance_2));
            }
        }
        best.map(|(boundary, distance_2)| (boundary, distance_2.sqrt() / MM_PER_M))
    }
}

/// Returns the edges of a boundary's rings in the order of the rings. An edge that occurs an even
/// number of times is omitted, because it bounds nothing. For example, a ring may follow an edge in
/// both directions.
fn edges_of(boundary: &Boundary) -> Vec<Edge> {
    let rings = boundary.grid.iter().flat_map(|polygon| &polygon.rings);
    let edges = rings.flat_map(|ring| {
        let next = ring.iter().cycle().skip(1);
        ring.iter()
            .zip(next)
            .filter_map(|(&a, &b)| Edge::between(to_mm(a), to_mm(b)))
    });
    let mut edges: Vec<Edge> = edges.collect();
    let mut sorted = edges.clone();
    sorted.sort_unstable();
    let same = sorted.chunk_by(|a, b| a == b);
    let cancelled: Vec<Edge> = same
        .filter(|edges| edges.len() % 2 == 0)
        .map(|edges| edges[0])
        .collect();
    if !cancelled.is_empty() {
        edges.retain(|edge| cancelled.binary_search(edge).is_err());
    }
    edges
}

/// Returns the corners of a square that contains every position nearer to the point than `within_m`
/// metres.
fn search_square(point: MmCoord, within_m: f64) -> (MmCoord, MmCoord) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates"
    )]
    let reach = (within_m * MM_PER_M).ceil() as i32;
    let corner = |offset: fn(i32, i32) -> i32| point.map(|value| offset(value, reach));
    (corner(i32::saturating_sub), corner(i32::saturating_add))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use geo::MultiPolygon;
    use jiff::civil::date;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::domain::{GridPolygon, LonLat, Period};
    use crate::geodesy;

    const DAY: Date = date(2025, 1, 1);

    fn at_mm(x: i32, y: i32) -> BritishGrid {
        BritishGrid::from_metres(f64::from(x) / 1_000.0, f64::from(y) / 1_000.0)
            .expect("on the grid")
    }

    fn boundary(id: &str, rings: &[&[(i32, i32)]]) -> Boundary {
        let ring = |ring: &&[(i32, i32)]| ring.iter().map(|&(x, y)| at_mm(x, y)).collect();
        Boundary {
            id: id.into(),
            catchment_kind: crate::domain::CatchmentKind::Whole,
            period: Period::default(),
            lonlat: MultiPolygon::new(Vec::new()),
            grid: vec![GridPolygon {
                rings: rings.iter().map(ring).collect(),
            }],
        }
    }

    /// Builds two neighbours with a crooked border, and a lake in the left area. An island in the
    /// lake is a separate area.
    fn sample_index() -> BoundaryIndex {
        BoundaryIndex::build(vec![
            boundary(
                "left",
                &[
                    &[(0, 0), (100, 0), (120, 37), (80, 70), (100, 100), (0, 100)],
                    &[(20, 20), (20, 60), (60, 60), (60, 20)],
                ],
            ),
            boundary(
                "right",
                &[&[
                    (100, 0),
                    (200, 0),
                    (200, 100),
                    (100, 100),
                    (80, 70),
                    (120, 37),
                ]],
            ),
            boundary("island", &[&[(20, 20), (60, 20), (60, 60), (20, 60)]]),
        ])
    }

    #[test]
    fn every_point_of_the_box_is_in_exactly_one_area() {
        let boundary_index = sample_index();
        for x in 0..200 {
            for y in 0..100 {
                assert_eq!(
                    boundary_index.covering(at_mm(x, y), DAY).len(),
                    1,
                    "{x} {y}"
                );
            }
        }
    }

    #[test]
    fn a_hole_is_outside_unless_another_area_fills_it() {
        let boundary_index = sample_index();
        assert_eq!(boundary_index.covering(at_mm(40, 40), DAY), [2]);
    }

    #[test]
    fn distances_are_to_the_nearest_edge() {
        let boundary_index = sample_index();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(
            boundary_index.distance_to_edge_m(1, at_mm(150, 90)),
            0.010
        ));
        assert!(close(
            boundary_index.distance_to_edge_m(0, at_mm(40, 40)),
            0.020
        ));
        let near: Vec<u32> = boundary_index
            .boundaries_within(at_mm(190, 50), 0.025, DAY)
            .iter()
            .map(|entry| entry.0)
            .collect();
        assert_eq!(near, [1]);
        let (nearest, distance_m) = boundary_index
            .nearest(at_mm(300, 50), DAY)
            .expect("there are areas");
        assert_eq!(nearest, 1);
        assert!(close(distance_m, 0.100));
    }

    #[test]
    fn points_on_a_shared_border_are_at_distance_zero_from_both() {
        let boundary_index = sample_index();
        let near = boundary_index.boundaries_within(at_mm(100, 100), 0.001, DAY);
        assert_eq!(near, [(0, 0.0), (1, 0.0)]);
    }

    #[test]
    fn boundaries_are_valid_only_in_their_period() {
        let mut old = boundary("old", &[&[(0, 0), (10, 0), (10, 10), (0, 10)]]);
        let mut new = boundary("new", &[&[(0, 0), (10, 0), (10, 10), (0, 10)]]);
        old.period.to = Some(date(2024, 7, 1));
        new.period.from = Some(date(2024, 7, 1));
        let boundary_index = BoundaryIndex::build(vec![old, new]);
        assert_eq!(boundary_index.covering(at_mm(5, 5), date(2024, 6, 30)), [0]);
        assert_eq!(boundary_index.covering(at_mm(5, 5), date(2024, 7, 1)), [1]);
        assert_eq!(boundary_index.near_on_any_date(at_mm(5, 5), 0.0), [0, 1]);
        assert_eq!(
            boundary_index.near_on_any_date(at_mm(-20, 5), 0.021),
            [0, 1]
        );
        assert_eq!(
            boundary_index
                .nearest(at_mm(50, 5), date(2024, 7, 1))
                .map(|value| value.0),
            Some(1)
        );
    }

    /// Returns the boundaries that cover a point, by counting the crossings of all edges.
    fn covering_by_scan(boundary_index: &BoundaryIndex, point: BritishGrid) -> Vec<u32> {
        let is_east = |edge: &&Edge| {
            let rows = edge.low[1]..edge.high[1];
            rows.contains(&point.northing_mm()) && edge.line_is_east_of(to_mm(point))
        };
        let is_around =
            |edge_tree: &EdgeTree| edge_tree.edges().iter().filter(is_east).count() % 2 == 1;
        let around = (0..)
            .zip(&boundary_index.edges().edge_trees)
            .filter(|value| is_around(value.1));
        around.map(|(index, _)| index).collect()
    }

    /// Returns the distance to the nearest edge of each boundary, by measuring all edges.
    fn distances_by_scan(boundary_index: &BoundaryIndex, point: BritishGrid) -> Vec<(u32, f64)> {
        let nearest = (0..)
            .zip(&boundary_index.edges().edge_trees)
            .map(|(index, edge_tree)| {
                let all = edge_tree
                    .edges()
                    .iter()
                    .map(|edge| edge.distance_2(to_mm(point)));
                (index, all.fold(f64::INFINITY, f64::min))
            });
        let mut distances: Vec<(u32, f64)> = nearest.collect();
        distances.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let to_metres = |(index, distance_2): (u32, f64)| (index, distance_2.sqrt() / MM_PER_M);
        distances.into_iter().map(to_metres).collect()
    }

    /// Generates points on the sides of cells, points next to these sides, and random points.
    fn probes(scale: i32) -> impl Strategy<Value = (i32, i32)> {
        let along = move || {
            prop_oneof![
                -10..scale + 10,
                (0..scale / 64 + 1, -1..=1).prop_map(|(value, off)| value * 64 + off),
            ]
        };
        (along(), along())
    }

    /// Generates polygons of arbitrary rings, most of which are invalid.
    fn any_boundary(scale: i32) -> impl Strategy<Value = Boundary> {
        let vertex = (0..scale, 0..scale);
        let ring = proptest::collection::vec(vertex, 0..12);
        let rings = proptest::collection::vec(ring, 0..3);
        rings.prop_map(|rings| {
            let rings: Vec<&[(i32, i32)]> = rings.iter().map(Vec::as_slice).collect();
            boundary("any", &rings)
        })
    }

    fn assert_same_as_scan(
        boundary_index: &BoundaryIndex,
        points: &[(i32, i32)],
    ) -> Result<(), TestCaseError> {
        let points: Vec<BritishGrid> = points.iter().map(|&(x, y)| at_mm(x, y)).collect();
        let expected: Vec<Vec<u32>> = points
            .iter()
            .map(|&point| covering_by_scan(boundary_index, point))
            .collect();
        for (&point, expected) in points.iter().zip(&expected) {
            prop_assert_eq!(&boundary_index.covering(point, DAY), expected);
        }
        let mut visited = Vec::new();
        boundary_index.for_each_covering(&points, DAY, |index, covering| {
            visited.push((index, covering.to_vec()))
        });
        prop_assert_eq!(
            visited,
            expected.into_iter().enumerate().collect::<Vec<_>>()
        );
        for &point in &points {
            let expected = distances_by_scan(boundary_index, point);
            for &(boundary, distance_m) in &expected {
                prop_assert_eq!(
                    boundary_index.distance_to_edge_m(boundary, point),
                    distance_m
                );
            }
            let first = expected
                .first()
                .copied()
                .filter(|value| value.1.is_finite());
            prop_assert_eq!(boundary_index.nearest(point, DAY), first);
            let at_distance = first.map_or(1.0, |(_, distance_m)| distance_m);
            for within_m in [
                0.0,
                0.08,
                at_distance,
                at_distance.next_down().max(0.0),
                10.0,
            ] {
                let expected = first.filter(|&(_, distance_m)| distance_m <= within_m);
                let found = boundary_index.nearest_within(point, within_m, DAY);
                prop_assert_eq!(found, expected);
            }
            let within_m = 0.08;
            let near = expected.into_iter().filter(|value| value.1 < within_m);
            let on_any_date = boundary_index.near_on_any_date(point, within_m);
            prop_assert!(on_any_date.is_sorted_by(|a, b| a < b));
            let mut required = near
                .clone()
                .map(|value| value.0)
                .chain(covering_by_scan(boundary_index, point));
            prop_assert!(required.all(|index| on_any_date.contains(&index)));
            prop_assert_eq!(
                boundary_index.boundaries_within(point, within_m, DAY),
                near.collect::<Vec<_>>()
            );
        }
        Ok(())
    }

    #[test]
    fn points_around_a_vertex_of_forty_areas_are_in_one_each() {
        let rim = |value: i32| {
            let turn = f64::from(value) / 40.0 * std::f64::consts::TAU;
            #[expect(clippy::cast_possible_truncation, reason = "within 1,000")]
            let on = |part: f64| (part * 1_000.0).round() as i32;
            (1_000 + on(turn.cos()), 1_000 + on(turn.sin()))
        };
        let slices = (0..40)
            .map(|value| boundary("slice", &[&[(1_000, 1_000), rim(value), rim(value + 1)]]));
        let boundary_index = BoundaryIndex::build(slices.collect());
        for x in 900..1_100 {
            for y in 900..1_100 {
                assert_eq!(
                    boundary_index.covering(at_mm(x, y), DAY).len(),
                    1,
                    "{x} {y}"
                );
            }
        }
    }

    #[test]
    fn an_edge_may_bound_a_hundred_areas() {
        let square: &[(i32, i32)] = &[(0, 0), (1_000, 0), (1_000, 1_000), (0, 1_000)];
        let boundary_index =
            BoundaryIndex::build((0..100).map(|_| boundary("same", &[square])).collect());
        let all: Vec<u32> = (0..100).collect();
        assert_eq!(boundary_index.covering(at_mm(1, 1), DAY), all);
        assert_eq!(
            boundary_index.covering(at_mm(1_001, 1), DAY),
            Vec::<u32>::new()
        );
        let near = boundary_index.boundaries_within(at_mm(-5, 500), 0.01, DAY);
        assert_eq!(
            near,
            all.iter().map(|&index| (index, 0.005)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn an_empty_index_covers_nothing() {
        let boundary_index = BoundaryIndex::build(Vec::new());
        assert_eq!(boundary_index.covering(at_mm(0, 0), DAY), Vec::<u32>::new());
        assert_eq!(boundary_index.boundaries_within(at_mm(0, 0), 1e9, DAY), []);
        assert_eq!(boundary_index.nearest(at_mm(0, 0), DAY), None);
    }

    #[test]
    fn the_furthest_positions_are_in_no_area() {
        let boundary_index = sample_index();
        for x in [-200_000.0, 900_000.0] {
            for y in [-200_000.0, 1_500_000.0] {
                let end = BritishGrid::from_metres(x, y).expect("near the grid");
                assert_eq!(boundary_index.covering(end, DAY), Vec::<u32>::new());
                assert_eq!(boundary_index.boundaries_within(end, 1e7, DAY).len(), 3);
                assert_eq!(boundary_index.near_on_any_date(end, 1.0), Vec::<u32>::new());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

        /// A triangulated square has no gaps or overlaps, wherever its inner vertex is.
        #[test]
        fn a_fan_of_triangles_covers_each_point_once(
            (cx, cy) in (1_i32..999, 1_i32..999), points in proptest::collection::vec((0_i32..1000, 0_i32..1000), 50),
        ) {
            let corners = [(0, 0), (1000, 0), (1000, 1000), (0, 1000)];
            let triangles = (0..4).map(|index| {
                boundary("t", &[&[corners[index], corners[(index + 1) % 4], (cx, cy)]])
            });
            let boundary_index = BoundaryIndex::build(triangles.collect());
            for (x, y) in points.into_iter().chain([(cx, cy), (0, 0), (cx, 0), (0, cy)]) {
                prop_assert_eq!(boundary_index.covering(at_mm(x, y), DAY).len(), 1);
            }
        }

        /// At this scale, every vertex is on or next to the side of a cell.
        #[test]
        fn cells_agree_with_rings_at_small_scale(
            boundaries in proptest::collection::vec(any_boundary(300), 0..8),
            points in proptest::collection::vec(probes(300), 60),
        ) {
            assert_same_as_scan(&BoundaryIndex::build(boundaries), &points)?;
        }

        /// At this scale, there are cells of many sizes.
        #[test]
        fn cells_agree_with_rings_at_large_scale(
            boundaries in proptest::collection::vec(any_boundary(800_000_000), 1..30),
            points in proptest::collection::vec(probes(800_000_000), 60),
        ) {
            assert_same_as_scan(&BoundaryIndex::build(boundaries), &points)?;
        }

        /// More boundaries overlap in one place than a record has bits.
        #[test]
        fn cells_agree_with_rings_where_many_boundaries_overlap(
            boundaries in proptest::collection::vec(any_boundary(60), 30..60),
            points in proptest::collection::vec(probes(60), 60),
        ) {
            assert_same_as_scan(&BoundaryIndex::build(boundaries), &points)?;
        }
    }

    /// Reads the polygons of a GeoJSON file of the embedded dataset.
    fn read_geojson(path: &Path) -> Vec<Boundary> {
        let text = fs::read_to_string(path).expect("a file");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        let array = |value: &Value| value.as_array().expect("an array").clone();
        let vertex = |position: &Value| {
            let degrees = |axis: usize| position[axis].as_f64().expect("a number");
            let lonlat = LonLat::new(degrees(0), degrees(1)).expect("on the Earth");
            geodesy::to_grid(lonlat).expect("on the grid")
        };
        let ring = |ring: &Value| {
            let mut vertices: Vec<BritishGrid> = array(ring).iter().map(vertex).collect();
            vertices.pop();
            vertices
        };
        let polygon = |polygon: &Value| GridPolygon {
            rings: array(polygon).iter().map(ring).collect(),
        };
        let feature = |feature: &Value| {
            let coordinates = &feature["geometry"]["coordinates"];
            let grid = match feature["geometry"]["type"].as_str() {
                Some("Polygon") => vec![polygon(coordinates)],
                _ => array(coordinates).iter().map(polygon).collect(),
            };
            Boundary {
                grid,
                ..boundary("area", &[])
            }
        };
        array(&file["features"]).iter().map(feature).collect()
    }

    #[test]
    fn no_square_of_the_embedded_layers_is_crowded() {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/lancashire-and-cumbria/areas");
        let files: Vec<_> = fs::read_dir(folder).expect("a folder").collect();
        assert!(files.len() >= 9, "{}", files.len());
        for file in files {
            let boundary_index = BoundaryIndex::build(read_geojson(&file.expect("a file").path()));
            // Each edge is counted only once, even if it bounds several areas.
            let edges: BTreeSet<&Edge> = boundary_index
                .edges()
                .edge_trees
                .iter()
                .flat_map(EdgeTree::edges)
                .collect();
            let edges = edges.len();
            let (slots, crowded) = boundary_index.edges().cells.block_and_crowded_counts();
            assert_eq!(crowded, 0);
            // At least half of the fixed part of the budget remains.
            assert!(
                slots <= 12 * edges + (1 << 15),
                "{slots} slots, {edges} edges"
            );
            // The squares of the root are as small as the number of edges allows: they were not
            // made larger because too many edges touch them.
            let squares = boundary_index.edges().cells.root_square_count();
            assert!(4 * squares > (edges * 64).clamp(1 << 8, 1 << 21));
        }
    }

    /// Returns a comb whose teeth are a kilometre long and a metre apart.
    fn comb(teeth: i32) -> Vec<(i32, i32)> {
        let vertices =
            (0..teeth).flat_map(|value| [(value * 1_000, 0), (value * 1_000 + 400, 1_000_000)]);
        let back = [(teeth * 1_000, 0), (teeth * 1_000, -1_000), (0, -1_000)];
        vertices.chain(back).collect()
    }

    /// Returns a star whose teeth reach from a circle to near its centre.
    fn star(teeth: i32) -> Vec<(i32, i32)> {
        #[expect(clippy::cast_possible_truncation, reason = "within a kilometre")]
        let position = |tooth: i32, radius: f64| {
            let angle = std::f64::consts::PI * f64::from(tooth) / f64::from(teeth);
            let (across, up) = (radius * angle.cos(), radius * angle.sin());
            (across.round() as i32, up.round() as i32)
        };
        (0..teeth)
            .flat_map(|tooth| [position(2 * tooth, 1e6), position(2 * tooth + 1, 1e4)])
            .collect()
    }

    /// Checks that the memory for long edges close together is proportional to the number of edges,
    /// and that look-ups near them remain exact.
    #[test]
    fn dense_edges_take_linear_memory_and_lookups_stay_exact() {
        let rotated: Vec<(i32, i32)> = comb(4_000).iter().map(|&(x, y)| (x - y, x + y)).collect();
        let upright = comb(4_000).iter().map(|&(x, y)| (y, -x)).collect();
        for ring in [comb(4_000), rotated, upright, star(4_000)] {
            let inner = [(200_000, 100_000), (300_000, 100_000), (200_000, 200_000)];
            let boundary_index =
                BoundaryIndex::build(vec![boundary("dense", &[&ring]), boundary("b", &[&inner])]);
            let (slots, crowded) = boundary_index.edges().cells.block_and_crowded_counts();
            assert!(slots < 12 * ring.len() + (1 << 16) + 100, "{slots}");
            assert!(crowded > 0);
            // The points are on vertices, next to vertices, and between vertices.
            for (index, &(x, y)) in ring.iter().enumerate().step_by(97) {
                let (next_x, next_y) = ring[(index + 1) % ring.len()];
                let middle = ((x + next_x) / 2, (y + next_y) / 2);
                for (x, y) in [(x, y), (x + 1, y - 1), middle, (middle.0 + 300, middle.1)] {
                    let point = at_mm(x, y);
                    assert_eq!(
                        boundary_index.covering(point, DAY),
                        covering_by_scan(&boundary_index, point),
                        "{x} {y}"
                    );
                    let near = boundary_index.boundaries_within(point, 0.5, DAY);
                    let all = distances_by_scan(&boundary_index, point);
                    let expected: Vec<_> = all.into_iter().filter(|value| value.1 < 0.5).collect();
                    assert_eq!(near, expected, "{x} {y}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

        /// The ring is long enough for several levels of bounding boxes.
        #[test]
        fn distances_to_a_long_ring_agree_with_a_scan(
            ring in proptest::collection::vec((0..40_000, 0..40_000), 0..700),
            points in proptest::collection::vec(probes(40_000), 60),
        ) {
            assert_same_as_scan(&BoundaryIndex::build(vec![boundary("long", &[&ring])]), &points)?;
        }
    }
}
