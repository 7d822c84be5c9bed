//! Problem responses as HTML pages for browsers.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::super::App;
use super::super::negotiate::prefers_html;
use super::super::problem::ProblemSummary;
use crate::web::directory::{ErrorPage, error_page};
use catchment_core::domain::{Layer, Manifest};

/// Middleware that replaces the body of a problem with an HTML page if the client prefers HTML. The
/// status and headers such as `Allow` are preserved.
///
/// The middleware runs inside the admission middleware, so rejections by the admission middleware
/// remain JSON.
pub(in super::super) async fn problem_to_html(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let is_browser = prefers_html(request.headers()) == Some(true);
    let path = request.uri().path().to_string();
    let response = next.run(request).await;
    let summary = response
        .extensions()
        .get::<ProblemSummary>()
        .filter(|_| is_browser);
    let Some(summary) = summary.cloned() else {
        return response;
    };
    let releases = app.loaded_datasets();
    let layer = layer_in_path(releases.current().manifest(), &path);
    let error_details = ErrorPage {
        status: response.status().as_u16(),
        code: summary.code,
        detail: &summary.detail,
        layer,
    };
    let page = error_page(releases.current(), &error_details);
    let (mut parts, _) = response.into_parts();
    let content_type = HeaderValue::from_static(super::HTML);
    parts.headers.insert(header::CONTENT_TYPE, content_type);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(page.into_string()))
}

/// Returns the layer of a dataset that a path refers to.
fn layer_in_path(manifest: &Manifest, path: &str) -> Option<Layer> {
    let mut segments = path.trim_start_matches('/').split('/');
    match segments.next()? {
        "areas" => Layer::find(segments.next()?),
        "practices" => manifest.practice_layer(),
        "groups" => manifest.group_layer(),
        _ => None,
    }
}
