//! Uses a grid of cells to find the boundaries that cover a point. Each cell stores the answer, or
//! the few edges that determine the answer.
//!
//! ```text
//!   root: squares over the bounding box            a table: a square divided 8 × 8
//!   ┌────┬────┬────┬────┐                          ┌─┬─┬─┬─┬─┬─┬─┬─┐
//!   │ ·  │ A  │ A  │ B  │   A, B: entirely inside  │A│A│A│A│r│B│B│B│
//!   ├────┼────┼────┼────┤   that set of areas      ├─┼─┼─┼─┼─┼─┼─┼─┤
//!   │ ·  │ r  │ ▦  │ B  │   r: a record            │A│A│A│r│r│B│B│B│
//!   └────┴────┴────┴────┘   ▦: a table ──────────► └─┴─┴─┴─┴─┴─┴─┴─┘
//!
//!   a record: the areas that cover the corner ◢, and the edges that touch the cell
//!   ┌──────────╱──◢  north-east corner: in B
//!   │   A     ╱ B │
//!   │        ╱    │  p → east side → corner crosses one edge, which A and B share:
//!   │  p----╱---->│  both change, so p is in A and not in B
//!   │      ╱      │
//!   └─────╱───────┘
//! ```
//!
//! Invariants:
//!
//! - Consider the path from a point east to the side of its cell, and up that side to the
//!   north-east corner. If the path crosses the edges of an area an even number of times
//!   ([`EdgeClip::is_crossed`](super::edge::EdgeClip::is_crossed)), the area covers both the point
//!   and the corner, or neither of them. If the number is odd, the area covers exactly one of them.
//! - The easternmost corner of each row of the root is in no area. The areas that cover any other
//!   corner are derived from a corner that has already been processed, with the previous rule.
//! - An edge that neighbours share is stored once in a record, with a bit for each area that the
//!   edge bounds. If more than 32 boundaries have edges in a cell, a second record follows the
//!   first, and so on.
//! - A record contains every edge that comes within a millimetre of its cell. The edges near a
//!   position are therefore found in the cells around it.
//! - Cells depend only on rings. Overlaps, holes, multiple parts and several versions of an area
//!   need no special treatment.
//! - A ring that crosses itself contains the points around which it winds an odd number of times.
//!   Such a ring does not cause a panic.
//! - If a cell consists of several squares of the root or of a table, all of these squares refer to
//!   the same record. The record is stored only once.
//!
//! A *crowded* square has too many edges for a record. A crowded square lists the boundaries that
//! have edges in the square, and a look-up tests all edges of each listed boundary
//! ([`CrossingTree`]). [`build`] explains which squares are crowded.
//!
//! A look-up of a random point spends most of its time on two or three cache misses, not on
//! geometry. In a batch, the cache misses of several points overlap without a prefetch instruction.

mod build;
mod frame;
mod record;

use std::hint::black_box;

use super::crossing_tree::CrossingTree;
use super::edge::{Edge, MmCoord, to_mm};
use super::edge_tree::EdgeTree;
use crate::domain::BritishGrid;
use frame::{CellGrid, GridExtent, TABLE_BITS, TABLE_SIDE, table_offset};
use record::{BoundarySets, CellKind, CellRecord, CellRef, RecordBlock, bits_of};

/// The number of points whose cells are looked up together, so that their waits for memory overlap.
const BATCH_SIZE: usize = 32;

/// A cell index of a list of boundaries, each identified by its position in the list.
#[derive(Debug)]
pub(super) struct CellIndex {
    root: CellGrid,
    /// The squares of tables, from west to east, then from south to north.
    tables: Vec<CellRef>,
    /// The records. Each record is a head, followed by its edges.
    records: Vec<RecordBlock>,
    sets: BoundarySets,
    /// The boundaries of crowded squares, and of records whose boundaries do not fit in the head.
    boundary_lists: Vec<u32>,
    crowded: Vec<CrowdedSquare>,
    /// For each boundary, a tree of its edges if any of the edges is in a crowded square.
    crossing_trees: Vec<Option<Box<CrossingTree>>>,
}

/// A square with too many edges for a record.
#[derive(Debug, Clone, Copy)]
struct CrowdedSquare {
    /// The set of boundaries that cover the whole square.
    set: u32,
    /// The start and the length of the range of `boundary_lists` that contains the boundaries with
    /// edges in the square.
    first: u32,
    count: u32,
}

impl CellIndex {
    /// Returns the number of blocks that records and tables take, and the number of crowded
    /// squares.
    #[cfg(test)]
    pub(super) fn block_and_crowded_counts(&self) -> (usize, usize) {
        let tables = self.tables.len() / (TABLE_SIDE * TABLE_SIDE) * build::BLOCKS_PER_TABLE;
        (self.records.len() + tables, self.crowded.len())
    }

    /// Returns the number of squares in the root.
    #[cfg(test)]
    pub(super) fn root_square_count(&self) -> usize {
        self.root.cells.len()
    }

    /// Returns the boundaries that have edges in a crowded square.
    fn crowded_boundaries(&self, crowded: &CrowdedSquare) -> &[u32] {
        &self.boundary_lists[crowded.first as usize..][..crowded.count as usize]
    }

    /// Adds the boundaries that cover a point to `found`, in no particular order.
    pub(super) fn covering(&self, point: MmCoord, found: &mut Vec<u32>) {
        let mut node = self.root.cell_at(point);
        let mut bits = self.root.extent.side_bits;
        while let CellKind::Table(first) = node.kind() {
            bits -= TABLE_BITS;
            node = self.tables[first + table_offset(point, bits)];
        }
        self.resolve(node, point, found);
    }

