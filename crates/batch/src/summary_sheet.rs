//! The sheet with the summary of a batch, which is added to a workbook.

use super::BatchRequest;
use super::comparison::Comparison;
use super::flows::{PublishedFlows, summary_rows};
use super::summary::{AreaCount, BatchSummary};
use crate::tabular::workbook::{SummarySheet, SummaryValue};
use catchment_core::domain::sentence_case;
use catchment_core::index::Index;

fn text(text: impl Into<String>) -> SummaryValue {
    SummaryValue::Text(text.into())
}

/// Returns the rows of the sheet. Small numbers are suppressed by the rules of the request.
pub(super) fn summary_sheet(
    index: &Index,
    summary: &BatchSummary,
    request: &BatchRequest,
) -> SummarySheet {
    let suppression = request.workbook.suppression.counts;
    let count = |count: u64| match suppression.apply(count) {
        Some(count) => SummaryValue::Count(count),
        None => text("hidden"),
    };
    let manifest = index.manifest();
    let mut sheet = SummarySheet::default();
    sheet.push(vec![text("Rows"), count(summary.rows)]);
    sheet.push(vec![
        text("Rows that could not be read"),
        count(summary.bad_rows),
    ]);
    if suppression.is_none() && !summary.bad_lines.is_empty() {
        sheet.push(vec![
            text("The first of these rows"),
            text(numbers(&summary.bad_lines)),
        ]);
    }
    sheet.push(Vec::new());
    sheet.push(vec![text("Status"), text("Rows")]);
    for (word, rows) in summary.status.iter().filter(|(_, rows)| *rows > 0) {
        sheet.push(vec![text(*word), count(*rows)]);
    }
    sheet.push(Vec::new());
    sheet.push(vec![
        text("Agreement of residence and registration"),
        text("Rows"),
    ]);
    for (word, rows) in summary.agreement.iter().filter(|(_, rows)| *rows > 0) {
        sheet.push(vec![text(*word), count(*rows)]);
    }
    for counts in &summary.areas {
        let singular = manifest.layer(counts.layer);
        let singular = singular.map_or(counts.layer.as_str(), |entry| entry.singular.as_str());
        let names = [singular, "Id", "Rows by residence", "Rows by registration"];
        let shown = if counts.has_registration { 4 } else { 3 };
        push_areas(&mut sheet, &counts.areas, &names[..shown], &count);
    }
    let names = [
        "Practice",
        "Code",
        "Rows in its area",
        "Rows by registration",
    ];
    push_areas(&mut sheet, &summary.practices, &names, &count);
    for (half, reasons) in [
        ("residence", &summary.residence_reasons),
        ("registration", &summary.registration_reasons),
    ] {
        if reasons.is_empty() {
            continue;
        }
        sheet.push(Vec::new());
        let title = format!("Why there is no community by {half}");
        sheet.push(vec![text(title), text("Rows")]);
        for reason in reasons {
            sheet.push(vec![text(reason.code.as_str()), count(reason.rows)]);
        }
    }
    let malformed = [
        (
            "First rows with a malformed location",
            &summary.malformed_locations,
        ),
        (
            "First rows with a code that is not an ODS code",
            &summary.malformed_practices,
        ),
    ];
    let malformed = malformed.iter().filter(|(_, rows)| rows.rows > 0);
    if suppression.is_none() && malformed.clone().next().is_some() {
        sheet.push(Vec::new());
        for (title, rows) in malformed {
            sheet.push(vec![text(*title), text(numbers(&rows.first_lines))]);
        }
    }
    if let Some(comparison) = &summary.comparison {
        push_comparison(&mut sheet, comparison, &count);
    }
    if let Some(flows) = &summary.flows {
        let flows = PublishedFlows::new(flows, request.workbook.suppression.flows);
        sheet.push(Vec::new());
        for row in summary_rows(&flows) {
            sheet.push(row);
        }
    }
    sheet.push(Vec::new());
    sheet.push(vec![text("Dataset"), text(manifest.name.as_str())]);
    sheet.push(vec![
        text("Version of the dataset"),
        text(manifest.version.as_str()),
    ]);
    sheet.push(vec![
        text("Digest of the dataset"),
        text(index.digest().to_string()),
    ]);
    sheet.push(vec![
        text("Date of the answers"),
        text(request.as_of.to_string()),
    ]);
    for source in manifest.dated_sources() {
        let title = format!("Date of the source: {}", source.key);
        sheet.push(vec![text(title), text(source.date.as_of.to_string())]);
    }
    if !suppression.is_none() {
        sheet.push(vec![text("Small numbers"), text(suppression.to_string())]);
    }
    sheet
}

fn numbers(lines: &[u64]) -> String {
    let numbers: Vec<String> = lines.iter().map(u64::to_string).collect();
    numbers.join(", ")
}

/// Adds a table of areas. `names` contains the names of the table's columns, of which the last is
/// optional.
fn push_areas(
    sheet: &mut SummarySheet,
    areas: &[AreaCount],
    names: &[&str],
    count: &impl Fn(u64) -> SummaryValue,
) {
    if areas.is_empty() {
        return;
    }
    sheet.push(Vec::new());
    sheet.push(names.iter().map(|name| text(*name)).collect());
    for area in areas {
        let mut cells = vec![
            text(area.name.as_str()),
            text(area.id.as_str()),
            count(area.residence),
            count(area.registration),
        ];
        cells.truncate(names.len());
        sheet.push(cells);
    }
}

/// Adds the comparison with a previous run.
fn push_comparison(
    sheet: &mut SummarySheet,
    comparison: &Comparison,
    count: &impl Fn(u64) -> SummaryValue,
) {
    sheet.push(Vec::new());
    let key = comparison.key_column.as_str();
    sheet.push(vec![text("Compared with the previous run, by"), text(key)]);
    sheet.push(vec![text("Rows compared"), count(comparison.compared)]);
    for (half, changes) in [
        ("residence", &comparison.residence),
        ("registration", &comparison.registration),
    ] {
        let changes = changes.iter().filter(|(change, _)| change.is_change());
        let changed = changes.clone().map(|(_, rows)| rows).sum();
        let title = format!("Changed community by {half}");
        sheet.push(vec![text(title), count(changed)]);
        for (change, rows) in changes {
            let cause = format!("Because of: {}", change.as_str());
            sheet.push(vec![text(cause), count(*rows)]);
        }
    }
    for (label, rows) in comparison.not_compared() {
        let title = sentence_case(label);
        let rows = rows.map_or_else(|| text("not counted"), |rows| count(rows.rows));
        sheet.push(vec![text(title), rows]);
    }
}
