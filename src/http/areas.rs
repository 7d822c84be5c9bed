//! `/api/v1/areas`: layers, the areas of a layer, and an area's members, history and boundary.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::response::Response;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use super::conditional::{cacheable_json, cacheable_response};
use super::extract::{PathParams, parse_segment};
use super::problem::Problem;
use super::request_context::RequestContext;
use catchment_core::domain::{Area, GroupMember, Layer};
use catchment_core::index::Index;
use catchment_data::formats::write_geojson_feature;

pub(super) const GEOJSON: &str = "application/geo+json";

/// A version of an area.
#[derive(Serialize)]
struct AreaBody<'i> {
    id: &'i str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'i str>,
    provenance: &'static str,
    from: Option<String>,
    to: Option<String>,
}

/// `/api/v1/areas`: the layers.
pub(super) async fn layers(
    context: RequestContext,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let body = json!({
        "layers": layer_bodies(index, as_of),
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    Ok(cacheable_json(&headers, &body))
}

/// Returns the metadata of each layer, with its number of areas on `as_of`.
///
/// An area may have no boundary: for some practices, the LSOAs of their patients are not published.
pub(super) fn layer_bodies(index: &Index, as_of: Date) -> Vec<Value> {
    let layers = index.manifest().layers.iter();
    let bodies = layers.filter_map(|entry| {
        let layer = entry.id;
        let ids_with_boundary: BTreeSet<&str> = index
            .boundaries(layer, as_of)
            .map(|boundary| boundary.id.as_str())
            .collect();
        let areas: Vec<&Area> = index.areas(layer, as_of)?.collect();
        let with_boundary = areas
            .iter()
            .filter(|area| ids_with_boundary.contains(area.id.as_str()));
        Some(json!({
            "id": layer.as_str(), "title": entry.title, "kind": entry.kind.as_str(),
            "provenance": entry.provenance.as_str(), "first_data": entry.first_data.to_string(),
            "areas": areas.len(),
            "areas_with_boundary": with_boundary.count(),
            "href": format!("/api/v1/areas/{layer}"),
        }))
    });
    bodies.collect()
}

/// `/api/v1/areas/{layer}` and `/api/v1/areas/{layer}.geojson`: the areas of a layer, and their
/// boundaries as GeoJSON.
pub(super) async fn layer(
    context: RequestContext,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let (name, wants_geojson) = split_geojson_suffix(&name);
    let layer = require_layer(index, name, as_of)?;
    if wants_geojson {
        return Ok(cacheable_response(
            &headers,
            GEOJSON,
            feature_collection(index, layer, as_of),
        ));
    }
    let areas: Vec<AreaBody<'_>> = index
        .areas(layer, as_of)
        .into_iter()
        .flatten()
        .map(AreaBody::from)
        .collect();
    let body = json!({
        "layer": layer.as_str(),
        "areas": areas,
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    Ok(cacheable_json(&headers, &body))
}

/// `/api/v1/areas/{layer}/{id}` and `/api/v1/areas/{layer}/{id}.geojson`: one area, and its
/// boundary as GeoJSON.
pub(super) async fn area(
    context: RequestContext,
    PathParams((layer, id)): PathParams<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let (id, wants_geojson) = split_geojson_suffix(&id);
    let layer = require_layer(index, &layer, as_of)?;
    let area = index
        .area_or_last_version(layer, id, as_of)
        .ok_or_else(unknown_area)?;
    if wants_geojson {
        let feature = feature(index, area, as_of).ok_or_else(no_boundary)?;
        return Ok(cacheable_response(&headers, GEOJSON, feature.into_bytes()));
    }
    Ok(cacheable_json(&headers, &area_detail(index, area, as_of)))
}

fn split_geojson_suffix(name: &str) -> (&str, bool) {
    match name.strip_suffix(".geojson") {
        Some(stem) => (stem, true),
        None => (name, false),
    }
}

pub(super) fn require_layer(index: &Index, name: &str, as_of: Date) -> Result<Layer, Problem> {
    let layer: Layer = parse_segment(name, unknown_layer)?;
    match index.first_data(layer) {
        None => Err(unknown_layer()),
        Some(first_data) if as_of < first_data => Err(Problem::no_data_for_date()),
        Some(_) => Ok(layer),
    }
}

pub(super) fn unknown_layer() -> Problem {
    Problem::unknown(
        "unknown_layer",
        "the dataset has no such layer; /api/v1/areas lists the layers",
    )
}

pub(super) fn unknown_area() -> Problem {
    Problem::unknown(
        "unknown_area",
        "the layer has no such area; /api/v1/areas/{layer} lists the areas",
    )
}

pub(super) fn no_boundary() -> Problem {
    Problem::unknown("no_boundary", "this area has no boundary on this date")
}

impl<'i> From<&'i Area> for AreaBody<'i> {
    fn from(area: &'i Area) -> AreaBody<'i> {
        AreaBody {
            id: &area.id,
            name: area.title(),
            kind: area.kind.as_deref(),
            system: area.system.as_deref(),
            provenance: area.provenance.as_str(),
            from: area.period.from.map(|day| day.to_string()),
            to: area.period.to.map(|day| day.to_string()),
        }
    }
}

fn area_detail(index: &Index, area: &Area, as_of: Date) -> Value {
    let (layer, id) = (area.layer, area.id.as_str());
    let key = GroupMember::Area(layer, id.to_string());
    let lineage = index.lineage().iter().filter(|step| step.layer == layer);
    let successors: Vec<Value> = lineage
        .clone()
        .filter(|step| step.predecessor == id)
        .map(|step| {
            json!({
                "id": step.successor, "relation": step.relation.as_str(),
                "date": step.date.map(|day| day.to_string()), "source": step.source,
            })
        })
        .collect();
    let predecessors: Vec<Value> = lineage
        .filter(|step| step.successor.as_deref() == Some(id))
        .map(|step| json!({ "id": step.predecessor, "relation": step.relation.as_str() }))
        .collect();
    let groups: Vec<Value> = index
        .layers()
        .flat_map(|group_layer| {
            let memberships = index.memberships_of(&key, group_layer, as_of);
            memberships.map(
                move |membership| json!({ "layer": group_layer.as_str(), "id": membership.group }),
            )
        })
        .collect();
    let boundary = index.boundary(layer, id, as_of);
    json!({
        "layer": layer.as_str(),
        "area": AreaBody::from(area),
        "holds_on_as_of": area.period.contains(as_of),
        "members": members(index, layer, id, as_of),
        "member_of": groups,
        "predecessors": predecessors,
        "successors": successors,
        "boundary": boundary.map(|_| format!("/api/v1/areas/{layer}/{id}.geojson")),
        "postcodes": format!("/api/v1/areas/{layer}/{id}/postcodes"),
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    })
}

/// Returns the practices and areas that belong to the area on `as_of`.
fn members(index: &Index, layer: Layer, id: &str, as_of: Date) -> Vec<Value> {
    index
        .members(layer, id, as_of)
        .into_iter()
        .map(|membership| match &membership.member {
            GroupMember::Practice(code) => {
                let practice = index.practice(*code);
                json!({
                    "layer": Layer::GpPractice.as_str(),
                    "id": code.as_str(),
                    "name": practice.map(|practice| practice.name.as_str()),
                    "status": practice.map(|practice| practice.status_on(as_of).as_str()),
                })
            }
            GroupMember::Area(layer, id) => json!({
                "layer": layer.as_str(),
                "id": id,
                "name": index.area_or_last_version(*layer, id, as_of).map(Area::title),
            }),
        })
        .collect()
}

/// Returns the areas of the layer that have a boundary on `as_of`, as a FeatureCollection.
fn feature_collection(index: &Index, layer: Layer, as_of: Date) -> Vec<u8> {
    let features: Vec<String> = index
        .areas(layer, as_of)
        .into_iter()
        .flatten()
        .filter_map(|area| feature(index, area, as_of))
        .collect();
    let attribution = Value::from(index.manifest().attribution.as_str());
    let name = Value::from(layer.as_str());
    let features = features.join(",\n");
    format!(
        "{{\"type\":\"FeatureCollection\",\"name\":{name},\"attribution\":{attribution},\"features\":[\n{features}\n]}}\n"
    )
    .into_bytes()
}

fn feature(index: &Index, area: &Area, as_of: Date) -> Option<String> {
    let boundary = index.boundary(area.layer, &area.id, as_of)?;
    let properties = json!({
        "id": area.id, "name": area.title(), "layer": area.layer.as_str(), "kind": area.kind,
        "system": area.system, "provenance": area.provenance.as_str(),
        "from": area.period.from.map(|day| day.to_string()),
        "to": area.period.to.map(|day| day.to_string()),
        "as_of": as_of.to_string(), "dataset_version": index.manifest().version,
        "attribution": index.manifest().attribution,
    });
    let mut text = String::new();
    write_geojson_feature(&mut text, &properties, &boundary.lonlat);
    Some(text)
}
