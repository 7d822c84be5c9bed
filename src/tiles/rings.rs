//! Polygons out of edges.
//!
//! Edges have the area on their left (y taken upwards). At a vertex where several leave, the way goes
//! on along the first one clockwise from where it came: it stays beside one wedge of ground. A place that
//! is passed twice closes a ring there. So rings touch in single vertices and never cross; those with
//! positive area are exteriors, the others holes (OGC Simple Features, 6.1.11).
//!
//! ```text
//!   ┌────┐          a hole that touches its exterior is a hole,
//!   │ ╲╱ │          two squares that touch are two polygons
//! ```

use std::cmp::Ordering;
use std::collections::HashMap;

use super::grid::{IntCoord, cross, doubled_area};

/// An edge, from and to.
pub(super) type Step = (IntCoord, IntCoord);

/// An exterior and its holes; rings do not repeat their first vertex.
pub(super) type Polygon = Vec<Vec<IntCoord>>;

/// Without pairs of an edge and the same edge the other way, each edge once; in order.
pub(super) fn cancelled(mut steps: Vec<Step>) -> Vec<Step> {
    let either_way = |&(a, b): &Step| (a.min(b), a.max(b));
    steps.sort_unstable_by_key(either_way);
    let mut left = Vec::with_capacity(steps.len());
    for same in steps.chunk_by(|a, b| either_way(a) == either_way(b)) {
        let forward = same.iter().filter(|(a, b)| a < b).count();
        let (a, b) = either_way(&same[0]);
        match forward.cmp(&(same.len() - forward)) {
            Ordering::Greater => left.push((a, b)),
            Ordering::Less => left.push((b, a)),
            Ordering::Equal => {}
        }
    }
    left.sort_unstable();
    left
}

/// The polygons that the edges surround. Edges are sorted, meet in their ends alone, and as many go
/// into each vertex as leave it.
pub(super) fn polygons(steps: &[Step]) -> Vec<Polygon> {
    let (mut exteriors, mut holes) = (Vec::new(), Vec::new());
    for ring in rings(steps) {
        match doubled_area(&ring) > 0 {
            true => exteriors.push(vec![ring]),
            false => holes.push(ring),
        }
    }
    for hole in holes {
        if let Some(polygon) = around(&mut exteriors, &hole) {
            polygon.push(hole);
        }
    }
    exteriors
}

fn rings(steps: &[Step]) -> Vec<Vec<IntCoord>> {
    let mut rings = Vec::new();
    let mut is_used = vec![false; steps.len()];
    for start in 0..steps.len() {
        let mut path: Vec<IntCoord> = Vec::new();
        // Where on the path the places are that may be passed again.
        let mut passed: HashMap<IntCoord, usize> = HashMap::new();
        let mut at = start;
        while !is_used[at] {
            is_used[at] = true;
            let (from, to) = steps[at];
            let leaving = leaving(steps, to);
            if path.is_empty() {
                passed.insert(from, 0);
            } else if self::leaving(steps, from).len() > 1 {
                passed.insert(from, path.len());
            }
            path.push(from);
            if let Some(&first) = passed
                .get(&to)
                .filter(|&&first| path.get(first) == Some(&to))
            {
                rings.push(path.split_off(first));
            }
            // Of a source that covers ground twice, ways may not close; what is left of them is no ring.
            let Some(next) = first_clockwise(to, from, &steps[leaving.clone()]) else {
                break;
            };
            at = leaving.start + next;
        }
    }
    rings
}

fn leaving(steps: &[Step], from: IntCoord) -> std::ops::Range<usize> {
    let start = steps.partition_point(|step| step.0 < from);
    let count = steps[start..]
        .iter()
        .take_while(|step| step.0 == from)
        .count();
    start..start + count
}

