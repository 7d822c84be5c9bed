//! Uses a grid of cells to find the boundaries that cover a point. Each cell stores the answer, or
//! the few edges from which it follows.
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
//! - If the path from a point east to the side of its cell, and up that side to the north-east
//!   corner, crosses the edges of an area an even number of times ([`EdgeClip::is_crossed`]), the
//!   area covers both the point and the corner, or neither. If the number is odd, the area covers
//!   exactly one of the two. The easternmost corner of each row of the root is in no area. The
//!   areas that cover any other corner are derived by this rule from the areas that cover a corner
//!   that has already been processed.
//! - An edge that neighbours share is stored once in a record, with a bit for each area that it
//!   bounds.
//! - A record contains every edge that comes within a millimetre of its cell, so the edges near a
//!   position are found in the cells around it.
//! - Cells depend only on rings, so overlaps, holes, multiple parts and several versions of an area
//!   need no special treatment. A ring that crosses itself contains the points around which it
//!   winds an odd number of times; it does not cause a panic.
//! - If a cell consists of several squares of the root or of a table, all of these squares refer to
//!   the same record. No record is stored twice.
//!
//! Each boundary of a record has a bit in its masks. If more than 32 boundaries have edges in a
//! cell, a second record follows the first, and so on.
//!
//! Long edges side by side, such as the teeth of a comb, would create cells without limit: when a
//! square is divided, each quarter contains half of the square's edges, so the total number of
//! edges doubles. A square is therefore *crowded* if it has many edges that division does not
//! spread out. A crowded square stores the boundaries that cover all of the square and the
//! boundaries that have edges in the square. For each boundary with edges in the square, a look-up
//! tests all edges of that boundary ([`CrossingTree`]). The number of records and tables, and the
//! size of the root, are also limited in proportion to the number of edges. The number of edges
//! therefore bounds memory and build time, whatever the shape of the areas. No embedded layer has a
//! crowded square.
//!
//! A look-up of a random point spends most of its time on two or three cache misses, not on
//! geometry. In a batch, the cache misses of several points overlap, without a prefetch
//! instruction. Cells of 3 to 12 edges and roots of 8 to 128 squares per edge were measured. With
//! 34,753 areas, the differences are small; with 106 areas, look-ups are a quarter faster if the
//! root has four times as many squares. Storing the ends of edges in 16 bits relative to the cell
//! would take half the memory, but has not been tried.

use std::collections::HashMap;
use std::hint::black_box;
use std::ops::Range;

use super::crossing_tree::CrossingTree;
use super::edge::{Edge, EdgeClip, MmCoord, to_mm};
use super::edge_tree::EdgeTree;
use crate::domain::BritishGrid;

/// The south-west corner of the outermost square. Every position is in that square, and its
/// north-east corner is beyond all positions.
const EXTENT_ORIGIN_MM: i32 = -(1 << 28);
const EXTENT: AlignedSquare = AlignedSquare {
    corner: [EXTENT_ORIGIN_MM, EXTENT_ORIGIN_MM],
    side_bits: 31,
};
/// A table has 2^3 × 2^3 squares.
const TABLE_BITS: u32 = 3;
const TABLE_SIDE: usize = 1 << TABLE_BITS;
/// A cell with more edges than this is divided, unless it is as small as [`CELL_BITS_MIN`] allows.
const RECORD_EDGES_MAX: usize = 6;
/// Cells of 2^8 mm (26 cm) are not divided, because more than [`RECORD_EDGES_MAX`] edges may meet
/// at a vertex.
const CELL_BITS_MIN: u32 = 8;
/// The approximate number of squares in the root for each edge, within the following limits.
const ROOT_CELLS_PER_EDGE: usize = 64;
const ROOT_CELLS_MIN: usize = 1 << 8;
const ROOT_CELLS_MAX: usize = 1 << 21;
/// The limit on the number of edges that touch a square of the root, summed over all squares, as a
/// multiple of the number of edges. The limit is at least [`ROOT_TOUCHES_MIN`]. If the sum would
/// exceed the limit, the squares are made larger.
const ROOT_TOUCHES_PER_EDGE: usize = 16;
const ROOT_TOUCHES_MIN: usize = 1 << 20;
/// A square with at most this many edges is crowded only if the budget of blocks
/// (`BLOCKS_PER_EDGE`) is used up.
const UNCROWDED_EDGES_MAX: usize = 32;
/// A crowded square is worth dividing only if the edge counts of its quarters add up to less than
/// 7/4 of its own. A line across a square touches two or three of its quarters, but each vertex of
/// a border is in only one quarter.
const DIVISION_RATIO_MAX: (usize, usize) = (7, 4);
/// The budget of blocks for records and tables: the number of blocks for each edge, and a constant
/// number of additional blocks. The embedded layers take 6 to 9 blocks for each edge.
const BLOCKS_PER_EDGE: usize = 12;
const BLOCKS_MIN: usize = 1 << 16;
/// The number of blocks in the budget that a table takes.
const BLOCKS_PER_TABLE: usize =
    TABLE_SIDE * TABLE_SIDE * size_of::<CellRef>() / size_of::<RecordBlock>();
