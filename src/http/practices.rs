//! `/api/v1/practices`: the directory of practices, open and closed.

use axum::http::HeaderMap;
use axum::response::Response;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::body::decimals;
use super::conditional::cacheable_json;
use super::input::{Segments, segment};
use super::problem::Problem;
use super::snapshot::Snapshot;
use crate::domain::{Layer, Member, OdsCode, Practice, Succession};
use crate::geodesy;
use crate::index::Index;

/// `/api/v1/practices`.
pub(super) async fn list(snapshot: Snapshot, headers: HeaderMap) -> Result<Response, Problem> {
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
    Ok(cacheable_json(&headers, &body))
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

fn unknown_practice() -> Problem {
    Problem::unknown(
        "unknown_practice",
        "there is no such practice; /api/v1/practices lists them",
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
    let premises = index.premises(code).iter().map(|site| {
        let lonlat = geodesy::to_lonlat(site.position);
        json!({
            "kind": site.kind.as_str(),
            "postcode": site.postcode.map(|postcode| postcode.to_string()),
            "easting": site.position.easting_m(),
            "northing": site.position.northing_m(),
            "longitude": lonlat.map(|position| decimals(position.lon(), 6)),
            "latitude": lonlat.map(|position| decimals(position.lat(), 6)),
        })
    });
    premises.collect()
}
