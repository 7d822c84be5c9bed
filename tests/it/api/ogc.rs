//! Tests from the Abstract Test Suites of OGC API Features (OGC 17-069r4 and 18-058r1, Annex A),
//! tests with GDAL and OWSLib, and tests of the OpenAPI document.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use catchment::http::{AccessConfig, BatchLimits, IpRateLimit, ServerLimits};
use catchment::ops::keys::{KeyStore, Scope};
use serde_json::{Value, json};

use crate::support::external_tools::{python, report_skipped, stdout_of};
use crate::support::server::{Reply, SERVER, Server, embedded};

const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";
const GRID: &str = "http://www.opengis.net/def/crs/EPSG/0/27700";

#[track_caller]
pub(crate) fn get(path: &str) -> Reply {
    SERVER.get(path).expect(200)
}

#[track_caller]
pub(crate) fn expect_problem(path: &str, status: u16) {
    let reply = SERVER.get(path).expect(status);
    assert_eq!(
        reply.header("content-type"),
        "application/problem+json",
        "{path}"
    );
}

#[track_caller]
pub(crate) fn link<'v>(body: &'v Value, rel: &str) -> &'v Value {
    let links = body["links"].as_array().expect("links");
    let found = links.iter().find(|link| link["rel"] == rel);
    found.unwrap_or_else(|| panic!("no link {rel} in {links:?}"))
}

/// Returns the path of a link, which must be an absolute URL of this server.
#[track_caller]
pub(crate) fn path(link: &Value) -> String {
    let href = link["href"].as_str().expect("an address");
    let rest = href
        .strip_prefix("http://")
        .unwrap_or_else(|| panic!("{href} is not absolute"));
    rest[rest.find('/').expect("a path")..].to_string()
}

fn ids(page: &Value) -> Vec<String> {
    let features = page["features"].as_array().expect("features");
    let id = |feature: &Value| feature["id"].as_str().expect("an id").to_string();
    features.iter().map(id).collect()
}

pub(crate) fn collections() -> Vec<String> {
    let body = get("/ogc/collections").json();
    let collections = body["collections"].as_array().expect("collections");
    collections
        .iter()
        .map(|collection| collection["id"].as_str().expect("an id").to_string())
        .collect()
}

#[test]
fn landing_page_links_resolve() {
    for landing in ["/ogc", "/ogc/"] {
        let body = get(landing).json();
        for rel in [
            "self",
            "alternate",
            "service-desc",
            "service-doc",
            "conformance",
            "data",
            "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector",
            "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes",
        ] {
            let link = link(&body, rel);
            let reply = get(&path(link));
            let kind = link["type"].as_str().expect("a type");
            assert!(
                reply.header("content-type").starts_with(kind),
                "{link}: {reply}"
            );
        }
    }
}

