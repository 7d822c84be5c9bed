//! Where boundaries are: exact point-in-polygon, distances to edges, neighbours.
//!
//! Everything is in whole millimetres of the British National Grid. A point belongs to a boundary
//! when a ray to the east crosses its edges an odd number of times; an edge holds its lower end and
//! not its upper one, and a point on an edge lies west of it. The rule looks at the edge alone and
//! not at whose it is, so two areas that share an edge never both hold a point of it, and never
//! neither: the one to the east does.

use jiff::civil::Date;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use crate::domain::{Boundary, BritishGrid};

const MM_PER_M: f64 = 1_000.0;

/// Boundaries in an R-tree of their boxes and another of their edges.
#[derive(Debug)]
pub(super) struct Spatial {
    boundaries: Vec<Boundary>,
    /// The edges of each boundary.
    edges: Vec<Vec<Edge>>,
    boxes: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
    edge_tree: RTree<OwnedEdge>,
}

/// From vertex to vertex, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    from: (i32, i32),
    to: (i32, i32),
}

#[derive(Debug, Clone, Copy)]
struct OwnedEdge {
    edge: Edge,
    boundary: usize,
}

impl Spatial {
    pub(super) fn build(boundaries: Vec<Boundary>) -> Spatial {
        let edges: Vec<Vec<Edge>> = boundaries.iter().map(edges_of).collect();
        let boxes = edges.iter().enumerate().filter_map(|(at, edges)| {
            let envelope = edges.iter().map(Edge::envelope).reduce(|mut all, one| {
                rstar::Envelope::merge(&mut all, &one);
                all
            })?;
            Some(GeomWithData::new(
                Rectangle::from_corners(envelope.lower(), envelope.upper()),
                at,
            ))
        });
        let owned = edges.iter().enumerate().flat_map(|(boundary, edges)| {
            edges.iter().map(move |&edge| OwnedEdge { edge, boundary })
        });
        Spatial {
            boxes: RTree::bulk_load(boxes.collect()),
            edge_tree: RTree::bulk_load(owned.collect()),
            edges,
            boundaries,
        }
    }

    pub(super) fn boundaries(&self) -> &[Boundary] {
        &self.boundaries
    }

    /// The boundaries around the point on that day, in their order.
    pub(super) fn covering(&self, point: BritishGrid, day: Date) -> Vec<usize> {
        let mut covering: Vec<usize> = self
            .boxes
            .locate_all_at_point(&in_mm(point))
            .map(|entry| entry.data)
            .filter(|&at| self.boundaries[at].period.contains(day) && self.contains(at, point))
            .collect();
        covering.sort_unstable();
        covering
    }

    /// Whether the boundary holds the point, by the half-open rule of this module.
    pub(super) fn contains(&self, boundary: usize, point: BritishGrid) -> bool {
        let crossings = self.edges[boundary]
            .iter()
            .filter(|edge| edge.is_east_of(point))
            .count();
        crossings % 2 == 1
    }

    /// Metres from the point to the nearest edge of the boundary.
    pub(super) fn distance_to_edge_m(&self, boundary: usize, point: BritishGrid) -> f64 {
        let nearest = self.edges[boundary]
            .iter()
            .map(|edge| edge.distance_2(in_mm(point)))
            .fold(f64::INFINITY, f64::min);
        nearest.sqrt() / MM_PER_M
    }

    /// The boundaries with an edge nearer than `within_m` metres on that day, and how near; the
    /// nearest first, equal ones in their order.
    pub(super) fn edges_within(
        &self,
        point: BritishGrid,
        within_m: f64,
        day: Date,
    ) -> Vec<(usize, f64)> {
        let radius_2 = (within_m * MM_PER_M).powi(2);
        let mut near: Vec<(usize, f64)> = Vec::new();
        for owned in self
            .edge_tree
            .locate_within_distance(in_mm(point), radius_2)
        {
            if !self.boundaries[owned.boundary].period.contains(day) {
                continue;
            }
            let distance_m = owned.edge.distance_2(in_mm(point)).sqrt() / MM_PER_M;
            match near
                .iter_mut()
                .find(|(boundary, _)| *boundary == owned.boundary)
            {
                Some((_, nearest)) => *nearest = nearest.min(distance_m),
                None => near.push((owned.boundary, distance_m)),
            }
        }
        near.retain(|&(_, distance_m)| distance_m < within_m);
        near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        near
    }

