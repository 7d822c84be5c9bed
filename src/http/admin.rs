//! What the operator alone may ask, on a listener of its own: reload, and figures.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::access::{Access, Gate};
use super::problem::Problem;
use super::protect::{self, Guard};
use super::server::Limits;
use super::{App, described, metrics};
use crate::releases::Live;

/// The routes of the operator's listener.
pub fn router(live: Arc<Live>, app: &App) -> Router {
    let service = app.clone();
    // Nothing that is asked of the service takes the operator's place.
    let gate = Arc::new(Gate::new(Access::default(), Limits::default()));
    Router::new()
        .route("/reload", post(reload))
        .route(
            "/metrics",
            get(async move |State(live): State<Arc<Live>>| metrics::answer(&live, &service)),
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
