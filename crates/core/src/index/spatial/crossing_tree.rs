//! Tests whether a boundary covers a point, by counting the edges of the boundary that are east of
//! the point. This module is the fallback for squares that have too many edges for a record.
//!
//! The edges are stored in a segment tree over rows. Each edge is stored at the few nodes whose
//! rows add up to the rows of the edge. The edges of a node extend through all rows of the node.
//! Edges that do not cross therefore have one order from west to east, and a binary search
//! counts the edges that are east of a point. A look-up visits one path of the tree, and takes
//! O(log² n) time. The tree has O(n log n) entries of four bytes.
//!
//! Edges cross only in invalid rings. Each node stores the longest subsequence of edges that do not
//! cross, followed by the other edges. The other edges are tested one by one, so that the result is
//! always exact.

use std::cmp::Ordering;

use super::edge::{Edge, MmCoord};

/// The maximum number of edges that are tested one by one, without a tree.
const LINEAR_SCAN_MAX: usize = 64;

/// The edges of one boundary, sorted so that the edges east of a point can be counted.
#[derive(Debug)]
pub(super) struct CrossingTree {
    edges: Vec<Edge>,
    /// The rows at which edges start or end, from south to north; empty if all edges are tested one
    /// by one.
    rows: Vec<i32>,
    /// The number of leaves of the tree, a power of two. Each leaf covers the rows from one entry
    /// of `rows` up to the next entry.
    leaves: usize,
    nodes: Vec<TreeNode>,
    entries: Vec<u32>,
}

/// The range of a node's entries: first the ordered entries, then the other entries.
#[derive(Debug, Clone, Copy, Default)]
struct TreeNode {
    begin: u32,
    ordered_end: u32,
    end: u32,
}

impl CrossingTree {
    pub(super) fn new(edges: &[Edge]) -> CrossingTree {
        // Horizontal edges do not occupy rows.
        let edges = edges.iter().filter(|edge| edge.low[1] != edge.high[1]);
        let edges: Vec<Edge> = edges.copied().collect();
        if edges.len() <= LINEAR_SCAN_MAX {
            return CrossingTree {
                edges,
                rows: Vec::new(),
                leaves: 0,
                nodes: Vec::new(),
                entries: Vec::new(),
            };
        }
        let ends = edges.iter().flat_map(|edge| [edge.low[1], edge.high[1]]);
        let mut rows: Vec<i32> = ends.collect();
        rows.sort_unstable();
        rows.dedup();
        let leaves = (rows.len() - 1).next_power_of_two();
        let mut tree = CrossingTree {
            nodes: vec![TreeNode::default(); 2 * leaves],
            entries: Vec::new(),
            edges,
            rows,
            leaves,
        };
        tree.assign_edges();
        for node in 1..2 * leaves {
            tree.sort_node(node);
        }
        tree
    }

    /// Assigns to each node its edges, in no particular order.
    fn assign_edges(&mut self) {
        let mut counts = vec![0_u32; self.nodes.len()];
        for edge in &self.edges {
            self.for_each_node(edge, |node| counts[node] += 1);
        }
        let mut begin = 0;
        for (node, &count) in self.nodes.iter_mut().zip(&counts) {
            *node = TreeNode {
                begin,
                ordered_end: begin,
                end: begin,
            };
            begin = begin.checked_add(count).expect("fewer than 2^32 entries");
        }
        let mut entries = vec![0; begin as usize];
        let mut ends: Vec<u32> = self.nodes.iter().map(|node| node.end).collect();
        for (index, edge) in (0..).zip(&self.edges) {
            self.for_each_node(edge, |node| {
                entries[ends[node] as usize] = index;
                ends[node] += 1;
            });
        }
        for (node, end) in self.nodes.iter_mut().zip(ends) {
            node.end = end;
        }
        self.entries = entries;
    }

