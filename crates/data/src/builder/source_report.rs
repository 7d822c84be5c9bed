//! The report of a build: for each source, what was read and used, and what was not used and why.
//!
//! The counts of a source add up: every row that was read is either used or has a reason. Rows that
//! are lost or doubtful are counted towards the limit in the configuration, and the build fails if
//! their number exceeds the limit.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use anyhow::{Result, bail};
use serde::{Serialize, Serializer};

use super::unused_limits::UnusedLimits;
use crate::import::ImportReport;
use crate::plural::{count_with_noun, first_names};
use catchment_core::domain::SuppressionRule;

/// The maximum number of example rows for a reason. Further rows are only counted.
const EXAMPLES_MAX: usize = 5;

/// For one source, what a build read and used, and what it did not use and why.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SourceReport {
    /// The path of the file or folder, as written in the configuration.
    pub source: String,
    /// The purpose of the source in the build, such as `postcodes` or `layer icc`.
    pub purpose: String,
    /// The edition, if the source states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// The number of rows or features that were read.
    pub rows_read: u64,
    /// The number of rows or features that are in the dataset.
    pub rows_used: u64,
    /// The number of people in the source, if it contains numbers of people.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "suppress_small_numbers"
    )]
    pub people_read: Option<u64>,
    /// The rows that are not used, or are used differently from what the source states, by reason.
    pub not_used: Vec<UnusedRows>,
    /// Further remarks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The rows of a source that are not used for the same reason.
#[derive(Debug, Clone, Serialize)]
pub struct UnusedRows {
    /// The reason.
    pub reason: String,
    /// Whether the rows are a loss.
    pub kind: UnusedKind,
    /// The number of rows.
    pub rows: u64,
    /// The number of people in the rows, if the source contains numbers of people.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "suppress_small_numbers"
    )]
    pub people: Option<u64>,
    /// The first rows with this reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// Whether the rows contradict the configuration. If so, a single row fails the build unless
    /// the source has its own limit.
    #[serde(skip)]
    pub(super) is_contradiction: bool,
}

/// Whether unused rows are a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnusedKind {
    /// The configuration does not select the rows, or other rows contain the same information.
    NotNeeded,
    /// The rows should be in the dataset but are not.
    Lost,
    /// The rows are in the dataset, but differ from what the source states.
    Doubtful,
}

/// Rows with the same reason, while the builder counts them.
#[derive(Debug, Clone, Default)]
pub(super) struct RowTally {
    rows: u64,
    people: Option<u64>,
    examples: Vec<String>,
}

fn suppress_small_numbers<S: Serializer>(
    people: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let people = people.and_then(|people| SuppressionRule::NHS_ENGLAND.apply(people));
    people.serialize(serializer)
}

/// Returns a rounded number of people for a message. A small number is suppressed, because it could
/// identify people.
fn people_text(people: u64) -> String {
    match SuppressionRule::NHS_ENGLAND.apply(people) {
        Some(people) => people.to_string(),
        None => "fewer than 8".into(),
    }
}

impl RowTally {
    /// Counts a row. `example` identifies the row.
    pub(super) fn add(&mut self, example: impl FnOnce() -> String) {
        self.rows += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let example = example();
            if !self.examples.contains(&example) {
                self.examples.push(example);
            }
        }
    }

    /// Counts a row that describes `people` people.
    pub(super) fn add_people(&mut self, people: u32, example: impl FnOnce() -> String) {
        *self.people.get_or_insert(0) += u64::from(people);
        self.add(example);
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }
}

impl SourceReport {
    /// Creates the report of a source whose rows are all used.
    pub(super) fn new(source: impl Into<String>, purpose: &str, rows: usize) -> SourceReport {
        SourceReport {
            source: source.into(),
            purpose: purpose.into(),
            rows_read: rows as u64,
            rows_used: rows as u64,
            ..SourceReport::default()
        }
    }

    /// Creates the report of a source from the report of its import.
    pub(super) fn from_import(
        source: impl Into<String>,
        purpose: &str,
        import: &ImportReport,
    ) -> SourceReport {
        let left_out = &import.people_left_out;
        let mut report = SourceReport {
            edition: import.vintage.clone(),
            rows_read: import.read,
            rows_used: import.read,
            notes: import.warnings.clone(),
            people_read: left_out.values().copied().reduce(|a, b| a + b),
            ..SourceReport::new(source, purpose, 0)
        };
        for (reason, count) in &import.skipped {
            let mut rows = tally_of(*count, Vec::new());
            rows.people = left_out.get(reason).copied();
            report.push(UnusedKind::NotNeeded, reason, rows);
        }
        report.push_rejected(import);
        let rest = report.rows_used.saturating_sub(import.kept);
        report.push(
            UnusedKind::NotNeeded,
            "other rows give the same record",
            tally_of(rest, Vec::new()),
        );
        report
    }

