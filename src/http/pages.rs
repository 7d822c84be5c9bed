//! The HTML pages. The look-up form uses `POST`, so that no postcode appears in a URL. Areas,
//! practices and groups are public information, so their pages have URLs.

pub(super) mod areas;
pub(super) mod changes;
pub(super) mod compare;
pub(super) mod error_page;
pub(super) mod groups;
mod lookup_form;
pub(super) mod page_cache;
mod page_request;
pub(super) mod partnerships;
pub(super) mod practices;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::App;
use super::admission::CpuPermit;
use super::base_url::BaseUrl;
use super::cached_response::immutable_response;
use super::conditional::{CACHE_FIVE_MINUTES, cacheable_response};
use super::embed;
use super::extract::{PathParams, form_params};
use super::locate::NO_STORE;
use super::maps;
use super::negotiate;
use super::problem::Problem;
use super::query_params::{DatasetSelection, NoParams, Query};
use super::request_context::{DatasetParams, DatasetRequest, RequestContext};
use crate::web::{
    self, FormError, FormField, LookupPage, LookupResult, LookupState, TypedValues, assets,
};
use crate::wire::metadata::{Release, schema_org};
use catchment_core::domain::{
    InvalidGridReference, InvalidPostcode, LookupStatus, Postcode, Practice, today_in_london,
};
use catchment_core::index::{Index, LocateQuery, Locator};
use catchment_core::request::{FORM_FIELDS, InvalidRequest, LocateRequest, RequestParams};
use catchment_tiles::ContentEncoding;
use catchment_tiles::maps::{draw, draw_with_marker};

use lookup_form::InvalidForm;
use page_cache::CachedPage;

const HTML: &str = "text/html; charset=utf-8";

/// `/assets/{name}`: a script, a style sheet or another file of the pages.
pub(super) async fn asset(
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = assets::find(&format!("/assets/{name}")).ok_or_else(Problem::not_found)?;
    immutable_response(&headers, asset.content_type(), &asset.body)
}

/// `GET /` in a build without the `web` feature: a page with a link to the API definition.
pub(super) async fn pages_disabled() -> Response {
    html(StatusCode::OK, web::pages_disabled())
}

/// `GET /`: the look-up form.
pub(super) async fn home(
    State(app): State<App>,
    DatasetRequest { context, .. }: DatasetRequest<NoParams>,
    base: BaseUrl,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let encoding =
        negotiate::preferred_encoding(&headers).ok_or_else(Problem::no_acceptable_encoding)?;
    let index = context.index();
    let mut response = app.pages.response(CachedPage::Home, index, encoding, || {
        web::lookup(&lookup_page(index, LookupState::Empty))
    });
    embed::link_oembed_and_vary(&base, "/", &mut response);
    Ok(response)
}

/// `POST /`: the result, or the form with an error message.
pub(super) async fn post_home(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    let encoding = negotiate::preferred_encoding(request.headers())
        .ok_or_else(Problem::no_acceptable_encoding)?;
    let cpu_permit = request.extensions().get::<CpuPermit>().cloned();
    let params = form_params(request, FORM_FIELDS).await?;
    // The permit is acquired after the form has been read, so that a slow upload does not use a CPU
    // permit.
    if let Some(cpu_permit) = &cpu_permit {
        app.admission_control.acquire_cpu_permit(cpu_permit).await?;
    }
    let request = LocateRequest::from_params(&params);
    let selection = DatasetSelection {
        version: params.get("dataset").map(str::to_string),
        as_of: Ok(request.as_ref().ok().map(|request| request.query.as_of)),
    };
    let context = RequestContext::new(&app, &selection)?;
    // If no map permit is free, the page is sent without a map.
    let map_permit = maps::acquire_permit(&app.map_permits, MAP_WAIT_MAX)
        .await
        .ok();
    let page = move || {
        // The permit is released only when the page has been rendered, even if the client
        // disconnects.
        let _cpu_permit = cpu_permit;
        let can_draw = map_permit.is_some();
        render_lookup(&context, request, &params, can_draw)
    };
    render_blocking(page, encoding).await
}

/// Renders a page for one request on a blocking thread, because rendering takes milliseconds.
/// Compresses the page with a fast compression level.
async fn render_blocking(
    page: impl FnOnce() -> HtmlPage + Send + 'static,
    encoding: ContentEncoding,
) -> Result<Response, Problem> {
    let render = move || {
        let (status, page) = page();
        let bytes = encoding.encode_quickly(page.into_string().as_bytes());
        with_encoding(as_html(status, bytes), encoding)
    };
    let rendered = tokio::task::spawn_blocking(render).await;
    rendered.map_err(|_| Problem::internal("rendering a page panicked"))
}

