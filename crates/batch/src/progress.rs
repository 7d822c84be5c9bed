//! The progress of a batch.

use std::sync::atomic::{AtomicU64, Ordering};

/// The progress of a run, which can be read during the run.
#[derive(Debug, Default)]
pub struct BatchProgress {
    rows: AtomicU64,
}

impl BatchProgress {
    /// Returns the number of rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Adds the rows of a block that has been written.
    pub(super) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }
}
