//! Bounded caches of computed answers, shared by all threads.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use crate::tabular::POISONED;
use catchment_core::domain::Postcode;

/// A slot consists of a key of 46 bits and an id of 18 bits, so that a thread reads a slot with a
/// single load and without a lock.
const ID_BITS: u32 = 18;
const KEY_MASK: u64 = (1 << (64 - ID_BITS)) - 1;
/// In the key, 12 bits are for the id of the date and 34 bits are for the postcode.
const POSTCODE_BITS: u32 = 34;
/// The maximum number of dates that are assigned an id. Answers for other dates are not cached.
pub(super) const DAYS_MAX: usize = 1 << 12;
/// The maximum number of cached values.
const IDS_MAX: usize = 1 << ID_BITS;
/// The number of slots in a bucket, all of which are checked for a key.
const PROBES: usize = 8;
/// The maximum number of slots. They require 16 MiB, which is enough for every live postcode of
/// Great Britain.
const SLOTS_MAX: usize = 1 << 21;
/// The minimum number of slots.
const SLOTS_MIN: usize = 1 << 14;

/// A lossy cache that maps a postcode and a date to the id of the answer. Entries may be evicted
/// but are never wrong.
pub(super) struct AnswerCache {
    buckets: Vec<Bucket>,
}

/// The slots that may contain a key. The slots fill one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Bucket([AtomicU64; PROBES]);

impl AnswerCache {
    /// Creates a cache for `postcodes` postcodes. The number of slots is the next power of two, but
    /// at least [`SLOTS_MIN`] and at most [`SLOTS_MAX`].
    pub(super) fn new(postcodes: usize) -> AnswerCache {
        let slots = postcodes.next_power_of_two().clamp(SLOTS_MIN, SLOTS_MAX);
        AnswerCache {
            buckets: (0..slots / PROBES).map(|_| Bucket::default()).collect(),
        }
    }

    /// Returns the id of the cached answer.
    pub(super) fn get(&self, key: AnswerKey) -> Option<u32> {
        self.bucket(key)
            .iter()
            .map(|slot| slot.load(Ordering::Acquire))
            .find(|slot| slot & KEY_MASK == key.0)
            .map(|slot| u32::try_from(slot >> (64 - ID_BITS)).expect("18 bits"))
    }

    /// Inserts an entry. If the bucket is full, another entry is evicted.
    pub(super) fn insert(&self, key: AnswerKey, id: u32) {
        let entry = key.0 | (u64::from(id) << (64 - ID_BITS));
        let bucket = self.bucket(key);
        let is_free = |slot: &&AtomicU64| slot.load(Ordering::Relaxed) == 0;
        let slot = bucket.iter().find(is_free);
        let slot = slot.unwrap_or(&bucket[usize::from(key.hash().to_le_bytes()[0]) % PROBES]);
        slot.store(entry, Ordering::Release);
    }

    fn bucket(&self, key: AnswerKey) -> &[AtomicU64; PROBES] {
        // The high bits of the hash are well mixed, so they are used for the index.
        let index = usize::try_from(key.hash() >> 20).expect("44 bits") & (self.buckets.len() - 1);
        &self.buckets[index].0
    }
}

/// A cache key: a date, and either a postcode or a kind of text that is not a postcode. A key is
/// never zero, because zero marks a free slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnswerKey(u64);

/// A kind of text that is not a postcode.
#[derive(Debug, Clone, Copy)]
pub(super) enum NonPostcode {
    Missing,
    Partial,
    Malformed,
    NotRequested,
}

/// The number of kinds of text that are not postcodes, rounded up.
const NON_POSTCODES: u64 = 16;

/// The number of encodable postcodes: 37^4 outward codes, each with 6,760 inward codes.
const POSTCODE_COUNT: u64 = 37 * 37 * 37 * 37 * 6_760;

impl AnswerKey {
    pub(super) fn postcode(postcode: Postcode, day: u16) -> AnswerKey {
        let [a, b, c, d, e, f, g] = postcode.pcd7();
        let outcode = [a, b, c, d]
            .into_iter()
            .fold(0, |number, byte| number * 37 + base37_digit(byte));
        let letter = |byte: u8| u64::from(byte - b'A');
        let incode = (u64::from(e - b'0') * 26 + letter(f)) * 26 + letter(g);
        AnswerKey::new(outcode * 6_760 + incode, day)
    }

    pub(super) fn non_postcode(kind: NonPostcode, day: u16) -> AnswerKey {
        AnswerKey::new(POSTCODE_COUNT + kind as u64, day)
    }

    /// Returns the key of a statistical area with this position among all areas.
    pub(super) fn statistical_area(position: u32, day: u16) -> AnswerKey {
        AnswerKey::new(POSTCODE_COUNT + NON_POSTCODES + u64::from(position), day)
    }

    fn new(ordinal: u64, day: u16) -> AnswerKey {
        AnswerKey((ordinal + 1) | (u64::from(day) << POSTCODE_BITS))
    }

