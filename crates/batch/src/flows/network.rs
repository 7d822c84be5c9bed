//! Represents a two-way table with its totals as a network.
//!
//! Every row and every column is a node, and so are the row of totals and the column of totals.
//! Every count is a flow along an edge between its row and its column. The directions of the edges
//! ensure that, for each node, the inflow equals the outflow:
//!
//! ```text
//!                      count                  total of the column
//!          row i ───────────────────► column j ─────────────────────► row of totals
//!            ▲                                                              │
//!            └──────────────── column of totals ◄───────────────────────────┘
//!              total of the row                     grand total
//! ```
//!
//! A table agrees with the published counts if its flow differs from the actual flow only on hidden
//! edges. The difference between two such flows consists of cycles. Therefore a hidden count can
//! have another value if and only if it is on a cycle of hidden edges along which the flow can
//! change in the direction of the cycle. (D. Gusfield, "A graph theoretic approach to statistical
//! data security", SIAM Journal on Computing 17(3), 1988.)

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// Whether a count is published and, if not, what a reader knows about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellState {
    Shown,
    /// Hidden because it is small. The reader is assumed to know this, so the reader knows that the
    /// count is between 1 and this number.
    Small(u64),
    /// Hidden. The reader knows only that the count is not negative.
    Hidden,
}

/// A count of the table, or a total.
#[derive(Debug, Clone, Copy)]
struct NetworkCell {
    row: usize,
    column: usize,
    value: u64,
    state: CellState,
}

impl NetworkCell {
    fn is_hidden(&self) -> bool {
        self.state != CellState::Shown
    }

    fn can_rise(&self) -> bool {
        match self.state {
            CellState::Small(most) => self.value < most,
            CellState::Shown | CellState::Hidden => true,
        }
    }

    fn can_fall(&self) -> bool {
        match self.state {
            CellState::Small(_) => self.value > 1,
            CellState::Shown | CellState::Hidden => self.value > 0,
        }
    }
}

/// The edges that a path may use in addition to the edges of hidden counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathScope {
    /// The edges of counts above 0, and of totals except the grand total.
    Counts,
    /// The edges in `Counts`, and the edges of counts of 0.
    Zeros,
    /// The edges in `Zeros`, and the edge of the grand total.
    All,
}

/// A step of a path.
#[derive(Debug, Clone, Copy)]
enum PathStep {
    Cell(usize),
    /// A count of 0, which is not stored in the cells.
    Zero {
        row: usize,
        column: usize,
    },
}

/// The cost of hiding a count. A cycle usually contains three more counts. The costs make a zero
/// cheaper than three large counts, and a total is hidden only if counts and zeros are not
/// sufficient.
const COUNT_COST: u64 = 16;
const ZERO_COST: u64 = 110;
const TOTAL_COST: u64 = 10_000;
const GRAND_TOTAL_COST: u64 = 10_000_000;

/// The maximum number of counts, including counts of 0, in a table in which a path may use counts
/// of 0. In a larger table, totals are hidden instead.
const ZEROS_MAX: usize = 4_000_000;

/// A two-way table with its totals.
pub(super) struct FlowNetwork {
    rows: usize,
    columns: usize,
    /// The counts above 0, the hidden counts of 0, and all totals.
    cells: Vec<NetworkCell>,
    /// The cell of each row and column.
    positions: HashMap<(usize, usize), usize>,
    /// For each node, its cells.
    at_node: Vec<Vec<usize>>,
}

impl FlowNetwork {
    /// Creates the network of a table in which no count is hidden. `counts` contains the counts
    /// above 0.
    pub(super) fn new(
        rows: usize,
        columns: usize,
        counts: impl Iterator<Item = ((usize, usize), u64)>,
    ) -> FlowNetwork {
        let mut network = FlowNetwork {
            rows,
            columns,
            cells: Vec::new(),
            positions: HashMap::new(),
            at_node: vec![Vec::new(); rows + columns + 2],
        };
        let (mut row_totals, mut column_totals) = (vec![0; rows], vec![0; columns]);
        let mut grand_total = 0;
        for ((row, column), value) in counts {
            row_totals[row] += value;
            column_totals[column] += value;
            grand_total += value;
            network.add(row, column, value);
        }
        for (row, total) in row_totals.into_iter().enumerate() {
            network.add(row, columns, total);
        }
        for (column, total) in column_totals.into_iter().enumerate() {
            network.add(rows, column, total);
        }
        network.add(rows, columns, grand_total);
        network
    }

