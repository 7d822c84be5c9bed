//! Bounded caches of computed answers, shared by all threads.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use crate::domain::Postcode;

/// A slot holds a key of 46 bits and an id of 18 bits, so that a look-up is one load and takes no
/// lock.
const NUMBER_BITS: u32 = 18;
const KEY_MASK: u64 = (1 << (64 - NUMBER_BITS)) - 1;
/// Of the key, the day's id takes 12 bits and the postcode 34.
const POSTCODE_BITS: u32 = 34;
/// The maximum number of dates with an id; answers for other dates are not cached.
pub(super) const DAYS_MAX: usize = 1 << 12;
/// The maximum number of cached values.
const NUMBERS_MAX: usize = 1 << NUMBER_BITS;
/// The number of slots that are checked for a key.
const PROBES: usize = 8;
/// 16 MiB: enough for every live postcode of Great Britain.
const SLOTS_MAX: usize = 1 << 21;
const SLOTS_MIN: usize = 1 << 14;

/// A lossy cache that maps a postcode and a date to the id of the answer. Entries may be evicted
/// but are never wrong.
pub(super) struct Known {
    buckets: Vec<Bucket>,
}

/// The slots that may hold a key: one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Bucket([AtomicU64; PROBES]);

impl Known {
    /// Creates a cache for this many postcodes, sized so that half to all of the slots will be
    /// used.
    pub(super) fn new(postcodes: usize) -> Known {
        let slots = postcodes.next_power_of_two().clamp(SLOTS_MIN, SLOTS_MAX);
        Known {
            buckets: (0..slots / PROBES).map(|_| Bucket::default()).collect(),
        }
    }

    /// Returns the id of the cached answer.
    pub(super) fn get(&self, key: Key) -> Option<u32> {
        self.bucket(key)
            .iter()
            .map(|slot| slot.load(Ordering::Acquire))
            .find(|slot| slot & KEY_MASK == key.0)
            .map(|slot| u32::try_from(slot >> (64 - NUMBER_BITS)).expect("18 bits"))
    }

    /// Inserts an entry, evicting another one if the bucket is full.
    pub(super) fn put(&self, key: Key, number: u32) {
        let entry = key.0 | (u64::from(number) << (64 - NUMBER_BITS));
        let bucket = self.bucket(key);
        let is_free = |slot: &&AtomicU64| slot.load(Ordering::Relaxed) == 0;
        let slot = bucket.iter().find(is_free);
        let slot = slot.unwrap_or(&bucket[usize::from(key.hash().to_le_bytes()[0]) % PROBES]);
        slot.store(entry, Ordering::Release);
    }

    fn bucket(&self, key: Key) -> &[AtomicU64; PROBES] {
        // The high bits of the product are well mixed.
        let at = usize::try_from(key.hash() >> 20).expect("44 bits") & (self.buckets.len() - 1);
        &self.buckets[at].0
    }
}

/// A cache key: a postcode, or a kind of text that is not a postcode, and a date. Never zero: zero
/// marks a free slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u64);

/// A kind of text that is not a postcode.
#[derive(Debug, Clone, Copy)]
pub(super) enum NoPostcode {
    Missing,
    Partial,
    Malformed,
    NotAsked,
}

/// The number of encodable postcodes: 37^4 outward codes, each with 6,760 inward codes.
const POSTCODES: u64 = 37 * 37 * 37 * 37 * 6_760;

impl Key {
    pub(super) fn postcode(postcode: Postcode, day: u16) -> Key {
        let [a, b, c, d, e, f, g] = postcode.pcd7();
        let outcode = [a, b, c, d]
            .into_iter()
            .fold(0, |number, byte| number * 37 + symbol(byte));
        let letter = |byte: u8| u64::from(byte - b'A');
        let incode = (u64::from(e - b'0') * 26 + letter(f)) * 26 + letter(g);
        Key::new(outcode * 6_760 + incode, day)
    }

    pub(super) fn no_postcode(what: NoPostcode, day: u16) -> Key {
        Key::new(POSTCODES + what as u64, day)
    }

    fn new(number: u64, day: u16) -> Key {
        Key((number + 1) | (u64::from(day) << POSTCODE_BITS))
    }

