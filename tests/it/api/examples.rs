//! Checks the schemas and the examples of the API definition: every example is a real response.
//!
//! `INSTA_UPDATE=always cargo test --test it api::examples` writes the examples again. The program
//! contains the file with the examples, so rebuild the program afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs};

use serde_json::{Map, Value, json};

use crate::support::external_tools::{python, stdout_of};
use crate::support::server::{AS_OF, SERVER};

const FILE: &str = "data/api-examples.json";

/// A request whose response is an example: the method and path of the operation, the path and query
/// of the request (in which `{day}` is the as-of date), and the media type of the response.
type Request = (&'static str, &'static str, &'static str, &'static str);

const JSON: &str = "application/json";
const GEOJSON: &str = "application/geo+json";
const CSV: &str = "text/csv";
const BATCH: &str = "/api/v1/batch";
/// The path of bulk requests of postcodes.io.
const BULK: &str = "/postcodes";
const TILESETS: &str = "/ogc/collections/{collection}/tiles";

const REQUESTS: [Request; 61] = [
    ("post", BATCH, "/api/v1/batch?as_of={day}", CSV),
    ("post", BATCH, "/api/v1/batch?check=true&as_of={day}", JSON),
    (
        "get",
        "/api/v1/dataset",
        "/api/v1/dataset?as_of={day}",
        JSON,
    ),
    (
        "get",
        "/dataset.jsonld",
        "/dataset.jsonld",
        "application/ld+json",
    ),
    (
        "get",
        "/api/v1/changes",
        "/api/v1/changes?as_of=2023-03-31",
        JSON,
    ),
    (
        "get",
        "/api/v1/postcodes",
        "/api/v1/postcodes?prefix=LA18&as_of={day}",
        JSON,
    ),
    (
        "get",
        "/api/v1/postcodes/{postcode}",
        "/api/v1/postcodes/LA18%204DB?as_of={day}",
        JSON,
    ),
    (
        "get",
        "/api/v1/practices",
        "/api/v1/practices?postcode=LA18+4DB&limit=2&as_of={day}",
        JSON,
    ),
    (
        "get",
        "/api/v1/practices/{ods_code}",
        "/api/v1/practices/P81002?as_of={day}",
        JSON,
    ),
    ("get", "/api/v1/areas", "/api/v1/areas?as_of={day}", JSON),
    (
        "get",
        "/api/v1/areas/{layer}",
        "/api/v1/areas/icc?as_of={day}",
        JSON,
    ),
    (
        "get",
        "/api/v1/areas/{layer}",
        "/api/v1/areas/icc.geojson?as_of={day}",
        GEOJSON,
    ),
    (
        "get",
        "/api/v1/areas/{layer}/{id}",
        "/api/v1/areas/icc/mb-kendal?as_of={day}",
        JSON,
    ),
    (
        "get",
        "/api/v1/areas/{layer}/{id}",
        "/api/v1/areas/icc/mb-kendal.geojson?as_of={day}",
        GEOJSON,
    ),
    (
        "get",
        "/api/v1/areas/{layer}/{id}/postcodes",
        "/api/v1/areas/icc/mb-kendal/postcodes?limit=2&as_of={day}",
        JSON,
    ),
    ("get", "/ogc/", "/ogc/", JSON),
    ("get", "/ogc/conformance", "/ogc/conformance", JSON),
    (
        "get",
        "/ogc/api",
        "/ogc/api",
        "application/vnd.oai.openapi+json;version=3.0",
    ),
    ("get", "/ogc/collections", "/ogc/collections", JSON),
    (
        "get",
        "/ogc/collections/{collection}",
        "/ogc/collections/icc",
        JSON,
    ),
    (
        "get",
        "/ogc/collections/{collection}/items",
        "/ogc/collections/icc/items?limit=1",
        GEOJSON,
    ),
    (
        "get",
        "/ogc/collections/{collection}/items/{feature}",
        "/ogc/collections/icc/items/{feature}",
        GEOJSON,
    ),
    (
        "get",
        "/ogc/collections/{collection}/queryables",
        "/ogc/collections/icc/queryables",
        "application/schema+json",
    ),
    ("get", TILESETS, "/ogc/collections/icc/tiles", JSON),
    (
        "get",
        "/ogc/collections/{collection}/tiles/{tileMatrixSetId}",
        "/ogc/collections/icc/tiles/WebMercatorQuad",
        JSON,
    ),
    ("get", "/ogc/tiles", "/ogc/tiles", JSON),
    (
        "get",
        "/ogc/tiles/{tileMatrixSetId}",
        "/ogc/tiles/WebMercatorQuad",
        JSON,
    ),
    ("get", "/ogc/tileMatrixSets", "/ogc/tileMatrixSets", JSON),
    (
        "get",
        "/ogc/tileMatrixSets/{tileMatrixSetId}",
        "/ogc/tileMatrixSets/WebMercatorQuad",
        JSON,
    ),
    ("get", "/tiles/{name}", "/tiles/icc.json?as_of={day}", JSON),
    (
        "get",
        "/widget/{layer}",
        "/widget/icc.json?as_of={day}",
        JSON,
    ),
    (
        "get",
        "/widget/{layer}/{id}",
        "/widget/icc/mb-kendal.json?as_of={day}",
        JSON,
    ),
    ("get", "/oembed", "/oembed?url={origin}/", JSON),
    ("get", "/openapi.json", "/openapi.json", JSON),
    ("get", "/health/live", "/health/live", JSON),
    ("get", "/health/ready", "/health/ready", JSON),
    (
        "get",
        "/postcodes",
        "/postcodes?q=LA18+4D&limit=1&strict",
        JSON,
    ),
    ("post", BULK, "/postcodes?filter=postcode,icb", JSON),
    (
        "get",
        "/postcodes/{postcode}",
        "/postcodes/LA18%204DB?strict",
        JSON,
    ),
    (
        "get",
        "/postcodes/{postcode}/validate",
        "/postcodes/LA18%204DB/validate",
        JSON,
    ),
    (
        "get",
        "/postcodes/{postcode}/autocomplete",
        "/postcodes/LA18%204/autocomplete",
        JSON,
    ),
    (
        "get",
        "/postcodes/{postcode}/nearest",
        "/postcodes/LA18%204DB/nearest?limit=1&strict",
        JSON,
    ),
    (
        "get",
        "/postcodes/lon/{longitude}/lat/{latitude}",
        "/postcodes/lon/-3.27/lat/54.21?limit=1&strict",
        JSON,
    ),
    (
        "get",
        "/postcodes/lat/{latitude}/lon/{longitude}",
        "/postcodes/lat/54.21/lon/-3.27?limit=1&strict",
        JSON,
    ),
    // Any other outward code would have a different example each time.
    (
        "get",
        "/random/postcodes",
        "/random/postcodes?outcode=EC1A",
        JSON,
    ),
    (
        "get",
        "/outcodes",
        "/outcodes?lon=-3.27&lat=54.21&limit=1",
        JSON,
    ),
    ("get", "/outcodes/{outcode}", "/outcodes/LA18", JSON),
    (
        "get",
        "/outcodes/{outcode}/nearest",
        "/outcodes/LA18/nearest?limit=1",
        JSON,
    ),
    (
        "get",
        "/terminated_postcodes/{postcode}",
        "/terminated_postcodes/LA18%204BF",
        JSON,
    ),
    ("get", "/ping", "/ping", JSON),
    (
        "get",
        "/mapit/postcode/{postcode}",
        "/mapit/postcode/LA18%204DB?strict",
        JSON,
    ),
    (
        "get",
        "/mapit/postcode/partial/{partial}",
        "/mapit/postcode/partial/LA18",
        JSON,
    ),
    (
        "get",
        "/mapit/point/{srid}/{point}",
        "/mapit/point/4326/-3.27,54.21?type=icc,council",
        JSON,
    ),
    (
        "get",
        "/mapit/nearest/{srid}/{point}",
        "/mapit/nearest/4326/-3.27,54.21",
        JSON,
    ),
    (
        "get",
        "/mapit/area/{id}",
        "/mapit/area/council:E06000063",
        JSON,
    ),
    (
        "get",
        "/mapit/area/{id}/geometry",
        "/mapit/area/council:E06000063/geometry",
        JSON,
    ),
    (
        "get",
        "/mapit/area/{id}/example_postcode",
        "/mapit/area/icc:mb-kendal/example_postcode",
        JSON,
    ),
    (
        "get",
        "/mapit/area/{id}/{relation}",
        "/mapit/area/icc:mb-barrow-and-millom/children",
        JSON,
    ),
    ("get", "/mapit/areas/{areas}", "/mapit/areas/icb", JSON),
    (
        "get",
        "/mapit/code/{scheme}/{code}",
        "/mapit/code/gss/E06000063",
        JSON,
    ),
    ("get", "/mapit/generations", "/mapit/generations", JSON),
];

