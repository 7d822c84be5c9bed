//! The changes in the dataset that take effect on later dates.

use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::conditional::cacheable_json;
use super::dataset_summary;
use super::problem::Problem;
use super::request_context::RequestContext;
use catchment_core::domain::LineageStep;
use catchment_core::index::{UpcomingChange, UpcomingPractice};

/// `/api/v1/changes`: the changes of areas and practices after a date.
pub(super) async fn changes(
    context: RequestContext,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let areas = index.upcoming_changes(as_of);
    let practices = index.upcoming_practices(as_of);
    let body = json!({
        "as_of": as_of.to_string(),
        "areas": areas.iter().map(area_change).collect::<Vec<Value>>(),
        "practices": practices.iter().map(practice_change).collect::<Vec<Value>>(),
        "dataset": dataset_summary(index),
        "attribution": index.manifest().attribution,
    });
    Ok(cacheable_json(&headers, &body))
}

fn area_change(change: &UpcomingChange<'_>) -> Value {
    let successors = change.successors.iter();
    let predecessors = change.predecessors.iter();
    let mut sources: Vec<&str> = successors
        .clone()
        .chain(predecessors.clone())
        .map(|step: &&LineageStep| step.source.as_str())
        .collect();
    sources.dedup();
    json!({
        "date": change.date.to_string(),
        "layer": change.layer.as_str(),
        "id": change.area.id,
        "name": change.area.name,
        "change": change.kind.as_str(),
        "old_name": change.previous.map(|area| &area.name),
        "successors": successors.filter_map(|step| step.successor.as_ref()).collect::<Vec<_>>(),
        "predecessors": predecessors.map(|step| &step.predecessor).collect::<Vec<_>>(),
        "sources": sources,
    })
}

fn practice_change(change: &UpcomingPractice<'_>) -> Value {
    json!({
        "date": change.date.to_string(),
        "ods_code": change.practice.code.to_string(),
        "name": change.practice.name,
        "change": if change.opens { "opens" } else { "closes" },
    })
}