    /// The boundary with the nearest edge on that day, and the metres to it; of equally near ones
    /// the first.
    pub(super) fn nearest(&self, point: BritishGrid, day: Date) -> Option<(usize, f64)> {
        let mut best: Option<(usize, f64)> = None;
        for (owned, distance_2) in self
            .edge_tree
            .nearest_neighbor_iter_with_distance_2(&in_mm(point))
        {
            if best.is_some_and(|(_, nearest)| distance_2 > nearest) {
                break;
            }
            let holds = self.boundaries[owned.boundary].period.contains(day);
            if holds && best.is_none_or(|(boundary, _)| owned.boundary < boundary) {
                best = Some((owned.boundary, distance_2));
            }
        }
        best.map(|(boundary, distance_2)| (boundary, distance_2.sqrt() / MM_PER_M))
    }
}

fn edges_of(boundary: &Boundary) -> Vec<Edge> {
    let mut edges = Vec::new();
    for ring in boundary.grid.iter().flat_map(|polygon| &polygon.rings) {
        for (at, from) in ring.iter().enumerate() {
            let to = ring[(at + 1) % ring.len()];
            edges.push(Edge {
                from: (from.easting_mm(), from.northing_mm()),
                to: (to.easting_mm(), to.northing_mm()),
            });
        }
    }
    edges
}

fn in_mm(point: BritishGrid) -> [f64; 2] {
    [
        f64::from(point.easting_mm()),
        f64::from(point.northing_mm()),
    ]
}

impl Edge {
    /// Whether a ray from the point to the east crosses the edge.
    fn is_east_of(&self, point: BritishGrid) -> bool {
        let y = point.northing_mm();
        if (self.from.1 <= y) == (self.to.1 <= y) {
            return false;
        }
        let (lower, upper) = if self.from.1 < self.to.1 {
            (self.from, self.to)
        } else {
            (self.to, self.from)
        };
        let difference = |a: i32, b: i32| i64::from(a) - i64::from(b);
        // Positions keep within 1.1e9 × 1.7e9 mm, so each product fits 62 bits.
        let reach = difference(upper.0, lower.0) * difference(y, lower.1);
        let needed = difference(point.easting_mm(), lower.0) * difference(upper.1, lower.1);
        reach > needed
    }

    /// Square millimetres from the point to the nearest place of the edge.
    fn distance_2(&self, [x, y]: [f64; 2]) -> f64 {
        let (x1, y1) = (f64::from(self.from.0), f64::from(self.from.1));
        let (along_x, along_y) = (f64::from(self.to.0) - x1, f64::from(self.to.1) - y1);
        let length_2 = along_x * along_x + along_y * along_y;
        let part = if length_2 == 0.0 {
            0.0
        } else {
            (((x - x1) * along_x + (y - y1) * along_y) / length_2).clamp(0.0, 1.0)
        };
        let (off_x, off_y) = (x - x1 - part * along_x, y - y1 - part * along_y);
        off_x * off_x + off_y * off_y
    }

    fn envelope(&self) -> AABB<[f64; 2]> {
        let corner = |(x, y): (i32, i32)| [f64::from(x), f64::from(y)];
        AABB::from_corners(corner(self.from), corner(self.to))
    }
}

impl RTreeObject for OwnedEdge {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> AABB<[f64; 2]> {
        self.edge.envelope()
    }
}

impl PointDistance for OwnedEdge {
    fn distance_2(&self, point: &[f64; 2]) -> f64 {
        self.edge.distance_2(*point)
    }
}

#[cfg(test)]
mod tests {
    use geo::MultiPolygon;
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{GridPolygon, Period};

