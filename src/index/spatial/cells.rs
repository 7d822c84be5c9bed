//! Which boundaries cover a point: a grid of cells, each of which has the answer or the few edges
//! that decide it.
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
//! - A point is in the areas that cover its cell's north-east corner, except that an area changes
//!   if the path from the point east to the cell's side, and up that side to the corner, crosses
//!   its edges an odd number of times ([`EdgeClip::is_crossed`]). The easternmost corner of each
//!   row of the root is in no area. Every other corner is derived from one already known, by the
//!   same rule that answers look-ups; there is no other rule.
//! - An edge that neighbours share is stored once in a record, with a bit for each area that it
//!   bounds.
//! - A record has every edge that comes within a millimetre of its cell, so the edges near a
//!   position are found in the cells around it.
//! - Cells depend only on rings: overlaps, holes, parts and several versions of an area are all
//!   just sets of boundaries. Rings that cross themselves give parity, not a panic.
//! - All squares of the root or a table that share a record refer to it; nothing is stored twice.
//!
//! Each boundary has a bit in a record. If more than 32 boundaries have edges in a cell, a second
//! record follows the first, and so on.
//!
//! Long edges side by side, such as the teeth of a comb, would create cells without limit: when a
//! square is divided, each quarter has half of its edges, so their total doubles. A square that has
//! many edges, and whose edges division does not spread out, is therefore *crowded*: it stores the
//! boundaries that cover all of it and those that have edges in it, and the latter are tested with
//! all of their edges ([`CrossingTree`]). Records and tables also have a budget for each edge, and
//! so has the root: memory and build time are bounded by the number of edges, whatever their shape.
//! No embedded layer has a crowded square.
//!
//! Look-ups of random points wait for memory, not for geometry: each takes two or three cache
//! misses, and a batch of points takes them together, without a prefetch instruction. Cells of 3 to
//! 12 edges and roots of 8 to 128 squares per edge were measured: over 34,753 areas the differences
//! are small; over 106 areas a root four times as fine is a quarter faster. Not tried: edges of 16
//! bits relative to their cell, which would take half the memory.

use std::collections::HashMap;
use std::hint::black_box;
use std::ops::Range;

use super::crossings::Crossings;
use super::edge::{Clip, Edge, Mm, mm};
use super::outline::Outline;
use crate::domain::BritishGrid;

/// The south-west corner of the outermost square. Every position is in that square, and its
/// north-east corner is beyond all of them.
const ORIGIN: i32 = -(1 << 28);
const WORLD: Square = Square {
    at: [ORIGIN, ORIGIN],
    bits: 31,
};
/// A table has 2^3 × 2^3 squares.
const TABLE_BITS: u32 = 3;
const TABLE_SIDE: usize = 1 << TABLE_BITS;
/// A cell with more edges than this is divided, …
const EDGES_MAX: usize = 6;
/// … down to 26 cm: more edges than that may meet in a vertex.
const CELL_BITS_MIN: u32 = 8;
/// The root has about this many squares for each edge, within the following limits.
const ROOT_CELLS_PER_EDGE: usize = 64;
const ROOT_CELLS_MIN: usize = 1 << 8;
const ROOT_CELLS_MAX: usize = 1 << 21;
/// The edges that touch each of the root's squares, summed over all squares, are limited to the
/// number of edges times this, or to the minimum if that is greater; otherwise the squares are made
/// larger.
const ROOT_TOUCHES_PER_EDGE: usize = 16;
const ROOT_TOUCHES_MIN: usize = 1 << 20;
/// A square with at most this many edges is never crowded while the budget lasts.
const UNCROWDED_MAX: usize = 32;
/// A square is divided if its quarters together have fewer than 7/4 of its edges. A line across a
/// square touches two or three of its quarters; each vertex of a border is in one.
const SPREAD_MAX: (usize, usize) = (7, 4);
/// The budget of blocks for records and tables: for each edge, and independent of the number of
/// edges. The embedded layers take 6 to 9 for each edge.
const SLOTS_PER_EDGE: usize = 12;
const SLOTS_MIN: usize = 1 << 16;
/// What a table costs of the budget.
const SLOTS_PER_TABLE: usize = TABLE_SIDE * TABLE_SIDE * size_of::<Node>() / size_of::<Slot>();
/// The number of bits in a record's masks.
const LOCALS_MAX: usize = u32::BITS as usize;
/// This many boundaries fit in the head of a record.
const LOCALS_IN_HEAD: usize = 4;
/// Points whose cells are looked up together, so that the processor waits for memory only once.
const TOGETHER: usize = 32;

