//! Squares whose sides are powers of two, and grids of such squares.

use std::ops::Range;

use super::record::CellRef;
use crate::index::spatial::edge::MmCoord;

/// The south-west corner of the outermost square. Every position is in that square, and the
/// square's north-east corner is beyond all positions.
const EXTENT_ORIGIN_MM: i32 = -(1 << 28);
pub(super) const EXTENT: AlignedSquare = AlignedSquare {
    corner: [EXTENT_ORIGIN_MM, EXTENT_ORIGIN_MM],
    side_bits: 31,
};
/// The binary logarithm of the number of columns and rows of a table, which has 2^3 × 2^3 squares.
pub(super) const TABLE_BITS: u32 = 3;
pub(super) const TABLE_SIDE: usize = 1 << TABLE_BITS;

/// A square whose side is a power of two, 2^`side_bits` mm, given by its south-west corner.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlignedSquare {
    pub(super) corner: MmCoord,
    pub(super) side_bits: u32,
}

impl AlignedSquare {
    /// Returns the north-easternmost point of the square. This point is the corner to which the
    /// square's records refer.
    #[inline]
    pub(super) fn north_east(self) -> MmCoord {
        let side = (1_i64 << self.side_bits) - 1;
        self.corner.map(|value| {
            i32::try_from(i64::from(value) + side).expect("within the outermost square")
        })
    }

    /// Returns the square in a column and row, counted from the corner of the outermost square.
    pub(super) fn from_coords(coords: [u32; 2], side_bits: u32) -> AlignedSquare {
        let corner = coords.map(|steps| EXTENT_ORIGIN_MM.wrapping_add_unsigned(steps << side_bits));
        AlignedSquare { corner, side_bits }
    }

    /// Returns the corners of the square, extended outwards by a millimetre, so that no edge falls
    /// between two squares.
    pub(super) fn buffered(self) -> (MmCoord, MmCoord) {
        let last = self.north_east();
        (
            self.corner.map(|value| value - 1),
            last.map(|value| value + 1),
        )
    }

    pub(super) fn quarters(self) -> [AlignedSquare; 4] {
        let (bits, half) = (self.side_bits - 1, 1 << (self.side_bits - 1));
        let [x, y] = self.corner;
        [[x, y], [x + half, y], [x, y + half], [x + half, y + half]].map(|point| AlignedSquare {
            corner: point,
            side_bits: bits,
        })
    }
}

/// A rectangle of squares with the same side, 2^`side_bits` mm. The rectangle is given by its first
/// column and row, which are counted from the corner of the outermost square.
#[derive(Debug, Clone, Copy)]
pub(super) struct GridExtent {
    pub(super) side_bits: u32,
    pub(super) first: [u32; 2],
    pub(super) size: [u32; 2],
}

impl GridExtent {
    /// Returns the columns and rows that a rectangle intersects.
    #[inline]
    pub(super) fn squares_in(&self, (low, high): (MmCoord, MmCoord)) -> [Range<u32>; 2] {
        let last = EXTENT.north_east();
        [0, 1].map(|axis| {
            let coord_of = |along: i32| {
                square_coord(along.clamp(EXTENT_ORIGIN_MM, last[axis]), self.side_bits)
            };
            let (first, end) = (self.first[axis], self.first[axis] + self.size[axis]);
            coord_of(low[axis]).max(first)..(coord_of(high[axis]) + 1).min(end)
        })
    }

    /// Returns the lowest and the highest northing of a row of squares, extended by a millimetre on
    /// each side.
    pub(super) fn row_bounds(&self, row: u32) -> (i32, i32) {
        let (low, high) =
            AlignedSquare::from_coords([self.first[0], row], self.side_bits).buffered();
        (low[1], high[1])
    }

    #[inline]
    pub(super) fn offset(&self, column: u32, row: u32) -> usize {
        let [across, up] = [column - self.first[0], row - self.first[1]];
        up as usize * self.size[0] as usize + across as usize
    }

    /// Returns the extent of the table of a square.
    #[inline]
    pub(super) fn table_extent(&self, square: [u32; 2]) -> GridExtent {
        GridExtent {
            side_bits: self.side_bits - TABLE_BITS,
            first: square.map(|step| step << TABLE_BITS),
            size: [1 << TABLE_BITS; 2],
        }
    }
}

#[derive(Debug)]
pub(super) struct CellGrid {
    pub(super) extent: GridExtent,
    /// The squares, from west to east, then from south to north.
    pub(super) cells: Vec<CellRef>,
}

impl CellGrid {
    pub(super) fn new(extent: GridExtent) -> CellGrid {
        let [columns, rows] = extent.size.map(|size| size as usize);
        CellGrid {
            extent,
            cells: vec![CellRef::EMPTY; columns * rows],
        }
    }

    #[inline]
    pub(super) fn cell_at(&self, [x, y]: MmCoord) -> CellRef {
        let GridExtent {
            side_bits: bits,
            first,
            size,
        } = self.extent;
        let across = square_coord(x, bits).wrapping_sub(first[0]);
        let up = square_coord(y, bits).wrapping_sub(first[1]);
        if across < size[0] && up < size[1] {
            self.cells[up as usize * size[0] as usize + across as usize]
        } else {
            CellRef::EMPTY
        }
    }

    /// Sets the cells of the grid that are within a square, or the single cell that contains the
    /// square.
    pub(super) fn fill_square(&mut self, square: AlignedSquare, node: CellRef) {
        let [columns, rows] = self.extent.squares_in((square.corner, square.north_east()));
        for row in rows {
            for column in columns.clone() {
                let offset = self.extent.offset(column, row);
                self.cells[offset] = node;
            }
        }
    }
}

/// Returns the column or row of a coordinate, counted from the corner of the outermost square.
#[inline]
pub(super) fn square_coord(coord: i32, bits: u32) -> u32 {
    coord.wrapping_sub(EXTENT_ORIGIN_MM).cast_unsigned() >> bits
}

#[inline]
pub(super) fn table_offset([x, y]: MmCoord, bits: u32) -> usize {
    let within = |along: i32| square_coord(along, bits) as usize % TABLE_SIDE;
    within(y) * TABLE_SIDE + within(x)
}
