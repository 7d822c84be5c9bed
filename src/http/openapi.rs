//! The API definition (OpenAPI 3.0.3). The definition consists of one handwritten fragment for each
//! resource. Tests compare the definition with the routes and their parameters.

mod examples;

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use maud::Markup;
use serde_json::{Value, json};

use super::App;
use super::base_url::BaseUrl;
use super::conditional::cacheable_json;
use super::negotiate;
use super::pages::page_cache::CachedPage;
use super::problem::Problem;
use super::query_params::{NoParams, Query};
use super::request_context::{DatasetRequest, RequestContext};
use crate::web::{ApiExample, ApiPage};
use catchment_core::domain::{Layer, today_in_london};
use catchment_core::index::Index;

use examples::{FirstRequest, LOCATE};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = json_of(include_str!("openapi/base.json"));
    for fragment in FRAGMENTS {
        add_fragment(&mut document, json_of(fragment));
    }
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document
});

/// The paths of each resource, and the components that only these paths use.
const FRAGMENTS: [&str; 17] = [
    include_str!("openapi/locate.json"),
    include_str!("openapi/postcodes.json"),
    include_str!("openapi/practices.json"),
    include_str!("openapi/areas.json"),
    include_str!("openapi/changes.json"),
    include_str!("openapi/status.json"),
    include_str!("openapi/metadata.json"),
    include_str!("openapi/batch.json"),
    include_str!("openapi/ogc.json"),
    include_str!("openapi/ogc_tiles.json"),
    include_str!("openapi/tiles.json"),
    include_str!("openapi/basemap.json"),
    include_str!("openapi/widget.json"),
    include_str!("openapi/embed.json"),
    include_str!("openapi/maps.json"),
    include_str!("openapi/compat.json"),
    include_str!("openapi/mapit.json"),
];

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("the fragment is JSON")
}

/// Adds the paths and components of a fragment to the document.
///
/// # Panics
/// If the document already contains one of these paths or components.
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

/// The placeholders in examples. The placeholders represent the first layer of the dataset, its
/// first two layers (separated by a comma), and an area of the first layer.
const PLACEHOLDERS: [&str; 3] = ["{layer}", "{layers}", "{area}"];

/// Returns the API definition with examples from the dataset.
fn document_of(index: &Index, first: Option<&FirstRequest>) -> Value {
    let mut document = DOCUMENT.clone();
    let layers: Vec<Layer> = index.layers().take(2).collect();
    let ids: Vec<&str> = layers.iter().map(|layer| layer.as_str()).collect();
    let areas = layers
        .first()
        .and_then(|layer| index.areas(*layer, today_in_london()));
    let area = areas
        .into_iter()
        .flatten()
        .map(|area| area.id.as_str())
        .next();
    let layer = ids.first().copied().unwrap_or("layer");
    let values = [layer, &ids.join(","), area.unwrap_or("area")];
    fill_examples(&mut document, values);
    examples::add_examples(&mut document, index, first);
    document
}

/// Replaces the placeholders in every example.
fn fill_examples(value: &mut Value, values: [&str; 3]) {
    match value {
        Value::Object(entries) => {
            for (key, entry) in entries {
                match entry {
                    Value::String(text) if key == "example" => {
                        for (placeholder, value) in PLACEHOLDERS.into_iter().zip(values) {
                            *text = text.replace(placeholder, value);
                        }
                    }
                    _ => fill_examples(entry, values),
                }
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                fill_examples(entry, values);
            }
        }
        _ => {}
    }
}

/// The tags of the routes of other services.
const COMPAT_TAGS: [&str; 2] = ["postcodes.io", "MapIt"];

/// Removes the routes that are turned off from the API definition.
fn remove_disabled_routes(document: &mut Value, app: &App) {
    if app.compat.is_some() {
        return;
    }
    let Value::Object(paths) = &mut document["paths"] else {
        return;
    };
    paths.retain(|_, item| {
        let mut operations = item.as_object().into_iter().flat_map(|item| item.values());
        operations.all(|operation| COMPAT_TAGS.iter().all(|tag| operation["tags"][0] != *tag))
    });
}

