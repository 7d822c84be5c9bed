//! The answers of a previous run, with which the rows of the input are compared.
//!
//! For each row, only hashes and numbers are stored: a hash of 128 bits of its key, hashes of its
//! location and practice, and the numbers of its communities. A row requires 56 bytes.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::line_sample::LineSample;
use super::row_location::RowLocation;
use catchment_core::domain::OdsCode;
use catchment_core::index::Locator;
use catchment_data::memory;

/// A 128-bit hash of the key of a row. Two keys practically never have the same hash.
pub(super) type KeyHash = [u64; 2];

/// The answers of a previous run.
pub struct PreviousAnswers {
    /// The name of the column with the keys.
    pub(super) key_column: String,
    /// The rows, in order of their keys and lines.
    rows: Vec<PreviousRow>,
    /// The distinct values of the cells with communities.
    communities: Vec<String>,
    /// Whether the answers state which practice was responsible for the patients.
    pub(super) has_practices: bool,
    /// The number of rows.
    pub(super) row_count: u64,
    /// The rows that could not be read in this run or in the previous run.
    pub(super) bad_rows: LineSample,
    /// The rows without a key.
    pub(super) missing_keys: LineSample,
    /// The rows whose key also occurs in other rows. Such rows are not compared.
    pub(super) repeated_keys: LineSample,
    /// The number of keys of the input that all threads together may still store.
    keys_left: AtomicUsize,
}

/// The number of keys for which a thread reserves memory at a time.
const KEYS_RESERVED: usize = 1 << 12;

/// A row of the previous answers.
#[derive(Clone, Copy)]
pub(super) struct PreviousRow {
    pub(super) key: KeyHash,
    pub(super) location: u64,
    /// The practice in the row.
    pub(super) practice: u64,
    /// The practice that was responsible for the patients, or 0 if the answers do not state it.
    pub(super) responsible: u32,
    /// The numbers of the communities by residence and by registration.
    pub(super) residence: u32,
    pub(super) registration: u32,
    pub(super) line: u32,
    /// Whether the previous dataset contained the position of the postcode.
    pub(super) is_in_directory: bool,
}

/// The result of searching for a key.
pub(super) enum MatchedKey<'p> {
    /// No row has this key.
    None,
    /// Several rows have this key.
    Several,
    One(&'p PreviousRow),
}

/// Prints no fields, because they may identify people.
impl fmt::Debug for PreviousAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreviousAnswers(…)")
    }
}

impl PreviousAnswers {
    /// Finds the row with a key.
    pub(super) fn find(&self, key: KeyHash) -> MatchedKey<'_> {
        let first = self.rows.partition_point(|row| row.key < key);
        let has_key = |row: &&PreviousRow| row.key == key;
        match (
            self.rows.get(first).filter(has_key),
            self.rows.get(first + 1).filter(has_key),
        ) {
            (None, _) => MatchedKey::None,
            (Some(row), None) => MatchedKey::One(row),
            (Some(_), Some(_)) => MatchedKey::Several,
        }
    }

    /// Reserves memory for keys of the input. Returns the number of keys, which is 0 if no memory
    /// is left.
    pub(super) fn reserve_keys(&self) -> usize {
        let reserve = |left: usize| left.checked_sub(KEYS_RESERVED);
        let (order, left) = (Ordering::Relaxed, &self.keys_left);
        match left.fetch_update(order, order, reserve) {
            Ok(_) => KEYS_RESERVED,
            Err(_) => 0,
        }
    }

    /// Returns the text of the cell with communities that has the number `number`.
    pub(super) fn communities(&self, number: u32) -> &str {
        &self.communities[number as usize]
    }

    /// Returns the rows whose key is unique, in order of their keys.
    pub(super) fn unique_rows(&self) -> impl Iterator<Item = &PreviousRow> {
        let same_key = self.rows.chunk_by(|a, b| a.key == b.key);
        same_key.filter_map(|rows| match rows {
            [row] => Some(row),
            _ => None,
        })
    }
}

/// Collects the rows of previous answers.
#[derive(Default)]
pub(super) struct PreviousCollector {
    rows: Vec<PreviousRow>,
    communities: Vec<String>,
    numbers: HashMap<String, u32>,
    row_count: u64,
    bad_rows: LineSample,
    missing_keys: LineSample,
}

impl PreviousCollector {
    /// Returns the number of a value of the cells with communities.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.communities.len()).expect("few communities");
        self.communities.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    pub(super) fn add(&mut self, row: PreviousRow) {
        self.row_count += 1;
        self.rows.push(row);
    }

    pub(super) fn add_bad_row(&mut self, line: u64) {
        self.row_count += 1;
        self.bad_rows.add(|| line);
    }

    pub(super) fn add_without_key(&mut self, line: u64) {
        self.row_count += 1;
        self.missing_keys.add(|| line);
    }