    fn add(&mut self, row: usize, column: usize, value: u64) -> usize {
        let position = self.cells.len();
        self.cells.push(NetworkCell {
            row,
            column,
            value,
            state: CellState::Shown,
        });
        self.positions.insert((row, column), position);
        let column_node = self.column_node(column);
        self.at_node[row].push(position);
        self.at_node[column_node].push(position);
        position
    }

    fn column_node(&self, column: usize) -> usize {
        self.rows + 1 + column
    }

    /// Returns the two nodes of a cell, in the direction of the flow.
    fn ends(&self, cell: usize) -> (usize, usize) {
        let NetworkCell { row, column, .. } = self.cells[cell];
        let (row_node, column_node) = (row, self.column_node(column));
        // The totals of rows and of columns flow from the column to the row.
        if (row < self.rows) == (column < self.columns) {
            (row_node, column_node)
        } else {
            (column_node, row_node)
        }
    }

    fn is_total(&self, cell: usize) -> bool {
        self.cells[cell].row == self.rows || self.cells[cell].column == self.columns
    }

    fn is_grand_total(&self, cell: usize) -> bool {
        self.cells[cell].row == self.rows && self.cells[cell].column == self.columns
    }

    /// Hides the counts and totals from 1 to `most`.
    pub(super) fn hide_small(&mut self, most: u64) {
        for cell in 0..self.cells.len() {
            let is_total = self.is_total(cell);
            let cell = &mut self.cells[cell];
            if (1..=most).contains(&cell.value) {
                cell.state = match is_total {
                    true => CellState::Hidden,
                    // If `most` is 1, a reader who knows that a count is small would also know its
                    // value, so 2 is used instead.
                    false => CellState::Small(most.max(2)),
                };
            }
        }
    }

    /// Hides more counts until no hidden count can be computed from the published counts.
    pub(super) fn hide_complements(&mut self) {
        // Totals are processed first, because their cycles often protect counts as well.
        for cell in self.determined_cells().into_iter().rev() {
            for step in self.cheapest_cycle(cell) {
                let cell = match step {
                    PathStep::Cell(cell) => cell,
                    PathStep::Zero { row, column } => self.add(row, column, 0),
                };
                if !self.cells[cell].is_hidden() {
                    self.cells[cell].state = CellState::Hidden;
                }
            }
        }
    }

    /// Hides every count and total, except counts of 0.
    pub(super) fn hide_all(&mut self) {
        for cell in &mut self.cells {
            if !cell.is_hidden() {
                cell.state = CellState::Hidden;
            }
        }
    }

    /// Returns the rows and columns of the hidden counts. The row and the column of totals come
    /// last.
    pub(super) fn hidden(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let hidden = self.cells.iter().filter(|cell| cell.is_hidden());
        hidden.map(|cell| (cell.row, cell.column))
    }

    /// Returns whether each hidden count can have at least two values, from the point of view of a
    /// reader.
    pub(super) fn is_protected(&self) -> bool {
        self.determined_cells().is_empty()
    }

    /// Returns the hidden cells that have only one possible value.
    fn determined_cells(&self) -> Vec<usize> {
        let free = FreeEdges::new(self);
        let hidden = (0..self.cells.len()).filter(|cell| self.cells[*cell].is_hidden());
        let open = hidden.filter(|cell| !free.is_on_cycle(self, *cell));
        open.filter(|cell| self.is_determined(*cell)).collect()
    }

    /// Returns whether a hidden cell has only one possible value.
    fn is_determined(&self, cell: usize) -> bool {
        let mut directions = self.directions(cell).into_iter().flatten();
        !directions.any(|(start, end)| self.is_reachable(start, end, cell))
    }