/// Which of the edges that leave the vertex comes first clockwise from the way back.
fn first_clockwise(vertex: IntCoord, back: IntCoord, leaving: &[Step]) -> Option<usize> {
    // From 0, right after the way back, to 3, the way back itself.
    let quarter = |to: IntCoord| match cross(vertex, back, to).cmp(&0) {
        Ordering::Less => 0,
        Ordering::Greater => 2,
        Ordering::Equal => {
            let along =
                |one: i64, other: i64, of: i64| i128::from(one - of) * i128::from(other - of);
            let is_back = along(back.0, to.0, vertex.0) + along(back.1, to.1, vertex.1) > 0;
            if is_back { 3 } else { 1 }
        }
    };
    (0..leaving.len()).min_by(|&one, &other| {
        let (one, other) = (leaving[one].1, leaving[other].1);
        let by_angle = || cross(vertex, other, one).cmp(&0).reverse();
        quarter(one).cmp(&quarter(other)).then_with(by_angle)
    })
}

/// The smallest of the polygons that the hole lies in.
fn around<'p>(polygons: &'p mut [Polygon], hole: &[IntCoord]) -> Option<&'p mut Polygon> {
    if polygons.len() == 1 {
        return polygons.first_mut();
    }
    // The middle of an edge lies on no other edge.
    let middle = (hole[0].0 + hole[1].0, hole[0].1 + hole[1].1);
    polygons
        .iter_mut()
        .filter(|polygon| surrounds(&polygon[0], middle))
        .min_by_key(|polygon| doubled_area(&polygon[0]))
}

/// Whether the place, in half units and not on the ring, is inside.
fn surrounds(ring: &[IntCoord], half_units: IntCoord) -> bool {
    let doubled = |(x, y): IntCoord| (2 * x, 2 * y);
    let mut is_inside = false;
    for (at, &to) in ring.iter().enumerate() {
        let from = ring[(at + ring.len() - 1) % ring.len()];
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

    fn steps(rings: &[&[IntCoord]]) -> Vec<Step> {
        let edges = rings.iter().flat_map(|ring| {
            ring.iter()
                .copied()
                .zip(ring.iter().copied().cycle().skip(1))
        });
        cancelled(edges.collect())
    }

    #[test]
    fn two_squares_that_touch_in_a_corner_are_two_polygons() {
        let found = polygons(&steps(&[
            &[(0, 0), (2, 0), (2, 2), (0, 2)],
            &[(2, 2), (4, 2), (4, 4), (2, 4)],
        ]));
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|polygon| polygon.len() == 1));
    }

    #[test]
    fn a_hole_that_touches_its_exterior_is_a_hole() {
        let found = polygons(&steps(&[
            &[(0, 0), (10, 0), (10, 10), (0, 10)],
            &[(0, 0), (2, 6), (6, 2)],
        ]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].iter().map(Vec::len).collect::<Vec<_>>(), [4, 3]);
    }

    #[test]
    fn a_chain_of_holes_from_side_to_side_parts_the_ground() {
        let found = polygons(&steps(&[
            &[(0, 0), (5, 0), (10, 0), (10, 10), (5, 10), (0, 10)],
            &[(5, 0), (4, 5), (6, 5)],
            &[(4, 5), (5, 10), (6, 5)],
        ]));
        // The two holes have an edge in common, and are one.
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|polygon| polygon.len() == 1));
    }

    #[test]
    fn a_hole_goes_to_the_smallest_polygon_around_it() {
        let found = polygons(&steps(&[
            &[(0, 0), (100, 0), (100, 100), (0, 100)],
            &[(10, 10), (10, 90), (90, 90), (90, 10)],
            &[(20, 20), (80, 20), (80, 80), (20, 80)],
            &[(30, 30), (30, 70), (70, 70), (70, 30)],
        ]));
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|polygon| polygon.len() == 2));
        let inner = found.iter().find(|polygon| polygon[0].contains(&(20, 20)));
        assert!(inner.expect("the inner square")[1].contains(&(30, 30)));
    }
}
