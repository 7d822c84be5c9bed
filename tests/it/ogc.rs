//! OGC API Features: its Abstract Test Suite (OGC 17-069r4 and 18-058r1, Annex A), and use by GDAL
//! and OWSLib. Also the OpenAPI document.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use catchment::http::{AccessConfig, IpRateLimit, BatchLimits, ServerLimits};
use catchment::keys::{KeyStore, Scope};
use serde_json::{Value, json};

use crate::programs::{printed, python, tell_skipped};
use crate::server::{Reply, SERVER, Server, embedded};

const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";
const GRID: &str = "http://www.opengis.net/def/crs/EPSG/0/27700";

#[track_caller]
pub(crate) fn get(path: &str) -> Reply {
    SERVER.get(path).expect(200)
}

#[track_caller]
pub(crate) fn refused(path: &str, status: u16) {
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

/// Returns the path of a link to this server, which must be absolute.
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
        .map(|it| it["id"].as_str().expect("an id").to_string())
        .collect()
}

#[test]
fn every_link_of_the_landing_page_leads_somewhere() {
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
fn conformance_names_the_classes() {
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
        assert!(classes.iter().any(|it| it.ends_with(class)), "{class}");
    }
}

#[test]
fn every_collection_is_described_alike_in_the_list_and_alone() {
    let list = get("/ogc/collections").json();
    for listed in list["collections"].as_array().expect("a list") {
        let id = listed["id"].as_str().expect("an id");
        let alone = get(&format!("/ogc/collections/{id}")).json();
        for member in ["id", "title", "extent", "crs", "storageCrs"] {
            assert_eq!(listed[member], alone[member], "{id}: {member}");
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
        link(&alone, "self");
    }
    refused("/ogc/collections/iccs", 404);
    refused("/ogc/collections/iccs/items", 404);
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
        assert_eq!(page["numberMatched"], count, "{id}: not all items are on the page");
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
    refused("/ogc/collections/icc/items/mb-nowhere", 404);
}

#[test]
fn pages_follow_each_other_to_the_end() {
    let all = ids(&get("/ogc/collections/gp-practice/items?limit=1000").json());
    let mut next =
        Some("/ogc/collections/gp-practice/items?limit=50&provenance=modelled".to_string());
    let mut read = Vec::new();
    while let Some(here) = next {
        let page = get(&here).json();
        read.extend(ids(&page));
        let links = page["links"].as_array().expect("links");
        next = links.iter().find(|link| link["rel"] == "next").map(path);
    }
    assert_eq!(read, all);
}

#[test]
fn limits_are_kept_and_wrong_ones_refused() {
    let page = get("/ogc/collections/icc/items?limit=3").json();
    assert_eq!(ids(&page).len(), 3);
    get("/ogc/collections/icc/items?limit=10000");
    for limit in ["0", "-1", "abc", "", "1.5"] {
        refused(&format!("/ogc/collections/icc/items?limit={limit}"), 400);
    }
}

#[test]
fn what_is_unknown_is_refused() {
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
        refused(path, 400);
    }
    let reply = SERVER.send("GET", "/ogc", &[("accept", "image/png")], None);
    reply.expect(406);
    SERVER.send("POST", "/ogc", &[], Some("")).expect(405);
}

#[test]
fn a_box_finds_what_touches_it_in_every_system() {
    let found = |query: &str| ids(&get(&format!("/ogc/collections/icc/items?{query}")).json());
    // The market place of Kendal: SD 516 926.
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
    // Across the antimeridian.
    assert_eq!(found("bbox=170,-90,-10,90").len(), 0);
    assert!(found("bbox=170,-90,-2.7,90").contains(&"mb-kendal".to_string()));
}

