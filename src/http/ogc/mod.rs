//! `/ogc`: OGC API Features and OGC API Tiles, for QGIS, GDAL and other clients.
//!
//! The API implements Part 1 (core, geojson, html, oas30), Part 2 (crs) and the queryables of Part
//! 3 of OGC API Features. Each layer has two collections: the areas that are valid today, and all
//! versions of its areas.
//!
//! Responses do not contain a `timeStamp`, which is optional in Part 1. A response therefore does
//! not change until the dataset or the date changes, and caches can revalidate it.

mod collection;
mod crs;
mod format;
mod items;
mod query;
mod queryables;
mod tiles;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use geo::Rect;
use jiff::civil::Date;
use maud::Markup;
use serde_json::{Value, json};

use super::App;
use super::base_url::BaseUrl;
use super::conditional::{cacheable_response, no_store_response};
use super::extract::PathParams;
use super::openapi;
use super::problem::Problem;
use super::query_params::{QueryParams, query_params};
use super::request_context::RequestContext;
use crate::web::ogc as html;
use crate::wire::locate::round_decimals;
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
use collection::Collection;
use crs::OgcCrs;
use format::ResponseFormat;

pub(super) use items::{item, items};
pub(super) use queryables::queryables;
pub(super) use tiles::{
    tile, tile_matrix_set, tile_matrix_sets, tile_of_collection, tileset, tileset_of_collection,
    tilesets, tilesets_of_collection,
};

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
/// The media type of OpenAPI 3.0, as the standard spells it.
const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";

/// The conformance classes that the service declares.
const CONFORMANCE_CLASSES: [&str; 19] = [
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/landing-page",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/dataset-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/mvt",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/oas30",
];

/// The context of a request: base URL, response format and dataset. As an extractor, it rejects
/// query parameters other than `f`.
pub(super) struct OgcContext {
    /// The base URL of the service.
    base: BaseUrl,
    /// The URL of the landing page, without a trailing slash.
    root: String,
    format: ResponseFormat,
    /// Whether the URL could reveal a person's location.
    is_private: bool,
    headers: HeaderMap,
    /// The current dataset and today's date.
    dataset: RequestContext,
}

query_params! {
    /// The parameters of a route that has no parameters except the format.
    struct FormatParams {
        /// The format of the response.
        format: Option<ResponseFormat> = ["f"],
    }
}

impl FromRequestParts<App> for OgcContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<OgcContext, Problem> {
        let params = FormatParams::from_uri(&parts.uri)?;
        let Ok(base) = BaseUrl::from_request_parts(parts, app).await;
        OgcContext::new(app, params.format, base, parts.headers.clone())
    }
}

impl OgcContext {
    /// Creates the context of a request for `format`.
    fn new(
        app: &App,
        format: Option<ResponseFormat>,
        base: BaseUrl,
        headers: HeaderMap,
    ) -> Result<OgcContext, Problem> {
        Ok(OgcContext {
            root: format!("{base}/ogc"),
            base,
            format: ResponseFormat::negotiate(format, &headers)?,
            is_private: false,
            headers,
            dataset: RequestContext::current(app),
        })
    }

    /// Returns the index of the current dataset.
    fn index(&self) -> &Index {
        self.dataset.index()
    }

    /// Returns today's date.
    fn today(&self) -> Date {
        self.dataset.as_of
    }

    /// Returns the base URL of the service, without a trailing slash.
    fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Returns a link to a path of this API. `path` begins with a slash.
    fn link(&self, rel: &str, media_type: &str, path: &str, title: &str) -> Value {
        json!({ "rel": rel, "type": media_type, "href": format!("{}{path}", self.root), "title": title })
    }

    /// Returns the links `self` and `alternate` of a response.
    fn self_links(&self, path: &str, json_type: &'static str) -> [Value; 2] {
        let media_type = |format| match format {
            ResponseFormat::Json => json_type,
            ResponseFormat::Html => "text/html",
        };
        let link_to = |rel, format: ResponseFormat| {
            let separator = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{separator}f={}", format.as_str());
            let title = format!("this document as {}", format.as_str().to_uppercase());
            self.link(rel, media_type(format), &path, &title)
        };
        [
            link_to("self", self.format),
            link_to("alternate", self.format.alternate()),
        ]
    }

    /// Returns the response in the requested format.
    fn respond(
        &self,
        json_type: &'static str,
        body: &Value,
        render_html: impl FnOnce() -> Markup,
    ) -> Response {
        match self.format {
            ResponseFormat::Json => self.respond_text(json_type, body.to_string()),
            ResponseFormat::Html => self.respond_text(HTML, render_html().into_string()),
        }
    }

    fn respond_text(&self, media_type: &'static str, text: String) -> Response {
        let mut response = if self.is_private {
            no_store_response(media_type, text.into_bytes())
        } else {
            cacheable_response(&self.headers, media_type, text.into_bytes())
        };
        let accept = HeaderValue::from_static("accept");
        response.headers_mut().insert(header::VARY, accept);
        self.base.add_vary(response.headers_mut());
        response
    }
}

