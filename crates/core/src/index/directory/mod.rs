//! The postcode directory. The directory determines which postcodes exist, where they are, which
//! postcodes start with a prefix, and which are nearest to a point.
//!
//! A postcode is found by arithmetic on its seven characters, in three reads and without a search:
//!
//! ```text
//!   L A 1 ·  1  A B            outward code, inward digit, two letters
//!   └──┬──┘  │  └┬┘
//!      ▼     │   │
//!    ids     │   │             outcode_ids: 2 bytes for each text of four characters, the id of
//!      │     │   │             the outward code, or 0 if the directory does not have it
//!      └──┬──┘   │
//!         ▼      ▼
//!  sectors[10 × id + digit]    64 bytes: whether the letters occur, and their row (sector.rs)
//!         │
//!         ▼
//!  rows[row] 16 bytes: the entry of the postcode (row.rs); codes and editions
//!                              that many rows share are in separate tables (row_tables.rs)
//! ```
//!
//! Invariants:
//!
//! - Rows are in order of postcode, and each postcode has one row. A row does not contain its
//!   postcode, because the position of the row determines the postcode.
//! - The ids of outward codes are numbers from 1 in ascending order, so sectors are also in
//!   ascending order. The first row of a sector is never less than the first row of the previous
//!   sector, even if a sector has no postcodes. An additional empty sector at the end is a
//!   sentinel. The first row of the sentinel is the row after the rows of the last real sector.
//! - Only inward codes of `ZZ99` may contain letters other than the 20 letters in `sector.rs`.
//!   `ZZ99` has no id. The postcodes of `ZZ99` are in a separate list, `pseudo_postcodes`. The rows
//!   of these postcodes are the last rows, because `ZZ99` is the last outward code.
//!
//! Therefore, the postcodes that start with an outward code, or with an outward code and one or two
//! characters of an inward code, are a single range of rows. A page of these postcodes can start at
//! any row.
//!
//! The table shows nanoseconds per postcode, including parsing. The times were measured with the
//! 1,743,449 rows of Code-Point Open in a random order, on two shared and busy cores. Timings on
//! these cores vary by a factor of two. The directory takes 34 MB of memory (rows 28, `outcode_ids`
//! 4, sectors 2), and 10 MB more for [`nearest`]. The first column is from `benches/postcodes.rs`,
//! in which one implementation after another looks up all postcodes. The second column is the best
//! of several rounds in which the implementations alternate every 87,000 postcodes, so that the
//! rows stay in the level 3 cache:
//!
//! | | whole order | alternating |
//! |---|---|---|
//! | `HashMap<String, u32>`, to the row | 428 | 271–306 |
//! | the same, to the entry of the row or one of its fields | 482 | 302–353 |
//! | this directory, to the row | | 27–28 |
//! | this directory, to the entry | 334 | 137–156 |
//! | this directory, to the entry, in batches | 94 | 45–49 |
//!
//! Nearly all of the time is spent on one read of the row from main memory. In a batch, many of
//! these reads overlap. Finding the ten nearest postcodes takes 31 µs, and finding ten completions
//! of an outward code takes 46 µs.
//!
//! Rejected alternatives:
//!
//! - A cell of 8 bytes for each digit and first letter, with 26 bits for the last letter and no
//!   sectors. Such cells would save a source file, but the cells take 6 MB instead of 2 MB and so
//!   do not fit in the level 2 cache. In batches, look-ups are 15–30 % slower. Single look-ups are
//!   equally fast.
//! - A dense table of rows for each outward code (estimated, not measured). A look-up would need
//!   another read from main memory before it reads the row, and the table would take 23 MB.
//! - Decoding entries when their fields are read instead of when the entries are found. Single
//!   look-ups are 20 % faster, but the fields would have to become methods, which is not worth the
//!   gain.
//! - Huge pages, enabled with a setting of the allocator. On the machine where they were tested,
//!   they did not change the time of look-ups.
//!
//! If you change the layout, check the order of rows, the bits in `row.rs` and `sector.rs`, and the
//! property tests at the end of this file. The tests compare every operation with a plain sorted
//! list.

