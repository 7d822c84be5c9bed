//! Tests of the routes of MapIt (docs/users/mapit.md). The fields of areas and postcodes, and the
//! texts of errors, are those of its documentation and its responses.

use std::collections::BTreeSet;
use std::sync::Arc;

use catchment::http::{App, ServerLimits};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;
use serde_json::{Value, json};

use crate::ops::releases::{ReleaseFolders, get};
use crate::support::external_tools::{python, stdout_of};
use crate::support::process::ServiceProcess;
use crate::support::server::{Reply, SERVER, Server, embedded};

const JSON: &str = "application/json";

const AREA_FIELDS: [&str; 11] = [
    "all_names",
    "codes",
    "country",
    "country_name",
    "generation_high",
    "generation_low",
    "id",
    "name",
    "parent_area",
    "type",
    "type_name",
];

fn body(path: &str) -> Value {
    let reply = SERVER.get(path).expect(200);
    assert_eq!(reply.header("content-type"), JSON, "{reply}");
    reply.json()
}

fn ids(areas: &Value) -> Vec<String> {
    let areas = areas.as_object().unwrap_or_else(|| panic!("{areas}"));
    for (id, area) in areas {
        assert_eq!(area["id"], *id, "{area}");
        let fields: Vec<&str> = area
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        let fields: BTreeSet<&str> = fields.into_iter().collect();
        assert!(fields.into_iter().eq(AREA_FIELDS), "{area}");
    }
    areas.keys().cloned().collect()
}

#[track_caller]
fn check_error(reply: &Reply, status: u16, error: &str) {
    assert_eq!(reply.status, status, "{reply}");
    assert_eq!(reply.header("content-type"), JSON, "{reply}");
    let expected = json!({ "error": error, "code": status });
    assert_eq!(reply.json(), expected, "{reply}");
}

/// Returns the ids of the areas of residence in our own answer, as ids of MapIt's routes.
fn ids_of_answer(answer: &Value) -> BTreeSet<String> {
    let layers = answer["residence"].as_object().expect("layers").iter();
    let areas = layers.flat_map(|(layer, areas)| {
        let areas = areas.as_array().into_iter().flatten();
        areas.map(move |area| format!("{layer}:{}", area["id"].as_str().expect("an id")))
    });
    areas.collect()
}

#[test]
fn postcodes_are_in_the_areas_of_our_own_answer() {
    for postcode in ["LA18 4DB", "LA9 6SA", "BB1 1AE", "CA1 1AA", "LA1 1AA"] {
        let found = body(&format!("/mapit/postcode/{}", postcode.replace(' ', "%20")));
        let own = SERVER.locate(&[("postcode", postcode)]).expect(200).json();
        assert_eq!(found["catchment"], own, "{postcode}");
        let areas: BTreeSet<String> = ids(&found["areas"]).into_iter().collect();
        assert_eq!(areas, ids_of_answer(&own), "{postcode}");
        let location = &own["location"];
        for (field, expected) in [
            ("postcode", &json!(postcode)),
            ("easting", &location["easting"]),
            ("northing", &location["northing"]),
            ("wgs84_lon", &location["longitude"]),
            ("wgs84_lat", &location["latitude"]),
            ("coordsyst", &json!("G")),
        ] {
            assert_eq!(&found[field], expected, "{postcode} {field}");
        }
    }
    let reply = SERVER
        .get("/mapit/postcode/la184db.json?strict")
        .expect(200);
    assert_eq!(reply.header("cache-control"), "no-store", "{reply}");
    let strict = reply.json();
    assert_eq!(strict["catchment"], Value::Null);
    assert_eq!(
        strict["shortcuts"],
        json!({ "council": "council:E06000063" })
    );
    let council = &strict["areas"]["council:E06000063"];
    let expected = json!({
        "parent_area": null, "generation_high": 1, "all_names": {}, "id": "council:E06000063",
        "codes": { "gss": "E06000063" }, "name": "Cumberland", "country": "E",
        "type_name": council["type_name"], "generation_low": 1, "country_name": "England",
        "type": "council",
    });
    assert_eq!(*council, expected);
    assert_eq!(
        strict["areas"]["sub-community:mb-millom"]["country_name"],
        "-"
    );
    let parent = &strict["areas"]["sub-community:mb-millom"]["parent_area"];
    assert_eq!(parent, "icc:mb-barrow-and-millom");
    // Lancaster has two levels of councils, but the dataset has no layer of counties.
    let lancaster = body("/mapit/postcode/LA1%201AA?strict");
    let council = json!({ "district": "council:E07000121" });
    assert_eq!(lancaster["shortcuts"]["council"], council);
}