    /// Adds the rows that an import rejected to a report of the records that the import returned.
    pub(super) fn add_rejected(&mut self, import: &ImportReport) {
        let rejected: u64 = import.rejected.values().map(|rows| rows.count).sum();
        self.rows_read += rejected;
        self.rows_used += rejected;
        self.edition.clone_from(&import.vintage);
        self.notes.extend(import.warnings.iter().cloned());
        self.push_rejected(import);
    }

    fn push_rejected(&mut self, import: &ImportReport) {
        for (reason, rejected) in &import.rejected {
            let locations = rejected.first_locations.iter().take(EXAMPLES_MAX);
            let locations = locations.map(|(file, line)| format!("{file} line {line}"));
            let mut rows = tally_of(rejected.count, locations.collect());
            rows.people = import.people_left_out.get(reason).copied();
            self.push(UnusedKind::Lost, reason, rows);
        }
    }

    /// Adds rows that the configuration does not select.
    pub(super) fn not_needed(&mut self, reason: &str, rows: RowTally) {
        self.push(UnusedKind::NotNeeded, reason, rows);
    }

    /// Adds rows that the configuration does not select to a report of the other rows.
    pub(super) fn add_not_needed(&mut self, reason: &str, rows: u64) {
        self.rows_read += rows;
        self.rows_used += rows;
        self.not_needed(reason, tally_of(rows, Vec::new()));
    }

    /// Adds rows that should be in the dataset but are not.
    pub(super) fn lost(&mut self, reason: &str, rows: RowTally) {
        self.push(UnusedKind::Lost, reason, rows);
    }

    /// Adds rows that are in the dataset, but differ from what the source states.
    pub(super) fn doubtful(&mut self, reason: &str, rows: RowTally) {
        self.push(UnusedKind::Doubtful, reason, rows);
    }

    fn push(&mut self, kind: UnusedKind, reason: &str, tally: RowTally) {
        if tally.rows == 0 {
            return;
        }
        if kind != UnusedKind::Doubtful {
            self.rows_used = self.rows_used.saturating_sub(tally.rows);
        }
        self.not_used.push(UnusedRows {
            reason: reason.into(),
            kind,
            rows: tally.rows,
            people: tally.people,
            examples: tally.examples,
            is_contradiction: false,
        });
    }

