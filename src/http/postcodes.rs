//! `/api/v1/postcodes` and the postcodes of areas: directory entries, completion, the nearest
//! postcodes, and pages of postcodes.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Number, json};

use super::App;
use super::areas::{require_layer, unknown_area};
use super::conditional::{cacheable_json, no_store_response};
use super::extract::{PathParams, query_params};
use super::locate::{JSON, NO_STORE};
use super::problem::Problem;
use super::request_context::RequestContext;
use crate::domain::{Area, LookupStatus, Postcode, PostcodeEntry, PostcodePrefix, PostcodeStatus};
use crate::geodesy;
use crate::index::{AreaPostcode, LocateQuery, Locator, NEAREST_RADIUS_M, PostcodeFilter};
use crate::request::{InvalidRequest, PostcodePageParams, PostcodeSearch};
use crate::web::path_segment;
use crate::wire::locate::{DatasetBody, entry_json, metres_number, round_decimals};

/// The default and the maximum number of search results.
pub(super) const SEARCH_LIMIT: (usize, usize) = (10, 100);

/// The default and the maximum number of postcodes on a page.
const PAGE_LIMIT: (usize, usize) = (100, 1_000);

const SEARCH_PARAMS: &[&str] = &[
    "prefix", "lon", "lat", "easting", "northing", "limit", "as_of", "dataset",
];

const PAGE_PARAMS: &[&str] = &["after", "limit", "status", "as_of", "dataset"];

/// `/api/v1/postcodes/{postcode}`: the directory entry of a postcode.
pub(super) async fn entry(
    snapshot: RequestContext,
    PathParams(text): PathParams<String>,
) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let postcode: Postcode = text.parse().map_err(InvalidRequest::Postcode)?;
    let locator = Some(Locator::Postcode(postcode));
    let answer = index.locate(&LocateQuery {
        locator,
        practice: None,
        as_of,
    });
    if answer.status == LookupStatus::UnknownPostcode {
        return Err(Problem::unknown_postcode());
    }
    Ok((NO_STORE, JSON, entry_json(index, &answer)).into_response())
}

/// `/api/v1/postcodes`: completion (`?prefix=`), or the postcodes nearest to a point (`?lon=&lat=`
/// or `?easting=&northing=`).
pub(super) async fn search(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = query_params(&uri, SEARCH_PARAMS)?;
    let search = PostcodeSearch::from_params(&params)?;
    let limit = params.limit(SEARCH_LIMIT.0, SEARCH_LIMIT.1)?;
    let snapshot = RequestContext::from_params(&app, &params)?;
    Ok(match search {
        PostcodeSearch::Prefix(prefix) => completions(&snapshot, &prefix, limit),
        PostcodeSearch::Point(locator) => nearest(&snapshot, locator, limit),
    })
}

fn completions(snapshot: &RequestContext, prefix: &PostcodePrefix, limit: usize) -> Response {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let completions = index.completions(prefix, limit, as_of);
    let postcodes: Vec<_> = completions
        .postcodes
        .iter()
        .map(|entry| {
            let status = index.postcode_status(entry, as_of);
            json!({ "postcode": entry.postcode.to_string(), "status": status.as_str() })
        })
        .collect();
    let body = json!({
        "outcodes": completions.outcodes,
        "postcodes": postcodes,
        "more": completions.is_truncated,
        "as_of": as_of.to_string(),
        "dataset": DatasetBody::from(index.manifest()),
    });
    (NO_STORE, Json(body)).into_response()
}

/// A postcode in a list of results.
#[derive(Serialize)]
struct PostcodeListItem {
    postcode: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_m: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<&'static str>,
    longitude: Option<f64>,
    latitude: Option<f64>,
    easting: Option<Number>,
    northing: Option<Number>,
}

impl PostcodeListItem {
    fn new(entry: &PostcodeEntry, status: PostcodeStatus) -> PostcodeListItem {
        let lonlat = entry.position.and_then(geodesy::to_lonlat);
        PostcodeListItem {
            postcode: entry.postcode.to_string(),
            status: status.as_str(),
            distance_m: None,
            basis: None,
            longitude: lonlat.map(|position| round_decimals(position.lon(), 6)),
            latitude: lonlat.map(|position| round_decimals(position.lat(), 6)),
            easting: entry
                .position
                .map(|position| metres_number(position.easting_m(), 3)),
            northing: entry
                .position
                .map(|position| metres_number(position.northing_m(), 3)),
        }
    }
}