fn with_encoding(mut response: Response, encoding: ContentEncoding) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if encoding != ContentEncoding::Identity {
        let coding = HeaderValue::from_static(encoding.as_str());
        headers.insert(header::CONTENT_ENCODING, coding);
    }
    response
}

/// The maximum time for which a page waits for a permit to draw its map. After this time, the page
/// is sent without a map.
const MAP_WAIT_MAX: Duration = Duration::from_millis(300);

type HtmlPage = (StatusCode, Markup);

fn render_lookup(
    context: &RequestContext,
    request: Result<LocateRequest, InvalidRequest>,
    params: &RequestParams,
    can_draw: bool,
) -> HtmlPage {
    let index = context.index();
    let form = match lookup_form::read(index, request, params) {
        Ok(form) => form,
        Err(InvalidForm::Choices(practices)) => return choices_page(index, params, &practices),
        Err(InvalidForm::Request(error)) => {
            let (field, message) = form_error(&error, params);
            return invalid_page(index, params, (field, message), &Problem::from(error));
        }
        Err(InvalidForm::Field {
            error,
            field,
            message,
        }) => return invalid_page(index, params, (field, message), &Problem::from(error)),
    };
    let query = form.query;
    let answer = index.locate(&query);
    if answer.status == LookupStatus::UnknownPostcode {
        let message = format!(
            "We cannot find this postcode in the directory of {}. The postcode may be newer. Check \
             it with the person",
            index.manifest().directory_edition()
        );
        let LocateQuery { locator, as_of, .. } = query;
        let problem = Problem::unknown_postcode(index, locator, as_of);
        return invalid_page(index, params, (FormField::Place, message), &problem);
    }
    if let (LookupStatus::UnknownArea, Some(Locator::StatisticalArea(asked))) =
        (answer.status, query.locator)
    {
        let unknown = index.unknown_statistical_area(asked.code);
        let message = unknown_area_message(index, unknown.entity);
        let problem = Problem::unknown_area(unknown.to_string());
        return invalid_page(index, params, (FormField::Place, message), &problem);
    }
    let map_request = web::map_request(index, &answer).filter(|_| can_draw);
    let map = map_request.and_then(|(requested_map, marker)| {
        let tiles = context.tiles();
        match marker {
            Some(marker) => draw_with_marker(index, tiles, &requested_map, marker),
            None => draw(index, tiles, &requested_map),
        }
    });
    let result = LookupResult {
        query: &query,
        has_practice_as_place: form.has_practice_as_place,
        answer: &answer,
        version: params.get("dataset"),
        map,
    };
    (
        StatusCode::OK,
        web::lookup(&lookup_page(index, LookupState::Result(result))),
    )
}

/// Returns the error message for a code that is not the code of any statistical area.
fn unknown_area_message(index: &Index, entity: Option<&str>) -> String {
    let entity = entity.map_or(String::new(), |entity| {
        format!(". It looks like the code of {entity}")
    });
    let example = match web::example_code(index) {
        Some(code) => format!(". Enter a code such as {code}, or a postcode"),
        None => ". Enter a postcode".into(),
    };
    format!("We cannot find an area with this code{entity}{example}")
}

fn invalid_page(
    index: &Index,
    params: &RequestParams,
    (field, message): (FormField, String),
    problem: &Problem,
) -> HtmlPage {
    let within = || params.get("place").and_then(lookup_form::postcode_within);
    let suggestion = match field {
        FormField::Place => problem.suggestion().or_else(within),
        FormField::Practice | FormField::Date => None,
    };
    let is_typed = |postcode: &Postcode| {
        params.get("place").and_then(|text| text.parse().ok()) == Some(*postcode)
    };
    let error = FormError {
        field,
        message: &message,
        hint: problem.area_hint().map(|hint| {
            format!(
                "Most postcodes that begin in the same way are in {}. This is only a hint: this postcode may be somewhere else.",
                hint.name
            )
        }),
        suggestion: suggestion.filter(|postcode| !is_typed(postcode)),
        choices: &[],
        typed: typed_values(params),
    };
    let page = web::lookup(&lookup_page(index, LookupState::Invalid(error)));
    (problem.status(), page)
}

/// Renders the form with a list of practices from which the user can choose.
fn choices_page(index: &Index, params: &RequestParams, practices: &[&Practice]) -> HtmlPage {
    let message = format!("{} GP practices match. Choose one", practices.len());
    let error = FormError {
        field: FormField::Practice,
        message: &message,
        hint: None,
        suggestion: None,
        choices: practices,
        typed: typed_values(params),
    };
    let page = web::lookup(&lookup_page(index, LookupState::Invalid(error)));
    (StatusCode::BAD_REQUEST, page)
}

