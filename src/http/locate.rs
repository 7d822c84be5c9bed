//! `/api/v1/locate`: a single look-up.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::body::LocateBody;
use super::input::{json_fields, query_fields};
use super::problem::Problem;
use super::snapshot::dataset;
use crate::domain::{Layers, Status};
use crate::index::{Answer, Found, Index, Unknown};
use crate::question::{Fields, LOCATE_FIELDS, Question};

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    located(&app, &query_fields(&uri, LOCATE_FIELDS)?)
}

/// The same parameters as JSON, which keeps the postcode out of URLs: proxies log those.
pub(super) async fn post(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    located(&app, &json_fields(request, LOCATE_FIELDS).await?)
}

fn located(app: &App, fields: &Fields) -> Result<Response, Problem> {
    let question = Question::from_fields(fields)?;
    let releases = app.releases();
    let body = answer(dataset(&releases, fields)?, &question)?;
    Ok((NO_STORE, JSON, body.json()).into_response())
}

/// The `Cache-Control` header of responses to look-ups, which must not be cached.
pub(super) const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

pub(super) const JSON: [(header::HeaderName, HeaderValue); 1] = [(
    header::CONTENT_TYPE,
    HeaderValue::from_static("application/json"),
)];

/// Looks up a request, and returns the response body, which the command line prints too.
///
/// # Errors
/// When the postcode is unknown, or the dataset has no data at all for the date.
pub(crate) fn answer<'i>(index: &'i Index, question: &Question) -> Result<LocateBody<'i>, Problem> {
    let wanted = question.layers.as_ref();
    let measured = wanted.map_or(Layers::ALL, |layers| layers.iter().copied().collect());
    let answer = index.locate_measuring(&question.query, measured);
    if answer.status == Status::UnknownPostcode {
        return Err(Problem::unknown_postcode());
    }
    if nothing_can_be_answered(&answer) {
        return Err(Problem::no_data_for_date());
    }
    Ok(LocateBody::new(index, question, answer))
}

/// Returns whether the date is before the data of all layers, and the answer has neither a
/// directory entry nor a practice.
fn nothing_can_be_answered(answer: &Answer<'_>) -> bool {
    let registration = answer.registration.as_ref();
    let knows_practice = registration.is_some_and(|it| it.practice.is_some());
    let is_bare_place = answer
        .location
        .is_some_and(|location| location.entry.is_none());
    let has_no_data =
        |(_, found): &(_, Found<'_>)| matches!(found, Found::Unknown(Unknown::NoDataForDate));
    is_bare_place && !knows_practice && answer.residence.iter().all(has_no_data)
}
