//! `/api/v1/postcodes` and the postcodes of areas. The routes return directory entries,
//! completions, the nearest postcodes, and pages of postcodes.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Number, json};

use super::areas::{require_layer, unknown_area};
use super::conditional::{cacheable_json, no_store_response};
use super::extract::PathParams;
use super::locate::{JSON, NO_STORE};
use super::problem::Problem;
use super::query_params::{DatasetSelection, ParamValue, query_params};
use super::request_context::{DatasetRequest, RequestContext};
use crate::web::path_segment;
use crate::wire::locate::{DatasetBody, entry_json, metres_number, round_decimals};
use catchment_core::domain::{
    Area, LookupStatus, Postcode, PostcodeEntry, PostcodePrefix, PostcodeStatus,
};
use catchment_core::geodesy;
use catchment_core::index::{AreaPostcode, LocateQuery, Locator, NEAREST_RADIUS_M, PostcodeFilter};
use catchment_core::request::{InvalidRequest, PostcodePageParams, PostcodeSearch, RequestParams};

/// The default and the maximum number of search results.
pub(super) const SEARCH_LIMIT: (usize, usize) = (10, 100);

/// The default and the maximum number of postcodes on a page.
const PAGE_LIMIT: (usize, usize) = (100, 1_000);

query_params! {
    /// The parameters of `/api/v1/postcodes`.
    pub(super) struct SearchParams {
        /// The beginning of a postcode, or a point near which to find postcodes.
        search: PostcodeSearch = ["prefix", "lon", "lat", "easting", "northing"],
        /// The maximum number of results.
        limit: SearchLimit = ["limit"],
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

impl ParamValue for PostcodeSearch {
    fn from_params(params: &RequestParams, _: &[&'static str]) -> Result<PostcodeSearch, Problem> {
        Ok(PostcodeSearch::from_params(params)?)
    }
}

/// The maximum number of search results.
struct SearchLimit(usize);

impl ParamValue for SearchLimit {
    fn from_params(params: &RequestParams, _: &[&'static str]) -> Result<SearchLimit, Problem> {
        let limit = params.limit(SEARCH_LIMIT.0, SEARCH_LIMIT.1)?;
        Ok(SearchLimit(limit))
    }
}

query_params! {
    /// The parameters of `/api/v1/areas/{layer}/{id}/postcodes`.
    pub(super) struct AreaPostcodesParams {
        /// The last postcode of the previous page, the maximum number of postcodes on the page,
        /// and the filter by status.
        page: LimitedPage = ["after", "limit", "status"],
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

/// A page of postcodes, with a limit.
struct LimitedPage {
    page_params: PostcodePageParams,
    limit: usize,
}

impl ParamValue for LimitedPage {
    fn from_params(params: &RequestParams, _: &[&'static str]) -> Result<LimitedPage, Problem> {
        Ok(LimitedPage {
            page_params: PostcodePageParams::from_params(params)?,
            limit: params.limit(PAGE_LIMIT.0, PAGE_LIMIT.1)?,
        })
    }
}

/// `/api/v1/postcodes/{postcode}`: the directory entry of a postcode.
pub(super) async fn entry(
    context: RequestContext,
    PathParams(text): PathParams<String>,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let postcode: Postcode = text.parse().map_err(InvalidRequest::Postcode)?;
    let locator = Some(Locator::Postcode(postcode));
    let answer = index.locate(&LocateQuery {
        locator,
        practice: None,
        as_of,
    });
    if answer.status == LookupStatus::UnknownPostcode {
        return Err(Problem::unknown_postcode(index, locator, as_of));
    }
    Ok((NO_STORE, JSON, entry_json(index, &answer)).into_response())
}

/// `/api/v1/postcodes`: completion (`?prefix=`), or the postcodes nearest to a point (`?lon=&lat=`
/// or `?easting=&northing=`).
pub(super) async fn search(
    DatasetRequest { context, params }: DatasetRequest<SearchParams>,
) -> Response {
    let SearchLimit(limit) = params.limit;
    match params.search {
        PostcodeSearch::Prefix(prefix) => completions(&context, &prefix, limit),
        PostcodeSearch::Point(locator) => nearest(&context, locator, limit),
    }
}

fn completions(context: &RequestContext, prefix: &PostcodePrefix, limit: usize) -> Response {
    let (index, as_of) = (context.index(), context.as_of);
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

fn nearest(context: &RequestContext, locator: Locator, limit: usize) -> Response {
    let (index, as_of) = (context.index(), context.as_of);
    let (_, location) = index.resolve_locator(locator, as_of);
    let nearest_postcodes = match location.and_then(|location| location.grid) {
        Some(point) => index.nearest_postcodes(point, limit, as_of),
        // There are no postcodes outside the National Grid.
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
    PathParams((layer, id)): PathParams<(String, String)>,
    DatasetRequest { context, params }: DatasetRequest<AreaPostcodesParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Loading a page scans the whole directory, which takes milliseconds. The scan must not block
    // other requests, so it runs on a blocking thread.
    let load_page = move || area_postcodes_page(&context, (&layer, &id), &params.page, &headers);
    match tokio::task::spawn_blocking(load_page).await {
        Ok(page) => page,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn area_postcodes_page(
    context: &RequestContext,
    (layer, id): (&str, &str),
    page: &LimitedPage,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let layer = require_layer(index, layer, as_of)?;
    let area = index
        .area_or_last_version(layer, id, as_of)
        .ok_or_else(unknown_area)?;
    let limit = page.limit;
    let PostcodePageParams { after, filter } = page.page_params;
    let page = index.postcodes_in((layer, id), as_of, filter, after, limit);
    let last = page.postcodes.last().filter(|_| page.has_more);
    let next = last.map(|last| next_page_url(context, area, filter, limit, last));
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
    context: &RequestContext,
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
    query.append_pair("as_of", &context.as_of.to_string());
    if let Some(version) = context.version() {
        query.append_pair("dataset", version);
    }
    format!(
        "/api/v1/areas/{}/{}/postcodes?{}",
        area.layer,
        path_segment(&area.id),
        query.finish()
    )
}