#[test]
fn coordinates_come_in_the_system_that_is_asked_for() {
    let first = |crs: &str| {
        let reply = get(&format!("/ogc/collections/icc/items/mb-kendal?crs={crs}"));
        assert_eq!(reply.header("content-crs"), format!("<{crs}>"));
        let at = reply.json()["geometry"]["coordinates"][0][0][0].clone();
        [0, 1].map(|axis| at[axis].as_f64().expect("a number"))
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
fn time_chooses_among_versions() {
    let all = ids(&get("/ogc/collections/icc-history/items?limit=1000").json());
    let on = |datetime: &str| {
        let path = format!("/ogc/collections/icc-history/items?limit=1000&datetime={datetime}");
        ids(&get(&path).json()).len()
    };
    assert_eq!(on("../.."), all.len());
    assert_eq!(on("2025-12-01"), 16);
    assert_eq!(on("2025-12-01T12:00:00Z"), 16);
    assert!(all.iter().all(|id| id.contains('@')), "{all:?}");
}

#[test]
fn properties_choose_among_features() {
    let found = |query: &str| ids(&get(&format!("/ogc/collections/icc/items?{query}")).json());
    assert_eq!(found("id=mb-kendal"), ["mb-kendal"]);
    assert_eq!(found("system=morecambe-bay").len(), 8);
    assert_eq!(found("system=morecambe-bay&id=mb-kendal"), ["mb-kendal"]);
    assert!(found("name=Nowhere").is_empty());
    assert!(found("extent=outer").is_empty());
    let path = "/ogc/collections/resilience-group/items?kind=";
    let kinds = ids(&get(path).json());
    assert!(kinds.is_empty(), "areas have an empty kind: {kinds:?}");
}

/// Each queryable is a parameter, which selects the features with this value of the property.
#[test]
fn queryables_are_the_properties_that_choose() {
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
                .is_some_and(|it| it.ends_with("2020-12/schema"))
        );
        let address = schema["$id"].as_str().expect("the URL of the schema");
        assert!(address.ends_with(&path(queryables)), "{address}");
        let named = schema["properties"].as_object().expect("properties");
        assert!(named.contains_key("id") && named.contains_key("name"));
        let all = get(&format!("/ogc/collections/{id}/items?limit=1000")).json();
        let features = all["features"].as_array().expect("features");
        for (name, about) in named {
            let value = |feature: &Value| feature["properties"][name].as_str().map(str::to_string);
            let values: BTreeSet<String> = features.iter().filter_map(value).collect();
            if let Some(words) = about["enum"].as_array() {
                assert!(
                    values.iter().all(|it| words.contains(&it.as_str().into())),
                    "{id}: {name}"
                );
            }
            // At most four values of each property.
            for wanted in values.iter().take(4) {
                let query = crate::server::encoded(&[(name, wanted), ("limit", "1000")]);
                let found = ids(&get(&format!("/ogc/collections/{id}/items?{query}")).json());
                let expected = features
                    .iter()
                    .filter(|it| value(it).as_ref() == Some(wanted))
                    .count();
                assert_eq!(found.len(), expected, "{id}: {name}={wanted}");
            }
        }
    }
    refused("/ogc/collections/iccs/queryables", 404);
    refused("/ogc/collections/icc/queryables?limit=1", 400);
}

