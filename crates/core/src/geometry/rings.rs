//! Rings of integer coordinates: orientation, nesting, and the assignment of holes to exterior
//! rings.

use geo::{Contains, Coord, Line, Rect};

use super::bbox::bounding_rect;
use super::predicates::cross;

/// A closed ring that does not repeat its first vertex, unlike a closed `geo::LineString`.
///
/// If the y axis points up, counter-clockwise rings are exteriors, and clockwise rings are holes.
/// In a tile, the y axis points down, so the same rings have the opposite orientation, as the
/// format requires (MVT 2.1, 4.3.3.3).
pub type Ring = Vec<Coord<i64>>;

/// An exterior ring followed by its holes.
pub type Polygon = Vec<Ring>;

/// Returns twice the signed area, which is positive if the ring is counter-clockwise with the y
/// axis pointing up.
pub fn doubled_signed_area(ring: &[Coord<i64>]) -> i128 {
    let Some(&origin) = ring.first() else {
        return 0;
    };
    ring.windows(2)
        .map(|edge| cross(origin, edge[0], edge[1]))
        .sum()
}

/// Returns the ring's edges. The closing edge is last.
pub fn edges(ring: &[Coord<i64>]) -> impl Iterator<Item = Line<i64>> + '_ {
    let next = ring.iter().cycle().skip(1);
    ring.iter()
        .zip(next)
        .map(|(&start, &end)| Line { start, end })
}

/// Assembles rings into polygons: assigns each hole to the smallest exterior that encloses it.
///
/// The rings may touch but not cross. The order of the exteriors, and of the holes of each
/// exterior, is preserved.
///
/// # Errors
/// If there is a hole that no exterior encloses.
pub fn assemble_polygons(rings: Vec<Ring>) -> Result<Vec<Polygon>, &'static str> {
    let (mut polygons, holes) = split_by_orientation(rings);
    let outside = assign_holes(&mut polygons, holes);
    if outside.is_empty() {
        Ok(polygons)
    } else {
        Err("a hole is outside every exterior ring")
    }
}

/// Returns a polygon without holes for each exterior, and the holes.
pub(super) fn split_by_orientation(rings: Vec<Ring>) -> (Vec<Polygon>, Vec<Ring>) {
    let (exteriors, holes): (Vec<Ring>, Vec<Ring>) = rings
        .into_iter()
        .partition(|ring| doubled_signed_area(ring) > 0);
    let polygons = exteriors.into_iter().map(|ring| vec![ring]).collect();
    (polygons, holes)
}

/// Adds each hole to the polygon with the smallest exterior that encloses it. Returns the holes
/// that no exterior encloses.
pub(super) fn assign_holes(polygons: &mut [Polygon], holes: Vec<Ring>) -> Vec<Ring> {
    if holes.is_empty() {
        return Vec::new();
    }
    let extents: Vec<(Option<Rect<i64>>, i128)> = polygons
        .iter()
        .map(|polygon| (bbox(&polygon[0]), doubled_signed_area(&polygon[0])))
        .collect();
    let mut outside = Vec::new();
    for hole in holes {
        let hole_bbox = bbox(&hole);
        let is_around_hole = |&index: &usize| {
            is_within(hole_bbox, extents[index].0) && encloses(&polygons[index][0], &hole)
        };
        let enclosing = (0..polygons.len())
            .filter(is_around_hole)
            .min_by_key(|&index| extents[index].1);
        match enclosing {
            Some(index) => polygons[index].push(hole),
            None => outside.push(hole),
        }
    }
    outside
}

