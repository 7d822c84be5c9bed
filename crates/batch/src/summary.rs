//! Counts the rows of a batch, and summarises the counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use memchr::{memchr_iter, memmem};

use super::answer_cells::{RegistrationCells, ResidenceCells, STATUSES, status_index};
use super::comparison::{Comparison, ComparisonTally};
use super::context::BatchContext;
use super::counted_areas::CountedLayer;
use super::flows::{FlowPlaces, FlowTable, FlowTally};
use super::layout::BAD_ROW;
use super::line_sample::LineSample;
use catchment_core::domain::{Agreement, Layer, OdsCode};
use catchment_core::index::AreaKey;

/// The summary of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSummary {
    /// The number of rows read, which is also the number of rows written.
    pub rows: u64,
    /// The number of bad rows.
    pub bad_rows: u64,
    /// The lines on which the first bad rows start. In Parquet and Arrow, the numbers of these
    /// rows, counted from 1.
    pub bad_lines: Vec<u64>,
    /// The rows that contain text that is not a postcode, a position or the code of a statistical
    /// area.
    pub malformed_locations: LineSample,
    /// The rows that contain text that is not a practice code.
    pub malformed_practices: LineSample,
    /// The number of rows per status, in the order of the statuses.
    pub status: Vec<(&'static str, u64)>,
    /// The number of rows per agreement, not counting bad rows.
    pub agreement: Vec<(&'static str, u64)>,
    /// The number of rows per community of the main layer, ordered by id.
    pub communities: Vec<AreaCount>,
    /// The number of rows per area of every layer of communities and every administrative layer.
    pub areas: Vec<LayerCounts>,
    /// The number of rows per practice, ordered by code: the rows whose location is in the
    /// practice's area, and the rows of people registered with the practice.
    pub practices: Vec<AreaCount>,
    /// The number of rows per reason why there is no main community by residence, in descending
    /// order of the number of rows.
    pub residence_reasons: Vec<ReasonCount>,
    /// The number of rows per reason why there is no main community by registration, in descending
    /// order of the number of rows.
    pub registration_reasons: Vec<ReasonCount>,
    /// The comparison with the answers of a previous run, if there is one.
    pub comparison: Option<Comparison>,
    /// The flows of patients between the communities of the main layer. `None` if the input does
    /// not contain both a practice and a location, or if the dataset has no communities.
    pub flows: Option<FlowTable>,
    /// The numbers that a spreadsheet has irreversibly shortened, or `None` if there are no such
    /// numbers.
    pub scientific_notation: Option<ScientificNotation>,
}

/// The number of rows for an area or a practice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaCount {
    /// The id of the area, or the code of the practice.
    pub id: String,
    /// The name of the area or practice.
    pub name: String,
    /// The number of rows whose location is in the area.
    pub residence: u64,
    /// The number of rows whose practice belongs to the area.
    pub registration: u64,
}

/// The number of rows for each area of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerCounts {
    /// The layer.
    pub layer: Layer,
    /// Whether practices belong to the layer's areas. If not, no row is counted by registration.
    pub has_registration: bool,
    /// The areas of the rows, ordered by id.
    pub areas: Vec<AreaCount>,
}

/// The number of rows for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonCount {
    /// The code of the reason.
    pub code: String,
    /// The number of rows.
    pub rows: u64,
}

/// Numbers in scientific notation, such as `4.5E+09`, into which a spreadsheet turns long numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScientificNotation {
    /// The number of such numbers in the file.
    pub count: u64,
    /// The line that contains the first such number.
    pub first_line: u64,
}

/// The number of rows by residence and by registration.
#[derive(Debug, Clone, Copy, Default)]
struct HalfCounts {
    residence: u64,
    registration: u64,
}

impl HalfCounts {
    fn add(&mut self, other: HalfCounts) {
        self.residence += other.residence;
        self.registration += other.registration;
    }
}

