//! `/api/v1/locate`: a single look-up.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::body::LocateBody;
use super::extract::{json_params, query_params};
use super::problem::Problem;
use super::snapshot::select_dataset;
use crate::domain::{LayerSet, LookupStatus};
use crate::index::{Index, LayerResult, LocateAnswer, UnknownReason};
use crate::request::{LOCATE_PARAMS, LocateRequest, RequestParams};

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

/// Performs a look-up, and returns the response body. The command line prints the same body.
///
/// # Errors
/// If the postcode is unknown, or if the dataset has no data at all for the date.
pub(crate) fn locate_body<'i>(
    index: &'i Index,
    request: &LocateRequest,
) -> Result<LocateBody<'i>, Problem> {
    let requested = request.layers.as_ref();
    let measured_layers =
        requested.map_or(LayerSet::ALL, |layers| layers.iter().copied().collect());
    let answer = index.locate_with_distances(&request.query, measured_layers);
    if answer.status == LookupStatus::UnknownPostcode {
        return Err(Problem::unknown_postcode());
    }
    if has_nothing_to_answer(&answer) {
        return Err(Problem::no_data_for_date());
    }
    Ok(LocateBody::new(index, request, answer))
}

/// Returns whether the date is before the first data of all layers, and the answer has neither a
/// directory entry nor a practice.
fn has_nothing_to_answer(answer: &LocateAnswer<'_>) -> bool {
    let registration = answer.registration.as_ref();
    let has_practice = registration.is_some_and(|registration| registration.practice.is_some());
    let has_no_entry = answer
        .location
        .is_some_and(|location| location.entry.is_none());
    let is_before_data = |(_, result): &(_, LayerResult<'_>)| {
        matches!(result, LayerResult::Unknown(UnknownReason::NoDataForDate))
    };
    has_no_entry && !has_practice && answer.residence.iter().all(is_before_data)
}
