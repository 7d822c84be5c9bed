//! Polygonization: assembles polygons from directed edges, as JTS's `Polygonizer` does.
//!
//! All code that makes polygons from edges uses this module. The code for tiles polygonizes the
//! edges of an area that remain after simplification or clipping. [`dissolve`](super::dissolve)
//! polygonizes the outline of a union.
//!
//! The area is on the left of each edge, with the y axis pointing up. If several edges leave a
//! vertex, the ring continues along the first edge clockwise from the edge by which the ring
//! arrived. The ring therefore stays on the same corner of the area. A ring is closed as soon as it
//! reaches a vertex for the second time. Rings therefore touch only in single vertices and never
//! cross. Rings with positive area are exteriors, and the other rings are holes (OGC Simple
//! Features, 6.1.11).
//!
//! ```text
//!   ┌────┐          a hole that touches its exterior is a hole,
//!   │ ╲╱ │          two squares that touch are two polygons
//! ```

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use geo::{Coord, Line};

use super::predicates::cross;
use super::rings::{Polygon, Ring, assign_holes, split_by_orientation};

/// Returns the key by which edges are sorted: the start, then the end.
pub fn edge_key(edge: &Line<i64>) -> [(i64, i64); 2] {
    [edge.start.x_y(), edge.end.x_y()]
}

/// Cancels pairs of opposite edges and removes duplicates. The result is sorted by [`edge_key`].
pub fn cancel_opposites(edges: Vec<Line<i64>>) -> Vec<Line<i64>> {
    let mut remaining = cancel_pairs(edges);
    remaining.dedup();
    remaining
}

/// Cancels pairs of opposite edges. The result is sorted by [`edge_key`]. If the source covers a
/// region twice, the result may contain an edge several times.
pub(super) fn cancel_pairs(mut edges: Vec<Line<i64>>) -> Vec<Line<i64>> {
    let is_forward = |edge: &Line<i64>| edge.start.x_y() < edge.end.x_y();
    let undirected = |edge: &Line<i64>| {
        let [start, end] = edge_key(edge);
        (start.min(end), start.max(end))
    };
    edges.sort_unstable_by_key(undirected);
    let mut remaining = Vec::with_capacity(edges.len());
    for coincident in edges.chunk_by(|a, b| undirected(a) == undirected(b)) {
        let forward = coincident.iter().filter(|edge| is_forward(edge)).count();
        let backward = coincident.len() - forward;
        let in_excess = |edge: &&Line<i64>| is_forward(edge) == (forward > backward);
        let excess = forward.abs_diff(backward);
        remaining.extend(coincident.iter().filter(in_excess).take(excess));
    }
    remaining.sort_unstable_by_key(edge_key);
    remaining
}

/// Returns the polygons that the edges enclose.
///
/// Edges must be sorted by [`edge_key`] and meet only at their ends, and the number of edges that
/// enter a vertex must equal the number of edges that leave it.
///
/// If the source covers a region twice, rings that do not close and holes outside every exterior
/// are omitted. [`dissolve`](super::dissolve::dissolve) rejects such a source instead.
pub fn polygonize(edges: &[Line<i64>]) -> Vec<Polygon> {
    let (mut polygons, holes) = split_by_orientation(trace_rings(edges));
    if let [only] = &mut polygons[..] {
        // There is only one exterior, so it contains all holes.
        only.extend(holes);
    } else {
        assign_holes(&mut polygons, holes);
    }
    polygons
}

/// Joins the edges into rings. The area is on the left of each ring.
///
/// A path that does not close is omitted. The rings then have fewer edges than the input.
pub(super) fn trace_rings(edges: &[Line<i64>]) -> Vec<Ring> {
    let mut rings = Vec::new();
    let mut is_used = vec![false; edges.len()];
    for start in 0..edges.len() {
        let mut path: Ring = Vec::new();
        // The position on the path of each vertex that the path may reach again.
        let mut path_index: HashMap<Coord<i64>, usize> = HashMap::new();
        let mut current = start;
        while !is_used[current] {
            is_used[current] = true;
            let Line {
                start: from,
                end: to,
            } = edges[current];
            let outgoing = outgoing_range(edges, to);
            if path.is_empty() {
                path_index.insert(from, 0);
            } else if outgoing_range(edges, from).len() > 1 {
                path_index.insert(from, path.len());
            }
            path.push(from);
            if let Some(&first) = path_index
                .get(&to)
                .filter(|&&first| path.get(first) == Some(&to))
            {
                rings.push(path.split_off(first));
            }
            let Some(next) = first_clockwise(to, from, &edges[outgoing.clone()]) else {
                break;
            };
            current = outgoing.start + next;
        }
    }
    rings
}