#[test]
fn conformance_lists_the_classes() {
    let body = get("/ogc/conformance").json();
    let classes: Vec<&str> = body["conformsTo"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for class in [
        "features-1/1.0/conf/core",
        "features-1/1.0/conf/geojson",
        "features-1/1.0/conf/html",
        "features-1/1.0/conf/oas30",
        "features-2/1.0/conf/crs",
        "features-3/1.0/conf/queryables",
        "features-3/1.0/conf/queryables-query-parameters",
        "tiles-1/1.0/conf/core",
        "tiles-1/1.0/conf/tileset",
        "tiles-1/1.0/conf/tilesets-list",
        "tiles-1/1.0/conf/dataset-tilesets",
        "tiles-1/1.0/conf/geodata-tilesets",
        "tiles-1/1.0/conf/mvt",
        "tiles-1/1.0/conf/oas30",
    ] {
        assert!(classes.iter().any(|text| text.ends_with(class)), "{class}");
    }
}

#[test]
fn single_collections_match_their_entry_in_the_list() {
    let body = get("/ogc/collections").json();
    for listed in body["collections"].as_array().expect("a list") {
        let id = listed["id"].as_str().expect("an id");
        let single = get(&format!("/ogc/collections/{id}")).json();
        for member in ["id", "title", "extent", "crs", "storageCrs"] {
            assert_eq!(listed[member], single[member], "{id}: {member}");
        }
        let crs: Vec<&Value> = listed["crs"].as_array().expect("a list").iter().collect();
        assert!(
            crs.contains(&&CRS84.into()) && crs.contains(&&listed["storageCrs"]),
            "{id}"
        );
        let bbox = listed["extent"]["spatial"]["bbox"][0]
            .as_array()
            .expect("a box");
        assert_eq!(bbox.len(), 4);
        assert_eq!(
            listed["extent"]["temporal"]["interval"][0]
                .as_array()
                .map(Vec::len),
            Some(2)
        );
        get(&path(link(listed, "items")));
        link(&single, "self");
    }
    expect_problem("/ogc/collections/iccs", 404);
    expect_problem("/ogc/collections/iccs/items", 404);
}

#[test]
fn items_are_counted_and_linked() {
    for id in collections() {
        let reply = get(&format!("/ogc/collections/{id}/items?limit=1000"));
        assert_eq!(reply.header("content-type"), "application/geo+json");
        assert_eq!(reply.header("content-crs"), format!("<{CRS84}>"));
        let page = reply.json();
        assert_eq!(page["type"], "FeatureCollection");
        let count = ids(&page).len();
        assert_eq!(page["numberReturned"], count);
        assert_eq!(
            page["numberMatched"], count,
            "{id}: not all items are on the page"
        );
        let unique: BTreeSet<String> = ids(&page).into_iter().collect();
        assert_eq!(unique.len(), count, "{id}: ids are not unique");
        for rel in ["self", "alternate", "collection"] {
            get(&path(link(&page, rel)));
        }
        let first = &ids(&page)[0];
        let feature = get(&format!("/ogc/collections/{id}/items/{first}")).json();
        assert_eq!(feature["type"], "Feature");
        assert_eq!(feature["id"].as_str(), Some(first.as_str()));
        assert_eq!(feature["geometry"], page["features"][0]["geometry"]);
        assert_eq!(
            path(link(&feature, "collection")),
            format!("/ogc/collections/{id}")
        );
        link(&feature, "self");
    }
    expect_problem("/ogc/collections/icc/items/mb-nowhere", 404);
}

#[test]
fn next_links_lead_through_all_items() {
    let all = ids(&get("/ogc/collections/gp-practice/items?limit=1000").json());
    let mut next =
        Some("/ogc/collections/gp-practice/items?limit=50&provenance=modelled".to_string());
    let mut read = Vec::new();
    while let Some(url) = next {
        let page = get(&url).json();
        read.extend(ids(&page));
        let links = page["links"].as_array().expect("links");
        next = links.iter().find(|link| link["rel"] == "next").map(path);
    }
    assert_eq!(read, all);
}

#[test]
fn limits_are_applied_and_invalid_ones_rejected() {
    let page = get("/ogc/collections/icc/items?limit=3").json();
    assert_eq!(ids(&page).len(), 3);
    get("/ogc/collections/icc/items?limit=10000");
    for limit in ["0", "-1", "abc", "", "1.5"] {
        expect_problem(&format!("/ogc/collections/icc/items?limit={limit}"), 400);
    }
}

#[test]
fn unknown_parameters_and_formats_are_rejected() {
    for path in [
        "/ogc?g=json",
        "/ogc?f=xml",
        "/ogc/conformance?x=1",
        "/ogc/collections?limit=1",
        "/ogc/collections/icc?limit=1",
        "/ogc/collections/icc/items?colour=red",
        "/ogc/collections/icc/items?limit=1&limit=2",
        "/ogc/collections/icc/items/mb-kendal?limit=1",
        "/ogc/collections/icc/items?crs=EPSG:27700",
        "/ogc/collections/icc/items?bbox-crs=http://www.opengis.net/def/crs/EPSG/0/9999&bbox=1,2,3,4",
        "/ogc/collections/icc/items/mb-kendal?crs=nonsense",
        "/ogc/collections/icc/items?bbox=1,2,3",
        "/ogc/collections/icc/items?datetime=yesterday",
        "/ogc/collections/icc/items?offset=-1",
    ] {
        expect_problem(path, 400);
    }
    let reply = SERVER.send("GET", "/ogc", &[("accept", "image/png")], None);
    reply.expect(406);
    SERVER.send("POST", "/ogc", &[], Some("")).expect(405);
}

#[test]
fn bbox_finds_intersecting_areas_in_every_crs() {
    let found = |query: &str| ids(&get(&format!("/ogc/collections/icc/items?{query}")).json());
    // The bounding box contains the market place of Kendal, at SD 516 926.
    let lonlat = found("bbox=-2.75,54.32,-2.74,54.33");
    assert_eq!(lonlat, ["mb-kendal"]);
    assert_eq!(found("bbox=-2.75,54.32,0,-2.74,54.33,100"), lonlat);
    let swapped =
        "bbox=54.32,-2.75,54.33,-2.74&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4326";
    assert_eq!(found(swapped), lonlat);
    assert_eq!(
        found(&format!("bbox=351500,492500,351700,492700&bbox-crs={GRID}")),
        lonlat
    );
    let mercator =
        "bbox=-305800,7231500,-305300,7231900&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/3857";
    assert_eq!(found(mercator), lonlat);
    assert!(found("bbox=0,0,1,1").is_empty());
    assert_eq!(found("bbox=-180,-90,180,90").len(), 16);
    // These bounding boxes cross the antimeridian.
    assert_eq!(found("bbox=170,-90,-10,90").len(), 0);
    assert!(found("bbox=170,-90,-2.7,90").contains(&"mb-kendal".to_string()));
}

#[test]
fn coordinates_are_returned_in_the_requested_crs() {
    let first = |crs: &str| {
        let reply = get(&format!("/ogc/collections/icc/items/mb-kendal?crs={crs}"));
        assert_eq!(reply.header("content-crs"), format!("<{crs}>"));
        let value = reply.json()["geometry"]["coordinates"][0][0][0].clone();
        [0, 1].map(|axis| value[axis].as_f64().expect("a number"))
    };
    let [lon, lat] = first(CRS84);
    assert!((-3.5..-2.0).contains(&lon) && (53.9..55.0).contains(&lat));
    assert_eq!(
        first("http://www.opengis.net/def/crs/EPSG/0/4326"),
        [lat, lon]
    );
    let [easting, northing] = first(GRID);
    assert!(
        (300_000.0..400_000.0).contains(&easting) && (450_000.0..550_000.0).contains(&northing)
    );
}

#[test]
fn datetime_selects_versions() {
    let all = ids(&get("/ogc/collections/icc-history/items?limit=1000").json());
    let count_on = |datetime: &str| {
        let path = format!("/ogc/collections/icc-history/items?limit=1000&datetime={datetime}");
        ids(&get(&path).json()).len()
    };
    assert_eq!(count_on("../.."), all.len());
    assert_eq!(count_on("2025-12-01"), 16);
    assert_eq!(count_on("2025-12-01T12:00:00Z"), 16);
    assert!(all.iter().all(|id| id.contains('@')), "{all:?}");
}

#[test]
fn property_parameters_filter_features() {
    let found = |query: &str| ids(&get(&format!("/ogc/collections/icc/items?{query}")).json());
    assert_eq!(found("id=mb-kendal"), ["mb-kendal"]);
    assert_eq!(found("system=morecambe-bay").len(), 8);
    assert_eq!(found("system=morecambe-bay&id=mb-kendal"), ["mb-kendal"]);
    assert!(found("name=Nowhere").is_empty());
    assert!(found("extent=outer").is_empty());
    let path = "/ogc/collections/resilience-group/items?kind=";
    let kinds = ids(&get(path).json());
    assert!(
        kinds.is_empty(),
        "an empty kind must not match any area: {kinds:?}"
    );
}

/// Each queryable is a parameter that selects the features with the given value of the property.
#[test]
fn queryables_are_the_properties_that_filter() {
    for id in collections() {
        let collection = get(&format!("/ogc/collections/{id}")).json();
        let queryables = link(
            &collection,
            "http://www.opengis.net/def/rel/ogc/1.0/queryables",
        );
        let reply = get(&path(queryables));
        assert_eq!(reply.header("content-type"), "application/schema+json");
        let schema = reply.json();
        assert!(
            schema["$schema"]
                .as_str()
                .is_some_and(|text| text.ends_with("2020-12/schema"))
        );
        let address = schema["$id"].as_str().expect("the URL of the schema");
        assert!(address.ends_with(&path(queryables)), "{address}");
        let properties = schema["properties"].as_object().expect("properties");
        assert!(properties.contains_key("id") && properties.contains_key("name"));
        let all = get(&format!("/ogc/collections/{id}/items?limit=1000")).json();
        let features = all["features"].as_array().expect("features");
        for (name, about) in properties {
            let value = |feature: &Value| feature["properties"][name].as_str().map(str::to_string);
            let values: BTreeSet<String> = features.iter().filter_map(value).collect();
            if let Some(words) = about["enum"].as_array() {
                assert!(
                    values
                        .iter()
                        .all(|text| words.contains(&text.as_str().into())),
                    "{id}: {name}"
                );
            }
            // Try at most four values of each property.
            for selected in values.iter().take(4) {
                let query =
                    crate::support::server::encode_fields(&[(name, selected), ("limit", "1000")]);
                let found = ids(&get(&format!("/ogc/collections/{id}/items?{query}")).json());
                let expected = features
                    .iter()
                    .filter(|feature| value(feature).as_ref() == Some(selected))
                    .count();
                assert_eq!(found.len(), expected, "{id}: {name}={selected}");
            }
        }
    }
    expect_problem("/ogc/collections/iccs/queryables", 404);
    expect_problem("/ogc/collections/icc/queryables?limit=1", 400);
}

#[test]
fn html_pages_have_working_links() {
    let html = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    for path in [
        "/ogc",
        "/ogc/conformance",
        "/ogc/api",
        "/ogc/collections",
        "/ogc/collections/icc",
        "/ogc/collections/icc/items",
        "/ogc/collections/icc/items?limit=2&offset=2",
        "/ogc/collections/icc/items/mb-kendal",
        "/ogc/collections/icc/queryables",
        "/ogc/collections/icc/tiles",
        "/ogc/collections/icc/tiles/WebMercatorQuad",
        "/ogc/tiles",
        "/ogc/tiles/WebMercatorQuad",
        "/ogc/tileMatrixSets",
        "/ogc/tileMatrixSets/WebMercatorQuad",
        "/docs",
    ] {
        let reply = SERVER.send("GET", path, &html, None).expect(200);
        assert!(
            reply.header("content-type").starts_with("text/html"),
            "{path}"
        );
        let page = reply.text();
        for (index, _) in page.match_indices("href=\"") {
            let rest = &page[index + 6..];
            let href = rest[..rest.find('"').expect("closed")].replace("&amp;", "&");
            let own = href
                .strip_prefix("http://127.0.0.1")
                .map(|rest| &rest[rest.find('/').expect("a path")..]);
            match own.or(href.starts_with('/').then_some(&href)) {
                Some(own) => drop(get(own)),
                None => assert!(
                    href.starts_with('#') || href.starts_with("http"),
                    "{path}: {href}"
                ),
            }
        }
    }
}

#[test]
fn responses_have_etags() {
    for path in [
        "/ogc",
        "/ogc/collections/icc/items?limit=2",
        "/openapi.json",
    ] {
        let reply = get(path);
        let tag = reply.header("etag").to_string();
        let again = SERVER.send("GET", path, &[("if-none-match", &tag)], None);
        again.expect(304);
        assert!(reply.header("vary").contains("host"), "{path}");
    }
}

#[test]
fn openapi_document_lists_exactly_the_routes() {
    let router = include_str!("../../../src/http/mod.rs");
    let routes: BTreeSet<&str> = router
        .match_indices(".route(")
        .map(|(index, _)| {
            let rest = &router[index..];
            let start = rest.find('"').expect("a path") + 1;
            &rest[start..start + rest[start..].find('"').expect("closed")]
        })
        .collect();
    // The following routes are not in the document. They are HTML pages, scripts, and the second
    // path of the OGC landing page.
    let pages = [
        "/",
        "/batch",
        "/privacy",
        "/accessibility",
        "/robots.txt",
        "/sources",
        "/areas",
        "/areas/{layer}",
        "/areas/{layer}/{id}",
        "/areas/{layer}/{id}/postcodes",
        "/practices",
        "/practices/{ods_code}",
        "/practices/{ods_code}/postcodes",
        "/groups",
        "/groups/{id}",
        "/groups/{id}/postcodes",
        "/partnerships",
        "/partnerships/{id}",
        "/compare",
        "/changes",
        "/docs",
        "/assets/{name}",
        "/ogc",
        "/embed",
        "/embed.js",
        "/put-this-map-on-your-site",
        "/widget.js",
    ];
    let expected: BTreeSet<&str> = routes
        .iter()
        .copied()
        .filter(|path| !pages.contains(path))
        .collect();
    let document = get("/openapi.json").json();
    let paths = document["paths"].as_object().expect("paths");
    let documented: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    assert_eq!(documented, expected);
    for (path, operations) in paths {
        let path = path.replace(['{', '}'], "");
        for method in ["get", "post"] {
            let is_documented = operations.get(method).is_some();
            let body = (method == "post").then_some("");
            let reply = SERVER.send(&method.to_uppercase(), &path, &[], body);
            assert_eq!(
                reply.status != 405,
                is_documented,
                "{method} {path}: {reply}"
            );
        }
    }
}

/// Returns the method, path and description of each operation in the API document. In each path,
/// the names of parameters are used as their values.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations_of = |(path, item): (&String, &Value)| {
        let path = path.replace(['{', '}'], "");
        let operations = ["get", "post"].map(|method| (method, item.get(method).cloned()));
        operations
            .map(|(method, operation)| Some((method.to_uppercase(), path.clone(), operation?)))
    };
    paths.iter().flat_map(operations_of).flatten().collect()
}

