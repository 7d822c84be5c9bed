//! The full boundaries of a layer as arcs: each border that areas have in common once.
//!
//! They are noded on the millimetres of the British National Grid, as [`coverage`](super::coverage) does before it projects
//! anything: where a vertex of one area lies in another's edge, both have it. Nothing is simplified.

use std::collections::HashMap;

use super::arcs::{BoundaryArc, build_arcs};
use super::coverage::graph_on_grid;
use super::grid::IntCoord;
use super::planar_graph::{FaceLabels, PlanarGraph, snap_round};
use super::polygonize::{DirectedEdge, polygonize};
use crate::domain::Boundary;

/// The areas of a layer over arcs.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Longitudes and latitudes (WGS84). Two arcs meet in their ends alone; a closed one ends where it begins.
    pub arcs: Vec<Vec<(f64, f64)>>,
    /// Of each boundary, in their order: polygons, of them rings, the exterior first; of them arcs. Exteriors run
    /// clockwise, holes the other way.
    pub areas: Vec<Vec<Vec<Vec<ArcRef>>>>,
}

/// An arc as a part of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArcRef {
    /// Its place among the arcs.
    pub arc: usize,
    /// Whether the ring goes along it from its end.
    pub is_reversed: bool,
}

impl Topology {
    /// Of boundaries that lie beside each other where the layer is a partition.
    ///
    /// What is thinner than a millimetre everywhere has no polygon.
    pub fn new(boundaries: &[&Boundary], is_partition: bool) -> Topology {
        let mut labels = FaceLabels::new(is_partition);
        let mut degrees: HashMap<IntCoord, (f64, f64)> = HashMap::new();
        let network = graph_on_grid(boundaries, &mut labels, &mut degrees);
        let network = snap_round(&network, &mut labels, 1);
        let arcs = build_arcs(&network, &mut labels);
        let places = places(&network, &arcs);
        let rings_of = |steps: &Vec<DirectedEdge>| {
            let referred = |ring: &Vec<IntCoord>| referred(ring, &places);
            let polygon = |rings: Vec<Vec<IntCoord>>| rings.iter().map(referred).collect();
            polygonize(steps).into_iter().map(polygon).collect()
        };
        let steps = steps(&network, &labels, &arcs, boundaries.len());
        let line = |arc: &BoundaryArc| {
            let spots = spots(&network, arc);
            spots.iter().map(|spot| degrees[spot]).collect()
        };
        Topology {
            areas: steps.iter().map(rings_of).collect(),
            arcs: arcs.iter().map(line).collect(),
        }
    }
}

/// The vertices of an arc; of a closed one the first again at the end.
fn spots(network: &PlanarGraph, arc: &BoundaryArc) -> Vec<IntCoord> {
    let again = arc.points.first().filter(|_| arc.is_closed);
    let points = arc.points.iter().chain(again);
    points.map(|&it| network.points[it as usize]).collect()
}

/// The edges of each area, sorted, with the area on the left.
fn steps(
    network: &PlanarGraph,
    labels: &FaceLabels,
    arcs: &[BoundaryArc],
    areas: usize,
) -> Vec<Vec<DirectedEdge>> {
    let mut steps: Vec<Vec<DirectedEdge>> = vec![Vec::new(); areas];
    for arc in arcs {
        for edge in spots(network, arc).windows(2) {
            for &(area, is_left) in labels.faces(arc.label) {
                steps[area as usize].push(match is_left {
                    true => (edge[0], edge[1]),
                    false => (edge[1], edge[0]),
                });
            }
        }
    }
    for of_area in &mut steps {
        of_area.sort_unstable();
    }
    steps
}

/// The arcs that begin with an edge, in either direction.
fn places(network: &PlanarGraph, arcs: &[BoundaryArc]) -> HashMap<DirectedEdge, ArcRef> {
    let mut places = HashMap::new();
    for (number, arc) in arcs.iter().enumerate() {
        let spots = spots(network, arc);
        let [first, second, ..] = spots[..] else {
            continue;
        };
        let [.., before, last] = spots[..] else {
            continue;
        };
        for (step, is_reversed) in [((first, second), false), ((last, before), true)] {
            let arc = number;
            places.insert(step, ArcRef { arc, is_reversed });
        }
    }
    places
}

/// The arcs that a ring consists of, from where the first of them begins.
fn referred(ring: &[IntCoord], places: &HashMap<DirectedEdge, ArcRef>) -> Vec<ArcRef> {
    let edges = ring.iter().zip(ring.iter().cycle().skip(1));
    edges
        .filter_map(|(&from, &to)| places.get(&(from, to)).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use geo::{LineString, MultiPolygon, Polygon};

    use super::*;
    use crate::domain::{BritishGrid, Extent, GridPolygon, Period};

    /// Rings in metres, the exterior first; degrees are made up of them.
    fn boundary(rings: &[&[(f64, f64)]]) -> Boundary {
        let grid = |&(x, y): &(f64, f64)| BritishGrid::from_metres(x, y).expect("on the grid");
        let degrees = |&(x, y): &(f64, f64)| (x / 1e5, y / 1e5);
        let lines = rings.iter().map(|ring| {
            let mut line: LineString<f64> = ring.iter().map(degrees).collect();
            line.close();
            line
        });
        let lines: Vec<LineString<f64>> = lines.collect();
        let rings = rings.iter().map(|ring| ring.iter().map(grid).collect());
        Boundary {
            id: "a".into(),
            extent: Extent::Whole,
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
    fn a_border_is_one_arc_though_one_side_has_a_vertex_more() {
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
        let shared = west.iter().find_map(|one| {
            let other = east.iter().find(|other| other.arc == one.arc)?;
            Some((one.arc, one.is_reversed != other.is_reversed))
        });
        let (shared, is_opposite) = shared.expect("they have an arc in common");
        assert!(is_opposite, "{areas:?}");
        let mut border = arcs[shared].clone();
        border.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert_eq!(border, [(1e-4, 0.0), (1e-4, 4e-5), (1e-4, 1e-4)]);
    }

    #[test]
    fn an_enclave_and_its_hole_are_one_closed_arc() {
        let hole = [(3.0, 3.0), (3.0, 6.0), (6.0, 6.0), (6.0, 3.0)];
        let around = boundary(&[&[(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)], &hole]);
        let enclave = boundary(&[&hole]);
        let Topology { arcs, areas } = Topology::new(&[&around, &enclave], true);
        assert_eq!((arcs.len(), areas[0][0].len()), (2, 2));
        let [hole, enclave] = [areas[0][0][1][0], areas[1][0][0][0]];
        assert_eq!(hole.arc, enclave.arc);
        assert_ne!(hole.is_reversed, enclave.is_reversed);
        assert_eq!(arcs[hole.arc].first(), arcs[hole.arc].last());
    }
}