#[test]
fn points_are_in_the_areas_of_our_own_answer() {
    let own = SERVER.locate(&[("easting", "317303"), ("northing", "480077")]);
    let own = own.expect(200).json();
    let (lon, lat) = (&own["location"]["longitude"], &own["location"]["latitude"]);
    let expected = ids_of_answer(&own);
    for path in [
        "/mapit/point/27700/317303,480077".to_string(),
        "/mapit/point/osgb/317303,480077.json".to_string(),
        format!("/mapit/point/4326/{lon},{lat}"),
        format!("/mapit/point/latlon/{lat},{lon}"),
        format!("/mapit/point/4326/{lon},{lat}?min_generation=-1"),
    ] {
        let areas: BTreeSet<String> = ids(&body(&path)).into_iter().collect();
        assert_eq!(areas, expected, "{path}");
    }
    let of_types = ids(&body(
        "/mapit/point/27700/317303,480077?type=council,icc,WMC",
    ));
    assert_eq!(of_types, ["council:E06000063", "icc:mb-barrow-and-millom"]);
    assert_eq!(body("/mapit/point/4326/0,0"), json!({}));
}

#[test]
fn invalid_requests_are_errors_in_the_format_of_mapit() {
    for (path, status, error) in [
        ("/mapit/postcode/nonsense", 400, "Postcode is not valid."),
        (
            "/mapit/postcode/LA18%209ZZ",
            404,
            "No Postcode matches the given query.",
        ),
        (
            "/mapit/postcode/LA18%204BF",
            404,
            "No Postcode matches the given query.",
        ),
        (
            "/mapit/postcode/ZZ99%203VZ",
            404,
            "No Postcode matches the given query.",
        ),
        ("/mapit/postcode/partial/LA99", 404, "Postcode not found"),
        (
            "/mapit/postcode/partial/nonsense",
            400,
            "Partial postcode is not valid.",
        ),
        (
            "/mapit/point/4326/-2.8,91",
            400,
            "Point outside the area geometry",
        ),
        (
            "/mapit/point/4326/54",
            400,
            "A point consists of two numbers with a comma between them, such as -2.8,54.05",
        ),
        (
            "/mapit/nearest/29902/1,1",
            400,
            "The SRID must be 4326 (longitude and latitude), 27700 (British National Grid) or 3857 (Web Mercator)",
        ),
        (
            "/mapit/nearest/4326/0,0",
            404,
            "No postcode found near the point",
        ),
        (
            "/mapit/area/council:E99999999",
            404,
            "No Area matches the given query.",
        ),
        ("/mapit/area/1", 404, "No Area matches the given query."),
        (
            "/mapit/code/gss/E99999999",
            404,
            "No areas were found that matched the code.",
        ),
        (
            "/mapit/areas/council?generation=2",
            400,
            "Bad generation specified; /mapit/generations lists the generations",
        ),
        (
            "/mapit/areas/council?min_generation=x",
            400,
            "Bad min_generation specified; /mapit/generations lists the generations",
        ),
        (
            "/mapit/area/icc:mb-kendal/within",
            404,
            "Unknown lookup of an area: expected covers, covered, overlaps, coverlaps, touches, intersects, children, geometry or example_postcode",
        ),
    ] {
        check_error(&SERVER.get(path), status, error);
    }
    let reply = SERVER.post("/mapit/areas/council", JSON, "{}");
    assert_eq!(reply.status, 405, "{reply}");
    assert_eq!(reply.json()["code"], 405, "{reply}");
}