/// A cell index of a list of boundaries, each identified by its position in the list.
#[derive(Debug)]
pub(super) struct Cells {
    root: Grid,
    /// The squares of tables, from west to east, then from south to north.
    tables: Vec<Node>,
    /// Records: a head, followed by its edges.
    records: Vec<Slot>,
    sets: Sets,
    /// The boundaries of records that do not fit in their heads, and of crowded squares.
    locals: Vec<u32>,
    crowded: Vec<Crowded>,
    /// For each boundary: its edges, if any of them are in a crowded square.
    crossings: Vec<Option<Box<Crossings>>>,
}

/// A square with too many edges for a record.
#[derive(Debug, Clone, Copy)]
struct Crowded {
    /// The set of boundaries that cover all of it.
    set: u32,
    /// The range of `boundary_lists` with the boundaries that have edges in it: start and length.
    first: u32,
    count: u32,
}

/// What a square refers to: a set of boundaries, the table into which it is divided, the record
/// that decides, or a crowded square. Two bits are the kind, the others the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node(u32);

#[derive(Debug, Clone, Copy)]
enum Content {
    Set(u32),
    Table(usize),
    Record(usize),
    Crowded(usize),
}

/// Half a cache line: either the head of a record or one of its edges.
///
/// A head consists of the number of edges, and whether another record follows; the set of
/// boundaries that cover all of the cell; the mask of the record's own boundaries that cover the
/// corner; the number of its own boundaries, and which they are. An edge consists of its two ends,
/// its clip, and the mask of the boundaries that it bounds.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Slot([i32; 8]);

const MORE_FOLLOW: u32 = 1 << 31;

/// Sets of boundaries: 0 is the empty set, followed by the set of each single boundary, and then by
/// larger sets.
#[derive(Debug)]
struct Sets {
    alone: u32,
    starts: Vec<u32>,
    members: Vec<u32>,
}

/// A square whose side is a power of two, 2^`side_bits` mm, given by its south-west corner.
#[derive(Debug, Clone, Copy)]
struct Square {
    at: Mm,
    bits: u32,
}

/// A rectangle of squares of one size, 2^`side_bits` mm, given by its first column and row, which
/// are counted from the corner of the outermost square.
#[derive(Debug, Clone, Copy)]
struct Frame {
    bits: u32,
    first: [u32; 2],
    size: [u32; 2],
}

#[derive(Debug)]
struct Grid {
    frame: Frame,
    /// From west to east, then from south to north.
    nodes: Vec<Node>,
}

/// A record: the part of the answer for a cell that up to 32 boundaries contribute.
struct Record<'c> {
    head: &'c Slot,
    edges: &'c [Slot],
}

impl Cells {
    /// Builds the index of boundaries, each given by the edges of its rings. No edge may occur an
    /// even number of times in a boundary.
    pub(super) fn build(boundaries: &[&[Edge]]) -> Cells {
        let shared = SharedEdges::of(boundaries);
        let mut root = Grid::root(&shared.edges);
        let mut builder = Builder {
            sets: SetsInMaking::new(boundaries.len()),
            tables: Vec::new(),
            records: Vec::new(),
            locals: Vec::new(),
            crowded: Vec::new(),
            slots_left: shared.edges.len() * SLOTS_PER_EDGE + SLOTS_MIN,
            shared,
        };
        builder.fill_root(&mut root);
        Cells {
            root,
            crossings: builder.crossings(boundaries),
            tables: builder.tables,
            records: builder.records,
            sets: builder.sets.sets,
            locals: builder.locals,
            crowded: builder.crowded,
        }
    }