/// `/ogc`: the landing page.
pub(super) async fn landing(context: OgcContext) -> Response {
    let index = context.index();
    let manifest = index.manifest();
    let mut links = Vec::from(context.self_links("/", JSON));
    links.push(context.link(
        "service-desc",
        OPENAPI,
        "/api",
        "the API definition, OpenAPI 3.0",
    ));
    links.push(context.link(
        "service-doc",
        "text/html",
        "/api?f=html",
        "the API documentation",
    ));
    links.push(context.link(
        "conformance",
        JSON,
        "/conformance",
        "the conformance classes",
    ));
    links.push(context.link("data", JSON, "/collections", "the collections"));
    links.push(context.link(
        tiles::REL_TILESETS,
        JSON,
        "/tiles",
        "the collections as tiles",
    ));
    links.push(context.link(
        tiles::REL_SCHEMES,
        JSON,
        "/tileMatrixSets",
        "the tile matrix sets",
    ));
    let body = json!({
        "title": format!("{}: areas", manifest.title),
        "description": "Boundaries of health communities and their neighbours, each with its provenance and the period in which it is valid.",
        "attribution": manifest.attribution,
        "links": links,
    });
    context.respond(JSON, &body, || html::landing(context.index(), &body))
}

/// `/ogc/conformance`: the conformance classes.
pub(super) async fn conformance(context: OgcContext) -> Response {
    let body = json!({ "conformsTo": CONFORMANCE_CLASSES, "links": context.self_links("/conformance", JSON) });
    context.respond(JSON, &body, || {
        html::conformance(context.index(), &CONFORMANCE_CLASSES)
    })
}

/// `/ogc/api`: the API definition.
pub(super) async fn api(context: OgcContext) -> Response {
    let index = context.index();
    let collection_ids: Vec<String> = Collection::all(index)
        .iter()
        .map(|collection| collection.id())
        .collect();
    let body = openapi::ogc_document(index, &context.root, &collection_ids);
    context.respond(OPENAPI, &body, || {
        openapi::ogc_page(context.index(), &body, "/ogc/api?f=json")
    })
}

/// `/ogc/collections`: the list of collections.
pub(super) async fn collections(context: OgcContext) -> Response {
    let (index, today) = (context.index(), context.today());
    let all = Collection::all(index).into_iter();
    let bodies: Vec<Value> = all
        .map(|collection| collection_body(&context, index, collection, today))
        .collect();
    let body = json!({
        "links": context.self_links("/collections", JSON),
        "crs": OgcCrs::ALL.map(OgcCrs::uri),
        "collections": bodies,
    });
    context.respond(JSON, &body, || html::collections(context.index(), &body))
}

/// `/ogc/collections/{collection}`: one collection.
pub(super) async fn collection(
    context: OgcContext,
    PathParams(id): PathParams<String>,
) -> Result<Response, Problem> {
    let index = context.index();
    let collection = Collection::by_id(index, &id)?;
    let mut body = collection_body(&context, index, collection, context.today());
    let links = body["links"].as_array_mut().expect("the body has links");
    links.extend(context.self_links(&format!("/collections/{id}"), JSON));
    Ok(context.respond(JSON, &body, || html::collection(context.index(), &body)))
}

fn collection_body(
    context: &OgcContext,
    index: &Index,
    collection: Collection,
    today: Date,
) -> Value {
    let id = collection.id();
    let features = collection.features(index, today);
    let path = format!("/collections/{id}");
    // This URL must have no query string, because GDAL appends the id of a feature to it.
    let items = format!("{path}/items");
    let instant = |day: Option<Date>| day.map(|day| format!("{day}T00:00:00Z"));
    let from = features.iter().map(|feature| feature.period.from);
    let from = from.reduce(Option::min).flatten();
    let to = features.iter().map(|feature| feature.period.to);
    let to = to.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten();
    let mut links = vec![
        context.link("items", items::GEOJSON, &items, "the features as GeoJSON"),
        context.link(
            "items",
            "text/html",
            &format!("{items}?f=html"),
            "the features as HTML",
        ),
        json!({ "rel": "license", "type": "text/html", "href": index.manifest().licence, "title": "the licence of the data" }),
    ];
    links.push(context.link(
        queryables::REL_QUERYABLES,
        queryables::SCHEMA_TYPE,
        &format!("{path}/queryables"),
        "the properties by which features can be filtered",
    ));
    if !collection.is_history {
        let tiles = format!("{path}/tiles");
        links.push(context.link(tiles::REL_TILESETS, JSON, &tiles, "the areas as tiles"));
    }
    json!({
        "id": id,
        "title": collection.title(index),
        "description": collection.description(),
        "attribution": index.manifest().attribution,
        "itemType": "feature",
        "extent": {
            "spatial": { "bbox": [bounds(&features)], "crs": OgcCrs::Crs84.uri() },
            "temporal": { "interval": [[instant(from), instant(to)]] },
        },
        "crs": OgcCrs::ALL.map(OgcCrs::uri),
        "storageCrs": OgcCrs::STORAGE.uri(),
        "links": links,
    })
}

/// Returns the bounding box of the features: west, south, east and north, in degrees.
fn bounds(features: &[collection::Feature<'_>]) -> [f64; 4] {
    let all = catchment_tiles::bounds_of(features.iter().filter_map(|feature| feature.boundary));
    let all = all.unwrap_or_else(|| Rect::new((-180.0, -90.0), (180.0, 90.0)));
    bbox::to_array(all).map(|degrees| round_decimals(degrees, 7))
}