/// The input of batches.
const ROWS: &str = "postcode,gp_practice\nLA18 4DB,A82033\nLA9 6SA,A82608\n";

/// The body of the bulk request.
const POSTCODES: &str = "{\"postcodes\":[\"LA18 4DB\",\"LA18 4BF\"]}";

/// Returns the media type and the text of the body of a `POST` request.
fn body_of(path: &str) -> (&'static str, &'static str) {
    match path {
        BULK => (JSON, POSTCODES),
        _ => (CSV, ROWS),
    }
}

/// The origin of the service in examples.
const ORIGIN: &str = "https://catchment.example.org";

/// Members whose values depend on the time or on the program, with the values that replace them in
/// examples.
fn volatile_members() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("loaded_at", json!("2026-11-30T09:00:00Z")),
        ("age_days", json!(200)),
        ("edition", json!("2026.1_2025-05-01_96307623")),
    ])
}

/// Shortens a response: lists to two elements (unless they contain numbers), rings to a triangle,
/// and long strings. Also replaces values that depend on the time.
fn shortened(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let volatile = volatile_members();
            let members = members.into_iter().map(|(name, value)| {
                let fixed = volatile.get(name.as_str()).cloned();
                let value = fixed.unwrap_or_else(|| shortened(value));
                (name, value)
            });
            Value::Object(members.collect())
        }
        Value::Array(elements) => {
            let is_position = |value: &Value| value.get(0).is_some_and(Value::is_number);
            if elements.iter().all(Value::is_number) {
                Value::Array(elements)
            } else if elements.len() > 4 && elements.iter().all(is_position) {
                let triangle = elements.iter().take(3).chain(elements.first());
                Value::Array(triangle.cloned().collect())
            } else {
                Value::Array(elements.into_iter().take(2).map(shortened).collect())
            }
        }
        Value::String(text) if text.chars().count() > 400 => {
            let start: String = text.chars().take(400).collect();
            Value::String(format!("{start}…"))
        }
        other => other,
    }
}