    /// Returns the number of blocks that records and tables take, and the number of crowded
    /// squares.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        let tables = self.tables.len() / (TABLE_SIDE * TABLE_SIDE) * SLOTS_PER_TABLE;
        (self.records.len() + tables, self.crowded.len())
    }

    /// Returns the number of squares in the root.
    #[cfg(test)]
    pub(super) fn root_squares(&self) -> usize {
        self.root.nodes.len()
    }

    /// Returns the boundaries that have edges in a crowded square.
    fn locals_of(&self, crowded: &Crowded) -> &[u32] {
        &self.locals[crowded.first as usize..][..crowded.count as usize]
    }

    /// Adds the boundaries that cover a point, in no order.
    pub(super) fn covering(&self, point: Mm, found: &mut Vec<u32>) {
        let mut node = self.root.node(point);
        let mut bits = self.root.frame.bits;
        while let Content::Table(first) = node.content() {
            bits -= TABLE_BITS;
            node = self.tables[first + place_in_table(point, bits)];
        }
        self.decide(node, point, found);
    }

    /// Calls `visit` with the index of each point and the boundaries that cover it, in no order.
    ///
    /// The points of a batch proceed step by step together, so that their waits for memory overlap.
    pub(super) fn covering_each(
        &self,
        points: &[BritishGrid],
        mut tell: impl FnMut(usize, &mut Vec<u32>),
    ) {
        let mut found = Vec::new();
        for (group, points) in points.chunks(TOGETHER).enumerate() {
            let mut nodes = [Node::NOTHING; TOGETHER];
            let nodes = &mut nodes[..points.len()];
            for (node, &point) in nodes.iter_mut().zip(points) {
                *node = self.root.node(mm(point));
            }
            self.descend(nodes, points);
            for (at, (node, &point)) in nodes.iter().zip(points).enumerate() {
                found.clear();
                self.decide(*node, mm(point), &mut found);
                tell(group * TOGETHER + at, &mut found);
            }
        }
    }

    /// Moves from the root's squares down to squares without a table, and prefetches their records.
    fn descend(&self, nodes: &mut [Node], points: &[BritishGrid]) {
        let mut bits = self.root.frame.bits;
        loop {
            bits = bits.saturating_sub(TABLE_BITS);
            let mut is_done = true;
            for (node, &point) in nodes.iter_mut().zip(points) {
                if let Content::Table(first) = node.content() {
                    *node = self.tables[first + place_in_table(mm(point), bits)];
                    is_done = false;
                }
            }
            if is_done {
                break;
            }
        }
        let mut fetched = 0;
        for node in nodes {
            if let Content::Record(at) = node.content() {
                let next_line = self.records.get(at + 2).map_or(0, |slot| slot.0[0]);
                fetched ^= self.records[at].0[0] ^ next_line;
            }
        }
        black_box(fetched);
    }

    fn decide(&self, node: Node, point: Mm, found: &mut Vec<u32>) {
        match node.content() {
            Content::Set(set) => self.sets.add_to(found, set),
            Content::Record(at) => {
                for record in self.records_at(at) {
                    self.sets.add_to(found, record.head.set());
                    let around = bits_of(record.around(point));
                    found.extend(around.map(|bit| record.head.local(bit, &self.locals)));
                }
            }
            Content::Crowded(at) => {
                let crowded = &self.crowded[at];
                self.sets.add_to(found, crowded.set);
                let is_around = |boundary: &&u32| {
                    let crossings = self.crossings[**boundary as usize].as_ref();
                    crossings.is_some_and(|it| it.is_around(point))
                };
                found.extend(self.locals_of(crowded).iter().filter(is_around));
            }
            Content::Table(_) => unreachable!("tables are walked down to their end"),
        }
    }

    /// Returns the record of a cell, and those that follow it.
    fn records_at(&self, first: usize) -> impl Iterator<Item = Record<'_>> {
        let mut next = Some(first);
        std::iter::from_fn(move || {
            let at = next?;
            let head = &self.records[at];
            let after = at + 1 + head.edges();
            next = head.more_follow().then_some(after);
            let edges = &self.records[at + 1..after];
            Some(Record { head, edges })
        })
    }

    /// Calls `visit` with every edge of every boundary that is in or near a rectangle or crosses
    /// it, and with some others nearby. An edge may be visited more than once. `edge_trees` are
    /// those of the boundaries.
    pub(super) fn edges_around(
        &self,
        outlines: &[Outline],
        (low, high): (Mm, Mm),
        mut tell: impl FnMut(Edge, u32),
    ) {
        let mut told = None;
        let mut in_crowds: Vec<u32> = Vec::new();
        let around = (low, high);
        self.walk(&self.root.frame, &self.root.nodes, around, &mut |content| {
            let at = match content {
                Content::Record(at) => at,
                Content::Crowded(at) => {
                    in_crowds.extend_from_slice(self.locals_of(&self.crowded[at]));
                    return;
                }
                _ => return,
            };
            if told.replace(at) == Some(at) {
                return;
            }
            for record in self.records_at(at) {
                for slot in record.edges {
                    let local = |bit| record.head.local(bit, &self.locals);
                    bits_of(slot.mask()).for_each(|bit| tell(slot.edge(), local(bit)));
                }
            }
        });
        in_crowds.sort_unstable();
        in_crowds.dedup();
        for boundary in in_crowds {
            outlines[boundary as usize].edges_near(low, high, &mut |edge| tell(edge, boundary));
        }
    }

    /// Calls `visit` with the contents of the squares that a rectangle intersects, down to those
    /// that are not divided.
    fn walk(
        &self,
        frame: &Frame,
        nodes: &[Node],
        around: (Mm, Mm),
        tell: &mut impl FnMut(Content),
    ) {
        let [columns, rows] = frame.within(around);
        for row in rows {
            for column in columns.clone() {
                match nodes[frame.place(column, row)].content() {
                    Content::Table(at) => {
                        let table = frame.table([column, row]);
                        self.walk(
                            &table,
                            &self.tables[at..at + TABLE_SIDE * TABLE_SIDE],
                            around,
                            tell,
                        );
                    }
                    content => tell(content),
                }
            }
        }
    }
}