/// The number of rows per code of a reason.
type ReasonCounts = HashMap<String, u64>;

/// The counts of one thread.
#[derive(Default)]
pub(super) struct BatchTally {
    pub(super) rows: u64,
    status: [u64; STATUSES.len()],
    agreement: [u64; Agreement::ALL.len()],
    areas: HashMap<AreaKey, HalfCounts>,
    practices: HashMap<OdsCode, HalfCounts>,
    residence_reasons: ReasonCounts,
    registration_reasons: ReasonCounts,
    bad_rows: LineSample,
    pub(super) malformed_locations: LineSample,
    pub(super) malformed_practices: LineSample,
    pub(super) comparison: ComparisonTally,
    scientific_notation: Option<ScientificNotation>,
    pub(super) flows: Option<FlowTally>,
}

impl BatchTally {
    /// Creates the counts of a thread, which include the flows between these places.
    pub(super) fn new(flow_places: Option<&Arc<FlowPlaces>>) -> BatchTally {
        BatchTally {
            flows: flow_places.map(FlowTally::new),
            ..BatchTally::default()
        }
    }

    /// Counts `rows` rows that have this residence.
    pub(super) fn add_residence(&mut self, cells: &ResidenceCells, rows: u64) {
        self.status[cells.status_index] += rows;
        for key in &cells.counted.areas {
            self.areas.entry(*key).or_default().residence += rows;
        }
        for code in &cells.counted.covering {
            self.practices.entry(*code).or_default().residence += rows;
        }
        add_reason(&mut self.residence_reasons, &cells.reason_code, rows);
    }

    /// Counts `rows` rows that have this registration.
    pub(super) fn add_registration(&mut self, cells: &RegistrationCells, rows: u64) {
        for key in &cells.counted.areas {
            self.areas.entry(*key).or_default().registration += rows;
        }
        if let Some(code) = cells.practice {
            self.practices.entry(code).or_default().registration += rows;
        }
        add_reason(&mut self.registration_reasons, &cells.reason_code, rows);
    }

    /// Counts a row with this agreement.
    pub(super) fn add_agreement(&mut self, agreement: Agreement) {
        // The variants are in the order of `Agreement::ALL`.
        self.agreement[agreement as usize] += 1;
    }

