//! The comparison of the rows of the input with the answers of a previous run.

use super::answer_cells::{RegistrationCells, ResidenceCells, STATUSES};
use super::columns::ComparisonFact;
use super::line_sample::LineSample;
use super::previous_answers::{
    KeyHash, MatchedKey, PreviousAnswers, PreviousRow, is_in_directory, key_hash, location_hash,
    practice_hash, responsible_hash,
};
use super::row_location::RowLocation;
use super::row_parser::ParsedRow;
use crate::tabular::cell_format::CellFormat;

/// How the residence or the registration in an answer differs from the previous run, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerChange {
    /// The community is the same.
    Unchanged,
    /// The postcode of the patient is different.
    Postcode,
    /// The coordinates or the statistical area of the patient are different.
    Location,
    /// The postcode or its position is missing from the current or the previous postcode directory.
    Directory,
    /// The areas, the position of the postcode or its statistical area changed. The answers do not
    /// show which of these changed.
    Boundary,
    /// The practice of the patient is different.
    Practice,
    /// The practice belongs to a different community.
    Membership,
    /// A different practice is responsible for the patients of the practice.
    Succession,
    /// The membership or the responsible practice changed. The previous answers do not show which
    /// of these changed.
    MembershipOrSuccession,
    /// The key occurs in no previous row.
    NewRow,
    /// The row's key is empty.
    NoKey,
    /// The key occurs in several previous rows.
    RepeatedKey,
}

impl AnswerChange {
    /// Every change, in the order of the summary.
    pub const ALL: [AnswerChange; 12] = [
        AnswerChange::Unchanged,
        AnswerChange::Postcode,
        AnswerChange::Location,
        AnswerChange::Directory,
        AnswerChange::Boundary,
        AnswerChange::Practice,
        AnswerChange::Membership,
        AnswerChange::Succession,
        AnswerChange::MembershipOrSuccession,
        AnswerChange::NewRow,
        AnswerChange::NoKey,
        AnswerChange::RepeatedKey,
    ];

    /// Returns the name of the change in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            AnswerChange::Unchanged => "unchanged",
            AnswerChange::Postcode => "postcode",
            AnswerChange::Location => "location",
            AnswerChange::Directory => "directory",
            AnswerChange::Boundary => "boundary",
            AnswerChange::Practice => "practice",
            AnswerChange::Membership => "membership",
            AnswerChange::Succession => "succession",
            AnswerChange::MembershipOrSuccession => "membership_or_succession",
            AnswerChange::NewRow => "new_row",
            AnswerChange::NoKey => "no_key",
            AnswerChange::RepeatedKey => "repeated_key",
        }
    }

    /// Returns whether the row matches exactly one previous row, and their communities differ.
    pub fn is_change(self) -> bool {
        !matches!(
            self,
            AnswerChange::Unchanged
                | AnswerChange::NewRow
                | AnswerChange::NoKey
                | AnswerChange::RepeatedKey
        )
    }
}

/// The comparison of all rows with the answers of a previous run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The name of the column with the keys.
    pub key_column: String,
    /// The number of rows in the previous answers.
    pub previous_rows: u64,
    /// The number of rows that match exactly one previous row.
    pub compared: u64,
    /// The number of rows for each change of the community by residence.
    pub residence: Vec<(AnswerChange, u64)>,
    /// The number of rows for each change of the community by registration.
    pub registration: Vec<(AnswerChange, u64)>,
    /// The rows whose key is not in the previous file.
    pub new_rows: LineSample,
    /// The rows without a key.
    pub missing_keys: LineSample,
    /// The rows whose key also occurs in an earlier row of the input, or `None` if there was not
    /// enough memory to find these rows.
    pub repeated_keys: Option<LineSample>,
    /// The previous rows whose key is not in the new file, or `None` if there was not enough memory
    /// to compare the keys.
    pub gone: Option<LineSample>,
    /// The previous rows without a key.
    pub previous_missing_keys: LineSample,
    /// The previous rows whose key also occurs in another previous row. Rows with such a key are
    /// not compared.
    pub previous_repeated_keys: LineSample,
    /// The previous rows that could not be read in this run or in the previous run.
    pub previous_bad_rows: LineSample,
}

impl Comparison {
    /// Returns the rows that were not compared: for each reason, a description, such as `new rows`,
    /// and a sample. A sample is `None` if there was not enough memory to find the rows.
    pub fn not_compared(&self) -> [(&'static str, Option<&LineSample>); 7] {
        [
            ("new rows", Some(&self.new_rows)),
            ("rows without a key", Some(&self.missing_keys)),
            ("rows with a repeated key", self.repeated_keys.as_ref()),
            ("previous rows that are gone", self.gone.as_ref()),
            (
                "previous rows without a key",
                Some(&self.previous_missing_keys),
            ),
            (
                "previous rows with a repeated key",
                Some(&self.previous_repeated_keys),
            ),
            (
                "previous rows that could not be read",
                Some(&self.previous_bad_rows),
            ),
        ]
    }
}

/// The comparison of a row.
pub(super) struct RowComparison<'p> {
    key: Option<KeyHash>,
    previous: Option<(&'p PreviousAnswers, &'p PreviousRow)>,
    pub(super) residence: AnswerChange,
    pub(super) registration: AnswerChange,
}

