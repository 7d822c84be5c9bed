//! The reports of `catchment batch`: detected format, preview, summary and manifest.

use std::fmt::Write;

use indicatif::HumanCount;
use serde_json::{Map, Value, json};

use crate::batch::{Column, Format, PlaceColumns, Request, Summary, Understood};
use crate::cli::deliver::Fingerprint;
use crate::domain::SuppressionRule;
use crate::http::batch::summary::{body, dataset};
use crate::index::Index;

/// Returns the line that describes the detected format and columns.
pub(super) fn understood(list: &Understood) -> String {
    let columns = list.roles.columns().into_iter();
    let columns = columns.map(|(role, at)| format!("{} in `{}`", role.as_str(), list.columns[at]));
    let mut parts: Vec<String> = vec![format_words(list)];
    parts.extend(columns);
    if list.roles.practice.is_none() {
        parts.push(
            "no practice codes found, so the registration columns are empty (--practice-column)"
                .into(),
        );
    }
    if list.roles.place == PlaceColumns::None {
        parts.push("no postcodes or coordinates found, so the residence columns are empty".into());
    }
    format!("reading {}", parts.join("; "))
}

fn format_words(list: &Understood) -> String {
    let mut words = match (list.format, list.delimiter) {
        (Format::Csv, Some(delimiter)) => format!("CSV, delimiter {delimiter}"),
        (format, _) => format.to_string(),
    };
    if let Some(ending) = list.line_ending {
        write!(words, ", line ending {ending}").expect("writing to a String");
    }
    if list.has_byte_order_mark {
        words.push_str(", byte order mark");
    }
    if list.compression != crate::batch::Compression::None {
        write!(words, ", compressed with {}", list.compression).expect("writing to a String");
    }
    words
}

/// Returns the output of `--check`: the detected format and columns, and the first output rows.
pub(super) fn check(list: &Understood, request: &Request, index: &Index, rows: &[u8]) -> Vec<u8> {
    let manifest = index.manifest();
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        writeln!(text, "{label:<15}{value}").expect("writing to a String");
    };
    line("Format", &format_words(list));
    line("Columns", &list.columns.len().to_string());
    for (role, at) in list.roles.columns() {
        let column = format!("column {}, `{}`", at + 1, list.columns[at]);
        line(&capitalised(role.as_str()), &column);
    }
    if list.roles.practice.is_none() {
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
    let added: Vec<String> = request.columns.iter().map(Column::to_string).collect();
    line("Adds", &added.join(", "));
    text.push_str("\nFirst output rows:\n\n");
    let mut shown = text.into_bytes();
    shown.extend_from_slice(rows);
    if !rows.ends_with(b"\n") {
        shown.push(b'\n');
    }
    shown
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Returns the summary as text.
pub(super) fn summary(
    summary: &Summary,
    understood: &Understood,
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
    if !summary.icc.is_empty() {
        let (residence, registration) = ("residence", "registration");
        writeln!(text, "{:<32}{residence:>12}{registration:>14}", "by ICC")
            .expect("writing to a String");
    }
    for icc in &summary.icc {
        let (residence, registration) = (count(icc.residence), count(icc.registration));
        writeln!(text, "  {:<30}{residence:>12}{registration:>14}", icc.name)
            .expect("writing to a String");
    }
    if summary.bad_rows > 0 && is_exact {
        let lines: Vec<String> = summary.bad_lines.iter().map(u64::to_string).collect();
        let are = match understood.line_ending {
            Some(_) => "start on lines",
            None => "have the row numbers",
        };
        let more = match summary.bad_rows > lines.len() as u64 {
            true => " and others",
            false => "",
        };
        writeln!(
            text,
            "rows that could not be read {are} {}{more}: see column catchment_reason",
            lines.join(", ")
        )
        .expect("writing to a String");
    }
    if let Some(shortened) = summary.shortened {
        let numbers = count(shortened.numbers);
        let first = if is_exact {
            format!(", the first on line {}", shortened.first_line)
        } else {
            String::new()
        };
        writeln!(
            text,
            "{numbers} numbers such as 4.5E+09{first}: a spreadsheet shortened them and the digits are lost"
        )
        .expect("writing to a String");
    }
    if !is_exact {
        writeln!(text, "{}", suppression.explanation()).expect("writing to a String");
    }
    text
}

/// Returns the summary as JSON.
pub(super) fn summary_json(
    summary: &Summary,
    index: &Index,
    request: &Request,
    suppression: SuppressionRule,
) -> String {
    pretty(&body(summary, index, request.as_of, suppression))
}

/// The manifest of an output file: program, dataset, input, output and parameters.
pub(super) struct Manifest<'m> {
    pub(super) index: &'m Index,
    pub(super) request: &'m Request,
    pub(super) understood: &'m Understood,
    pub(super) summary: &'m Summary,
    /// The suppression rule of its counts, as in the summary.
    pub(super) suppression: SuppressionRule,
    /// The file name without the folder; `None` for standard input.
    pub(super) input: (Option<String>, Fingerprint),
    pub(super) output: (Option<String>, Fingerprint),
}

impl Manifest<'_> {
    /// Returns the manifest as JSON.
    ///
    /// It has no data of rows, and no time, host or thread count: the same input and dataset give
    /// the same manifest.
    pub(super) fn json(&self) -> String {
        let list = self.understood;
        let count = |count| self.suppression.apply(count);
        let file = |(name, fingerprint): &(Option<String>, Fingerprint)| json!({ "name": name, "bytes": fingerprint.bytes, "sha256": fingerprint.sha256 });
        let columns: Map<String, Value> = list
            .roles
            .columns()
            .into_iter()
            .map(|(role, at)| (role.as_str().to_string(), json!(list.columns[at])))
            .collect();
        let added: Vec<String> = self.request.columns.iter().map(Column::to_string).collect();
        let format = match list.format {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        };
        pretty(&json!({
            "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "dataset": dataset(self.index),
            "input": file(&self.input),
            "output": file(&self.output),
            "rows": count(self.summary.rows),
            "bad_rows": count(self.summary.bad_rows),
            "parameters": {
                "as_of": self.request.as_of.to_string(),
                "format": format,
                "delimiter": list.delimiter.map(|it| it.to_string()),
                "columns": columns,
                "added": added,
                "excel_safe": self.request.excel_safe,
                "input_compression": list.compression.to_string(),
                "output_compression": self.request.compression.to_string(),
            },
        }))
    }
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("plain values serialise to JSON");
    text + "\n"
}