mod completion;
mod nearest;
mod row;
mod row_tables;
mod sector;

use std::ops::Range;

use super::IndexError;
use super::position_grid::PositionGrid;
use crate::domain::{BritishGrid, Postcode, PostcodeEntry, is_outcode};
use row::PostcodeRow;
use row_tables::{RowTables, RowTablesBuilder};
use sector::SectorBitmap;

/// The postcodes in order, and the outward codes. For each outward code, the directory records
/// whether it contains all postcodes with that code.
#[derive(Debug)]
pub(super) struct PostcodeDirectory {
    /// The id of each outward code, by [`outcode_slot`]; 0 if the directory does not contain the
    /// code.
    outcode_ids: Vec<u16>,
    /// The outward codes, by id. The entry with id 0 is a placeholder.
    outcodes: Vec<OutcodeEntry>,
    /// Ten sectors for each outward code, and one additional sector that marks the end of the last
    /// sector.
    sectors: Vec<SectorBitmap>,
    rows: Vec<PostcodeRow>,
    /// The tables of the values that rows share.
    row_tables: RowTables,
    /// The postcodes of the last rows.
    pseudo_postcodes: Vec<Postcode>,
    grid: PositionGrid,
}

/// An outward code, as the first four bytes of `pcd7`.
#[derive(Debug, Clone, Copy)]
struct OutcodeEntry {
    text: [u8; 4],
    is_complete: bool,
}

/// The result of looking up a postcode in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostcodeLookup {
    /// The postcode's entry.
    Entry(PostcodeEntry),
    /// The postcode does not exist, because the directory contains every postcode of the outward
    /// code, but not this postcode.
    Unknown,
    /// The directory does not cover the postcode's outward code.
    OutsideCoverage,
}

/// The number of sectors of an outward code.
const SECTORS_PER_OUTCODE: usize = 10;

/// The number of symbols that an outward code may have in one position: a blank, ten digits and 26
/// letters.
const SYMBOL_COUNT: usize = 1 + 10 + 26;

/// The number of postcodes that are looked up together. In measurements, 64 was slightly better
/// than 32, and 32 was slightly better than 16.
const BATCH_SIZE: usize = 64;

impl PostcodeDirectory {
    /// Builds a directory. `entries` must be in order of postcode and contain no duplicates.
    ///
    /// # Errors
    /// If there are more than 65,535 outward codes or 2,097,151 statistical areas (more precisely,
    /// combinations of statistical areas and other codes). Several countries together have fewer
    /// than these numbers.
    pub(super) fn new(
        entries: Vec<PostcodeEntry>,
        complete_outcodes: &[String],
    ) -> Result<PostcodeDirectory, IndexError> {
        debug_assert!(entries.is_sorted_by(|a, b| a.postcode < b.postcode));
        let outcodes = collect_outcodes(&entries, complete_outcodes);
        let mut outcode_ids = vec![0; SYMBOL_COUNT.pow(4)];
        for (id, outcode) in (0_u32..).zip(&outcodes).skip(1) {
            if outcode.text == PSEUDO_OUTCODE {
                continue;
            }
            outcode_ids[outcode_slot(outcode.text)] =
                u16::try_from(id).map_err(|_| IndexError::TooMany {
                    what: "outward codes",
                    limit: u16::MAX.into(),
                })?;
        }
        let mut row_tables = RowTablesBuilder::default();
        // `collect` would not know the number of rows, because any item may be an error.
        let mut rows = Vec::with_capacity(entries.len());
        for entry in &entries {
            rows.push(PostcodeRow::from_entry(entry, &mut row_tables)?);
        }
        let postcodes = entries.iter().map(|entry| entry.postcode);
        let mut directory = PostcodeDirectory {
            outcode_ids,
            sectors: vec![SectorBitmap::default(); outcodes.len() * SECTORS_PER_OUTCODE + 1],
            outcodes,
            rows,
            row_tables: row_tables.finish(),
            pseudo_postcodes: postcodes.filter(|&postcode| is_pseudo(postcode)).collect(),
            grid: PositionGrid::new(entries.iter().map(|entry| entry.position)),
        };
        for entry in entries.iter().filter(|entry| !is_pseudo(entry.postcode)) {
            let (sector, pair) = directory.sector_and_pair(entry.postcode);
            directory.sectors[sector].insert(pair);
        }
        let sectors = directory.sectors.iter_mut();
        sectors.fold(0, |row, sector| sector.finish(row));
        Ok(directory)
    }

