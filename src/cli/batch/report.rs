//! The reports of `catchment batch`: detected format, preview, summary and manifest.

use std::fmt::Write;

use indicatif::HumanCount;
use serde_json::{Map, Value, json};

use catchment_batch::{
    BatchFormat, BatchRequest, BatchSummary, DetectedFormat, LocationColumns, OutputColumn,
};

use super::summary_lists::SummaryLists;
use crate::wire::summary::{data_json, dataset_json, summary_body};
use catchment_core::domain::SuppressionRule;
use catchment_core::domain::sentence_case;
use catchment_core::index::Index;
use catchment_data::fs::Fingerprint;

/// Returns the line that describes the detected format and columns.
pub(in crate::cli) fn detected_line(detected: &DetectedFormat) -> String {
    let columns = detected.column_mapping.columns().into_iter();
    let columns = columns
        .map(|(role, column)| format!("{} in `{}`", role.as_str(), detected.columns[column]));
    let mut parts: Vec<String> = vec![format_text(detected)];
    parts.extend(header_text(detected));
    parts.extend(columns);
    if detected.column_mapping.practice.is_none() {
        parts.push(
            "no practice codes found, so the registration columns are empty (name the column with \
             --practice-column)"
                .into(),
        );
    }
    if detected.column_mapping.location == LocationColumns::None {
        parts.push("no postcodes or coordinates found, so the residence columns are empty".into());
    }
    format!("reading {}", parts.join("; "))
}

/// Describes the position of the header row, unless it is the first line.
fn header_text(detected: &DetectedFormat) -> Option<String> {
    let lines = detected.lines_above_header;
    let word = if detected.sheet.is_some() {
        "row"
    } else {
        "line"
    };
    let copied = match (
        lines,
        detected.sheet.is_some() && !detected.output_format.is_workbook(),
    ) {
        (1, true) => "1 row above it is left out".to_string(),
        (_, true) => format!("{lines} rows above it are left out"),
        (1, false) => format!("1 {word} above it is copied unchanged"),
        (_, false) => format!("{lines} {word}s above it are copied unchanged"),
    };
    match (detected.has_header, lines) {
        (true, 0) => None,
        (true, _) => Some(format!("header row on {word} {}, {copied}", lines + 1)),
        (false, 0) => Some("no header row".into()),
        (false, _) => Some(format!(
            "no header row, first row on {word} {}, {copied}",
            lines + 1
        )),
    }
}

fn format_text(detected: &DetectedFormat) -> String {
    let mut text = match (detected.format, detected.delimiter) {
        (BatchFormat::Csv, Some(delimiter)) => format!("CSV, delimiter {delimiter}"),
        (format, _) => format.to_string(),
    };
    if let Some(sheet) = &detected.sheet {
        write!(text, ", sheet `{sheet}`").expect("writing to a String");
    }
    if let Some(ending) = detected.line_ending {
        write!(text, ", line ending {ending}").expect("writing to a String");
    }
    if detected.has_single_quotes {
        text.push_str(", fields in single quotation marks");
    }
    if detected.is_utf16 {
        text.push_str(", in UTF-16 (the output is in UTF-8)");
    } else if detected.has_byte_order_mark {
        text.push_str(", byte order mark");
    }
    if detected.output_format != detected.format {
        write!(text, ", converted to {}", detected.output_format).expect("writing to a String");
    }
    if detected.compression != catchment_batch::Compression::None {
        write!(text, ", compressed with {}", detected.compression).expect("writing to a String");
    }
    text
}

/// Returns the output of `--check`: the detected format and columns, and the first output rows.
pub(super) fn check(
    detected: &DetectedFormat,
    request: &BatchRequest,
    index: &Index,
    rows: &[u8],
) -> Vec<u8> {
    let manifest = index.manifest();
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        writeln!(text, "{label:<15}{value}").expect("writing to a String");
    };
    line("Format", &format_text(detected));
    if let Some(header) = header_text(detected) {
        line("Header", &header);
    }
    line("Columns", &detected.columns.len().to_string());
    for (role, index) in detected.column_mapping.columns() {
        let column = format!("column {}, `{}`", index + 1, detected.columns[index]);
        line(&sentence_case(role.as_str()), &column);
    }
    if detected.column_mapping.practice.is_none() {
        line(
            "Practice code",
            "not found, so the registration columns are empty",
        );
    }
    line("As of", &request.as_of.to_string());
    line(
        "Dataset",
        &format!("{} {}", manifest.name, manifest.version),
    );
    let added: Vec<String> = request
        .output_columns
        .iter()
        .map(OutputColumn::to_string)
        .collect();
    line("Adds", &added.join(", "));
    text.push_str("\nFirst output rows:\n\n");
    let mut output = text.into_bytes();
    output.extend_from_slice(rows);
    if !rows.ends_with(b"\n") {
        output.push(b'\n');
    }
    output
}