#[test]
fn a_browser_gets_pages_and_every_link_on_them_works() {
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
        for (at, _) in page.match_indices("href=\"") {
            let rest = &page[at + 6..];
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
fn an_answer_is_known_again_by_its_tag() {
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
fn every_route_is_in_the_document_and_the_other_way_round() {
    let router = include_str!("../../src/http/mod.rs");
    let routes: BTreeSet<&str> = router
        .match_indices(".route(")
        .map(|(at, _)| {
            let rest = &router[at..];
            let start = rest.find('"').expect("a path") + 1;
            &rest[start..start + rest[start..].find('"').expect("closed")]
        })
        .collect();
    // HTML pages and scripts, and the other path of the landing page.
    let pages = [
        "/",
        "/batch",
        "/privacy",
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
        "/compare",
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

/// Returns the operations of the API document: method, path with made-up segments, and description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &Value)| {
        let path = path.replace(['{', '}'], "");
        let operations = ["get", "post"].map(|method| (method, item.get(method).cloned()));
        operations.map(|(method, it)| Some((method.to_uppercase(), path.clone(), it?)))
    };
    paths.iter().flat_map(of).flatten().collect()
}

/// Sends every documented operation; returns its name, its description and the response.
fn statuses(server: &Server) -> Vec<(String, Value, Reply)> {
    let document = get("/openapi.json").json();
    let asked = operations(&document).into_iter().map(|(method, path, it)| {
        let body = (method == "POST").then_some("");
        let reply = server.send(&method, &path, &[], body);
        (format!("{method} {path}"), it, reply)
    });
    asked.collect()
}

#[test]
fn the_document_says_where_a_key_is_asked_for_and_where_patience_is() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("keys.toml");
    std::fs::write(&path, "").expect("written");
    let closed = AccessConfig {
        keys: Some(Arc::new(KeyStore::open(&path).expect("readable"))),
        scopes_requiring_key: Scope::ALL.to_vec(),
        ..AccessConfig::default()
    };
    let exhausted = AccessConfig {
        ip_rate_limit: IpRateLimit::AllClients("1/day".parse().expect("a rate")),
        ..AccessConfig::default()
    };
    let served = |access| {
        Server::with_access(
            embedded(),
            ServerLimits::default(),
            BatchLimits::default(),
            access,
        )
    };
    for (asked, operation, reply) in statuses(&served(closed)) {
        let takes_key = operation["security"] == json!([{}, { "key": [] }]);
        assert_eq!(reply.status == 401, takes_key, "{asked}: {reply}");
        assert_eq!(
            operation["responses"].get("403").is_some(),
            takes_key,
            "{asked}"
        );
        assert!(!reply.header("x-request-id").is_empty(), "{reply}");
    }
    let exhausted = served(exhausted);
    exhausted.get("/").expect(200);
    for (asked, operation, reply) in statuses(&exhausted) {
        let is_counted = operation["responses"].get("429").is_some();
        assert_eq!(reply.status == 429, is_counted, "{asked}: {reply}");
        assert_eq!(
            operation["responses"].get("401").is_some(),
            is_counted,
            "{asked}"
        );
    }
}

#[test]
fn every_answer_in_the_document_has_the_id_of_its_request() {
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

/// With GDAL, OWSLib, PROJ and an OpenAPI validator, if Python has them.
#[test]
fn gis_programs_just_connect() {
    let Some(mut python) = python("GDAL and OWSLib") else {
        return;
    };
    printed(python.args(["tests/clients/gis.py", &SERVER.origin()]));
}

/// With GDAL from Debian, which is older than that of the Python package, if it is installed.
#[test]
fn ogrinfo_reads_every_feature_and_lets_the_server_choose() {
    let run = |arguments: &[&str]| {
        let there = format!("OAPIF:{}/ogc", SERVER.origin());
        let (options, layer) = arguments.split_at(arguments.len() - 1);
        let mut command = Command::new("ogrinfo");
        command
            .env("CPL_DEBUG", "HTTP")
            .arg("-ro")
            .args(options)
            .arg(there)
            .args(layer);
        let output = command.output().ok()?;
        assert!(output.status.success(), "{output:?}");
        let [told, debug] =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        Some((told, debug))
    };
    if run(&["--version"]).is_none() {
        tell_skipped("ogrinfo: not on the PATH; install gdal-bin");
        return;
    }
    let count = |told: &str| -> u64 {
        let mut lines = told.lines();
        let count = lines.find_map(|line| line.strip_prefix("Feature Count: "));
        count.and_then(|it| it.parse().ok()).expect("a count")
    };
    for id in collections() {
        let page = get(&format!("/ogc/collections/{id}/items?limit=1")).json();
        let (told, _) = run(&["-so", &id]).expect("ogrinfo is installed");
        assert_eq!(page["numberMatched"], count(&told), "{id}");
        let (told, _) = run(&["-q", &id]).expect("ogrinfo is installed");
        let read = told.lines().filter(|it| it.starts_with("OGRFeature("));
        assert_eq!(page["numberMatched"], read.count(), "{id}");
    }
    let (told, debug) =
        run(&["-so", "-where", "system = 'morecambe-bay'", "icc"]).expect("ogrinfo is installed");
    assert_eq!(count(&told), 8, "{told}");
    assert!(
        debug.contains("system=morecambe-bay"),
        "GDAL filters on the client: {debug}"
    );
}

/// Sends generated requests to every operation and checks the responses against the API document.
#[test]
#[ignore = "takes minutes"]
fn made_up_requests_are_answered_as_the_document_says() {
    let Some(mut python) = python("schemathesis") else {
        return;
    };
    python
        .args(["-m", "schemathesis.cli", "--config-file"])
        .args(["tests/clients/schemathesis.toml", "run", "--checks", "all"])
        .args(["--max-examples", "50", "--seed", "1"])
        .arg(format!("{}/openapi.json", SERVER.origin()));
    printed(&mut python);
}
