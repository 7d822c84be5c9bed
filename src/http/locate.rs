//! `/api/v1/locate`: a single look-up.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::extract::{json_params, query_params};
use super::problem::Problem;
use super::request_context::select_dataset;
use crate::request::{LOCATE_PARAMS, LocateRequest, RequestParams};
use crate::wire::locate::locate_body;

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    respond(&app, &query_params(&uri, LOCATE_PARAMS)?)
}

/// Handles a look-up whose parameters are in a JSON body, so that the postcode is not in the URL,
/// which proxies log.
pub(super) async fn post(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    respond(&app, &json_params(request, LOCATE_PARAMS).await?)
}

fn respond(app: &App, params: &RequestParams) -> Result<Response, Problem> {
    let request = LocateRequest::from_params(params)?;
    let releases = app.loaded_datasets();
    let body = locate_body(select_dataset(&releases, params)?, &request)?;
    Ok((NO_STORE, JSON, body.to_json()).into_response())
}

/// The `Cache-Control` header of responses to look-ups. These responses must not be cached.
pub(super) const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

pub(super) const JSON: [(header::HeaderName, HeaderValue); 1] = [(
    header::CONTENT_TYPE,
    HeaderValue::from_static("application/json"),
)];