/// The maximum number of boundaries in a record: the number of bits in its masks.
const RECORD_BOUNDARIES_MAX: usize = u32::BITS as usize;
/// The number of boundaries that fit in the head of a record.
const HEAD_BOUNDARIES_MAX: usize = 4;
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
    /// The boundaries of crowded squares, and of those records whose boundaries do not fit in the
    /// head.
    boundary_lists: Vec<u32>,
    crowded: Vec<CrowdedSquare>,
    /// For each boundary, a tree of its edges if any of the edges is in a crowded square.
    crossing_trees: Vec<Option<Box<CrossingTree>>>,
}

/// A square with too many edges for a record.
#[derive(Debug, Clone, Copy)]
struct CrowdedSquare {
    /// The set of boundaries that cover all of the square.
    set: u32,
    /// The start and the length of the range of `boundary_lists` that contains the boundaries with
    /// edges in the square.
    first: u32,
    count: u32,
}

/// The content of a square: a reference to a set of boundaries, to the table into which the square
/// is divided, to the record from which the answer follows, or to a crowded square. Two bits store
/// the kind, and the other bits store the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CellRef(u32);

#[derive(Debug, Clone, Copy)]
enum CellKind {
    Set(u32),
    Table(usize),
    Record(usize),
    Crowded(usize),
}

/// Half a cache line: either the head of a record or one of its edges.
///
/// A head consists of:
///
/// - the number of edges, and whether another record follows
/// - the set of boundaries that cover all of the cell
/// - the mask of the record's own boundaries that cover the corner
/// - the number of the record's own boundaries, and the list of these boundaries
///
/// An edge consists of its two ends, its clip, and the mask of the boundaries that it bounds.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct RecordBlock([i32; 8]);

/// The bit in the first word of a head that is set if another record of the cell follows.
const CONTINUES: u32 = 1 << 31;

/// Sets of boundaries. Set 0 is empty; the sets of a single boundary follow, then the larger sets.
#[derive(Debug)]
struct BoundarySets {
    singleton_count: u32,
    starts: Vec<u32>,
    members: Vec<u32>,
}

/// A square whose side is a power of two, 2^`side_bits` mm, given by its south-west corner.
#[derive(Debug, Clone, Copy)]
struct AlignedSquare {
    corner: MmCoord,
    side_bits: u32,
}

/// A rectangle of squares of one size, 2^`side_bits` mm, given by its first column and row, which
/// are counted from the corner of the outermost square.
#[derive(Debug, Clone, Copy)]
struct GridExtent {
    side_bits: u32,
    first: [u32; 2],
    size: [u32; 2],
}

#[derive(Debug)]
struct CellGrid {
    extent: GridExtent,
    /// The squares, from west to east, then from south to north.
    cells: Vec<CellRef>,
}

/// A record of a cell: the part of the answer that depends on up to 32 boundaries.
struct CellRecord<'c> {
    head: &'c RecordBlock,
    edges: &'c [RecordBlock],
}