    /// Returns the lost and doubtful share of the rows that the configuration selects, or the
    /// corresponding share of people, whichever is larger. The share of people is used because the
    /// loss of a row for one patient is smaller than the loss of a row for a thousand patients.
    fn loss(&self) -> f64 {
        let (mut rows, mut people) = ((0, self.rows_read), (0, self.people_read.unwrap_or(0)));
        for unused in &self.not_used {
            let of_people = unused.people.unwrap_or(0);
            if unused.kind == UnusedKind::NotNeeded {
                rows.1 = rows.1.saturating_sub(unused.rows);
                people.1 = people.1.saturating_sub(of_people);
            } else {
                people.0 += of_people;
                rows.0 += if of_people == 0 { unused.rows } else { 0 };
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let share = |(part, whole): (u64, u64)| match whole {
            0 => 0.0,
            whole => part as f64 / whole as f64,
        };
        share(rows).max(share(people))
    }

    /// Returns the reason why this source fails the build, or `None` if it does not.
    fn excess(&self, limits: &UnusedLimits) -> Option<String> {
        let (limit, is_explicit) = limits.of(&self.source);
        let losses = || {
            let unused = self.not_used.iter();
            unused.filter(|unused| unused.kind != UnusedKind::NotNeeded)
        };
        let is_contradiction = !is_explicit && losses().any(|unused| unused.is_contradiction);
        let loss = self.loss();
        if loss <= limit && !is_contradiction {
            return None;
        }
        let reasons: Vec<String> = losses()
            .map(|unused| format!("\n  {}", self.reason_text(unused)))
            .collect();
        Some(format!(
            "{} ({}): {:.2} % is lost or doubtful, and the limit is {} %{}",
            self.source,
            self.purpose,
            100.0 * loss,
            100.0 * limit,
            reasons.concat()
        ))
    }

    /// Returns a description of the rows with a reason, such as `2 of 10 rows lost: …`.
    fn reason_text(&self, unused: &UnusedRows) -> String {
        let rows = match self.rows_read {
            1 => "row",
            _ => "rows",
        };
        let mut text = format!("{} of {} {rows}", unused.rows, self.rows_read);
        if let (Some(people), Some(all)) = (unused.people, self.people_read) {
            let (people, all) = (people_text(people), people_text(all));
            text.push_str(&format!(" ({people} of {all} people)"));
        }
        let kind = match unused.kind {
            UnusedKind::NotNeeded => "not needed",
            UnusedKind::Lost => "lost",
            UnusedKind::Doubtful => "doubtful",
        };
        text.push_str(&format!(" {kind}: {}", unused.reason));
        if !unused.examples.is_empty() {
            text.push_str(&format!(" ({}", unused.examples.join(", ")));
            if unused.rows > unused.examples.len() as u64 {
                text.push_str(", …");
            }
            text.push(')');
        }
        text
    }
}

/// Returns a number of rows with the given examples.
fn tally_of(rows: u64, examples: Vec<String>) -> RowTally {
    RowTally {
        rows,
        people: None,
        examples,
    }
}

/// Prints a line with the counts, and a line for each reason and note.
impl Display for SourceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, used) = (self.rows_read, self.rows_used);
        write!(
            f,
            "{}: {}: {read} read, {used} used",
            self.purpose, self.source
        )?;
        if let Some(edition) = &self.edition {
            write!(f, ", edition {edition}")?;
        }
        for unused in &self.not_used {
            write!(f, "\n  {}", self.reason_text(unused))?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}

/// For one layer, what the build made.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LayerReport {
    /// The id of the layer.
    pub layer: String,
    /// The number of areas that are valid on the date of the dataset.
    pub areas: u64,
    /// The number of areas that have a boundary, on any date.
    pub areas_with_boundary: u64,
    /// The ids of the areas that are valid on the date of the dataset, but have no boundary on this
    /// date.
    pub areas_without_boundary: Vec<String>,
    /// The codes of the practices that are open on the date of the dataset but have no area. Empty
    /// unless the areas of the layer are areas of practices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub practices_without_area: Vec<String>,
    /// The number of statistical areas that belong to an area of the layer on any date, or `None`
    /// if the layer's areas are not unions of statistical areas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistical_areas_used: Option<u64>,
    /// The codes of the statistical areas that belong to no area of the layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statistical_areas_in_no_area: Vec<String>,
}

/// Prints a line with the counts, and further lines, for example for areas without a boundary.
impl Display for LayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let areas = count_with_noun(self.areas_with_boundary, "area", "areas");
        write!(f, "{}: {areas} with a boundary", self.layer)?;
        if !self.areas_without_boundary.is_empty() {
            let without = self.areas_without_boundary.as_slice();
            write!(
                f,
                "\n  {} of {} without a boundary: {}",
                without.len(),
                count_with_noun(self.areas, "area", "areas"),
                first_names(without, EXAMPLES_MAX)
            )?;
        }
        if !self.practices_without_area.is_empty() {
            let without = self.practices_without_area.as_slice();
            write!(
                f,
                "\n  {} without an area: {}",
                count_with_noun(without.len(), "open practice", "open practices"),
                first_names(without, EXAMPLES_MAX)
            )?;
        }
        if let (Some(used), false) = (
            self.statistical_areas_used,
            self.statistical_areas_in_no_area.is_empty(),
        ) {
            let left_out = self.statistical_areas_in_no_area.as_slice();
            let all = used + left_out.len() as u64;
            write!(
                f,
                "\n  {} of {} in no area: {}",
                left_out.len(),
                count_with_noun(all, "statistical area", "statistical areas"),
                first_names(left_out, EXAMPLES_MAX)
            )?;
        }
        Ok(())
    }
}

/// Returns an error that lists every source with a larger loss than the configuration allows.
pub(super) fn ensure_within_limits(sources: &[SourceReport], limits: &UnusedLimits) -> Result<()> {
    let excesses: Vec<String> = sources
        .iter()
        .filter_map(|source| source.excess(limits))
        .collect();
    if excesses.is_empty() {
        return Ok(());
    }
    bail!(
        "the dataset would lack data of its sources; to accept this, raise the limit of the source \
         in `[unused_max]`\n{}",
        excesses.join("\n")
    )
}

