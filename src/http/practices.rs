//! `/api/v1/practices`: the directory of open and closed practices.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::conditional::cacheable_json;
use super::extract::{PathParams, parse_segment};
use super::locate::NO_STORE;
use super::postcodes::SEARCH_LIMIT;
use super::problem::Problem;
use super::query_params::{DatasetSelection, ParamValue, query_params};
use super::request_context::{DatasetRequest, RequestContext};
use crate::wire::locate::{metres_number, round_decimals};
use catchment_core::domain::{
    FormerPremises, GroupMember, LayerRole, LookupStatus, OdsCode, Practice, PracticeSuccession,
    Premises,
};
use catchment_core::geodesy;
use catchment_core::index::{Index, Locator, NEAREST_RADIUS_M};
use catchment_core::request::{InvalidRequest, RequestParams};

query_params! {
    /// The parameters of `/api/v1/practices`.
    pub(super) struct PracticesParams {
        /// A location near which to find practices, and the maximum number of results.
        search: Option<NearestSearch> = ["postcode", "lon", "lat", "easting", "northing", "limit"],
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

/// A search for the practices nearest to a location.
struct NearestSearch {
    locator: Locator,
    limit: usize,
}

impl ParamValue for Option<NearestSearch> {
    fn from_params(params: &RequestParams, _: &[&'static str]) -> Result<Self, Problem> {
        let locator = params.locator()?;
        let limit = params.limit(SEARCH_LIMIT.0, SEARCH_LIMIT.1)?;
        if locator.is_none() && params.get("limit").is_some() {
            return Err(InvalidRequest::LimitWithoutLocation.into());
        }
        Ok(locator.map(|locator| NearestSearch { locator, limit }))
    }
}

/// `/api/v1/practices`: all practices, or the practices nearest to a location.
pub(super) async fn list(
    DatasetRequest { context, params }: DatasetRequest<PracticesParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match params.search {
        Some(search) => nearest(&context, &search),
        None => Ok(all_practices(&context, &headers)),
    }
}

fn all_practices(context: &RequestContext, headers: &HeaderMap) -> Response {
    let (index, as_of) = (context.index(), context.as_of);
    let body = practices_body(index, index.practices().iter(), as_of);
    cacheable_json(headers, &body)
}

/// Returns the JSON of a list of practices.
pub(crate) fn practices_body<'i>(
    index: &Index,
    practices: impl Iterator<Item = &'i Practice>,
    as_of: Date,
) -> Value {
    let practices = practices.map(|practice| practice_body(index, practice, as_of));
    json!({
        "practices": practices.collect::<Value>(),
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    })
}

/// Returns the practices that are active on the date, sorted by the distance to their nearest
/// premises.
fn nearest(context: &RequestContext, search: &NearestSearch) -> Result<Response, Problem> {
    let NearestSearch { locator, limit } = *search;
    let (index, as_of) = (context.index(), context.as_of);
    let (status, location) = index.resolve_locator(locator, as_of);
    if status == LookupStatus::UnknownPostcode {
        return Err(Problem::unknown_postcode(index, Some(locator), as_of));
    }
    let point = location.and_then(|location| location.grid);
    let status = match (status, point) {
        (LookupStatus::Located, None) => LookupStatus::OutsideCoverage,
        (status, _) => status,
    };
    let nearest_practices = point.map(|point| index.nearest_practices(point, limit, as_of));
    let nearest_practices = nearest_practices.unwrap_or_default().into_iter();
    let practices: Vec<Value> = nearest_practices
        .map(|(practice, site, distance_m)| {
            let mut body = practice_body(index, practice, as_of);
            body["distance_m"] = metres_number(distance_m, 0).into();
            body["premises"] = premises_body(site);
            body
        })
        .collect();
    let body = json!({
        "status": status.as_str(),
        "practices": practices,
        "within_m": NEAREST_RADIUS_M,
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    Ok((NO_STORE, Json(body)).into_response())
}

/// `/api/v1/practices/{ods_code}`: one practice.
pub(super) async fn practice(
    context: RequestContext,
    PathParams(code): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let code: OdsCode = parse_segment(&code, unknown_practice)?;
    let body = practice_detail(index, code, as_of).ok_or_else(unknown_practice)?;
    Ok(cacheable_json(&headers, &body))
}

/// Returns the JSON of a practice, which may be outside the area of the dataset.
pub(crate) fn practice_detail(index: &Index, code: OdsCode, as_of: Date) -> Option<Value> {
    let neighbouring = index.neighbouring_practice(code);
    let practice = index.practice(code);
    let practice = practice.or(neighbouring.map(|found| &found.practice))?;
    let mut body = practice_body(index, practice, as_of);
    if let Some(found) = neighbouring {
        body["icb"] = found.icb.as_deref().into();
    }
    body["outside_coverage"] = neighbouring.is_some().into();
    body["premises"] = premises_bodies(index, code);
    let former = index.former_premises(code).iter();
    body["former_premises"] = former.map(former_premises_body).collect();
    let successors = index.successors(code).iter();
    let successors = successors.map(|step| succession_body(step, step.successor));
    body["successors"] = successors.collect();
    let predecessors = index.predecessors(code).into_iter();
    let predecessors = predecessors.map(|step| succession_body(step, step.predecessor));
    body["predecessors"] = predecessors.collect();
    body["as_of"] = as_of.to_string().into();
    body["attribution"] = index.manifest().attribution.clone().into();
    Some(body)
}

pub(crate) fn unknown_practice() -> Problem {
    Problem::unknown(
        "unknown_practice",
        "unknown practice; the code may belong to a practice elsewhere in England; /api/v1/practices lists the practices",
    )
}

fn practice_body(index: &Index, practice: &Practice, as_of: Date) -> Value {
    let key = GroupMember::Practice(practice.code);
    let groups = |layer| -> Vec<&str> {
        index
            .memberships_of(&key, layer, as_of)
            .filter_map(|membership| membership.group.as_deref())
            .collect()
    };
    let mut body = json!({
        "id": practice.code.as_str(),
        "name": practice.name,
        "address": practice.address,
        "postcode": practice.postcode.map(|postcode| postcode.to_string()),
        "telephone": practice.telephone,
        "status": practice.status_on(as_of).as_str(),
        "opened": practice.opened.map(|day| day.to_string()),
        "closed": practice.closed.map(|day| day.to_string()),
        "sub_icb": practice.sub_icb,
        "pcn": practice.pcn,
        "list_size": practice.list_size,
        "list_size_as_of": practice.list_size_as_of.map(|date| date.to_string()),
        "listed_as_of": practice.as_of.map(|date| date.to_string()),
        "note": practice.note,
    });
    // Add the communities and parts of communities under the ids of their layers, for layers whose
    // members the sources specify.
    for entry in &index.manifest().layers {
        let is_shown = matches!(entry.role, LayerRole::Community | LayerRole::Part);
        if is_shown && entry.members_from.is_none() {
            body[entry.id.as_str()] = groups(entry.id).into();
        }
    }
    body
}

/// Returns the JSON of a succession. `other` is the other practice of the succession.
fn succession_body(step: &PracticeSuccession, other: OdsCode) -> Value {
    let basis = step.basis.iter().map(|evidence| evidence.as_str());
    json!({
        "id": other.as_str(),
        "from": step.from.to_string(),
        "basis": basis.collect::<Vec<_>>(),
        "pcn_left": step.pcn_left.map(|day| day.to_string()),
        "note": step.note,
        "source": step.source,
    })
}

fn former_premises_body(site: &FormerPremises) -> Value {
    json!({
        "name": site.name,
        "postcode": site.postcode.map(|postcode| postcode.to_string()),
        "held_as": site.held_as,
        "reason": site.reason,
        "source": site.source,
    })
}

fn premises_bodies(index: &Index, code: OdsCode) -> Value {
    index.premises(code).iter().map(premises_body).collect()
}

fn premises_body(site: &Premises) -> Value {
    let lonlat = geodesy::to_lonlat(site.position);
    json!({
        "kind": site.kind.as_str(),
        "name": site.name,
        "as_of": site.as_of.map(|date| date.to_string()),
        "source": site.source,
        "postcode": site.postcode.map(|postcode| postcode.to_string()),
        "easting": site.position.easting_m(),
        "northing": site.position.northing_m(),
        "longitude": lonlat.map(|position| round_decimals(position.lon(), 6)),
        "latitude": lonlat.map(|position| round_decimals(position.lat(), 6)),
    })
}