impl CellIndex {
    /// Builds the index of boundaries, each given by the edges of its rings. No edge may occur an
    /// even number of times in a boundary.
    pub(super) fn build(boundaries: &[&[Edge]]) -> CellIndex {
        let shared = SharedEdges::new(boundaries);
        let mut root = CellGrid::root_for(&shared.edges);
        let mut builder = CellIndexBuilder {
            sets: BoundarySetsBuilder::new(boundaries.len()),
            tables: Vec::new(),
            records: Vec::new(),
            boundary_lists: Vec::new(),
            crowded: Vec::new(),
            blocks_left: shared.edges.len() * BLOCKS_PER_EDGE + BLOCKS_MIN,
            shared,
        };
        builder.fill_root(&mut root);
        CellIndex {
            root,
            crossing_trees: builder.build_crossing_trees(boundaries),
            tables: builder.tables,
            records: builder.records,
            sets: builder.sets.sets,
            boundary_lists: builder.boundary_lists,
            crowded: builder.crowded,
        }
    }

    /// Returns the number of blocks that records and tables take, and the number of crowded
    /// squares.
    #[cfg(test)]
    pub(super) fn block_and_crowded_counts(&self) -> (usize, usize) {
        let tables = self.tables.len() / (TABLE_SIDE * TABLE_SIDE) * BLOCKS_PER_TABLE;
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
    /// Each step is taken for all points of a batch before the next step, so that their waits for
    /// memory overlap.
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
    /// the first bytes of their records, so that these are in the processor's cache.
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

    /// Returns the record of a cell, and those that follow it.
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

    /// Calls `visit` with every edge that intersects a rectangle, for each boundary that the edge
    /// bounds, and with some other edges near the rectangle. An edge may be visited more than once.
    /// `edge_trees` contains the tree of each boundary.
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

    /// Calls `visit` with the contents of the squares that a rectangle intersects, down to those
    /// that are not divided.
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

impl CellRef {
    const EMPTY: CellRef = CellRef::new(CellKind::Set(0));
    const TABLE: u32 = 1 << 30;
    const RECORD: u32 = 2 << 30;
    const CROWDED: u32 = 3 << 30;

    #[expect(clippy::cast_possible_truncation, reason = "checked against the limit")]
    const fn new(content: CellKind) -> CellRef {
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

    fn kind(self) -> CellKind {
        let index = self.0 & (CellRef::TABLE - 1);
        match self.0 - index {
            0 => CellKind::Set(index),
            CellRef::TABLE => CellKind::Table(index as usize),
            CellRef::RECORD => CellKind::Record(index as usize),
            _ => CellKind::Crowded(index as usize),
        }
    }
}

impl RecordBlock {
    fn head(
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

    fn new(edge: &Edge, clip: EdgeClip, mask: u32) -> RecordBlock {
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

    fn word(&self, index: usize) -> u32 {
        self.0[index].cast_unsigned()
    }

    fn edge_count(&self) -> usize {
        (self.word(0) & !CONTINUES) as usize
    }

    fn has_continuation(&self) -> bool {
        self.word(0) & CONTINUES != 0
    }

    fn set_continuation(&mut self) {
        self.0[0] = (self.word(0) | CONTINUES).cast_signed();
    }

    /// Returns the set of boundaries that cover all of the cell.
    fn covering_set(&self) -> u32 {
        self.word(1)
    }

    /// Returns the mask of the record's own boundaries that cover the corner.
    fn corner_mask(&self) -> u32 {
        self.word(2)
    }

    /// Returns the boundary to which a bit of the masks belongs.
    fn boundary(&self, bit: usize, boundary_lists: &[u32]) -> u32 {
        if self.word(3) as usize <= HEAD_BOUNDARIES_MAX {
            self.word(4 + bit)
        } else {
            boundary_lists[self.word(4) as usize + bit]
        }
    }

    fn edge(&self) -> Edge {
        let [x1, y1, x2, y2, ..] = self.0;
        Edge {
            low: [x1, y1],
            high: [x2, y2],
        }
    }

    fn clip(&self) -> EdgeClip {
        let [.., from_row, to_row, east_side_row, _] = self.0;
        EdgeClip {
            from_row,
            to_row,
            east_side_row,
        }
    }

    fn mask(&self) -> u32 {
        self.word(7)
    }
}

impl CellRecord<'_> {
    /// Returns the mask of the record's own boundaries that cover a point.
    fn covering_mask(&self, point: MmCoord) -> u32 {
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

fn bits_of(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(bit)
    })
}

impl BoundarySets {
    fn add_to(&self, found: &mut Vec<u32>, set: u32) {
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

/// Returns the column or row of a coordinate, counted from the corner of the outermost square.
fn square_coord(coord: i32, bits: u32) -> u32 {
    coord.wrapping_sub(EXTENT_ORIGIN_MM).cast_unsigned() >> bits
}

fn table_offset([x, y]: MmCoord, bits: u32) -> usize {
    let within = |along: i32| square_coord(along, bits) as usize % TABLE_SIDE;
    within(y) * TABLE_SIDE + within(x)
}

impl GridExtent {
    /// Returns the columns and rows that a rectangle intersects.
    fn squares_in(&self, (low, high): (MmCoord, MmCoord)) -> [Range<u32>; 2] {
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
    /// either side.
    fn row_bounds(&self, row: u32) -> (i32, i32) {
        let (low, high) =
            AlignedSquare::from_coords([self.first[0], row], self.side_bits).buffered();
        (low[1], high[1])
    }

    fn offset(&self, column: u32, row: u32) -> usize {
        let [across, up] = [column - self.first[0], row - self.first[1]];
        up as usize * self.size[0] as usize + across as usize
    }

    /// Returns the extent of the table of a square.
    fn table_extent(&self, square: [u32; 2]) -> GridExtent {
        GridExtent {
            side_bits: self.side_bits - TABLE_BITS,
            first: square.map(|step| step << TABLE_BITS),
            size: [1 << TABLE_BITS; 2],
        }
    }
}

impl CellGrid {
    /// Creates the root over the bounding box of all edges, with squares of a size that suits the
    /// number of edges.
    fn root_for(edges: &[Edge]) -> CellGrid {
        let ends = || edges.iter().flat_map(|edge| [edge.low, edge.high]);
        let range = |axis: usize| {
            let least = ends().map(|end| end[axis]).min();
            least.zip(ends().map(|end| end[axis]).max())
        };
        let squares_max = (edges.len() * ROOT_CELLS_PER_EDGE).clamp(ROOT_CELLS_MIN, ROOT_CELLS_MAX);
        let extent_at = |bits: u32| {
            let axis = |axis| {
                let (least, greatest) = range(axis)?;
                let first = square_coord(least, bits);
                Some((first, square_coord(greatest, bits) - first + 1))
            };
            let (across, up) = (axis(0).unwrap_or_default(), axis(1).unwrap_or_default());
            GridExtent {
                side_bits: bits,
                first: [across.0, up.0],
                size: [across.1, up.1],
            }
        };
        let touches_max = (edges.len() * ROOT_TOUCHES_PER_EDGE).max(ROOT_TOUCHES_MIN);
        // An edge crosses fewer squares than the total number of columns and rows of its bounding
        // box.
        let touches = |bits: u32| {
            let across = |edge: &Edge| {
                let (low, high) = edge.bbox();
                let along =
                    |axis: usize| square_coord(high[axis], bits) - square_coord(low[axis], bits);
                along(0) as usize + along(1) as usize + 1
            };
            edges.iter().map(across).sum::<usize>()
        };
        let extent = (CELL_BITS_MIN..=EXTENT.side_bits)
            .map(extent_at)
            .filter(|extent| extent.size[0] as usize * extent.size[1] as usize <= squares_max)
            .find(|extent| {
                extent.side_bits == EXTENT.side_bits || touches(extent.side_bits) <= touches_max
            })
            .expect("a single square is within the limits");
        CellGrid::new(extent)
    }

    fn new(extent: GridExtent) -> CellGrid {
        let [columns, rows] = extent.size.map(|size| size as usize);
        CellGrid {
            extent,
            cells: vec![CellRef::EMPTY; columns * rows],
        }
    }

    fn cell_at(&self, [x, y]: MmCoord) -> CellRef {
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

    /// Sets the cells of the grid that are within a square, or the one cell that contains the
    /// square.
    fn fill_square(&mut self, square: AlignedSquare, node: CellRef) {
        let [columns, rows] = self.extent.squares_in((square.corner, square.north_east()));
        for row in rows {
            for column in columns.clone() {
                let offset = self.extent.offset(column, row);
                self.cells[offset] = node;
            }
        }
    }
}

impl AlignedSquare {
    /// Returns the north-easternmost point of the square. This point is the corner for the square's
    /// records.
    fn north_east(self) -> MmCoord {
        let side = (1_i64 << self.side_bits) - 1;
        self.corner.map(|value| {
            i32::try_from(i64::from(value) + side).expect("within the outermost square")
        })
    }

    /// Returns the square in a column and row, counted from the corner of the outermost square.
    fn from_coords(coords: [u32; 2], side_bits: u32) -> AlignedSquare {
        let corner = coords.map(|steps| EXTENT_ORIGIN_MM.wrapping_add_unsigned(steps << side_bits));
        AlignedSquare { corner, side_bits }
    }

    /// Returns the corners of the square, extended outwards by a millimetre, so that no edge falls
    /// between two squares.
    fn buffered(self) -> (MmCoord, MmCoord) {
        let last = self.north_east();
        (
            self.corner.map(|value| value - 1),
            last.map(|value| value + 1),
        )
    }

    fn quarters(self) -> [AlignedSquare; 4] {
        let (bits, half) = (self.side_bits - 1, 1 << (self.side_bits - 1));
        let [x, y] = self.corner;
        [[x, y], [x + half, y], [x, y + half], [x + half, y + half]].map(|point| AlignedSquare {
            corner: point,
            side_bits: bits,
        })
    }
}

/// The distinct edges of all boundaries, and the boundaries that each edge bounds.
struct SharedEdges {
    edges: Vec<Edge>,
    starts: Vec<u32>,
    owners: Vec<u32>,
}

impl SharedEdges {
    fn new(boundaries: &[&[Edge]]) -> SharedEdges {
        let mut all: Vec<(Edge, u32)> = (0..)
            .zip(boundaries)
            .flat_map(|(owner, edges)| edges.iter().map(move |&edge| (edge, owner)))
            .collect();
        all.sort_unstable();
        let mut shared = SharedEdges {
            edges: Vec::new(),
            starts: vec![0],
            owners: Vec::new(),
        };
        // If an edge occurs more than once in a boundary, it occurs an odd number of times, so one
        // occurrence is retained.
        all.dedup();
        for same in all.chunk_by(|a, b| a.0 == b.0) {
            shared.edges.push(same[0].0);
            shared.owners.extend(same.iter().map(|(_, owner)| owner));
            shared.starts.push(to_u32(shared.owners.len()));
        }
        shared
    }

    fn owners(&self, edge: u32) -> &[u32] {
        let [start, end] =
            [edge as usize, edge as usize + 1].map(|index| self.starts[index] as usize);
        &self.owners[start..end]
    }
}

/// The edges that touch each square of an extent.
struct EdgesBySquare {
    /// The start of each square's edges in `edges`, by the square's offset.
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl EdgesBySquare {
    fn new(edges: &[Edge], extent: &GridExtent) -> EdgesBySquare {
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(edges.len() * 2);
        for (index, edge) in (0..).zip(edges) {
            let (low, high) = edge.bbox();
            let rect = (low.map(|value| value - 1), high.map(|value| value + 1));
            let [_, rows] = extent.squares_in(rect);
            for row in rows {
                // Only the part of the edge in the row is considered, because a long edge touches
                // few of the squares of its bounding box.
                let (south, north) = extent.row_bounds(row);
                let [columns, _] = extent.squares_in((
                    [edge.west_limit(south, north), rect.0[1]],
                    [edge.east_limit(south, north), rect.1[1]],
                ));
                for column in columns {
                    let (low, high) =
                        AlignedSquare::from_coords([column, row], extent.side_bits).buffered();
                    if edge.intersects_rect(low, high) {
                        pairs.push((to_u32(extent.offset(column, row)), index));
                    }
                }
            }
        }
        let squares = extent.size[0] as usize * extent.size[1] as usize;
        let mut starts = vec![0; squares + 1];
        for (square, _) in &pairs {
            starts[*square as usize + 1] += 1;
        }
        for square in 0..squares {
            starts[square + 1] += starts[square];
        }
        let mut next = starts.clone();
        let mut edges = vec![0; pairs.len()];
        for (square, edge) in pairs {
            let place = &mut next[square as usize];
            edges[*place as usize] = edge;
            *place += 1;
        }
        EdgesBySquare { starts, edges }
    }

    fn edges(&self, offset: usize) -> &[u32] {
        let [start, end] = [offset, offset + 1].map(|index| self.starts[index] as usize);
        &self.edges[start..end]
    }
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than 2^32 vertices")
}

struct CellIndexBuilder {
    shared: SharedEdges,
    sets: BoundarySetsBuilder,
    tables: Vec<CellRef>,
    records: Vec<RecordBlock>,
    boundary_lists: Vec<u32>,
    crowded: Vec<CrowdedSquare>,
    /// The number of blocks left in the budget.
    blocks_left: usize,
}

impl CellIndexBuilder {
    /// Builds the trees of the boundaries that have edges in a crowded square.
    fn build_crossing_trees(&self, boundaries: &[&[Edge]]) -> Vec<Option<Box<CrossingTree>>> {
        if self.crowded.is_empty() {
            return Vec::new();
        }
        let mut trees: Vec<Option<Box<CrossingTree>>> = Vec::new();
        trees.resize_with(boundaries.len(), || None);
        for CrowdedSquare { first, count, .. } in &self.crowded {
            for &boundary in &self.boundary_lists[*first as usize..][..*count as usize] {
                let index = boundary as usize;
                trees[index].get_or_insert_with(|| Box::new(CrossingTree::new(boundaries[index])));
            }
        }
        trees
    }

    /// Fills the root row by row, from east to west, because no area covers the easternmost corner
    /// of a row.
    fn fill_root(&mut self, root: &mut CellGrid) {
        let edges_by_square = EdgesBySquare::new(&self.shared.edges, &root.extent);
        let [columns, rows] = root.extent.size;
        for row in 0..rows {
            let mut corner_boundaries = Vec::new();
            for column in (0..columns).rev() {
                let coords = [root.extent.first[0] + column, root.extent.first[1] + row];
                let square = AlignedSquare::from_coords(coords, root.extent.side_bits);
                let edges = edges_by_square.edges(root.extent.offset(coords[0], coords[1]));
                self.fill_square(root, square, edges, &corner_boundaries);
                if !edges.is_empty() {
                    corner_boundaries =
                        self.corner_boundaries_west_of(square, edges, &corner_boundaries);
                }
            }
        }
    }

    /// Returns the boundaries that cover the corner of the next square to the west of `square`: the
    /// path east along the row from that corner crosses only edges that touch `square`.
    fn corner_boundaries_west_of(
        &self,
        square: AlignedSquare,
        edges: &[u32],
        corner_boundaries: &[u32],
    ) -> Vec<u32> {
        let [west, south] = square.corner;
        let last = square.north_east();
        let widened = ([west - 1, south], last);
        let clip = |&edge: &u32| self.shared.edges[edge as usize].clip(widened.0, widened.1);
        let clips: Vec<EdgeClip> = edges.iter().map(clip).collect();
        self.boundaries_covering([west - 1, last[1]], edges, &clips, corner_boundaries)
    }

    /// Fills the part of the grid in a square, given the edges that touch the square and, in order,
    /// the boundaries that cover its corner.
    fn fill_square(
        &mut self,
        grid: &mut CellGrid,
        square: AlignedSquare,
        edges: &[u32],
        corner_boundaries: &[u32],
    ) {
        if edges.is_empty() {
            let set = self.sets.intern(corner_boundaries);
            grid.fill_square(square, CellRef::new(CellKind::Set(set)));
            return;
        }
        let is_smallest = square.side_bits <= CELL_BITS_MIN;
        if edges.len() <= RECORD_EDGES_MAX || (is_smallest && edges.len() <= UNCROWDED_EDGES_MAX) {
            let record = self.add_record(square, edges, corner_boundaries);
            grid.fill_square(square, record);
            return;
        }
        let needs_table = square.side_bits == grid.extent.side_bits;
        let has_room = !needs_table || self.blocks_left >= BLOCKS_PER_TABLE;
        let quarters = (!is_smallest && has_room).then(|| self.edges_by_quarter(square, edges));
        let Some(quarters) = quarters.filter(|quarter| is_spread(edges, quarter)) else {
            let crowded = self.add_crowded_square(edges, corner_boundaries);
            grid.fill_square(square, crowded);
            return;
        };
        if !needs_table {
            self.divide(grid, square, (edges, &quarters), corner_boundaries);
        } else {
            self.blocks_left -= BLOCKS_PER_TABLE;
            let coords = square
                .corner
                .map(|value| square_coord(value, square.side_bits));
            let mut table = CellGrid::new(grid.extent.table_extent(coords));
            self.divide(&mut table, square, (edges, &quarters), corner_boundaries);
            grid.fill_square(square, CellRef::new(CellKind::Table(self.tables.len())));
            self.tables.append(&mut table.cells);
        }
    }

    /// Returns, for each quarter of a square, the edges that touch it.
    fn edges_by_quarter(&self, square: AlignedSquare, edges: &[u32]) -> [Vec<u32>; 4] {
        square.quarters().map(|quarter| {
            let (low, high) = quarter.buffered();
            let touching =
                |edge: &u32| self.shared.edges[*edge as usize].intersects_rect(low, high);
            edges.iter().copied().filter(touching).collect()
        })
    }

    fn divide(
        &mut self,
        grid: &mut CellGrid,
        square: AlignedSquare,
        (edges, touching): (&[u32], &[Vec<u32>; 4]),
        corner_boundaries: &[u32],
    ) {
        let clips = self.clip_edges(square, edges);
        for (quarter, touching) in square.quarters().into_iter().zip(touching) {
            let covering =
                self.boundaries_covering(quarter.north_east(), edges, &clips, corner_boundaries);
            self.fill_square(grid, quarter, touching, &covering);
        }
    }

    fn clip_edges(&self, square: AlignedSquare, edges: &[u32]) -> Vec<EdgeClip> {
        let clip =
            |&edge: &u32| self.shared.edges[edge as usize].clip(square.corner, square.north_east());
        edges.iter().map(clip).collect()
    }

    /// Returns the boundaries that cover a point of a cell, in order.
    fn boundaries_covering(
        &self,
        point: MmCoord,
        edges: &[u32],
        clips: &[EdgeClip],
        corner_boundaries: &[u32],
    ) -> Vec<u32> {
        let mut covering = corner_boundaries.to_vec();
        for (&edge, clip) in edges.iter().zip(clips) {
            if clip.is_crossed(&self.shared.edges[edge as usize], point) {
                covering.extend_from_slice(self.shared.owners(edge));
            }
        }
        if covering.len() == corner_boundaries.len() {
            return covering;
        }
        covering.sort_unstable();
        let odd = covering
            .chunk_by(|a, b| a == b)
            .filter(|same| same.len() % 2 == 1);
        odd.map(|same| same[0]).collect()
    }

    /// Returns, in order, the boundaries that have at least one of the edges, and the set of the
    /// other boundaries that cover the corner.
    fn edge_boundaries_and_set(
        &mut self,
        edges: &[u32],
        corner_boundaries: &[u32],
    ) -> (Vec<u32>, u32) {
        let mut edge_boundaries: Vec<u32> = edges
            .iter()
            .flat_map(|&edge| self.shared.owners(edge))
            .copied()
            .collect();
        edge_boundaries.sort_unstable();
        edge_boundaries.dedup();
        let has_edge = |boundary: &u32| edge_boundaries.binary_search(boundary).is_ok();
        let without_edges: Vec<u32> = corner_boundaries
            .iter()
            .copied()
            .filter(|corner_boundary| !has_edge(corner_boundary))
            .collect();
        let set = self.sets.intern(&without_edges);
        (edge_boundaries, set)
    }

    fn add_crowded_square(&mut self, edges: &[u32], corner_boundaries: &[u32]) -> CellRef {
        let (edge_boundaries, set) = self.edge_boundaries_and_set(edges, corner_boundaries);
        let block_count = 1 + edge_boundaries.len() * size_of::<u32>() / size_of::<RecordBlock>();
        self.blocks_left = self.blocks_left.saturating_sub(block_count);
        self.crowded.push(CrowdedSquare {
            set,
            first: to_u32(self.boundary_lists.len()),
            count: to_u32(edge_boundaries.len()),
        });
        self.boundary_lists.extend(edge_boundaries);
        CellRef::new(CellKind::Crowded(self.crowded.len() - 1))
    }

    fn add_record(
        &mut self,
        square: AlignedSquare,
        edges: &[u32],
        corner_boundaries: &[u32],
    ) -> CellRef {
        if edges.len() >= self.blocks_left {
            return self.add_crowded_square(edges, corner_boundaries);
        }
        let before = self.records.len();
        let clips = self.clip_edges(square, edges);
        let (edge_boundaries, mut set) = self.edge_boundaries_and_set(edges, corner_boundaries);
        let first = self.records.len();
        let mut last: Option<usize> = None;
        for chunk in edge_boundaries.chunks(RECORD_BOUNDARIES_MAX) {
            if let Some(last) = last.replace(self.records.len()) {
                self.records[last].set_continuation();
            }
            self.add_record_part(edges, &clips, set, corner_boundaries, chunk);
            set = 0;
        }
        self.blocks_left = self.blocks_left.saturating_sub(self.records.len() - before);
        CellRef::new(CellKind::Record(first))
    }

    /// Adds a record for at most 32 boundaries, with the edges that bound at least one of these
    /// boundaries.
    fn add_record_part(
        &mut self,
        edges: &[u32],
        clips: &[EdgeClip],
        set: u32,
        corner_boundaries: &[u32],
        record_boundaries: &[u32],
    ) {
        let mask = |boundaries: &[u32]| {
            let bits = boundaries
                .iter()
                .filter_map(|boundary| record_boundaries.binary_search(boundary).ok());
            bits.fold(0_u32, |mask, bit| mask | 1 << bit)
        };
        let head = self.records.len();
        self.records.push(RecordBlock([0; 8]));
        for (&edge, &clip) in edges.iter().zip(clips) {
            let mask = mask(self.shared.owners(edge));
            if mask != 0 {
                let block = RecordBlock::new(&self.shared.edges[edge as usize], clip, mask);
                self.records.push(block);
            }
        }
        let mut head_boundaries = [0; HEAD_BOUNDARIES_MAX];
        match head_boundaries.get_mut(..record_boundaries.len()) {
            Some(places) => places.copy_from_slice(record_boundaries),
            None => {
                head_boundaries[0] = to_u32(self.boundary_lists.len());
                self.boundary_lists.extend_from_slice(record_boundaries);
            }
        }
        let edges = self.records.len() - head - 1;
        self.records[head] = RecordBlock::head(
            edges,
            set,
            mask(corner_boundaries),
            to_u32(record_boundaries.len()),
            head_boundaries,
        );
    }
}

/// Returns whether dividing a square spreads its edges over its quarters.
fn is_spread(edges: &[u32], quarters: &[Vec<u32>; 4]) -> bool {
    let (numerator, denominator) = DIVISION_RATIO_MAX;
    let total: usize = quarters.iter().map(Vec::len).sum();
    edges.len() <= UNCROWDED_EDGES_MAX || total * denominator < edges.len() * numerator
}

/// A builder of [`BoundarySets`], in which each set is stored only once.
struct BoundarySetsBuilder {
    sets: BoundarySets,
    ids: HashMap<Box<[u32]>, u32>,
}

impl BoundarySetsBuilder {
    fn new(boundaries: usize) -> BoundarySetsBuilder {
        BoundarySetsBuilder {
            sets: BoundarySets {
                singleton_count: to_u32(boundaries),
                starts: vec![0],
                members: Vec::new(),
            },
            ids: HashMap::new(),
        }
    }

    fn intern(&mut self, set: &[u32]) -> u32 {
        match set {
            [] => 0,
            [boundary] => boundary + 1,
            _ => {
                if let Some(&id) = self.ids.get(set) {
                    return id;
                }
                let BoundarySets {
                    singleton_count,
                    starts,
                    members,
                } = &mut self.sets;
                let id = *singleton_count + to_u32(starts.len());
                members.extend_from_slice(set);
                starts.push(to_u32(members.len()));
                self.ids.insert(set.into(), id);
                id
            }
        }
    }
}
