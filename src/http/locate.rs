//! `/api/v1/locate`: a single look-up.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::App;
use super::extract::json_params;
use super::middleware::EXTRA_HEADERS_CAPACITY;
use super::problem::Problem;
use super::query_params::{DatasetSelection, QueryParams};
use super::request_context::{DatasetRequest, RequestContext};
use crate::wire::locate::locate_body;
use catchment_core::request::{LOCATE_PARAMS, LocateRequest, RequestParams};

/// The parameters of a look-up.
pub(super) struct LocateParams {
    /// The location, the practice, the as-of date and the layers.
    request: LocateRequest,
    /// The version of the dataset, and the date of the request.
    selection: DatasetSelection,
}

impl QueryParams for LocateParams {
    const NAMES: &'static [&'static str] = LOCATE_PARAMS;

    fn from_params(params: &RequestParams) -> Result<LocateParams, Problem> {
        let request = LocateRequest::from_params(params)?;
        let selection = DatasetSelection {
            version: params.get("dataset").map(str::to_string),
            as_of: Ok(Some(request.query.as_of)),
        };
        Ok(LocateParams { request, selection })
    }

    fn selection(&self) -> Option<&DatasetSelection> {
        Some(&self.selection)
    }
}

pub(super) async fn get(
    DatasetRequest { context, params }: DatasetRequest<LocateParams>,
) -> Result<Response, Problem> {
    respond(&context, &params.request)
}

/// Handles a look-up with parameters in a JSON body. Proxies log URLs, and with a body the URL does
/// not contain the postcode.
pub(super) async fn post(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let params = json_params(request, LocateParams::NAMES).await?;
    let DatasetRequest { context, params } =
        DatasetRequest::<LocateParams>::from_params(&app, &params)?;
    respond(&context, &params.request)
}

fn respond(context: &RequestContext, request: &LocateRequest) -> Result<Response, Problem> {
    let body = locate_body(context.index(), request)?;
    let mut response = Response::new(Body::from(body.to_json()));
    let headers = response.headers_mut();
    headers.reserve(HEADERS_CAPACITY);
    headers.extend(NO_STORE.into_iter().chain(JSON));
    Ok(response)
}

/// The capacity for the two headers of a response and the headers of the middleware, so that the map of headers does not grow when the
/// middleware adds its headers.
const HEADERS_CAPACITY: usize = EXTRA_HEADERS_CAPACITY + 2;

/// The `Cache-Control` header of responses to look-ups. These responses must not be cached.
pub(super) const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

pub(super) const JSON: [(header::HeaderName, HeaderValue); 1] = [(
    header::CONTENT_TYPE,
    HeaderValue::from_static("application/json"),
)];