    /// Returns two pairs of start and end nodes. The path between the first pair closes a cycle on
    /// which the cell increases, and the path between the second pair closes a cycle on which it
    /// decreases.
    fn directions(&self, cell: usize) -> [Option<(usize, usize)>; 2] {
        let (from, to) = self.ends(cell);
        [
            self.cells[cell].can_rise().then_some((to, from)),
            self.cells[cell].can_fall().then_some((from, to)),
        ]
    }

    /// Returns the node at the other end of a cell, if the flow can change in this direction.
    fn step(&self, node: usize, cell: usize) -> Option<usize> {
        let (from, to) = self.ends(cell);
        if node == from {
            self.cells[cell].can_rise().then_some(to)
        } else {
            self.cells[cell].can_fall().then_some(from)
        }
    }

    /// Returns whether a path of hidden cells other than `excluded` leads from one node to another.
    fn is_reachable(&self, start: usize, end: usize, excluded: usize) -> bool {
        let mut is_seen = vec![false; self.at_node.len()];
        let mut queue = VecDeque::from([start]);
        is_seen[start] = true;
        while let Some(node) = queue.pop_front() {
            for &cell in &self.at_node[node] {
                if cell == excluded || !self.cells[cell].is_hidden() {
                    continue;
                }
                let Some(next) = self.step(node, cell) else {
                    continue;
                };
                if next == end {
                    return true;
                }
                if !is_seen[next] {
                    is_seen[next] = true;
                    queue.push_back(next);
                }
            }
        }
        false
    }

    /// Returns the steps of the cycle through a cell that hides the smallest possible number of
    /// counts, and small counts rather than large ones.
    fn cheapest_cycle(&self, cell: usize) -> Vec<PathStep> {
        let cheapest = |scope| {
            let directions = self.directions(cell).into_iter().flatten();
            let paths = directions.filter_map(|(start, end)| self.path(start, end, cell, scope));
            paths.min_by_key(|(cost, _)| *cost)
        };
        let has_zeros = self.rows.saturating_mul(self.columns) <= ZEROS_MAX;
        let counts = cheapest(PathScope::Counts);
        if let Some((cost, steps)) = counts.as_ref()
            && (*cost < ZERO_COST || !has_zeros)
        {
            return steps.clone();
        }
        let zeros = has_zeros.then(|| cheapest(PathScope::Zeros)).flatten();
        let found = zeros.or(counts).or_else(|| cheapest(PathScope::All));
        // The cell, the totals of its row and its column, and the grand total can always increase
        // together or decrease together.
        found.expect("a cycle through the totals").1
    }

    /// Returns the cheapest path from one node to another that does not use `excluded`.
    fn path(
        &self,
        start: usize,
        end: usize,
        excluded: usize,
        scope: PathScope,
    ) -> Option<(u64, Vec<PathStep>)> {
        let mut costs = vec![u64::MAX; self.at_node.len()];
        let mut steps: Vec<Option<(usize, PathStep)>> = vec![None; self.at_node.len()];
        let mut queue = BinaryHeap::from([Reverse((0, start))]);
        costs[start] = 0;
        while let Some(Reverse((cost, node))) = queue.pop() {
            if node == end {
                return Some((cost, steps_to(&steps, start, end)));
            }
            if cost > costs[node] {
                continue;
            }
            let mut visit = |next: usize, step_cost: u64, step: PathStep| {
                let next_cost = cost + step_cost;
                if next_cost < costs[next] {
                    costs[next] = next_cost;
                    steps[next] = Some((node, step));
                    queue.push(Reverse((next_cost, next)));
                }
            };
            for &cell in &self.at_node[node] {
                if cell != excluded
                    && let Some(step_cost) = self.cost(cell, scope)
                    && let Some(next) = self.step(node, cell)
                {
                    visit(next, step_cost, PathStep::Cell(cell));
                }
            }
            let is_zeros_scope = matches!(scope, PathScope::Zeros | PathScope::All)
                && self.rows.saturating_mul(self.columns) <= ZEROS_MAX;
            if is_zeros_scope && node < self.rows {
                for column in 0..self.columns {
                    if !self.positions.contains_key(&(node, column)) {
                        let step = PathStep::Zero { row: node, column };
                        visit(self.column_node(column), ZERO_COST, step);
                    }
                }
            }
        }
        None
    }

