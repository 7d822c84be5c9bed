//! The unsimplified boundaries of a layer as arcs, as in TopoJSON. Each shared border is stored
//! once.
//!
//! The boundaries are noded in millimetres on the British National Grid, in the same way as in
//! [`coverage_topology`](super::coverage_topology), which then projects them. A vertex of one
//! area that is on an edge of another area becomes a vertex of both areas.

use std::collections::HashMap;

use geo::{Coord, Line, LineString};

use super::arcs::{BoundaryArc, build_arcs};
use super::coverage_topology::graph_on_grid;
use super::planar_graph::{FaceLabels, PlanarGraph, snap_round};
use catchment_core::domain::Boundary;
use catchment_core::geometry::polygonize::{edge_key, polygonize};
use catchment_core::geometry::rings::{Ring, edges};

/// The areas of a layer, with rings that refer to shared arcs.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Each arc as longitudes and latitudes (WGS84). Arcs meet only at their ends. A closed arc
    /// ends where it starts.
    pub arcs: Vec<LineString<f64>>,
    /// The polygons of each boundary, in order. A polygon is a list of rings, starting with the
    /// exterior. A ring is a list of references to arcs. Exteriors run clockwise, and holes run
    /// counter-clockwise.
    pub areas: Vec<Vec<Vec<Vec<ArcRef>>>>,
}

/// A reference to an arc that forms part of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArcRef {
    /// The index of the arc.
    pub arc: usize,
    /// Whether the ring follows the arc from its end to its start.
    pub is_reversed: bool,
}

impl Topology {
    /// Builds the topology of boundaries. The boundaries of a partition must not overlap.
    ///
    /// An area that is thinner than a millimetre everywhere has no polygon.
    pub fn new(boundaries: &[&Boundary], is_partition: bool) -> Topology {
        let mut labels = FaceLabels::new(is_partition);
        let mut degrees: HashMap<Coord<i64>, Coord<f64>> = HashMap::new();
        let graph = graph_on_grid(boundaries, &mut labels, &mut degrees);
        let graph = snap_round(&graph, &mut labels, 1);
        let arcs = build_arcs(&graph, &mut labels);
        let arc_refs = refs_by_first_edge(&graph, &arcs);
        let to_polygons = |edges: &Vec<Line<i64>>| {
            let ring_refs = |ring: &Ring| ring_refs(ring, &arc_refs);
            let polygon = |rings: Vec<Ring>| rings.iter().map(ring_refs).collect();
            polygonize(edges).into_iter().map(polygon).collect()
        };
        let edges = edges_by_area(&graph, &labels, &arcs, boundaries.len());
        let to_line = |arc: &BoundaryArc| {
            let vertices = arc_vertices(&graph, arc);
            vertices.iter().map(|vertex| degrees[vertex]).collect()
        };
        Topology {
            areas: edges.iter().map(to_polygons).collect(),
            arcs: arcs.iter().map(to_line).collect(),
        }
    }
}

/// Returns the vertices of an arc. A closed arc repeats its first vertex at the end.
fn arc_vertices(graph: &PlanarGraph, arc: &BoundaryArc) -> Vec<Coord<i64>> {
    let closing = arc.points.first().filter(|_| arc.is_closed);
    let points = arc.points.iter().chain(closing);
    points.map(|&point| graph.points[point as usize]).collect()
}

/// Returns the edges of each area, sorted by [`edge_key`], and directed so that the area is on the
/// left of the edges.
fn edges_by_area(
    graph: &PlanarGraph,
    labels: &FaceLabels,
    arcs: &[BoundaryArc],
    area_count: usize,
) -> Vec<Vec<Line<i64>>> {
    let mut edges: Vec<Vec<Line<i64>>> = vec![Vec::new(); area_count];
    for arc in arcs {
        for edge in arc_vertices(graph, arc).windows(2) {
            for &(area, is_left) in labels.faces(arc.label) {
                let [from, to] = [edge[0], edge[1]];
                let (start, end) = if is_left { (from, to) } else { (to, from) };
                edges[area as usize].push(Line { start, end });
            }
        }
    }
    for of_area in &mut edges {
        of_area.sort_unstable_by_key(edge_key);
    }
    edges
}