impl Node {
    const NOTHING: Node = Node::new(Content::Set(0));
    const TABLE: u32 = 1 << 30;
    const RECORD: u32 = 2 << 30;
    const CROWDED: u32 = 3 << 30;

    #[expect(clippy::cast_possible_truncation, reason = "checked against the limit")]
    const fn new(content: Content) -> Node {
        let (kind, at) = match content {
            Content::Set(set) => (0, set as usize),
            Content::Table(first) => (Node::TABLE, first),
            Content::Record(at) => (Node::RECORD, at),
            Content::Crowded(at) => (Node::CROWDED, at),
        };
        assert!(at < Node::TABLE as usize, "a layer has too many vertices");
        Node(kind | at as u32)
    }

    fn content(self) -> Content {
        let at = self.0 & (Node::TABLE - 1);
        match self.0 - at {
            0 => Content::Set(at),
            Node::TABLE => Content::Table(at as usize),
            Node::RECORD => Content::Record(at as usize),
            _ => Content::Crowded(at as usize),
        }
    }
}

impl Slot {
    fn head(
        edges: usize,
        set: u32,
        corner: u32,
        locals: u32,
        first: [u32; LOCALS_IN_HEAD],
    ) -> Slot {
        let edges = u32::try_from(edges).expect("fewer edges than a layer may have");
        let [a, b, c, d] = first;
        Slot([edges, set, corner, locals, a, b, c, d].map(u32::cast_signed))
    }

    fn new(edge: &Edge, clip: Clip, mask: u32) -> Slot {
        let ([x1, y1], [x2, y2]) = (edge.low, edge.high);
        let mask = mask.cast_signed();
        Slot([x1, y1, x2, y2, clip.from, clip.to, clip.turn, mask])
    }

    fn word(&self, at: usize) -> u32 {
        self.0[at].cast_unsigned()
    }

    fn edges(&self) -> usize {
        (self.word(0) & !MORE_FOLLOW) as usize
    }

    fn more_follow(&self) -> bool {
        self.word(0) & MORE_FOLLOW != 0
    }

    fn set_more_follow(&mut self) {
        self.0[0] = (self.word(0) | MORE_FOLLOW).cast_signed();
    }

    /// The set of boundaries that cover all of the cell.
    fn set(&self) -> u32 {
        self.word(1)
    }

    /// The mask of the record's own boundaries that cover the corner.
    fn corner(&self) -> u32 {
        self.word(2)
    }

    /// Returns the boundary of a bit.
    fn local(&self, bit: usize, locals: &[u32]) -> u32 {
        if self.word(3) as usize <= LOCALS_IN_HEAD {
            self.word(4 + bit)
        } else {
            locals[self.word(4) as usize + bit]
        }
    }

    fn edge(&self) -> Edge {
        let [x1, y1, x2, y2, ..] = self.0;
        Edge {
            low: [x1, y1],
            high: [x2, y2],
        }
    }

    fn clip(&self) -> Clip {
        let [.., from, to, turn, _] = self.0;
        Clip { from, to, turn }
    }

    fn mask(&self) -> u32 {
        self.word(7)
    }
}

impl Record<'_> {
    /// Returns the mask of the record's own boundaries that cover a point.
    fn around(&self, point: Mm) -> u32 {
        let change = |slot: &Slot| match slot.clip().is_crossed(&slot.edge(), point) {
            true => slot.mask(),
            false => 0,
        };
        let changes = self.edges.iter().map(change);
        changes.fold(self.head.corner(), |mask, change| mask ^ change)
    }
}

fn bits_of(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(bit)
    })
}

