//! A raster of the cells that an area covers on an image. The raster is used to find positions for
//! the area's label.

/// A point on the image in CSS pixels, with the y axis pointing down.
pub(super) type ImagePoint = (f64, f64);

/// An axis-parallel rectangle on the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ImageRect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl ImageRect {
    pub(super) fn centred_on((x, y): ImagePoint, width: f64, height: f64) -> ImageRect {
        ImageRect {
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

    /// Returns whether the gap between two rectangles is smaller than `gap`.
    pub(super) fn is_near(&self, other: &ImageRect, gap: f64) -> bool {
        self.x < other.right() + gap
            && other.x < self.right() + gap
            && self.y < other.bottom() + gap
            && other.y < self.bottom() + gap
    }

    pub(super) fn contains_rect(&self, other: &ImageRect) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }

    pub(super) fn contains(&self, (x, y): ImagePoint) -> bool {
        self.x <= x && x <= self.right() && self.y <= y && y <= self.bottom()
    }
}

/// The side of a cell, in CSS pixels.
pub(super) const CELL_SIZE: f64 = 2.0;

/// The cells whose centres are inside both an area and a frame.
#[derive(Debug)]
pub(super) struct AreaMask {
    /// The upper left corner of the first cell.
    x: f64,
    y: f64,
    columns: usize,
    rows: usize,
    /// A summed-area table: for each cell corner, row by row, the number of cells of the area that
    /// are above and to the left of the corner.
    sums: Vec<u32>,
}

