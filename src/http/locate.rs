//! `/api/v1/locate`: one look-up.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::body::LocateBody;
use super::input::{json_fields, query_fields};
use super::problem::Problem;
use crate::domain::Status;
use crate::index::{Answer, Found, Index, Place, Unknown};
use crate::question::{Fields, LOCATE_FIELDS, Question};

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    located(&app, &query_fields(&uri, LOCATE_FIELDS)?)
}

/// The same fields as JSON: keeps the postcode out of addresses, which others log.
pub(super) async fn post(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    located(&app, &json_fields(request, LOCATE_FIELDS).await?)
}

fn located(app: &App, fields: &Fields) -> Result<Response, Problem> {
    let question = Question::from_fields(fields)?;
    let body = answer(app.index(), &question)?;
    Ok((NO_STORE, Json(body)).into_response())
}

/// Nothing that was asked stays in a cache.
pub(super) const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// The body of an answer, for the command line too.
pub(crate) fn answer<'i>(index: &'i Index, question: &Question) -> Result<LocateBody<'i>, Problem> {
    let answer = index.locate(&question.query);
    if answer.status == Status::UnknownPostcode {
        return Err(Problem::unknown_postcode());
    }
    if nothing_can_be_answered(&answer) {
        return Err(Problem::no_data_for_date());
    }
    Ok(LocateBody::new(index, question, answer))
}

/// The day is before everything, and there is no entry of the directory to tell about either.
fn nothing_can_be_answered(answer: &Answer<'_>) -> bool {
    let has_no_data =
        |(_, found): &(_, Found<'_>)| matches!(found, Found::Unknown(Unknown::NoDataForDate));
    let is_listed = answer
        .location
        .is_some_and(|location| match location.place {
            Place::Postcode(_) => true,
            Place::LonLat(_) | Place::Grid(_) => false,
        });
    let is_placed = answer.location.is_some() || answer.registration.is_some();
    let registered = answer.registration.iter().flat_map(|it| &it.areas);
    let knows_practice = answer
        .registration
        .as_ref()
        .is_some_and(|it| it.practice.is_some());
    is_placed
        && !is_listed
        && !knows_practice
        && (answer.location.is_none() || answer.residence.iter().all(has_no_data))
        && registered.clone().all(has_no_data)
        && (answer.location.is_some() || registered.count() > 0)
}
