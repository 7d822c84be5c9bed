//! The summary of a batch as JSON.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::flows::flows_body;
use catchment_batch::flows::PublishedFlows;
use catchment_batch::{
    AnswerChange, AreaCount, BatchSummary, Comparison, LineSample, ReasonCount, SummarySuppression,
};
use catchment_core::domain::{Manifest, SuppressionRule};
use catchment_core::index::Index;

/// Returns the summary of a batch as JSON. The command line prints the same JSON.
///
/// Suppressed counts are null. With a rule other than `none`, the JSON also omits the line number
/// of the first shortened number, and the line numbers of bad and malformed rows. These line
/// numbers would reveal the number of such rows.
pub(crate) fn summary_body(
    summary: &BatchSummary,
    index: &Index,
    as_of: Date,
    rules: SummarySuppression,
) -> Value {
    let suppression = rules.counts;
    let flows = summary.flows.as_ref().map(|flows| {
        let flows = PublishedFlows::new(flows, rules.flows);
        Value::Object(flows_body(&flows))
    });
    let is_exact = suppression.is_none();
    let count = |count: u64| suppression.apply(count).map_or(Value::Null, Value::from);
    let counts = |counts: &[(&'static str, u64)]| -> Map<String, Value> {
        let named = counts
            .iter()
            .map(|&(word, value)| (word.to_string(), count(value)));
        named.collect()
    };
    let areas = |areas: &[AreaCount], has_registration: bool| -> Value {
        let areas = areas.iter().map(|area| {
            let registration = has_registration.then(|| count(area.registration));
            json!({
                "id": area.id,
                "name": area.name,
                "residence": count(area.residence),
                "registration": registration,
            })
        });
        areas.collect()
    };
    let layers: Map<String, Value> = summary
        .areas
        .iter()
        .map(|counts| {
            let title = index.layer_title(counts.layer);
            let areas = areas(&counts.areas, counts.has_registration);
            let body = json!({ "title": title, "areas": areas });
            (counts.layer.to_string(), body)
        })
        .collect();
    let reasons = |reasons: &[ReasonCount]| -> Map<String, Value> {
        let named = reasons
            .iter()
            .map(|reason| (reason.code.clone(), count(reason.rows)));
        named.collect()
    };
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
        "communities": areas(&summary.communities, true),
        "areas": layers,
        "practices": areas(&summary.practices, true),
        "reasons": {
            "residence": reasons(&summary.residence_reasons),
            "registration": reasons(&summary.registration_reasons),
        },
        "shortened_numbers": shortened,
        "suppression": suppression.to_string(),
        "as_of": as_of.to_string(),
        "data": data_json(index.manifest()),
        "dataset": dataset_json(index),
    });
    if let Some(flows) = flows {
        body["flows"] = flows;
    }
    if is_exact {
        body["bad_lines"] = json!(summary.bad_lines);
        body["malformed_lines"] = json!({
            "residence": summary.malformed_locations.first_lines,
            "registration": summary.malformed_practices.first_lines,
        });
    }
    if let Some(comparison) = &summary.comparison {
        body["previous"] = comparison_json(comparison, suppression);
    }
    body
}

/// Returns the comparison with a previous run as JSON.
fn comparison_json(comparison: &Comparison, suppression: SuppressionRule) -> Value {
    let count = |count: u64| suppression.apply(count).map_or(Value::Null, Value::from);
    let changes = |changes: &[(AnswerChange, u64)]| -> Value {
        let changed = changes.iter().filter(|(change, _)| change.is_change());
        let causes = changed.clone();
        let causes: Map<String, Value> = causes
            .map(|(change, rows)| (change.as_str().to_string(), count(*rows)))
            .collect();
        let changed = changed.map(|(_, rows)| rows).sum();
        json!({ "changed": count(changed), "causes": causes })
    };
    let rows = |rows: &LineSample| -> Value {
        match suppression.is_none() {
            true => json!({ "rows": count(rows.rows), "first_lines": rows.first_lines }),
            false => json!({ "rows": count(rows.rows) }),
        }
    };
    json!({
        "key": comparison.key_column,
        "rows": count(comparison.previous_rows),
        "compared": count(comparison.compared),
        "residence": changes(&comparison.residence),
        "registration": changes(&comparison.registration),
        "new": rows(&comparison.new_rows),
        "without_key": rows(&comparison.missing_keys),
        "repeated_key": comparison.repeated_keys.as_ref().map(rows),
        "gone": comparison.gone.as_ref().map(rows),
        "previous_without_key": rows(&comparison.previous_missing_keys),
        "previous_repeated_key": rows(&comparison.previous_repeated_keys),
        "previous_bad": rows(&comparison.previous_bad_rows),
    })
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