impl AreaMask {
    /// Rasterizes rings by the even-odd rule.
    pub(super) fn new<'r>(
        rings: impl Iterator<Item = &'r [ImagePoint]> + Clone,
        frame: &ImageRect,
    ) -> AreaMask {
        let vertices = rings.clone().flatten();
        let empty = [
            f64::INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NEG_INFINITY,
        ];
        let [west, north, east, south] = vertices.fold(empty, |[w, n, e, s], &(x, y)| {
            [w.min(x), n.min(y), e.max(x), s.max(y)]
        });
        let (west, north) = (west.max(frame.x), north.max(frame.y));
        let (east, south) = (east.min(frame.right()), south.min(frame.bottom()));
        let (columns, rows) = (cells_ceil(east - west), cells_ceil(south - north));
        let mut mask = AreaMask {
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

    fn fill<'r>(&mut self, rings: impl Iterator<Item = &'r [ImagePoint]> + Clone) {
        let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); self.rows];
        for ring in rings {
            let next = ring.iter().cycle().skip(1);
            for (&(x1, y1), &(x2, y2)) in ring.iter().zip(next) {
                let ((top_x, top), (bottom_x, bottom)) = if y1 <= y2 {
                    ((x1, y1), (x2, y2))
                } else {
                    ((x2, y2), (x1, y1))
                };
                // The range of rows whose centres are in `top..bottom`.
                let first = cells_ceil((top - self.y) - CELL_SIZE / 2.0);
                let end = cells_ceil((bottom - self.y) - CELL_SIZE / 2.0).min(self.rows);
                for (row, crossings) in (first..end).zip(&mut crossings[first.min(end)..]) {
                    let y = self.cell_centre(0, row).1;
                    crossings.push(top_x + (y - top) / (bottom - top) * (bottom_x - top_x));
                }
            }
        }
        for (row, mut crossings) in crossings.into_iter().enumerate() {
            crossings.sort_unstable_by(f64::total_cmp);
            let mut is_inside = vec![0_u32; self.columns];
            for pair in crossings.chunks_exact(2) {
                let first = cells_ceil(pair[0] - self.x - CELL_SIZE / 2.0);
                let end = cells_ceil(pair[1] - self.x - CELL_SIZE / 2.0).min(self.columns);
                is_inside[first.min(end)..end].fill(1);
            }
            let width = self.columns + 1;
            let mut row_sum = 0;
            for (column, is_inside) in is_inside.into_iter().enumerate() {
                row_sum += is_inside;
                let corner = (row + 1) * width + column + 1;
                self.sums[corner] = self.sums[corner - width] + row_sum;
            }
        }
    }

    fn sum(&self, column: usize, row: usize) -> u32 {
        self.sums[row * (self.columns + 1) + column]
    }

    /// Returns the number of the area's cells in a block of cells.
    fn count(&self, (column, row): (usize, usize), columns: usize, rows: usize) -> u32 {
        let (right, bottom) = (column + columns, row + rows);
        self.sum(right, bottom) + self.sum(column, row)
            - self.sum(right, row)
            - self.sum(column, bottom)
    }

    fn cell_centre(&self, column: usize, row: usize) -> ImagePoint {
        (
            self.x + (column as f64 + 0.5) * CELL_SIZE,
            self.y + (row as f64 + 0.5) * CELL_SIZE,
        )
    }

    /// Returns the cells of this mask that are not in any of the other masks.
    pub(super) fn without(&self, others: &[&AreaMask]) -> AreaMask {
        let mut mask = AreaMask {
            sums: vec![0; self.sums.len()],
            ..*self
        };
        let width = self.columns + 1;
        for row in 0..self.rows {
            let mut row_sum = 0;
            for column in 0..self.columns {
                let centre = self.cell_centre(column, row);
                let is_own = self.is_full((column, row), 1, 1)
                    && !others.iter().any(|other| other.contains(centre));
                row_sum += u32::from(is_own);
                let corner = (row + 1) * width + column + 1;
                mask.sums[corner] = mask.sums[corner - width] + row_sum;
            }
        }
        mask
    }

    /// Returns whether the cell at a point belongs to the area.
    pub(super) fn contains(&self, (x, y): ImagePoint) -> bool {
        if x < self.x || y < self.y {
            return false;
        }
        let (column, row) = (cells_floor(x - self.x), cells_floor(y - self.y));
        column < self.columns && row < self.rows && self.is_full((column, row), 1, 1)
    }

    /// Returns whether every cell that a rectangle intersects belongs to the area.
    pub(super) fn contains_rect(&self, rect: &ImageRect) -> bool {
        if rect.x < self.x || rect.y < self.y {
            return false;
        }
        let (column, row) = (
            cells_floor(rect.x + 1e-6 - self.x),
            cells_floor(rect.y + 1e-6 - self.y),
        );
        let (right, bottom) = (
            cells_ceil(rect.right() - 1e-6 - self.x),
            cells_ceil(rect.bottom() - 1e-6 - self.y),
        );
        right <= self.columns
            && bottom <= self.rows
            && self.is_full((column, row), right - column, bottom - row)
    }

    /// Returns the number of cells that the area covers.
    pub(super) fn cell_count(&self) -> u32 {
        self.sum(self.columns, self.rows)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cell_count() == 0
    }

    /// Returns the centre of the largest square inside the area, which is an approximation of the
    /// pole of inaccessibility; `None` if the mask is empty.
    ///
    /// If there are several such squares, returns the centre that is nearest to the centroid.
    pub(super) fn pole_of_inaccessibility(&self) -> Option<ImagePoint> {
        let centroid = self.centroid()?;
        let side_max = self.columns.min(self.rows);
        let fits = |side: usize| {
            self.blocks(side, side)
                .any(|corner| self.is_full(corner, side, side))
        };
        // A binary search is possible, because every smaller square fits where a square fits.
        let (mut low, mut high) = (1, side_max);
        while low < high {
            let side = usize::midpoint(low, high + 1);
            if fits(side) {
                low = side;
            } else {
                high = side - 1;
            }
        }
        let squares = self
            .blocks(low, low)
            .filter(|&corner| self.is_full(corner, low, low));
        let centres = squares.map(|corner| self.block_centre(corner, low, low));
        centres.min_by(|&a, &b| distance(a, centroid).total_cmp(&distance(b, centroid)))
    }

    /// Returns the upper left cell of every block of the given size.
    fn blocks(&self, columns: usize, rows: usize) -> impl Iterator<Item = (usize, usize)> {
        let down = (self.rows + 1).saturating_sub(rows);
        let across = (self.columns + 1).saturating_sub(columns);
        (0..down).flat_map(move |row| (0..across).map(move |column| (column, row)))
    }

    fn is_full(&self, corner: (usize, usize), columns: usize, rows: usize) -> bool {
        let all = columns * rows;
        usize::try_from(self.count(corner, columns, rows)).is_ok_and(|count| count == all)
    }

    fn block_centre(
        &self,
        (column, row): (usize, usize),
        columns: usize,
        rows: usize,
    ) -> ImagePoint {
        (
            self.x + (column as f64 + columns as f64 / 2.0) * CELL_SIZE,
            self.y + (row as f64 + rows as f64 / 2.0) * CELL_SIZE,
        )
    }

    /// Returns the mean of all cell centres, which may be outside the area.
    fn centroid(&self) -> Option<ImagePoint> {
        let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
        for (column, row) in self
            .blocks(1, 1)
            .filter(|&corner| self.is_full(corner, 1, 1))
        {
            let centre = self.cell_centre(column, row);
            (x, y, count) = (x + centre.0, y + centre.1, count + 1.0);
        }
        (count > 0.0).then(|| (x / count, y / count))
    }

    /// Returns the centres of all positions at which a rectangle of this size is inside the area.
    /// The positions are in ascending order of their distance from `near`.
    pub(super) fn label_positions(
        &self,
        width: f64,
        height: f64,
        near: ImagePoint,
    ) -> Vec<ImagePoint> {
        let (columns, rows) = (cells_ceil(width).max(1), cells_ceil(height).max(1));
        let inside = self
            .blocks(columns, rows)
            .filter(|&corner| self.is_full(corner, columns, rows));
        let mut positions: Vec<ImagePoint> = inside
            .map(|corner| self.block_centre(corner, columns, rows))
            .collect();
        positions.sort_by(|&a, &b| distance(a, near).total_cmp(&distance(b, near)));
        positions
    }
}

