//! Problem responses as HTML pages for browsers.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::super::App;
use super::super::negotiate::prefers_html;
use super::super::problem::Told;
use crate::domain::Layer;
use crate::web::directory::{ErrorPage, error_page};

/// Middleware that replaces the body of a problem with an HTML page if the client prefers HTML. The
/// status and the headers stay, such as `Allow`.
///
/// It runs inside the admission middleware, whose rejections stay as JSON.
pub(in super::super) async fn as_page(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let is_browser = prefers_html(request.headers()) == Some(true);
    let layer = layer_of(request.uri().path());
    let response = next.run(request).await;
    let told = response.extensions().get::<Told>().filter(|_| is_browser);
    let Some(told) = told.cloned() else {
        return response;
    };
    let releases = app.releases();
    let refused = ErrorPage {
        status: response.status().as_u16(),
        code: told.code,
        detail: &told.detail,
        layer,
    };
    let page = error_page(releases.current(), &refused);
    let (mut parts, _) = response.into_parts();
    let content_type = HeaderValue::from_static(super::HTML);
    parts.headers.insert(header::CONTENT_TYPE, content_type);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(page.into_string()))
}

/// The layer that a path refers to.
fn layer_of(path: &str) -> Option<Layer> {
    let mut segments = path.trim_start_matches('/').split('/');
    match segments.next()? {
        "areas" => segments.next()?.parse().ok(),
        "practices" => Some(Layer::GpPractice),
        "groups" => Some(Layer::ResilienceGroup),
        _ => None,
    }
}
