//! Separates rings of one polygon that touch at a vertex (a pinch point).
//!
//! ```text
//!      A   ╲ ╱             A    ╲   ╱
//!    ───────●───────  ──►  ──────●──────    If the land between a lake and the coast is thinner
//!      ╱ ╲                   ┌──┐           than a unit, the lake is moved away from the coast.
//!     ╱___╲                 ╱____╲
//! ```
//!
//! Such polygons are valid, and GEOS accepts them. However, if a third area ends at the same
//! vertex, `coverage_is_valid` (GEOS 3.14) reports that the third area is inside the polygon,
//! because that function tests the corner of each ring separately.

use std::cmp::Ordering;
use std::collections::HashSet;

use geo::Coord;

use super::arcs::IncidentEdges;
use super::grid::{PixelGrid, PointGrid};
use super::planar_graph::{FaceLabels, GraphEdge, LabelId, PlanarGraph, RawEdge, merge_edges};
use super::simplify::{bbox_with_pixels, in_triangle};
use catchment_core::geometry::predicates::cross;

/// Twice the maximum area, in square units, of a ring of three edges that may collapse when a
/// corner is cut off.
const DOUBLED_AREA_LOST_MAX: i128 = 32;

/// A vertex where two rings of a polygon touch.
#[derive(Debug, Clone, Copy)]
pub(super) struct PinchPoint {
    pub(super) area: u32,
    pub(super) position: Coord<i64>,
}

/// A corner: two adjacent edges at a vertex that have the same areas on each side, given by their
/// other ends.
#[derive(Debug, Clone, Copy)]
struct Corner {
    edges: [u32; 2],
    ends: [u32; 2],
    label: LabelId,
}

/// Cuts off a corner at each pinch point where this is possible. Returns whether any corner was cut
/// off.
pub(super) fn separate_touching_rings(
    graph: &mut PlanarGraph,
    labels: &mut FaceLabels,
    pinch_points: &[PinchPoint],
) -> bool {
    let incident = IncidentEdges::new(graph);
    let point_grid = PointGrid::new(&graph.points);
    let mut is_removed = vec![false; graph.edges.len()];
    let mut raw_edges: Vec<RawEdge> = Vec::new();
    // Cut off at most one corner in a neighbourhood, because each corner is tested against the
    // unmodified graph.
    let mut touched: HashSet<u32> = HashSet::new();
    for pinch_point in pinch_points {
        let position = pinch_point.position.x_y();
        let Ok(vertex) = graph.points.binary_search_by_key(&position, Coord::x_y) else {
            continue;
        };
        let vertex = u32::try_from(vertex).expect("fewer than 2^32");
        let corners = corners_at(graph, labels, &incident, vertex, pinch_point.area);
        let corner = corners.into_iter().find(|corner| {
            let points = [vertex, corner.ends[0], corner.ends[1]];
            points.iter().all(|point| !touched.contains(point))
                && can_cut_off(graph, labels, &incident, &point_grid, vertex, corner)
        });
        if let Some(Corner { edges, ends, label }) = corner {
            touched.extend([vertex, ends[0], ends[1]]);
            for edge in edges {
                is_removed[edge as usize] = true;
            }
            let [from, to] = ends;
            raw_edges.push((from.min(to), from.max(to), label, to < from));
        }
    }
    let has_changed = !raw_edges.is_empty();
    let remaining = graph.edges.iter().zip(is_removed);
    let remaining = remaining.filter(|(_, is_removed)| !is_removed);
    raw_edges.extend(remaining.map(|(edge, _)| (edge.from, edge.to, edge.label, false)));
    graph.edges = merge_edges(raw_edges, labels);
    has_changed
}

/// Returns the corners at a vertex that have the area on one side, in ascending order of size.
fn corners_at(
    graph: &PlanarGraph,
    labels: &mut FaceLabels,
    incident: &IncidentEdges,
    vertex: u32,
    area: u32,
) -> Vec<Corner> {
    let origin = graph.points[vertex as usize];
    let edges: Vec<GraphEdge> = incident
        .edges_at(vertex)
        .iter()
        .map(|&edge| graph.edges[edge as usize])
        .collect();
    let other_end = |edge: &GraphEdge| {
        if edge.from == vertex {
            edge.to
        } else {
            edge.from
        }
    };
    let mut outgoing: Vec<(u32, u32, LabelId)> = Vec::new();
    for (&index, edge) in incident.edges_at(vertex).iter().zip(&edges) {
        let label = if edge.from == vertex {
            edge.label
        } else {
            labels.reversed(edge.label)
        };
        outgoing.push((index, other_end(edge), label));
    }
    let position = |point: u32| graph.points[point as usize];
    outgoing.sort_unstable_by(|a, b| by_angle(origin, position(a.1), position(b.1)));
    let mut corners = Vec::new();
    for (order, &(first, from, label)) in outgoing.iter().enumerate() {
        let others = outgoing
            .iter()
            .cycle()
            .skip(order + 1)
            .take(outgoing.len() - 1);
        let next = others
            .copied()
            .find(|other| labels.must_not_cross(other.2, label));
        let Some((second, to, next_label)) = next else {
            continue;
        };
        let label = labels.reversed(label);
        let is_of_area = labels.faces(label).iter().any(|face| face.0 == area);
        if label == next_label && is_of_area && from != to {
            corners.push(Corner {
                edges: [first, second],
                ends: [from, to],
                label,
            });
        }
    }
    corners.sort_by_key(|corner| {
        cross(origin, position(corner.ends[0]), position(corner.ends[1])).abs()
    });
    corners
}

/// Compares directions from `origin` counter-clockwise from the east, with the y axis pointing up.
fn by_angle(origin: Coord<i64>, a: Coord<i64>, b: Coord<i64>) -> Ordering {
    let is_below = |point: Coord<i64>| (point.y, point.x) < (origin.y, origin.x);
    is_below(a)
        .cmp(&is_below(b))
        .then_with(|| cross(origin, a, b).cmp(&0).reverse())
}

/// Returns whether a corner can be replaced with the edge between its ends. A corner can be
/// replaced if nothing else is in the triangle of the corner or near that edge, and if no ring
/// larger than [`DOUBLED_AREA_LOST_MAX`] collapses.
fn can_cut_off(
    graph: &PlanarGraph,
    labels: &FaceLabels,
    incident: &IncidentEdges,
    point_grid: &PointGrid,
    vertex: u32,
    corner: &Corner,
) -> bool {
    let position = |point: u32| graph.points[point as usize];
    let [from, to] = corner.ends;
    let [a, v, b] = [from, vertex, to].map(position);
    let grid = PixelGrid::new(1);
    // A reflex corner cannot be cut off.
    let doubled_area = cross(v, a, b);
    if doubled_area < 0 || grid.segment_hits(a, b, v) {
        return false;
    }
    let has_edge = incident.edges_at(from).iter().any(|&edge| {
        let edge = &graph.edges[edge as usize];
        (edge.from == to || edge.to == to) && labels.must_not_cross(edge.label, corner.label)
    });
    if has_edge && doubled_area > DOUBLED_AREA_LOST_MAX {
        return false;
    }
    point_grid.in_box(bbox_with_pixels([a, v, b])).all(|point| {
        let is_irrelevant =
            [from, vertex, to].contains(&point) || incident.edges_at(point).is_empty();
        let other = position(point);
        let is_in_the_way = || {
            grid.segment_hits(a, b, other) || (doubled_area > 0 && in_triangle(other, [a, v, b]))
        };
        is_irrelevant || !is_in_the_way()
    })
}
