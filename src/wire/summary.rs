//! The summary of a batch as JSON.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use catchment_batch::BatchSummary;
use catchment_core::domain::{Manifest, SuppressionRule};
use catchment_core::index::Index;

/// Returns the summary of a batch as JSON. The command line prints the same JSON.
///
/// Suppressed counts are null. A rule other than `none` also omits the line number of the first
/// shortened number, and the line numbers of bad rows, which would reveal the count of bad rows.
pub(crate) fn summary_body(
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
    let communities: Vec<Value> = summary
        .communities
        .iter()
        .map(|community| {
            json!({
                "id": community.id,
                "name": community.name,
                "residence": count(community.residence),
                "registration": count(community.registration),
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
        "communities": communities,
        "shortened_numbers": shortened,
        "suppression": suppression.to_string(),
        "as_of": as_of.to_string(),
        "data": data_json(index.manifest()),
        "dataset": dataset_json(index),
    });
    if is_exact {
        body["bad_lines"] = json!(summary.bad_lines);
    }
    body
}

/// Returns the date of the source of each part of a dataset as JSON.
pub(crate) fn data_json(manifest: &Manifest) -> Value {
    let dates = manifest.dated_sources();
    let dates = dates.map(|source| (source.key.to_string(), source.date.as_of.to_string().into()));
    Value::Object(dates.collect())
}

/// Returns the name, version and digest of a dataset as JSON. The command line prints the same
/// JSON.
pub(crate) fn dataset_json(index: &Index) -> Value {
    let manifest = index.manifest();
    json!({ "name": manifest.name, "version": manifest.version, "digest": index.digest() })
}
