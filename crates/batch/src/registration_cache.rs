//! The cache of registration cells. The key is the date and the practice code as spelled in the
//! input.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use super::answer_cells::RegistrationCells;
use super::cache::{Cached, Interner, LocalCells};
use super::days::InternedDay;
use crate::tabular::POISONED;

/// The maximum size of the cached cells in bytes.
const BYTES_MAX: usize = 8 << 20;
/// The maximum number of spellings of practice codes that are cached.
const PRACTICE_IDS_MAX: usize = 1 << 16;
/// The number of slots for recently used practices, which is enough for the practices at which the
/// patients of a whole region are registered.
const RECENT_PRACTICES: usize = 1 << RECENT_PRACTICES_BITS;
const RECENT_PRACTICES_BITS: u32 = 10;
/// The maximum length of a cached spelling of a practice code.
const PRACTICE_BYTES_MAX: usize = 15;

/// A practice code in its spelling in a row. Only short spellings are cached.
type PracticeKey = u128;

/// The registration cells that all threads share.
pub(super) struct SharedRegistrations {
    cells: Interner<RegistrationCells>,
    /// The ids of entries of `cells`, by practice code as spelled in the input and by day.
    practice_ids: RwLock<HashMap<(PracticeKey, u16), u32>>,
}

impl SharedRegistrations {
    pub(super) fn new() -> SharedRegistrations {
        SharedRegistrations {
            cells: Interner::new(BYTES_MAX),
            practice_ids: RwLock::new(HashMap::new()),
        }
    }
}

/// The cache of one thread.
pub(super) struct RegistrationCache<'s> {
    shared: &'s SharedRegistrations,
    pub(super) local: LocalCells<RegistrationCells>,
    /// Recently used practices, by a hash of their spelling.
    recent: Vec<RecentPractice>,
}

#[derive(Clone, Copy)]
struct RecentPractice {
    practice: PracticeKey,
    day: u16,
    id: u32,
}

impl<'s> RegistrationCache<'s> {
    pub(super) fn new(shared: &'s SharedRegistrations) -> RegistrationCache<'s> {
        let empty = RecentPractice {
            practice: PracticeKey::MAX,
            day: 0,
            id: 0,
        };
        RegistrationCache {
            shared,
            local: LocalCells::default(),
            recent: vec![empty; RECENT_PRACTICES],
        }
    }

    /// Finds the cells of a practice, or computes them.
    pub(super) fn find(
        &mut self,
        text: &[u8],
        day: InternedDay,
        compute: impl FnOnce() -> RegistrationCells,
    ) -> Cached<RegistrationCells> {
        let (Some(practice), Some(day)) = (practice_key(text), day.id) else {
            return Cached::Miss(Arc::new(compute()));
        };
        let slot = recent_slot(practice, day);
        let recent = self.recent[slot];
        if recent.practice == practice && recent.day == day {
            return Cached::Hit(recent.id as usize);
        }
        let key = (practice, day);
        let practice_ids = &self.shared.practice_ids;
        let cached_id = practice_ids.read().expect(POISONED).get(&key).copied();
        let id = match cached_id {
            Some(id) => id,
            None => {
                let computed = Arc::new(compute());
                let Some(id) = self.shared.cells.intern(&computed, computed.size_bytes()) else {
                    return Cached::Miss(computed);
                };
                let mut practices = practice_ids.write().expect(POISONED);
                if practices.len() < PRACTICE_IDS_MAX {
                    practices.insert(key, id);
                }
                id
            }
        };
        self.recent[slot] = RecentPractice { practice, day, id };
        self.local.hit(&self.shared.cells, id)
    }
}

/// Encodes text of up to 15 bytes as an integer key. Never returns the greatest integer.
fn practice_key(text: &[u8]) -> Option<PracticeKey> {
    let length = u8::try_from(text.len()).ok()?;
    let mut bytes = [0; 16];
    bytes
        .get_mut(..PRACTICE_BYTES_MAX)?
        .get_mut(..text.len())?
        .copy_from_slice(text);
    bytes[PRACTICE_BYTES_MAX] = length;
    Some(PracticeKey::from_le_bytes(bytes))
}

/// Returns the slot of a practice in `RegistrationCache::recent`.
fn recent_slot(practice: PracticeKey, day: u16) -> usize {
    let half = |offset: usize| {
        let bytes = practice.to_le_bytes();
        u64::from_le_bytes(*bytes[offset..].first_chunk().expect("two halves"))
    };
    let mixed = half(0) ^ half(8).rotate_left(32) ^ u64::from(day);
    let mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (64 - RECENT_PRACTICES_BITS)).expect("below RECENT_PRACTICES")
}
