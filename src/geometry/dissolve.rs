//! Dissolves polygons that share edges. A shared edge occurs once in each direction, so its two
//! occurrences cancel exactly, and the remaining edges are the outline. No coordinates are
//! computed, so there are no slivers and no overlaps.

use std::collections::BTreeMap;

use crate::geometry::rings::{Polygon, Ring, assemble_polygons, edges};

type Vertex = (i64, i64);

/// Returns the union of polygons whose interiors do not overlap and whose shared edges are
/// identical.
///
/// The polygons, and the holes of each polygon, are sorted by their smallest vertex, and each ring
/// starts at its smallest vertex, so the result does not depend on the order of the input.
///
/// # Errors
/// If the polygons overlap or an edge occurs twice in the same direction.
pub(crate) fn dissolve<'a>(
    polygons: impl IntoIterator<Item = &'a Polygon>,
) -> Result<Vec<Polygon>, String> {
    let outline = cancel_opposite_edges(polygons)?;
    let mut rings: Vec<Ring> = trace_rings(outline)
        .into_iter()
        .map(rotate_to_smallest_vertex)
        .collect();
    rings.sort();
    Ok(assemble_polygons(rings)?)
}

/// Returns the directed edges that have no opposite edge, keyed by their first vertex.
fn cancel_opposite_edges<'a>(
    polygons: impl IntoIterator<Item = &'a Polygon>,
) -> Result<BTreeMap<Vertex, Vec<Vertex>>, String> {
    let mut outline: BTreeMap<Vertex, Vec<Vertex>> = BTreeMap::new();
    for (from, to) in polygons.into_iter().flatten().flat_map(|ring| edges(ring)) {
        if remove_edge(&mut outline, to, from) {
            continue;
        }
        let ends = outline.entry(from).or_default();
        if ends.contains(&to) {
            return Err("two polygons overlap: they share an edge in the same direction".into());
        }
        ends.push(to);
    }
    Ok(outline)
}

/// Removes an edge. Returns whether the edge was present.
fn remove_edge(outline: &mut BTreeMap<Vertex, Vec<Vertex>>, from: Vertex, to: Vertex) -> bool {
    let Some(ends) = outline.get_mut(&from) else {
        return false;
    };
    let Some(index) = ends.iter().position(|&end| end == to) else {
        return false;
    };
    ends.swap_remove(index);
    if ends.is_empty() {
        outline.remove(&from);
    }
    true
}

/// Joins the edges into rings that have the area on their left.
///
/// Where several edges leave a vertex, the path follows the leftmost edge, so that it stays on the
/// boundary of the same part of the area. Parts that touch at two points therefore become two
/// polygons, instead of one polygon that a hole cuts in two. When a path returns to a vertex, the
/// loop is cut off as a separate ring, so no ring touches itself. OGC Simple Features requires both
/// properties.
fn trace_rings(mut outline: BTreeMap<Vertex, Vec<Vertex>>) -> Vec<Ring> {
    let mut rings = Vec::new();
    while let Some((&start, _)) = outline.first_key_value() {
        let mut path: Vec<Vertex> = vec![start];
        let mut index_in_path: BTreeMap<Vertex, usize> = BTreeMap::from([(start, 0)]);
        let mut previous: Option<Vertex> = None;
        while let Some(&current) = path.last() {
            let ends = outline.get(&current).map_or(&[][..], Vec::as_slice);
            let next = match previous {
                // The path starts towards the smallest end, so that the result does not depend on
                // the order of the input.
                None => ends.iter().min().copied(),
                Some(previous) => leftmost_end(previous, current, ends),
            };
            let Some(next) = next else { break };
            remove_edge(&mut outline, current, next);
            previous = Some(current);
            match index_in_path.get(&next) {
                Some(&index) => {
                    let ring: Ring = path.drain(index..).collect();
                    for vertex in &ring {
                        index_in_path.remove(vertex);
                    }
                    rings.push(ring);
                    path.push(next);
                    index_in_path.insert(next, index);
                }
                None => {
                    index_in_path.insert(next, path.len());
                    path.push(next);
                }
            }
        }
    }
    rings
}

/// Returns the end that is furthest to the left for a path that arrives from `previous`.
fn leftmost_end(previous: Vertex, current: Vertex, ends: &[Vertex]) -> Option<Vertex> {
    let back = direction(current, previous);
    // The first end in clockwise order, starting from the direction back to `previous`, is furthest
    // to the left.
    let is_earlier = |a: Vertex, b: Vertex| {
        let (a, b) = (direction(current, a), direction(current, b));
        let [half_a, half_b] = [a, b].map(|point| is_in_second_half(back, point));
        if half_a == half_b {
            cross_product(a, b) < 0
        } else {
            half_b
        }
    };
    let earliest = |a: Vertex, b: Vertex| if is_earlier(b, a) { b } else { a };
    ends.iter().copied().reduce(earliest)
}

