//! The tables of flows as CSV, as a workbook, and as rows of a batch's summary sheet.

use std::io::Write;

use super::published::PublishedFlows;
use super::table::FlowAxis;
use crate::tabular::cell_format::{escape_formula, write_csv_cell};
use crate::tabular::delimiter::Delimiter;
use crate::tabular::error::TabularError;
use crate::tabular::workbook::{
    SHEET_COLUMNS_MAX, SHEET_ROWS_MAX, SummarySheet, SummaryValue, write_sheets,
};

/// A table of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowTableKind {
    /// A row for each place of registration, and a column for each place of residence.
    Matrix,
    /// A row for each pair of places with a count that is hidden or above 0.
    Long,
    /// A row for each area: registered, resident, both, and the ratio of registered to resident.
    Areas,
}

/// The text that represents a hidden number.
const HIDDEN: &str = "*";
/// The id and the name of totals.
const TOTAL: (&str, &str) = ("total", "Total");
/// The maximum number of counts in a matrix.
const MATRIX_COUNTS_MAX: usize = 1_000_000;

/// Returns whether a table is small enough to be written as a matrix.
pub fn matrix_fits(flows: &PublishedFlows<'_>) -> bool {
    let table = flows.table();
    let (rows, columns) = (table.registered.places.len(), table.resident.places.len());
    rows.saturating_mul(columns) <= MATRIX_COUNTS_MAX && columns + 2 < SHEET_COLUMNS_MAX as usize
}

/// Writes a table as CSV (RFC 4180). A hidden number is `*`.
///
/// # Errors
/// If `output` cannot be written.
pub fn write_csv(
    flows: &PublishedFlows<'_>,
    kind: FlowTableKind,
    output: &mut impl Write,
) -> Result<(), TabularError> {
    let rows: Box<dyn Iterator<Item = Vec<SummaryValue>> + '_> = match kind {
        FlowTableKind::Matrix => Box::new(matrix_rows(flows)),
        FlowTableKind::Long => Box::new(long_rows(flows)),
        FlowTableKind::Areas => Box::new(area_rows(flows).into_iter()),
    };
    let mut line = Vec::new();
    for row in rows {
        line.clear();
        for (index, value) in row.iter().enumerate() {
            if index > 0 {
                line.push(b',');
            }
            match value {
                SummaryValue::Text(text) => {
                    write_csv_cell(&mut line, &escape_formula(text), Delimiter::COMMA);
                }
                SummaryValue::Count(count) => write!(line, "{count}").expect("in memory"),
                SummaryValue::Ratio(ratio) => write!(line, "{ratio:.3}").expect("in memory"),
            }
        }
        line.push(b'\n');
        output.write_all(&line).map_err(TabularError::Write)?;
    }
    Ok(())
}

/// Writes the tables as a workbook with one sheet for each table, and a sheet with `notes`, which
/// are pairs of a label and a value.
///
/// # Errors
/// If the long table has more rows than a sheet allows, or `output` cannot be written.
pub fn write_workbook(
    flows: &PublishedFlows<'_>,
    notes: &[(String, String)],
    output: impl Write,
) -> Result<(), TabularError> {
    if flows.pairs().len()
        + flows.table().registered.places.len()
        + flows.table().resident.places.len()
        + 2
        > SHEET_ROWS_MAX as usize
    {
        return Err(TabularError::SheetTooLong);
    }
    let sheet = |rows: &mut dyn Iterator<Item = Vec<SummaryValue>>| {
        let mut sheet = SummarySheet::default();
        rows.for_each(|row| sheet.push(row));
        sheet
    };
    let mut sheets = Vec::new();
    if matrix_fits(flows) {
        sheets.push(("Matrix", sheet(&mut matrix_rows(flows))));
    }
    sheets.push(("Flows", sheet(&mut long_rows(flows))));
    if flows.table().has_one_layer() {
        sheets.push(("Areas", sheet(&mut area_rows(flows).into_iter())));
    }
    let mut notes = notes
        .iter()
        .map(|(label, value)| vec![text(label), text(value)]);
    sheets.push(("Notes", sheet(&mut notes)));
    write_sheets(output, &sheets)
}

/// Returns the rows of the matrix and of the areas, for a batch's summary sheet.
pub(crate) fn summary_rows(flows: &PublishedFlows<'_>) -> Vec<Vec<SummaryValue>> {
    let mut rows = vec![
        vec![text(
            "Patients by registration (rows) and residence (columns)",
        )],
        vec![text(&flows.explanation(HIDDEN))],
    ];
    if !flows.rule().is_none() {
        // Each of the other counts of a summary is suppressed separately.
        let warning = "The other counts of this sheet are not hidden in this way: do not publish them together with these tables.";
        rows.push(vec![text(warning)]);
    }
    if matrix_fits(flows) {
        rows.extend(matrix_rows(flows));
    }
    rows.push(Vec::new());
    rows.extend(area_rows(flows));
    rows
}

fn text(text: &str) -> SummaryValue {
    SummaryValue::Text(text.into())
}

fn number(count: Option<u64>) -> SummaryValue {
    count.map_or(text(HIDDEN), SummaryValue::Count)
}