/// Returns the distance between two points, in CSS pixels.
pub(super) fn distance(a: ImagePoint, b: ImagePoint) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// Returns a coordinate in hundredths of a pixel, in which it is written to the SVG.
#[expect(
    clippy::cast_possible_truncation,
    reason = "projected coordinates on the Earth are far below 2^63"
)]
pub(super) fn hundredths(coordinate: f64) -> i64 {
    (coordinate * 100.0).round() as i64
}

/// Returns a length in cells, rounded up; 0 if the length is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an image is at most a few thousand cells across, and the value is not negative"
)]
fn cells_ceil(length: f64) -> usize {
    (length / CELL_SIZE).ceil().max(0.0) as usize
}

/// Returns a length in cells, rounded down; 0 if the length is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "see cells_ceil"
)]
fn cells_floor(length: f64) -> usize {
    (length / CELL_SIZE).floor().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: ImageRect = ImageRect {
        x: 0.0,
        y: 0.0,
        width: 100.0,
        height: 100.0,
    };

    fn mask_of(rings: &[&[ImagePoint]]) -> AreaMask {
        AreaMask::new(rings.iter().copied(), &FRAME)
    }

    #[test]
    fn labels_are_positioned_where_the_area_is_wide_enough() {
        // The area has the shape of an L. The vertical part of the L is 20 wide, and its horizontal
        // part is 20 high.
        let ring: &[ImagePoint] = &[
            (0.0, 0.0),
            (20.0, 0.0),
            (20.0, 80.0),
            (90.0, 80.0),
            (90.0, 100.0),
            (0.0, 100.0),
        ];
        let mask = mask_of(&[ring]);
        let positions = mask.label_positions(60.0, 12.0, (10.0, 40.0));
        assert!(!positions.is_empty());
        assert!(
            positions.iter().all(|centre| centre.1 > 80.0),
            "{positions:?}"
        );
        assert!(mask.label_positions(60.0, 30.0, (10.0, 40.0)).is_empty());
    }

    #[test]
    fn cells_of_other_masks_are_left_out() {
        let square = |x: f64, y: f64| [(x, y), (x + 40.0, y), (x + 40.0, y + 40.0), (x, y + 40.0)];
        let (first, second, third) = (square(0.0, 0.0), square(21.0, 0.0), square(60.0, 60.0));
        let [first, second, third] = [&first[..], &second, &third].map(|ring| mask_of(&[ring]));
        let own = first.without(&[&second, &third]);
        assert_eq!(own.cell_count(), 20 * 40 / 4);
        assert_eq!(third.without(&[&first, &second]).cell_count(), 400);
        assert!(first.without(&[&first]).is_empty());
    }

    #[test]
    fn a_mask_excludes_holes_and_what_is_outside_the_frame() {
        let exterior: &[ImagePoint] = &[(-50.0, 10.0), (90.0, 10.0), (90.0, 90.0), (-50.0, 90.0)];
        let hole: &[ImagePoint] = &[(20.0, 20.0), (80.0, 20.0), (80.0, 80.0), (20.0, 80.0)];
        let mask = mask_of(&[exterior, hole]);
        assert_eq!(mask.cell_count(), (90 * 80 - 60 * 60) / 4);
        let pole = mask.pole_of_inaccessibility().expect("it has cells");
        assert!(pole.0 < 20.0 && pole.0 > 0.0, "{pole:?}");
    }
}