impl Sets {
    fn add_to(&self, found: &mut Vec<u32>, set: u32) {
        if set == 0 {
        } else if set <= self.alone {
            found.push(set - 1);
        } else {
            let at = (set - self.alone - 1) as usize;
            let members = self.starts[at] as usize..self.starts[at + 1] as usize;
            found.extend_from_slice(&self.members[members]);
        }
    }
}

/// Returns the column or row of a coordinate, counted from the corner of the outermost square.
fn steps(along: i32, bits: u32) -> u32 {
    along.wrapping_sub(ORIGIN).cast_unsigned() >> bits
}

fn place_in_table([x, y]: Mm, bits: u32) -> usize {
    let within = |along: i32| steps(along, bits) as usize % TABLE_SIDE;
    within(y) * TABLE_SIDE + within(x)
}

impl Frame {
    /// Returns the columns and rows that a rectangle intersects.
    fn within(&self, (low, high): (Mm, Mm)) -> [Range<u32>; 2] {
        let last = WORLD.last();
        [0, 1].map(|axis| {
            let steps = |along: i32| steps(along.clamp(ORIGIN, last[axis]), self.bits);
            let (first, end) = (self.first[axis], self.first[axis] + self.size[axis]);
            steps(low[axis]).max(first)..(steps(high[axis]) + 1).min(end)
        })
    }

    /// Returns the northings of a row of squares, extended by a millimetre on either side.
    fn row(&self, row: u32) -> (i32, i32) {
        let (low, high) = Square::at([self.first[0], row], self.bits).and_a_millimetre();
        (low[1], high[1])
    }

    fn place(&self, column: u32, row: u32) -> usize {
        let [across, up] = [column - self.first[0], row - self.first[1]];
        up as usize * self.size[0] as usize + across as usize
    }

    /// Returns the extent of the table of a square.
    fn table(&self, square: [u32; 2]) -> Frame {
        Frame {
            bits: self.bits - TABLE_BITS,
            first: square.map(|step| step << TABLE_BITS),
            size: [1 << TABLE_BITS; 2],
        }
    }
}

impl Grid {
    /// Creates the root over the bounding box of all edges, with squares of a size that suits their
    /// number.
    fn root(edges: &[Edge]) -> Grid {
        let ends = || edges.iter().flat_map(|edge| [edge.low, edge.high]);
        let range = |axis: usize| {
            let least = ends().map(|end| end[axis]).min();
            least.zip(ends().map(|end| end[axis]).max())
        };
        let most = (edges.len() * ROOT_CELLS_PER_EDGE).clamp(ROOT_CELLS_MIN, ROOT_CELLS_MAX);
        let over = |bits: u32| {
            let axis = |axis| {
                let (least, greatest) = range(axis)?;
                let first = steps(least, bits);
                Some((first, steps(greatest, bits) - first + 1))
            };
            let (across, up) = (axis(0).unwrap_or_default(), axis(1).unwrap_or_default());
            Frame {
                bits,
                first: [across.0, up.0],
                size: [across.1, up.1],
            }
        };
        let most_touches = (edges.len() * ROOT_TOUCHES_PER_EDGE).max(ROOT_TOUCHES_MIN);
        // An edge crosses at most as many squares as its bounding box has columns and rows.
        let touches = |bits: u32| {
            let across = |edge: &Edge| {
                let (low, high) = edge.bounds();
                let along = |axis: usize| steps(high[axis], bits) - steps(low[axis], bits);
                along(0) as usize + along(1) as usize + 1
            };
            edges.iter().map(across).sum::<usize>()
        };
        let frame = (CELL_BITS_MIN..=WORLD.bits)
            .map(over)
            .filter(|frame| frame.size[0] as usize * frame.size[1] as usize <= most)
            .find(|frame| frame.bits == WORLD.bits || touches(frame.bits) <= most_touches)
            .expect("the outermost square is one");
        Grid::of(frame)
    }

    fn of(frame: Frame) -> Grid {
        let [columns, rows] = frame.size.map(|size| size as usize);
        Grid {
            frame,
            nodes: vec![Node::NOTHING; columns * rows],
        }
    }

    fn node(&self, [x, y]: Mm) -> Node {
        let Frame { bits, first, size } = self.frame;
        let across = steps(x, bits).wrapping_sub(first[0]);
        let up = steps(y, bits).wrapping_sub(first[1]);
        if across < size[0] && up < size[1] {
            self.nodes[up as usize * size[0] as usize + across as usize]
        } else {
            Node::NOTHING
        }
    }