impl<'p> RowComparison<'p> {
    /// Compares a row with its previous row.
    pub(super) fn new(
        answers: &'p PreviousAnswers,
        row: &ParsedRow<'_>,
        residence: &ResidenceCells,
        registration: &RegistrationCells,
    ) -> RowComparison<'p> {
        let key = row.key.as_deref().and_then(key_hash);
        let not_compared = |change| RowComparison {
            key,
            previous: None,
            residence: change,
            registration: change,
        };
        match key.map(|key| answers.find(key)) {
            None => not_compared(AnswerChange::NoKey),
            Some(MatchedKey::None) => not_compared(AnswerChange::NewRow),
            Some(MatchedKey::Several) => not_compared(AnswerChange::RepeatedKey),
            Some(MatchedKey::One(previous)) => RowComparison {
                key,
                previous: Some((answers, previous)),
                residence: residence_change(answers, previous, &row.location, residence),
                registration: registration_change(answers, previous, row, registration),
            },
        }
    }

    /// Writes the cell of a fact.
    pub(super) fn write(
        &self,
        format: CellFormat,
        out: &mut Vec<u8>,
        name: &str,
        fact: ComparisonFact,
    ) {
        let communities = |number: fn(&PreviousRow) -> u32| {
            let previous = self.previous;
            previous.map_or("", |(answers, row)| answers.communities(number(row)))
        };
        let text = match fact {
            ComparisonFact::PreviousResidence => communities(|row| row.residence),
            ComparisonFact::PreviousRegistration => communities(|row| row.registration),
            ComparisonFact::ResidenceChange => self.residence.as_str(),
            ComparisonFact::RegistrationChange => self.registration.as_str(),
        };
        format.write_text(out, name, text);
    }
}

fn residence_change(
    answers: &PreviousAnswers,
    previous: &PreviousRow,
    location: &RowLocation,
    cells: &ResidenceCells,
) -> AnswerChange {
    if answers.communities(previous.residence) == cells.compared {
        return AnswerChange::Unchanged;
    }
    if previous.location != location_hash(location) {
        return match location {
            RowLocation::Postcode(_) => AnswerChange::Postcode,
            _ => AnswerChange::Location,
        };
    }
    let is_known = is_in_directory(STATUSES[cells.status_index]);
    match is_known == previous.is_in_directory {
        true => AnswerChange::Boundary,
        false => AnswerChange::Directory,
    }
}

fn registration_change(
    answers: &PreviousAnswers,
    previous: &PreviousRow,
    row: &ParsedRow<'_>,
    cells: &RegistrationCells,
) -> AnswerChange {
    if answers.communities(previous.registration) == cells.compared {
        return AnswerChange::Unchanged;
    }
    let practice = row.practice.as_deref().unwrap_or_default();
    if previous.practice != practice_hash(practice) {
        return AnswerChange::Practice;
    }
    if !answers.has_practices {
        return match cells.has_succeeded {
            true => AnswerChange::MembershipOrSuccession,
            false => AnswerChange::Membership,
        };
    }
    let responsible = cells
        .practice
        .map_or(0, |code| responsible_hash(code.as_str()));
    match previous.responsible == responsible {
        true => AnswerChange::Membership,
        false => AnswerChange::Succession,
    }
}

/// The comparisons of one thread.
#[derive(Default)]
pub(super) struct ComparisonTally {
    residence: [u64; AnswerChange::ALL.len()],
    registration: [u64; AnswerChange::ALL.len()],
    new_rows: LineSample,
    missing_keys: LineSample,
    /// The keys of the rows with their lines, with which repeated keys and missing rows are found
    /// at the end.
    keys: Vec<(KeyHash, u64)>,
    /// The maximum number of keys that this thread may store.
    keys_max: usize,
    has_lost_keys: bool,
}

impl ComparisonTally {
    /// Counts a row.
    pub(super) fn add(&mut self, answers: &PreviousAnswers, row: &RowComparison<'_>, line: u64) {
        self.residence[position(row.residence)] += 1;
        self.registration[position(row.registration)] += 1;
        match row.residence {
            AnswerChange::NewRow => self.new_rows.add(|| line),
            AnswerChange::NoKey => self.missing_keys.add(|| line),
            _ => {}
        }
        if let Some(key) = row.key {
            if self.keys.len() == self.keys_max {
                self.keys_max += answers.reserve_keys();
            }
            if self.keys.len() < self.keys_max {
                self.keys.push((key, line));
            } else {
                self.has_lost_keys = true;
            }
        }
    }