/// Returns the look-up of the examples, unless look-ups require an API key.
fn first_request(app: &App, index: &Index) -> Option<FirstRequest> {
    let required = app.admission_control.required_scope(Some(LOCATE));
    match required {
        Some(_) => None,
        None => examples::first_request(index, today_in_london()),
    }
}

/// `/openapi.json`: the API definition.
pub(super) async fn document(
    State(app): State<App>,
    _: Query<NoParams>,
    base: BaseUrl,
    headers: HeaderMap,
) -> Response {
    let context = RequestContext::current(&app);
    let first = first_request(&app, context.index());
    let mut document = document_of(context.index(), first.as_ref());
    remove_disabled_routes(&mut document, &app);
    document["servers"] = json!([{ "url": format!("{base}/") }]);
    let mut response = cacheable_json(&headers, &document);
    base.add_vary(response.headers_mut());
    response
}

/// `/docs`: the API documentation, as HTML.
pub(super) async fn docs_page(
    State(app): State<App>,
    DatasetRequest { context, .. }: DatasetRequest<NoParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let encoding =
        negotiate::preferred_encoding(&headers).ok_or_else(Problem::no_acceptable_encoding)?;
    let index = context.index();
    Ok(app.pages.response(CachedPage::Docs, index, encoding, || {
        let first = first_request(&app, index);
        let base = app.public_url.as_ref().map(ToString::to_string);
        let mut document = document_of(index, first.as_ref());
        remove_disabled_routes(&mut document, &app);
        let page = ApiPage {
            document: &document,
            href: "/openapi.json",
            base: base.as_deref().unwrap_or(LOCAL_URL),
            first: first
                .as_ref()
                .map(|first| (first.request.as_str(), &first.response[..])),
            examples: &api_examples(index, first.as_ref()),
        };
        crate::web::openapi(index, &page)
    }))
}

/// The URL of the service in examples if its public URL is not set. The value is the default URL of
/// `catchment serve`.
const LOCAL_URL: &str = "http://localhost:8080";

/// Returns the example requests.
fn api_examples<'a>(index: &Index, first: Option<&'a FirstRequest>) -> Vec<ApiExample<'a>> {
    let look_ups = first.into_iter().flat_map(|first| {
        let as_json = ("application/json", first.body.as_str());
        [
            ("get", first.request.as_str(), None),
            ("post", LOCATE, Some(as_json)),
        ]
    });
    let look_ups = look_ups.map(|(method, request, body)| ApiExample {
        method,
        path: LOCATE,
        request,
        body,
    });
    let others = examples::examples_of(index).iter();
    let others = others.filter(|example| !example.request.is_empty());
    let others = others.map(|example| ApiExample {
        method: &example.method,
        path: &example.path,
        request: &example.request,
        body: example
            .body
            .as_ref()
            .map(|(media_type, text)| (media_type.as_str(), text.as_str())),
    });
    look_ups.chain(others).collect()
}

/// Renders the definition of `/ogc` as a page.
pub(super) fn ogc_page(index: &Index, document: &Value, href: &str) -> Markup {
    let page = ApiPage {
        document,
        href,
        base: text_of_first_server(document),
        first: None,
        examples: &[],
    };
    crate::web::openapi(index, &page)
}

fn text_of_first_server(document: &Value) -> &str {
    document["servers"][0]["url"].as_str().unwrap_or_default()
}

const OGC_ROOT: &str = "/ogc";
const ITEMS_PATH: &str = "/collections/{collection}/items";