    /// Sets the cells of the grid that are within a square, or the one cell that contains it.
    fn set(&mut self, square: Square, node: Node) {
        let [columns, rows] = self.frame.within((square.at, square.last()));
        for row in rows {
            for column in columns.clone() {
                let place = self.frame.place(column, row);
                self.nodes[place] = node;
            }
        }
    }
}

impl Square {
    /// Returns the north-easternmost point of the square, which is the corner for its records.
    fn last(self) -> Mm {
        let side = (1_i64 << self.bits) - 1;
        self.at
            .map(|at| i32::try_from(i64::from(at) + side).expect("within the outermost square"))
    }

    /// Returns the square in a column and row, counted from the corner of the outermost square.
    fn at(steps: [u32; 2], bits: u32) -> Square {
        let at = steps.map(|steps| ORIGIN.wrapping_add_unsigned(steps << bits));
        Square { at, bits }
    }

    /// Returns its corners, extended outwards by a millimetre, so that no edge falls between two
    /// squares.
    fn and_a_millimetre(self) -> (Mm, Mm) {
        let last = self.last();
        (self.at.map(|at| at - 1), last.map(|at| at + 1))
    }

    fn quarters(self) -> [Square; 4] {
        let (bits, half) = (self.bits - 1, 1 << (self.bits - 1));
        let [x, y] = self.at;
        [[x, y], [x + half, y], [x, y + half], [x + half, y + half]].map(|at| Square { at, bits })
    }
}

/// The distinct edges of all boundaries, and the boundaries that each edge bounds.
struct SharedEdges {
    edges: Vec<Edge>,
    starts: Vec<u32>,
    owners: Vec<u32>,
}

impl SharedEdges {
    fn of(boundaries: &[&[Edge]]) -> SharedEdges {
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
        // If a boundary has an edge more than once, it has it an odd number of times.
        all.dedup();
        for same in all.chunk_by(|a, b| a.0 == b.0) {
            shared.edges.push(same[0].0);
            shared.owners.extend(same.iter().map(|(_, owner)| owner));
            shared.starts.push(count(shared.owners.len()));
        }
        shared
    }

    fn owners(&self, edge: u32) -> &[u32] {
        let [start, end] = [edge as usize, edge as usize + 1].map(|at| self.starts[at] as usize);
        &self.owners[start..end]
    }
}

