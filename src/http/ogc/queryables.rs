//! Queryables (OGC API Features, Part 3, 19-079r2, section 6): the properties by which a
//! collection's items can be filtered, as a JSON Schema.

use axum::response::Response;
use serde_json::{Value, json};

use super::super::extract::PathParams;
use super::super::problem::Problem;
use super::collection::Collection;
use super::query::PROPERTIES;
use super::{OgcContext, html};
use catchment_core::domain::{CatchmentKind, Provenance};

pub(super) const SCHEMA_TYPE: &str = "application/schema+json";
pub(super) const REL_QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";

/// `/ogc/collections/{collection}/queryables`: the queryables of a collection.
pub(in crate::http) async fn queryables(
    context: OgcContext,
    PathParams(id): PathParams<String>,
) -> Result<Response, Problem> {
    let index = context.index();
    let title = Collection::by_id(index, &id)?.title(index);
    let properties = PROPERTIES
        .map(|(name, description)| (name.to_string(), property_schema(name, description)));
    let body = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{}/collections/{id}/queryables", context.root),
        "type": "object",
        "title": title,
        "properties": serde_json::Map::from_iter(properties),
        "additionalProperties": false,
    });
    Ok(context.respond(SCHEMA_TYPE, &body, || {
        html::queryables(context.index(), &title, &PROPERTIES)
    }))
}

fn property_schema(name: &str, description: &str) -> Value {
    let mut property = json!({ "type": "string", "title": name, "description": description });
    let values: Vec<&str> = match name {
        "provenance" => Provenance::ALL.map(Provenance::as_str).into(),
        "extent" => [CatchmentKind::Inner, CatchmentKind::Outer]
            .into_iter()
            .filter_map(CatchmentKind::as_str)
            .collect(),
        _ => return property,
    };
    property["enum"] = values.into();
    property
}