    const DAY: Date = date(2025, 1, 1);

    fn at_mm(x: i32, y: i32) -> BritishGrid {
        BritishGrid::from_metres(f64::from(x) / 1_000.0, f64::from(y) / 1_000.0)
            .expect("on the grid")
    }

    fn boundary(id: &str, rings: &[&[(i32, i32)]]) -> Boundary {
        let ring = |ring: &&[(i32, i32)]| ring.iter().map(|&(x, y)| at_mm(x, y)).collect();
        Boundary {
            id: id.into(),
            extent: crate::domain::Extent::Whole,
            period: Period::default(),
            lonlat: MultiPolygon::new(Vec::new()),
            grid: vec![GridPolygon {
                rings: rings.iter().map(ring).collect(),
            }],
        }
    }

    /// Two neighbours with a crooked border, and a lake in the left one with an island of its own.
    fn world() -> Spatial {
        Spatial::build(vec![
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
        let world = world();
        for x in 0..200 {
            for y in 0..100 {
                assert_eq!(world.covering(at_mm(x, y), DAY).len(), 1, "{x} {y}");
            }
        }
    }

    #[test]
    fn a_hole_is_outside_unless_another_area_fills_it() {
        let world = world();
        assert!(!world.contains(0, at_mm(40, 40)));
        assert_eq!(world.covering(at_mm(40, 40), DAY), [2]);
    }

    #[test]
    fn distances_are_to_the_nearest_edge() {
        let world = world();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(world.distance_to_edge_m(1, at_mm(150, 90)), 0.010));
        assert!(close(world.distance_to_edge_m(0, at_mm(40, 40)), 0.020));
        let near: Vec<usize> = world
            .edges_within(at_mm(190, 50), 0.025, DAY)
            .iter()
            .map(|entry| entry.0)
            .collect();
        assert_eq!(near, [1]);
        let (nearest, distance_m) = world.nearest(at_mm(300, 50), DAY).expect("there are areas");
        assert_eq!(nearest, 1);
        assert!(close(distance_m, 0.100));
    }

    #[test]
    fn a_point_on_a_shared_border_is_at_no_distance_from_both() {
        let world = world();
        let near = world.edges_within(at_mm(100, 100), 0.001, DAY);
        assert_eq!(near, [(0, 0.0), (1, 0.0)]);
    }

    #[test]
    fn a_boundary_holds_only_in_its_period() {
        let mut old = boundary("old", &[&[(0, 0), (10, 0), (10, 10), (0, 10)]]);
        let mut new = boundary("new", &[&[(0, 0), (10, 0), (10, 10), (0, 10)]]);
        old.period.to = Some(date(2024, 7, 1));
        new.period.from = Some(date(2024, 7, 1));
        let world = Spatial::build(vec![old, new]);
        assert_eq!(world.covering(at_mm(5, 5), date(2024, 6, 30)), [0]);
        assert_eq!(world.covering(at_mm(5, 5), date(2024, 7, 1)), [1]);
        assert_eq!(
            world.nearest(at_mm(50, 5), date(2024, 7, 1)).map(|it| it.0),
            Some(1)
        );
    }

    proptest! {
        /// A triangulated square has no gap and no overlap, wherever its inner vertices lie.
        #[test]
        fn a_fan_of_triangles_covers_each_point_once(
            (cx, cy) in (1_i32..999, 1_i32..999), points in proptest::collection::vec((0_i32..1000, 0_i32..1000), 50),
        ) {
            let corners = [(0, 0), (1000, 0), (1000, 1000), (0, 1000)];
            let triangles = (0..4).map(|at| {
                boundary("t", &[&[corners[at], corners[(at + 1) % 4], (cx, cy)]])
            });
            let world = Spatial::build(triangles.collect());
            for (x, y) in points.into_iter().chain([(cx, cy), (0, 0), (cx, 0), (0, cy)]) {
                prop_assert_eq!(world.covering(at_mm(x, y), DAY).len(), 1);
            }
        }
    }
}