/// Merges reports that have the same source, purpose and counts, such as the reports of a look-up
/// that two methods of a layer use.
pub(super) fn without_repetitions(reports: Vec<SourceReport>) -> Vec<SourceReport> {
    let mut seen: BTreeMap<(String, String, u64, u64), usize> = BTreeMap::new();
    let mut distinct: Vec<SourceReport> = Vec::with_capacity(reports.len());
    for report in reports {
        let key = (
            report.source.clone(),
            report.purpose.clone(),
            report.rows_read,
            report.rows_used,
        );
        if seen.insert(key, distinct.len()).is_none() {
            distinct.push(report);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64) -> RowTally {
        let mut tally = RowTally::default();
        (0..count).for_each(|row| tally.add(|| format!("row {row}")));
        tally
    }

    fn limits(text: &str) -> UnusedLimits {
        toml::from_str(text).expect("limits")
    }

    #[test]
    fn every_row_is_used_or_has_a_reason() {
        let mut import = ImportReport::new("a.csv");
        (import.read, import.kept) = (10, 5);
        import.skip("elsewhere");
        import.reject("column `x`: must be a number", "a.csv", 3);
        let report = SourceReport::from_import("a.csv", "postcodes", &import);
        assert_eq!(report.rows_used, 5);
        let unused: u64 = report.not_used.iter().map(|unused| unused.rows).sum();
        assert_eq!(report.rows_used + unused, report.rows_read);
        let text = report.to_string();
        for words in [
            "postcodes: a.csv: 10 read, 5 used",
            "1 of 10 rows not needed: elsewhere",
            "1 of 10 rows lost: column `x`: must be a number (a.csv line 3)",
        ] {
            assert!(text.contains(words), "`{words}` is not in: {text}");
        }
    }

    #[test]
    fn the_limit_is_a_share_of_the_rows_that_are_needed() {
        let mut report = SourceReport::new("a.csv", "postcodes", 2_000);
        report.not_needed("elsewhere", rows(1_000));
        report.lost("unknown", rows(5));
        assert_eq!(report.rows_used, 995);
        let check = |report: &SourceReport, text: &str| {
            ensure_within_limits(std::slice::from_ref(report), &limits(text))
        };
        assert!(check(&report, "").is_ok(), "exactly 0.5 %");
        report.doubtful("odd", rows(1));
        assert_eq!(report.rows_used, 995);
        let error = check(&report, "").expect_err("0.6 %").to_string();
        assert!(error.contains("a.csv (postcodes): 0.60 %"), "{error}");
        assert!(error.contains("row 0, row 1"), "{error}");
        assert!(check(&report, "default = 0.006").is_ok());
        assert!(check(&report, "\"a.csv\" = 0.01").is_ok());
        assert!(check(&report, "\"b.csv\" = 0.01").is_err());
    }

    #[test]
    fn people_count_as_well_as_rows() {
        let mut report = SourceReport::new("r.csv", "shares `all`", 1_000);
        report.people_read = Some(10_000);
        let mut tally = RowTally::default();
        tally.add_people(8_000, || "E01035001".into());
        report.lost("no boundary", tally);
        let error = ensure_within_limits(&[report], &limits("")).expect_err("80 % of the people");
        let words = "1 of 1000 rows (8000 of 10000 people) lost: no boundary (E01035001)";
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn contradictions_need_a_limit_of_their_own() {
        let mut report = SourceReport::new("a.csv", "postcodes", 1_000_000);
        report.doubtful("another year", rows(1));
        report.not_used[0].is_contradiction = true;
        let reports = [report];
        assert!(ensure_within_limits(&reports, &limits("default = 1.0")).is_err());
        assert!(ensure_within_limits(&reports, &limits("\"a.csv\" = 0.1")).is_ok());
    }

    #[test]
    fn small_numbers_of_people_are_not_stated() {
        let mut report = SourceReport::new("r.csv", "shares `all`", 10);
        report.people_read = Some(1_002);
        let mut tally = RowTally::default();
        tally.add_people(3, || "E01035001".into());
        report.lost("no boundary", tally);
        assert!(report.to_string().contains("fewer than 8 of 1000 people"));
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["people_read"], 1_000);
        assert!(json["not_used"][0]["people"].is_null());
    }
}
