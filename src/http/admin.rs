//! The admin listener, which only the operator can reach: reload and metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
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

/// Returns the routes of the admin listener.
pub fn router(live: Arc<Live>, app: &App) -> Router {
    let service = app.clone();
    // Separate limits, so that requests to the service cannot use up the operator's capacity.
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

/// Rejects requests that a page sends through the operator's browser, which can reach this listener
/// when the page's site cannot. Programs such as curl send neither header.
///
/// # Errors
/// 403 if `Origin` or `Sec-Fetch-Site` shows that the request is from a page of another site.
fn refuse_foreign_pages(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .map(|it: &HeaderValue| it.to_str().unwrap_or("unreadable"))
    };
    let is_own_site = |site| matches!(site, "same-origin" | "none");
    let host = text(header::HOST).unwrap_or_default();
    // The owner of a host name could make it resolve to this listener (DNS rebinding).
    let is_address = host.parse::<SocketAddr>().is_ok() || host.starts_with("localhost:");
    let is_own_origin = |origin| is_address && origin == format!("http://{host}");
    let site = text(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !is_own_site(site))
        || text(header::ORIGIN).is_some_and(|origin| !is_own_origin(origin))
    {
        return Err(Problem::foreign_origin());
    }
    Ok(())
}

/// Reloads the datasets. The response comes once they are in use, or says why the reload failed.
async fn reload(State(live): State<Arc<Live>>, headers: HeaderMap) -> Response {
    if let Err(problem) = refuse_foreign_pages(&headers) {
        return problem.into_response();
    }
    match reloaded(Arc::clone(&live)).await {
        Ok(()) => {
            let releases = live.releases();
            let datasets: Vec<_> = releases.all().iter().map(described).collect();
            Json(json!({ "status": "reloaded", "datasets": datasets })).into_response()
        }
        Err(reason) => Problem::not_reloaded(reason).into_response(),
    }
}

/// Reloads the datasets on a blocking thread. Logs the outcome.
///
/// # Errors
/// The reason, as text.
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
            tracing::error!(reason, "reload failed: the previous dataset stays in use");
            Err(reason)
        }
        Err(_) => {
            tracing::error!("reload failed: loading panicked; the previous dataset stays in use");
            Err("loading panicked".into())
        }
    }
}
