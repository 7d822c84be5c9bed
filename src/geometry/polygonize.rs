//! Polygonization: assembles polygons from directed edges, as JTS's `Polygonizer` does.
//!
//! Edges have the area on their left (y taken upwards). If several edges leave a vertex, the ring
//! continues along the first edge clockwise from the edge by which the ring arrived, so that the
//! ring follows the same corner of the area. A ring is closed as soon as it passes a vertex twice.
//! Rings therefore touch only in single vertices and never cross. Rings with positive area are
//! exteriors, and the other rings are holes (OGC Simple Features, 6.1.11).
//!
//! ```text
//!   ┌────┐          a hole that touches its exterior is a hole,
//!   │ ╲╱ │          two squares that touch are two polygons
//! ```

use std::cmp::Ordering;
use std::collections::HashMap;

use super::predicates::{IntCoord, cross};
use super::rings::doubled_signed_area;

/// An edge, given by its start and end.
pub(crate) type DirectedEdge = (IntCoord, IntCoord);

/// An exterior ring, then its holes; rings do not repeat their first vertex.
pub(crate) type IntPolygon = Vec<Vec<IntCoord>>;

/// Cancels pairs of opposite edges and removes duplicates; the result is sorted.
pub(crate) fn cancel_opposites(mut edges: Vec<DirectedEdge>) -> Vec<DirectedEdge> {
    let undirected = |&(a, b): &DirectedEdge| (a.min(b), a.max(b));
    edges.sort_unstable_by_key(undirected);
    let mut remaining = Vec::with_capacity(edges.len());
    for coincident in edges.chunk_by(|a, b| undirected(a) == undirected(b)) {
        let forward = coincident.iter().filter(|(a, b)| a < b).count();
        let (a, b) = undirected(&coincident[0]);
        match forward.cmp(&(coincident.len() - forward)) {
            Ordering::Greater => remaining.push((a, b)),
            Ordering::Less => remaining.push((b, a)),
            Ordering::Equal => {}
        }
    }
    remaining.sort_unstable();
    remaining
}

/// Returns the polygons that the edges enclose.
///
/// Edges must be sorted and meet only at their ends, and the number of edges that enter a vertex
/// must equal the number of edges that leave it.
pub(crate) fn polygonize(edges: &[DirectedEdge]) -> Vec<IntPolygon> {
    let (mut exteriors, mut holes) = (Vec::new(), Vec::new());
    for ring in trace_rings(edges) {
        if doubled_signed_area(&ring) > 0 {
            exteriors.push(vec![ring]);
        } else {
            holes.push(ring);
        }
    }
    for hole in holes {
        if let Some(polygon) = enclosing_polygon(&mut exteriors, &hole) {
            polygon.push(hole);
        }
    }
    exteriors
}

fn trace_rings(edges: &[DirectedEdge]) -> Vec<Vec<IntCoord>> {
    let mut rings = Vec::new();
    let mut is_used = vec![false; edges.len()];
    for start in 0..edges.len() {
        let mut path: Vec<IntCoord> = Vec::new();
        // For each vertex that may be passed again, its position on the path.
        let mut path_index: HashMap<IntCoord, usize> = HashMap::new();
        let mut current = start;
        while !is_used[current] {
            is_used[current] = true;
            let (from, to) = edges[current];
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
            // If the source covers a region twice, a path may not close. Such a path is not a ring.
            let Some(next) = first_clockwise(to, from, &edges[outgoing.clone()]) else {
                break;
            };
            current = outgoing.start + next;
        }
    }
    rings
}

/// Returns the range of the edges that leave a vertex.
fn outgoing_range(edges: &[DirectedEdge], vertex: IntCoord) -> std::ops::Range<usize> {
    let start = edges.partition_point(|edge| edge.0 < vertex);
    let count = edges[start..]
        .iter()
        .take_while(|edge| edge.0 == vertex)
        .count();
    start..start + count
}

/// Returns which of the edges that leave `vertex` comes first clockwise from the direction back to
/// `previous`.
fn first_clockwise(
    vertex: IntCoord,
    previous: IntCoord,
    outgoing: &[DirectedEdge],
) -> Option<usize> {
    // The sectors, clockwise from the direction back to `previous`: 0 is before the direction
    // straight on, 1 is straight on, 2 is after that direction, and 3 is straight back.
    let sector = |to: IntCoord| match cross(vertex, previous, to).cmp(&0) {
        Ordering::Less => 0,
        Ordering::Greater => 2,
        Ordering::Equal => {
            let product =
                |a: i64, b: i64, origin: i64| i128::from(a - origin) * i128::from(b - origin);
            let is_back =
                product(previous.0, to.0, vertex.0) + product(previous.1, to.1, vertex.1) > 0;
            if is_back { 3 } else { 1 }
        }
    };
    (0..outgoing.len()).min_by(|&a, &b| {
        let (a, b) = (outgoing[a].1, outgoing[b].1);
        let by_angle = || cross(vertex, b, a).cmp(&0).reverse();
        sector(a).cmp(&sector(b)).then_with(by_angle)
    })
}

/// Returns the smallest of the polygons whose exterior contains the hole.
fn enclosing_polygon<'p>(
    polygons: &'p mut [IntPolygon],
    hole: &[IntCoord],
) -> Option<&'p mut IntPolygon> {
    if polygons.len() == 1 {
        return polygons.first_mut();
    }
    // The midpoint of an edge is on no other edge, so it is strictly inside or outside each
    // exterior.
    let doubled_midpoint = (hole[0].0 + hole[1].0, hole[0].1 + hole[1].1);
    polygons
        .iter_mut()
        .filter(|polygon| ring_contains(&polygon[0], doubled_midpoint))
        .min_by_key(|polygon| doubled_signed_area(&polygon[0]))
}

/// Returns whether a point, in half units and not on the ring, is inside the ring.
fn ring_contains(ring: &[IntCoord], half_units: IntCoord) -> bool {
    let doubled = |(x, y): IntCoord| (2 * x, 2 * y);
    let mut is_inside = false;
    for (index, &to) in ring.iter().enumerate() {
        let from = ring[(index + ring.len() - 1) % ring.len()];
        let (a, b) = (doubled(from), doubled(to));
        if (a.1 > half_units.1) != (b.1 > half_units.1) {
            let (low, high) = if a.1 < b.1 { (a, b) } else { (b, a) };
            is_inside ^= cross(low, high, half_units) > 0;
        }
    }
    is_inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges_of(rings: &[&[IntCoord]]) -> Vec<DirectedEdge> {
        let edges = rings.iter().flat_map(|ring| {
            ring.iter()
                .copied()
                .zip(ring.iter().copied().cycle().skip(1))
        });
        cancel_opposites(edges.collect())
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
        // The two holes share an edge, and so form a single hole.
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
            .find(|polygon| polygon[0].contains(&(20, 20)));
        assert!(inner.expect("the inner square")[1].contains(&(30, 30)));
    }
}
