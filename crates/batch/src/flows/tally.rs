//! The flows that a single thread counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::places::FlowPlaces;
use super::table::FlowTable;

/// The maximum number of pairs of places for which every pair has a counter. This number of
/// counters requires 8 MB.
const COUNTERS_MAX: usize = 1 << 20;

/// The flows that a single thread counts.
pub(crate) struct FlowTally {
    places: Arc<FlowPlaces>,
    counts: PairCounts,
}

/// The numbers of patients by the numbers of their two places.
enum PairCounts {
    Dense {
        /// The number of places of residence.
        width: usize,
        counts: Vec<u64>,
    },
    Sparse(HashMap<(u32, u32), u64>),
}

impl FlowTally {
    pub(crate) fn new(places: &Arc<FlowPlaces>) -> FlowTally {
        let (rows, columns) = places.counts();
        let pairs = rows.saturating_mul(columns);
        FlowTally {
            places: Arc::clone(places),
            counts: if pairs <= COUNTERS_MAX {
                PairCounts::Dense {
                    width: columns,
                    counts: vec![0; pairs],
                }
            } else {
                PairCounts::Sparse(HashMap::new())
            },
        }
    }

    /// Counts patients who are registered in one place and live in another.
    pub(crate) fn add(&mut self, registered: u32, resident: u32, patients: u64) {
        match &mut self.counts {
            PairCounts::Dense { width, counts } => {
                counts[registered as usize * *width + resident as usize] += patients;
            }
            PairCounts::Sparse(counts) => {
                *counts.entry((registered, resident)).or_default() += patients;
            }
        }
    }

    /// Adds the counts of another thread, whose places must be the same.
    pub(crate) fn merge(mut self, other: FlowTally) -> FlowTally {
        for ((registered, resident), patients) in other.pairs() {
            let number = |place: usize| u32::try_from(place).expect("few places");
            self.add(number(registered), number(resident), patients);
        }
        self
    }

    /// Returns the table of the counts. `bad_rows` is the number of rows that could not be read.
    pub(crate) fn into_table(self, bad_rows: u64) -> FlowTable {
        let counts: BTreeMap<(usize, usize), u64> = self.pairs().into_iter().collect();
        let mut table = FlowTable::new(
            self.places.layers,
            &counts,
            |number| self.places.registered_place(number),
            |number| self.places.resident_place(number),
        );
        table.bad_rows = bad_rows;
        table
    }

    /// Returns the counts above 0, by the numbers of the two places.
    fn pairs(&self) -> Vec<((usize, usize), u64)> {
        match &self.counts {
            PairCounts::Dense { width, counts } => {
                let counts = counts.iter().enumerate().filter(|(_, count)| **count > 0);
                let pairs = counts.map(|(index, count)| ((index / width, index % width), *count));
                pairs.collect()
            }
            PairCounts::Sparse(counts) => {
                let pairs = counts.iter();
                let pairs =
                    pairs.map(|((row, column), count)| ((*row as usize, *column as usize), *count));
                pairs.collect()
            }
        }
    }
}
