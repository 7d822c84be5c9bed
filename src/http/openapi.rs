//! The API definition (OpenAPI 3.0.3). It consists of one fragment for each resource, written by
//! hand; a test compares the definition with the router.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Value, json};

use super::App;
use super::base_url::BaseUrl;
use super::conditional::cacheable_json;
use super::extract::query_params;
use super::negotiate;
use super::pages::page_cache::CachedPage;
use super::problem::Problem;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = json_of(include_str!("openapi/base.json"));
    for fragment in FRAGMENTS {
        add_fragment(&mut document, json_of(fragment));
    }
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document
});

/// The paths of each resource, and the components that only these paths use.
const FRAGMENTS: [&str; 13] = [
    include_str!("openapi/locate.json"),
    include_str!("openapi/postcodes.json"),
    include_str!("openapi/practices.json"),
    include_str!("openapi/areas.json"),
    include_str!("openapi/status.json"),
    include_str!("openapi/batch.json"),
    include_str!("openapi/ogc.json"),
    include_str!("openapi/ogc_tiles.json"),
    include_str!("openapi/tiles.json"),
    include_str!("openapi/basemap.json"),
    include_str!("openapi/widget.json"),
    include_str!("openapi/embed.json"),
    include_str!("openapi/maps.json"),
];

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("the fragment is JSON")
}

/// Adds the paths and components of a fragment to the document.
///
/// # Panics
/// If the document already contains one of them.
fn add_fragment(document: &mut Value, fragment: Value) {
    let Value::Object(fragment) = fragment else {
        panic!("a fragment is an object");
    };
    for (section, entries) in fragment {
        match section.as_str() {
            "paths" => insert_all(&mut document["paths"], entries),
            "components" => {
                let Value::Object(kinds) = entries else {
                    panic!("components are an object");
                };
                for (kind, entries) in kinds {
                    insert_all(&mut document["components"][&kind], entries);
                }
            }
            _ => panic!("unknown section of a fragment: {section}"),
        }
    }
}

fn insert_all(target: &mut Value, entries: Value) {
    let (Value::Object(target), Value::Object(entries)) = (target, entries) else {
        panic!("paths and components are objects");
    };
    for (name, value) in entries {
        let previous = target.insert(name, value);
        assert!(previous.is_none(), "two fragments define the same name");
    }
}
/// `/openapi.json`: the API definition.
pub(super) async fn document(
    uri: Uri,
    base: BaseUrl,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_params(&uri, &[])?;
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{ "url": format!("{base}/") }]);
    let mut response = cacheable_json(&headers, &document);
    base.add_vary(response.headers_mut());
    Ok(response)
}

/// `/docs`: the API documentation, as HTML.
pub(super) async fn docs_page(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_params(&uri, &[])?;
    let encoding =
        negotiate::preferred_encoding(&headers).ok_or_else(Problem::no_acceptable_encoding)?;
    let releases = app.loaded_datasets();
    let index = releases.current();
    Ok(app.pages.response(CachedPage::Docs, index, encoding, || {
        crate::web::openapi(index, &DOCUMENT, "/openapi.json")
    }))
}

const OGC_ROOT: &str = "/ogc";
const ITEMS_PATH: &str = "/collections/{collection}/items";

/// Returns the API definition with only the routes of `/ogc`, for clients that treat the landing
/// page of `/ogc` as the root.
///
/// The path of the items is repeated for every collection, because GDAL looks for that path by
/// collection id.
pub(super) fn ogc_document(root: &str, collections: &[String]) -> Value {
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{ "url": root }]);
    let all_paths = document["paths"].as_object().expect("there are paths");
    let mut paths: serde_json::Map<String, Value> = all_paths
        .iter()
        .filter_map(|(path, item)| Some((path.strip_prefix(OGC_ROOT)?.to_string(), item.clone())))
        .collect();
    let items = paths[ITEMS_PATH].clone();
    for id in collections {
        let mut items = items.clone();
        let parameters = items["get"]["parameters"].as_array_mut();
        let parameters = parameters.expect("items have parameters");
        parameters.retain(|parameter| parameter["$ref"] != "#/components/parameters/collection");
        items["get"]["operationId"] = format!("getFeatures-{id}").into();
        paths.insert(ITEMS_PATH.replace("{collection}", id), items);
    }
    document["paths"] = paths.into();
    document
}