fn direction(from: Vertex, to: Vertex) -> Vertex {
    (to.0 - from.0, to.1 - from.1)
}

/// Returns the cross product, which is positive if `b` is to the left of `a`.
fn cross_product(a: Vertex, b: Vertex) -> i128 {
    i128::from(a.0) * i128::from(b.1) - i128::from(a.1) * i128::from(b.0)
}

/// Returns whether a direction is in the second half of a clockwise turn that begins just after
/// `start`.
fn is_in_second_half(start: Vertex, direction: Vertex) -> bool {
    match cross_product(start, direction) {
        0 => {
            let dot_product = i128::from(start.0) * i128::from(direction.0)
                + i128::from(start.1) * i128::from(direction.1);
            // The same direction comes last; the opposite direction is at the end of the first
            // half.
            dot_product > 0
        }
        turn => turn > 0,
    }
}

fn rotate_to_smallest_vertex(mut ring: Ring) -> Ring {
    let smallest = (0..ring.len())
        .min_by_key(|&index| ring[index])
        .expect("a ring has vertices");
    ring.rotate_left(smallest);
    ring
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::rings::doubled_signed_area;
    use crate::geometry::validity::find_topology_error;

    fn cell(x: i64, y: i64) -> Polygon {
        vec![vec![(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]]
    }

    fn area(polygons: &[Polygon]) -> i128 {
        polygons
            .iter()
            .flatten()
            .map(|ring| doubled_signed_area(ring))
            .sum()
    }

    #[test]
    fn adjacent_cells_merge_into_one_polygon() {
        let joined = dissolve(&[cell(0, 0), cell(1, 0)]).expect("a coverage");
        assert_eq!(
            joined,
            [vec![vec![(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (0, 1)]]]
        );
    }

    #[test]
    fn a_ring_of_cells_has_a_hole() {
        let cells: Vec<Polygon> = (0..9)
            .filter(|index| *index != 4)
            .map(|index| cell(index % 3, index / 3))
            .collect();
        let joined = dissolve(&cells).expect("a coverage");
        assert_eq!((joined.len(), joined[0].len()), (1, 2));
        assert_eq!(area(&joined), 16);
    }

    #[test]
    fn cells_that_touch_at_a_corner_stay_two_polygons() {
        let joined = dissolve(&[cell(0, 0), cell(1, 1)]).expect("a coverage");
        assert_eq!(joined.len(), 2);
    }

    #[test]
    fn a_hole_that_touches_the_outline_at_a_corner_stays_a_hole() {
        // A 4 × 4 grid without two cells that touch at a corner: an inner cell and a cell on the
        // edge of the grid.
        let cells: Vec<Polygon> = (0..16)
            .filter(|index| ![5, 2].contains(index))
            .map(|index| cell(index % 4, index / 4))
            .collect();
        let joined = dissolve(&cells).expect("a coverage");
        assert_eq!(area(&joined), 28);
        assert_eq!(joined.iter().map(Vec::len).sum::<usize>(), 2);
    }

    #[test]
    fn pieces_that_touch_at_two_points_stay_separate_polygons() {
        // The two halves of a ring of cells, which meet at corners: (0,2)-(1,3) and (2,0)-(3,1).
        let halves = [
            (0, 1),
            (0, 2),
            (1, 0),
            (2, 0),
            (1, 3),
            (2, 3),
            (3, 1),
            (3, 2),
        ];
        let cells: Vec<Polygon> = halves.iter().map(|&(x, y)| cell(x, y)).collect();
        let joined = dissolve(&cells).expect("a coverage");
        assert_eq!(find_topology_error(&joined), None);
        assert_eq!((joined.len(), area(&joined)), (4, 16));
    }

    #[test]
    fn overlapping_polygons_are_rejected() {
        assert!(dissolve(&[cell(0, 0), cell(0, 0)]).is_err());
    }

    proptest! {
        #[test]
        fn areas_add_up_and_order_does_not_matter(
            chosen in proptest::collection::btree_set((0_i64..8, 0_i64..8), 1..64),
        ) {
            let cells: Vec<Polygon> = chosen.iter().map(|&(x, y)| cell(x, y)).collect();
            let joined = dissolve(&cells).expect("a coverage");
            prop_assert_eq!(area(&joined), 2 * chosen.len() as i128);
            let backwards = dissolve(cells.iter().rev()).expect("a coverage");
            prop_assert_eq!(&joined, &backwards);
            prop_assert_eq!(find_topology_error(&joined), None);
            for ring in joined.iter().flatten() {
                let mut once = ring.clone();
                once.sort_unstable();
                once.dedup();
                prop_assert_eq!(once.len(), ring.len());
            }
        }
    }
}
