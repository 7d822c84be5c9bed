//! Exact predicates and constructions on points of whole numbers.

/// A position in whole units, x to the east and y to the south.
///
/// This is a tuple rather than `geo::Coord<i64>`, because graph vertices are sorted and searched,
/// and `geo::Coord` has no order.
pub(crate) type IntCoord = (i64, i64);

/// Returns twice the signed area of the triangle `origin`, `a`, `b`: positive where `b` is to the
/// left of the direction from `origin` to `a`, with y taken upwards.
pub(crate) fn cross(origin: IntCoord, a: IntCoord, b: IntCoord) -> i128 {
    let (ax, ay) = (i128::from(a.0 - origin.0), i128::from(a.1 - origin.1));
    let (bx, by) = (i128::from(b.0 - origin.0), i128::from(b.1 - origin.1));
    ax * by - ay * bx
}

/// Returns whether two segments cross in a single point that is not an end of either segment.
pub(crate) fn cross_properly((a, b): (IntCoord, IntCoord), (c, d): (IntCoord, IntCoord)) -> bool {
    let have_opposite_signs = |p: i128, q: i128| (p < 0 && q > 0) || (p > 0 && q < 0);
    have_opposite_signs(cross(a, b, c), cross(a, b, d))
        && have_opposite_signs(cross(c, d, a), cross(c, d, b))
}

/// Returns the intersection of two segments that cross properly, rounded to whole units.
pub(crate) fn intersection((a, b): (IntCoord, IntCoord), (c, d): (IntCoord, IntCoord)) -> IntCoord {
    let (from_c, from_d) = (cross(c, d, a), cross(c, d, b));
    let interpolate = |start: i64, end: i64| {
        let offset = div_round(i128::from(end - start) * from_c, from_c - from_d);
        start + i64::try_from(offset).expect("between the two ends")
    };
    (interpolate(a.0, b.0), interpolate(a.1, b.1))
}

/// Returns the quotient rounded to the nearest integer; halves round up. The divisor must not be
/// zero.
pub(crate) fn div_round(dividend: i128, divisor: i128) -> i128 {
    let (dividend, divisor) = if divisor < 0 {
        (-dividend, -divisor)
    } else {
        (dividend, divisor)
    };
    (2 * dividend + divisor).div_euclid(2 * divisor)
}

/// Sorts points on or near the segment from `a` to `b` in its direction.
pub(crate) fn sort_along(points: &mut [IntCoord], a: IntCoord, b: IntCoord) {
    let (dx, dy) = (i128::from(b.0 - a.0), i128::from(b.1 - a.1));
    points.sort_unstable_by_key(|&(x, y)| dx * i128::from(x) + dy * i128::from(y));
}
