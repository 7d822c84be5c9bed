//! Counts the rows of a batch, and summarises the counts.

use std::collections::BTreeMap;

use memchr::{memchr_iter, memmem};

use super::answer_cells::{RegistrationCells, ResidenceCells, STATUSES, status_index};
use super::layout::BAD_ROW;
use catchment_core::domain::Agreement;

/// The summary of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSummary {
    /// The number of rows read, which is also the number of rows written.
    pub rows: u64,
    /// The number of bad rows.
    pub bad_rows: u64,
    /// The lines on which the first bad rows start; in Parquet and Arrow, the numbers of these
    /// rows, counted from 1.
    pub bad_lines: Vec<u64>,
    /// The number of rows per status, in the order of the statuses.
    pub status: Vec<(&'static str, u64)>,
    /// The number of rows per agreement, not counting bad rows.
    pub agreement: Vec<(&'static str, u64)>,
    /// The number of rows per community of the main layer, ordered by id.
    pub communities: Vec<CommunityCount>,
    /// The numbers that a spreadsheet has irreversibly shortened; `None` if there are no such
    /// numbers.
    pub scientific_notation: Option<ScientificNotation>,
}

/// The number of rows for a community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommunityCount {
    /// The id of the community.
    pub id: String,
    /// The name of the community.
    pub name: String,
    /// The number of rows whose location is in the area of the community.
    pub residence: u64,
    /// The number of rows whose practice belongs to the community.
    pub registration: u64,
}

/// Numbers in scientific notation, such as `4.5E+09`, into which a spreadsheet turns long numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScientificNotation {
    /// How many of these numbers the file contains.
    pub count: u64,
    /// The line that contains the first of these numbers.
    pub first_line: u64,
}

/// The maximum number of bad lines in the summary.
const BAD_LINES_MAX: usize = 10;

/// The number of rows per id and name of a community.
type CountsByCommunity = BTreeMap<(String, String), u64>;

/// The counts of one thread.
#[derive(Default)]
pub(super) struct BatchTally {
    pub(super) rows: u64,
    status: [u64; STATUSES.len()],
    agreement: [u64; Agreement::ALL.len()],
    residence: CountsByCommunity,
    registration: CountsByCommunity,
    bad_lines: Vec<u64>,
    scientific_notation: Option<ScientificNotation>,
}

impl BatchTally {
    /// Counts `rows` rows that have this residence.
    pub(super) fn add_residence(&mut self, cells: &ResidenceCells, rows: u64) {
        self.status[cells.status_index] += rows;
        add_counts(&mut self.residence, &cells.main_communities, rows);
    }

    /// Counts `rows` rows that have this registration.
    pub(super) fn add_registration(&mut self, cells: &RegistrationCells, rows: u64) {
        add_counts(&mut self.registration, &cells.main_communities, rows);
    }

    /// Counts a row with this agreement.
    pub(super) fn add_agreement(&mut self, agreement: Agreement) {
        // The variants are in the order of `Agreement::ALL`.
        self.agreement[agreement as usize] += 1;
    }

    /// Counts a bad row. `number` is its line; in columnar input, the number of the row.
    pub(super) fn add_bad_row(&mut self, number: u64) {
        self.status[status_index(BAD_ROW)] += 1;
        if self.bad_lines.len() < BAD_LINES_MAX {
            self.bad_lines.push(number);
        }
    }

    /// Counts the numbers in scientific notation.
    pub(super) fn count_scientific_notation(&mut self, text: &[u8], first_line: u64) {
        let mut found =
            memmem::find_iter(text, b"E+").filter(|&index| is_scientific_notation(text, index));
        let Some(first) = found.next() else {
            return;
        };
        let new = ScientificNotation {
            count: 1 + found.count() as u64,
            first_line: first_line + memchr_iter(b'\n', &text[..first]).count() as u64,
        };
        self.scientific_notation = Some(combine(self.scientific_notation, new));
    }

