//! Rings of integer coordinates: orientation, nesting, and the assignment of holes to exterior
//! rings.

/// A closed ring that does not repeat its first vertex. Counter-clockwise rings are exteriors;
/// clockwise rings are holes.
pub(crate) type Ring = Vec<(i64, i64)>;

/// An exterior ring followed by its holes.
pub(crate) type Polygon = Vec<Ring>;

/// Returns twice the signed area, which is positive if the ring is counter-clockwise.
pub(crate) fn doubled_signed_area(ring: &[(i64, i64)]) -> i128 {
    edges(ring)
        .map(|((x1, y1), (x2, y2))| {
            i128::from(x1) * i128::from(y2) - i128::from(x2) * i128::from(y1)
        })
        .sum()
}

/// Returns the ring's edges; the closing edge is last.
pub(crate) fn edges(ring: &[(i64, i64)]) -> impl Iterator<Item = ((i64, i64), (i64, i64))> + '_ {
    ring.iter()
        .copied()
        .zip(ring.iter().copied().cycle().skip(1))
        .take(ring.len())
}

/// Assembles rings into polygons: assigns each hole to the smallest exterior that encloses it.
///
/// The rings may touch but not cross. The order of the exteriors, and of the holes of each
/// exterior, is preserved.
///
/// # Errors
/// If there is a hole that no exterior encloses.
pub(crate) fn assemble_polygons(rings: Vec<Ring>) -> Result<Vec<Polygon>, &'static str> {
    let (exteriors, holes): (Vec<Ring>, Vec<Ring>) = rings
        .into_iter()
        .partition(|ring| doubled_signed_area(ring) > 0);
    let bboxes: Vec<(Bounds, i128)> = exteriors
        .iter()
        .map(|ring| (bounds(ring), doubled_signed_area(ring)))
        .collect();
    let mut polygons: Vec<Polygon> = exteriors.into_iter().map(|ring| vec![ring]).collect();
    for hole in holes {
        let hole_bbox = bounds(&hole);
        let is_around_hole = |&index: &usize| {
            is_within(hole_bbox, bboxes[index].0) && encloses(&polygons[index][0], &hole)
        };
        let enclosing = (0..polygons.len())
            .filter(is_around_hole)
            .min_by_key(|&index| bboxes[index].1)
            .ok_or("a hole is outside every exterior ring")?;
        polygons[enclosing].push(hole);
    }
    Ok(polygons)
}

/// Assembles rings into polygons by their nesting depth. A ring inside an even number of other
/// rings is an exterior, and a ring inside an odd number of other rings is a hole. The original
/// roles and orientation of the rings are ignored.
///
/// # Errors
/// If [`assemble_polygons`] returns an error.
pub(crate) fn polygons_by_nesting(mut rings: Vec<Ring>) -> Result<Vec<Polygon>, &'static str> {
    let bboxes: Vec<Bounds> = rings.iter().map(|ring| bounds(ring)).collect();
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

/// The south-west and north-east corners of a rectangle.
type Bounds = ((i64, i64), (i64, i64));

fn bounds(ring: &[(i64, i64)]) -> Bounds {
    let none = ((i64::MAX, i64::MAX), (i64::MIN, i64::MIN));
    ring.iter()
        .fold(none, |((west, south), (east, north)), &(x, y)| {
            ((west.min(x), south.min(y)), (east.max(x), north.max(y)))
        })
}

fn is_within(inner: Bounds, outer: Bounds) -> bool {
    outer.0.0 <= inner.0.0
        && outer.0.1 <= inner.0.1
        && inner.1.0 <= outer.1.0
        && inner.1.1 <= outer.1.1
}

/// Returns whether `hole` is inside `exterior`. Tests the midpoint of the hole's first edge, in
/// doubled coordinates, instead of a vertex, because a vertex of the hole may be on the exterior.
/// The midpoint of an edge must not be on the exterior.
fn encloses(exterior: &[(i64, i64)], hole: &[(i64, i64)]) -> bool {
    let middle = (hole[0].0 + hole[1].0, hole[0].1 + hole[1].1);
    let mut inside = false;
    for ((x1, y1), (x2, y2)) in edges(exterior) {
        let (x1, y1, x2, y2) = (2 * x1, 2 * y1, 2 * x2, 2 * y2);
        if (y1 <= middle.1) == (y2 <= middle.1) {
            continue;
        }
        let turn = i128::from(x2 - x1) * i128::from(middle.1 - y1)
            - i128::from(y2 - y1) * i128::from(middle.0 - x1);
        if (turn > 0) == (y2 > y1) {
            inside = !inside;
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: i64, y: i64, side: i64) -> Ring {
        vec![(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
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
        let touching = reversed(vec![(0, 50), (20, 40), (20, 60)]);
        assert!(assemble_polygons(vec![square(0, 0, 100), touching]).is_ok());
        assert!(assemble_polygons(vec![square(0, 0, 100), reversed(square(200, 0, 10))]).is_err());
    }
}