#[test]
fn areas_are_found_by_id_by_layer_by_code_and_by_name() {
    let kendal = body("/mapit/area/icc:mb-kendal");
    assert_eq!(kendal["name"], "Kendal ICC");
    assert_eq!(body("/mapit/area/mb-kendal.json"), kendal);
    assert_eq!(
        body("/mapit/code/gss/E06000063"),
        body("/mapit/area/E06000063")
    );
    let listed = body("/mapit/areas/icc:mb-kendal,E06000063,icc:unknown");
    assert_eq!(ids(&listed), ["council:E06000063", "icc:mb-kendal"]);
    assert_eq!(listed["icc:mb-kendal"], kendal);
    let of_layers: BTreeSet<String> = ids(&body("/mapit/areas/icb,place")).into_iter().collect();
    let mut expected = BTreeSet::new();
    for layer in ["icb", "place"] {
        let own = SERVER
            .get(&format!("/api/v1/areas/{layer}"))
            .expect(200)
            .json();
        for area in own["areas"].as_array().expect("areas") {
            expected.insert(format!("{layer}:{}", area["id"].as_str().expect("an id")));
        }
    }
    assert_eq!(of_layers, expected);
    assert_eq!(ids(&body("/mapit/areas/kend?type=icc")), ["icc:mb-kendal"]);
    assert_eq!(body("/mapit/areas/WMC"), json!({}));
    let reply = SERVER.get("/mapit/area/icc:mb-kendal").expect(200);
    assert!(!reply.header("etag").is_empty(), "{reply}");
}

#[test]
fn boundaries_are_those_of_our_own_routes() {
    let own = SERVER
        .get("/api/v1/areas/icc/mb-kendal.geojson")
        .expect(200)
        .json();
    let own_rings = own["geometry"]["coordinates"].clone();
    let geometry = body("/mapit/area/icc:mb-kendal.geojson");
    let rings = match own["geometry"]["type"].as_str() {
        Some("Polygon") => json!([own_rings]),
        _ => own_rings,
    };
    assert_eq!(
        geometry,
        json!({ "type": "MultiPolygon", "coordinates": rings })
    );
    for (extension, media_type, beginning) in [
        ("wkt", "text/plain; charset=utf-8", "MULTIPOLYGON ((("),
        (
            "kml",
            "application/vnd.google-earth.kml+xml; charset=utf-8",
            "<?xml ",
        ),
    ] {
        let reply = SERVER.get(&format!("/mapit/area/icc:mb-kendal.{extension}"));
        let reply = reply.expect(200);
        assert_eq!(reply.header("content-type"), media_type, "{reply}");
        assert!(reply.text().starts_with(beginning), "{reply}");
    }
    // This community ended, so it has no boundary today.
    let without_boundary = "/mapit/area/icc:mb-barrow-town";
    for suffix in ["/geometry", "/covers", ".wkt"] {
        let reply = SERVER.get(&format!("{without_boundary}{suffix}"));
        check_error(&reply, 404, "No polygons found");
    }
}

#[test]
fn areas_are_related_to_others() {
    let children = body("/mapit/area/icc:mb-barrow-and-millom/children");
    assert_eq!(
        ids(&children),
        ["sub-community:mb-barrow", "sub-community:mb-millom"]
    );
    let parents = body("/mapit/area/sub-community:mb-millom/covered?type=icc");
    assert_eq!(ids(&parents), ["icc:mb-barrow-and-millom"]);
    let covers = body("/mapit/area/icc:mb-barrow-and-millom/covers?type=sub-community,icc");
    assert_eq!(covers, children);
    let touches = ids(&body("/mapit/area/icc:mb-kendal/touches?type=icc"));
    assert!(touches.contains(&"icc:mb-east".to_string()), "{touches:?}");
    let postcode = body("/mapit/area/icc:mb-kendal/example_postcode");
    let postcode = postcode.as_str().expect("a postcode");
    let own = SERVER.locate(&[("postcode", postcode)]).expect(200).json();
    assert_eq!(own["residence"]["icc"][0]["id"], "mb-kendal");
}

