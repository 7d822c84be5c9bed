//! The pages: a form that posts, so that no postcode stands in an address, and HTML back.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::App;
use super::conditional::cacheable;
use super::embed;
use super::input::{Segments, form_fields, query_fields};
use super::locate::NO_STORE;
use super::prepared::prepared_for_good;
use super::problem::Problem;
use super::snapshot::dataset;
use crate::domain::Status;
use crate::index::Index;
use crate::question::{InvalidQuestion, LOCATE_FIELDS, Question};
use crate::web::{self, Fault, Home, Outcome, assets};

/// The parts of a page on which nothing was asked.
pub(super) fn blank(index: &Index) -> Home<'_> {
    parts(index, Outcome::Unasked)
}

/// `/assets/{name}`.
pub(super) async fn asset(
    Segments(name): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = assets::at(&format!("/assets/{name}")).ok_or_else(Problem::not_found)?;
    prepared_for_good(&headers, asset.content_type(), &asset.made)
}

/// `GET /` of a program that was built without pages.
pub(super) async fn none() -> Response {
    html(StatusCode::OK, web::none())
}

/// `GET /`.
pub(super) async fn home(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let page = web::home(&blank(app.releases().current()));
    let mut response = html(StatusCode::OK, page);
    embed::discover(&headers, "/", &mut response);
    Ok(response)
}

/// `POST /`: the answer, or what is wrong with the question.
pub(super) async fn answer(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let fields = form_fields(request, LOCATE_FIELDS).await?;
    let releases = app.releases();
    let index = dataset(&releases, &fields)?;
    let question = match Question::from_fields(&fields) {
        Ok(question) => question,
        Err(fault) => {
            let field = field_of(&fault);
            return Ok(faulty(index, field, &Problem::from(fault)));
        }
    };
    let answer = index.locate(&question.query);
    if answer.status == Status::UnknownPostcode {
        return Ok(faulty(index, "postcode", &Problem::unknown_postcode()));
    }
    let page = web::home(&parts(index, Outcome::Answered(&answer)));
    Ok(html(StatusCode::OK, page))
}

fn faulty(index: &Index, field: &'static str, problem: &Problem) -> Response {
    let fault = Fault {
        field,
        message: message(field, problem),
        suggestion: problem.suggestion(),
    };
    let page = web::home(&parts(index, Outcome::Faulty(fault)));
    html(problem.status(), page)
}

/// The field of the form that a fault is in.
fn field_of(fault: &InvalidQuestion) -> &'static str {
    match fault {
        InvalidQuestion::Date(_) => "as_of",
        InvalidQuestion::Practice(_) => "practice",
        _ => "postcode",
    }
}

fn message<'p>(field: &str, problem: &'p Problem) -> &'p str {
    match (field, problem.code()) {
        ("as_of", _) => "Enter a day that exists, or leave it blank for today",
        ("practice", _) => "Enter a practice code, such as P81002",
        (_, "missing") => "Enter a postcode or a practice code",
        (_, "partial_postcode") => "Enter the full postcode; this is only its first part",
        (_, "malformed") => "That is not a UK postcode",
        (_, "unknown_postcode") => "There is no such postcode; check it with the person",
        _ => problem.detail(),
    }
}

/// `GET /privacy`.
pub(super) async fn privacy(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let page = web::privacy(&blank(app.releases().current()));
    Ok(cacheable(
        &headers,
        "text/html; charset=utf-8",
        page.into_string().into_bytes(),
    ))
}

fn parts<'a>(index: &'a Index, outcome: Outcome<'a>) -> Home<'a> {
    Home { index, outcome }
}

pub(super) fn html(status: StatusCode, page: Markup) -> Response {
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    (
        status,
        NO_STORE,
        [(header::CONTENT_TYPE, content_type)],
        page.into_string(),
    )
        .into_response()
}
