//! `/mapit/postcode`, `/mapit/point` and `/mapit/nearest`: the areas of a postcode or a point.

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::super::App;
use super::super::compat::{ClientQuery, find_in_use, has_postcode_form, layer_of_field};
use super::super::extract::PathParams;
use super::super::locate::{JSON, NO_STORE};
use super::area_body::{AreaWriter, FoundArea};
use super::area_id::AreaId;
use super::areas::has_type;
use super::error::MapItError;
use super::generations::Generations;
use super::srid::parse_point;
use crate::wire::json_writer::JsonWriter;
use crate::wire::locate::LocateBody;
use catchment_core::domain::{
    Area, BritishGrid, LayerSet, Postcode, PostcodeEntry, today_in_london,
};
use catchment_core::geodesy;
use catchment_core::index::{Index, LayerResult, LocateAnswer, LocateQuery, Locator};

/// The beginning of the GSS codes of districts in counties with two levels of councils.
const TWO_TIER_DISTRICT: &str = "E07";

/// `/mapit/postcode/{postcode}`.
pub(in crate::http) async fn postcode(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
    query: ClientQuery,
) -> Result<Response, MapItError> {
    let generations = Generations::loaded(&app);
    let index = generations.get(generations.selected(&query)?);
    let day = today_in_london();
    let text = text.strip_suffix(".json").unwrap_or(&text);
    let Some(entry) = find_in_use(index, text, day) else {
        return Err(match has_postcode_form(text) {
            true => MapItError::not_found("No Postcode matches the given query."),
            false => MapItError::bad_request("Postcode is not valid."),
        });
    };
    let is_strict = query.is_strict();
    let locator = Locator::Postcode(entry.postcode);
    let answer = index.locate_in(
        &located(locator, day),
        LayerSet::ALL,
        if is_strict {
            LayerSet::NONE
        } else {
            LayerSet::ALL
        },
    );
    let writer = AreaWriter {
        generations: &generations,
        day,
    };
    let mut json = JsonWriter::new();
    json.raw("{");
    write_position(&mut json, &entry.postcode.to_string(), entry.position);
    json.raw(",\"areas\":");
    writer.write_all(&mut json, areas_of(index, &answer));
    write_shortcuts(&mut json, index, &answer);
    if !is_strict {
        json.raw(",\"catchment\":");
        LocateBody::new(index, None, answer).write(&mut json);
    }
    json.raw("}");
    Ok(not_stored(json))
}

/// `/mapit/postcode/partial/{partial}`: the mean position of the postcodes of an outward code.
pub(in crate::http) async fn partial_postcode(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
) -> Result<Response, MapItError> {
    let generations = Generations::loaded(&app);
    let text = text.strip_suffix(".json").unwrap_or(&text);
    // An outward code ends the text, or an inward code follows it.
    let postcode: Option<Postcode> = text.parse().ok();
    let outcode = match &postcode {
        Some(postcode) => postcode.outcode(),
        None => text,
    };
    let table = app
        .outcode_cache
        .table(generations.current(), today_in_london());
    let Some(outcode) = table.find(outcode) else {
        return Err(match has_postcode_form(&format!("{outcode} 1AA")) {
            true => MapItError::not_found("Postcode not found"),
            false => MapItError::bad_request("Partial postcode is not valid."),
        });
    };
    let mut json = JsonWriter::new();
    json.raw("{");
    write_position(&mut json, &outcode.text, outcode.centre);
    json.raw("}");
    Ok(not_stored(json))
}

/// `/mapit/point/{srid}/{point}`: the areas that cover a point.
pub(in crate::http) async fn point(
    State(app): State<App>,
    PathParams((srid, point)): PathParams<(String, String)>,
    query: ClientQuery,
) -> Result<Response, MapItError> {
    let point = parse_point(&srid, &point)?;
    let generations = Generations::loaded(&app);
    let range = generations.selected_range(&query)?;
    let day = today_in_london();
    let mut found = Vec::new();
    if let Some(point) = point {
        // The latest version of an area is written, so the latest generation is first.
        for index in range.rev().map(|number| generations.get(number)) {
            let query = located(Locator::Grid(point), day);
            let answer = index.locate_in(&query, LayerSet::ALL, LayerSet::NONE);
            found.extend(areas_of(index, &answer));
        }
    }
    found.retain(|found| has_type(found.area, &query));
    let writer = AreaWriter {
        generations: &generations,
        day,
    };
    let mut json = JsonWriter::new();
    writer.write_all(&mut json, found);
    Ok(not_stored(json))
}

