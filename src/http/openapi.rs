//! The API definition (OpenAPI 3.0.3). It is written by hand; a test compares it with the router.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Value, json};

use super::App;
use super::base_url::BaseUrl;
use super::conditional::cacheable_json;
use super::input::query_fields;
use super::negotiate;
use super::pages::shared::Shared;
use super::problem::Problem;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("openapi.json");
    let mut document: Value = serde_json::from_str(text).expect("the document is JSON");
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document
});

/// `/openapi.json`.
pub(super) async fn document(
    uri: Uri,
    base: BaseUrl,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{ "url": format!("{base}/") }]);
    let mut response = cacheable_json(&headers, &document);
    base.vary(response.headers_mut());
    Ok(response)
}

/// `/docs`: the API documentation, as HTML.
pub(super) async fn page(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let encoding = negotiate::encoding(&headers).ok_or_else(Problem::no_encoding)?;
    let releases = app.releases();
    let index = releases.current();
    Ok(app.pages.response(Shared::Docs, index, encoding, || {
        crate::web::openapi(index, &DOCUMENT, "/openapi.json")
    }))
}

const ROOT: &str = "/ogc";
const ITEMS: &str = "/collections/{collection}/items";

/// Returns the API definition of `/ogc` alone, for clients that treat its landing page as the root.
///
/// The path of items is repeated for every collection, because GDAL looks for it by collection id.
pub(super) fn of_features(root: &str, collections: &[String]) -> Value {
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{ "url": root }]);
    let all = document["paths"].as_object().expect("there are paths");
    let mut paths: serde_json::Map<String, Value> = all
        .iter()
        .filter_map(|(path, item)| Some((path.strip_prefix(ROOT)?.to_string(), item.clone())))
        .collect();
    let items = paths[ITEMS].clone();
    for id in collections {
        let mut items = items.clone();
        let parameters = items["get"]["parameters"].as_array_mut();
        let parameters = parameters.expect("items have parameters");
        parameters.retain(|it| it["$ref"] != "#/components/parameters/collection");
        items["get"]["operationId"] = format!("getFeatures-{id}").into();
        paths.insert(ITEMS.replace("{collection}", id), items);
    }
    document["paths"] = paths.into();
    document
}