/// Returns the API definition with only the routes of `/ogc`, for clients that treat the landing
/// page of `/ogc` as the root of the API.
///
/// The path of the items is repeated for every collection, because GDAL searches for the path with
/// the collection id.
pub(super) fn ogc_document(index: &Index, root: &str, collections: &[String]) -> Value {
    let mut document = document_of(index, None);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use http_body_util::BodyExt;
    use tower::Service;

    use super::super::embed::OembedParams;
    use super::super::query_params::QueryParams;
    use super::super::router;
    use super::*;
    use crate::ops::dataset_store::DatasetStore;
    use catchment_core::domain::BritishGrid;
    use catchment_data::dataset::{self, DatasetSource};

    /// The routes whose parameters depend on the extension in their path, with a path for each
    /// extension. The definition of a route contains the parameters of all these paths.
    const PATHS_BY_EXTENSION: [(&str, &[&str]); 3] = [
        (
            "/tiles/{name}",
            &[
                "/tiles/icc.json",
                "/tiles/style.json",
                "/tiles/basemap.json",
                "/tiles/name.pmtiles",
            ],
        ),
        (
            "/maps/{image}",
            &["/maps/icc.svg", "/maps/icc.png", "/maps/icc.pdf"],
        ),
        (
            "/maps/{layer}/{image}",
            &["/maps/icc/id.svg", "/maps/icc/id.png", "/maps/icc/id.pdf"],
        ),
    ];

    /// The parameters of searches for the postcodes near a point in the path.
    const NEAREST: &[&str] = &["limit", "radius", "wideSearch", "strict"];

    /// The operations that ignore unknown parameters, with the parameters that they have.
    const LENIENT_OPERATIONS: [(&str, &str, &[&str]); 28] = [
        ("get", "/oembed", OembedParams::NAMES),
        ("get", "/health/live", &[]),
        ("get", "/health/ready", &[]),
        ("get", "/ping", &[]),
        (
            "get",
            "/postcodes",
            &[
                "lon",
                "lat",
                "longitude",
                "latitude",
                "q",
                "query",
                "limit",
                "radius",
                "wideSearch",
                "strict",
            ],
        ),
        (
            "post",
            "/postcodes",
            &["filter", "limit", "radius", "wideSearch", "strict"],
        ),
        ("get", "/postcodes/{postcode}", &["strict"]),
        ("get", "/postcodes/{postcode}/validate", &[]),
        ("get", "/postcodes/{postcode}/autocomplete", &["limit"]),
        ("get", "/postcodes/{postcode}/nearest", NEAREST),
        ("get", "/postcodes/lon/{longitude}/lat/{latitude}", NEAREST),
        ("get", "/postcodes/lat/{latitude}/lon/{longitude}", NEAREST),
        ("get", "/random/postcodes", &["outcode", "strict"]),
        (
            "get",
            "/outcodes",
            &["lon", "lat", "longitude", "latitude", "limit", "radius"],
        ),
        ("get", "/outcodes/{outcode}", &[]),
        ("get", "/outcodes/{outcode}/nearest", &["limit", "radius"]),
        ("get", "/terminated_postcodes/{postcode}", &[]),
        (
            "get",
            "/mapit/postcode/{postcode}",
            &["generation", "strict"],
        ),
        ("get", "/mapit/postcode/partial/{partial}", &[]),
        (
            "get",
            "/mapit/point/{srid}/{point}",
            &["type", "generation", "min_generation"],
        ),
        ("get", "/mapit/nearest/{srid}/{point}", &[]),
        ("get", "/mapit/area/{id}", &[]),
        ("get", "/mapit/area/{id}/geometry", &[]),
        ("get", "/mapit/area/{id}/example_postcode", &[]),
        ("get", "/mapit/area/{id}/{relation}", &["type"]),
        (
            "get",
            "/mapit/areas/{areas}",
            &["type", "generation", "min_generation"],
        ),
        (
            "get",
            "/mapit/code/{scheme}/{code}",
            &["type", "generation"],
        ),
        ("get", "/mapit/generations", &[]),
    ];

    async fn problem_detail(router: &mut Router, request: Request) -> String {
        let response = match router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let body = response.into_body().collect().await.expect("the body ends");
        let body: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        assert_eq!(body["code"], "unknown_parameter", "{body}");
        body["detail"].as_str().expect("a detail").to_string()
    }

    /// Returns the parameters that the route lists when it rejects an unknown parameter.
    async fn accepted_names(router: &mut Router, request: Request) -> BTreeSet<String> {
        let detail = problem_detail(router, request).await;
        let (_, names) = detail.split_once("allowed: ").expect("the list");
        let names = names.split(", ").filter(|name| *name != "none");
        names.map(str::to_string).collect()
    }

    fn documented_names(operation: &Value) -> BTreeSet<String> {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| match parameter["$ref"].as_str() {
            Some(reference) => DOCUMENT.pointer(&reference[1..]).expect("a component"),
            None => parameter,
        });
        let query = parameters.filter(|parameter| parameter["in"] == "query");
        query
            .map(|parameter| parameter["name"].as_str().expect("a name").to_string())
            .collect()
    }

    /// Returns the members of a JSON body that `POST /api/v1/locate` accepts.
    async fn accepted_members(router: &mut Router) -> BTreeSet<String> {
        let request = Request::post("/api/v1/locate")
            .header("content-type", "application/json")
            .body(Body::from("{\"unknown\":\"\"}"));
        accepted_names(router, request.expect("a request")).await
    }

    fn documented_members(operation: &Value) -> BTreeSet<String> {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let reference = schema["$ref"].as_str().expect("a reference");
        let schema = DOCUMENT.pointer(&reference[1..]).expect("a component");
        let members = schema["properties"].as_object().expect("members");
        members.keys().cloned().collect()
    }

    fn test_router() -> Router {
        let dataset = dataset::read(&DatasetSource::Embedded).expect("the embedded dataset");
        let index = Index::build(dataset).expect("a valid dataset");
        router(App::new(DatasetStore::fixed(index).into()))
    }

    #[test]
    fn limits_of_eastings_and_northings_are_the_documented_ones() {
        let limits = |name: &str| {
            ["minimum", "maximum"].map(|limit| {
                let path = format!("/components/parameters/{name}/schema/{limit}");
                DOCUMENT.pointer(&path).and_then(Value::as_f64)
            })
        };
        let [Some(west), Some(east)] = limits("easting") else {
            panic!("easting has no limits")
        };
        let [Some(south), Some(north)] = limits("northing") else {
            panic!("northing has no limits")
        };
        let is_valid = |easting, northing| BritishGrid::from_metres(easting, northing).is_ok();
        assert!(is_valid(west, south) && is_valid(east, north));
        assert!(!is_valid(west - 1.0, south) && !is_valid(west, south - 1.0));
        assert!(!is_valid(east + 1.0, north) && !is_valid(east, north + 1.0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_route_has_exactly_the_documented_query_parameters() {
        let mut router = test_router();
        let paths = DOCUMENT["paths"].as_object().expect("paths");
        let mut count = 0;
        for (path, item) in paths {
            for method in ["get", "post"] {
                let Some(operation) = item.get(method) else {
                    continue;
                };
                count += 1;
                let documented = documented_names(operation);
                if (path.as_str(), method) == ("/api/v1/locate", "post") {
                    assert!(documented.is_empty(), "the parameters are in the body");
                    let members = accepted_members(&mut router).await;
                    assert_eq!(documented_members(operation), members, "{path}");
                    continue;
                }
                let mut lenient = LENIENT_OPERATIONS.into_iter();
                let lenient = lenient.find(|value| (value.0, value.1) == (method, path.as_str()));
                if let Some((.., names)) = lenient {
                    let names: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
                    assert_eq!(documented, names, "{path}");
                    continue;
                }
                let mut by_extension = PATHS_BY_EXTENSION.into_iter();
                let plain = path.replace(['{', '}'], "");
                let paths = by_extension
                    .find(|(route, _)| route == path)
                    .map_or(vec![plain.as_str()], |(_, paths)| paths.to_vec());
                let mut accepted = BTreeSet::new();
                for path in paths {
                    let request = Request::builder()
                        .method(method.to_uppercase().as_str())
                        .uri(format!("{path}?unknown"))
                        .body(Body::empty());
                    let request = request.expect("a request");
                    accepted.extend(accepted_names(&mut router, request).await);
                }
                assert_eq!(documented, accepted, "{method} {path}");
            }
        }
        assert!(count > 30, "{count}");
    }
}