/// Assembles rings into polygons by their nesting depth. A ring inside an even number of other
/// rings is an exterior, and a ring inside an odd number of other rings is a hole. The original
/// roles and orientation of the rings are ignored.
///
/// # Errors
/// If [`assemble_polygons`] returns an error.
pub fn polygons_by_nesting(mut rings: Vec<Ring>) -> Result<Vec<Polygon>, &'static str> {
    let bboxes: Vec<Option<Rect<i64>>> = rings.iter().map(|ring| bbox(ring)).collect();
    let depth = |index: usize| {
        let others = (0..rings.len()).filter(|&other| other != index);
        let enclosing = others.filter(|&other| {
            is_within(bboxes[index], bboxes[other]) && encloses(&rings[other], &rings[index])
        });
        enclosing.count()
    };
    let are_exteriors: Vec<bool> = (0..rings.len())
        .map(|index| depth(index) % 2 == 0)
        .collect();
    for (ring, is_exterior) in rings.iter_mut().zip(are_exteriors) {
        if (doubled_signed_area(ring) > 0) != is_exterior {
            ring.reverse();
        }
    }
    assemble_polygons(rings)
}

fn bbox(ring: &[Coord<i64>]) -> Option<Rect<i64>> {
    bounding_rect(ring.iter().copied())
}

fn is_within(inner: Option<Rect<i64>>, outer: Option<Rect<i64>>) -> bool {
    match (inner, outer) {
        (Some(inner), Some(outer)) => outer.contains(&inner),
        _ => false,
    }
}

/// Returns whether `hole` is inside `exterior`. The function tests the midpoint of the hole's first
/// edge, because a vertex of the hole may be on the exterior. The coordinates are doubled, so that
/// the midpoint has integer coordinates. The midpoint must not be on the exterior.
fn encloses(exterior: &[Coord<i64>], hole: &[Coord<i64>]) -> bool {
    let middle = hole[0] + hole[1];
    let mut is_inside = false;
    for edge in edges(exterior) {
        let (a, b) = (edge.start * 2, edge.end * 2);
        if (a.y > middle.y) != (b.y > middle.y) {
            let (low, high) = if a.y < b.y { (a, b) } else { (b, a) };
            is_inside ^= cross(low, high, middle) > 0;
        }
    }
    is_inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: i64, y: i64, side: i64) -> Ring {
        [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
            .map(Coord::from)
            .to_vec()
    }

    fn reversed(mut ring: Ring) -> Ring {
        ring.reverse();
        ring
    }

    #[test]
    fn orientation_distinguishes_exteriors_from_holes() {
        assert_eq!(doubled_signed_area(&square(0, 0, 10)), 200);
        assert_eq!(doubled_signed_area(&reversed(square(0, 0, 10))), -200);
    }

    #[test]
    fn a_hole_belongs_to_the_smallest_enclosing_exterior_in_any_order() {
        let (outer, lake) = (square(0, 0, 100), reversed(square(10, 10, 50)));
        let (island, pond) = (square(20, 20, 20), reversed(square(25, 25, 5)));
        let separate = square(200, 0, 10);
        let polygons = assemble_polygons(vec![
            outer.clone(),
            separate.clone(),
            pond.clone(),
            island.clone(),
            lake.clone(),
        ]);
        assert_eq!(
            polygons,
            Ok(vec![vec![outer, lake], vec![separate], vec![island, pond]])
        );
    }

    #[test]
    fn rings_at_odd_nesting_depth_are_holes() {
        let (outer, lake, island) = (square(0, 0, 100), square(10, 10, 50), square(20, 20, 20));
        let separate = square(200, 0, 10);
        let nested = polygons_by_nesting(vec![
            outer.clone(),
            lake.clone(),
            reversed(island.clone()),
            separate.clone(),
        ]);
        assert_eq!(
            nested,
            Ok(vec![
                vec![outer, reversed(lake)],
                vec![island],
                vec![separate]
            ])
        );
    }

    #[test]
    fn a_hole_may_touch_its_exterior_but_not_lie_outside() {
        let touching = reversed([(0, 50), (20, 40), (20, 60)].map(Coord::from).to_vec());
        assert!(assemble_polygons(vec![square(0, 0, 100), touching]).is_ok());
        assert!(assemble_polygons(vec![square(0, 0, 100), reversed(square(200, 0, 10))]).is_err());
    }
}