/// Returns the summary as text.
pub(super) fn summary(
    summary: &BatchSummary,
    detected: &DetectedFormat,
    index: &Index,
    suppression: SuppressionRule,
) -> String {
    let is_exact = suppression.is_none();
    let count = |count: u64| match suppression.apply(count) {
        Some(count) => HumanCount(count).to_string(),
        None => "*".into(),
    };
    let mut text = String::new();
    let mut line = |label: &str, value: u64, of: u64| {
        let percent = match (suppression.apply(value), of) {
            (Some(value), 1..) if is_exact => {
                let tenths = (value * 1_000 + of / 2) / of;
                format!("{:>5}.{} %", tenths / 10, tenths % 10)
            }
            _ => String::new(),
        };
        writeln!(text, "  {label:<24}{:>12}{percent}", count(value)).expect("writing to a String");
    };
    line("rows", summary.rows, 0);
    for &(word, value) in summary.status.iter().filter(|(_, value)| *value > 0) {
        line(word, value, summary.rows);
    }
    text.push_str("agreement of residence and registration\n");
    let mut line = |label: &str, value: u64| {
        writeln!(text, "  {label:<24}{:>12}", count(value)).expect("writing to a String");
    };
    for &(word, value) in summary.agreement.iter().filter(|(_, value)| *value > 0) {
        line(word, value);
    }
    let lists = SummaryLists { index, suppression };
    lists.write(summary, detected, &mut text);
    if summary.bad_rows > 0 && is_exact {
        let lines: Vec<String> = summary.bad_lines.iter().map(u64::to_string).collect();
        let phrase = match (detected.line_ending.is_some(), summary.bad_rows) {
            (true, 1) => "the row that could not be read starts on line",
            (true, _) => "rows that could not be read start on lines",
            (false, 1) => "the row that could not be read has the row number",
            (false, _) => "rows that could not be read have the row numbers",
        };
        let more = if summary.bad_rows > lines.len() as u64 {
            " and others"
        } else {
            ""
        };
        writeln!(
            text,
            "{phrase} {}{more}: see column catchment_reason",
            lines.join(", ")
        )
        .expect("writing to a String");
    }
    if let Some(shortened) = summary.scientific_notation {
        let line = shortened.first_line;
        match (is_exact, shortened.count) {
            (true, 1) => writeln!(
                text,
                "1 number such as 4.5E+09, on line {line}: a spreadsheet shortened it and its digits are lost"
            ),
            (true, many) => writeln!(
                text,
                "{} numbers such as 4.5E+09, the first on line {line}: a spreadsheet shortened them and the digits are lost",
                count(many)
            ),
            (false, some) => writeln!(
                text,
                "{} numbers such as 4.5E+09: a spreadsheet shortened them and the digits are lost",
                count(some)
            ),
        }
        .expect("writing to a String");
    }
    if !is_exact {
        writeln!(text, "{}", suppression.explanation()).expect("writing to a String");
    }
    text
}

/// Returns the summary as JSON.
pub(super) fn summary_to_json(
    summary: &BatchSummary,
    index: &Index,
    request: &BatchRequest,
) -> String {
    pretty_json(&summary_body(
        summary,
        index,
        request.as_of,
        request.workbook.suppression,
    ))
}

/// The manifest of an output file. The manifest describes the program, the dataset, the input, the
/// output and the parameters.
pub(super) struct BatchManifest<'m> {
    pub(super) index: &'m Index,
    pub(super) request: &'m BatchRequest,
    pub(super) detected: &'m DetectedFormat,
    pub(super) summary: &'m BatchSummary,
    /// The suppression rule of the counts in the manifest, which is also the rule of the summary.
    pub(super) suppression: SuppressionRule,
    /// The name of the input file without its folder (`None` for standard input), and its
    /// fingerprint.
    pub(super) input: (Option<String>, Fingerprint),
    pub(super) output: (Option<String>, Fingerprint),
    /// The file with the answers of the previous run, if the rows were compared with these answers.
    pub(super) previous: Option<(Option<String>, Fingerprint)>,
}

impl BatchManifest<'_> {
    /// Returns the manifest as JSON.
    ///
    /// The manifest contains no data from rows, and no time, host or thread count. The same input
    /// and dataset therefore always result in the same manifest.
    pub(super) fn json(&self) -> String {
        let detected = self.detected;
        let count = |count| self.suppression.apply(count);
        let file = |(name, fingerprint): &(Option<String>, Fingerprint)| json!({ "name": name, "bytes": fingerprint.bytes, "sha256": fingerprint.sha256 });
        let columns: Map<String, Value> = detected
            .column_mapping
            .columns()
            .into_iter()
            .map(|(role, index)| (role.as_str().to_string(), json!(detected.columns[index])))
            .collect();
        let added: Vec<String> = self
            .request
            .output_columns
            .iter()
            .map(OutputColumn::to_string)
            .collect();
        let mut manifest = json!({
            "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "dataset": dataset_json(self.index),
            "data": data_json(self.index.manifest()),
            "input": file(&self.input),
            "output": file(&self.output),
            "rows": count(self.summary.rows),
            "bad_rows": count(self.summary.bad_rows),
            "parameters": {
                "as_of": self.request.as_of.to_string(),
                "format": format_word(detected.format),
                "delimiter": detected.delimiter.map(|delimiter| delimiter.to_string()),
                "header": detected.has_header,
                "lines_above_header": detected.lines_above_header,
                "columns": columns,
                "added": added,
                "excel_safe": self.request.excel_safe,
                "input_compression": detected.compression.to_string(),
                "output_compression": self.request.compression.to_string(),
            },
        });
        if let Some(previous) = &self.previous {
            manifest["previous"] = file(previous);
        }
        let parameters = &mut manifest["parameters"];
        if let Some(sheet) = &detected.sheet {
            parameters["sheet"] = json!(sheet);
        }
        if detected.is_utf16 {
            parameters["input_encoding"] = json!("utf-16");
        }
        if detected.output_format != detected.format {
            parameters["output_format"] = json!(format_word(detected.output_format));
        }
        pretty_json(&manifest)
    }
}

fn format_word(format: BatchFormat) -> &'static str {
    match format {
        BatchFormat::Csv => "csv",
        BatchFormat::Ndjson => "ndjson",
        BatchFormat::Parquet => "parquet",
        BatchFormat::Arrow => "arrow",
        BatchFormat::Xlsx => "xlsx",
        BatchFormat::Xlsm => "xlsm",
    }
}

fn pretty_json(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("plain values serialise to JSON");
    text + "\n"
}
