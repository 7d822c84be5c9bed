//! The reports of `catchment flows`: text, JSON, notes and manifest.

use std::fmt::Write;

use indicatif::HumanCount;
use jiff::civil::Date;
use serde_json::json;

use catchment_batch::BatchSummary;
use catchment_batch::flows::{FlowPlaceKind, PublishedFlows, matrix_fits};
use catchment_core::index::Index;
use catchment_data::fs::Fingerprint;

use crate::wire::flow_report::{flow_context, flow_report_body};

/// The maximum number of places for which the text contains a matrix. A wider table does not fit on
/// a terminal.
const MATRIX_PLACES_MAX: usize = 40;
/// The width of a column of the matrix in the text.
const COUNT_WIDTH: usize = 9;
/// The width of names in the text.
const NAME_WIDTH: usize = 40;

/// Flows, with the data that the reports about them need.
pub(in crate::cli) struct FlowReport<'r> {
    pub(in crate::cli) index: &'r Index,
    pub(in crate::cli) flows: &'r PublishedFlows<'r>,
    /// The date of the look-ups.
    pub(in crate::cli) day: Date,
    /// The date of the dataset's own registrations, if these registrations are counted.
    pub(in crate::cli) source: Option<Date>,
}

/// The name of a file without its folder, and its fingerprint.
type NamedFile = (Option<String>, Fingerprint);

