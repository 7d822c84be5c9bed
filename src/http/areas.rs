//! `/api/v1/areas`: layers, the areas of a layer, and an area's members, history and boundary.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::response::Response;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use super::conditional::{cacheable_json, cacheable_response};
use super::extract::PathParams;
use super::problem::Problem;
use super::query_params::{DatasetSelection, query_params};
use super::request_context::{DatasetRequest, RequestContext};
use crate::web::path_segment;
use catchment_core::domain::{Area, AreaName, GroupMember, Layer};
use catchment_core::index::{Index, UnknownReason};
use catchment_data::dataset::practice_member;
use catchment_data::formats::{FeatureGeometry, write_geojson_feature};

pub(super) const GEOJSON: &str = "application/geo+json";

/// A version of an area.
#[derive(Serialize)]
struct AreaBody<'i> {
    id: &'i str,
    name: &'i str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'i str>,
    provenance: &'static str,
    from: Option<String>,
    to: Option<String>,
    /// A day on which the area had already ended, if its last day is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<String>,
}

query_params! {
    /// The parameters of `/api/v1/areas`.
    pub(super) struct AreasParams {
        /// The whole or partial name of the areas to find.
        name: Option<String> = ["name"],
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

/// The maximum number of areas that a search returns.
pub(super) const AREA_SEARCH_MAX: usize = 50;

/// `/api/v1/areas`: the layers, or the areas whose names match `?name=`.
pub(super) async fn layers(
    DatasetRequest { context, params }: DatasetRequest<AreasParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    if let Some(name) = &params.name {
        return Ok(cacheable_json(&headers, &search_body(index, name, as_of)));
    }
    let body = json!({
        "layers": layer_bodies(index, as_of),
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    Ok(cacheable_json(&headers, &body))
}

/// Returns the areas and practices whose current name, former name or other name matches.
fn search_body(index: &Index, name: &str, as_of: Date) -> Value {
    let hits = index.search_areas(name, as_of, AREA_SEARCH_MAX).into_iter();
    let areas: Vec<Value> = hits
        .map(|hit| {
            json!({
                "layer": hit.area.layer.as_str(),
                "area": AreaBody::from(hit.area),
                "holds_on_as_of": hit.area.period.contains(as_of),
                "matched": hit.other_name.map(name_body),
                "href": format!("/api/v1/areas/{}/{}", hit.area.layer, path_segment(&hit.area.id)),
            })
        })
        .collect();
    json!({
        "areas": areas,
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    })
}

/// Returns the metadata of each layer, with its number of areas on `as_of`.
///
/// An area may have no boundary. For example, the LSOAs of the patients of some practices are not
/// published.
pub(super) fn layer_bodies(index: &Index, as_of: Date) -> Vec<Value> {
    let layers = index.manifest().layers.iter();
    let bodies = layers.filter_map(|entry| {
        let layer = entry.id;
        let ids_with_boundary: BTreeSet<&str> = index
            .boundaries(layer, as_of)
            .map(|boundary| boundary.id.as_str())
            .collect();
        let has_data = entry.first_data <= as_of;
        let areas = index.areas(layer, as_of)?.filter(|_| has_data);
        let areas: Vec<&Area> = areas.collect();
        let with_boundary = areas
            .iter()
            .filter(|area| ids_with_boundary.contains(area.id.as_str()));
        let mut body = json!({
            "id": layer.as_str(), "title": entry.title, "kind": entry.kind.as_str(),
            "provenance": entry.provenance.as_str(), "first_data": entry.first_data.to_string(),
            "data_as_of": entry.data_date.as_ref().map(|date| date.as_of.to_string()),
            "areas": areas.len(),
            "areas_with_boundary": with_boundary.count(),
            "accuracy": entry.accuracy,
            "href": format!("/api/v1/areas/{layer}"),
        });
        if !has_data {
            body["unknown"] = UnknownReason::NoDataForDate.as_str().into();
        }
        Some(body)
    });
    bodies.collect()
}

/// `/api/v1/areas/{layer}` and `/api/v1/areas/{layer}.geojson`: the areas of a layer, and their
/// boundaries as GeoJSON. If the date is before the layer's first data, the list is empty, and the
/// response states that there are no data for the date.
pub(super) async fn layer(
    context: RequestContext,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (context.index(), context.as_of);
    let (name, wants_geojson) = split_geojson_suffix(&name);
    let layer = find_layer(index, name)?;
    if wants_geojson {
        return Ok(cacheable_response(
            &headers,
            GEOJSON,
            feature_collection(index, layer, as_of),
        ));
    }
    Ok(cacheable_json(&headers, &areas_body(index, layer, as_of)))
}

/// Returns the JSON of the areas of a layer.
pub(crate) fn areas_body(index: &Index, layer: Layer, as_of: Date) -> Value {
    let areas: Vec<AreaBody<'_>> = areas_with_data(index, layer, as_of)
        .map(AreaBody::from)
        .collect();
    let mut body = json!({
        "layer": layer.as_str(),
        "areas": areas,
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    });
    if !has_data(index, layer, as_of) {
        body["unknown"] = UnknownReason::NoDataForDate.as_str().into();
    }
    body
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

/// Returns the layer with this name.
///
/// # Errors
/// If the dataset has no such layer (404).
pub(crate) fn find_layer(index: &Index, name: &str) -> Result<Layer, Problem> {
    let mut layers = index.layers();
    let found = layers.find(|layer| layer.as_str() == name);
    found.ok_or_else(|| unknown_layer_of(index))
}

/// Returns the layer with this name. The layer must have data for the date.
///
/// # Errors
/// If the dataset has no such layer (404), or the layer has no data for the date (422).
pub(crate) fn require_layer(index: &Index, name: &str, as_of: Date) -> Result<Layer, Problem> {
    let layer = find_layer(index, name)?;
    if has_data(index, layer, as_of) {
        Ok(layer)
    } else {
        Err(Problem::no_data_for_date())
    }
}

/// Returns whether the date is not before the layer's first data.
pub(super) fn has_data(index: &Index, layer: Layer, as_of: Date) -> bool {
    index
        .first_data(layer)
        .is_some_and(|first_data| first_data <= as_of)
}

/// Returns the areas of a layer on a date. Returns no areas if the date is before the layer's first
/// data, although an area whose start is unknown could be valid on that date.
pub(super) fn areas_with_data(
    index: &Index,
    layer: Layer,
    as_of: Date,
) -> impl Iterator<Item = &Area> {
    let areas = index.areas(layer, as_of);
    let areas = areas.filter(|_| has_data(index, layer, as_of));
    areas.into_iter().flatten()
}

/// Returns the problem for a path that does not belong to a layer.
pub(super) fn unknown_layer() -> Problem {
    Problem::unknown(
        "unknown_layer",
        "the dataset has no such layer; /api/v1/areas lists the layers",
    )
}

/// Returns the problem for the id of an unknown layer. The problem lists the layers of the dataset.
pub(super) fn unknown_layer_of(index: &Index) -> Problem {
    Problem::unknown(
        "unknown_layer",
        index.manifest().unknown_layer().to_string(),
    )
}

pub(crate) fn unknown_area() -> Problem {
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
            to: area.known_end().map(|day| day.to_string()),
            ended_by: area.ended_by.map(|day| day.to_string()),
        }
    }
}

/// Returns the JSON of an area.
pub(crate) fn area_detail(index: &Index, area: &Area, as_of: Date) -> Value {
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
        "names": names(index, area),
        "codes": codes(index, area),
        "population": population(index, area, as_of),
        "members": members(index, layer, id, as_of),
        "member_of": groups,
        "links": links(index, area),
        "predecessors": predecessors,
        "successors": successors,
        "boundary": boundary.map(|_| format!("/api/v1/areas/{layer}/{id}.geojson")),
        "postcodes": format!("/api/v1/areas/{layer}/{id}/postcodes"),
        "as_of": as_of.to_string(),
        "attribution": index.manifest().attribution,
    })
}

/// Returns other names of an area: former names, other spellings and the names that networks use.
fn names(index: &Index, area: &Area) -> Vec<Value> {
    let names = index.other_names(area);
    names.map(name_body).collect()
}

fn name_body(name: &AreaName) -> Value {
    json!({
        "name": name.name, "kind": name.kind, "source": name.source,
        "as_of": name.as_of.map(|day| day.to_string()),
    })
}

/// Returns the codes of an area, by scheme.
fn codes(index: &Index, area: &Area) -> Value {
    let codes = index.codes_of(area);
    codes
        .map(|(scheme, code)| (scheme.to_string(), Value::from(code)))
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

/// Returns the population figures of an area. The number of residents is rounded as the Office for
/// National Statistics requests.
fn population(index: &Index, area: &Area, as_of: Date) -> Value {
    let population = index.population(area, as_of);
    json!({
        "registered": population.registered,
        "registered_as_of": population.registered_as_of.map(|date| date.to_string()),
        "resident": population.resident_rounded(),
        "resident_as_of": population.resident_as_of.map(|day| day.to_string()),
    })
}

/// Returns the organisations that a community works with, as stated on the community's own page.
fn links(index: &Index, area: &Area) -> Vec<Value> {
    let links = index.links_of(area);
    links
        .map(|link| {
            json!({
                "organisation": link.organisation, "kind": link.kind, "relation": link.relation,
                "group": link.group, "note": link.note, "source": link.source,
                "as_of": link.as_of.map(|day| day.to_string()),
            })
        })
        .collect()
}

/// Returns the practices and areas that belong to the area on `as_of`.
fn members(index: &Index, layer: Layer, id: &str, as_of: Date) -> Vec<Value> {
    let member_layer = practice_member(index.manifest().practice_layer());
    index
        .members(layer, id, as_of)
        .into_iter()
        .map(|membership| match &membership.member {
            GroupMember::Practice(code) => {
                let practice = index.practice(*code);
                json!({
                    "layer": member_layer,
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
    let features: Vec<String> = areas_with_data(index, layer, as_of)
        .filter_map(|area| feature(index, area, as_of))
        .collect();
    let attribution = Value::from(index.manifest().attribution.as_str());
    let name = Value::from(layer.as_str());
    let features = features.join(",\n");
    let unknown = match has_data(index, layer, as_of) {
        true => String::new(),
        false => format!("\"unknown\":\"{}\",", UnknownReason::NoDataForDate.as_str()),
    };
    format!(
        "{{\"type\":\"FeatureCollection\",\"name\":{name},\"attribution\":{attribution},{unknown}\"features\":[\n{features}\n]}}\n"
    )
    .into_bytes()
}

/// Returns an area as a GeoJSON feature; `None` if it has no boundary. In a layer that is based on
/// the postcode directory, the geometry of an area without a boundary is null.
fn feature(index: &Index, area: &Area, as_of: Date) -> Option<String> {
    let boundary = index.boundary(area.layer, &area.id, as_of);
    if boundary.is_none() && !index.manifest().may_lack_boundaries(area.layer) {
        return None;
    }
    let properties = json!({
        "id": area.id, "name": area.title(), "layer": area.layer.as_str(), "kind": area.kind,
        "system": area.system, "provenance": area.provenance.as_str(),
        "from": area.period.from.map(|day| day.to_string()),
        "to": area.known_end().map(|day| day.to_string()),
        "as_of": as_of.to_string(), "dataset_version": index.manifest().version,
        "attribution": index.manifest().attribution,
    });
    let mut text = String::new();
    match boundary {
        Some(boundary) => write_geojson_feature(&mut text, &properties, &boundary.lonlat),
        None => write_geojson_feature(&mut text, &properties, FeatureGeometry::None),
    }
    Some(text)
}
