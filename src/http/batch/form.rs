//! `/batch`: the page, and its form for browsers without script. With script the page asks the API.
//!
//! A browser sends a form to its end before it reads anything, so that the file has to wait somewhere:
//! in memory, for which it may not be large.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use bytes::BytesMut;
use maud::Markup;
use multer::{Field, Multipart};

use super::super::App;
use super::super::input::query_fields;
use super::super::negotiate;
use super::super::pages::{self, shared::Shared};
use super::super::problem::Problem;
use super::super::server::Connection;
use super::super::snapshot::Snapshot;
use super::stream::{Traffic, linger};
use super::wanted::{Announced, Wanted};
use super::{Asker, Begun, Job, client_of};
use crate::index::Index;
use crate::question::Fields;
use crate::web::{self, ListFault, ListPage};

/// The longest file of a form.
const FILE_BYTES_MAX: usize = 32 << 20;
/// A form's other fields, each.
const FIELD_BYTES_MAX: usize = 4 << 10;
/// More fields than the form has.
const FIELDS_MAX: usize = 32;

/// The fields of the form beside the file.
const FIELDS: &[&str] = &[
    "columns",
    "delimiter",
    "postcode_column",
    "practice_column",
    "lon_column",
    "lat_column",
    "easting_column",
    "northing_column",
    "registration_only",
    "as_of",
    "as_of_column",
    "excel_safe",
    "small_numbers",
];

/// `GET /batch`.
pub(in crate::http) async fn page(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let encoding = negotiate::encoding(&headers).ok_or_else(Problem::no_encoding)?;
    let releases = app.releases();
    let index = releases.current();
    Ok(app.pages.response(Shared::Batch, index, encoding, || {
        form_page(index, None, &Fields::default())
    }))
}

/// `POST /batch`: the answers as a file, or the page with what is wrong.
pub(in crate::http) async fn answer(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    let boundary = boundary(request.headers())?;
    let connection = request.extensions().get::<Connection>().cloned();
    let asker = Asker::of(&request);
    let place = match app.lists.place(client_of(&request), &app.gate).await {
        Ok(place) => place,
        Err(problem) => {
            return Ok(refused(
                &app,
                problem,
                &Fields::default(),
                request.into_body(),
            ));
        }
    };
    if is_too_long(request.headers()) {
        let problem = Problem::too_large(FILE_BYTES_MAX as u64);
        return Ok(refused(
            &app,
            problem,
            &Fields::default(),
            request.into_body(),
        ));
    }
    let traffic = Traffic::default();
    let form = tokio::select! {
        form = read(request.into_body(), boundary, &traffic) => form?,
        _ = traffic.ends(&app.lists.limits, &app.lists.places) => return Err(Problem::timed_out()),
    };
    let fields = Fields::new(form.fields, FIELDS)?;
    if form.file.is_empty() {
        let problem = Problem::unusable("empty", "choose a file that is not empty");
        return Ok(refused(&app, problem, &fields, Body::empty()));
    }
    let begun = async {
        let job = Job {
            snapshot: Snapshot::of(&app, &fields)?,
            wanted: Wanted::of(&fields, &Announced::NOTHING)?,
            packed: None,
            limits: Arc::clone(&app.lists.limits),
            places: app.lists.places.clone(),
            asker,
            _place: place,
        };
        job.begin(Body::from(form.file.freeze()), None).await
    };
    match begun.await {
        Ok(Begun::Answering(ready, _)) => Ok(ready.response(connection.as_ref(), false)),
        Ok(Begun::Checked(_)) => Err(Problem::internal("a form is not checked")),
        Err(problem) => Ok(refused(&app, problem, &fields, Body::empty())),
    }
}

/// A form that was read.
#[derive(Default)]
struct Form {
    fields: Vec<(String, String)>,
    file: BytesMut,
}

async fn read(body: Body, boundary: String, traffic: &Traffic) -> Result<Form, Problem> {
    // It does nothing but wait for the client.
    let _waits = traffic.waits_for_bytes();
    let mut parts = Multipart::new(body.into_data_stream(), boundary);
    let mut form = Form::default();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        count += 1;
        if count > FIELDS_MAX {
            return Err(Problem::bad_request(
                "malformed",
                "the form has too many fields",
            ));
        }
        let name = part.name().unwrap_or_default().to_string();
        if name == "file" {
            form.file = whole(part, FILE_BYTES_MAX, traffic).await?;
            continue;
        }
        let value = whole(part, FIELD_BYTES_MAX, traffic).await?;
        let value = String::from_utf8_lossy(&value).trim().to_string();
        // A browser sends what was not filled in blank.
        if !value.is_empty() {
            form.fields.push((name, value));
        }
    }
    Ok(form)
}

async fn whole(
    mut part: Field<'static>,
    bytes_max: usize,
    traffic: &Traffic,
) -> Result<BytesMut, Problem> {
    let mut whole = BytesMut::new();
    while let Some(bytes) = part.chunk().await.map_err(malformed)? {
        traffic.came(bytes.len());
        if whole.len() + bytes.len() > bytes_max {
            return Err(Problem::too_large(bytes_max as u64));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

/// The fault may quote the form.
fn malformed(_: multer::Error) -> Problem {
    Problem::bad_request("malformed", "the form ended before its end, or is none")
}

fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok());
    let boundary = given.and_then(|text| multer::parse_boundary(text).ok());
    boundary.ok_or_else(|| Problem::unsupported_media_type("multipart/form-data"))
}

/// The form says beforehand that its file does not fit.
fn is_too_long(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length > FILE_BYTES_MAX + FIELDS_MAX * FIELD_BYTES_MAX)
}

/// The page with what is wrong. A browser reads it when it has sent its form.
fn refused(app: &App, problem: Problem, fields: &Fields, unread: Body) -> Response {
    tokio::spawn(async move {
        let mut unread = unread;
        linger(&mut unread).await;
    });
    shown(app, problem.status(), Some(&problem), fields)
}

fn shown(app: &App, status: StatusCode, problem: Option<&Problem>, fields: &Fields) -> Response {
    let releases = app.releases();
    let page = form_page(releases.current(), problem, fields);
    pages::html(status, page)
}

fn form_page(index: &Index, problem: Option<&Problem>, fields: &Fields) -> Markup {
    let page = ListPage {
        fault: problem.map(|problem| ListFault {
            code: problem.code(),
            detail: problem.detail(),
        }),
        fields,
        file_bytes_max: FILE_BYTES_MAX,
    };
    web::list(&pages::blank(index), &page)
}
