//! The edges of a boundary beyond which land begins, as opposed to open coast.
//!
//! The data have no coastline. The function therefore divides edges into parts of at most 100 m,
//! and uses the data beyond the middle of a part to determine whether there is land:
//!
//! ```text
//!          area │ beyond
//!               │
//!               │╌╌1╌╌10╌╌╌╌╌╌100 m         Land, if there is another area of the layer, or a
//!             m ┤         ╭─────────╮       statistical area that differs from the one inside.
//!               │       ╭─╯         ╰─╮
//!               │       │             │     Land, if a postcode in no area of the layer is in the
//!               │       ╰─╮         ╭─╯     circle that touches the edge from outside.
//!               │         ╰─────────╯
//! ```
//!
//! The circle has a diameter of 2 km. If an area of the layer is in the way, the circle is smaller,
//! because land beyond a narrow bay or river may be unrelated to this edge. A circle finds
//! postcodes up to 2 km beyond a straight border, but few postcodes to the side of the edge. In the
//! embedded dataset, circles of any size find 82 live postcodes near such a border. Circles of 1 km
//! find 61 of them, circles of 2 km find 79, and circles of 3 km find 80.
//!
//! In a dataset without statistical areas, land begins beyond every edge, because the sea cannot be
//! distinguished from land that the dataset does not cover.
//!
//! The result does not depend on the date: areas of all periods are land.

use super::BoundaryIndex;
use super::cells::CellIndex;
use super::edge::{Edge, MmCoord};
use super::edge_tree::EdgeTree;
use crate::domain::BritishGrid;

/// The maximum length of a part of an edge.
const PART_MM: f64 = 100_000.0;
/// The maximum number of parts in addition to the number of edges. Above this maximum, parts are
/// made longer. The maximum limits the build time for edges of any length.
const ADDITIONAL_PARTS: f64 = 20_000.0;
/// The distances beyond an edge at which the search looks for other areas. Neighbours whose borders
/// were drawn separately may be some metres apart.
const PROBES_MM: [f64; 3] = [1_000.0, 10_000.0, 100_000.0];
/// The distances up to which a circle may reach. The circle ends before the first of these
/// distances at which there is an area of the layer.
const DIAMETERS_MM: [f64; 5] = [100_000.0, 250_000.0, 500_000.0, 1_000_000.0, 2_000_000.0];

/// The kind of surface beyond an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Beyond {
    /// Open coast, or a region for which the dataset has no data.
    OpenCoast,
    /// Land that is in no area of the layer.
    Uncovered,
    /// Another area of the layer.
    Area,
}

/// The edges of one boundary beyond which land begins.
#[derive(Debug)]
pub(in crate::index) struct LandEdges {
    /// The edges beyond which land begins; `None` if land begins beyond all edges of the boundary.
    land: Option<EdgeTree>,
    /// The edges beyond which there is land in no area of the layer.
    uncovered: EdgeTree,
}

impl LandEdges {
    /// Returns whether land begins beyond every edge of the boundary.
    pub(super) fn are_all(&self) -> bool {
        self.land.is_none()
    }

    /// Returns the tree of the edges beyond which land begins, given the tree of all edges.
    pub(super) fn land<'t>(&'t self, all: &'t EdgeTree) -> &'t EdgeTree {
        self.land.as_ref().unwrap_or(all)
    }

    /// Returns the tree of the edges beyond which there is land in no area of the layer.
    pub(super) fn uncovered(&self) -> &EdgeTree {
        &self.uncovered
    }
}

/// The data that determine whether there is land beyond the edges of a layer.
struct LandFinder<'f, F> {
    layer: &'f CellIndex,
    /// The statistical areas; `None` if the dataset has no statistical areas.
    statistical: Option<&'f CellIndex>,
    has_postcode_within: F,
}