    /// Adds the comparisons of another thread.
    pub(super) fn merge(&mut self, mut other: ComparisonTally) {
        for (count, more) in self.residence.iter_mut().zip(other.residence) {
            *count += more;
        }
        for (count, more) in self.registration.iter_mut().zip(other.registration) {
            *count += more;
        }
        self.new_rows.merge(other.new_rows);
        self.missing_keys.merge(other.missing_keys);
        self.keys.append(&mut other.keys);
        self.has_lost_keys |= other.has_lost_keys;
    }

    /// Returns the comparison of all rows.
    pub(super) fn finish(mut self, answers: &PreviousAnswers) -> Comparison {
        self.keys.sort_unstable();
        let are_known = !self.has_lost_keys;
        let counts = |counts: &[u64; AnswerChange::ALL.len()]| {
            let counts = AnswerChange::ALL.into_iter().zip(*counts);
            counts.filter(|(_, rows)| *rows > 0).collect()
        };
        let compared = AnswerChange::ALL.into_iter().zip(self.residence);
        let compared =
            compared.filter(|(change, _)| change.is_change() || *change == AnswerChange::Unchanged);
        Comparison {
            key_column: answers.key_column.clone(),
            previous_rows: answers.row_count,
            compared: compared.map(|(_, rows)| rows).sum(),
            residence: counts(&self.residence),
            registration: counts(&self.registration),
            repeated_keys: are_known.then(|| repeated_keys(&self.keys)),
            gone: are_known.then(|| gone_rows(&self.keys, answers)),
            new_rows: self.new_rows,
            missing_keys: self.missing_keys,
            previous_missing_keys: answers.missing_keys.clone(),
            previous_repeated_keys: answers.repeated_keys.clone(),
            previous_bad_rows: answers.bad_rows.clone(),
        }
    }
}

fn position(change: AnswerChange) -> usize {
    // The variants are in the order of `AnswerChange::ALL`.
    change as usize
}

/// Returns the rows whose key also occurs in an earlier row. The keys are sorted.
fn repeated_keys(keys: &[(KeyHash, u64)]) -> LineSample {
    let pairs = keys.windows(2);
    let repeated = pairs.filter(|pair| pair[0].0 == pair[1].0);
    LineSample::of_lines(repeated.map(|pair| pair[1].1).collect())
}

/// Returns the previous rows whose key is not in `keys`, which is sorted.
fn gone_rows(keys: &[(KeyHash, u64)], answers: &PreviousAnswers) -> LineSample {
    let mut keys = keys.iter().map(|(key, _)| *key).peekable();
    let gone = answers.unique_rows().filter(|row| {
        while keys.next_if(|key| *key < row.key).is_some() {}
        keys.peek() != Some(&row.key)
    });
    LineSample::of_lines(gone.map(|row| u64::from(row.line)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::previous_answers::PreviousCollector;
    use super::*;

    fn hash(key: &str) -> KeyHash {
        key_hash(key.as_bytes()).expect("a key")
    }

    #[test]
    fn changes_are_in_the_order_of_the_list() {
        for (index, change) in AnswerChange::ALL.into_iter().enumerate() {
            assert_eq!(position(change), index, "{}", change.as_str());
        }
    }

    #[test]
    fn repeated_keys_and_rows_that_are_gone_are_found_at_the_end() {
        let mut collector = PreviousCollector::default();
        for (line, key) in (2..).zip(["a", "b", "c", "d", "d"]) {
            collector.add(PreviousRow {
                key: hash(key),
                location: 0,
                practice: 0,
                responsible: 0,
                residence: 0,
                registration: 0,
                line,
                is_in_directory: true,
            });
        }
        let answers = collector.finish("id".into(), false);
        let tally = |keys: &[(&str, u64)]| {
            let mut tally = ComparisonTally::default();
            for (key, line) in keys {
                let row = RowComparison {
                    key: Some(hash(key)),
                    previous: None,
                    residence: AnswerChange::NewRow,
                    registration: AnswerChange::NewRow,
                };
                tally.add(&answers, &row, *line);
            }
            tally
        };
        let mut all = tally(&[("b", 4), ("x", 5)]);
        all.merge(tally(&[("b", 2), ("x", 3), ("b", 9)]));
        let comparison = all.finish(&answers);
        let repeated = comparison.repeated_keys.expect("known");
        assert_eq!(
            (repeated.rows, &repeated.first_lines[..]),
            (3, &[4, 5, 9][..])
        );
        // The key `d` is repeated, so rows with this key are not compared.
        let gone = comparison.gone.expect("known");
        assert_eq!((gone.rows, &gone.first_lines[..]), (2, &[2, 4][..]));
        assert_eq!((comparison.compared, comparison.new_rows.rows), (0, 5));
        // If there is not enough memory for all keys, the result is not known.
        while answers.reserve_keys() > 0 {}
        let lost = tally(&[("a", 2)]).finish(&answers);
        assert_eq!((lost.repeated_keys, lost.gone), (None, None));
    }
}
