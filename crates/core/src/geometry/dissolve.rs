//! Dissolves polygons that share edges. A shared edge occurs once in each direction, so the two
//! occurrences cancel exactly. The remaining edges form the outline. No coordinates are
//! computed, so there are no slivers and no overlaps.

use geo::Coord;

use super::polygonize::{cancel_pairs, trace_rings};
use super::rings::{Polygon, Ring, assemble_polygons, edges};

/// Returns the union of polygons whose interiors do not overlap and whose shared edges are
/// identical.
///
/// The polygons, and the holes of each polygon, are sorted by their smallest vertex, and each ring
/// starts at its smallest vertex, so the result does not depend on the order of the input. No ring
/// passes a vertex twice, and parts that touch at points are separate polygons, as OGC Simple
/// Features requires.
///
/// # Errors
/// If the polygons overlap and, as a result, an edge remains twice in the same direction or the
/// outline does not close at a vertex. [`super::validity`] finds other overlaps.
pub fn dissolve<'a>(
    polygons: impl IntoIterator<Item = &'a Polygon>,
) -> Result<Vec<Polygon>, String> {
    let rings = polygons.into_iter().flatten();
    let outline = cancel_pairs(rings.flat_map(|ring| edges(ring)).collect());
    if outline.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("two polygons overlap: they share an edge in the same direction".into());
    }
    let rings = trace_rings(&outline);
    // Around a vertex, the edges of polygons that do not overlap alternately enter and leave the
    // vertex, so every path closes.
    if rings.iter().map(Vec::len).sum::<usize>() < outline.len() {
        return Err("two polygons overlap at a vertex that they share".into());
    }
    let mut rings: Vec<Ring> = rings.into_iter().map(rotate_to_smallest_vertex).collect();
    rings.sort_by(|a, b| a.iter().map(Coord::x_y).cmp(b.iter().map(Coord::x_y)));
    Ok(assemble_polygons(rings)?)
}

fn rotate_to_smallest_vertex(mut ring: Ring) -> Ring {
    let smallest = (0..ring.len())
        .min_by_key(|&index| ring[index].x_y())
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
        let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)];
        vec![corners.map(Coord::from).to_vec()]
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
        let outline = [(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (0, 1)].map(Coord::from);
        assert_eq!(joined, [vec![outline.to_vec()]]);
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
        // A 4 × 4 grid of cells, with two cells missing that touch at a corner: an inner cell and a
        // cell on the edge of the grid.
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
        // Two polygons overlap at the vertex (0, 0), and cross further away.
        let polygons = [
            vec![(0, 0), (9, 0), (9, 20), (-10, 20), (0, 9)],
            vec![(0, 0), (9, 4), (-4, 9)],
        ];
        let polygon = |ring: Vec<(i64, i64)>| vec![ring.into_iter().map(Coord::from).collect()];
        assert!(dissolve(&polygons.map(polygon)).is_err());
    }

    #[test]
    fn a_spike_along_the_border_of_two_polygons_cancels_in_any_order() {
        // Rounding may leave a spike, here from (1, 1) to (1, 2), between two other polygons.
        let spike = [(0, 0), (1, 0), (1, 1), (1, 2), (1, 1), (0, 1)].map(Coord::from);
        let polygons = [vec![spike.to_vec()], cell(0, 1), cell(1, 1)];
        let joined = dissolve(&polygons).expect("a coverage");
        assert_eq!((joined.len(), area(&joined)), (1, 6));
        assert_eq!(dissolve(polygons.iter().rev()), Ok(joined));
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
                once.sort_unstable_by_key(Coord::x_y);
                once.dedup();
                prop_assert_eq!(once.len(), ring.len());
            }
        }
    }
}