#[test]
fn outward_codes_and_nearest_postcodes_are_those_of_postcodes_io() {
    let expected = SERVER.get("/outcodes/LA18").expect(200).json();
    for path in [
        "/mapit/postcode/partial/la18",
        "/mapit/postcode/partial/LA18%204DB.json",
    ] {
        let found = body(path);
        assert_eq!(found["postcode"], "LA18");
        assert_eq!(found["easting"], expected["result"]["eastings"]);
        assert_eq!(found["wgs84_lat"], expected["result"]["latitude"]);
    }
    let near = SERVER.get("/postcodes?lon=-3.27&lat=54.21&limit=1&radius=2000&strict");
    let near = near.expect(200).json();
    let found = body("/mapit/nearest/4326/-3.27,54.21");
    assert_eq!(found["postcode"]["postcode"], near["result"][0]["postcode"]);
    let distance = near["result"][0]["distance"].as_f64().expect("a number");
    let found = found["postcode"]["distance"].as_f64().expect("a number");
    assert!((found - distance).abs() <= 0.6, "{found} {distance}");
}

#[test]
fn generations_are_the_loaded_releases() {
    let releases = ReleaseFolders::new();
    let (new, old) = (
        releases.publish("new", "2026.1"),
        releases.publish("old", "2025.2"),
    );
    let running = ServiceProcess::start(&["--data", &new, "--data", &old]);
    let json = |path: &str| get(running.address, path).expect(200).json();
    let generations = json("/mapit/generations");
    assert_eq!(generations.as_object().map(serde_json::Map::len), Some(2));
    for (number, version) in [("1", "2025.2"), ("2", "2026.1")] {
        let description = generations[number]["description"].as_str().expect("text");
        assert!(description.ends_with(version), "{generations}");
        for generation in [number, version] {
            let path = format!("/mapit/postcode/LA18%204DB?generation={generation}");
            assert_eq!(json(&path)["catchment"]["dataset"]["version"], version);
        }
    }
    let area = json("/mapit/area/council:E06000063");
    assert_eq!(
        (&area["generation_low"], &area["generation_high"]),
        (&json!(1), &json!(2))
    );
    let current = json("/mapit/postcode/LA18%204DB?generation=0");
    assert_eq!(current["catchment"]["dataset"]["version"], "2026.1");
    let all = json("/mapit/areas/council?min_generation=-1");
    assert_eq!(all, json("/mapit/areas/council"));
}

#[test]
fn the_routes_can_be_turned_off() {
    let index = Index::build(embedded()).expect("the dataset is valid");
    let app = App::new(Arc::new(DatasetStore::fixed(index))).with_compat(None);
    let server = Server::for_app(app, ServerLimits::default());
    for path in ["/mapit/postcode/LA18%204DB", "/mapit/areas/icc"] {
        server.get(path).expect_problem(404, "not_found");
    }
    let document = server.get("/openapi.json").expect(200).json();
    let mut paths = document["paths"].as_object().expect("paths").keys();
    assert!(!paths.any(|path| path.starts_with("/mapit")));
}

/// Compares the relations between areas, and the measures of areas, with GEOS.
#[test]
fn relations_and_measures_agree_with_geos() {
    let Some(mut python) = python("relations between areas on the routes of MapIt") else {
        return;
    };
    python.args(["tests/oracle/mapit.py", &SERVER.origin()]);
    let output = stdout_of(&mut python);
    assert!(output.contains("relations agree"), "{output}");
}