impl FlowReport<'_> {
    /// Returns the flows as JSON.
    pub(in crate::cli) fn json(&self) -> String {
        let body = flow_report_body(self.index, self.flows, self.day, self.source);
        let text = serde_json::to_string_pretty(&body).expect("plain values serialise to JSON");
        text + "\n"
    }

    /// Returns the notes of the workbook: pairs of a label and a value.
    pub(in crate::cli) fn notes(&self) -> Vec<(String, String)> {
        let manifest = self.index.manifest();
        let table = self.flows.table();
        let bad_rows = self.flows.rule().apply(table.bad_rows);
        let bad_rows = bad_rows.map_or("*".to_string(), |count| count.to_string());
        let layer_of = |axis: &catchment_batch::flows::FlowAxis| {
            format!("{} ({})", manifest.layer_title(axis.layer), axis.layer)
        };
        let mut notes = vec![
            ("Registered in".to_string(), layer_of(&table.registered)),
            ("Resident in".to_string(), layer_of(&table.resident)),
            ("Small numbers".to_string(), self.flows.rule().to_string()),
            (
                "What a hidden number is".to_string(),
                self.flows.explanation("*"),
            ),
            ("Rows that could not be read".to_string(), bad_rows),
            ("Date of the answers".to_string(), self.day.to_string()),
        ];
        if let Some(source) = self.source {
            let label = "Date of the registrations".to_string();
            notes.push((label, source.to_string()));
        }
        notes.extend([
            ("Dataset".to_string(), manifest.name.clone()),
            (
                "Version of the dataset".to_string(),
                manifest.version.clone(),
            ),
            (
                "Digest of the dataset".to_string(),
                self.index.digest().to_string(),
            ),
            ("Attribution".to_string(), manifest.attribution.clone()),
        ]);
        for source in manifest.dated_sources() {
            let label = format!("Date of the source: {}", source.key);
            notes.push((label, source.date.as_of.to_string()));
        }
        notes
    }

    /// Returns the manifest of an output file as JSON. Like the manifest of a batch, it contains no
    /// time, host or thread count.
    pub(in crate::cli) fn manifest(&self, input: Option<NamedFile>, output: NamedFile) -> String {
        let file = |(name, print): NamedFile| json!({ "name": name, "bytes": print.bytes, "sha256": print.sha256 });
        let table = self.flows.table();
        let mut manifest = json!({
            "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "content": "flows",
            "output": file(output),
            "parameters": {
                "registered": table.registered.layer.as_str(),
                "resident": table.resident.layer.as_str(),
                "suppression": self.flows.rule().to_string(),
            },
        });
        if let Some(input) = input {
            manifest["input"] = file(input);
        }
        for (name, value) in flow_context(self.index, self.day, self.source) {
            manifest[name] = value;
        }
        let text = serde_json::to_string_pretty(&manifest).expect("plain values serialise to JSON");
        text + "\n"
    }

    /// Returns the flows as text: the areas, and a matrix unless the matrix is too wide.
    pub(in crate::cli) fn text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("writing to a String");
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        let flows = self.flows;
        let table = flows.table();
        let manifest = self.index.manifest();
        writeln!(
            text,
            "{} patients on {}, registered in {} and resident in {}",
            shown(flows.total()),
            self.day,
            table.registered.layer,
            table.resident.layer,
        )?;
        let areas = flows.areas();
        if !areas.is_empty() {
            let head = ["registered", "resident", "both", "ratio"];
            write!(
                text,
                "\n{:<NAME_WIDTH$}",
                manifest.layer_title(table.registered.layer)
            )?;
            write_cells(text, head.map(str::to_string), 12)?;
        }
        for area in areas {
            write!(text, "{:<NAME_WIDTH$}", area.area.name)?;
            let counts = [area.registered, area.resident, area.both].map(shown);
            let ratio = match (area.ratio, area.resident) {
                (Some(ratio), _) => format!("{ratio:.3}"),
                (None, Some(0)) => "-".into(),
                (None, _) => "*".into(),
            };
            write_cells(text, counts.into_iter().chain([ratio]), 12)?;
        }
        let columns = &table.resident.places;
        if columns.len() <= MATRIX_PLACES_MAX
            && table.registered.places.len() <= MATRIX_PLACES_MAX
            && matrix_fits(flows)
        {
            self.write_matrix(text)?;
        } else {
            let command = "use -o flows.csv or --json for the counts of each pair of areas";
            writeln!(text, "\n{command}")?;
        }
        writeln!(text, "\n{}", flows.explanation("*"))
    }

    /// Writes the matrix. The numbers above the columns are the numbers at the start of the rows
    /// or, if the layers differ, the numbers in the list below the matrix.
    fn write_matrix(&self, text: &mut String) -> std::fmt::Result {
        let (flows, table) = (self.flows, self.flows.table());
        let columns = table.resident.places.iter().enumerate();
        let heading =
            |(position, place): (usize, &catchment_batch::flows::FlowPlace)| match place.kind {
                FlowPlaceKind::Area => (position + 1).to_string(),
                FlowPlaceKind::SeveralAreas => "several".into(),
                FlowPlaceKind::Elsewhere => "elsewhere".into(),
                FlowPlaceKind::NotKnown => "not known".into(),
            };
        write!(
            text,
            "\n{:<NAME_WIDTH$}",
            "registered (rows), resident (columns)"
        )?;
        let headings = columns.clone().map(heading).chain(["total".into()]);
        write_cells(text, headings, COUNT_WIDTH + 1)?;
        for (position, place) in table.registered.places.iter().enumerate() {
            let label = match place.kind {
                FlowPlaceKind::Area => format!("{:>3} {}", position + 1, place.name),
                _ => format!("    {}", place.name),
            };
            write!(text, "{label:<NAME_WIDTH$}")?;
            let counts =
                (0..table.resident.places.len()).map(|column| flows.count(position, column));
            let counts = counts.chain([flows.registered_total(position)]);
            write_cells(text, counts.map(shown), COUNT_WIDTH + 1)?;
        }
        write!(text, "{:<NAME_WIDTH$}", "    Total")?;
        let totals = (0..table.resident.places.len()).map(|column| flows.resident_total(column));
        write_cells(
            text,
            totals.chain([flows.total()]).map(shown),
            COUNT_WIDTH + 1,
        )?;
        if table.has_one_layer() {
            return Ok(());
        }
        writeln!(text, "\nresident")?;
        for (position, place) in columns.filter(|(_, place)| place.kind == FlowPlaceKind::Area) {
            writeln!(text, "{:>3} {}", position + 1, place.name)?;
        }
        Ok(())
    }
}

fn shown(count: Option<u64>) -> String {
    count.map_or("*".into(), |count| HumanCount(count).to_string())
}

fn write_cells(
    text: &mut String,
    cells: impl IntoIterator<Item = String>,
    width: usize,
) -> std::fmt::Result {
    for cell in cells {
        write!(text, "{cell:>width$}")?;
    }
    text.push('\n');
    Ok(())
}

/// Returns a line that states the number of rows that were counted, and the rows that could not be
/// read.
pub(super) fn rows_line(summary: &BatchSummary) -> String {
    let mut line = format!(
        "{} of {} rows counted",
        HumanCount(summary.rows - summary.bad_rows),
        HumanCount(summary.rows)
    );
    if summary.bad_rows > 0 {
        let numbers: Vec<String> = summary.bad_lines.iter().map(u64::to_string).collect();
        let more = if summary.bad_rows > numbers.len() as u64 {
            " and others"
        } else {
            ""
        };
        line.push_str(&format!(
            "; {} could not be read, with the line or row numbers {}{more}",
            HumanCount(summary.bad_rows),
            numbers.join(", ")
        ));
    }
    line
}