/// Returns the id of a feature in the collection of communities.
fn feature_id() -> String {
    let page = SERVER.get("/ogc/collections/icc/items?limit=1").expect(200);
    let id = page.json()["features"][0]["id"].clone();
    id.as_str().expect("an id").to_string()
}

/// Sends the request of an example and returns the example.
fn example_of(request: &Request, feature: &str) -> Value {
    let &(method, path, url, media_type) = request;
    let url = url.replace("{day}", AS_OF).replace("{feature}", feature);
    let sent = url.replace(
        "{origin}",
        &SERVER.origin().replace(':', "%3A").replace('/', "%2F"),
    );
    let reply = match method {
        "post" => {
            let (media_type, body) = body_of(path);
            SERVER.post(&sent, media_type, body)
        }
        _ => SERVER.get(&sent),
    };
    let reply = reply.expect(200);
    let found = reply.header("content-type").to_string();
    assert_eq!(found, media_type, "{sent}");
    let text = reply.text().replace(&SERVER.origin(), ORIGIN);
    let response = match media_type {
        CSV => Value::String(text),
        _ => shortened(serde_json::from_str(&text).expect("JSON")),
    };
    let shown = url.replace("{origin}", &ORIGIN.replace(':', "%3A").replace('/', "%2F"));
    let mut example = json!({
        "method": method, "path": path, "request": shown,
        "media_type": media_type, "response": without_paths(response),
    });
    if method == "post" {
        example["body"] = json!(body_of(path));
    }
    example
}

