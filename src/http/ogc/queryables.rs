//! Queryables (OGC API Features, Part 3, 19-079r2, 6): the properties by which a collection's items
//! can be filtered, as a JSON Schema.

use axum::response::Response;
use serde_json::{Value, json};

use super::super::input::Segments;
use super::super::problem::Problem;
use super::collection::Collection;
use super::query::PROPERTIES;
use super::{Context, html};
use crate::domain::{Extent, Provenance};

pub(super) const SCHEMA: &str = "application/schema+json";
pub(super) const REL: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";

/// `/ogc/collections/{collection}/queryables`.
pub(in crate::http) async fn queryables(
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Response, Problem> {
    let index = context.index();
    let title = Collection::of_id(index, &id)?.title(index);
    let properties = PROPERTIES.map(|(name, about)| (name.to_string(), property(name, about)));
    let body = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{}/collections/{id}/queryables", context.root),
        "type": "object",
        "title": title,
        "properties": serde_json::Map::from_iter(properties),
        "additionalProperties": false,
    });
    Ok(context.answer(SCHEMA, &body, || {
        html::queryables(context.index(), &title, &PROPERTIES)
    }))
}

fn property(name: &str, about: &str) -> Value {
    let mut property = json!({ "type": "string", "title": name, "description": about });
    let words: Vec<&str> = match name {
        "provenance" => Provenance::ALL.map(Provenance::as_str).into(),
        "extent" => [Extent::Inner, Extent::Outer]
            .into_iter()
            .filter_map(Extent::as_str)
            .collect(),
        _ => return property,
    };
    property["enum"] = words.into();
    property
}
