//! The sheet with the summary of a batch, which is added to a workbook.

use super::BatchRequest;
use super::summary::BatchSummary;
use crate::tabular::workbook::{SummarySheet, SummaryValue};
use catchment_core::index::Index;

fn text(text: impl Into<String>) -> SummaryValue {
    SummaryValue::Text(text.into())
}

/// Returns the rows of the sheet. Small numbers are suppressed as the request says.
pub(super) fn summary_sheet(
    index: &Index,
    summary: &BatchSummary,
    request: &BatchRequest,
) -> SummarySheet {
    let suppression = request.workbook.suppression;
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
        let numbers: Vec<String> = summary.bad_lines.iter().map(u64::to_string).collect();
        sheet.push(vec![
            text("The first of these rows"),
            text(numbers.join(", ")),
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
    if !summary.communities.is_empty() {
        sheet.push(Vec::new());
        let names = [
            "Community",
            "Id",
            "Rows by residence",
            "Rows by registration",
        ];
        sheet.push(names.map(text).to_vec());
        for area in &summary.communities {
            sheet.push(vec![
                text(area.name.as_str()),
                text(area.id.as_str()),
                count(area.residence),
                count(area.registration),
            ]);
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
