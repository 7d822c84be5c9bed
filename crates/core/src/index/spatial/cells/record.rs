//! The encoding of cells: references to their content, records, and sets of boundaries.
//!
//! Storing the ends of edges relative to the cell, in 16 bits, would take half the memory. This
//! encoding has not been tried.

use crate::index::spatial::edge::{Edge, EdgeClip, MmCoord};

/// The maximum number of boundaries in a record, which is the number of bits in its masks.
pub(super) const RECORD_BOUNDARIES_MAX: usize = u32::BITS as usize;
/// The number of boundaries that fit in the head of a record.
pub(super) const HEAD_BOUNDARIES_MAX: usize = 4;
/// The bit in the first word of a head that is set if another record of the cell follows.
const CONTINUES: u32 = 1 << 31;

/// The content of a square. Two bits store the kind, and the other bits store the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellRef(u32);

#[derive(Debug, Clone, Copy)]
pub(super) enum CellKind {
    /// The set of boundaries that cover the whole square.
    Set(u32),
    /// The first square of the table into which the square is divided.
    Table(usize),
    /// The head of the record that determines the answer.
    Record(usize),
    /// A crowded square.
    Crowded(usize),
}

impl CellRef {
    pub(super) const EMPTY: CellRef = CellRef::new(CellKind::Set(0));
    const TABLE: u32 = 1 << 30;
    const RECORD: u32 = 2 << 30;
    const CROWDED: u32 = 3 << 30;

    #[expect(clippy::cast_possible_truncation, reason = "checked against the limit")]
    pub(super) const fn new(content: CellKind) -> CellRef {
        let (kind, position) = match content {
            CellKind::Set(set) => (0, set as usize),
            CellKind::Table(first) => (CellRef::TABLE, first),
            CellKind::Record(index) => (CellRef::RECORD, index),
            CellKind::Crowded(index) => (CellRef::CROWDED, index),
        };
        assert!(
            position < CellRef::TABLE as usize,
            "a layer has too many vertices"
        );
        CellRef(kind | position as u32)
    }

    #[inline]
    pub(super) fn kind(self) -> CellKind {
        let index = self.0 & (CellRef::TABLE - 1);
        match self.0 - index {
            0 => CellKind::Set(index),
            CellRef::TABLE => CellKind::Table(index as usize),
            CellRef::RECORD => CellKind::Record(index as usize),
            _ => CellKind::Crowded(index as usize),
        }
    }
}

/// Half a cache line: either the head of a record or one of its edges.
///
/// A head consists of:
///
/// - the number of edges, and whether another record follows
/// - the set of boundaries that cover the whole cell
/// - the mask of the record's own boundaries that cover the corner
/// - the number of the record's own boundaries, and the list of these boundaries
///
/// An edge consists of its two ends, its clip, and the mask of the boundaries to which it belongs.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(super) struct RecordBlock(pub(super) [i32; 8]);

impl RecordBlock {
    pub(super) fn head(
        edges: usize,
        set: u32,
        corner: u32,
        boundary_count: u32,
        first: [u32; HEAD_BOUNDARIES_MAX],
    ) -> RecordBlock {
        let edges = u32::try_from(edges).expect("fewer edges than a layer may have");
        let [a, b, c, d] = first;
        RecordBlock([edges, set, corner, boundary_count, a, b, c, d].map(u32::cast_signed))
    }

    pub(super) fn new(edge: &Edge, clip: EdgeClip, mask: u32) -> RecordBlock {
        let ([x1, y1], [x2, y2]) = (edge.low, edge.high);
        let mask = mask.cast_signed();
        RecordBlock([
            x1,
            y1,
            x2,
            y2,
            clip.from_row,
            clip.to_row,
            clip.east_side_row,
            mask,
        ])
    }

    #[inline]
    fn word(&self, index: usize) -> u32 {
        self.0[index].cast_unsigned()
    }

    #[inline]
    pub(super) fn edge_count(&self) -> usize {
        (self.word(0) & !CONTINUES) as usize
    }

    #[inline]
    pub(super) fn has_continuation(&self) -> bool {
        self.word(0) & CONTINUES != 0
    }

    pub(super) fn set_continuation(&mut self) {
        self.0[0] = (self.word(0) | CONTINUES).cast_signed();
    }

    /// Returns the set of boundaries that cover the whole cell.
    #[inline]
    pub(super) fn covering_set(&self) -> u32 {
        self.word(1)
    }

    /// Returns the mask of the record's own boundaries that cover the corner.
    #[inline]
    fn corner_mask(&self) -> u32 {
        self.word(2)
    }

    /// Returns the boundary to which a bit of the masks belongs.
    #[inline]
    pub(super) fn boundary(&self, bit: usize, boundary_lists: &[u32]) -> u32 {
        if self.word(3) as usize <= HEAD_BOUNDARIES_MAX {
            self.word(4 + bit)
        } else {
            boundary_lists[self.word(4) as usize + bit]
        }
    }

    #[inline]
    pub(super) fn edge(&self) -> Edge {
        let [x1, y1, x2, y2, ..] = self.0;
        Edge {
            low: [x1, y1],
            high: [x2, y2],
        }
    }

    #[inline]
    fn clip(&self) -> EdgeClip {
        let [.., from_row, to_row, east_side_row, _] = self.0;
        EdgeClip {
            from_row,
            to_row,
            east_side_row,
        }
    }

    #[inline]
    pub(super) fn mask(&self) -> u32 {
        self.word(7)
    }
}

/// A record of a cell: the part of the answer that depends on up to 32 boundaries.
pub(super) struct CellRecord<'c> {
    pub(super) head: &'c RecordBlock,
    pub(super) edges: &'c [RecordBlock],
}

impl CellRecord<'_> {
    /// Returns the mask of the record's own boundaries that cover a point.
    #[inline]
    pub(super) fn covering_mask(&self, point: MmCoord) -> u32 {
        let change = |block: &RecordBlock| {
            if block.clip().is_crossed(&block.edge(), point) {
                block.mask()
            } else {
                0
            }
        };
        let changes = self.edges.iter().map(change);
        changes.fold(self.head.corner_mask(), |mask, change| mask ^ change)
    }
}

#[inline]
pub(super) fn bits_of(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(bit)
    })
}

/// Sets of boundaries. Set 0 is empty. The sets of a single boundary follow, and then the larger
/// sets.
#[derive(Debug)]
pub(super) struct BoundarySets {
    pub(super) singleton_count: u32,
    pub(super) starts: Vec<u32>,
    pub(super) members: Vec<u32>,
}

impl BoundarySets {
    #[inline]
    pub(super) fn add_to(&self, found: &mut Vec<u32>, set: u32) {
        if set == 0 {
        } else if set <= self.singleton_count {
            found.push(set - 1);
        } else {
            let index = (set - self.singleton_count - 1) as usize;
            let members = self.starts[index] as usize..self.starts[index + 1] as usize;
            found.extend_from_slice(&self.members[members]);
        }
    }
}