    /// Calls `visit` with each of the nodes whose rows add up to the rows of an edge.
    fn for_each_node(&self, edge: &Edge, mut visit: impl FnMut(usize)) {
        let leaf = |row: i32| self.rows.partition_point(|&begin| begin < row) + self.leaves;
        let (mut from, mut to) = (leaf(edge.low[1]), leaf(edge.high[1]));
        while from < to {
            if from % 2 == 1 {
                visit(from);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                visit(to);
            }
            from /= 2;
            to /= 2;
        }
    }

    /// Sorts a node's edges. The edges that cross other edges are last.
    fn sort_node(&mut self, node: usize) {
        let TreeNode { begin, end, .. } = self.nodes[node];
        if begin == end {
            return;
        }
        let [south, north] = self.row_range(node);
        let edges = &self.edges;
        let of = |index: &u32| &edges[*index as usize];
        let entries = &mut self.entries[begin as usize..end as usize];
        let from_west =
            |a: &Edge, b: &Edge| compare_at_row(south, a, b).then(compare_at_row(north, a, b));
        entries.sort_unstable_by(|a, b| from_west(of(a), of(b)));
        let is_before = |a: &u32, b: &u32| compare_at_row(north, of(a), of(b)).is_le();
        let mut ordered = entries.len();
        if !entries.is_sorted_by(is_before) {
            ordered = move_longest_ordered_first(entries, is_before);
        }
        let ordered = u32::try_from(ordered).expect("no more than there are entries");
        self.nodes[node].ordered_end = begin + ordered;
    }

    /// Returns the first row of a node, and the first row after it.
    fn row_range(&self, node: usize) -> [i32; 2] {
        let level = node.ilog2();
        let leaves = self.leaves >> level;
        let first = (node - (1 << level)) * leaves;
        [first, first + leaves].map(|index| self.rows[index.min(self.rows.len() - 1)])
    }

    /// Returns whether an odd number of edges is east of the point.
    pub(super) fn covers(&self, point: MmCoord) -> bool {
        let row = point[1];
        if self.leaves == 0 {
            let is_east = |edge: &&Edge| {
                edge.low[1] <= row && row < edge.high[1] && edge.line_is_east_of(point)
            };
            return self.edges.iter().filter(is_east).count() % 2 == 1;
        }
        let after = self.rows.partition_point(|&begin| begin <= row);
        if after == 0 || after == self.rows.len() {
            return false;
        }
        let mut node = self.leaves + after - 1;
        let mut count = 0;
        while node > 0 {
            let TreeNode {
                begin,
                ordered_end,
                end,
            } = self.nodes[node];
            let is_east = |&index: &u32| self.edges[index as usize].line_is_east_of(point);
            let ordered = &self.entries[begin as usize..ordered_end as usize];
            count += ordered.len() - ordered.partition_point(|index| !is_east(index));
            let others = &self.entries[ordered_end as usize..end as usize];
            count += others.iter().filter(|index| is_east(index)).count();
            node /= 2;
        }
        count % 2 == 1
    }
}

/// Compares two edges by their exact easting in a row that both edges reach, including their ends.
fn compare_at_row(row: i32, a: &Edge, b: &Edge) -> Ordering {
    /// The difference in millimetres below which the exact comparison is used. This value is far
    /// larger than the rounding error, because an `f64` represents positions of 2^31 mm to a
    /// millionth of a millimetre.
    const CLOSE_MM: f64 = 1e-3;
    let approximate = |edge: &Edge| {
        let part = (f64::from(row) - f64::from(edge.low[1]))
            / (f64::from(edge.high[1]) - f64::from(edge.low[1]));
        let [low, high] = [edge.low, edge.high].map(|end| f64::from(end[0]));
        low + (high - low) * part
    };
    let (rough_a, rough_b) = (approximate(a), approximate(b));
    if (rough_a - rough_b).abs() > CLOSE_MM {
        return rough_a.total_cmp(&rough_b);
    }
    // The edge's easting multiplied by its height (a product of at most 2^64), and its height.
    let exact = |edge: &Edge| {
        let [[x1, y1], [x2, y2]] = [edge.low, edge.high].map(|end| end.map(i128::from));
        (x1 * (y2 - y1) + (x2 - x1) * (i128::from(row) - y1), y2 - y1)
    };
    let ((a, height_a), (b, height_b)) = (exact(a), exact(b));
    (a * height_b).cmp(&(b * height_a))
}