fn nearest(snapshot: &RequestContext, locator: Locator, limit: usize) -> Response {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let (_, location) = index.resolve_locator(locator, as_of);
    let nearest_postcodes = match location.and_then(|location| location.grid) {
        Some(point) => index.nearest_postcodes(point, limit, as_of),
        // Outside the National Grid there are no postcodes.
        None => Vec::new(),
    };
    let postcodes: Vec<PostcodeListItem> = nearest_postcodes
        .iter()
        .map(|(entry, distance_m)| PostcodeListItem {
            distance_m: Some(metres_number(*distance_m, 1)),
            ..PostcodeListItem::new(entry, PostcodeStatus::Live)
        })
        .collect();
    let body = json!({
        "postcodes": postcodes,
        "within_m": NEAREST_RADIUS_M,
        "as_of": as_of.to_string(),
        "dataset": DatasetBody::from(index.manifest()),
    });
    (NO_STORE, Json(body)).into_response()
}

/// `/api/v1/areas/{layer}/{id}/postcodes`: the postcodes of an area, sorted and paginated.
pub(super) async fn area_postcodes(
    State(app): State<App>,
    uri: Uri,
    PathParams((layer, id)): PathParams<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = query_params(&uri, PAGE_PARAMS)?;
    let page_params = PostcodePageParams::from_params(&params)?;
    let limit = params.limit(PAGE_LIMIT.0, PAGE_LIMIT.1)?;
    let snapshot = RequestContext::from_params(&app, &params)?;
    // Loading a page scans the whole directory, which takes milliseconds. The scan must not block
    // other requests.
    let load_page =
        move || area_postcodes_page(&snapshot, (&layer, &id), page_params, limit, &headers);
    match tokio::task::spawn_blocking(load_page).await {
        Ok(page) => page,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn area_postcodes_page(
    snapshot: &RequestContext,
    (layer, id): (&str, &str),
    page_params: PostcodePageParams,
    limit: usize,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let layer = require_layer(index, layer, as_of)?;
    let area = index
        .area_or_last_version(layer, id, as_of)
        .ok_or_else(unknown_area)?;
    let PostcodePageParams { after, filter } = page_params;
    let page = index.postcodes_in((layer, id), as_of, filter, after, limit);
    let last = page.postcodes.last().filter(|_| page.has_more);
    let next = last.map(|last| next_page_url(snapshot, area, filter, limit, last));
    let items = page.postcodes.iter().map(|area_postcode| PostcodeListItem {
        basis: Some(area_postcode.basis.as_str()),
        ..PostcodeListItem::new(&area_postcode.entry, area_postcode.status)
    });
    let body = json!({
        "layer": layer.as_str(),
        "area": { "id": area.id, "name": area.title() },
        "holds_on_as_of": area.period.contains(as_of),
        "postcodes": items.collect::<Vec<PostcodeListItem>>(),
        "next": next,
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    let mut response = match after {
        // The URL contains a postcode, so the response must not be stored.
        Some(_) => no_store_response("application/json", body.to_string().into_bytes()),
        None => cacheable_json(headers, &body),
    };
    if let Some(next) = next {
        // The `Link` header of RFC 8288.
        let link = format!("<{next}>; rel=\"next\"");
        let link = HeaderValue::from_str(&link).expect("URLs of this service are ASCII");
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Returns the URL of the next page. The URL contains the date, so that all pages are for the same
/// date.
fn next_page_url(
    snapshot: &RequestContext,
    area: &Area,
    filter: PostcodeFilter,
    limit: usize,
    last: &AreaPostcode,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("after", &last.entry.postcode.to_string());
    query.append_pair("limit", &limit.to_string());
    if filter == PostcodeFilter::All {
        query.append_pair("status", "all");
    }
    query.append_pair("as_of", &snapshot.as_of.to_string());
    if let Some(version) = snapshot.version() {
        query.append_pair("dataset", version);
    }
    format!(
        "/api/v1/areas/{}/{}/postcodes?{}",
        area.layer,
        path_segment(&area.id),
        query.finish()
    )
}
