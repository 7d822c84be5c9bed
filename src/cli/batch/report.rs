//! What is said of a list: how it was understood, what became of it, what it was made from.

use std::fmt::Write;

use indicatif::HumanCount;
use serde_json::{Map, Value, json};

use crate::batch::{Column, Format, PlaceColumns, Request, Summary, Understood};
use crate::cli::deliver::Fingerprint;
use crate::domain::SuppressionRule;
use crate::http::batch::summary::{body, dataset};
use crate::index::Index;

/// How a list was understood, in a line.
pub(super) fn understood(list: &Understood) -> String {
    let columns = list.roles.columns().into_iter();
    let columns = columns.map(|(role, at)| format!("{} in `{}`", role.as_str(), list.columns[at]));
    let mut parts: Vec<String> = vec![format_words(list)];
    parts.extend(columns);
    if list.roles.practice.is_none() {
        parts.push("no practice code: registration is left empty (--practice-column)".into());
    }
    if list.roles.place == PlaceColumns::None {
        parts.push("no place: residence is left empty".into());
    }
    format!("reading {}", parts.join("; "))
}

fn format_words(list: &Understood) -> String {
    let mut words = match (list.format, list.delimiter) {
        (Format::Csv, Some(delimiter)) => format!("CSV with {delimiter}"),
        (format, _) => format.to_string(),
    };
    if let Some(ending) = list.line_ending {
        write!(words, ", lines end with {ending}").expect("writing to a String");
    }
    if list.has_byte_order_mark {
        words.push_str(", byte order mark");
    }
    if list.compression != crate::batch::Compression::None {
        write!(words, ", packed with {}", list.compression).expect("writing to a String");
    }
    words
}

/// How a list was understood, and its first rows as they become.
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
        line("Practice code", "none found: registration is left empty");
    }
    line("As of", &request.as_of.to_string());
    line(
        "Dataset",
        &format!("{} {}", manifest.name, manifest.version),
    );
    let added: Vec<String> = request.columns.iter().map(Column::to_string).collect();
    line("Adds", &added.join(", "));
    text.push_str("\nThe first rows become:\n\n");
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

/// The summary for people.
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
            Some(_) => "begin on lines",
            None => "have the numbers",
        };
        let more = match summary.bad_rows > lines.len() as u64 {
            true => " and others",
            false => "",
        };
        writeln!(
            text,
            "bad rows {are} {}{more}: see catchment_reason",
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
            "{numbers} numbers such as 4.5E+09{first}: a spreadsheet has shortened them for good"
        )
        .expect("writing to a String");
    }
    if !is_exact {
        writeln!(text, "{}", suppression.explanation()).expect("writing to a String");
    }
    text
}

/// The summary for programs.
pub(super) fn summary_json(
    summary: &Summary,
    index: &Index,
    request: &Request,
    suppression: SuppressionRule,
) -> String {
    pretty(&body(summary, index, request.as_of, suppression))
}

/// What the answers were made from, by what, into what.
pub(super) struct Manifest<'m> {
    pub(super) index: &'m Index,
    pub(super) request: &'m Request,
    pub(super) understood: &'m Understood,
    pub(super) summary: &'m Summary,
    /// The disclosure control of its counts, as in the summary.
    pub(super) suppression: SuppressionRule,
    /// The name of the file without its folder; none for standard input.
    pub(super) input: (Option<String>, Fingerprint),
    pub(super) output: (Option<String>, Fingerprint),
}

impl Manifest<'_> {
    /// It holds no row, and nothing of when, where and on how many threads it was made: the same list
    /// and dataset give the same manifest.
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
    let text = serde_json::to_string_pretty(value).expect("values in memory");
    text + "\n"
}