    #[inline]
    pub(super) fn lookup(&self, postcode: Postcode) -> PostcodeLookup {
        match self.find_row(postcode) {
            Some(row) => PostcodeLookup::Entry(self.entry_of(self.rows[row as usize], postcode)),
            None => self.not_found(postcode),
        }
    }

    /// Returns the row of a postcode.
    #[inline]
    pub(super) fn find_row(&self, postcode: Postcode) -> Option<u32> {
        let (sector, pair) = self.sector_and_pair(postcode);
        let row = self.sectors[sector].find_row(pair);
        row.or_else(|| self.find_pseudo_row(postcode))
    }

    /// Returns the row of each postcode in a batch of at most [`BATCH_SIZE`] postcodes.
    ///
    /// Each stage handles the whole batch, so that the processor waits for many reads at the same
    /// time instead of one after another.
    fn rows_of_batch(&self, batch: &[Postcode]) -> [Option<u32>; BATCH_SIZE] {
        let mut sector_pairs = [(0, 0); BATCH_SIZE];
        for (sector_pair, &postcode) in sector_pairs.iter_mut().zip(batch) {
            *sector_pair = self.sector_and_pair(postcode);
        }
        let mut rows = [None; BATCH_SIZE];
        for (row, (sector, pair)) in rows.iter_mut().zip(sector_pairs) {
            *row = self.sectors[sector].find_row(pair);
        }
        for (row, &postcode) in rows.iter_mut().zip(batch) {
            if row.is_none() {
                *row = self.find_pseudo_row(postcode);
            }
        }
        rows
    }

    /// Returns the result of [`PostcodeDirectory::find_row`] for each postcode, in the same order.
    pub(super) fn find_rows(&self, postcodes: &[Postcode]) -> Vec<Option<u32>> {
        let batches = postcodes.chunks(BATCH_SIZE);
        let rows = batches.flat_map(|batch| {
            let found = self.rows_of_batch(batch);
            found.into_iter().take(batch.len())
        });
        rows.collect()
    }

    /// Returns the result of [`PostcodeDirectory::lookup`] for each postcode, in the same order.
    pub(super) fn lookup_all(&self, postcodes: &[Postcode]) -> Vec<PostcodeLookup> {
        let mut lookups = Vec::with_capacity(postcodes.len());
        for batch in postcodes.chunks(BATCH_SIZE) {
            let found_rows = self.rows_of_batch(batch);
            let mut rows = [PostcodeRow::default(); BATCH_SIZE];
            for (row, found_row) in rows.iter_mut().zip(found_rows) {
                // If the postcode has no row, read row 0, because an unnecessary read costs less
                // than a mispredicted branch.
                let index = found_row.unwrap_or_default() as usize;
                *row = self.rows.get(index).copied().unwrap_or_default();
            }
            for (index, &postcode) in batch.iter().enumerate() {
                lookups.push(match found_rows[index] {
                    Some(_) => PostcodeLookup::Entry(self.entry_of(rows[index], postcode)),
                    None => self.not_found(postcode),
                });
            }
        }
        lookups
    }

    #[cold]
    fn find_pseudo_row(&self, postcode: Postcode) -> Option<u32> {
        let index = self.pseudo_postcodes.binary_search(&postcode).ok()?;
        u32::try_from(self.rows.len() - self.pseudo_postcodes.len() + index).ok()
    }

    /// Returns the result for a postcode that has no row.
    #[cold]
    fn not_found(&self, postcode: Postcode) -> PostcodeLookup {
        let outcode = outcode_of(postcode);
        let position = self
            .outcodes
            .binary_search_by_key(&outcode, |entry| entry.text);
        if position.is_ok_and(|index| self.outcodes[index].is_complete) {
            PostcodeLookup::Unknown
        } else {
            PostcodeLookup::OutsideCoverage
        }
    }

