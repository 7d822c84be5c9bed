//! Opens places where two rings of one polygon touch.
//!
//! ```text
//!      A   ╲ ╱             A    ╲   ╱
//!    ───────●───────  ──►  ──────●──────     where the ground between a lake and the coast is thinner
//!      ╱ ╲                   ┌──┐            than a unit, the lake keeps off the coast
//!     ╱___╲                 ╱____╲
//! ```
//!
//! Such polygons are valid, and GEOS takes them for such. But where a third area ends in the same
//! vertex, `coverage_is_valid` says that it is inside of them: it looks at each ring's corner for itself (3.14).

use std::cmp::Ordering;
use std::collections::HashSet;

use super::arcs::IncidentEdges;
use super::grid::{IntCoord, PixelGrid, PointGrid, cross};
use super::planar_graph::{FaceLabels, GraphEdge, LabelId, PlanarGraph, RawEdge, merge_edges};
use super::simplify::in_triangle;

/// Twice the ground, in units, that a wedge of three edges may lose altogether.
const DOUBLED_AREA_LOST_MAX: i128 = 32;

/// Where two rings of a polygon touch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pinch {
    pub(super) area: u32,
    pub(super) at: IntCoord,
}

/// Two edges of a vertex with the same areas on either side, and the places that they come from.
#[derive(Debug, Clone, Copy)]
struct Wedge {
    edges: [u32; 2],
    ends: [u32; 2],
    label: LabelId,
}

/// Opens those that can be; whether there was one.
pub(super) fn unpinch(
    network: &mut PlanarGraph,
    labels: &mut FaceLabels,
    pinches: &[Pinch],
) -> bool {
    let incident = IncidentEdges::new(network);
    let buckets = PointGrid::new(&network.points);
    let mut is_gone = vec![false; network.edges.len()];
    let mut added: Vec<RawEdge> = Vec::new();
    let mut touched: HashSet<u32> = HashSet::new();
    for pinch in pinches {
        let Ok(vertex) = network.points.binary_search(&pinch.at) else {
            continue;
        };
        let vertex = u32::try_from(vertex).expect("fewer than 2^32");
        let wedges = wedges(network, labels, &incident, vertex, pinch.area);
        let opened = wedges.into_iter().find(|wedge| {
            let around = [vertex, wedge.ends[0], wedge.ends[1]];
            around.iter().all(|point| !touched.contains(point))
                && may_open(network, labels, &incident, &buckets, vertex, wedge)
        });
        if let Some(Wedge { edges, ends, label }) = opened {
            touched.extend([vertex, ends[0], ends[1]]);
            edges.iter().for_each(|&edge| is_gone[edge as usize] = true);
            let [from, to] = ends;
            added.push((from.min(to), from.max(to), label, to < from));
        }
    }
    let is_any = !added.is_empty();
    let left = network.edges.iter().zip(is_gone);
    let left = left.filter(|(_, is_gone)| !is_gone);
    added.extend(left.map(|(edge, _)| (edge.from, edge.to, edge.label, false)));
    network.edges = merge_edges(added, labels);
    is_any
}

/// The wedges of a vertex between edges next to each other, of which the area has one side, the
/// smallest first.
fn wedges(
    network: &PlanarGraph,
    labels: &mut FaceLabels,
    incident: &IncidentEdges,
    vertex: u32,
    area: u32,
) -> Vec<Wedge> {
    let at = network.points[vertex as usize];
    let edges: Vec<GraphEdge> = incident
        .edges_at(vertex)
        .iter()
        .map(|&edge| network.edges[edge as usize])
        .collect();
    let other_end = |edge: &GraphEdge| {
        if edge.from == vertex {
            edge.to
        } else {
            edge.from
        }
    };
    let mut leaving: Vec<(u32, u32, LabelId)> = Vec::new();
    for (&number, edge) in incident.edges_at(vertex).iter().zip(&edges) {
        let label = match edge.from == vertex {
            true => edge.label,
            false => labels.reversed(edge.label),
        };
        leaving.push((number, other_end(edge), label));
    }
    let spot = |end: u32| network.points[end as usize];
    leaving.sort_unstable_by(|a, b| by_angle(at, spot(a.1), spot(b.1)));
    let mut wedges = Vec::new();
    for (place, &(first, from, label)) in leaving.iter().enumerate() {
        let others = leaving
            .iter()
            .cycle()
            .skip(place + 1)
            .take(leaving.len() - 1);
        let next = others
            .copied()
            .find(|other| labels.must_not_cross(other.2, label));
        let Some((second, to, onwards)) = next else {
            continue;
        };
        let label = labels.reversed(label);
        let is_of_area = labels.faces(label).iter().any(|side| side.0 == area);
        if label == onwards && is_of_area && from != to {
            wedges.push(Wedge {
                edges: [first, second],
                ends: [from, to],
                label,
            });
        }
    }
    wedges.sort_by_key(|wedge| cross(at, spot(wedge.ends[0]), spot(wedge.ends[1])).abs());
    wedges
}

/// Counter-clockwise, with y taken upwards, from the east.
fn by_angle(at: IntCoord, a: IntCoord, b: IntCoord) -> Ordering {
    let is_lower = |(x, y): IntCoord| (y, x) < (at.1, at.0);
    is_lower(a)
        .cmp(&is_lower(b))
        .then_with(|| cross(at, a, b).cmp(&0).reverse())
}

/// Whether the edge between the wedge's ends is in nothing's way.
fn may_open(
    network: &PlanarGraph,
    labels: &FaceLabels,
    incident: &IncidentEdges,
    buckets: &PointGrid,
    vertex: u32,
    wedge: &Wedge,
) -> bool {
    let spot = |point: u32| network.points[point as usize];
    let [from, to] = wedge.ends;
    let [a, v, b] = [from, vertex, to].map(spot);
    let lattice = PixelGrid::new(1);
    // More than half a turn is no wedge, and nothing is there to be cut off.
    let doubled_area = cross(v, a, b);
    if doubled_area < 0 || lattice.segment_hits(a, b, v) {
        return false;
    }
    let has_edge = incident.edges_at(from).iter().any(|&edge| {
        let edge = &network.edges[edge as usize];
        (edge.from == to || edge.to == to) && labels.must_not_cross(edge.label, wedge.label)
    });
    if has_edge && doubled_area > DOUBLED_AREA_LOST_MAX {
        return false;
    }
    let low = (a.0.min(v.0).min(b.0) - 1, a.1.min(v.1).min(b.1) - 1);
    let high = (a.0.max(v.0).max(b.0) + 1, a.1.max(v.1).max(b.1) + 1);
    buckets.in_box(low, high).all(|point| {
        let is_free = [from, vertex, to].contains(&point) || incident.edges_at(point).is_empty();
        let at = spot(point);
        is_free
            || !(lattice.segment_hits(a, b, at) || (doubled_area > 0 && in_triangle(at, [a, v, b])))
    })
}
