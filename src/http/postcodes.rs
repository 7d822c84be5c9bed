//! `/api/v1/postcodes` and the postcodes of areas: directory entries, completion, the nearest
//! postcodes, and pages of postcodes.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Number, json};

use super::App;
use super::areas::{held_layer, unknown_area};
use super::body::{DatasetBody, decimals, entry_json, metres};
use super::conditional::{cacheable_json, uncached};
use super::input::{Segments, query_fields};
use super::locate::{JSON, NO_STORE};
use super::problem::Problem;
use super::snapshot::Snapshot;
use crate::domain::{Area, Postcode, PostcodeEntry, PostcodePrefix, PostcodeStatus, Status};
use crate::geodesy;
use crate::index::{CoveredPostcode, NEAREST_WITHIN_M, Place, Query, Which};
use crate::question::{InvalidQuestion, PageWanted, Search};
use crate::web::path_segment;

/// The default and the maximum number of search results.
pub(super) const FOUND: (usize, usize) = (10, 100);

/// The default and the maximum number of postcodes on a page.
const PAGE: (usize, usize) = (100, 1_000);

const SEARCH_FIELDS: &[&str] = &[
    "prefix", "lon", "lat", "easting", "northing", "limit", "as_of", "dataset",
];

const PAGE_FIELDS: &[&str] = &["after", "limit", "status", "as_of", "dataset"];

/// `/api/v1/postcodes/{postcode}`: the directory entry of a postcode.
pub(super) async fn one(
    snapshot: Snapshot,
    Segments(text): Segments<String>,
) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let postcode: Postcode = text.parse().map_err(InvalidQuestion::Postcode)?;
    let place = Some(Place::Postcode(postcode));
    let answer = index.locate(&Query {
        place,
        practice: None,
        as_of,
    });
    if answer.status == Status::UnknownPostcode {
        return Err(Problem::unknown_postcode());
    }
    Ok((NO_STORE, JSON, entry_json(index, &answer)).into_response())
}

/// `/api/v1/postcodes`: completion (`?prefix=`), or the postcodes nearest to a point (`?lon=&lat=`
/// or `?easting=&northing=`).
pub(super) async fn search(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let fields = query_fields(&uri, SEARCH_FIELDS)?;
    let search = Search::from_fields(&fields)?;
    let limit = fields.limit(FOUND.0, FOUND.1)?;
    let snapshot = Snapshot::of(&app, &fields)?;
    Ok(match search {
        Search::Prefix(prefix) => completions(&snapshot, &prefix, limit),
        Search::Point(place) => nearest(&snapshot, place, limit),
    })
}

fn completions(snapshot: &Snapshot, prefix: &PostcodePrefix, limit: usize) -> Response {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let found = index.completions(prefix, limit, as_of);
    let postcodes: Vec<_> = found
        .postcodes
        .iter()
        .map(|entry| {
            let status = index.postcode_status(entry, as_of);
            json!({ "postcode": entry.postcode.to_string(), "status": status.as_str() })
        })
        .collect();
    let body = json!({
        "outcodes": found.outcodes,
        "postcodes": postcodes,
        "more": found.is_cut,
        "as_of": as_of.to_string(),
        "dataset": DatasetBody::from(index.manifest()),
    });
    (NO_STORE, Json(body)).into_response()
}

/// A postcode in a list of results.
#[derive(Serialize)]
struct ListedBody {
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

impl ListedBody {
    fn new(entry: &PostcodeEntry, status: PostcodeStatus) -> ListedBody {
        let lonlat = entry.position.and_then(geodesy::to_lonlat);
        ListedBody {
            postcode: entry.postcode.to_string(),
            status: status.as_str(),
            distance_m: None,
            basis: None,
            longitude: lonlat.map(|position| decimals(position.lon(), 6)),
            latitude: lonlat.map(|position| decimals(position.lat(), 6)),
            easting: entry
                .position
                .map(|position| metres(position.easting_m(), 3)),
            northing: entry
                .position
                .map(|position| metres(position.northing_m(), 3)),
        }
    }
}

fn nearest(snapshot: &Snapshot, place: Place, limit: usize) -> Response {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let (_, location) = index.place(place, as_of);
    let found = match location.and_then(|location| location.grid) {
        Some(point) => index.nearest_postcodes(point, limit, as_of),
        // Outside the National Grid there are no postcodes.
        None => Vec::new(),
    };
    let postcodes: Vec<ListedBody> = found
        .iter()
        .map(|(entry, distance_m)| ListedBody {
            distance_m: Some(metres(*distance_m, 1)),
            ..ListedBody::new(entry, PostcodeStatus::Live)
        })
        .collect();
    let body = json!({
        "postcodes": postcodes,
        "within_m": NEAREST_WITHIN_M,
        "as_of": as_of.to_string(),
        "dataset": DatasetBody::from(index.manifest()),
    });
    (NO_STORE, Json(body)).into_response()
}

/// `/api/v1/areas/{layer}/{id}/postcodes`: the postcodes of an area, sorted and paginated.
pub(super) async fn of_area(
    State(app): State<App>,
    uri: Uri,
    Segments((layer, id)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = query_fields(&uri, PAGE_FIELDS)?;
    let wanted = PageWanted::from_fields(&fields)?;
    let limit = fields.limit(PAGE.0, PAGE.1)?;
    let snapshot = Snapshot::of(&app, &fields)?;
    // A page scans the whole directory, which takes milliseconds and must not block other requests.
    let page = move || page(&snapshot, (&layer, &id), wanted, limit, &headers);
    match tokio::task::spawn_blocking(page).await {
        Ok(page) => page,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn page(
    snapshot: &Snapshot,
    (layer, id): (&str, &str),
    wanted: PageWanted,
    limit: usize,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let layer = held_layer(index, layer, as_of)?;
    let area = index.area_ever(layer, id, as_of).ok_or_else(unknown_area)?;
    let PageWanted { after, which } = wanted;
    let page = index.postcodes_in((layer, id), as_of, which, after, limit);
    let last = page.postcodes.last().filter(|_| page.has_more);
    let next = last.map(|last| next_page(snapshot, area, which, limit, last));
    let listed = page.postcodes.iter().map(|covered| ListedBody {
        basis: Some(covered.basis.as_str()),
        ..ListedBody::new(&covered.entry, covered.status)
    });
    let body = json!({
        "layer": layer.as_str(),
        "area": { "id": area.id, "name": area.title() },
        "holds_on_as_of": area.period.contains(as_of),
        "postcodes": listed.collect::<Vec<ListedBody>>(),
        "next": next,
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    let mut response = match after {
        // The URL contains a postcode.
        Some(_) => uncached("application/json", body.to_string().into_bytes()),
        None => cacheable_json(headers, &body),
    };
    if let Some(next) = next {
        // RFC 8288.
        let link = format!("<{next}>; rel=\"next\"");
        let link = HeaderValue::from_str(&link).expect("URLs of this service are ASCII");
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Returns the URL of the next page. It states the date, so that all pages are of the same date.
fn next_page(
    snapshot: &Snapshot,
    area: &Area,
    which: Which,
    limit: usize,
    last: &CoveredPostcode,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("after", &last.entry.postcode.to_string());
    query.append_pair("limit", &limit.to_string());
    if which == Which::All {
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
