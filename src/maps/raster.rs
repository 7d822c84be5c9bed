//! Which squares of a picture an area covers: where its name may stand.

/// A place on the picture, in its units, y down.
pub(super) type Place = (f64, f64);

/// A box on the picture, sides parallel to its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    pub(super) fn around((x, y): Place, width: f64, height: f64) -> Rect {
        Rect {
            x: x - width / 2.0,
            y: y - height / 2.0,
            width,
            height,
        }
    }

    pub(super) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Whether the boxes come nearer to each other than the gap.
    pub(super) fn is_near(&self, other: &Rect, gap: f64) -> bool {
        self.x < other.right() + gap
            && other.x < self.right() + gap
            && self.y < other.bottom() + gap
            && other.y < self.bottom() + gap
    }

    pub(super) fn holds(&self, other: &Rect) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }

    pub(super) fn has(&self, (x, y): Place) -> bool {
        self.x <= x && x <= self.right() && self.y <= y && y <= self.bottom()
    }
}

/// The side of a square.
pub(super) const CELL: f64 = 2.0;

/// The squares whose middle is in an area and within a frame.
#[derive(Debug)]
pub(super) struct Mask {
    /// Where its first square begins.
    x: f64,
    y: f64,
    columns: usize,
    rows: usize,
    /// How many squares of the area are above and left of each corner of squares, row by row.
    sums: Vec<u32>,
}

impl Mask {
    /// Of rings by the even-odd rule.
    pub(super) fn new<'r>(rings: impl Iterator<Item = &'r [Place]> + Clone, frame: &Rect) -> Mask {
        let places = rings.clone().flatten();
        let empty = [
            f64::INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NEG_INFINITY,
        ];
        let [west, north, east, south] = places.fold(empty, |[w, n, e, s], &(x, y)| {
            [w.min(x), n.min(y), e.max(x), s.max(y)]
        });
        let (west, north) = (west.max(frame.x), north.max(frame.y));
        let (east, south) = (east.min(frame.right()), south.min(frame.bottom()));
        let (columns, rows) = (cells(east - west), cells(south - north));
        let mut mask = Mask {
            x: west,
            y: north,
            columns,
            rows,
            sums: vec![0; (columns + 1) * (rows + 1)],
        };
        if columns > 0 && rows > 0 {
            mask.fill(rings);
        }
        mask
    }

    fn fill<'r>(&mut self, rings: impl Iterator<Item = &'r [Place]> + Clone) {
        let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); self.rows];
        for ring in rings {
            let next = ring.iter().cycle().skip(1);
            for (&(x1, y1), &(x2, y2)) in ring.iter().zip(next) {
                let ((top_x, top), (bottom_x, bottom)) = match y1 <= y2 {
                    true => ((x1, y1), (x2, y2)),
                    false => ((x2, y2), (x1, y1)),
                };
                // Rows whose middle is from `top` to before `bottom`.
                let first = cells((top - self.y) - CELL / 2.0);
                let beyond = cells((bottom - self.y) - CELL / 2.0).min(self.rows);
                for (row, crossings) in (first..beyond).zip(&mut crossings[first.min(beyond)..]) {
                    let y = self.middle(0, row).1;
                    crossings.push(top_x + (y - top) / (bottom - top) * (bottom_x - top_x));
                }
            }
        }
        for (row, mut crossings) in crossings.into_iter().enumerate() {
            crossings.sort_unstable_by(f64::total_cmp);
            let mut is_in = vec![0_u32; self.columns];
            for pair in crossings.chunks_exact(2) {
                let first = cells(pair[0] - self.x - CELL / 2.0);
                let beyond = cells(pair[1] - self.x - CELL / 2.0).min(self.columns);
                is_in[first.min(beyond)..beyond].fill(1);
            }
            let width = self.columns + 1;
            let mut sum = 0;
            for (column, is_in) in is_in.into_iter().enumerate() {
                sum += is_in;
                let at = (row + 1) * width + column + 1;
                self.sums[at] = self.sums[at - width] + sum;
            }
        }
    }

    fn sum(&self, column: usize, row: usize) -> u32 {
        self.sums[row * (self.columns + 1) + column]
    }

    /// How many squares of the area a box of squares holds.
    fn count(&self, (column, row): (usize, usize), columns: usize, rows: usize) -> u32 {
        let (right, bottom) = (column + columns, row + rows);
        self.sum(right, bottom) + self.sum(column, row)
            - self.sum(right, row)
            - self.sum(column, bottom)
    }

    fn middle(&self, column: usize, row: usize) -> Place {
        (
            self.x + (column as f64 + 0.5) * CELL,
            self.y + (row as f64 + 0.5) * CELL,
        )
    }

    /// Whether every square that the box reaches into is the area's.
    pub(super) fn holds(&self, rect: &Rect) -> bool {
        if rect.x < self.x || rect.y < self.y {
            return false;
        }
        let (column, row) = (floor(rect.x + 1e-6 - self.x), floor(rect.y + 1e-6 - self.y));
        let (right, bottom) = (
            cells(rect.right() - 1e-6 - self.x),
            cells(rect.bottom() - 1e-6 - self.y),
        );
        right <= self.columns
            && bottom <= self.rows
            && self.is_full((column, row), right - column, bottom - row)
    }

    /// How many squares it has.
    pub(super) fn size(&self) -> u32 {
        self.sum(self.columns, self.rows)
    }

    /// Whether no square's middle is in the area.
    pub(super) fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// The middle of the largest square of squares that lies inside: of several the one nearest to the
    /// middle of all. `None` where it is empty.
    pub(super) fn heart(&self) -> Option<Place> {
        let middle = self.balance()?;
        let side_max = self.columns.min(self.rows);
        let fits = |side: usize| {
            self.boxes(side, side)
                .any(|at| self.is_full(at, side, side))
        };
        // Where a square fits, each smaller one does.
        let (mut low, mut high) = (1, side_max);
        while low < high {
            let side = usize::midpoint(low, high + 1);
            match fits(side) {
                true => low = side,
                false => high = side - 1,
            }
        }
        let full = self
            .boxes(low, low)
            .filter(|&at| self.is_full(at, low, low));
        let middles = full.map(|at| self.box_middle(at, low, low));
        middles.min_by(|&a, &b| distance(a, middle).total_cmp(&distance(b, middle)))
    }

    fn boxes(&self, columns: usize, rows: usize) -> impl Iterator<Item = (usize, usize)> {
        let down = (self.rows + 1).saturating_sub(rows);
        let across = (self.columns + 1).saturating_sub(columns);
        (0..down).flat_map(move |row| (0..across).map(move |column| (column, row)))
    }

    fn is_full(&self, at: (usize, usize), columns: usize, rows: usize) -> bool {
        let all = columns * rows;
        usize::try_from(self.count(at, columns, rows)).is_ok_and(|count| count == all)
    }

    fn box_middle(&self, (column, row): (usize, usize), columns: usize, rows: usize) -> Place {
        (
            self.x + (column as f64 + columns as f64 / 2.0) * CELL,
            self.y + (row as f64 + rows as f64 / 2.0) * CELL,
        )
    }

    /// The middle of all squares, which may lie outside the area.
    fn balance(&self) -> Option<Place> {
        let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
        for at in self.boxes(1, 1).filter(|&at| self.is_full(at, 1, 1)) {
            let middle = self.middle(at.0, at.1);
            (x, y, count) = (x + middle.0, y + middle.1, count + 1.0);
        }
        (count > 0.0).then(|| (x / count, y / count))
    }

    /// Where a box of this size lies inside the area, the middles nearest to a place first.
    pub(super) fn places(&self, width: f64, height: f64, near: Place) -> Vec<Place> {
        // A box that begins anywhere in a square reaches into one more.
        let (columns, rows) = (cells(width).max(1), cells(height).max(1));
        let inside = self
            .boxes(columns, rows)
            .filter(|&at| self.is_full(at, columns, rows));
        let mut places: Vec<Place> = inside
            .map(|at| self.box_middle(at, columns, rows))
            .collect();
        places.sort_by(|&a, &b| distance(a, near).total_cmp(&distance(b, near)));
        places
    }
}

