//! What the operator alone may ask, on a listener of its own: reload, and figures.

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

/// Refuses what a page sends through the operator's browser, which reaches this listener where the page's site does
/// not. Programs such as curl send neither header.
///
/// # Errors
/// 403 where `Origin` or `Sec-Fetch-Site` says that the request comes from a page elsewhere.
fn refuse_foreign_pages(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .map(|it: &HeaderValue| it.to_str().unwrap_or("unreadable"))
    };
    let is_own_site = |site| matches!(site, "same-origin" | "none");
    let host = text(header::HOST).unwrap_or_default();
    // A name could be made to lead here by whoever owns it (DNS rebinding).
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

/// Loads the datasets again; the answer comes when they are swapped, or says why they were not.
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