    /// Counts a bad row. `number` is the line of the row or, in columnar input, the number of the
    /// row.
    pub(super) fn add_bad_row(&mut self, number: u64) {
        self.status[status_index(BAD_ROW)] += 1;
        self.bad_rows.add(|| number);
        for reasons in [&mut self.residence_reasons, &mut self.registration_reasons] {
            add_reason(reasons, BAD_ROW, 1);
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

    /// Adds the counts of another thread to the counts of this thread.
    fn merge(mut self, other: BatchTally) -> BatchTally {
        self.rows += other.rows;
        for (count, more) in self.status.iter_mut().zip(other.status) {
            *count += more;
        }
        for (count, more) in self.agreement.iter_mut().zip(other.agreement) {
            *count += more;
        }
        for (key, more) in other.areas {
            self.areas.entry(key).or_default().add(more);
        }
        for (code, more) in other.practices {
            self.practices.entry(code).or_default().add(more);
        }
        for (code, more) in other.residence_reasons {
            add_reason(&mut self.residence_reasons, &code, more);
        }
        for (code, more) in other.registration_reasons {
            add_reason(&mut self.registration_reasons, &code, more);
        }
        self.bad_rows.merge(other.bad_rows);
        self.malformed_locations.merge(other.malformed_locations);
        self.malformed_practices.merge(other.malformed_practices);
        self.comparison.merge(other.comparison);
        self.flows = match (self.flows, other.flows) {
            (Some(flows), Some(more)) => Some(flows.merge(more)),
            (flows, more) => flows.or(more),
        };
        if let Some(more) = other.scientific_notation {
            self.scientific_notation = Some(combine(self.scientific_notation, more));
        }
        self
    }

    /// Returns the summary of the rows of a batch.
    pub(super) fn into_summary(self, context: &BatchContext<'_>) -> BatchSummary {
        let agreements = Agreement::ALL.map(Agreement::as_str);
        let areas = layer_counts(&self.areas, context);
        let main = context.layout.main_community;
        let communities = areas.iter().find(|counts| Some(counts.layer) == main);
        let previous = context.previous.as_deref();
        let bad_rows = self.bad_rows.rows;
        BatchSummary {
            rows: self.rows,
            bad_rows,
            bad_lines: self.bad_rows.first_lines,
            malformed_locations: self.malformed_locations,
            malformed_practices: self.malformed_practices,
            flows: self.flows.map(|flows| flows.into_table(bad_rows)),
            status: STATUSES.into_iter().zip(self.status).collect(),
            agreement: agreements.into_iter().zip(self.agreement).collect(),
            communities: communities.map_or_else(Vec::new, |counts| counts.areas.clone()),
            areas,
            practices: practice_counts(self.practices, context),
            residence_reasons: sorted_reasons(self.residence_reasons),
            registration_reasons: sorted_reasons(self.registration_reasons),
            comparison: previous.map(|answers| self.comparison.finish(answers)),
            scientific_notation: self.scientific_notation,
        }
    }
}

/// Counts `rows` rows with a reason. The code is empty if no result is missing.
fn add_reason(reasons: &mut ReasonCounts, code: &str, rows: u64) {
    if code.is_empty() {
        return;
    }
    match reasons.get_mut(code) {
        Some(count) => *count += rows,
        None => {
            reasons.insert(code.into(), rows);
        }
    }
}

fn sorted_reasons(reasons: ReasonCounts) -> Vec<ReasonCount> {
    let reasons = reasons.into_iter();
    let mut reasons: Vec<ReasonCount> = reasons
        .map(|(code, rows)| ReasonCount { code, rows })
        .collect();
    reasons.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.code.cmp(&b.code)));
    reasons
}

/// Returns the counts of the areas of each layer. The name of an area is its name on the as-of date
/// of the batch.
fn layer_counts(
    counts: &HashMap<AreaKey, HalfCounts>,
    context: &BatchContext<'_>,
) -> Vec<LayerCounts> {
    let of_layer = |counted: &CountedLayer| {
        let own = counts
            .iter()
            .filter(|(key, _)| key.layer() == counted.layer);
        let named = own.filter_map(|(key, counts)| {
            let area = context.index.area_with_key(*key, context.as_of)?;
            let count = AreaCount {
                id: area.id.clone(),
                name: area.title().to_string(),
                residence: counts.residence,
                registration: counts.registration,
            };
            Some((area.id.as_str(), count))
        });
        let by_id: BTreeMap<&str, AreaCount> = named.collect();
        LayerCounts {
            layer: counted.layer,
            has_registration: counted.has_registration,
            areas: by_id.into_values().collect(),
        }
    };
    context.layout.counted_layers.iter().map(of_layer).collect()
}

fn practice_counts(
    counts: HashMap<OdsCode, HalfCounts>,
    context: &BatchContext<'_>,
) -> Vec<AreaCount> {
    let index = context.index;
    let by_code: BTreeMap<OdsCode, HalfCounts> = counts.into_iter().collect();
    let counts = by_code.into_iter().map(|(code, counts)| {
        let neighbouring = || Some(&index.neighbouring_practice(code)?.practice);
        let practice = index.practice(code).or_else(neighbouring);
        AreaCount {
            id: code.to_string(),
            name: practice
                .map(|practice| practice.name.clone())
                .unwrap_or_default(),
            residence: counts.residence,
            registration: counts.registration,
        }
    });
    counts.collect()
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

/// Returns whether the `E+` at this offset is part of a number, such as `4.5E+09`, with no letter
/// or digit directly before or after it.
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