    fn hash(self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn base37_digit(byte: u8) -> u64 {
    match byte {
        b'0'..=b'9' => u64::from(byte - b'0') + 1,
        b'A'..=b'Z' => u64::from(byte - b'A') + 11,
        _ => 0,
    }
}

/// An append-only store of values that assigns each distinct value an id.
pub(super) struct Interner<T> {
    interned: RwLock<Interned<T>>,
    bytes_max: usize,
}

struct Interned<T> {
    values: Vec<Arc<T>>,
    ids: HashMap<Arc<T>, u32>,
    bytes: usize,
}

impl<T: Eq + Hash> Interner<T> {
    pub(super) fn new(bytes_max: usize) -> Interner<T> {
        Interner {
            interned: RwLock::new(Interned {
                values: Vec::new(),
                ids: HashMap::new(),
                bytes: 0,
            }),
            bytes_max,
        }
    }

    /// Stores a value and returns its id. Returns `None` if there is no space for the value.
    pub(super) fn intern(&self, value: &Arc<T>, size_bytes: usize) -> Option<u32> {
        let mut interned = self.interned.write().expect(POISONED);
        if let Some(id) = interned.ids.get(value) {
            return Some(*id);
        }
        if interned.bytes + size_bytes > self.bytes_max || interned.values.len() == IDS_MAX {
            return None;
        }
        let id = u32::try_from(interned.values.len()).expect("18 bits");
        interned.bytes += size_bytes;
        interned.values.push(Arc::clone(value));
        interned.ids.insert(Arc::clone(value), id);
        Some(id)
    }

    /// Appends to `local`, a thread's own copy, the values that are not yet in it.
    pub(super) fn copy_new_to(&self, local: &mut Vec<Arc<T>>) {
        let interned = self.interned.read().expect(POISONED);
        local.extend(interned.values[local.len()..].iter().cloned());
    }
}

/// Cells that were found in a cache, or were computed for one row.
pub(super) enum Cached<T> {
    /// The index of the cells in [`LocalCells`].
    Hit(usize),
    Miss(Arc<T>),
}

/// A thread's own copy of an [`Interner`], and the number of rows for each of the values.
pub(super) struct LocalCells<T> {
    cells: Vec<Arc<T>>,
    counts: Vec<u64>,
}

impl<T> Default for LocalCells<T> {
    fn default() -> LocalCells<T> {
        LocalCells {
            cells: Vec::new(),
            counts: Vec::new(),
        }
    }
}

impl<T: Eq + Hash> LocalCells<T> {
    /// Returns the cells with this id, which are in `shared`.
    pub(super) fn hit(&mut self, shared: &Interner<T>, id: u32) -> Cached<T> {
        let index = id as usize;
        if index >= self.cells.len() {
            shared.copy_new_to(&mut self.cells);
        }
        Cached::Hit(index)
    }

    /// Returns the cells with this id, if the copy already contains them.
    pub(super) fn by_id(&self, id: u32) -> Option<&T> {
        self.cells.get(id as usize).map(Arc::as_ref)
    }

    pub(super) fn get<'c>(&'c self, cached: &'c Cached<T>) -> &'c T {
        match cached {
            Cached::Hit(index) => &self.cells[*index],
            Cached::Miss(cells) => cells,
        }
    }

    /// Counts a row with the cells at this index.
    pub(super) fn count(&mut self, index: usize) {
        if self.counts.len() <= index {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += 1;
    }

    /// Returns the cells, each with the number of rows that contain them.
    pub(super) fn into_counts(self) -> impl Iterator<Item = (Arc<T>, u64)> {
        self.cells.into_iter().zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postcode(text: &str) -> Postcode {
        text.parse().expect("a postcode")
    }

    #[test]
    fn keys_are_unique_per_postcode_and_day() {
        let mut keys: Vec<u64> = [
            "LA1 1AA", "LA11 1AA", "LA1 1AB", "SW1A 1AA", "ZZ99 3VZ", "B1 1AA",
        ]
        .iter()
        .flat_map(|text| [0, 1, 4_095].map(|day| AnswerKey::postcode(postcode(text), day).0))
        .chain([0, 1].map(|day| AnswerKey::non_postcode(NonPostcode::Missing, day).0))
        .chain([AnswerKey::non_postcode(NonPostcode::NotRequested, 0).0])
        .chain([0, u32::MAX].map(|position| AnswerKey::statistical_area(position, 4_095).0))
        .collect();
        assert!(keys.iter().all(|&key| key != 0 && key <= KEY_MASK));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
        const { assert!(POSTCODE_COUNT + NON_POSTCODES + (1 << u32::BITS) < 1 << POSTCODE_BITS) };
    }

    #[test]
    fn cached_answers_are_correct_after_evictions() {
        let cache = AnswerCache::new(1);
        let areas = ["B", "E", "G", "L", "M", "N", "S", "W", "CA", "LA"];
        let letters = b"ABDEFGHJLN";
        let all: Vec<Postcode> = (0..100_000_usize)
            .map(|index| {
                let (area, district) = (index / 10_000, index / 1_000 % 10);
                let letter = |index: usize| char::from(letters[index % 10]);
                let (sector, unit) = (index / 100 % 10, [letter(index / 10), letter(index)]);
                format!("{}{district} {sector}{}{}", areas[area], unit[0], unit[1])
            })
            .map(|text| postcode(&text))
            .collect();
        for (id, &postcode) in (0..).zip(&all) {
            cache.insert(AnswerKey::postcode(postcode, 7), id);
        }
        let mut hits = 0;
        for (id, &postcode) in (0..).zip(&all) {
            if let Some(found) = cache.get(AnswerKey::postcode(postcode, 7)) {
                assert_eq!(found, id);
                hits += 1;
            }
            assert_eq!(cache.get(AnswerKey::postcode(postcode, 8)), None);
        }
        assert!(hits > 10_000, "{hits}");
    }

    #[test]
    fn values_are_interned_once_and_within_the_byte_limit() {
        let interner: Interner<String> = Interner::new(10);
        let value = |text: &str| Arc::new(text.to_string());
        assert_eq!(interner.intern(&value("a"), 5), Some(0));
        assert_eq!(interner.intern(&value("b"), 5), Some(1));
        assert_eq!(interner.intern(&value("a"), 5), Some(0));
        assert_eq!(interner.intern(&value("c"), 5), None);
        let mut local = vec![value("a")];
        interner.copy_new_to(&mut local);
        assert_eq!(local.len(), 2);
    }
}