    /// Returns the number of stored rows.
    pub(super) fn held(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn finish(mut self, key_column: String, has_practices: bool) -> PreviousAnswers {
        self.rows.sort_unstable_by_key(|row| (row.key, row.line));
        let same_key = self.rows.chunk_by(|a, b| a.key == b.key);
        let repeated = same_key.filter(|rows| rows.len() > 1).flatten();
        let repeated = repeated.map(|row| u64::from(row.line)).collect();
        PreviousAnswers {
            key_column,
            has_practices,
            row_count: self.row_count,
            bad_rows: self.bad_rows,
            missing_keys: self.missing_keys,
            repeated_keys: LineSample::of_lines(repeated),
            rows: self.rows,
            communities: self.communities,
            keys_left: AtomicUsize::new(rows_max()),
        }
    }
}

/// Returns the maximum number of rows of previous answers that may be stored. The same number of
/// input rows may be stored. The rows may use a quarter of the available memory, and the limit
/// allows for the fact that rows require three times their size while they are collected.
pub(super) fn rows_max() -> usize {
    let available = memory::available_memory_bytes(Path::new("/")).unwrap_or(4 << 30);
    let row_bytes = 3 * (size_of::<PreviousRow>() + size_of::<(KeyHash, u64)>());
    usize::try_from(available / 4).unwrap_or(usize::MAX) / row_bytes
}

/// Returns the hash of a key, or `None` if the key is empty. White space around the key is ignored.
pub(super) fn key_hash(key: &[u8]) -> Option<KeyHash> {
    let key = key.trim_ascii();
    let half = |number: u8| {
        let mut hasher = DefaultHasher::new();
        (number, key).hash(&mut hasher);
        hasher.finish()
    };
    (!key.is_empty()).then(|| [half(0), half(1)])
}

/// Returns a hash with which the locations of two rows are compared. All values that are not a
/// location have the same hash.
pub(super) fn location_hash(location: &RowLocation) -> u64 {
    let mut hasher = DefaultHasher::new();
    match location.locator() {
        Some(Locator::Postcode(postcode)) => (1, postcode.pcd7()).hash(&mut hasher),
        Some(Locator::LonLat(lonlat)) => {
            let (lon, lat) = (lonlat.lon().to_bits(), lonlat.lat().to_bits());
            (2, lon, lat).hash(&mut hasher);
        }
        Some(Locator::Grid(grid)) => (3, grid).hash(&mut hasher),
        Some(Locator::StatisticalArea(asked)) => (4, asked.code.as_str()).hash(&mut hasher),
        Some(Locator::Uprn(uprn)) => (5, uprn.number()).hash(&mut hasher),
        None => 0_u8.hash(&mut hasher),
    }
    hasher.finish()
}

/// Returns a hash with which the practice codes of two rows are compared. All values that are not a
/// code have the same hash.
pub(super) fn practice_hash(text: &[u8]) -> u64 {
    let code = std::str::from_utf8(text).ok();
    let code = code.and_then(|text| text.parse::<OdsCode>().ok());
    let mut hasher = DefaultHasher::new();
    code.hash(&mut hasher);
    hasher.finish()
}

/// Returns a short hash of the practice that is responsible for the patients, or 0 if there is no
/// practice.
pub(super) fn responsible_hash(code: &str) -> u32 {
    if code.is_empty() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    code.hash(&mut hasher);
    // Zero means no practice.
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).max(1)
}

/// Returns whether a row with this status was answered from data that contained the position of its
/// postcode.
pub(super) fn is_in_directory(status: &str) -> bool {
    !matches!(
        status,
        "unknown_postcode" | "unknown_area" | "unknown_uprn" | "uprn_unavailable" | "no_location"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, line: u32) -> PreviousRow {
        PreviousRow {
            key: key_hash(key.as_bytes()).expect("a key"),
            location: 0,
            practice: 0,
            responsible: 0,
            residence: 0,
            registration: 0,
            line,
            is_in_directory: true,
        }
    }

    #[test]
    fn a_row_takes_56_bytes() {
        assert_eq!(size_of::<PreviousRow>(), 56);
    }

    #[test]
    fn rows_are_found_by_their_key_unless_it_is_repeated() {
        let mut collector = PreviousCollector::default();
        for (line, key) in (2..).zip(["7", "a", "7", "b", "c", "c", "c"]) {
            collector.add(row(key, line));
        }
        collector.add_bad_row(9);
        collector.add_without_key(10);
        assert_eq!(collector.held(), 7);
        let answers = collector.finish("id".into(), false);
        let line = |key: &[u8]| match answers.find(key_hash(key).expect("a key")) {
            MatchedKey::None => 0,
            MatchedKey::Several => u32::MAX,
            MatchedKey::One(row) => row.line,
        };
        assert_eq!([line(b"a"), line(b" b "), line(b"x")], [3, 5, 0]);
        assert_eq!([line(b"7"), line(b"c")], [u32::MAX; 2]);
        assert_eq!(answers.row_count, 9);
        assert_eq!(answers.repeated_keys.rows, 5);
        assert_eq!(answers.repeated_keys.first_lines, [2, 4, 6, 7, 8]);
        assert_eq!(answers.unique_rows().count(), 2);
        assert_eq!(key_hash(b"  "), None);
        assert_eq!(format!("{answers:?}"), "PreviousAnswers(…)");
    }

    #[test]
    fn communities_are_numbered_once() {
        let mut collector = PreviousCollector::default();
        let numbers = ["", "mb-east", "", "mb-east"].map(|text| collector.number(text));
        assert_eq!(numbers, [0, 1, 0, 1]);
        let answers = collector.finish("id".into(), false);
        assert_eq!(answers.communities(1), "mb-east");
    }

    #[test]
    fn codes_are_compared_without_case_and_white_space() {
        assert_eq!(practice_hash(b"p81 002"), practice_hash(b"P81002"));
        assert_ne!(practice_hash(b"P81002"), practice_hash(b"P81003"));
        assert_eq!(practice_hash(b""), practice_hash(b"\xff"));
        assert_eq!(responsible_hash(""), 0);
        assert_ne!(responsible_hash("P81002"), responsible_hash("P81003"));
    }
}