/// An edge of a boundary that is being classified.
#[derive(Debug, Clone, Copy)]
struct CandidateEdge {
    boundary: u32,
    edge: Edge,
    /// Whether the edge occurs more than once in the layer.
    is_shared: bool,
    /// Whether a postcode that is in no area of the layer is near the edge. Most edges have no such
    /// postcode, so their parts are not tested.
    has_postcodes: bool,
}

/// The middle of a part of an edge, and a vector of length 1 across the edge.
#[derive(Debug, Clone, Copy)]
struct Crossing {
    middle: [f64; 2],
    direction: [f64; 2],
}

impl BoundaryIndex {
    /// Returns the edges beyond which land begins, for each boundary. `has_postcode_within` returns
    /// whether a postcode that is in no area of the layer is within a radius of a point, in metres.
    pub(in crate::index) fn find_land_edges(
        &self,
        statistical: &BoundaryIndex,
        has_postcode_within: impl Fn(BritishGrid, f64) -> bool,
    ) -> Vec<LandEdges> {
        let finder = LandFinder {
            layer: &self.edges().cells,
            statistical: (!statistical.boundaries.is_empty()).then(|| &statistical.edges().cells),
            has_postcode_within,
        };
        let edges = || self.edges().edge_trees.iter().flat_map(EdgeTree::edges);
        let total_mm: f64 = edges().map(Edge::length_mm).sum();
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 edges")]
        let parts_max = edges().count() as f64 + ADDITIONAL_PARTS;
        let part_mm = PART_MM.max(total_mm / parts_max);
        let shared = repeated(edges().copied().collect());
        let boundaries = (0..).zip(&self.edges().edge_trees);
        boundaries
            .map(|(boundary, edge_tree)| {
                let (mut land, mut uncovered) = (Vec::new(), Vec::new());
                for edge in edge_tree.edges() {
                    let is_shared = shared.binary_search(edge).is_ok();
                    let candidate = finder.candidate(boundary, *edge, is_shared);
                    finder.classify(&candidate, part_mm, |part, beyond| {
                        land.extend((beyond != Beyond::OpenCoast).then_some(part));
                        uncovered.extend((beyond == Beyond::Uncovered).then_some(part));
                    });
                }
                let is_all = land == edge_tree.edges();
                LandEdges {
                    land: (!is_all).then(|| EdgeTree::new(land)),
                    uncovered: EdgeTree::new(uncovered),
                }
            })
            .collect()
    }
}

