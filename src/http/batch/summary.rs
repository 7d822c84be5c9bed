//! The summary of a batch, as JSON and for the log.

use axum::http::HeaderValue;
use serde_json::Value;

use catchment_batch::BatchSummary;
use catchment_core::domain::SuppressionRule;

/// The members that are omitted from a trailer. These members contain an entry for each area or
/// practice, and some clients accept at most 4,096 bytes of trailers.
const NOT_IN_TRAILER: [&str; 3] = ["areas", "practices", "flows"];

/// Returns the summary as the value of a trailer.
pub(super) fn trailer_value(body: &Value) -> HeaderValue {
    let mut short = body.clone();
    if let Some(members) = short.as_object_mut() {
        members.retain(|name, _| !NOT_IN_TRAILER.contains(&name.as_str()));
    }
    header_value(&short)
}

/// Returns JSON as a header value. Header values must be ASCII, so other characters are escaped
/// (`\u00f4`).
fn header_value(body: &Value) -> HeaderValue {
    let mut text = String::new();
    for unit in body.to_string().encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    HeaderValue::from_str(&text).expect("JSON in ASCII on one line")
}

/// Returns the number of rows with each status for the log, rounded by [`rounded_count`].
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
    use serde_json::json;

    use super::*;

    #[test]
    fn trailers_have_no_long_lists() {
        let body = json!({ "rows": 2, "areas": {}, "practices": [], "flows": { "total": 3 }, "communities": [] });
        let value = trailer_value(&body);
        assert_eq!(value, r#"{"communities":[],"rows":2}"#);
    }

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
