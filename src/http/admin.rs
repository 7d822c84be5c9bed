//! The routes of the admin listener, which only the operator can reach: reload and metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::admission::{AccessConfig, AdmissionControl};
use super::limits::ServerLimits;
use super::middleware::{self, GuardLayer};
use super::problem::Problem;
use super::{App, dataset_summary, metrics};
use crate::ops::dataset_store::DatasetStore;

/// Returns the routes of the admin listener.
pub fn router(dataset_store: Arc<DatasetStore>, app: &App) -> Router {
    let metrics_app = app.clone();
    // The admin listener has separate limits, because requests to the public listener must not
    // use up the capacity of the admin listener.
    let admission_control = Arc::new(AdmissionControl::new(
        AccessConfig::default(),
        ServerLimits::default(),
    ));
    Router::new()
        .route("/reload", post(reload))
        .route(
            "/metrics",
            get(
                async move |State(dataset_store): State<Arc<DatasetStore>>| {
                    metrics::metrics_response(&dataset_store, &metrics_app)
                },
            ),
        )
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(GuardLayer::new(&admission_control, middleware::PAGE_ROUTES))
        .with_state(dataset_store)
}

/// Rejects requests that a page of another site sends through the operator's browser. The browser
/// can reach this listener even if the other site cannot. Programs such as curl send neither
/// `Origin` nor `Sec-Fetch-Site`.
///
/// # Errors
/// If `Origin` or `Sec-Fetch-Site` shows that the request is from a page of another site (403).
fn reject_cross_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let header_text = |name| {
        headers
            .get(name)
            .map(|header: &HeaderValue| header.to_str().unwrap_or("unreadable"))
    };
    let is_own_site = |site| matches!(site, "same-origin" | "none");
    let host = header_text(header::HOST).unwrap_or_default();
    // The owner of a host name could make the name resolve to this listener (DNS rebinding).
    let is_address = host.parse::<SocketAddr>().is_ok() || host.starts_with("localhost:");
    let is_own_origin = |origin| is_address && origin == format!("http://{host}");
    let site = header_text(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !is_own_site(site))
        || header_text(header::ORIGIN).is_some_and(|origin| !is_own_origin(origin))
    {
        return Err(Problem::cross_origin());
    }
    Ok(())
}

/// Reloads the datasets. The response is sent when the new datasets are in use or the reload has
/// failed. After a failure, the response states the reason.
async fn reload(State(dataset_store): State<Arc<DatasetStore>>, headers: HeaderMap) -> Response {
    if let Err(problem) = reject_cross_origin(&headers) {
        return problem.into_response();
    }
    match reload_datasets(Arc::clone(&dataset_store)).await {
        Ok(()) => {
            let releases = dataset_store.datasets();
            let datasets: Vec<_> = releases.all().iter().map(dataset_summary).collect();
            Json(json!({ "status": "reloaded", "datasets": datasets })).into_response()
        }
        Err(reason) => Problem::reload_failed(reason).into_response(),
    }
}

/// Reloads the datasets on a blocking thread and logs the outcome.
///
/// # Errors If the reload fails. The error is a string that states the reason.
pub async fn reload_datasets(dataset_store: Arc<DatasetStore>) -> Result<(), String> {
    let task = tokio::task::spawn_blocking(move || {
        dataset_store
            .reload()
            .map(|()| dataset_store.datasets())
            .map_err(|error| error.full_message())
    });
    match task.await {
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
            tracing::error!(reason, "reload failed: the previous dataset stays in use");
            Err(reason)
        }
        Err(_) => {
            tracing::error!("reload failed: loading panicked; the previous dataset stays in use");
            Err("loading panicked".into())
        }
    }
}
