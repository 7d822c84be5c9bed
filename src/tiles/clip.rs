//! Cuts a ring at the sides of a square, in whole units (Sutherland and Hodgman, side by side).

type Vertex = (i64, i64);

/// A side of the square: everything with `sign · axis ≤ limit` is inside.
#[derive(Clone, Copy)]
struct Side {
    is_x: bool,
    sign: i64,
    limit: i64,
}

/// What is left of a ring between `low` and `high` on both axes; `None` where nothing with area is.
///
/// The ring does not repeat its first vertex, before or after.
pub(super) fn clip(ring: &[Vertex], low: i64, high: i64) -> Option<Vec<Vertex>> {
    let sides = [
        (true, -1, -low),
        (true, 1, high),
        (false, -1, -low),
        (false, 1, high),
    ];
    let mut ring = ring.to_vec();
    for (is_x, sign, limit) in sides {
        ring = clip_side(&ring, Side { is_x, sign, limit });
    }
    ring.dedup();
    while ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    (ring.len() >= 3 && doubled_area(&ring) != 0).then_some(ring)
}

fn clip_side(ring: &[Vertex], side: Side) -> Vec<Vertex> {
    if ring.iter().all(|&vertex| side.holds(vertex)) {
        return ring.to_vec();
    }
    let mut kept = Vec::with_capacity(ring.len());
    for (at, &to) in ring.iter().enumerate() {
        let from = ring[(at + ring.len() - 1) % ring.len()];
        if side.holds(from) != side.holds(to) {
            kept.push(side.crossing(from, to));
        }
        if side.holds(to) {
            kept.push(to);
        }
    }
    kept
}

impl Side {
    fn holds(self, (x, y): Vertex) -> bool {
        self.sign * (if self.is_x { x } else { y }) <= self.limit
    }

    /// Where the edge crosses the side. It is worked out from the smaller vertex to the larger, so
    /// that the neighbour, who runs along the edge the other way, gets the same place.
    fn crossing(self, a: Vertex, b: Vertex) -> Vertex {
        let (from, to) = if a < b { (a, b) } else { (b, a) };
        let at = self.sign * self.limit;
        let along = |(across_from, along_from): Vertex, (across_to, along_to): Vertex| {
            let rise = i128::from(along_to - along_from) * i128::from(at - across_from);
            let run = i128::from(across_to - across_from);
            let offset = rise.div_euclid(run);
            along_from + i64::try_from(offset).expect("between the two vertices")
        };
        if self.is_x {
            (at, along(from, to))
        } else {
            (along((from.1, from.0), (to.1, to.0)), at)
        }
    }
}

fn doubled_area(ring: &[Vertex]) -> i64 {
    let next = ring.iter().cycle().skip(1);
    ring.iter()
        .zip(next)
        .map(|(&(x1, y1), &(x2, y2))| x1 * y2 - x2 * y1)
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_inside_stays_and_what_is_outside_goes() {
        let triangle = [(1, 1), (5, 1), (1, 5)];
        assert_eq!(clip(&triangle, 0, 10), Some(triangle.to_vec()));
        assert_eq!(clip(&triangle, 20, 30), None);
        assert_eq!(
            clip(&[(0, 0), (10, 0), (10, 10), (0, 10)], 0, 10).map(|it| it.len()),
            Some(4)
        );
    }

    #[test]
    fn a_ring_around_the_square_becomes_the_square() {
        let clipped = clip(&[(-90, -90), (90, -90), (90, 90), (-90, 90)], 0, 10).expect("a ring");
        assert_eq!(doubled_area(&clipped), 200);
    }

    #[test]
    fn what_only_touches_is_nothing() {
        assert_eq!(clip(&[(-5, 0), (0, 0), (0, 5)], 0, 10), None);
        assert_eq!(clip(&[(3, 3), (3, 3), (3, 3)], 0, 10), None);
    }

    proptest! {
        /// Two triangles on either side of a line make up the square, to the unit.
        #[test]
        fn neighbours_cut_their_border_alike(
            (ax, ay) in (-50_i64..60, -50_i64..60), (bx, by) in (-50_i64..60, -50_i64..60),
        ) {
            prop_assume!((ax, ay) != (bx, by));
            let side = Side { is_x: true, sign: 1, limit: 10 };
            if side.holds((ax, ay)) != side.holds((bx, by)) {
                prop_assert_eq!(side.crossing((ax, ay), (bx, by)), side.crossing((bx, by), (ax, ay)));
            }
        }

        #[test]
        fn nothing_is_left_outside(
            ring in proptest::collection::vec((-1_000_000_000_000_i64..1_000_000_000_000, -1_000_000_000_000_i64..1_000_000_000_000), 3..20),
        ) {
            for (x, y) in clip(&ring, -64, 4_160).unwrap_or_default() {
                prop_assert!((-64..=4_160).contains(&x) && (-64..=4_160).contains(&y));
            }
        }
    }
}