/// Sends a request for every documented operation. Returns the name, the description and the
/// response of each operation.
fn send_every_operation(server: &Server) -> Vec<(String, Value, Reply)> {
    let document = get("/openapi.json").json();
    let responses = operations(&document)
        .into_iter()
        .map(|(method, path, value)| {
            let body = (method == "POST").then_some("");
            let reply = server.send(&method, &path, &[], body);
            (format!("{method} {path}"), value, reply)
        });
    responses.collect()
}

#[test]
fn openapi_document_states_where_401_and_429_occur() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("keys.toml");
    std::fs::write(&path, "").expect("written");
    let key_needed = AccessConfig {
        keys: Some(Arc::new(KeyStore::open(&path).expect("readable"))),
        scopes_requiring_key: Scope::ALL.to_vec(),
        ..AccessConfig::default()
    };
    let rate_limited = AccessConfig {
        ip_rate_limit: IpRateLimit::AllClients("1/day".parse().expect("a rate")),
        ..AccessConfig::default()
    };
    let server_with = |access| {
        Server::with_access(
            embedded(),
            ServerLimits::default(),
            BatchLimits::default(),
            access,
        )
    };
    for (name, operation, reply) in send_every_operation(&server_with(key_needed)) {
        let accepts_key = operation["security"] == json!([{}, { "key": [] }]);
        assert_eq!(reply.status == 401, accepts_key, "{name}: {reply}");
        assert_eq!(
            operation["responses"].get("403").is_some(),
            accepts_key,
            "{name}"
        );
        assert!(!reply.header("x-request-id").is_empty(), "{reply}");
    }
    let rate_limited = server_with(rate_limited);
    rate_limited.get("/").expect(200);
    for (name, operation, reply) in send_every_operation(&rate_limited) {
        let is_rate_limited = operation["responses"].get("429").is_some();
        assert_eq!(reply.status == 429, is_rate_limited, "{name}: {reply}");
        assert_eq!(
            operation["responses"].get("401").is_some(),
            is_rate_limited,
            "{name}"
        );
    }
}

