//! `/api/v1/practices`: the directory of practices, open and closed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::App;
use super::body::{decimals, metres};
use super::conditional::cacheable_json;
use super::input::{Segments, query_fields, segment};
use super::locate::NO_STORE;
use super::postcodes::FOUND;
use super::problem::Problem;
use super::snapshot::Snapshot;
use crate::domain::{Layer, Member, OdsCode, Practice, Premises, Status, Succession};
use crate::geodesy;
use crate::index::{Index, NEAREST_WITHIN_M, Place};
use crate::question::InvalidQuestion;

const FIELDS: &[&str] = &[
    "postcode", "lon", "lat", "easting", "northing", "limit", "as_of", "dataset",
];

/// `/api/v1/practices`: all practices, or those nearest to a location.
pub(super) async fn list(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = query_fields(&uri, FIELDS)?;
    let place = fields.place()?;
    let limit = fields.limit(FOUND.0, FOUND.1)?;
    if place.is_none() && fields.get("limit").is_some() {
        return Err(InvalidQuestion::LimitWithoutPlace.into());
    }
    let snapshot = Snapshot::of(&app, &fields)?;
    match place {
        Some(place) => nearest(&snapshot, place, limit),
        None => Ok(all(&snapshot, &headers)),
    }
}

fn all(snapshot: &Snapshot, headers: &HeaderMap) -> Response {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let practices: Vec<Value> = index
        .practices()
        .iter()
        .map(|practice| summary(index, practice, as_of))
        .collect();
    let body = json!({
        "practices": practices,
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    cacheable_json(headers, &body)
}

/// Practices that are active on the date, sorted by the distance of their nearest premises.
fn nearest(snapshot: &Snapshot, place: Place, limit: usize) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let (status, location) = index.place(place, as_of);
    if status == Status::UnknownPostcode {
        return Err(Problem::unknown_postcode());
    }
    let point = location.and_then(|location| location.grid);
    let status = match (status, point) {
        (Status::Located, None) => Status::OutsideCoverage,
        (status, _) => status,
    };
    let found = point.map(|point| index.nearest_practices(point, limit, as_of));
    let found = found.unwrap_or_default().into_iter();
    let practices: Vec<Value> = found
        .map(|(practice, site, distance_m)| {
            let mut body = summary(index, practice, as_of);
            body["distance_m"] = metres(distance_m, 0).into();
            body["premises"] = building(site);
            body
        })
        .collect();
    let body = json!({
        "status": status.as_str(),
        "practices": practices,
        "within_m": NEAREST_WITHIN_M,
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    Ok((NO_STORE, Json(body)).into_response())
}

/// `/api/v1/practices/{ods}`.
pub(super) async fn one(
    snapshot: Snapshot,
    Segments(code): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let code: OdsCode = segment(&code, unknown_practice)?;
    let practice = index.practice(code).ok_or_else(unknown_practice)?;
    let mut body = summary(index, practice, as_of);
    let steps = |steps: &[Succession], id: fn(&Succession) -> OdsCode| -> Vec<Value> {
        let step =
            |step: &Succession| json!({ "id": id(step).as_str(), "from": step.from.to_string() });
        steps.iter().map(step).collect()
    };
    body["premises"] = premises(index, code);
    body["successors"] = steps(index.successors(code), |step| step.successor).into();
    body["predecessors"] = steps(&index.predecessors(code), |step| step.predecessor).into();
    body["as_of"] = as_of.to_string().into();
    body["attribution"] = index.manifest().attribution.clone().into();
    Ok(cacheable_json(&headers, &body))
}

pub(super) fn unknown_practice() -> Problem {
    Problem::unknown(
        "unknown_practice",
        "unknown practice; /api/v1/practices lists the practices",
    )
}

fn summary(index: &Index, practice: &Practice, as_of: Date) -> Value {
    let key = Member::Practice(practice.code);
    let groups = |layer| -> Vec<&str> {
        index
            .memberships_of(&key, layer, as_of)
            .filter_map(|it| it.group.as_deref())
            .collect()
    };
    json!({
        "id": practice.code.as_str(),
        "name": practice.name,
        "address": practice.address,
        "postcode": practice.postcode.map(|postcode| postcode.to_string()),
        "telephone": practice.telephone,
        "status": practice.status_on(as_of).as_str(),
        "opened": practice.opened.map(|day| day.to_string()),
        "closed": practice.closed.map(|day| day.to_string()),
        "icc": groups(Layer::Icc),
        "sub-community": groups(Layer::SubCommunity),
        "sub_icb": practice.sub_icb,
        "pcn": practice.pcn,
        "list_size": practice.list_size,
    })
}

fn premises(index: &Index, code: OdsCode) -> Value {
    index.premises(code).iter().map(building).collect()
}

fn building(site: &Premises) -> Value {
    let lonlat = geodesy::to_lonlat(site.position);
    json!({
        "kind": site.kind.as_str(),
        "postcode": site.postcode.map(|postcode| postcode.to_string()),
        "easting": site.position.easting_m(),
        "northing": site.position.northing_m(),
        "longitude": lonlat.map(|position| decimals(position.lon(), 6)),
        "latitude": lonlat.map(|position| decimals(position.lat(), 6)),
    })
}