impl<F: Fn(BritishGrid, f64) -> bool> LandFinder<'_, F> {
    fn candidate(&self, boundary: u32, edge: Edge, is_shared: bool) -> CandidateEdge {
        let [x, y] = edge.point_at(0.5).map(round_to_mm);
        let reach_mm = edge.length_mm() / 2.0 + DIAMETERS_MM[DIAMETERS_MM.len() - 1];
        // Without statistical areas, postcodes are not needed.
        let has_postcodes =
            self.statistical.is_some() && self.has_postcode(BritishGrid::from_mm(x, y), reach_mm);
        CandidateEdge {
            boundary,
            edge,
            is_shared,
            has_postcodes,
        }
    }

    fn has_postcode(&self, centre: BritishGrid, radius_mm: f64) -> bool {
        (self.has_postcode_within)(centre, radius_mm / super::MM_PER_M)
    }

    /// Calls `visit` with the parts of an edge and the kind of surface beyond each part. Adjacent
    /// parts with the same result are combined.
    fn classify(
        &self,
        candidate: &CandidateEdge,
        part_mm: f64,
        mut visit: impl FnMut(Edge, Beyond),
    ) {
        let edge = &candidate.edge;
        // If two areas share an edge exactly and the other area is beyond its middle, the other
        // area is beyond the whole edge.
        if candidate.is_shared && self.beyond(candidate, 0.5) == Beyond::Area {
            visit(*edge, Beyond::Area);
            return;
        }
        let parts = part_count(edge, part_mm);
        let fraction = |index: u32, offset: f64| (f64::from(index) + offset) / f64::from(parts);
        let (mut start, mut current) = (0, self.beyond(candidate, fraction(0, 0.5)));
        for index in 1..parts {
            let beyond = self.beyond(candidate, fraction(index, 0.5));
            if beyond != current {
                let ends = (fraction(start, 0.0), fraction(index, 0.0));
                visit_part(edge, ends, current, &mut visit);
                (start, current) = (index, beyond);
            }
        }
        visit_part(edge, (fraction(start, 0.0), 1.0), current, &mut visit);
    }

    /// Returns the kind of surface beyond a point of an edge. The point is given as a fraction of
    /// the edge.
    fn beyond(&self, candidate: &CandidateEdge, fraction: f64) -> Beyond {
        let crossing = Crossing {
            middle: candidate.edge.point_at(fraction),
            direction: candidate.edge.normal(),
        };
        let sides = [crossing, crossing.reversed()];
        let outer_sides = sides
            .iter()
            .filter(|side| !contains(self.layer, side.point(PROBES_MM[0]), candidate.boundary));
        let beyond = outer_sides.map(|side| self.beyond_side(candidate, side));
        // If the area is on both sides of the edge, no other surface begins at the edge.
        beyond.max().unwrap_or(Beyond::OpenCoast)
    }

    /// Returns the kind of surface on a side of an edge that is outside the area.
    fn beyond_side(&self, candidate: &CandidateEdge, side: &Crossing) -> Beyond {
        let mut probes: Vec<MmCoord> = Vec::with_capacity(PROBES_MM.len());
        for point in PROBES_MM.map(|distance_mm| side.point(distance_mm)) {
            let covering = covering(self.layer, point);
            if covering.contains(&candidate.boundary) {
                break;
            }
            if !covering.is_empty() {
                return Beyond::Area;
            }
            probes.push(point);
        }
        let Some(statistical) = self.statistical else {
            return Beyond::Uncovered;
        };
        let inside = covering(statistical, side.reversed().point(PROBES_MM[0]));
        let is_another = |point: &MmCoord| {
            let covering = covering(statistical, *point);
            covering.iter().any(|area| !inside.contains(area))
        };
        let has_postcode = || candidate.has_postcodes && self.has_postcode_beyond(side);
        if probes.iter().any(is_another) || has_postcode() {
            Beyond::Uncovered
        } else {
            Beyond::OpenCoast
        }
    }

    fn has_postcode_beyond(&self, side: &Crossing) -> bool {
        let is_in_circle = |diameter_mm: f64| {
            let [x, y] = side.point(diameter_mm / 2.0);
            self.has_postcode(BritishGrid::from_mm(x, y), diameter_mm / 2.0)
        };
        // Every smaller circle is inside the largest.
        if !is_in_circle(DIAMETERS_MM[DIAMETERS_MM.len() - 1]) {
            return false;
        }
        let is_clear =
            |distance_mm: &f64| covering(self.layer, side.point(*distance_mm)).is_empty();
        let diameter_mm = DIAMETERS_MM.into_iter().take_while(is_clear).last();
        diameter_mm.is_some_and(is_in_circle)
    }
}

impl Crossing {
    fn reversed(&self) -> Crossing {
        Crossing {
            direction: self.direction.map(|value| -value),
            ..*self
        }
    }

    fn point(&self, distance_mm: f64) -> MmCoord {
        [0, 1].map(|axis| round_to_mm(self.middle[axis] + distance_mm * self.direction[axis]))
    }
}

/// Calls `visit` with the part of an edge between two fractions of the edge.
fn visit_part(
    edge: &Edge,
    (from, to): (f64, f64),
    beyond: Beyond,
    visit: &mut impl FnMut(Edge, Beyond),
) {
    let end = |fraction: f64| edge.point_at(fraction).map(round_to_mm);
    let part = if from <= 0.0 && to >= 1.0 {
        Some(*edge)
    } else {
        Edge::between(end(from), end(to))
    };
    if let Some(part) = part {
        visit(part, beyond);
    }
}