/// Returns a reference to each arc in each direction. The key is the arc's first edge in that
/// direction.
fn refs_by_first_edge(graph: &PlanarGraph, arcs: &[BoundaryArc]) -> HashMap<Line<i64>, ArcRef> {
    let mut refs = HashMap::new();
    for (index, arc) in arcs.iter().enumerate() {
        let vertices = arc_vertices(graph, arc);
        let [first, second, ..] = vertices[..] else {
            continue;
        };
        let [.., before_last, last] = vertices[..] else {
            continue;
        };
        for (start, end, is_reversed) in [(first, second, false), (last, before_last, true)] {
            refs.insert(
                Line { start, end },
                ArcRef {
                    arc: index,
                    is_reversed,
                },
            );
        }
    }
    refs
}

/// Returns the arcs that make up a ring, in the order in which they begin along the ring.
fn ring_refs(ring: &[Coord<i64>], refs: &HashMap<Line<i64>, ArcRef>) -> Vec<ArcRef> {
    edges(ring)
        .filter_map(|edge| refs.get(&edge).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use geo::{MultiPolygon, Polygon};

    use super::*;
    use catchment_core::domain::{BritishGrid, CatchmentKind, GridPolygon, Period};

    /// Builds a boundary from rings in metres, starting with the exterior. The coordinates in
    /// degrees are arbitrary.
    fn boundary(rings: &[&[(f64, f64)]]) -> Boundary {
        let to_grid = |&(x, y): &(f64, f64)| BritishGrid::from_metres(x, y).expect("on the grid");
        let to_degrees = |&(x, y): &(f64, f64)| (x / 1e5, y / 1e5);
        let lines = rings.iter().map(|ring| {
            let mut line: LineString<f64> = ring.iter().map(to_degrees).collect();
            line.close();
            line
        });
        let lines: Vec<LineString<f64>> = lines.collect();
        let rings = rings.iter().map(|ring| ring.iter().map(to_grid).collect());
        Boundary {
            id: "a".into(),
            catchment_kind: CatchmentKind::Whole,
            period: Period {
                from: None,
                to: None,
            },
            lonlat: MultiPolygon::from_iter([Polygon::new(lines[0].clone(), lines[1..].to_vec())]),
            grid: vec![GridPolygon {
                rings: rings.collect(),
            }],
        }
    }

    #[test]
    fn a_border_is_one_arc_even_if_one_side_has_an_extra_vertex() {
        let west = boundary(&[&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]]);
        let east = boundary(&[&[
            (10.0, 0.0),
            (20.0, 0.0),
            (20.0, 10.0),
            (10.0, 10.0),
            (10.0, 4.0),
        ]]);
        let Topology { arcs, areas } = Topology::new(&[&west, &east], true);
        assert_eq!(arcs.len(), 3);
        let [west, east] = [&areas[0][0][0], &areas[1][0][0]];
        assert_eq!((west.len(), east.len()), (2, 2));
        let shared = west.iter().find_map(|western| {
            let eastern = east.iter().find(|eastern| eastern.arc == western.arc)?;
            Some((western.arc, western.is_reversed != eastern.is_reversed))
        });
        let (shared, is_opposite) = shared.expect("they share an arc");
        assert!(is_opposite, "{areas:?}");
        let mut border: Vec<(f64, f64)> = arcs[shared].coords().map(Coord::x_y).collect();
        border.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert_eq!(border, [(1e-4, 0.0), (1e-4, 4e-5), (1e-4, 1e-4)]);
    }

    #[test]
    fn an_enclave_and_its_hole_share_one_closed_arc() {
        let hole = [(3.0, 3.0), (3.0, 6.0), (6.0, 6.0), (6.0, 3.0)];
        let outer = boundary(&[&[(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)], &hole]);
        let enclave = boundary(&[&hole]);
        let Topology { arcs, areas } = Topology::new(&[&outer, &enclave], true);
        assert_eq!((arcs.len(), areas[0][0].len()), (2, 2));
        let [hole, enclave] = [areas[0][0][1][0], areas[1][0][0][0]];
        assert_eq!(hole.arc, enclave.arc);
        assert_ne!(hole.is_reversed, enclave.is_reversed);
        assert!(arcs[hole.arc].is_closed());
    }
}
