//! The pages: a form that posts, so that no postcode stands in an address, and HTML back.

use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::App;
use super::conditional::cacheable;
use super::embed;
use super::input::{Segments, form_fields, query_fields};
use super::locate::NO_STORE;
use super::problem::Problem;
use super::snapshot::dataset;
use crate::dataset::manifest::sha256_hex;
use crate::domain::Status;
use crate::index::Index;
use crate::question::{InvalidQuestion, LOCATE_FIELDS, Question};
use crate::web::{self, Fault, Home, Outcome};

/// A file of the pages; its name holds its digest, so that it may be kept for good.
struct Asset {
    name: String,
    content_type: &'static str,
    content: &'static str,
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    [
        ("css", "text/css; charset=utf-8", web::STYLE),
        ("svg", "image/svg+xml", web::ICON),
        ("js", "text/javascript; charset=utf-8", web::LIST_SCRIPT),
        ("css", "text/css; charset=utf-8", web::EMBED_STYLE),
        ("js", "text/javascript; charset=utf-8", web::SITE_SCRIPT),
    ]
    .map(|(extension, content_type, content)| Asset {
        name: format!(
            "catchment-{}.{extension}",
            &sha256_hex(content.as_bytes())[..12]
        ),
        content_type,
        content,
    })
});

static PATHS: LazyLock<[String; 5]> =
    LazyLock::new(|| [0, 1, 2, 3, 4].map(|at: usize| format!("/assets/{}", ASSETS[at].name)));

/// Where the script of the page of lists is.
pub(super) fn script_path() -> &'static str {
    &PATHS[2]
}

/// Where the picture in the tab is.
pub(super) fn icon_path() -> &'static str {
    &PATHS[1]
}

/// Where the style sheet of what stands in a frame is.
pub(super) fn embed_style_path() -> &'static str {
    &PATHS[3]
}

/// Where the script of the page for other sites' editors is.
pub(super) fn site_script_path() -> &'static str {
    &PATHS[4]
}

/// The parts of a page on which nothing was asked.
pub(super) fn blank(index: &Index) -> Home<'_> {
    parts(index, Outcome::Unasked)
}

/// `/assets/{name}`.
pub(super) async fn asset(Segments(name): Segments<String>) -> Result<Response, Problem> {
    let asset = ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .ok_or_else(Problem::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.content).into_response())
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
    Home {
        style_path: &PATHS[0],
        icon_path: &PATHS[1],
        index,
        outcome,
    }
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