/// The edges that touch each square of an extent.
struct Touching {
    /// Where the edges of each square start, by the square's offset.
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl Touching {
    fn of(edges: &[Edge], frame: &Frame) -> Touching {
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(edges.len() * 2);
        for (at, edge) in (0..).zip(edges) {
            let (low, high) = edge.bounds();
            let around = (low.map(|it| it - 1), high.map(|it| it + 1));
            let [_, rows] = frame.within(around);
            for row in rows {
                // Only the part of the edge in the row: a long edge touches few of the squares of
                // its bounding box.
                let (south, north) = frame.row(row);
                let [columns, _] = frame.within((
                    [edge.west_between(south, north), around.0[1]],
                    [edge.east_between(south, north), around.1[1]],
                ));
                for column in columns {
                    let (low, high) = Square::at([column, row], frame.bits).and_a_millimetre();
                    if edge.touches(low, high) {
                        pairs.push((count(frame.place(column, row)), at));
                    }
                }
            }
        }
        let squares = frame.size[0] as usize * frame.size[1] as usize;
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
        Touching { starts, edges }
    }

    fn edges(&self, place: usize) -> &[u32] {
        let [start, end] = [place, place + 1].map(|at| self.starts[at] as usize);
        &self.edges[start..end]
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than 2^32 vertices")
}

struct Builder {
    shared: SharedEdges,
    sets: SetsInMaking,
    tables: Vec<Node>,
    records: Vec<Slot>,
    locals: Vec<u32>,
    crowded: Vec<Crowded>,
    /// The rest of the budget.
    slots_left: usize,
}

impl Builder {
    /// Builds the trees of the boundaries that have edges in a crowded square.
    fn crossings(&self, boundaries: &[&[Edge]]) -> Vec<Option<Box<Crossings>>> {
        if self.crowded.is_empty() {
            return Vec::new();
        }
        let mut crossings: Vec<Option<Box<Crossings>>> = Vec::new();
        crossings.resize_with(boundaries.len(), || None);
        for Crowded { first, count, .. } in &self.crowded {
            for &boundary in &self.locals[*first as usize..][..*count as usize] {
                let at = boundary as usize;
                crossings[at].get_or_insert_with(|| Box::new(Crossings::new(boundaries[at])));
            }
        }
        crossings
    }

    /// Fills the root row by row, from east to west, because no area covers the easternmost corner.
    fn fill_root(&mut self, root: &mut Grid) {
        let touching = Touching::of(&self.shared.edges, &root.frame);
        let [columns, rows] = root.frame.size;
        for row in 0..rows {
            let mut corner = Vec::new();
            for column in (0..columns).rev() {
                let step = [root.frame.first[0] + column, root.frame.first[1] + row];
                let square = Square::at(step, root.frame.bits);
                let edges = touching.edges(root.frame.place(step[0], step[1]));
                self.fill(root, square, edges, &corner);
                if !edges.is_empty() {
                    corner = self.corner_west_of(square, edges, &corner);
                }
            }
        }
    }

    /// Returns the boundaries that cover the corner of the next square to the west: the path from
    /// there along the row crosses only this square.
    fn corner_west_of(&self, square: Square, edges: &[u32], corner: &[u32]) -> Vec<u32> {
        let [west, south] = square.at;
        let last = square.last();
        let with_it = ([west - 1, south], last);
        let clip = |&edge: &u32| self.shared.edges[edge as usize].clip(with_it.0, with_it.1);
        let clips: Vec<Clip> = edges.iter().map(clip).collect();
        self.around([west - 1, last[1]], edges, &clips, corner)
    }

    /// Fills the part of the grid in a square, given the edges that touch the square and the
    /// boundaries that cover its corner, in order.
    fn fill(&mut self, grid: &mut Grid, square: Square, edges: &[u32], corner: &[u32]) {
        if edges.is_empty() {
            let set = self.sets.id(corner);
            grid.set(square, Node::new(Content::Set(set)));
            return;
        }
        let is_last = square.bits <= CELL_BITS_MIN;
        if edges.len() <= EDGES_MAX || (is_last && edges.len() <= UNCROWDED_MAX) {
            let record = self.record(square, edges, corner);
            grid.set(square, record);
            return;
        }
        let needs_table = square.bits == grid.frame.bits;
        let has_room = !needs_table || self.slots_left >= SLOTS_PER_TABLE;
        let quarters = (!is_last && has_room).then(|| self.quarters(square, edges));
        let Some(quarters) = quarters.filter(|it| is_spread(edges, it)) else {
            let crowded = self.crowded(edges, corner);
            grid.set(square, crowded);
            return;
        };
        if !needs_table {
            self.divide(grid, square, (edges, &quarters), corner);
        } else {
            self.slots_left -= SLOTS_PER_TABLE;
            let place = square.at.map(|at| steps(at, square.bits));
            let mut table = Grid::of(grid.frame.table(place));
            self.divide(&mut table, square, (edges, &quarters), corner);
            grid.set(square, Node::new(Content::Table(self.tables.len())));
            self.tables.append(&mut table.nodes);
        }
    }

    /// Returns the edges that touch each of a square's quarters.
    fn quarters(&self, square: Square, edges: &[u32]) -> [Vec<u32>; 4] {
        square.quarters().map(|quarter| {
            let (low, high) = quarter.and_a_millimetre();
            let touching = |edge: &u32| self.shared.edges[*edge as usize].touches(low, high);
            edges.iter().copied().filter(touching).collect()
        })
    }

    fn divide(
        &mut self,
        grid: &mut Grid,
        square: Square,
        (edges, touching): (&[u32], &[Vec<u32>; 4]),
        corner: &[u32],
    ) {
        let clips = self.clips(square, edges);
        for (quarter, touching) in square.quarters().into_iter().zip(touching) {
            let around = self.around(quarter.last(), edges, &clips, corner);
            self.fill(grid, quarter, touching, &around);
        }
    }

    fn clips(&self, square: Square, edges: &[u32]) -> Vec<Clip> {
        let clip = |&edge: &u32| self.shared.edges[edge as usize].clip(square.at, square.last());
        edges.iter().map(clip).collect()
    }

    /// Returns the boundaries that cover a point of a cell, in order.
    fn around(&self, point: Mm, edges: &[u32], clips: &[Clip], corner: &[u32]) -> Vec<u32> {
        let mut around = corner.to_vec();
        for (&edge, clip) in edges.iter().zip(clips) {
            if clip.is_crossed(&self.shared.edges[edge as usize], point) {
                around.extend_from_slice(self.shared.owners(edge));
            }
        }
        if around.len() == corner.len() {
            return around;
        }
        around.sort_unstable();
        let odd = around
            .chunk_by(|a, b| a == b)
            .filter(|same| same.len() % 2 == 1);
        odd.map(|same| same[0]).collect()
    }

    /// Returns the boundaries that have one of the edges, in order, and the set of those that cover
    /// the corner but have none of them.
    fn locals_and_set(&mut self, edges: &[u32], corner: &[u32]) -> (Vec<u32>, u32) {
        let mut locals: Vec<u32> = edges
            .iter()
            .flat_map(|&edge| self.shared.owners(edge))
            .copied()
            .collect();
        locals.sort_unstable();
        locals.dedup();
        let is_local = |boundary: &u32| locals.binary_search(boundary).is_ok();
        let whole: Vec<u32> = corner.iter().copied().filter(|it| !is_local(it)).collect();
        let set = self.sets.id(&whole);
        (locals, set)
    }

    fn crowded(&mut self, edges: &[u32], corner: &[u32]) -> Node {
        let (locals, set) = self.locals_and_set(edges, corner);
        let taken = 1 + locals.len() * size_of::<u32>() / size_of::<Slot>();
        self.slots_left = self.slots_left.saturating_sub(taken);
        self.crowded.push(Crowded {
            set,
            first: count(self.locals.len()),
            count: count(locals.len()),
        });
        self.locals.extend(locals);
        Node::new(Content::Crowded(self.crowded.len() - 1))
    }

    fn record(&mut self, square: Square, edges: &[u32], corner: &[u32]) -> Node {
        if edges.len() >= self.slots_left {
            return self.crowded(edges, corner);
        }
        let before = self.records.len();
        let clips = self.clips(square, edges);
        let (locals, mut set) = self.locals_and_set(edges, corner);
        let first = self.records.len();
        let mut last: Option<usize> = None;
        for locals in locals.chunks(LOCALS_MAX) {
            if let Some(last) = last.replace(self.records.len()) {
                self.records[last].set_more_follow();
            }
            self.part_of_record(edges, &clips, set, corner, locals);
            set = 0;
        }
        self.slots_left = self.slots_left.saturating_sub(self.records.len() - before);
        Node::new(Content::Record(first))
    }

    /// Adds a record for at most 32 boundaries, with the edges that bound at least one of them.
    fn part_of_record(
        &mut self,
        edges: &[u32],
        clips: &[Clip],
        set: u32,
        corner: &[u32],
        locals: &[u32],
    ) {
        let mask = |boundaries: &[u32]| {
            let bits = boundaries
                .iter()
                .filter_map(|it| locals.binary_search(it).ok());
            bits.fold(0_u32, |mask, bit| mask | 1 << bit)
        };
        let head = self.records.len();
        self.records.push(Slot([0; 8]));
        for (&edge, &clip) in edges.iter().zip(clips) {
            let mask = mask(self.shared.owners(edge));
            if mask != 0 {
                let slot = Slot::new(&self.shared.edges[edge as usize], clip, mask);
                self.records.push(slot);
            }
        }
        let mut in_head = [0; LOCALS_IN_HEAD];
        match in_head.get_mut(..locals.len()) {
            Some(places) => places.copy_from_slice(locals),
            None => {
                in_head[0] = count(self.locals.len());
                self.locals.extend_from_slice(locals);
            }
        }
        let edges = self.records.len() - head - 1;
        self.records[head] = Slot::head(edges, set, mask(corner), count(locals.len()), in_head);
    }
}

/// Returns whether dividing a square spreads its edges over its quarters.
fn is_spread(edges: &[u32], quarters: &[Vec<u32>; 4]) -> bool {
    let (times, by) = SPREAD_MAX;
    let together: usize = quarters.iter().map(Vec::len).sum();
    edges.len() <= UNCROWDED_MAX || together * by < edges.len() * times
}

/// Builds sets of boundaries without duplicates.
struct SetsInMaking {
    sets: Sets,
    ids: HashMap<Box<[u32]>, u32>,
}

impl SetsInMaking {
    fn new(boundaries: usize) -> SetsInMaking {
        SetsInMaking {
            sets: Sets {
                alone: count(boundaries),
                starts: vec![0],
                members: Vec::new(),
            },
            ids: HashMap::new(),
        }
    }

    fn id(&mut self, set: &[u32]) -> u32 {
        match set {
            [] => 0,
            [alone] => alone + 1,
            _ => {
                if let Some(&id) = self.ids.get(set) {
                    return id;
                }
                let Sets {
                    alone,
                    starts,
                    members,
                } = &mut self.sets;
                let id = *alone + count(starts.len());
                members.extend_from_slice(set);
                starts.push(count(members.len()));
                self.ids.insert(set.into(), id);
                id
            }
        }
    }
}
