//! The features of a collection.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::super::App;
use super::super::areas;
use super::super::base_url::BaseUrl;
use super::super::extract::PathParams;
use super::super::problem::Problem;
use super::super::query_params::{Query, query_params};
use super::collection::{Collection, Feature};
use super::crs::OgcCrs;
use super::format::ResponseFormat;
use super::query::{ItemsQuery, RequestedCrs};
use super::{OgcContext, html};
use crate::web::path_segment;
use catchment_data::formats::write_geojson_multi_polygon;

pub(super) const GEOJSON: &str = areas::GEOJSON;

query_params! {
    /// The parameters of a collection's items.
    pub(in crate::http) struct ItemsParams {
        /// The format of the response.
        format: Option<ResponseFormat> = ["f"],
        /// The page, the filters, and the CRS of the response.
        query: Result<ItemsQuery, Problem> = [
            "limit", "offset", "bbox", "bbox-crs", "crs", "datetime",
            "id", "name", "kind", "system", "provenance", "extent"
        ],
    }
}

query_params! {
    /// The parameters of one feature.
    pub(in crate::http) struct ItemParams {
        /// The format of the response.
        format: Option<ResponseFormat> = ["f"],
        /// The CRS of the response.
        crs: Result<RequestedCrs, Problem> = ["crs"],
    }
}

/// `/ogc/collections/{collection}/items`: a page of features.
pub(in crate::http) async fn items(
    State(app): State<App>,
    base: BaseUrl,
    PathParams(id): PathParams<String>,
    Query(params): Query<ItemsParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut context = OgcContext::new(&app, params.format, base, headers)?;
    let collection = Collection::by_id(context.index(), &id)?;
    let query = params.query?;
    // A large box would not reveal a person's location, but there is no clear limit on the size,
    // and few boxes are requested twice, so caching would have little benefit.
    context.is_private = query.has_bbox();
    let index = context.index();
    let mut matched = collection.features(index, context.today());
    let first_data = index.first_data(collection.layer);
    let has_data = !first_data.is_some_and(|first_data| query.is_before(first_data));
    matched.retain(|feature| has_data && query.matches(feature));
    let count = matched.len();
    let page: Vec<Feature<'_>> = matched
        .into_iter()
        .skip(query.offset)
        .take(query.limit)
        .collect();
    let path = format!("/collections/{id}/items");
    let path_with_offset = |offset| format!("{path}{}", query_with_offset(&query, offset));
    let mut links = Vec::from(context.self_links(&path_with_offset(query.offset), GEOJSON));
    let with_format = |path: String| {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}f={}", context.format.as_str())
    };
    let media_type = match context.format {
        ResponseFormat::Json => GEOJSON,
        ResponseFormat::Html => "text/html",
    };
    let next_offset = query.offset.saturating_add(page.len());
    if next_offset < count && !page.is_empty() {
        links.push(context.link(
            "next",
            media_type,
            &with_format(path_with_offset(next_offset)),
            "the next page",
        ));
    }
    if query.offset > 0 {
        let previous_offset = query.offset.saturating_sub(query.limit);
        links.push(context.link(
            "prev",
            media_type,
            &with_format(path_with_offset(previous_offset)),
            "the previous page",
        ));
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
        ResponseFormat::Json => {
            context.respond_text(GEOJSON, feature_collection(&body, &page, query.crs))
        }
        ResponseFormat::Html => context.respond(GEOJSON, &body, || {
            let rows: Vec<Value> = page.iter().map(properties).collect();
            html::items(context.index(), &collection.title(index), &body, &rows)
        }),
    };
    Ok(with_content_crs(response, query.crs))
}

/// `/ogc/collections/{collection}/items/{feature}`: one feature.
pub(in crate::http) async fn item(
    State(app): State<App>,
    base: BaseUrl,
    PathParams((id, feature_id)): PathParams<(String, String)>,
    Query(params): Query<ItemParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let context = OgcContext::new(&app, params.format, base, headers)?;
    let RequestedCrs(requested_crs) = params.crs?;
    let crs = requested_crs.unwrap_or(OgcCrs::Crs84);
    let index = context.index();
    let collection = Collection::by_id(index, &id)?;
    let features = collection.features(index, context.today()).into_iter();
    let feature = features
        .into_iter()
        .find(|feature| feature.id == feature_id)
        .ok_or_else(|| {
            Problem::unknown(
                "unknown_feature",
                "unknown feature; the path without the feature id lists the features",
            )
        })?;
    let path = format!("/collections/{id}/items/{}", path_segment(&feature_id));
    let path = match requested_crs {
        Some(_) => format!("{path}?{}", encode_query(&[("crs", crs.uri())])),
        None => path,
    };
    let mut links = Vec::from(context.self_links(&path, GEOJSON));
    links.push(context.link(
        "collection",
        super::JSON,
        &format!("/collections/{id}"),
        "the collection",
    ));
    let properties = properties(&feature);
    let response = match context.format {
        ResponseFormat::Json => {
            let mut text = String::new();
            write_feature(&mut text, &feature, &properties, crs, Some(&links));
            context.respond_text(GEOJSON, text)
        }
        ResponseFormat::Html => {
            let title = collection.title(index);
            let page = html::item(context.index(), &title, &properties, &links);
            context.respond_text(super::HTML, page.into_string())
        }
    };
    Ok(with_content_crs(response, crs))
}

/// Adds the `Content-Crs` header with the CRS of the coordinates (Part 2, section 7.4).
fn with_content_crs(mut response: Response, crs: OgcCrs) -> Response {
    let value = HeaderValue::from_str(&format!("<{}>", crs.uri())).expect("ASCII");
    response.headers_mut().insert("content-crs", value);
    response
}

/// Returns the query string of the request, without `f` and with the given offset.
fn query_with_offset(query: &ItemsQuery, offset: usize) -> String {
    let offset_text = offset.to_string();
    let given = query.given.iter();
    let mut pairs: Vec<(&str, &str)> = given
        .filter(|(name, _)| *name != "offset")
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    if offset > 0 {
        pairs.push(("offset", &offset_text));
    }
    if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", encode_query(&pairs))
    }
}

fn encode_query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Serializes the body with its features.
fn feature_collection(body: &Value, features: &[Feature<'_>], crs: OgcCrs) -> String {
    let mut text = body.to_string();
    // The closing brace is added after the features.
    text.pop();
    text.push_str(",\"features\":[");
    for (index, feature) in features.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        write_feature(&mut text, feature, &properties(feature), crs, None);
    }
    text.push_str("\n]}");
    text
}

fn write_feature(
    text: &mut String,
    feature: &Feature<'_>,
    properties: &Value,
    crs: OgcCrs,
    links: Option<&[Value]>,
) {
    let id = Value::from(feature.id.as_str());
    text.push_str(&format!(
        "{{\"type\":\"Feature\",\"id\":{id},\"properties\":{properties},\"geometry\":"
    ));
    match feature.boundary {
        Some(boundary) => {
            write_geojson_multi_polygon(text, &crs.geometry(boundary), crs.decimals());
        }
        None => text.push_str("null"),
    }
    if let Some(links) = links {
        text.push_str(&format!(",\"links\":{}", Value::from(links)));
    }
    text.push('}');
}

/// Returns the properties of a feature. `from` is inclusive, and `to` is exclusive.
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
        "extent": feature.extent(),
        "from": day(feature.period.from),
        "to": day(feature.period.to.filter(|to| area.ended_by != Some(*to))),
    })
}
