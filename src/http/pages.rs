//! The pages: a form that posts, so that no postcode stands in an address, and HTML back.

use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::App;
use super::conditional::cacheable;
use super::input::{Segments, form_fields, query_fields};
use super::locate::NO_STORE;
use super::problem::Problem;
use crate::dataset::manifest::sha256_hex;
use crate::domain::Status;
use crate::question::{Fields, InvalidQuestion, LOCATE_FIELDS, Question};
use crate::web::{self, Home, Outcome};

/// A file of the pages; its name holds its digest, so that it may be kept for good.
struct Asset {
    name: String,
    content_type: &'static str,
    content: &'static str,
}

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    [
        ("css", "text/css; charset=utf-8", web::STYLE),
        ("svg", "image/svg+xml", web::ICON),
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

static PATHS: LazyLock<[String; 2]> =
    LazyLock::new(|| [0, 1].map(|at: usize| format!("/assets/{}", ASSETS[at].name)));

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
pub(super) async fn home(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    Ok(html(
        StatusCode::OK,
        web::home(&parts(&app, Outcome::Unasked)),
    ))
}

/// `POST /`: the answer, or what is wrong with the question.
pub(super) async fn answer(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let fields = form_fields(request, LOCATE_FIELDS).await?;
    let faulty = |problem: &Problem, message: &str| {
        let outcome = Outcome::Faulty {
            message,
            suggestion: problem.suggestion(),
        };
        html(problem.status(), web::home(&parts(&app, outcome)))
    };
    let question = match question(&fields) {
        Ok(question) => question,
        Err(fault) => {
            let problem = Problem::from(fault);
            return Ok(faulty(&problem, message(&problem)));
        }
    };
    let answer = app.index().locate(&question.query);
    if answer.status == Status::UnknownPostcode {
        let problem = Problem::unknown_postcode();
        return Ok(faulty(&problem, message(&problem)));
    }
    Ok(html(
        StatusCode::OK,
        web::home(&parts(&app, Outcome::Answered(&answer))),
    ))
}

/// The form sends an empty practice when none is known.
fn question(fields: &Fields) -> Result<Question, InvalidQuestion> {
    let mut question = Question::from_fields(fields)?;
    let is_blank = fields
        .get("practice")
        .is_some_and(|text| text.trim().is_empty());
    if is_blank {
        question.query.practice = None;
    }
    Ok(question)
}

fn message(problem: &Problem) -> &str {
    match problem.code() {
        "missing" => "Enter a postcode",
        "partial_postcode" => {
            "Enter a full postcode, such as LA18 4DB; this is only its first part"
        }
        "malformed" => "That is not a UK postcode",
        "unknown_postcode" => "There is no such postcode; check it with the person",
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
    let page = web::privacy(&parts(&app, Outcome::Unasked));
    Ok(cacheable(
        &headers,
        "text/html; charset=utf-8",
        page.into_string().into_bytes(),
    ))
}

fn parts<'a>(app: &'a App, outcome: Outcome<'a>) -> Home<'a> {
    Home {
        style_path: &PATHS[0],
        icon_path: &PATHS[1],
        index: app.index(),
        outcome,
    }
}

fn html(status: StatusCode, page: Markup) -> Response {
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    (
        status,
        NO_STORE,
        [(header::CONTENT_TYPE, content_type)],
        page.into_string(),
    )
        .into_response()
}