/// Moves the longest ordered subsequence of entries before the other entries. Returns the length of
/// the subsequence. The function finds the subsequence by patience sorting, which takes O(n log n)
/// time.
fn move_longest_ordered_first(
    entries: &mut [u32],
    is_before: impl Fn(&u32, &u32) -> bool,
) -> usize {
    // The last entry of the best subsequence of each length, and the predecessor of each entry.
    let mut ends: Vec<usize> = Vec::new();
    let mut predecessors: Vec<Option<usize>> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let length = ends.partition_point(|&end| is_before(&entries[end], entry));
        predecessors.push(length.checked_sub(1).map(|before| ends[before]));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut is_chosen = vec![false; entries.len()];
    let mut next = ends.last().copied();
    while let Some(index) = next {
        is_chosen[index] = true;
        next = predecessors[index];
    }
    let entries_where = |chosen: bool| {
        let marked = entries.iter().zip(&is_chosen);
        marked
            .filter(move |value| *value.1 == chosen)
            .map(|value| *value.0)
    };
    let sorted: Vec<u32> = entries_where(true).chain(entries_where(false)).collect();
    entries.copy_from_slice(&sorted);
    ends.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers_by_scan(edges: &[Edge], point: MmCoord) -> bool {
        let is_east = |edge: &&Edge| {
            (edge.low[1]..edge.high[1]).contains(&point[1]) && edge.line_is_east_of(point)
        };
        edges.iter().filter(is_east).count() % 2 == 1
    }

    fn ring(vertices: &[MmCoord]) -> Vec<Edge> {
        let next = vertices.iter().cycle().skip(1);
        let edges = vertices.iter().zip(next);
        edges.filter_map(|(&a, &b)| Edge::between(a, b)).collect()
    }

    #[test]
    fn combs_are_exact_in_every_tooth_and_gap() {
        let teeth = (0..500).flat_map(|value| [[20 * value, 0], [20 * value + 10, 10_000]]);
        let comb: Vec<MmCoord> = teeth
            .chain([[10_000, 0], [10_000, -10], [0, -10]])
            .collect();
        for transform in [
            |[x, y]: MmCoord| [x, y],
            |[x, y]: MmCoord| [y, -x],
            |[x, y]: MmCoord| [x + y, y - x],
        ] {
            let transformed: Vec<MmCoord> = comb.iter().copied().map(transform).collect();
            let edges = ring(&transformed);
            let tree = CrossingTree::new(&edges);
            for x in (0..10_000).step_by(7) {
                for y in [-1, 0, 1, 3_333, 9_999] {
                    let point = transform([x, y]);
                    assert_eq!(tree.covers(point), covers_by_scan(&edges, point), "{x} {y}");
                }
            }
            assert!(tree.nodes.iter().all(|node| node.ordered_end == node.end));
        }
    }

    proptest! {
        #[test]
        fn trees_agree_with_a_scan(
            vertices in proptest::collection::vec((-50..50_i32, -50..50_i32), 70..200),
            points in proptest::collection::vec((-55..55_i32, -55..55_i32), 100),
        ) {
            let vertices: Vec<MmCoord> = vertices.iter().map(|&(x, y)| [x, y]).collect();
            let edges = ring(&vertices);
            let crossings = CrossingTree::new(&edges);
            for (x, y) in points {
                prop_assert_eq!(crossings.covers([x, y]), covers_by_scan(&edges, [x, y]));
            }
        }
    }
}