    /// Returns the cost of hiding a cell, or `None` if the cell is not in the scope.
    fn cost(&self, cell: usize, scope: PathScope) -> Option<u64> {
        if self.cells[cell].is_hidden() {
            return Some(0);
        }
        let size = u64::from(self.cells[cell].value.max(1).ilog2());
        match scope {
            PathScope::All if self.is_grand_total(cell) => Some(GRAND_TOTAL_COST),
            _ if self.is_grand_total(cell) => None,
            _ if self.is_total(cell) => Some(TOTAL_COST + size),
            _ => Some(COUNT_COST + size),
        }
    }
}

/// Returns the steps of a path, from its end to its start.
fn steps_to(steps: &[Option<(usize, PathStep)>], start: usize, end: usize) -> Vec<PathStep> {
    let mut path = Vec::new();
    let mut node = end;
    while node != start {
        let (previous, step) = steps[node].expect("the path was found");
        path.push(step);
        node = previous;
    }
    path
}

/// The hidden cells that can both increase and decrease. In a cycle of such cells, every cell can
/// change, so most cells of a large table are decided at once.
struct FreeEdges {
    /// The component of each node.
    components: Vec<usize>,
    /// For each cell, whether it is the only connection between two parts of its component.
    is_bridge: Vec<bool>,
}

/// A node on the stack of the search for bridges.
struct SearchFrame {
    node: usize,
    /// The cell through which the search reached the node.
    entry: Option<usize>,
    /// The number of the node's cells that have been visited.
    seen: usize,
}

impl FreeEdges {
    /// Finds the components and the bridges with a depth-first search (Tarjan, 1974).
    fn new(network: &FlowNetwork) -> FreeEdges {
        let node_count = network.at_node.len();
        let mut free = FreeEdges {
            components: vec![usize::MAX; node_count],
            is_bridge: vec![false; network.cells.len()],
        };
        let (mut order, mut lowest) = (vec![0; node_count], vec![0; node_count]);
        let mut next_order = 0;
        for root in 0..node_count {
            if free.components[root] != usize::MAX {
                continue;
            }
            let mut stack = Vec::new();
            let mut enter = |node: usize, entry, components: &mut [usize], stack: &mut Vec<_>| {
                components[node] = root;
                stack.push(SearchFrame {
                    node,
                    entry,
                    seen: 0,
                });
                next_order += 1;
                next_order
            };
            order[root] = enter(root, None, &mut free.components, &mut stack);
            lowest[root] = order[root];
            while let Some(frame) = stack.last_mut() {
                let (node, entry) = (frame.node, frame.entry);
                let Some(&cell) = network.at_node[node].get(frame.seen) else {
                    stack.pop();
                    if let (Some(parent), Some(entry)) = (stack.last(), entry) {
                        let parent = parent.node;
                        lowest[parent] = lowest[parent].min(lowest[node]);
                        free.is_bridge[entry] = lowest[node] > order[parent];
                    }
                    continue;
                };
                frame.seen += 1;
                if Some(cell) == entry || !is_free(network, cell) {
                    continue;
                }
                let (from, to) = network.ends(cell);
                let other = if from == node { to } else { from };
                if free.components[other] == usize::MAX {
                    order[other] = enter(other, Some(cell), &mut free.components, &mut stack);
                    lowest[other] = order[other];
                } else {
                    lowest[node] = lowest[node].min(order[other]);
                }
            }
        }
        free
    }

    /// Returns whether a cell is on a cycle whose other cells are all free.
    fn is_on_cycle(&self, network: &FlowNetwork, cell: usize) -> bool {
        let (from, to) = network.ends(cell);
        match is_free(network, cell) {
            true => !self.is_bridge[cell],
            false => self.components[from] == self.components[to],
        }
    }
}