    /// Returns every entry, in order.
    pub(super) fn entries(&self) -> DirectoryEntries<'_> {
        self.entries_in(0..self.rows.len())
    }

    /// Returns the number of rows.
    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Returns the entries of a range of rows, in order.
    pub(super) fn entries_in(&self, rows: Range<usize>) -> DirectoryEntries<'_> {
        let (sector, pair) = self.sector_and_pair_of_row(rows.start);
        DirectoryEntries {
            directory: self,
            sector,
            pair,
            rows,
        }
    }

    /// Returns the entry of a row.
    pub(super) fn entry(&self, row: usize) -> PostcodeEntry {
        let (sector, pair) = self.sector_and_pair_of_row(row);
        self.entry_of(self.rows[row], self.postcode_at(sector, pair, row))
    }

    fn entry_of(&self, row: PostcodeRow, postcode: Postcode) -> PostcodeEntry {
        row.to_entry(postcode, &self.row_tables)
    }

    /// Returns the entries of the sector of a postcode, such as `LA1 4`, in order. The directory
    /// does not need to contain the postcode itself.
    pub(super) fn entries_in_sector_of(&self, postcode: Postcode) -> DirectoryEntries<'_> {
        let (sector, _) = self.sector_and_pair(postcode);
        let first_row = |sector: usize| self.sectors[sector].first_row() as usize;
        self.entries_in(first_row(sector)..first_row(sector + 1))
    }

    /// Returns the entries from a row onwards whose position and statistical area match, in order.
    pub(super) fn entries_where(
        &self,
        from: usize,
        matches: impl Fn(BritishGrid, Option<u32>) -> bool,
    ) -> impl Iterator<Item = PostcodeEntry> {
        let rows = (from..)
            .zip(&self.rows[from..])
            .filter_map(move |(index, row)| {
                let statistical_area = row.statistical_area(&self.row_tables);
                matches(row.position()?, statistical_area).then_some(index)
            });
        rows.map(|row| self.entry(row))
    }

    /// Returns the first row whose postcode comes after `postcode`, which may be missing from the
    /// directory.
    pub(super) fn row_after(&self, postcode: Postcode) -> usize {
        let is_listed = matches!(self.lookup(postcode), PostcodeLookup::Entry(_));
        self.row_at_or_after(postcode) + usize::from(is_listed)
    }

    /// Returns the first row whose postcode is equal to `postcode` or comes after it.
    fn row_at_or_after(&self, postcode: Postcode) -> usize {
        let ordinary_count = self.rows.len() - self.pseudo_postcodes.len();
        if is_pseudo(postcode) {
            return ordinary_count
                + self
                    .pseudo_postcodes
                    .partition_point(|pseudo_postcode| *pseudo_postcode < postcode);
        }
        let outcode = outcode_of(postcode);
        // The result is at least 1, because the placeholder with id 0 comes first.
        let next = self.outcodes.partition_point(|entry| entry.text <= outcode);
        let row = if self.outcodes[next - 1].text == outcode {
            let (sector, pair) = self.sector_and_pair(postcode);
            self.sectors[sector].row_at_or_after(pair)
        } else {
            self.sectors[next * SECTORS_PER_OUTCODE].first_row()
        };
        row as usize
    }

    /// Returns the sector of a postcode, and the index of its pair of letters. If the postcode is
    /// not in the directory, the sector may have no postcodes. For a postcode of `ZZ99`, the sector
    /// never has postcodes.
    fn sector_and_pair(&self, postcode: Postcode) -> (usize, usize) {
        let [.., digit, first, second] = postcode.pcd7();
        let id = self.outcode_ids[outcode_slot(outcode_of(postcode))];
        (
            usize::from(id) * SECTORS_PER_OUTCODE + usize::from(digit - b'0'),
            sector::pair_index(first, second),
        )
    }

    /// Returns the sector of a row, and the index of its pair of letters. For a row of `ZZ99`,
    /// returns the end of the last sector.
    fn sector_and_pair_of_row(&self, row: usize) -> (usize, usize) {
        let next = self
            .sectors
            .partition_point(|sector| sector.first_row() as usize <= row);
        let sector = &self.sectors[next - 1];
        let mut pair = sector.next_pair(0);
        for _ in sector.first_row() as usize..row {
            pair = sector.next_pair(pair.map_or(sector::LETTER_PAIRS, |place| place + 1));
        }
        (next - 1, pair.unwrap_or(sector::LETTER_PAIRS))
    }

    /// Returns the postcode of a row, given the sector and the pair of letters of the row. The
    /// sector and the pair are not used for rows of `ZZ99`.
    fn postcode_at(&self, sector: usize, pair: usize, row: usize) -> Postcode {
        let ordinary_count = self.rows.len() - self.pseudo_postcodes.len();
        if let Some(index) = row.checked_sub(ordinary_count) {
            return self.pseudo_postcodes[index];
        }
        let [a, b, c, d] = self.outcodes[sector / SECTORS_PER_OUTCODE].text;
        let digit = b'0' + u8::try_from(sector % SECTORS_PER_OUTCODE).expect("a digit");
        let [first, second] = sector::pair_letters(pair);
        Postcode::from_pcd7([a, b, c, d, digit, first, second])
    }
}

