//! Tables of values that rows share. A row contains only the index of a value in a table.

use std::collections::HashMap;
use std::hash::Hash;

use super::IndexError;
use crate::domain::{RecordIndex, Termination};

/// The tables of the values that rows share.
#[derive(Debug, Default)]
pub(super) struct RowTables {
    areas: Vec<RowAreas>,
    terminations: Vec<Termination>,
}

/// The statistical area and the other codes of a postcode. There are hardly more such combinations
/// than statistical areas, so the table for a whole country stays in the level 2 cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct RowAreas {
    pub(super) statistical_area: Option<RecordIndex>,
    pub(super) codes: Option<RecordIndex>,
}

/// The maximum number of combinations of areas. The ids of the combinations must fit in 21 bits,
/// and id 0 means that a postcode has no areas. Great Britain has about 230,000 statistical areas
/// of the smallest kind.
pub(super) const AREAS_MAX: u32 = (1 << 21) - 1;

/// The maximum number of pairs of editions: the number of values above the value of December 9998
/// that fit in 17 bits.
pub(super) const TERMINATIONS_MAX: u32 = 32_681;

impl RowTables {
    /// Returns the areas with this id, where id 0 means no areas.
    pub(super) fn areas(&self, id: u32) -> RowAreas {
        match id.checked_sub(1) {
            Some(index) => self.areas[index as usize],
            None => RowAreas::default(),
        }
    }

    pub(super) fn termination(&self, id: u32) -> Termination {
        self.terminations[id as usize]
    }
}

/// Collects the values that rows share.
#[derive(Default)]
pub(super) struct RowTablesBuilder {
    areas: InternedValues<RowAreas>,
    terminations: InternedValues<Termination>,
}

impl RowTablesBuilder {
    pub(super) fn areas_id(&mut self, areas: RowAreas) -> Result<u32, IndexError> {
        if areas == RowAreas::default() {
            return Ok(0);
        }
        let what = "combinations of statistical areas and codes";
        Ok(self.areas.id_of(areas, AREAS_MAX, what)? + 1)
    }

    pub(super) fn termination_id(&mut self, value: Termination) -> Result<u32, IndexError> {
        let what = "pairs of months between which postcodes ended";
        self.terminations.id_of(value, TERMINATIONS_MAX, what)
    }

    pub(super) fn finish(self) -> RowTables {
        RowTables {
            areas: self.areas.values,
            terminations: self.terminations.values,
        }
    }
}

struct InternedValues<T> {
    values: Vec<T>,
    ids: HashMap<T, u32>,
    /// The last value and its id. This pair is stored because neighbouring postcodes often have the
    /// same value.
    last: Option<(T, u32)>,
}

impl<T> Default for InternedValues<T> {
    fn default() -> InternedValues<T> {
        InternedValues {
            values: Vec::new(),
            ids: HashMap::new(),
            last: None,
        }
    }
}

impl<T: Copy + Eq + Hash> InternedValues<T> {
    fn id_of(&mut self, value: T, limit: u32, what: &'static str) -> Result<u32, IndexError> {
        if let Some((last, id)) = self.last
            && last == value
        {
            return Ok(id);
        }
        let id = match self.ids.get(&value) {
            Some(&id) => id,
            None => {
                let next = u32::try_from(self.values.len()).ok();
                let id = next.filter(|id| *id < limit);
                let id = id.ok_or(IndexError::TooMany { what, limit })?;
                self.values.push(value);
                self.ids.insert(value, id);
                id
            }
        };
        self.last = Some((value, id));
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_id_and_too_many_are_an_error() {
        let mut values = InternedValues::default();
        let mut id = |value: &'static str| values.id_of(value, 2, "words");
        assert!(matches!(id("a"), Ok(0)));
        assert!(matches!(id("a"), Ok(0)));
        assert!(matches!(id("b"), Ok(1)));
        assert!(matches!(id("a"), Ok(0)));
        let error = id("c").expect_err("too many");
        assert_eq!(error.to_string(), "there are more than 2 words");
    }
}
