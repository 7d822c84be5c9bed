use std::num::NonZeroU32;

/// The index of a record in a table of the dataset. `Option<RecordIndex>` takes four bytes, half
/// the size of `Option<u32>`. The smaller size saves memory, because a dataset contains an index
/// for each of millions of postcodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordIndex(NonZeroU32);

impl RecordIndex {
    /// Returns the index with this value.
    ///
    /// # Panics
    /// If the value is `u32::MAX`, which no table reaches.
    pub fn new(index: u32) -> RecordIndex {
        let successor = index.checked_add(1).and_then(NonZeroU32::new);
        RecordIndex(successor.expect("no table has 2^32 records"))
    }

    /// Returns the value of the index.
    pub fn get(self) -> u32 {
        self.0.get() - 1
    }
}
