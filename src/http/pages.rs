//! The HTML pages. The look-up form uses `POST`, so that no postcode appears in a URL. Areas,
//! practices and groups are public information, and have URLs.

pub(super) mod areas;
pub(super) mod compare;
pub(super) mod groups;
pub(super) mod practices;
pub(super) mod refusal;
pub(super) mod shared;
mod visit;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::App;
use super::access::Turn;
use super::access::places::Refusal;
use super::base_url::BaseUrl;
use super::conditional::{CACHE_CONTROL, cacheable};
use super::embed;
use super::input::{Segments, form_fields, query_fields};
use super::locate::NO_STORE;
use super::maps;
use super::negotiate;
use super::prepared::prepared_for_good;
use super::problem::Problem;
use super::snapshot::dataset;
use crate::domain::{InvalidGridReference, InvalidPostcode, Status};
use crate::index::Index;
use crate::maps::{draw, draw_with_marker};
use crate::question::{FORM_FIELDS, Fields, InvalidQuestion, Question};
use crate::releases::Releases;
use crate::tiles::Encoding;
use crate::web::{self, FormError, FormField, LookupPage, LookupResult, LookupState, assets};

use shared::Shared;

const HTML: &str = "text/html; charset=utf-8";

/// `/assets/{name}`.
pub(super) async fn asset(
    Segments(name): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = assets::find(&format!("/assets/{name}")).ok_or_else(Problem::not_found)?;
    prepared_for_good(&headers, asset.content_type(), &asset.made)
}

/// `GET /` in a build without the `web` feature.
pub(super) async fn none() -> Response {
    html(StatusCode::OK, web::pages_disabled())
}

/// `GET /`.
pub(super) async fn home(
    State(app): State<App>,
    uri: Uri,
    base: BaseUrl,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let encoding = negotiate::encoding(&headers).ok_or_else(Problem::no_encoding)?;
    let releases = app.releases();
    let index = releases.current();
    let mut response = app.pages.response(Shared::Home, index, encoding, || {
        web::lookup(&parts(index, LookupState::Empty))
    });
    embed::discover_at(&base, "/", &mut response);
    Ok(response)
}

/// `POST /`: the result, or the form with an error message.
pub(super) async fn answer(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let encoding = negotiate::encoding(request.headers()).ok_or_else(Problem::no_encoding)?;
    let turn = request.extensions().get::<Turn>().cloned();
    let fields = form_fields(request, FORM_FIELDS).await?;
    // After the form is read, so that a slow upload does not hold a CPU permit.
    if let Some(turn) = &turn {
        let taken = tokio::time::timeout(app.gate.turn_within(), turn.take()).await;
        let taken = taken.unwrap_or(Err(Refusal::Full));
        taken.map_err(|refusal| app.gate.refuse(refusal))?;
    }
    let releases = app.releases();
    // If no map permit is free, the page is sent without a map.
    let drawing = maps::place(&app.drawing, MAP_WITHIN).await.ok();
    let page = move || {
        // Held until the page is rendered, even if the client disconnects.
        let _turn = turn;
        let can_draw = drawing.is_some();
        answered(&releases, &fields, can_draw)
    };
    made_aside(page, encoding).await
}

/// Renders a page for one request on a blocking thread, because it takes milliseconds. It is
/// compressed at a fast level.
async fn made_aside(
    page: impl FnOnce() -> Result<Page, Problem> + Send + 'static,
    encoding: Encoding,
) -> Result<Response, Problem> {
    let make = move || {
        let (status, page) = page()?;
        let bytes = encoding.encode_quickly(page.into_string().as_bytes());
        Ok(with_encoding(as_html(status, bytes), encoding))
    };
    let made = tokio::task::spawn_blocking(make).await;
    made.map_err(|_| Problem::internal("rendering a page panicked"))?
}

fn with_encoding(mut response: Response, encoding: Encoding) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if encoding != Encoding::Identity {
        let word = HeaderValue::from_static(encoding.as_str());
        headers.insert(header::CONTENT_ENCODING, word);
    }
    response
}

/// How long a page waits for a permit to draw its map. After that, it is sent without a map.
const MAP_WITHIN: Duration = Duration::from_millis(300);

type Page = (StatusCode, Markup);

