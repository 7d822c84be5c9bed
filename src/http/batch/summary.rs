//! The summary of a batch, as JSON and for the log.

use axum::http::HeaderValue;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::batch::BatchSummary;
use crate::domain::SuppressionRule;
use crate::index::Index;

/// Returns the summary of a batch as JSON. The command line prints the same JSON.
///
/// Suppressed counts are null. A rule other than `none` also omits the line number of the first
/// shortened number, and the line numbers of bad rows, which would reveal the count of bad rows.
pub(crate) fn body(
    summary: &BatchSummary,
    index: &Index,
    as_of: Date,
    suppression: SuppressionRule,
) -> Value {
    let is_exact = suppression.is_none();
    let count = |count: u64| suppression.apply(count).map_or(Value::Null, Value::from);
    let counts = |counts: &[(&'static str, u64)]| -> Map<String, Value> {
        let named = counts
            .iter()
            .map(|&(word, value)| (word.to_string(), count(value)));
        named.collect()
    };
    let icc: Vec<Value> = summary
        .icc
        .iter()
        .map(|icc| {
            json!({
                "id": icc.id,
                "name": icc.name,
                "residence": count(icc.residence),
                "registration": count(icc.registration),
            })
        })
        .collect();
    let shortened = summary.scientific_notation.map(|shortened| {
        let numbers = count(shortened.count);
        if is_exact {
            json!({ "numbers": numbers, "first_line": shortened.first_line })
        } else {
            json!({ "numbers": numbers })
        }
    });
    let mut body = json!({
        "rows": count(summary.rows),
        "bad_rows": count(summary.bad_rows),
        "status": counts(&summary.status),
        "agreement": counts(&summary.agreement),
        "icc": icc,
        "shortened_numbers": shortened,
        "suppression": suppression.to_string(),
        "as_of": as_of.to_string(),
        "dataset": dataset_json(index),
    });
    if is_exact {
        body["bad_lines"] = json!(summary.bad_lines);
    }
    body
}

/// Returns the name, version and digest of a dataset as JSON. The command line prints the same
/// JSON.
pub(crate) fn dataset_json(index: &Index) -> Value {
    let manifest = index.manifest();
    json!({ "name": manifest.name, "version": manifest.version, "digest": index.digest() })
}

/// Returns JSON as a header value. Header values must be ASCII, so other characters are escaped
/// (`\u00f4`).
pub(super) fn header_value(body: &Value) -> HeaderValue {
    let mut text = String::new();
    for unit in body.to_string().encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    HeaderValue::from_str(&text).expect("JSON in ASCII on one line")
}

/// Returns the number of rows with each status, for the log, rounded as by [`rounded_count`].
pub(super) fn status_counts(summary: &BatchSummary) -> String {
    let counts = summary.status.iter().filter(|(_, count)| *count > 0);
    let counts = counts.map(|&(word, count)| format!("{word}={}", rounded_count(count)));
    counts.collect::<Vec<_>>().join(" ")
}

/// Returns a count for the log, with small numbers suppressed: 1 to 7 become `*`, and larger counts
/// are rounded to the nearest 5.
pub(super) fn rounded_count(count: u64) -> String {
    let count = SuppressionRule::NHS_ENGLAND.apply(count);
    count.map_or("*".into(), |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_value_escapes_any_text() {
        let body = json!({ "name": "Ynys Môn \u{1f4ee} \"ICC\"\n" });
        let value = header_value(&body);
        let text = value.to_str().expect("ASCII");
        assert!(text.contains("M\\u00f4n"), "{text}");
        let parsed: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(parsed, body);
    }
}
