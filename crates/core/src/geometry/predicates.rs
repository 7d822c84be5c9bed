//! Exact predicates and constructions on points with integer coordinates.
//!
//! Products are 128 bits wide, so they are exact for all coordinates of boundaries and tiles. The
//! predicates of `geo` use the number type of the coordinates for products, which would overflow.

use geo::{Coord, Line};

/// Returns twice the signed area of the triangle `origin`, `a`, `b`: positive if `b` is to the left
/// of the direction from `origin` to `a`, with the y axis pointing up.
pub fn cross(origin: Coord<i64>, a: Coord<i64>, b: Coord<i64>) -> i128 {
    let (a, b) = (a - origin, b - origin);
    i128::from(a.x) * i128::from(b.y) - i128::from(a.y) * i128::from(b.x)
}

/// Returns whether two segments cross in a single point that is not an end of either segment.
pub fn cross_properly(one: Line<i64>, other: Line<i64>) -> bool {
    let is_divided = |by: Line<i64>, ends: Line<i64>| {
        let start = cross(by.start, by.end, ends.start).signum();
        start != 0 && start == -cross(by.start, by.end, ends.end).signum()
    };
    is_divided(one, other) && is_divided(other, one)
}

/// Returns the intersection of two segments that cross properly, rounded to whole units.
pub fn intersection(one: Line<i64>, other: Line<i64>) -> Coord<i64> {
    let [from_start, from_end] = [one.start, one.end].map(|end| cross(other.start, other.end, end));
    let interpolate = |start: i64, end: i64| {
        let offset = div_round(i128::from(end - start) * from_start, from_start - from_end);
        start + i64::try_from(offset).expect("between the two ends")
    };
    Coord {
        x: interpolate(one.start.x, one.end.x),
        y: interpolate(one.start.y, one.end.y),
    }
}

/// Returns the quotient rounded to the nearest integer. Halves are rounded up. The divisor must not
/// be zero.
pub fn div_round(dividend: i128, divisor: i128) -> i128 {
    let (dividend, divisor) = if divisor < 0 {
        (-dividend, -divisor)
    } else {
        (dividend, divisor)
    };
    (2 * dividend + divisor).div_euclid(2 * divisor)
}

/// Sorts points on or near the segment from `a` to `b` in the direction from `a` to `b`.
pub fn sort_along(points: &mut [Coord<i64>], a: Coord<i64>, b: Coord<i64>) {
    let (dx, dy) = (i128::from(b.x - a.x), i128::from(b.y - a.y));
    points.sort_unstable_by_key(|point| dx * i128::from(point.x) + dy * i128::from(point.y));
}
