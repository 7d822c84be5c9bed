//! The cache of residence cells by location and date.

use std::sync::Arc;

use super::answer_cells::ResidenceCells;
use super::cache::{AnswerCache, AnswerKey, Cached, Interner, LocalCells, NonPostcode};
use super::days::InternedDay;
use super::row_location::RowLocation;
use catchment_core::domain::{InvalidPostcode, InvalidStatisticalAreaCode, InvalidUprn};
use catchment_core::index::Index;

/// The maximum size of the cached cells in bytes. It is sufficient for every postcode of a region
/// with all output columns, or for every postcode of Great Britain with the default columns.
const BYTES_MAX: usize = 24 << 20;

/// The residence cells that all threads share.
pub(super) struct SharedResidences {
    ids: AnswerCache,
    cells: Interner<ResidenceCells>,
}

impl SharedResidences {
    /// Creates a cache for `postcodes` postcodes.
    pub(super) fn new(postcodes: usize) -> SharedResidences {
        SharedResidences {
            ids: AnswerCache::new(postcodes),
            cells: Interner::new(BYTES_MAX),
        }
    }
}

/// The cache of one thread.
pub(super) struct ResidenceCache<'s> {
    shared: &'s SharedResidences,
    pub(super) local: LocalCells<ResidenceCells>,
}

impl<'s> ResidenceCache<'s> {
    pub(super) fn new(shared: &'s SharedResidences) -> ResidenceCache<'s> {
        ResidenceCache {
            shared,
            local: LocalCells::default(),
        }
    }

    /// Returns the id of the cells of a key, if they are cached.
    pub(super) fn id(&self, key: AnswerKey) -> Option<u32> {
        self.shared.ids.get(key)
    }

    /// Reads the first byte of the cells, so that the processor fetches the cells early.
    pub(super) fn prefetch(&self, id: u32) -> Option<u8> {
        Some(self.local.by_id(id)?.runs.prefetch())
    }

    /// Finds the cells of a row, or computes them. `id` is the id of the cells, if it is already
    /// known.
    pub(super) fn find(
        &mut self,
        id: Option<u32>,
        key: Option<AnswerKey>,
        compute: impl FnOnce() -> ResidenceCells,
    ) -> Cached<ResidenceCells> {
        if let Some(id) = id {
            return self.local.hit(&self.shared.cells, id);
        }
        let Some(key) = key else {
            return Cached::Miss(Arc::new(compute()));
        };
        // The cells of an earlier row in the same group may have been added with the same key.
        if let Some(id) = self.shared.ids.get(key) {
            return self.local.hit(&self.shared.cells, id);
        }
        let computed = Arc::new(compute());
        match self.shared.cells.intern(&computed, computed.size_bytes()) {
            Some(id) => {
                self.shared.ids.insert(key, id);
                self.local.hit(&self.shared.cells, id)
            }
            None => Cached::Miss(computed),
        }
    }
}

/// Returns the key of a location, or `None` if its cells are not cached, for example because the
/// location is given as coordinates. `has_suggestion` states whether the suggestion for a malformed
/// postcode is among the cells.
pub(super) fn cache_key(
    index: &Index,
    location: &RowLocation,
    day: InternedDay,
    has_suggestion: bool,
) -> Option<AnswerKey> {
    let day = day.id?;
    Some(match location {
        RowLocation::Postcode(Ok(postcode)) => AnswerKey::postcode(*postcode, day),
        RowLocation::Postcode(Err(InvalidPostcode::Missing)) => {
            AnswerKey::non_postcode(NonPostcode::Missing, day)
        }
        RowLocation::Postcode(Err(InvalidPostcode::Partial)) => {
            AnswerKey::non_postcode(NonPostcode::Partial, day)
        }
        RowLocation::Postcode(Err(InvalidPostcode::Malformed {
            hint: None,
            suggestion,
            ..
        })) if suggestion.is_none() || !has_suggestion => {
            AnswerKey::non_postcode(NonPostcode::Malformed, day)
        }
        RowLocation::StatisticalArea(Ok(area)) => {
            let area = index.statistical_area_key(*area)?;
            AnswerKey::statistical_area(index.position_of_key(area)?, day)
        }
        RowLocation::StatisticalArea(Err(InvalidStatisticalAreaCode::Missing)) => {
            AnswerKey::non_postcode(NonPostcode::Missing, day)
        }
        RowLocation::StatisticalArea(Err(InvalidStatisticalAreaCode::Malformed)) => {
            AnswerKey::non_postcode(NonPostcode::Malformed, day)
        }
        RowLocation::Uprn(Err(InvalidUprn::Missing)) => {
            AnswerKey::non_postcode(NonPostcode::Missing, day)
        }
        RowLocation::Uprn(Err(InvalidUprn::Malformed)) => {
            AnswerKey::non_postcode(NonPostcode::Malformed, day)
        }
        RowLocation::Absent => AnswerKey::non_postcode(NonPostcode::NotRequested, day),
        _ => return None,
    })
}