    /// Merges the counts of all threads.
    pub(super) fn merge_all(tallies: Vec<BatchTally>) -> BatchTally {
        tallies
            .into_iter()
            .fold(BatchTally::default(), BatchTally::merge)
    }

    /// Adds the counts of another thread to those of this thread.
    fn merge(mut self, other: BatchTally) -> BatchTally {
        self.rows += other.rows;
        for (count, more) in self.status.iter_mut().zip(other.status) {
            *count += more;
        }
        for (count, more) in self.agreement.iter_mut().zip(other.agreement) {
            *count += more;
        }
        for (community, more) in other.residence {
            *self.residence.entry(community).or_default() += more;
        }
        for (community, more) in other.registration {
            *self.registration.entry(community).or_default() += more;
        }
        self.bad_lines.extend(other.bad_lines);
        if let Some(more) = other.scientific_notation {
            self.scientific_notation = Some(combine(self.scientific_notation, more));
        }
        self
    }

    pub(super) fn into_summary(mut self) -> BatchSummary {
        self.bad_lines.sort_unstable();
        self.bad_lines.truncate(BAD_LINES_MAX);
        let mut communities: BTreeMap<String, CommunityCount> = BTreeMap::new();
        for (counts, is_residence) in [(self.residence, true), (self.registration, false)] {
            for ((id, name), count) in counts {
                let entry = communities.entry(id.clone()).or_insert(CommunityCount {
                    id,
                    name,
                    residence: 0,
                    registration: 0,
                });
                if is_residence {
                    entry.residence += count
                } else {
                    entry.registration += count
                }
            }
        }
        let agreements = Agreement::ALL.map(Agreement::as_str);
        BatchSummary {
            rows: self.rows,
            bad_rows: self.status[STATUSES.len() - 1],
            bad_lines: self.bad_lines,
            status: STATUSES.into_iter().zip(self.status).collect(),
            agreement: agreements.into_iter().zip(self.agreement).collect(),
            communities: communities.into_values().collect(),
            scientific_notation: self.scientific_notation,
        }
    }
}

fn add_counts(counts: &mut CountsByCommunity, communities: &[(String, String)], rows: u64) {
    for community in communities {
        *counts.entry(community.clone()).or_default() += rows;
    }
}

fn combine(known: Option<ScientificNotation>, new: ScientificNotation) -> ScientificNotation {
    match known {
        None => new,
        Some(known) => ScientificNotation {
            count: known.count + new.count,
            first_line: known.first_line.min(new.first_line),
        },
    }
}

/// Returns whether the `E+` at this offset is part of a number, such as `4.5E+09`, that has no
/// letter or digit on either side.
fn is_scientific_notation(text: &[u8], offset: usize) -> bool {
    let before = &text[..offset];
    let digits_end = before.len();
    let number = before.iter().rev().take(32);
    let length = number
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
        .count();
    let starts_clean = !matches!(before.get(digits_end.wrapping_sub(length + 1)), Some(byte) if byte.is_ascii_alphanumeric());
    let has_digits = length > 0 && before[digits_end - length].is_ascii_digit();
    let exponent = text[offset + 2..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let ends_clean =
        !matches!(text.get(offset + 2 + exponent), Some(byte) if byte.is_ascii_alphanumeric());
    has_digits && starts_clean && (2..=3).contains(&exponent) && ends_clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_spreadsheet_shortened_are_found() {
        let mut tally = BatchTally::default();
        tally.count_scientific_notation(b"a,b\n4.5E+09,x\n9E+10,\"4.50E+09\"\n", 10);
        let found = tally.scientific_notation.expect("found");
        assert_eq!((found.count, found.first_line), (3, 11));
        let mut tally = BatchTally::default();
        tally.count_scientific_notation(b"A4.5E+09,GRADE+12,E+,1E+1,4.5E+0999,1E+09x\n", 1);
        assert_eq!(tally.scientific_notation, None);
    }
}