/// `/mapit/nearest/{srid}/{point}`: the postcode in use that is nearest to a point.
pub(in crate::http) async fn nearest(
    State(app): State<App>,
    PathParams((srid, point)): PathParams<(String, String)>,
) -> Result<Response, MapItError> {
    let point = parse_point(&srid, &point)?;
    let generations = Generations::loaded(&app);
    let index = generations.current();
    let near = point.map_or_else(Vec::new, |point| {
        // A pseudo postcode may be at the same position.
        index.nearest_postcodes(point, 2, today_in_london())
    });
    let is_postcode = |(entry, _): &(PostcodeEntry, f64)| entry.postcode.special().is_none();
    let nearest = near.into_iter().find(is_postcode);
    let (entry, distance_m) =
        nearest.ok_or_else(|| MapItError::not_found("No postcode found near the point"))?;
    let mut json = JsonWriter::new();
    json.raw("{\"postcode\":{");
    write_position(&mut json, &entry.postcode.to_string(), entry.position);
    json.raw(",\"distance\":");
    json.number(distance_m, 0);
    json.raw("}}");
    Ok(not_stored(json))
}

fn located(locator: Locator, as_of: jiff::civil::Date) -> LocateQuery {
    LocateQuery {
        locator: Some(locator),
        practice: None,
        as_of,
    }
}

fn not_stored(json: JsonWriter) -> Response {
    (NO_STORE, JSON, json.into_bytes()).into_response()
}

/// Writes a postcode or an outward code and its position, without braces.
fn write_position(json: &mut JsonWriter, postcode: &str, position: Option<BritishGrid>) {
    json.raw("\"postcode\":");
    json.string(postcode);
    let Some(grid) = position else {
        return;
    };
    if let Some(lonlat) = geodesy::to_lonlat(grid) {
        json.raw(",\"wgs84_lon\":");
        json.number(lonlat.lon(), 6);
        json.raw(",\"wgs84_lat\":");
        json.number(lonlat.lat(), 6);
    }
    json.raw(",\"coordsyst\":\"G\",\"easting\":");
    json.number(grid.easting_m(), 0);
    json.raw(",\"northing\":");
    json.number(grid.northing_m(), 0);
}

/// Returns the areas of residence of an answer, in the order of layers: areas, the areas of
/// practices, and groups.
fn areas_of<'g>(index: &'g Index, answer: &LocateAnswer<'g>) -> Vec<FoundArea<'g>> {
    let mut areas: Vec<&'g Area> = Vec::new();
    for (layer, result) in &answer.residence {
        match result {
            LayerResult::Areas(found) => areas.extend(found.iter().map(|found| found.area)),
            LayerResult::Groups(found) => areas.extend(found.iter().map(|found| found.area)),
            LayerResult::Practices(found) => {
                let codes = found.iter().map(|found| found.practice.code);
                areas.extend(codes.filter_map(|code| {
                    index.area_or_last_version(*layer, code.as_str(), answer.as_of)
                }));
            }
            LayerResult::Unknown(_) => {}
        }
    }
    let found = areas.into_iter().map(|area| FoundArea { index, area });
    found.collect()
}

/// Writes the member `shortcuts` if the dataset has layers of councils, wards or constituencies.
fn write_shortcuts(json: &mut JsonWriter, index: &Index, answer: &LocateAnswer<'_>) {
    let area = |field: &str| {
        let layer = layer_of_field(field, index.manifest())?;
        let (_, result) = answer.residence.iter().find(|(id, _)| *id == layer)?;
        match result {
            LayerResult::Areas(found) => found.first().map(|found| found.area),
            _ => None,
        }
    };
    let district = area("admin_district");
    let is_two_tier = district.is_some_and(|area| area.id.starts_with(TWO_TIER_DISTRICT));
    let shortcuts = [
        ("WMC", area("parliamentary_constituency"), None),
        ("ward", area("admin_ward"), area("ced")),
        ("council", district, area("admin_county")),
    ];
    let mut comma = ",\"shortcuts\":{";
    for (name, district, county) in shortcuts {
        let Some(district) = district else {
            continue;
        };
        json.raw(comma);
        json.string(name);
        json.raw(":");
        let id = AreaId::of(district).to_string();
        if is_two_tier && name != "WMC" {
            json.raw("{\"district\":");
            json.string(&id);
            if let Some(county) = county {
                json.raw(",\"county\":");
                json.string(&AreaId::of(county).to_string());
            }
            json.raw("}");
        } else {
            json.string(&id);
        }
        comma = ",";
    }
    if comma == "," {
        json.raw("}");
    }
}