/// An iterator over entries, in order.
#[derive(Debug, Clone)]
pub(super) struct DirectoryEntries<'i> {
    directory: &'i PostcodeDirectory,
    sector: usize,
    /// The pair of letters from which the search for the next entry starts.
    pair: usize,
    rows: Range<usize>,
}

impl Iterator for DirectoryEntries<'_> {
    type Item = PostcodeEntry;

    fn next(&mut self) -> Option<PostcodeEntry> {
        let row = self.rows.next()?;
        let directory = self.directory;
        while self.sector < directory.sectors.len() {
            match directory.sectors[self.sector].next_pair(self.pair) {
                Some(pair) => {
                    self.pair = pair;
                    break;
                }
                None => (self.sector, self.pair) = (self.sector + 1, 0),
            }
        }
        let postcode = directory.postcode_at(self.sector, self.pair, row);
        self.pair += 1;
        Some(directory.entry_of(directory.rows[row], postcode))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl ExactSizeIterator for DirectoryEntries<'_> {}

/// Returns the outward codes of `entries` and the complete outward codes, in order, after a
/// placeholder with id 0.
fn collect_outcodes(entries: &[PostcodeEntry], complete_outcodes: &[String]) -> Vec<OutcodeEntry> {
    let mut complete: Vec<[u8; 4]> = complete_outcodes
        .iter()
        .filter(|text| is_outcode(text))
        .map(|text| pad_outcode(text))
        .collect();
    complete.sort_unstable();
    let mut texts: Vec<[u8; 4]> = entries
        .iter()
        .map(|entry| outcode_of(entry.postcode))
        .collect();
    texts.dedup();
    texts.extend(&complete);
    texts.sort_unstable();
    texts.dedup();
    let outcodes = texts.into_iter().map(|text| OutcodeEntry {
        text,
        is_complete: complete.binary_search(&text).is_ok(),
    });
    let placeholder = OutcodeEntry {
        text: *b"    ",
        is_complete: false,
    };
    std::iter::once(placeholder).chain(outcodes).collect()
}

/// The NHS outward code of pseudo postcodes, which comes after all other outward codes.
const PSEUDO_OUTCODE: [u8; 4] = *b"ZZ99";

fn is_pseudo(postcode: Postcode) -> bool {
    outcode_of(postcode) == PSEUDO_OUTCODE
}

fn outcode_of(postcode: Postcode) -> [u8; 4] {
    let [a, b, c, d, ..] = postcode.pcd7();
    [a, b, c, d]
}

fn pad_outcode(outcode: &str) -> [u8; 4] {
    let mut text = [b' '; 4];
    text[..outcode.len()].copy_from_slice(outcode.as_bytes());
    text
}

/// Returns the index of an outward code among all strings of four symbols.
fn outcode_slot(outcode: [u8; 4]) -> usize {
    let symbol = |byte| usize::from(SYMBOL_CODES[usize::from(byte)]);
    outcode
        .into_iter()
        .fold(0, |slot, byte| slot * SYMBOL_COUNT + symbol(byte))
}

/// The code of each character that may occur in an outward code. The code of a space is 0.
static SYMBOL_CODES: [u8; 256] = {
    let mut symbols = [0; 256];
    let mut code = 0;
    while code < 10 {
        symbols[b'0' as usize + code as usize] = 1 + code;
        code += 1;
    }
    code = 0;
    while code < 26 {
        symbols[b'A' as usize + code as usize] = 11 + code;
        code += 1;
    }
    symbols
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{DirectoryStatus, PostcodePrefix};

    fn code(text: &str) -> Postcode {
        text.parse().expect("a postcode")
    }

    fn entry(text: &str) -> PostcodeEntry {
        PostcodeRow::default().to_entry(code(text), &RowTables::default())
    }

    fn directory(codes: &[&str], complete: &[&str]) -> PostcodeDirectory {
        let mut entries: Vec<PostcodeEntry> = codes.iter().map(|text| entry(text)).collect();
        entries.sort_by_key(|entry| entry.postcode);
        let complete: Vec<String> = complete.iter().map(ToString::to_string).collect();
        PostcodeDirectory::new(entries, &complete).expect("within the limits")
    }

    #[test]
    fn missing_postcodes_are_unknown_only_in_complete_outcodes() {
        let directory = directory(&["LA1 1AA", "LA10 5DL"], &["LA1", "LA2", "nonsense", "É1"]);
        let find = |text| directory.lookup(code(text));
        assert_eq!(find("LA1 1AA"), PostcodeLookup::Entry(entry("LA1 1AA")));
        assert_eq!(find("LA1 1AB"), PostcodeLookup::Unknown);
        assert_eq!(find("LA2 1AA"), PostcodeLookup::Unknown);
        assert_eq!(find("LA10 5DN"), PostcodeLookup::OutsideCoverage);
        assert_eq!(find("M1 1AE"), PostcodeLookup::OutsideCoverage);
    }

    #[test]
    fn an_empty_directory_finds_nothing() {
        let directory = directory(&[], &[]);
        assert_eq!(
            directory.lookup(code("LA1 1AA")),
            PostcodeLookup::OutsideCoverage
        );
        assert_eq!(
            directory.lookup_all(&[code("LA1 1AA")]),
            [PostcodeLookup::OutsideCoverage]
        );
        assert_eq!(directory.row_after(code("LA1 1AA")), 0);
        assert_eq!(directory.entries().count(), 0);
        let point = BritishGrid::from_metres(1.0, 1.0).expect("on the grid");
        assert!(directory.nearest(point, 1_000, 3, |_| true).is_empty());
    }

    #[test]
    fn the_sector_of_a_postcode_has_its_listed_postcodes() {
        let listed = ["LA1 1AA", "LA1 1ZZ", "LA1 2AA", "LA10 1AA", "ZZ99 3VZ"];
        let directory = directory(&listed, &["LA1", "LA2"]);
        let sector = |text| -> Vec<String> {
            let entries = directory.entries_in_sector_of(code(text));
            entries.map(|entry| entry.postcode.to_string()).collect()
        };
        assert_eq!(sector("LA1 1BB"), ["LA1 1AA", "LA1 1ZZ"]);
        assert_eq!(sector("LA1 2ZZ"), ["LA1 2AA"]);
        assert_eq!(sector("LA10 1BB"), ["LA10 1AA"]);
        for text in ["LA1 9AA", "LA2 1AA", "M1 1AE", "ZZ99 3VZ", "ZZ99 9AA"] {
            assert!(sector(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn outcodes_with_a_prefix_are_returned_in_order() {
        let directory = directory(&["LA10 5DL", "LA1 1AA", "M1 1AE", "ZZ99 3VZ"], &["LA2"]);
        let outcodes = |text: &str| -> Vec<&str> {
            let prefix: PostcodePrefix = text.parse().expect("a prefix");
            directory.outcodes_with_prefix(&prefix).collect()
        };
        assert_eq!(outcodes("LA"), ["LA1", "LA10", "LA2"]);
        assert_eq!(outcodes("LA1"), ["LA1", "LA10"]);
        assert_eq!(outcodes("Z"), ["ZZ99"]);
        assert_eq!(outcodes("LA1 "), [""; 0]);
    }

    #[test]
    fn nearest_includes_the_radius_itself() {
        let mut entry = entry("LA1 1AA");
        entry.position = Some(BritishGrid::from_mm(500_000, 500_000));
        let directory = PostcodeDirectory::new(vec![entry], &[]).expect("within the limits");
        let near = |north| {
            let point = BritishGrid::from_mm(500_000, north);
            directory.nearest(point, 1, 1, |_| true).len()
        };
        assert_eq!([499_000, 498_999, 501_001].map(near), [1, 0, 0]);
    }

    #[test]
    fn nearest_includes_positions_on_the_side_of_the_next_square() {
        let position = |text, east| {
            let mut entry = entry(text);
            entry.position = Some(BritishGrid::from_mm(east, 500_000));
            entry
        };
        // Both postcodes are a metre away. The earlier postcode is in the next square.
        let entries = vec![position("LA1 1AA", 1_000_000), position("LA1 1AB", 998_000)];
        let directory = PostcodeDirectory::new(entries, &[]).expect("within the limits");
        let near = |within_m, limit| -> Vec<String> {
            let point = BritishGrid::from_mm(999_000, 500_000);
            let near = directory.nearest(point, within_m, limit, |_| true);
            near.iter()
                .map(|value| value.0.postcode.to_string())
                .collect()
        };
        assert_eq!(near(1, 9), ["LA1 1AA", "LA1 1AB"]);
        assert_eq!(near(9, 1), ["LA1 1AA"]);
    }

    /// Generates entries in a corner of the grid, with many equal distances, and with many
    /// positions on the sides of squares.
    fn entries() -> impl Strategy<Value = PostcodeEntry> {
        let anywhere = (-3_000_000..40_000_000, -3_000_000..40_000_000);
        let near = (-2..12, 0..12).prop_map(|(x, y)| (x * 500_000, y * 500_000));
        row::tests::entries(prop_oneof![1 => anywhere, 3 => near])
    }

    /// Generates a directory, and the same entries as a sorted list.
    fn directories() -> impl Strategy<Value = (PostcodeDirectory, Vec<PostcodeEntry>)> {
        proptest::collection::vec(entries(), 0..120).prop_map(|mut entries| {
            entries.sort_by_key(|entry| entry.postcode);
            entries.dedup_by_key(|entry| entry.postcode);
            let directory = PostcodeDirectory::new(entries.clone(), &["LA1".to_string()]);
            (directory.expect("within the limits"), entries)
        })
    }

    fn lookup_by_scan(entries: &[PostcodeEntry], postcode: Postcode) -> PostcodeLookup {
        match entries.iter().find(|entry| entry.postcode == postcode) {
            Some(entry) => PostcodeLookup::Entry(*entry),
            None if postcode.outcode() == "LA1" => PostcodeLookup::Unknown,
            None => PostcodeLookup::OutsideCoverage,
        }
    }

    proptest! {
        #[test]
        fn lookups_agree_with_a_sorted_list(
            (directory, entries) in directories(),
            asked in proptest::collection::vec(entries(), 0..80),
        ) {
            prop_assert_eq!(directory.entries().len(), entries.len());
            prop_assert!(directory.entries().eq(entries.iter().copied()));
            let asked = asked.iter().chain(&entries).map(|entry| entry.postcode);
            let asked: Vec<Postcode> = asked.collect();
            let expected: Vec<PostcodeLookup> = asked.iter().map(|&postcode| lookup_by_scan(&entries, postcode)).collect();
            let one_by_one: Vec<PostcodeLookup> = asked.iter().map(|&postcode| directory.lookup(postcode)).collect();
            prop_assert_eq!(&one_by_one, &expected);
            prop_assert_eq!(&directory.lookup_all(&asked), &expected);
            let row = |&postcode| entries.iter().position(|entry| entry.postcode == postcode);
            let row = |postcode| row(postcode).map(|row| u32::try_from(row).expect("few"));
            let rows: Vec<Option<u32>> = asked.iter().map(row).collect();
            prop_assert_eq!(directory.find_rows(&asked), rows);
            for (row, entry) in entries.iter().enumerate() {
                prop_assert_eq!(directory.entry(row), *entry);
                prop_assert!(directory.entries_in(row..entries.len()).eq(entries[row..].iter().copied()));
            }
            for postcode in asked {
                let after = entries.iter().filter(|entry| entry.postcode <= postcode).count();
                prop_assert_eq!(directory.row_after(postcode), after);
            }
        }

        #[test]
        fn prefixes_find_the_entries_that_start_with_them(
            (directory, entries) in directories(), text in "(LA1|LA2|LA11|M1|ZZ99) ([0-2]([ABZ]([AZ])?)?)?",
        ) {
            let prefix: PostcodePrefix = text.parse().expect("a prefix");
            let [reading] = prefix.readings() else { panic!("a space leaves one reading") };
            let begins = |entry: &&PostcodeEntry| entry.postcode.to_string().starts_with(&text);
            let expected = entries.iter().filter(begins).copied();
            prop_assert!(directory.entries_matching(reading).eq(expected));
        }

        #[test]
        fn nearest_agrees_with_a_scan(
            (directory, entries) in directories(),
            near in any::<bool>(), x in -2..24, y in -2..24, limit in 1_usize..12, within_m in 0_u32..60_000,
        ) {
            let step = if near { 250_000 } else { 4_000_000 };
            let point = BritishGrid::from_mm(x * step, y * step);
            let mut expected: Vec<(i64, PostcodeEntry)> = entries
                .iter()
                .filter(|entry| entry.status == DirectoryStatus::Live)
                .filter_map(|entry| Some((squared_distance(entry.position?, point), *entry)))
                .filter(|(distance_2, _)| *distance_2 <= (i64::from(within_m) * 1_000).pow(2))
                .collect();
            expected.sort_by_key(|(distance_2, entry)| (*distance_2, entry.postcode));
            expected.truncate(limit);
            let found = directory.nearest(point, within_m, limit, |entry| entry.status == DirectoryStatus::Live);
            prop_assert!(found.iter().map(|value| value.0).eq(expected.iter().map(|value| value.1)));
            for (entry, distance_m) in found {
                let position = entry.position.expect("it has one");
                prop_assert!((distance_m - position.distance_m(point)).abs() < 1e-6);
            }
        }

        #[test]
        fn distances_to_live_postcodes_agree_with_a_scan(
            (directory, entries) in directories(),
            x in -2..24, y in -2..24, except in 0_usize..120, enough_m in 0_u32..3_000, within_m in 0_u32..60_000,
        ) {
            let except = entries.get(except).map(|entry| entry.postcode);
            let point = BritishGrid::from_mm(x * 250_000, y * 250_000);
            let others = entries.iter().filter(|entry| {
                entry.status == DirectoryStatus::Live && Some(entry.postcode) != except && !is_pseudo(entry.postcode)
            });
            let distances = others.filter_map(|entry| Some(entry.position?.distance_m(point)));
            let within: Vec<f64> = distances.filter(|&metres| metres <= f64::from(within_m)).collect();
            let nearest = within.iter().copied().reduce(f64::min);
            let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
            let found = directory.distance_to_live_m(point, except, f64::from(enough_m), within_m);
            match (found, nearest) {
                (Some(found), Some(nearest)) if nearest <= f64::from(enough_m) => {
                    prop_assert!(found <= f64::from(enough_m));
                    prop_assert!(within.iter().any(|&metres| close(metres, found)));
                }
                (Some(found), Some(nearest)) => prop_assert!(close(found, nearest)),
                (found, nearest) => prop_assert_eq!(found, nearest),
            }
        }
    }

    fn squared_distance(a: BritishGrid, b: BritishGrid) -> i64 {
        let east = i64::from(a.easting_mm()) - i64::from(b.easting_mm());
        let north = i64::from(a.northing_mm()) - i64::from(b.northing_mm());
        east * east + north * north
    }
}