/// Returns the number of parts of at most `part_mm` into which an edge is divided.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "edges are shorter than 2^32 mm, and parts are longer than a millimetre"
)]
fn part_count(edge: &Edge, part_mm: f64) -> u32 {
    (edge.length_mm() / part_mm).ceil().max(1.0) as u32
}

/// Returns the edges that occur more than once, in order.
fn repeated(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.sort_unstable();
    let same = edges.chunk_by(|a, b| a == b);
    same.filter(|edges| edges.len() > 1)
        .map(|edges| edges[0])
        .collect()
}

/// Returns the boundaries on all dates that cover a point.
fn covering(cells: &CellIndex, point: MmCoord) -> Vec<u32> {
    let mut covering = Vec::new();
    cells.covering(point, &mut covering);
    covering
}

fn contains(cells: &CellIndex, point: MmCoord, boundary: u32) -> bool {
    covering(cells, point).contains(&boundary)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "positions and the circles around them are within 2^31 mm"
)]
fn round_to_mm(value: f64) -> i32 {
    value.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Boundary;
    use crate::index::test_dataset::{km, polygon_boundary, rectangle};

    /// Builds the index of a layer and finds its land edges. Positions are in kilometres.
    fn layer(
        boundaries: Vec<Boundary>,
        statistical: Vec<Boundary>,
        postcodes: &[(f64, f64)],
    ) -> BoundaryIndex {
        let layer = BoundaryIndex::build(boundaries);
        let statistical = BoundaryIndex::build(statistical);
        let postcodes: Vec<BritishGrid> = postcodes.iter().map(|&(x, y)| km(x, y)).collect();
        let land_edges = layer.find_land_edges(&statistical, |centre, radius_m| {
            postcodes
                .iter()
                .any(|postcode| postcode.distance_m(centre) <= radius_m)
        });
        layer.set_land_edges(land_edges);
        layer
    }

    /// Returns the distances in metres to land, and to land in no area, from a point of the first
    /// boundary.
    fn distances_m(layer: &BoundaryIndex, x: f64, y: f64) -> (Option<f64>, Option<f64>) {
        let round = |metres: f64| (metres * 100.0).round() / 100.0;
        let point = km(x, y);
        let uncovered = layer.distance_to_uncovered_land_m(0, point, 1e6);
        (
            layer.distance_to_land_m(0, point).map(round),
            uncovered.map(round),
        )
    }

    fn square(id: &str, west: f64) -> Boundary {
        rectangle(id, (west, 0.0), (west + 10.0, 10.0))
    }

    #[test]
    fn only_the_border_with_another_area_is_land() {
        let both = || vec![square("a", 0.0), square("b", 10.0)];
        let coast = layer(both(), both(), &[]);
        assert_eq!(distances_m(&coast, 1.0, 5.0), (Some(9_000.0), None));
        let same_area_twice = || vec![square("a", 0.0), square("a", 0.0)];
        let coast = layer(same_area_twice(), both(), &[]);
        // The statistical area b is in no area of the layer.
        let land = Some(9_000.0);
        assert_eq!(distances_m(&coast, 1.0, 5.0), (land, land));
        let island = layer(same_area_twice(), vec![square("a", 0.0)], &[]);
        assert_eq!(distances_m(&island, 1.0, 5.0), (None, None));
    }

    #[test]
    fn without_statistical_areas_every_edge_is_land() {
        let both = vec![square("a", 0.0), square("b", 10.0)];
        let layer = layer(both, Vec::new(), &[]);
        assert_eq!(
            distances_m(&layer, 1.0, 5.0),
            (Some(1_000.0), Some(1_000.0))
        );
        assert_eq!(distances_m(&layer, 9.9, 5.0), (Some(100.0), Some(5_000.0)));
    }

    #[test]
    fn an_edge_may_be_land_in_part() {
        let areas = vec![
            square("a", 0.0),
            rectangle("b", (10.0, 2.0), (12.0, 3.0)),
            rectangle("c", (10.0, 8.0), (12.0, 12.0)),
        ];
        let statistical = vec![
            square("a", 0.0),
            rectangle("b", (10.0, 2.0), (12.0, 3.0)),
            rectangle("c", (10.0, 5.0), (12.0, 6.0)),
        ];
        let layer = layer(areas, statistical, &[]);
        assert_eq!(
            distances_m(&layer, 9.0, 2.5),
            (Some(1_000.0), Some(2_692.58))
        );
        assert_eq!(
            distances_m(&layer, 9.0, 5.5),
            (Some(1_000.0), Some(1_000.0))
        );
        assert_eq!(
            distances_m(&layer, 9.0, 9.0),
            (Some(1_000.0), Some(3_162.28))
        );
        // The nearest land is at a corner.
        assert_eq!(distances_m(&layer, 9.0, 1.0).0, Some(1_414.21));
    }

    #[test]
    fn neighbours_may_be_some_metres_apart() {
        for (gap_km, distance_m) in [(0.03, Some(5_000.0)), (0.09, Some(5_000.0)), (0.11, None)] {
            let areas = || vec![square("a", 0.0), square("b", 10.0 + gap_km)];
            let layer = layer(areas(), areas(), &[]);
            assert_eq!(
                distances_m(&layer, 5.0, 5.0),
                (distance_m, None),
                "{gap_km}"
            );
        }
    }

    #[test]
    fn postcodes_beyond_an_edge_show_that_there_is_land() {
        let with = |postcode| {
            let area = || vec![square("a", 0.0)];
            distances_m(&layer(area(), area(), &[postcode]), 9.9, 5.05).1
        };
        assert_eq!(with((11.99, 5.05)), Some(100.0));
        assert_eq!(with((12.01, 5.05)), None);
        // A postcode to the side of the point is in the circle only if it is far enough beyond the
        // edge.
        assert_eq!(with((11.0, 6.04)), Some(100.0));
        assert_ne!(with((10.1, 6.04)), Some(100.0));
        // These postcodes are behind the edge.
        assert_eq!(with((9.95, 5.05)), None);
    }

    #[test]
    fn land_across_a_bay_of_the_area_does_not_count() {
        // A bay between two arms of the area, and a postcode south of the southern arm.
        let ring = |bay_km: f64| {
            vec![polygon_boundary(
                "a",
                &[
                    (0.0, 0.0),
                    (5.0, 0.0),
                    (5.0, 0.3),
                    (1.0, 0.3),
                    (1.0, 0.3 + bay_km),
                    (5.0, 0.3 + bay_km),
                    (5.0, 5.0),
                    (0.0, 5.0),
                ],
            )]
        };
        let postcode = (3.05, -0.1);
        let to_land_m = |bay_km: f64| {
            let layer = layer(ring(bay_km), ring(bay_km), &[postcode]);
            distances_m(&layer, 3.05, 0.4 + bay_km).1
        };
        // The land south of the southern arm is only beyond the southern edge of that arm.
        assert_eq!(to_land_m(0.3), Some(700.0));
        assert_eq!(to_land_m(0.05), Some(450.0));
    }

    #[test]
    fn long_edges_have_longer_parts() {
        // The edges of 4,000 km would have 40,000 parts of 100 m each.
        let areas = || {
            vec![
                polygon_boundary("a", &[(-450.0, 0.0), (550.0, 1.0), (550.0, 2.0)]),
                polygon_boundary("b", &[(-450.0, 0.0), (550.0, 0.0), (550.0, 1.0)]),
            ]
        };
        let layer = layer(areas(), areas(), &[]);
        let (land, uncovered) = distances_m(&layer, 540.0, 1.5);
        assert!(land.is_some_and(|metres| (metres - 510.0).abs() < 1.0));
        assert_eq!(uncovered, None);
    }
}