fn answered(releases: &Releases, fields: &Fields, can_draw: bool) -> Result<Page, Problem> {
    let index = dataset(releases, fields)?;
    let question = match Question::from_fields(fields) {
        Ok(question) => question,
        Err(fault) => return Ok(faulty(index, fields, told(&fault), &Problem::from(fault))),
    };
    let answer = index.locate(&question.query);
    if answer.status == Status::UnknownPostcode {
        let message = "We cannot find this postcode. Check it with the person";
        let told = (FormField::Place, message.to_string());
        return Ok(faulty(index, fields, told, &Problem::unknown_postcode()));
    }
    let wanted = web::map_of(&answer).filter(|_| can_draw);
    let map = wanted.and_then(|(wanted, mark)| {
        let store = releases.tiles(index);
        match mark {
            Some(mark) => draw_with_marker(index, store, &wanted, mark),
            None => draw(index, store, &wanted),
        }
    });
    let result = LookupResult {
        query: &question.query,
        answer: &answer,
        version: fields.get("dataset"),
        map,
    };
    Ok((
        StatusCode::OK,
        web::lookup(&parts(index, LookupState::Result(result))),
    ))
}

fn faulty(
    index: &Index,
    fields: &Fields,
    (field, message): (FormField, String),
    problem: &Problem,
) -> Page {
    let others = ["practice", "as_of", "day", "month", "year"];
    let error = FormError {
        field,
        message: &message,
        suggestion: problem.suggestion(),
        other_fields: others
            .into_iter()
            .filter_map(|name| Some((name, fields.get(name)?)))
            .collect(),
    };
    let page = web::lookup(&parts(index, LookupState::Invalid(error)));
    (problem.status(), page)
}

/// Returns the field of the form that is invalid, and the error message for it.
fn told(fault: &InvalidQuestion) -> (FormField, String) {
    let (field, message) = match fault {
        InvalidQuestion::Date(_) => (
            FormField::Date,
            "Enter a real date, such as 31 3 2025, or leave it blank to use today",
        ),
        InvalidQuestion::Practice(_) => (
            FormField::Practice,
            "Enter a GP practice code, such as P81002, or leave it blank",
        ),
        InvalidQuestion::Missing | InvalidQuestion::Postcode(InvalidPostcode::Missing) => (
            FormField::Place,
            "Enter a postcode, coordinates, a grid reference or a GP practice code",
        ),
        InvalidQuestion::Postcode(InvalidPostcode::Partial) => (
            FormField::Place,
            "Enter a full postcode, such as LA18 4DB, not just the first part",
        ),
        InvalidQuestion::Postcode(InvalidPostcode::Malformed { .. }) => (
            FormField::Place,
            "Enter a full UK postcode, such as LA18 4DB",
        ),
        InvalidQuestion::LonLat(_) | InvalidQuestion::Swapped => (
            FormField::Place,
            "Enter a latitude and longitude in degrees, such as 54.2097, -3.2695",
        ),
        InvalidQuestion::Grid(_) | InvalidQuestion::NotMetres => (
            FormField::Place,
            "Enter an easting and northing in metres (British National Grid), such as 317303 480077",
        ),
        InvalidQuestion::GridReference(InvalidGridReference::Coarse) => (
            FormField::Place,
            "Enter a grid reference with at least 6 digits, such as SD 173 800",
        ),
        InvalidQuestion::GridReference(_) => (
            FormField::Place,
            "Enter a grid reference with the same number of digits for east and north, such as SD 173 800",
        ),
        other => return (FormField::Place, other.to_string()),
    };
    (field, message.to_string())
}

/// `GET /privacy`.
pub(super) async fn privacy(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let page = web::privacy(app.releases().current());
    Ok(cacheable(
        &headers,
        "text/html; charset=utf-8",
        page.into_string().into_bytes(),
    ))
}

fn parts<'a>(index: &'a Index, state: LookupState<'a>) -> LookupPage<'a> {
    LookupPage { index, state }
}

pub(super) fn html(status: StatusCode, page: Markup) -> Response {
    as_html(status, page.into_string())
}

fn as_html(status: StatusCode, body: impl IntoResponse) -> Response {
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    (
        status,
        NO_STORE,
        [(header::CONTENT_TYPE, content_type)],
        body,
    )
        .into_response()
}

/// A temporary redirect to a path.
fn redirect(path: &str) -> Response {
    let location = HeaderValue::try_from(path).expect("paths of this service are ASCII");
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
}
