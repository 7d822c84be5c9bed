//! `/mapit/area`, `/mapit/areas` and `/mapit/code`: areas by id, by layer, by name and by code, and
//! the areas related to an area.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;

use super::super::App;
use super::super::areas::areas_with_data;
use super::super::compat::ClientQuery;
use super::super::conditional::cacheable_response;
use super::super::extract::PathParams;
use super::super::locate::{JSON, NO_STORE};
use super::area_body::{AreaWriter, FoundArea, children};
use super::area_id::find_area;
use super::error::MapItError;
use super::generations::Generations;
use super::geometry_body::{GeometryFormat, measures};
use crate::wire::json_writer::JsonWriter;
use catchment_core::domain::{Area, Layer, today_in_london};
use catchment_core::index::{AreaRelation, Index, PostcodeFilter};

/// The relations of an area to other areas, by the last segment of the path. As in MapIt, `covers`
/// are the areas that the area covers, and `covered` are the areas that cover it.
const RELATIONS: [(&str, &[AreaRelation]); 6] = [
    ("covers", &[AreaRelation::Covers]),
    ("covered", &[AreaRelation::CoveredBy]),
    ("overlaps", &[AreaRelation::Overlaps]),
    ("touches", &[AreaRelation::Touches]),
    ("intersects", &[AreaRelation::Intersects]),
    ("coverlaps", &[AreaRelation::Covers, AreaRelation::Overlaps]),
];

/// The path segment for the areas whose parent is an area.
const CHILDREN: &str = "children";