#[test]
fn documented_responses_have_a_request_id_header() {
    let document = get("/openapi.json").json();
    for (method, path, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let response = match response["$ref"].as_str() {
                Some(reference) => document
                    .pointer(&reference[1..])
                    .expect("the reference resolves"),
                None => response,
            };
            let header = &response["headers"]["X-Request-Id"];
            assert!(header.is_object(), "{method} {path} {status}: {response}");
        }
    }
}

/// Checks the service with GDAL, OWSLib, PROJ and an OpenAPI validator, if `CATCHMENT_PYTHON` is
/// set.
#[test]
fn gdal_and_owslib_can_connect() {
    let Some(mut python) = python("GDAL and OWSLib") else {
        return;
    };
    stdout_of(python.args(["tests/clients/gis.py", &SERVER.origin()]));
}

/// Checks the service with Debian's version of GDAL, if it is installed. Debian's version is older
/// than the version in the Python package.
#[test]
fn ogrinfo_reads_every_feature_and_filters_on_the_server() {
    let run = |arguments: &[&str]| {
        let source = format!("OAPIF:{}/ogc", SERVER.origin());
        let (options, layer) = arguments.split_at(arguments.len() - 1);
        let mut command = Command::new("ogrinfo");
        command
            .env("CPL_DEBUG", "HTTP")
            .arg("-ro")
            .args(options)
            .arg(source)
            .args(layer);
        let output = command.output().ok()?;
        assert!(output.status.success(), "{output:?}");
        let [stdout, debug] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Some((stdout, debug))
    };
    if run(&["--version"]).is_none() {
        report_skipped("ogrinfo: install gdal-bin, or add ogrinfo to the PATH");
        return;
    }
    let count = |stdout: &str| -> u64 {
        let mut lines = stdout.lines();
        let count = lines.find_map(|line| line.strip_prefix("Feature Count: "));
        count.and_then(|text| text.parse().ok()).expect("a count")
    };
    for id in collections() {
        let page = get(&format!("/ogc/collections/{id}/items?limit=1")).json();
        let (stdout, _) = run(&["-so", &id]).expect("ogrinfo is installed");
        assert_eq!(page["numberMatched"], count(&stdout), "{id}");
        let (stdout, _) = run(&["-q", &id]).expect("ogrinfo is installed");
        let read = stdout
            .lines()
            .filter(|line| line.starts_with("OGRFeature("));
        assert_eq!(page["numberMatched"], read.count(), "{id}");
    }
    let (stdout, debug) =
        run(&["-so", "-where", "system = 'morecambe-bay'", "icc"]).expect("ogrinfo is installed");
    assert_eq!(count(&stdout), 8, "{stdout}");
    assert!(
        debug.contains("system=morecambe-bay"),
        "GDAL must filter on the server, not on the client: {debug}"
    );
}

/// Sends generated requests to every operation and checks the responses against the API document.
#[test]
#[ignore = "takes minutes"]
fn generated_requests_conform_to_the_openapi_document() {
    let Some(mut python) = python("schemathesis") else {
        return;
    };
    python
        .args(["-m", "schemathesis.cli", "--config-file"])
        .args(["tests/clients/schemathesis.toml", "run", "--checks", "all"])
        .args(["--max-examples", "50", "--seed", "1"])
        .arg(format!("{}/openapi.json", SERVER.origin()));
    stdout_of(&mut python);
}
