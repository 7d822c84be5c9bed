//! What the operator alone may ask, on a listener of its own: reload, and figures.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::access::{Access, Gate};
use super::problem::Problem;
use super::protect::{self, Guard};
use super::server::Limits;
use super::{App, described};
use crate::releases::Live;

/// The routes of the operator's listener.
pub fn router(live: Arc<Live>, app: &App) -> Router {
    let service = Arc::clone(&app.gate);
    // Nothing that is asked of the service takes the operator's place.
    let gate = Arc::new(Gate::new(Access::default(), Limits::default()));
    Router::new()
        .route("/reload", post(reload))
        .route(
            "/metrics",
            get(async move |live| metrics(live, &service).await),
        )
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(Guard::new(&gate, protect::PAGES))
        .with_state(live)
}

/// Loads the datasets again; the answer comes when they are swapped, or says why they were not.
async fn reload(State(live): State<Arc<Live>>) -> Response {
    match reloaded(Arc::clone(&live)).await {
        Ok(()) => {
            let releases = live.releases();
            let datasets: Vec<_> = releases.all().iter().map(described).collect();
            Json(json!({ "status": "reloaded", "datasets": datasets })).into_response()
        }
        Err(reason) => Problem::not_reloaded(reason).into_response(),
    }
}

/// Reloads away from the threads that answer; why it was refused, if it was, is logged too.
///
/// # Errors
/// The reason, in words.
pub async fn reloaded(live: Arc<Live>) -> Result<(), String> {
    let work = tokio::task::spawn_blocking(move || {
        live.reload()
            .map(|()| live.releases())
            .map_err(|error| error.in_full())
    });
    match work.await {
        Ok(Ok(releases)) => {
            let manifest = releases.current().manifest();
            tracing::info!(
                dataset = manifest.name,
                version = manifest.version,
                "reloaded"
            );
            Ok(())
        }
        Ok(Err(reason)) => {
            tracing::error!(reason, "not reloaded: the old dataset stays");
            Err(reason)
        }
        Err(_) => {
            tracing::error!("not reloaded: loading panicked; the old dataset stays");
            Err("loading panicked".into())
        }
    }
}

/// Prometheus text format 0.0.4.
async fn metrics(State(live): State<Arc<Live>>, service: &Gate) -> Response {
    let (reloads, failed) = live.counts();
    let releases = live.releases();
    let mut text = String::from(
        "# HELP catchment_reloads_total Reloads of the datasets, by outcome.\n\
         # TYPE catchment_reloads_total counter\n",
    );
    let counter = |text: &mut String, outcome: &str, count: u64| {
        writeln!(
            text,
            "catchment_reloads_total{{outcome=\"{outcome}\"}} {count}"
        )
        .expect("writing to a String");
    };
    counter(&mut text, "done", reloads);
    counter(&mut text, "refused", failed);
    text.push_str(
        "# HELP catchment_refused_total Requests that were not let in, by reason.\n\
         # TYPE catchment_refused_total counter\n",
    );
    for (reason, count) in service.refused.counts() {
        writeln!(
            text,
            "catchment_refused_total{{reason=\"{reason}\"}} {count}"
        )
        .expect("writing to a String");
    }
    text.push_str(
        "# HELP catchment_degraded Whether the last reload was refused.\n\
         # TYPE catchment_degraded gauge\n",
    );
    writeln!(
        text,
        "catchment_degraded {}",
        u8::from(live.fault().is_some())
    )
    .expect("writing to a String");
    text.push_str(
        "# HELP catchment_dataset_postcodes Postcodes of each dataset that is loaded.\n\
         # TYPE catchment_dataset_postcodes gauge\n",
    );
    for index in releases.all() {
        let (name, version) = (&index.manifest().name, &index.manifest().version);
        let count = index.postcodes().len();
        writeln!(
            text,
            "catchment_dataset_postcodes{{name={name:?},version={version:?}}} {count}"
        )
        .expect("writing to a String");
    }
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