    /// Calls `visit` with the index of each point and the boundaries that cover it, in no
    /// particular order.
    ///
    /// Each step is performed for all points of a batch before the next step, so that the waits for
    /// memory of different points overlap.
    pub(super) fn for_each_covering(
        &self,
        points: &[BritishGrid],
        mut visit: impl FnMut(usize, &mut Vec<u32>),
    ) {
        let mut found = Vec::new();
        for (group, points) in points.chunks(BATCH_SIZE).enumerate() {
            let mut cells = [CellRef::EMPTY; BATCH_SIZE];
            let cells = &mut cells[..points.len()];
            for (node, &point) in cells.iter_mut().zip(points) {
                *node = self.root.cell_at(to_mm(point));
            }
            self.descend(cells, points);
            for (index, (node, &point)) in cells.iter().zip(points).enumerate() {
                found.clear();
                self.resolve(*node, to_mm(point), &mut found);
                visit(group * BATCH_SIZE + index, &mut found);
            }
        }
    }

    /// Replaces the root's squares with the undivided squares that contain the points, and reads
    /// the first bytes of their records, so that these bytes are in the processor's cache.
    fn descend(&self, cells: &mut [CellRef], points: &[BritishGrid]) {
        let mut bits = self.root.extent.side_bits;
        loop {
            bits = bits.saturating_sub(TABLE_BITS);
            let mut is_done = true;
            for (node, &point) in cells.iter_mut().zip(points) {
                if let CellKind::Table(first) = node.kind() {
                    *node = self.tables[first + table_offset(to_mm(point), bits)];
                    is_done = false;
                }
            }
            if is_done {
                break;
            }
        }
        let mut prefetched = 0;
        for node in cells {
            if let CellKind::Record(index) = node.kind() {
                let next_line = self.records.get(index + 2).map_or(0, |block| block.0[0]);
                prefetched ^= self.records[index].0[0] ^ next_line;
            }
        }
        black_box(prefetched);
    }

    fn resolve(&self, node: CellRef, point: MmCoord, found: &mut Vec<u32>) {
        match node.kind() {
            CellKind::Set(set) => self.sets.add_to(found, set),
            CellKind::Record(index) => {
                for record in self.records_at(index) {
                    self.sets.add_to(found, record.head.covering_set());
                    let around = bits_of(record.covering_mask(point));
                    found.extend(around.map(|bit| record.head.boundary(bit, &self.boundary_lists)));
                }
            }
            CellKind::Crowded(index) => {
                let crowded = &self.crowded[index];
                self.sets.add_to(found, crowded.set);
                let covers = |boundary: &&u32| {
                    let tree = self.crossing_trees[**boundary as usize].as_ref();
                    tree.is_some_and(|tree| tree.covers(point))
                };
                found.extend(self.crowded_boundaries(crowded).iter().filter(covers));
            }
            CellKind::Table(_) => unreachable!("the square is not divided"),
        }
    }

    /// Returns the record of a cell, and the records that follow it.
    fn records_at(&self, first: usize) -> impl Iterator<Item = CellRecord<'_>> {
        let mut next = Some(first);
        std::iter::from_fn(move || {
            let index = next?;
            let head = &self.records[index];
            let after = index + 1 + head.edge_count();
            next = head.has_continuation().then_some(after);
            let edges = &self.records[index + 1..after];
            Some(CellRecord { head, edges })
        })
    }

    /// Calls `visit` with every edge that intersects a rectangle, once for each boundary that the
    /// edge bounds, and with some other edges near the rectangle. An edge may be visited more than
    /// once. `edge_trees` contains the tree of each boundary.
    pub(super) fn for_each_edge_near(
        &self,
        edge_trees: &[EdgeTree],
        (low, high): (MmCoord, MmCoord),
        mut visit: impl FnMut(Edge, u32),
    ) {
        let mut last_visited = None;
        let mut from_crowded: Vec<u32> = Vec::new();
        let rect = (low, high);
        self.visit_squares(&self.root.extent, &self.root.cells, rect, &mut |content| {
            let position = match content {
                CellKind::Record(index) => index,
                CellKind::Crowded(index) => {
                    from_crowded.extend_from_slice(self.crowded_boundaries(&self.crowded[index]));
                    return;
                }
                _ => return,
            };
            if last_visited.replace(position) == Some(position) {
                return;
            }
            for record in self.records_at(position) {
                for block in record.edges {
                    let boundary = |bit| record.head.boundary(bit, &self.boundary_lists);
                    bits_of(block.mask()).for_each(|bit| visit(block.edge(), boundary(bit)));
                }
            }
        });
        from_crowded.sort_unstable();
        from_crowded.dedup();
        for boundary in from_crowded {
            edge_trees[boundary as usize].edges_near(low, high, &mut |edge| visit(edge, boundary));
        }
    }

    /// Calls `visit` with the content of every undivided square that a rectangle intersects. Divided
    /// squares are searched recursively.
    fn visit_squares(
        &self,
        extent: &GridExtent,
        cells: &[CellRef],
        rect: (MmCoord, MmCoord),
        visit: &mut impl FnMut(CellKind),
    ) {
        let [columns, rows] = extent.squares_in(rect);
        for row in rows {
            for column in columns.clone() {
                match cells[extent.offset(column, row)].kind() {
                    CellKind::Table(index) => {
                        let table = extent.table_extent([column, row]);
                        self.visit_squares(
                            &table,
                            &self.tables[index..index + TABLE_SIDE * TABLE_SIDE],
                            rect,
                            visit,
                        );
                    }
                    content => visit(content),
                }
            }
        }
    }
}
