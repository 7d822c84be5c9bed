//! The features of a collection.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::super::App;
use super::super::areas;
use super::super::base_url::BaseUrl;
use super::super::input::{Segments, query_fields};
use super::super::problem::Problem;
use super::collection::{Collection, Feature};
use super::crs::Crs;
use super::format::Format;
use super::query::{FIELDS, Query, known_crs};
use super::{Context, html};
use crate::domain::today_in_london;
use crate::geojson;
use crate::question::Fields;
use crate::web::path_segment;

pub(super) const GEOJSON: &str = areas::GEOJSON;

/// `/ogc/collections/{collection}/items`.
pub(in crate::http) async fn items(
    State(app): State<App>,
    uri: Uri,
    base: BaseUrl,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = query_fields(&uri, FIELDS)?;
    let context = Context::of(&app, &fields, base, headers)?;
    let index = context.index();
    let collection = Collection::of_id(index, &id)?;
    let query = Query::of(&fields)?;
    let mut matched = collection.features(index, today_in_london());
    matched.retain(|feature| query.matches(feature));
    let count = matched.len();
    let page: Vec<Feature<'_>> = matched
        .into_iter()
        .skip(query.offset)
        .take(query.limit)
        .collect();
    let path = format!("/collections/{id}/items");
    let at = |offset| format!("{path}{}", with_offset(&fields, offset));
    let mut links = Vec::from(context.selves(&at(query.offset), GEOJSON));
    let of_format = |path: String| {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}f={}", context.format.as_str())
    };
    let kind = match context.format {
        Format::Json => GEOJSON,
        Format::Html => "text/html",
    };
    let after = query.offset.saturating_add(page.len());
    if after < count && !page.is_empty() {
        links.push(context.link("next", kind, &of_format(at(after)), "the next page"));
    }
    if query.offset > 0 {
        let before = query.offset.saturating_sub(query.limit);
        links.push(context.link("prev", kind, &of_format(at(before)), "the previous page"));
    }
    links.push(context.link(
        "collection",
        super::JSON,
        &format!("/collections/{id}"),
        "the collection",
    ));
    let body = json!({
        "type": "FeatureCollection",
        "numberMatched": count,
        "numberReturned": page.len(),
        "links": links,
        "attribution": index.manifest().attribution,
    });
    let response = match context.format {
        Format::Json => context.answer_text(GEOJSON, collected(&body, &page, query.crs)),
        Format::Html => context.answer(GEOJSON, &body, || {
            let rows: Vec<Value> = page.iter().map(properties).collect();
            html::items(context.index(), &collection.title(index), &body, &rows)
        }),
    };
    Ok(in_crs(response, query.crs))
}

/// `/ogc/collections/{collection}/items/{feature}`.
pub(in crate::http) async fn item(
    State(app): State<App>,
    uri: Uri,
    base: BaseUrl,
    Segments((id, feature_id)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = query_fields(&uri, &["f", "crs"])?;
    let context = Context::of(&app, &fields, base, headers)?;
    let crs = fields
        .get("crs")
        .map(known_crs)
        .transpose()?
        .unwrap_or(Crs::Crs84);
    let index = context.index();
    let collection = Collection::of_id(index, &id)?;
    let features = collection.features(index, today_in_london()).into_iter();
    let feature = features
        .into_iter()
        .find(|it| it.id == feature_id)
        .ok_or_else(|| {
            Problem::unknown(
                "unknown_feature",
                "unknown feature; the items of the collection list its features",
            )
        })?;
    let path = format!("/collections/{id}/items/{}", path_segment(&feature_id));
    let path = match fields.get("crs") {
        Some(_) => format!("{path}?{}", encoded(&[("crs", crs.uri())])),
        None => path,
    };
    let mut links = Vec::from(context.selves(&path, GEOJSON));
    links.push(context.link(
        "collection",
        super::JSON,
        &format!("/collections/{id}"),
        "the collection",
    ));
    let properties = properties(&feature);
    let response = match context.format {
        Format::Json => {
            let mut text = String::new();
            write(&mut text, &feature, &properties, crs, Some(&links));
            context.answer_text(GEOJSON, text)
        }
        Format::Html => {
            let title = collection.title(index);
            let page = html::item(context.index(), &title, &properties, &links);
            context.answer_text(super::HTML, page.into_string())
        }
    };
    Ok(in_crs(response, crs))
}

/// Adds the `Content-Crs` header with the CRS of the coordinates (Part 2, 7.4).
fn in_crs(mut response: Response, crs: Crs) -> Response {
    let value = HeaderValue::from_str(&format!("<{}>", crs.uri())).expect("ASCII");
    response.headers_mut().insert("content-crs", value);
    response
}

/// Returns the query string of the same request with another offset.
fn with_offset(fields: &Fields, offset: usize) -> String {
    let offset_text = offset.to_string();
    let kept = FIELDS
        .iter()
        .filter(|name| !matches!(**name, "f" | "offset"));
    let mut pairs: Vec<(&str, &str)> = kept
        .filter_map(|name| Some((*name, fields.get(name)?)))
        .collect();
    if offset > 0 {
        pairs.push(("offset", &offset_text));
    }
    match pairs.is_empty() {
        true => String::new(),
        false => format!("?{}", encoded(&pairs)),
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Serializes the body with its features.
fn collected(body: &Value, features: &[Feature<'_>], crs: Crs) -> String {
    let mut text = body.to_string();
    // The closing brace is added after the features.
    text.pop();
    text.push_str(",\"features\":[");
    for (at, feature) in features.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        write(&mut text, feature, &properties(feature), crs, None);
    }
    text.push_str("\n]}");
    text
}

fn write(
    text: &mut String,
    feature: &Feature<'_>,
    properties: &Value,
    crs: Crs,
    links: Option<&[Value]>,
) {
    let id = Value::from(feature.id.as_str());
    text.push_str(&format!(
        "{{\"type\":\"Feature\",\"id\":{id},\"properties\":{properties},\"geometry\":"
    ));
    geojson::write_multi_polygon(text, &crs.ground(feature.boundary), crs.decimals());
    if let Some(links) = links {
        text.push_str(&format!(",\"links\":{}", Value::from(links)));
    }
    text.push('}');
}

/// The properties of a feature. `from` is inclusive, `to` is exclusive.
fn properties(feature: &Feature<'_>) -> Value {
    let area = feature.area;
    let day = |day: Option<Date>| day.map(|day| day.to_string());
    json!({
        "id": area.id,
        "name": area.title(),
        "layer": area.layer.as_str(),
        "kind": area.kind,
        "system": area.system,
        "provenance": area.provenance.as_str(),
        "extent": feature.boundary.extent.as_str(),
        "from": day(feature.period.from),
        "to": day(feature.period.to),
    })
}
