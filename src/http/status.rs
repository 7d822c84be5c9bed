//! The metadata of the dataset, and the readiness of the service.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::App;
use super::admission::UNREADY_PERIOD;
use super::areas::layer_bodies;
use super::conditional::cacheable_json;
use super::locate::NO_STORE;
use super::problem::Problem;
use super::request_context::RequestContext;
use super::server::Connection;
use crate::wire::summary::data_json;
use catchment_core::domain::today_in_london;
use catchment_data::dataset::{Manifest, SourceEntry};

/// `/api/v1/dataset`: the version, the sources with their dates, the counts, the attribution and
/// the licence.
pub(super) async fn dataset(
    context: RequestContext,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let manifest = index.manifest();
    let sources: Vec<Value> = manifest.sources.iter().map(source_body).collect();
    let body = json!({
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "as_of": manifest.as_of.to_string(),
        "released": manifest.released.map(|date| date.to_string()),
        "publisher": manifest.publisher,
        "digest": index.digest(),
        "loaded": context.loaded_versions(),
        "counts": { "postcodes": index.postcodes().len(), "practices": index.practices().len() },
        "layers": layer_bodies(index, as_of),
        "complete_outcodes": manifest.complete_outcodes,
        "data": data_json(manifest),
        "sources": sources,
        "attribution": manifest.attribution,
        "licence": manifest.licence,
        "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
    });
    Ok(cacheable_json(&headers, &body))
}

fn source_body(source: &SourceEntry) -> Value {
    let tables: Vec<Value> = source
        .tables
        .iter()
        .map(|used| json!({ "table": used.table, "columns": used.columns }))
        .collect();
    json!({
        "publisher": source.publisher,
        "title": source.title,
        "as_of": source.as_of.map(|date| date.to_string()),
        "vintage": source.vintage,
        "released": source.released.map(|date| date.to_string()),
        "licence": source.licence,
        "attribution": source.attribution,
        "tables": tables,
    })
}

/// `/health/ready`: returns 200, with the reasons if the operation of the service is degraded.
///
/// The service is not ready while it shuts down or rejects look-ups, so that load balancers stop
/// sending requests to it. A dataset is always loaded, because the service starts only after a
/// dataset has been loaded.
pub(super) async fn ready(
    State(app): State<App>,
    connection: Option<Extension<Connection>>,
) -> Response {
    if connection
        .as_ref()
        .is_some_and(|extension| extension.is_stopping())
    {
        return Problem::stopping().into_response();
    }
    let is_rejecting_connections =
        connection.is_some_and(|extension| extension.rejected_connection_within(UNREADY_PERIOD));
    if is_rejecting_connections || app.admission_control.is_rejecting_look_ups() {
        return Problem::overloaded(READY_RETRY_AFTER_S).into_response();
    }
    let releases = app.loaded_datasets();
    let manifest = releases.current().manifest();
    let today = today_in_london();
    let sources: serde_json::Map<String, Value> = manifest
        .dated_sources()
        .map(|source| {
            let as_of = source.date.as_of;
            let age = json!({ "as_of": as_of.to_string(), "age_days": as_of.age_days(today) });
            (source.key.to_string(), age)
        })
        .collect();
    let body = json!({
        "status": "ready",
        "dataset": {
            "name": manifest.name,
            "version": manifest.version,
            "as_of": manifest.as_of.to_string(),
            "age_days": age_days(manifest),
            "loaded_at": releases.loaded_at().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
        "sources": sources,
        "degraded": known_problems(&app, manifest),
    });
    (NO_STORE, Json(body)).into_response()
}

/// Returns the known problems of a service that is answering requests: a failed reload, and sources
/// that are older than the operator allows.
pub(super) fn known_problems(app: &App, manifest: &Manifest) -> Vec<String> {
    let reload = app.dataset_store.last_error();
    let reload = reload.map(|reason| format!("the last reload failed: {reason}"));
    let too_old = app.source_ages.too_old(manifest, today_in_london());
    reload.into_iter().chain(too_old).collect()
}

/// The value of `Retry-After` in the response of `/health/ready` while the service rejects
/// look-ups, in seconds.
const READY_RETRY_AFTER_S: u16 = 5;

/// Returns the age of the dataset in days, counted from its as-of date.
pub(super) fn age_days(manifest: &Manifest) -> Option<i32> {
    let age = today_in_london().since(manifest.as_of).ok()?;
    Some(age.get_days())
}