/// Returns the values that the user typed into the form, whether valid or not.
fn typed_values(params: &RequestParams) -> TypedValues<'_> {
    let fields = ["place", "practice", "as_of", "day", "month", "year"];
    let values = fields
        .into_iter()
        .filter_map(|name| Some((name, params.get(name)?)));
    TypedValues(values.collect())
}

/// Returns the field of the form that is invalid, and the error message for it.
fn form_error(error: &InvalidRequest, params: &RequestParams) -> (FormField, String) {
    let (field, message) = match error {
        InvalidRequest::Date(_) => (
            FormField::Date,
            "Enter a real date, such as 31 3 2025, or leave it blank to use today",
        ),
        InvalidRequest::Practice(_) => (
            FormField::Practice,
            "Enter the name or code of a GP practice, such as P81002, or leave it blank",
        ),
        InvalidRequest::MissingLocation | InvalidRequest::Postcode(InvalidPostcode::Missing) => (
            FormField::Place,
            "Enter a postcode, coordinates, a grid reference or a GP practice code",
        ),
        InvalidRequest::Postcode(InvalidPostcode::Partial) => (
            FormField::Place,
            "Enter a full postcode, such as LA18 4DB, not just the first part",
        ),
        InvalidRequest::Postcode(InvalidPostcode::Malformed { .. }) => {
            let typed = params.get("place").unwrap_or_default();
            return (
                FormField::Place,
                lookup_form::malformed_postcode_message(typed),
            );
        }
        InvalidRequest::LonLat(_) | InvalidRequest::Swapped => (
            FormField::Place,
            "Enter a latitude and longitude in degrees, such as 54.2097, -3.2695",
        ),
        InvalidRequest::Grid(_) | InvalidRequest::NotMetres => (
            FormField::Place,
            "Enter an easting and northing in metres (British National Grid), such as 317303 480077",
        ),
        InvalidRequest::GridReference(InvalidGridReference::TooCoarse) => (
            FormField::Place,
            "Enter a grid reference with at least 6 digits, such as SD 173 800",
        ),
        InvalidRequest::GridReference(_) => (
            FormField::Place,
            "Enter a grid reference with the same number of digits for east and north, such as SD 173 800",
        ),
        other => return (FormField::Place, other.to_string()),
    };
    (field, message.to_string())
}

/// `GET /privacy`: the privacy page.
pub(super) async fn privacy(
    DatasetRequest { context, .. }: DatasetRequest<NoParams>,
    headers: HeaderMap,
) -> Response {
    let page = web::privacy(context.index());
    cacheable_response(
        &headers,
        "text/html; charset=utf-8",
        page.into_string().into_bytes(),
    )
}

/// `GET /accessibility`: the accessibility statement.
pub(super) async fn accessibility(
    State(app): State<App>,
    DatasetRequest { context, .. }: DatasetRequest<NoParams>,
    headers: HeaderMap,
) -> Response {
    let page = web::accessibility(context.index(), &app.accessibility);
    cacheable_response(&headers, HTML, page.into_string().into_bytes())
}

/// `GET /robots.txt`: the paths that crawlers may read.
pub(super) async fn robots(_: Query<NoParams>, headers: HeaderMap) -> Response {
    let text = web::ROBOTS_TXT.as_bytes().to_vec();
    cacheable_response(&headers, "text/plain; charset=utf-8", text)
}

/// `GET /sources`: the sources of the dataset and their dates.
pub(super) async fn sources(
    DatasetRequest { context, .. }: DatasetRequest<DatasetParams>,
    base: BaseUrl,
    headers: HeaderMap,
) -> Response {
    let (index, today) = (context.index(), today_in_london());
    let is_current = !context.has_date() && context.version().is_none();
    let base_text = base.to_string();
    let description = is_current
        .then(|| schema_org::dataset(&Release::new(index, context.tiles(), &base_text, today)));
    let page = web::sources(index, today, description);
    let mut response = cacheable_response(&headers, HTML, page.into_string().into_bytes());
    base.add_vary(response.headers_mut());
    response
}

fn lookup_page<'a>(index: &'a Index, state: LookupState<'a>) -> LookupPage<'a> {
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

/// Returns a temporary redirect to a path.
fn redirect(path: &str) -> Response {
    let location = HeaderValue::try_from(path).expect("paths of this service are ASCII");
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, CACHE_FIVE_MINUTES),
    ];
    (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
}
