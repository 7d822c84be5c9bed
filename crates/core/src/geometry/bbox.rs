//! Bounding boxes, represented by the type [`Rect`] of `geo` with any number type.

use geo::{Coord, CoordNum, Rect};

/// Returns the bounding box of vertices, or `None` if there are no vertices.
pub fn bounding_rect<T: CoordNum>(vertices: impl IntoIterator<Item = Coord<T>>) -> Option<Rect<T>> {
    let mut vertices = vertices.into_iter();
    let first = vertices.next()?;
    let (min, max) = vertices.fold((first, first), |(min, max), vertex| {
        (lower(min, vertex), upper(max, vertex))
    });
    Some(Rect::new(min, max))
}

/// Returns the smallest box that encloses two boxes.
pub fn union<T: CoordNum>(a: Rect<T>, b: Rect<T>) -> Rect<T> {
    Rect::new(lower(a.min(), b.min()), upper(a.max(), b.max()))
}

/// Returns west, south, east and north, in the order of GeoJSON's `bbox` (RFC 7946, section 5).
pub fn to_array<T: CoordNum>(rect: Rect<T>) -> [T; 4] {
    let (min, max) = (rect.min(), rect.max());
    [min.x, min.y, max.x, max.y]
}

fn lower<T: CoordNum>(a: Coord<T>, b: Coord<T>) -> Coord<T> {
    Coord {
        x: if b.x < a.x { b.x } else { a.x },
        y: if b.y < a.y { b.y } else { a.y },
    }
}

fn upper<T: CoordNum>(a: Coord<T>, b: Coord<T>) -> Coord<T> {
    Coord {
        x: if b.x > a.x { b.x } else { a.x },
        y: if b.y > a.y { b.y } else { a.y },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_enclose_vertices_and_boxes() {
        let vertices = [(3, -1), (-2, 5), (0, 0)].map(Coord::from);
        let rect = bounding_rect(vertices).expect("three vertices");
        assert_eq!(to_array(rect), [-2, -1, 3, 5]);
        let both = union(rect, Rect::new((10, 0), (11, 1)));
        assert_eq!(to_array(both), [-2, -1, 11, 5]);
        assert_eq!(bounding_rect::<i32>([]), None);
    }
}