/// Returns the rows of the matrix: the id and the name of each place of registration, its counts by
/// place of residence, and its total. The first row contains the ids of the places of residence.
fn matrix_rows(flows: &PublishedFlows<'_>) -> impl Iterator<Item = Vec<SummaryValue>> {
    let table = flows.table();
    let columns = table.resident.places.len();
    let header = ["registered", "registered_name"].map(text).into_iter();
    let ids = table.resident.places.iter().map(|place| text(&place.id));
    let header = header.chain(ids).chain([text(TOTAL.0)]).collect();
    let rows = table.registered.places.iter().enumerate();
    let rows = rows.map(move |(row, place)| {
        let mut values = vec![text(&place.id), text(&place.name)];
        values.extend((0..columns).map(|column| number(flows.count(row, column))));
        values.push(number(flows.registered_total(row)));
        values
    });
    let totals = (0..columns).map(|column| number(flows.resident_total(column)));
    let last = [text(TOTAL.0), text(TOTAL.1)].into_iter().chain(totals);
    let last = last.chain([number(flows.total())]).collect();
    std::iter::once(header).chain(rows).chain([last])
}

/// Returns the rows of the long table, with the totals at the end.
fn long_rows(flows: &PublishedFlows<'_>) -> impl Iterator<Item = Vec<SummaryValue>> {
    let table = flows.table();
    let (rows, columns) = (table.registered.places.len(), table.resident.places.len());
    let names = |axis: &'_ FlowAxis, position: usize| match axis.places.get(position) {
        Some(place) => [text(&place.id), text(&place.name)],
        None => [text(TOTAL.0), text(TOTAL.1)],
    };
    let row = move |registered: usize, resident: usize, count: Option<u64>| {
        let mut values = Vec::with_capacity(5);
        values.extend(names(&table.registered, registered));
        values.extend(names(&table.resident, resident));
        values.push(number(count));
        values
    };
    let header = [
        "registered",
        "registered_name",
        "resident",
        "resident_name",
        "patients",
    ];
    let pairs = flows.pairs().into_iter();
    let pairs = pairs.map(move |(registered, resident)| {
        row(registered, resident, flows.count(registered, resident))
    });
    let row_totals = (0..rows)
        .map(move |registered| row(registered, columns, flows.registered_total(registered)));
    let column_totals =
        (0..columns).map(move |resident| row(rows, resident, flows.resident_total(resident)));
    std::iter::once(header.map(text).to_vec())
        .chain(pairs)
        .chain(row_totals)
        .chain(column_totals)
        .chain([row(rows, columns, flows.total())])
}

/// Returns the rows of the table of areas.
fn area_rows(flows: &PublishedFlows<'_>) -> Vec<Vec<SummaryValue>> {
    let header = ["area", "name", "registered", "resident", "both", "ratio"];
    let mut rows = vec![header.map(text).to_vec()];
    rows.extend(flows.areas().iter().map(|area| {
        let is_hidden = area.registered.is_none() || area.resident.is_none();
        let ratio = match area.ratio {
            Some(ratio) => SummaryValue::Ratio(ratio),
            None if is_hidden => text(HIDDEN),
            None => text(""),
        };
        vec![
            text(&area.area.id),
            text(&area.area.name),
            number(area.registered),
            number(area.resident),
            number(area.both),
            ratio,
        ]
    }));
    rows
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table_of;
    use super::*;

    #[track_caller]
    fn check(kind: FlowTableKind, rule: &str, expected: &str) {
        let table = table_of(&[
            (3, 3, 103),
            (3, 4, 5),
            (4, 3, 51),
            (4, 4, 108),
            (4, 1, 20),
            (0, 4, 30),
        ]);
        let flows = PublishedFlows::new(&table, rule.parse().expect("a rule"));
        let mut csv = Vec::new();
        write_csv(&flows, kind, &mut csv).expect("in memory");
        assert_eq!(String::from_utf8_lossy(&csv), expected);
    }

    #[test]
    fn csv_has_totals_and_marks_hidden_counts() {
        check(
            FlowTableKind::Matrix,
            "none",
            "registered,registered_name,a,b,elsewhere,not_known,total\na,Area a,103,5,0,0,108\nb,Area b,51,108,20,0,179\nelsewhere,Elsewhere,0,0,0,0,0\nnot_known,Not known,0,30,0,0,30\ntotal,Total,154,143,20,0,317\n",
        );
        check(
            FlowTableKind::Matrix,
            "below:8",
            "registered,registered_name,a,b,elsewhere,not_known,total\na,Area a,*,*,0,0,108\nb,Area b,*,*,20,0,179\nelsewhere,Elsewhere,0,0,0,0,0\nnot_known,Not known,0,30,0,0,30\ntotal,Total,154,143,20,0,317\n",
        );
        check(
            FlowTableKind::Areas,
            "below:8",
            "area,name,registered,resident,both,ratio\na,Area a,108,154,*,0.701\nb,Area b,179,143,*,1.252\n",
        );
        check(
            FlowTableKind::Long,
            "below:8",
            "registered,registered_name,resident,resident_name,patients\na,Area a,a,Area a,*\na,Area a,b,Area b,*\nb,Area b,a,Area a,*\nb,Area b,b,Area b,*\nb,Area b,elsewhere,Elsewhere,20\nnot_known,Not known,b,Area b,30\na,Area a,total,Total,108\nb,Area b,total,Total,179\nelsewhere,Elsewhere,total,Total,0\nnot_known,Not known,total,Total,30\ntotal,Total,a,Area a,154\ntotal,Total,b,Area b,143\ntotal,Total,elsewhere,Elsewhere,20\ntotal,Total,not_known,Not known,0\ntotal,Total,total,Total,317\n",
        );
    }
}
