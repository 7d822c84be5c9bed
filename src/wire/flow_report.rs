//! The report of flows as JSON: the tables, and the data from which they were counted.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::flows::{flows_body, long_table};
use super::summary::{data_json, dataset_json};
use catchment_batch::flows::PublishedFlows;
use catchment_core::index::Index;

/// Returns flows as JSON, with the long table. `day` is the date of the look-ups, and `source` the
/// date of the dataset's own registrations, if these are counted.
pub(crate) fn flow_report_body(
    index: &Index,
    flows: &PublishedFlows<'_>,
    day: Date,
    source: Option<Date>,
) -> Map<String, Value> {
    let mut body = flows_body(flows);
    body.insert("flows".into(), long_table(flows).into());
    let bad_rows = flows.rule().apply(flows.table().bad_rows);
    body.insert("bad_rows".into(), json!(bad_rows));
    for (name, value) in flow_context(index, day, source) {
        body.insert(name.into(), value);
    }
    body
}

/// Returns the dates and the dataset of a report.
pub(crate) fn flow_context(
    index: &Index,
    day: Date,
    source: Option<Date>,
) -> [(&'static str, Value); 4] {
    [
        ("as_of", json!(day.to_string())),
        (
            "registrations",
            json!(source.map(|source| source.to_string())),
        ),
        ("data", data_json(index.manifest())),
        ("dataset", dataset_json(index)),
    ]
}