fn is_free(network: &FlowNetwork, cell: usize) -> bool {
    let cell = &network.cells[cell];
    cell.is_hidden() && cell.can_rise() && cell.can_fall()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Table = Vec<Vec<u64>>;

    fn network_of(table: &Table) -> FlowNetwork {
        let columns = table[0].len();
        let counts = table.iter().enumerate().flat_map(|(row, counts)| {
            let counts = counts.iter().enumerate();
            counts.map(move |(column, count)| ((row, column), *count))
        });
        let counts = counts.filter(|(_, count)| *count > 0);
        FlowNetwork::new(table.len(), columns, counts)
    }

    fn suppressed(table: &Table, most: u64) -> FlowNetwork {
        let mut network = network_of(table);
        network.hide_small(most);
        network.hide_complements();
        network
    }

    /// Returns the table with its totals, with `None` in place of hidden counts.
    fn published(table: &Table, network: &FlowNetwork) -> Vec<Vec<Option<u64>>> {
        let hidden: BTreeSet<(usize, usize)> = network.hidden().collect();
        let mut whole = table.clone();
        for row in &mut whole {
            row.push(row.iter().sum());
        }
        let totals = (0..whole[0].len()).map(|column| whole.iter().map(|row| row[column]).sum());
        let totals = totals.collect();
        whole.push(totals);
        let rows = whole.into_iter().enumerate().map(|(row, counts)| {
            let counts = counts.into_iter().enumerate();
            counts
                .map(|(column, count)| (!hidden.contains(&(row, column))).then_some(count))
                .collect()
        });
        rows.collect()
    }

    /// Returns the possible values of each hidden count. Tries every table whose counts do not
    /// exceed `count_max`, and uses those that agree with the published counts.
    fn possible_values(shown: &[Vec<Option<u64>>], count_max: u64) -> Vec<BTreeSet<u64>> {
        let (rows, columns) = (shown.len() - 1, shown[0].len() - 1);
        let interior: Vec<(usize, usize)> = (0..rows)
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .filter(|(row, column)| shown[*row][*column].is_none())
            .collect();
        let mut values: Vec<BTreeSet<u64>> = Vec::new();
        let hidden: Vec<(usize, usize)> = (0..=rows)
            .flat_map(|row| (0..=columns).map(move |column| (row, column)))
            .filter(|(row, column)| shown[*row][*column].is_none())
            .collect();
        values.resize(hidden.len(), BTreeSet::new());
        let mut trial = vec![0; interior.len()];
        loop {
            let mut whole: Table = shown
                .iter()
                .map(|row| row.iter().map(|count| count.unwrap_or(0)).collect())
                .collect();
            for ((row, column), value) in interior.iter().zip(&trial) {
                whole[*row][*column] = *value;
            }
            for counts in whole.iter_mut().take(rows) {
                counts[columns] = counts[..columns].iter().sum();
            }
            for column in 0..=columns {
                whole[rows][column] = whole[..rows].iter().map(|row| row[column]).sum();
            }
            let agrees = shown.iter().zip(&whole).all(|(shown, whole)| {
                let mut pairs = shown.iter().zip(whole);
                pairs.all(|(shown, whole)| shown.is_none_or(|shown| shown == *whole))
            });
            if agrees {
                for ((row, column), values) in hidden.iter().zip(&mut values) {
                    values.insert(whole[*row][*column]);
                }
            }
            let Some(position) = trial.iter().position(|value| *value < count_max) else {
                return values;
            };
            trial[position] += 1;
            trial[..position].fill(0);
        }
    }

    #[track_caller]
    fn check(table: &[&[u64]], most: u64) -> FlowNetwork {
        let table: Table = table.iter().map(|row| row.to_vec()).collect();
        let network = suppressed(&table, most);
        assert!(network.is_protected(), "{table:?}");
        let shown = published(&table, &network);
        for (row, counts) in table.iter().enumerate() {
            for (column, count) in counts.iter().enumerate() {
                let is_small = (1..=most).contains(count);
                assert!(!is_small || shown[row][column].is_none(), "{shown:?}");
            }
        }
        network
    }

    fn hidden(network: &FlowNetwork) -> Vec<(usize, usize)> {
        let hidden: BTreeSet<(usize, usize)> = network.hidden().collect();
        hidden.into_iter().collect()
    }

    #[test]
    fn nothing_is_hidden_if_no_count_is_small() {
        assert!(hidden(&check(&[&[8, 0], &[900, 12]], 7)).is_empty());
        assert!(hidden(&check(&[&[0]], 7)).is_empty());
        assert!(hidden(&check(&[&[1, 2], &[3, 4]], 0)).is_empty());
    }

    #[test]
    fn one_small_count_takes_the_cheapest_rectangle_with_it() {
        let network = check(&[&[3, 90, 20], &[80, 700, 60], &[15, 800, 50]], 7);
        assert_eq!(hidden(&network), [(0, 0), (0, 2), (2, 0), (2, 2)]);
    }

    #[test]
    fn small_totals_are_hidden_with_another_total() {
        // The count in row 0 and the total of this row are small. A second total is hidden, because
        // the grand total is shown.
        let network = check(&[&[3, 0], &[40, 50], &[20, 30]], 7);
        let hidden = hidden(&network);
        assert!(hidden.contains(&(0, 2)), "{hidden:?}");
        assert!(
            hidden
                .iter()
                .filter(|(row, column)| *row < 3 && *column == 2)
                .count()
                >= 2
        );
        assert!(!hidden.contains(&(3, 2)), "{hidden:?}");
    }

    #[test]
    fn a_table_of_one_count_hides_its_totals() {
        assert_eq!(hidden(&check(&[&[5]], 7)), [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }

    #[test]
    fn difficult_tables_are_protected() {
        let tables: [&[&[u64]]; 9] = [
            &[&[1, 1, 1, 1, 1, 1, 1]],
            &[&[1, 0, 0, 900]],
            &[&[7, 7]],
            &[&[1], &[100], &[100]],
            &[&[7, 0], &[0, 7]],
            &[&[1, 0, 0], &[0, 1, 0], &[0, 0, 1]],
            &[&[4, 4, 4], &[4, 4, 4]],
            &[&[9, 0, 0], &[0, 9, 0], &[0, 0, 3]],
            &[&[1_000_000_000, 1], &[1, 1_000_000_000]],
        ];
        for table in tables {
            check(table, 7);
            check(table, 1);
        }
    }

    #[test]
    fn counts_are_not_hidden_again_if_they_protect_each_other() {
        let network = check(&[&[2, 3, 80], &[4, 5, 70], &[60, 90, 50]], 7);
        assert_eq!(hidden(&network), [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }

    #[test]
    fn hidden_counts_without_complements_are_found_to_be_determined() {
        let mut network = network_of(&vec![vec![3, 90], vec![80, 70]]);
        network.hide_small(7);
        assert!(!network.is_protected());
        network.hide_all();
        assert!(network.is_protected());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// The test tries every table that agrees with the published counts.
        #[test]
        fn no_hidden_count_of_a_small_table_can_be_computed(
            table in prop::collection::vec(prop::collection::vec(0_u64..4, 2), 1..4),
        ) {
            let network = suppressed(&table, 2);
            prop_assert!(network.is_protected());
            let shown = published(&table, &network);
            for values in possible_values(&shown, 4) {
                prop_assert!(values.len() > 1, "{:?} of {:?}", shown, table);
            }
        }

        /// The test compares the linear check with the search.
        #[test]
        fn every_hidden_count_is_on_a_cycle(
            table in (1_usize..9, 1_usize..9).prop_flat_map(|(rows, columns)| {
                let count = prop_oneof![3 => Just(0_u64), 4 => 1_u64..8, 2 => 8_u64..2_000];
                prop::collection::vec(prop::collection::vec(count, columns), rows)
            }),
            most in 1_u64..12,
        ) {
            let network = suppressed(&table, most);
            for cell in 0..network.cells.len() {
                let is_open = network.cells[cell].is_hidden() && network.is_determined(cell);
                prop_assert!(!is_open, "{:?}", table);
            }
        }
    }
}
