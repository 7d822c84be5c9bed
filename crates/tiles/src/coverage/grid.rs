//! Hot pixels, and a grid index of points.
//!
//! Every grid point has a *hot pixel* (Hobby 1999): the open square around the grid point, with
//! sides of one step. A segment *hits* a pixel if at least one point of the segment is strictly
//! inside the pixel. All predicates are exact.

use geo::{Coord, Rect};

use catchment_core::geometry::bbox::bounding_rect;

/// The grid of points whose coordinates are multiples of a step, and their hot pixels.
///
/// Grid points are expressed in steps. Pixel sides are between whole units, so that every vertex is
/// strictly inside one pixel. If the step is even, pixels are therefore offset from their points by
/// half a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct PixelGrid {
    step: i64,
    /// The offset of the pixels in half units: 1 if the step is even, and otherwise 0.
    half_units: i64,
}

impl PixelGrid {
    /// Creates a grid with a step of 1 or of an even number of units.
    pub(super) fn new(step: i64) -> PixelGrid {
        debug_assert!(step == 1 || (step > 0 && step % 2 == 0));
        PixelGrid {
            step,
            half_units: i64::from(step % 2 == 0),
        }
    }

    /// Returns the number of units between neighbouring grid points.
    pub(super) fn step(self) -> i64 {
        self.step
    }

    /// Returns the grid point, in steps, whose pixel contains a position in units.
    pub(super) fn nearest(self, position: Coord<i64>) -> Coord<i64> {
        let round =
            |value: i64| (2 * value + self.step + self.half_units).div_euclid(2 * self.step);
        Coord {
            x: round(position.x),
            y: round(position.y),
        }
    }

    /// Returns whether the segment from `a` to `b`, in units, hits the pixel of a grid point.
    pub(super) fn segment_hits(self, a: Coord<i64>, b: Coord<i64>, point: Coord<i64>) -> bool {
        // Coordinates are in half units, so that the coordinates of the pixel's centre are whole
        // numbers.
        let centre = |steps: i64| 2 * steps * self.step - self.half_units;
        let (x, y) = (centre(point.x), centre(point.y));
        let is_beside = |start: i64, end: i64, centre: i64| {
            2 * start.min(end) >= centre + self.step || 2 * start.max(end) <= centre - self.step
        };
        if is_beside(a.x, b.x, x) || is_beside(a.y, b.y, y) {
            return false;
        }
        let (dx, dy) = (i128::from(b.x - a.x), i128::from(b.y - a.y));
        let offset = dx * i128::from(y - 2 * a.y) - dy * i128::from(x - 2 * a.x);
        offset.abs() < (dx.abs() + dy.abs()) * i128::from(self.step)
    }
}

/// A spatial index of points. The index consists of square cells, each with the indices of the
/// points in the cell.
#[derive(Debug)]
pub(super) struct PointGrid {
    min: Coord<i64>,
    /// The binary logarithm of a cell's side.
    cell_bits: u32,
    columns: usize,
    rows: usize,
    /// The index in `points` at which each cell's points start, row by row, and the index at which
    /// the last cell's points end.
    starts: Vec<u32>,
    points: Vec<u32>,
}

impl PointGrid {
    /// Indexes points, with about one cell for each point.
    pub(super) fn new(points: &[Coord<i64>]) -> PointGrid {
        let origin = Rect::new((0, 0), (0, 0));
        let bbox = bounding_rect(points.iter().copied()).unwrap_or(origin);
        let (min, width, height) = (bbox.min(), bbox.width(), bbox.height());
        let count = |side: i64, bits: u32| usize::try_from((side >> bits) + 1).unwrap_or(1);
        let mut cell_bits = 0;
        while count(width, cell_bits).saturating_mul(count(height, cell_bits))
            > 2 * points.len() + 16
        {
            cell_bits += 1;
        }
        let mut grid = PointGrid {
            min,
            cell_bits,
            columns: count(width, cell_bits),
            rows: count(height, cell_bits),
            starts: Vec::new(),
            points: vec![0; points.len()],
        };
        // Sort the points by cell, using a counting sort.
        let cells: Vec<usize> = points
            .iter()
            .map(|point| grid.row(point.y) * grid.columns + grid.column(point.x))
            .collect();
        grid.starts = vec![0; grid.columns * grid.rows + 1];
        for &cell in &cells {
            grid.starts[cell + 1] += 1;
        }
        for cell in 1..grid.starts.len() {
            grid.starts[cell] += grid.starts[cell - 1];
        }
        let mut next = grid.starts.clone();
        for (point, &cell) in (0_u32..).zip(&cells) {
            grid.points[next[cell] as usize] = point;
            next[cell] += 1;
        }
        grid
    }

    fn column(&self, x: i64) -> usize {
        usize::try_from((x - self.min.x).max(0) >> self.cell_bits)
            .map_or(0, |column| column.min(self.columns - 1))
    }

    fn row(&self, y: i64) -> usize {
        usize::try_from((y - self.min.y).max(0) >> self.cell_bits)
            .map_or(0, |row| row.min(self.rows - 1))
    }

    fn in_row(&self, row: usize, west: i64, east: i64) -> &[u32] {
        let first = row * self.columns;
        let start = self.starts[first + self.column(west)] as usize;
        let end = self.starts[first + self.column(east) + 1] as usize;
        &self.points[start..end]
    }

    /// Returns candidates for a box query: every point in the closed box, and some points near the
    /// box.
    pub(super) fn in_box(&self, bbox: Rect<i64>) -> impl Iterator<Item = u32> {
        let (min, max) = (bbox.min(), bbox.max());
        (self.row(min.y)..=self.row(max.y))
            .flat_map(move |row| self.in_row(row, min.x, max.x))
            .copied()
    }

    /// Returns candidates for a segment query: every point within one unit of the segment along
    /// both axes, and some other points near the segment. The ends are in the units of the points,
    /// but do not need to be whole numbers.
    pub(super) fn near_segment(&self, a: Coord<f64>, b: Coord<f64>) -> impl Iterator<Item = u32> {
        let (top, bottom) = if a.y <= b.y { (a, b) } else { (b, a) };
        let slope = (bottom.x - top.x) / (bottom.y - top.y).max(1e-9);
        let rows = self.row(floor(top.y) - 1)..=self.row(floor(bottom.y) + 2);
        rows.flat_map(move |row| {
            let row_offset = i64::try_from(row).expect("few rows");
            let north = (self.min.y + (row_offset << self.cell_bits) - 2) as f64;
            let south = (self.min.y + ((row_offset + 1) << self.cell_bits) + 2) as f64;
            // The first and last rows also cover all positions beyond the grid.
            let start = if row == 0 {
                top.y
            } else {
                north.clamp(top.y, bottom.y)
            };
            let end = if row + 1 == self.rows {
                bottom.y
            } else {
                south.clamp(top.y, bottom.y)
            };
            let x_at = |y: f64| top.x + (y - top.y) * slope;
            let (west, east) = if bottom.y - top.y < 1e-6 {
                (a.x.min(b.x), a.x.max(b.x))
            } else {
                (x_at(start).min(x_at(end)), x_at(start).max(x_at(end)))
            };
            self.in_row(row, floor(west) - 2, floor(east) + 3)
        })
        .copied()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "positions are below 2^40")]
fn floor(value: f64) -> i64 {
    value.floor() as i64
}
