//! Builds a cell index: determines which squares are divided and what each cell stores.
//!
//! A square with many edges is divided. Long parallel edges, such as those of the teeth of a comb,
//! would create an unlimited number of cells: each quarter of a square contains half of the
//! square's edges, so the total number of edges doubles with each division. A square is therefore
//! *crowded* if it has many edges and dividing it would not spread them over its quarters. Instead
//! of edges, a crowded square stores the boundaries that cover the whole square and the boundaries
//! that have edges in it.
//!
//! The number of records and tables, and the size of the root, are also limited in proportion to
//! the number of edges. Memory and build time are therefore limited by the number of edges,
//! whatever the shape of the areas. The embedded layers have no crowded squares.
//!
//! Measurements were made for cells of 3 to 12 edges and for roots of 8 to 128 squares per edge.
//! With 34,753 areas, the differences are small. With 106 areas, look-ups are a quarter faster if
//! the root has four times as many squares.

use std::collections::HashMap;

use super::frame::{AlignedSquare, CellGrid, EXTENT, GridExtent, TABLE_SIDE, square_coord};
use super::record::{
    BoundarySets, CellKind, CellRef, HEAD_BOUNDARIES_MAX, RECORD_BOUNDARIES_MAX, RecordBlock,
};
use super::{CellIndex, CrowdedSquare};
use crate::index::spatial::crossing_tree::CrossingTree;
use crate::index::spatial::edge::{Edge, EdgeClip, MmCoord};

/// The maximum number of edges in a cell. A cell with more edges is divided, unless it has the
/// minimum size ([`CELL_BITS_MIN`]).
const RECORD_EDGES_MAX: usize = 6;
/// The binary logarithm of the minimum side of a cell: 2^8 mm (26 cm). Smaller cells would not
/// help, because more than [`RECORD_EDGES_MAX`] edges may meet at a vertex.
const CELL_BITS_MIN: u32 = 8;
/// The approximate number of squares in the root for each edge, within the following limits.
const ROOT_CELLS_PER_EDGE: usize = 64;
const ROOT_CELLS_MIN: usize = 1 << 8;
const ROOT_CELLS_MAX: usize = 1 << 21;
/// The factor by which the number of edges is multiplied to limit a sum: the number of edges that
/// touch a square, summed over all squares of the root. The limit is at least [`ROOT_TOUCHES_MIN`].
/// If the sum would exceed the limit, the squares are made larger.
const ROOT_TOUCHES_PER_EDGE: usize = 16;
const ROOT_TOUCHES_MIN: usize = 1 << 20;
/// A square with at most this many edges is crowded only if the budget of blocks
/// ([`BLOCKS_PER_EDGE`]) is used up.
const UNCROWDED_EDGES_MAX: usize = 32;
/// A square with more edges is crowded unless the edge counts of its quarters add up to less than
/// 7/4 of the square's own edge count. A line across a square touches two or three of its quarters,
/// but each vertex of a border is in only one quarter.
const DIVISION_RATIO_MAX: (usize, usize) = (7, 4);
/// The budget of blocks for records and tables: the number of blocks for each edge, and a constant
/// number of additional blocks. The embedded layers take 6 to 9 blocks for each edge.
const BLOCKS_PER_EDGE: usize = 12;
const BLOCKS_MIN: usize = 1 << 16;
/// The number of blocks in the budget that a table takes.
pub(super) const BLOCKS_PER_TABLE: usize =
    TABLE_SIDE * TABLE_SIDE * size_of::<CellRef>() / size_of::<RecordBlock>();

impl CellIndex {
    /// Builds the index of boundaries, each given by the edges of its rings. No edge may occur an
    /// even number of times in a boundary.
    pub(in crate::index::spatial) fn build(boundaries: &[&[Edge]]) -> CellIndex {
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
        // While the vectors grew, they may have reserved twice the memory that they need.
        builder.tables.shrink_to_fit();
        builder.records.shrink_to_fit();
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
}

struct CellIndexBuilder {
    shared: SharedEdges,
    sets: BoundarySetsBuilder,
    tables: Vec<CellRef>,
    records: Vec<RecordBlock>,
    boundary_lists: Vec<u32>,
    crowded: Vec<CrowdedSquare>,
    /// The number of remaining blocks in the budget.
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

    /// Returns the boundaries that cover the corner of the next square to the west of `square`.
    /// These boundaries can be derived, because the path east along the row from that corner
    /// crosses only edges that touch `square`.
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

    /// Fills the part of the grid in a square, given the edges that touch the square and the sorted
    /// boundaries that cover its corner.
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

    /// Returns the edges that touch each quarter of a square.
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

impl CellGrid {
    /// Creates the root over the bounding box of all edges, with a size of squares that depends on
    /// the number of edges.
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
        // If an edge occurs several times in a boundary, it occurs an odd number of times, so one
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
    /// The index in `edges` at which each square's edges start, by the square's offset.
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