/// Units of the picture between two places.
pub(super) fn distance(a: Place, b: Place) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// So many squares, the last one begun; none for what is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a picture has few thousand squares across, and a cast of less than zero is zero"
)]
fn cells(length: f64) -> usize {
    (length / CELL).ceil().max(0.0) as usize
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as above"
)]
fn floor(length: f64) -> usize {
    (length / CELL).floor().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Rect = Rect {
        x: 0.0,
        y: 0.0,
        width: 100.0,
        height: 100.0,
    };

    fn mask(rings: &[&[Place]]) -> Mask {
        Mask::new(rings.iter().copied(), &FRAME)
    }

    #[test]
    fn a_name_fits_where_the_area_is_wide_enough() {
        // An L: 20 wide on the left, 20 high at the bottom.
        let ring: &[Place] = &[
            (0.0, 0.0),
            (20.0, 0.0),
            (20.0, 80.0),
            (90.0, 80.0),
            (90.0, 100.0),
            (0.0, 100.0),
        ];
        let mask = mask(&[ring]);
        let wide = mask.places(60.0, 12.0, (10.0, 40.0));
        assert!(!wide.is_empty());
        assert!(wide.iter().all(|place| place.1 > 80.0), "{wide:?}");
        assert!(mask.places(60.0, 30.0, (10.0, 40.0)).is_empty());
    }

    #[test]
    fn a_hole_and_what_is_out_of_sight_are_not_the_area() {
        let around: &[Place] = &[(-50.0, 10.0), (90.0, 10.0), (90.0, 90.0), (-50.0, 90.0)];
        let hole: &[Place] = &[(20.0, 20.0), (80.0, 20.0), (80.0, 80.0), (20.0, 80.0)];
        let mask = mask(&[around, hole]);
        assert_eq!(mask.size(), (90 * 80 - 60 * 60) / 4);
        let heart = mask.heart().expect("it has squares");
        assert!(heart.0 < 20.0 && heart.0 > 0.0, "{heart:?}");
    }
}