    fn hash(self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn symbol(byte: u8) -> u64 {
    match byte {
        b'0'..=b'9' => u64::from(byte - b'0') + 1,
        b'A'..=b'Z' => u64::from(byte - b'A') + 11,
        _ => 0,
    }
}

/// An append-only store of values that assigns each distinct value an id.
pub(super) struct Parts<T> {
    kept: RwLock<Kept<T>>,
    bytes_max: usize,
}

struct Kept<T> {
    all: Vec<Arc<T>>,
    numbers: HashMap<Arc<T>, u32>,
    bytes: usize,
}

impl<T: Eq + Hash> Parts<T> {
    pub(super) fn new(bytes_max: usize) -> Parts<T> {
        Parts {
            kept: RwLock::new(Kept {
                all: Vec::new(),
                numbers: HashMap::new(),
                bytes: 0,
            }),
            bytes_max,
        }
    }

    /// Stores a value and returns its id, or returns `None` if there is no space for it.
    pub(super) fn keep(&self, part: &Arc<T>, size_bytes: usize) -> Option<u32> {
        let mut kept = self.kept.write().expect(UNPOISONED);
        if let Some(number) = kept.numbers.get(part) {
            return Some(*number);
        }
        if kept.bytes + size_bytes > self.bytes_max || kept.all.len() == NUMBERS_MAX {
            return None;
        }
        let number = u32::try_from(kept.all.len()).expect("18 bits");
        kept.bytes += size_bytes;
        kept.all.push(Arc::clone(part));
        kept.numbers.insert(Arc::clone(part), number);
        Some(number)
    }

    /// Appends the values that a thread's own copy does not have yet.
    pub(super) fn copy_to(&self, own: &mut Vec<Arc<T>>) {
        let kept = self.kept.read().expect(UNPOISONED);
        own.extend(kept.all[own.len()..].iter().cloned());
    }
}

/// The same for texts, without a size limit: there are few of them.
#[derive(Default)]
pub(super) struct Numbers(RwLock<HashMap<String, usize>>);

impl Numbers {
    /// Returns the id of a text; ids count from 0 and the same text always has the same id.
    pub(super) fn of(&self, text: &str) -> usize {
        if let Some(number) = self.0.read().expect(UNPOISONED).get(text) {
            return *number;
        }
        let mut numbers = self.0.write().expect(UNPOISONED);
        let next = numbers.len();
        *numbers.entry(text.to_string()).or_insert(next)
    }
}

pub(super) const UNPOISONED: &str = "a thread that panics ends the run";

#[cfg(test)]
mod tests {
    use super::*;

    fn postcode(text: &str) -> Postcode {
        text.parse().expect("a postcode")
    }

    #[test]
    fn keys_tell_postcodes_and_days_apart() {
        let mut keys: Vec<u64> = [
            "LA1 1AA", "LA11 1AA", "LA1 1AB", "SW1A 1AA", "ZZ99 3VZ", "B1 1AA",
        ]
        .iter()
        .flat_map(|text| [0, 1, 4_095].map(|day| Key::postcode(postcode(text), day).0))
        .chain([0, 1].map(|day| Key::no_postcode(NoPostcode::Missing, day).0))
        .chain([Key::no_postcode(NoPostcode::NotAsked, 0).0])
        .collect();
        assert!(keys.iter().all(|&key| key != 0 && key <= KEY_MASK));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
        const { assert!(POSTCODES + 16 < 1 << POSTCODE_BITS) };
    }

    #[test]
    fn what_is_remembered_is_right_however_much_is_forgotten() {
        let known = Known::new(1);
        let letters = b"ABDEFGHJLN";
        let all: Vec<Postcode> = (0..100_000_usize)
            .map(|at| {
                let (area, district) = (at / 10_000, at / 1_000 % 10);
                let letter = |at: usize| char::from(letters[at % 10]);
                let (sector, unit) = (at / 100 % 10, [letter(at / 10), letter(at)]);
                format!("{}{district} {sector}{}{}", letter(area), unit[0], unit[1])
            })
            .map(|text| postcode(&text))
            .collect();
        for (number, &postcode) in (0..).zip(&all) {
            known.put(Key::postcode(postcode, 7), number);
        }
        let mut remembered = 0;
        for (number, &postcode) in (0..).zip(&all) {
            if let Some(found) = known.get(Key::postcode(postcode, 7)) {
                assert_eq!(found, number);
                remembered += 1;
            }
            assert_eq!(known.get(Key::postcode(postcode, 8)), None);
        }
        assert!(remembered > 10_000, "{remembered}");
    }

    #[test]
    fn parts_are_kept_once_and_within_bounds() {
        let parts: Parts<String> = Parts::new(10);
        let part = |text: &str| Arc::new(text.to_string());
        assert_eq!(parts.keep(&part("a"), 5), Some(0));
        assert_eq!(parts.keep(&part("b"), 5), Some(1));
        assert_eq!(parts.keep(&part("a"), 5), Some(0));
        assert_eq!(parts.keep(&part("c"), 5), None);
        let mut own = vec![part("a")];
        parts.copy_to(&mut own);
        assert_eq!(own.len(), 2);
    }
}