/// Returns the range of the edges that leave a vertex.
fn outgoing_range(edges: &[Line<i64>], vertex: Coord<i64>) -> Range<usize> {
    let start = edges.partition_point(|edge| edge.start.x_y() < vertex.x_y());
    let count = edges[start..]
        .iter()
        .take_while(|edge| edge.start == vertex)
        .count();
    start..start + count
}

/// Returns the first of the edges that leave `vertex`, clockwise from the direction back to
/// `previous`.
fn first_clockwise(
    vertex: Coord<i64>,
    previous: Coord<i64>,
    outgoing: &[Line<i64>],
) -> Option<usize> {
    // The sectors, clockwise from the direction back to `previous`: 0 is before the direction
    // straight ahead, 1 is straight ahead, 2 is between straight ahead and straight back, and 3 is
    // straight back.
    let sector = |to: Coord<i64>| match cross(vertex, previous, to).cmp(&0) {
        Ordering::Less => 0,
        Ordering::Greater => 2,
        Ordering::Equal => {
            let product =
                |a: i64, b: i64, origin: i64| i128::from(a - origin) * i128::from(b - origin);
            let is_back =
                product(previous.x, to.x, vertex.x) + product(previous.y, to.y, vertex.y) > 0;
            if is_back { 3 } else { 1 }
        }
    };
    (0..outgoing.len()).min_by(|&a, &b| {
        let (a, b) = (outgoing[a].end, outgoing[b].end);
        let by_angle = || cross(vertex, b, a).cmp(&0).reverse();
        sector(a).cmp(&sector(b)).then_with(by_angle)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::rings::edges;

    fn edges_of(rings: &[&[(i64, i64)]]) -> Vec<Line<i64>> {
        let edges_of_ring = |ring: &&[(i64, i64)]| -> Vec<Line<i64>> {
            let ring: Ring = ring.iter().copied().map(Coord::from).collect();
            edges(&ring).collect()
        };
        cancel_opposites(rings.iter().flat_map(edges_of_ring).collect())
    }

    #[test]
    fn two_squares_that_touch_at_a_corner_are_two_polygons() {
        let polygons = polygonize(&edges_of(&[
            &[(0, 0), (2, 0), (2, 2), (0, 2)],
            &[(2, 2), (4, 2), (4, 4), (2, 4)],
        ]));
        assert_eq!(polygons.len(), 2);
        assert!(polygons.iter().all(|polygon| polygon.len() == 1));
    }

    #[test]
    fn a_hole_that_touches_its_exterior_is_a_hole() {
        let polygons = polygonize(&edges_of(&[
            &[(0, 0), (10, 0), (10, 10), (0, 10)],
            &[(0, 0), (2, 6), (6, 2)],
        ]));
        assert_eq!(polygons.len(), 1);
        assert_eq!(polygons[0].iter().map(Vec::len).collect::<Vec<_>>(), [4, 3]);
    }

    #[test]
    fn a_chain_of_holes_from_side_to_side_splits_the_polygon() {
        let polygons = polygonize(&edges_of(&[
            &[(0, 0), (5, 0), (10, 0), (10, 10), (5, 10), (0, 10)],
            &[(5, 0), (4, 5), (6, 5)],
            &[(4, 5), (5, 10), (6, 5)],
        ]));
        // The two holes share an edge, so they form a single hole.
        assert_eq!(polygons.len(), 2);
        assert!(polygons.iter().all(|polygon| polygon.len() == 1));
    }

    #[test]
    fn a_hole_belongs_to_the_smallest_polygon_around_it() {
        let polygons = polygonize(&edges_of(&[
            &[(0, 0), (100, 0), (100, 100), (0, 100)],
            &[(10, 10), (10, 90), (90, 90), (90, 10)],
            &[(20, 20), (80, 20), (80, 80), (20, 80)],
            &[(30, 30), (30, 70), (70, 70), (70, 30)],
        ]));
        assert_eq!(polygons.len(), 2);
        assert!(polygons.iter().all(|polygon| polygon.len() == 2));
        let inner = polygons
            .iter()
            .find(|polygon| polygon[0].contains(&Coord { x: 20, y: 20 }));
        assert!(inner.expect("the inner square")[1].contains(&Coord { x: 30, y: 30 }));
    }
}