/// Removes the paths and components from an API definition.
fn without_paths(mut response: Value) -> Value {
    if response.get("openapi").is_some() {
        for section in ["paths", "components"] {
            response[section] = Value::Object(Map::new());
        }
    }
    response
}

fn all_examples() -> Value {
    let feature = feature_id();
    let mut examples: Vec<Value> = REQUESTS
        .iter()
        .map(|request| example_of(request, &feature))
        .collect();
    // The download of a batch returns the same output as the batch itself.
    let output = examples[0]["response"].clone();
    examples.push(json!({
        "method": "get", "path": "/api/v1/batch/{ticket}", "request": "",
        "media_type": CSV, "response": output,
    }));
    let dataset = SERVER.get("/api/v1/dataset").expect(200).json()["name"].clone();
    json!({ "dataset": dataset, "examples": examples })
}

#[test]
fn examples_are_real_responses() {
    let expected = all_examples();
    if env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        let text = serde_json::to_string_pretty(&expected).expect("JSON");
        fs::write(FILE, text + "\n").expect("written");
        return;
    }
    let file: Value = serde_json::from_str(&fs::read_to_string(FILE).expect("the file"))
        .expect("the file is JSON");
    assert_eq!(file["dataset"], expected["dataset"]);
    let (found, expected) = (&file["examples"], &expected["examples"]);
    let (found, expected) = (found.as_array(), expected.as_array());
    let (found, expected) = (found.expect("a list"), expected.expect("a list"));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(
            found, expected,
            "the response has changed; write the examples again (see above)"
        );
    }
}

/// Returns whether a media type allows an example in JSON.
fn has_text_example(media_type: &str) -> bool {
    media_type.contains("json") || media_type == CSV
}

#[test]
fn every_success_has_a_schema_and_an_example() {
    let document = SERVER.get("/openapi.json").expect(200).json();
    let mut without = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let content = &operation["responses"]["200"]["content"];
            let content = content.as_object().expect("a body");
            for (media_type, body) in content {
                let schema = &body["schema"];
                let is_named = schema.get("$ref").is_some() || schema.get("anyOf").is_some();
                let is_text = schema["type"] == "string";
                assert!(
                    is_named || is_text,
                    "{method} {path} {media_type}: {schema}"
                );
            }
            let mut texts = content
                .iter()
                .filter(|(media_type, _)| has_text_example(media_type));
            let has_any = texts.clone().next().is_some();
            if has_any && !texts.any(|(_, body)| body.get("example").is_some()) {
                without.insert(format!("{method} {path}"));
            }
        }
    }
    assert!(without.is_empty(), "there is no example: {without:?}");
}

/// Validates the examples and other responses against the schemas. Every member of a response must
/// be in the schema of the response.
#[test]
fn responses_conform_to_their_schemas() {
    let Some(mut python) = python("schemas of the API definition") else {
        return;
    };
    python.args(["tests/clients/schemas.py", &SERVER.origin()]);
    let output = stdout_of(&mut python);
    assert!(output.contains("responses conform"), "{output}");
}