/// `/mapit/area/{id}`: an area, or its boundary if the id ends with `.geojson`, `.wkt` or `.kml`.
pub(in crate::http) async fn area(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, MapItError> {
    let (generations, day) = (Generations::loaded(&app), today_in_london());
    let (id, format) = GeometryFormat::split_extension(&text);
    let found = find_in_generations(&generations, without_json(id), day)?;
    let FoundArea { index, area } = found;
    if let Some(format) = format {
        let boundary = index.boundary(area.layer, &area.id, day);
        let boundary = boundary.ok_or_else(MapItError::no_boundary)?;
        let body = format.write(area.title(), boundary);
        return Ok(cacheable_response(&headers, format.media_type(), body));
    }
    let mut json = JsonWriter::new();
    writer(&generations, day).write(&mut json, found);
    Ok(cacheable(&headers, json.into_bytes()))
}

/// `/mapit/area/{id}/geometry`: the size and the extent of an area.
pub(in crate::http) async fn geometry(
    State(app): State<App>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, MapItError> {
    let (generations, day) = (Generations::loaded(&app), today_in_london());
    let FoundArea { index, area } = find_in_generations(&generations, &id, day)?;
    let boundary = index.boundary(area.layer, &area.id, day);
    let measures = boundary.and_then(measures);
    let body = measures.ok_or_else(MapItError::no_boundary)?;
    Ok(cacheable(&headers, body))
}

/// `/mapit/area/{id}/example_postcode`: a postcode in use in an area, or `null`.
pub(in crate::http) async fn example_postcode(
    State(app): State<App>,
    PathParams(id): PathParams<String>,
) -> Result<Response, MapItError> {
    let (generations, day) = (Generations::loaded(&app), today_in_london());
    let FoundArea { index, area } = find_in_generations(&generations, &id, day)?;
    let page = index.postcodes_in((area.layer, &area.id), day, PostcodeFilter::Live, None, 1);
    let mut json = JsonWriter::new();
    json.or_null(page.postcodes.first(), |json, found| {
        json.display(found.entry.postcode);
    });
    Ok((NO_STORE, JSON, json.into_bytes()).into_response())
}

/// `/mapit/area/{id}/{relation}`: the areas that are related to an area.
pub(in crate::http) async fn related(
    State(app): State<App>,
    PathParams((id, relation)): PathParams<(String, String)>,
    query: ClientQuery,
    headers: HeaderMap,
) -> Result<Response, MapItError> {
    let (generations, day) = (Generations::loaded(&app), today_in_london());
    let FoundArea { index, area } = find_in_generations(&generations, &id, day)?;
    let relation = without_json(&relation);
    let areas = if relation == CHILDREN {
        let children = children(index, area, day).into_iter();
        children.filter(|child| has_type(child, &query)).collect()
    } else {
        let relations = RELATIONS.iter().find(|(name, _)| *name == relation);
        let (_, relations) = relations.ok_or_else(|| {
            MapItError::not_found(
                "Unknown lookup of an area: expected covers, covered, overlaps, coverlaps, touches, intersects, children, geometry or example_postcode",
            )
        })?;
        let layers = index.layers().filter(|layer| is_wanted(*layer, &query));
        let mut areas = Vec::new();
        for layer in layers {
            let related = index.related_areas(area, relations, layer, day);
            areas.extend(related.ok_or_else(MapItError::no_boundary)?);
        }
        areas
    };
    let found = areas.into_iter().map(|area| FoundArea { index, area });
    Ok(response(&generations, day, found, &headers))
}

/// `/mapit/areas/{areas}`: areas by id, the areas of layers, or the areas whose names begin with a
/// text.
pub(in crate::http) async fn areas(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
    query: ClientQuery,
    headers: HeaderMap,
) -> Result<Response, MapItError> {
    let (generations, day) = (Generations::loaded(&app), today_in_london());
    let text = without_json(&text);
    let items: Vec<&str> = text.split(',').collect();
    let is_layer = |item: &&str| Layer::find(item).is_some();
    let find = |id: &&str| find_in_generations(&generations, id, day).ok();
    if !items.iter().all(is_layer)
        && items
            .iter()
            .all(|id| id.contains(':') || find(id).is_some())
    {
        let found = items.iter().filter_map(find);
        return Ok(response(&generations, day, found, &headers));
    }
    let range = generations.selected_range(&query)?;
    let prefix = text.to_lowercase();
    let is_found = |area: &Area| {
        if items.iter().all(is_layer) {
            return items.contains(&area.layer.as_str());
        }
        has_type(area, &query)
            && [area.name.as_str(), area.title()]
                .iter()
                .any(|name| name.to_lowercase().starts_with(&prefix))
    };
    let mut found = Vec::new();
    // The latest version of an area is written, so the latest generation is first.
    for index in range.rev().map(|number| generations.get(number)) {
        let areas = index
            .layers()
            .flat_map(|layer| areas_with_data(index, layer, day));
        let areas = areas.filter(|area| is_found(area));
        found.extend(areas.map(|area| FoundArea { index, area }));
    }
    Ok(response(&generations, day, found, &headers))
}

/// `/mapit/code/{scheme}/{code}`: the area with a code.
pub(in crate::http) async fn by_code(
    State(app): State<App>,
    PathParams((scheme, code)): PathParams<(String, String)>,
    query: ClientQuery,
    headers: HeaderMap,
) -> Result<Response, MapItError> {
    let (generations, day) = (Generations::loaded(&app), today_in_london());
    let index = generations.get(generations.selected(&query)?);
    let code = without_json(&code);
    let areas = index
        .layers()
        .flat_map(|layer| areas_with_data(index, layer, day));
    let mut areas = areas.filter(|area| {
        has_type(area, &query) && index.codes_of(area).any(|known| known == (&scheme, code))
    });
    let area = areas
        .next()
        .ok_or_else(|| MapItError::not_found("No areas were found that matched the code."))?;
    let mut json = JsonWriter::new();
    writer(&generations, day).write(&mut json, FoundArea { index, area });
    Ok(cacheable(&headers, json.into_bytes()))
}

fn without_json(text: &str) -> &str {
    text.strip_suffix(".json").unwrap_or(text)
}

/// Returns the area with an id, from the latest generation that has it.
fn find_in_generations<'g>(
    generations: &'g Generations,
    id: &str,
    day: Date,
) -> Result<FoundArea<'g>, MapItError> {
    let indexes = (1..=generations.count())
        .rev()
        .map(|number| generations.get(number));
    let mut found = indexes.filter_map(|index: &Index| {
        let area = find_area(index, id, day)?;
        Some(FoundArea { index, area })
    });
    found.next().ok_or_else(MapItError::unknown_area)
}

/// Returns whether the parameter `type` lists the layer of an area, or is not given.
pub(super) fn has_type(area: &Area, query: &ClientQuery) -> bool {
    is_wanted(area.layer, query)
}

fn is_wanted(layer: Layer, query: &ClientQuery) -> bool {
    let types = query.get("type");
    types.is_none_or(|types| types.split(',').any(|id| id == layer.as_str()))
}

fn writer(generations: &Generations, day: Date) -> AreaWriter<'_> {
    AreaWriter { generations, day }
}

fn response<'g>(
    generations: &Generations,
    day: Date,
    areas: impl IntoIterator<Item = FoundArea<'g>>,
    headers: &HeaderMap,
) -> Response {
    let mut json = JsonWriter::new();
    writer(generations, day).write_all(&mut json, areas);
    cacheable(headers, json.into_bytes())
}

fn cacheable(headers: &HeaderMap, body: Vec<u8>) -> Response {
    cacheable_response(headers, "application/json", body)
}
