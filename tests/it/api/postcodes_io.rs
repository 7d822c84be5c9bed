//! Tests of the routes of postcodes.io (docs/users/compat.md). The lists of fields and the messages
//! of errors are those of its published schema and source.

use std::sync::Arc;

use catchment::domain::{Attribute, AttributeEntry, AttributeKey, AttributeValues};
use catchment::http::{AccessConfig, App, BatchLimits, CompatLimits, ServerLimits};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;
use catchment::ops::keys::Scope;
use serde_json::{Value, json};

use crate::support::external_tools::{python, stdout_of};
use crate::support::server::{Reply, SERVER, Server, embedded};

const FIELDS: &str = "postcode quality eastings northings country nhs_ha longitude latitude \
    european_electoral_region primary_care_trust region lsoa msoa incode outcode \
    parliamentary_constituency parliamentary_constituency_2024 admin_district parish admin_county \
    date_of_introduction admin_ward ced ccg nuts pfa nhs_region ttwa national_park bua icb \
    cancer_alliance lsoa11 msoa11 lsoa21 msoa21 oa21 ruc11 ruc21 lep1 lep2 codes";

const CODES: &str = "admin_district admin_county admin_ward parish parliamentary_constituency \
    parliamentary_constituency_2024 ccg ccg_id ced nuts lsoa msoa lau2 pfa nhs_region ttwa \
    national_park bua icb cancer_alliance lsoa11 msoa11 lsoa21 msoa21 oa21 ruc11 ruc21 lep1 lep2";

const OUTCODE_FIELDS: &str = "outcode longitude latitude northings eastings admin_district parish \
    admin_county admin_ward country parliamentary_constituency";

const JSON: &str = "application/json";

/// Two postcodes in use, of different councils.
const MILLOM: &str = "LA18 4DB";
const KENDAL: &str = "LA9 6SA";

fn result(path: &str) -> Value {
    let reply = SERVER.get(path).expect(200);
    assert_eq!(reply.header("content-type"), JSON, "{reply}");
    assert_eq!(reply.header("cache-control"), "no-store", "{reply}");
    let body = reply.json();
    assert_eq!(body["status"], 200, "{reply}");
    body["result"].clone()
}

fn path_of(postcode: &str) -> String {
    format!("/postcodes/{}", postcode.replace(' ', "%20"))
}

fn bulk(query: &str, body: &Value) -> Reply {
    SERVER.post(&format!("/postcodes{query}"), JSON, &body.to_string())
}

#[track_caller]
fn check_error(reply: &Reply, status: u16, error: &str) {
    assert_eq!(reply.status, status, "{reply}");
    assert_eq!(reply.header("content-type"), JSON, "{reply}");
    let expected = json!({ "status": status, "error": error });
    assert_eq!(reply.json(), expected, "{reply}");
}

/// Checks the names and the order of the members of the first object in JSON text.
#[track_caller]
fn check_order(text: &str, names: &str) {
    let places = names.split_whitespace().map(|name| {
        let place = text.find(&format!("\"{name}\":"));
        place.unwrap_or_else(|| panic!("{name} is not in {text}"))
    });
    let places: Vec<usize> = places.collect();
    assert!(places.is_sorted(), "{text}");
}

fn member_count(names: &str) -> usize {
    names.split_whitespace().count()
}

/// Returns the strings in a member of each element of a list.
fn texts(list: &Value, name: &str) -> Vec<String> {
    let elements = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let texts = elements
        .iter()
        .map(|element| element[name].as_str().expect("text"));
    texts.map(str::to_string).collect()
}

#[test]
fn postcodes_have_the_published_fields_in_order() {
    let strict = SERVER.get(&format!("{}?strict", path_of(MILLOM)));
    let strict = strict.expect(200);
    check_order(strict.text(), FIELDS);
    let codes = &strict.text()[strict.text().find("\"codes\":").expect("codes")..];
    check_order(codes, CODES);
    let found = strict.json()["result"].clone();
    let count = |value: &Value| value.as_object().map(serde_json::Map::len);
    assert_eq!(count(&found), Some(member_count(FIELDS)));
    assert_eq!(count(&found["codes"]), Some(member_count(CODES)));
    for (field, expected) in [
        ("postcode", json!("LA18 4DB")),
        ("quality", json!(1)),
        ("eastings", json!(317_303)),
        ("northings", json!(480_077)),
        ("country", json!("England")),
        ("incode", json!("4DB")),
        ("outcode", json!("LA18")),
        ("admin_district", json!("Cumberland")),
        ("date_of_introduction", json!("198001")),
        ("nhs_ha", Value::Null),
        ("parish", Value::Null),
    ] {
        assert_eq!(found[field], expected, "{field}");
    }
    assert_eq!(found["codes"]["admin_district"], "E06000063");
    assert_eq!(found["codes"]["lsoa"], "E01019299");
    // A value of `strict` does not matter.
    assert_eq!(result(&format!("{}?strict=false", path_of(MILLOM))), found);
    let mut with_answer = result(&path_of(MILLOM));
    let answer = with_answer.as_object_mut().expect("an object");
    assert!(answer.remove("catchment").is_some());
    assert_eq!(with_answer, found);
}

#[test]
fn fields_agree_with_our_own_routes() {
    for postcode in [
        MILLOM, KENDAL, "BB1 1AE", "CA1 1AA", "LA1 1AA", "LA23 1AA", "CA28 0DG",
    ] {
        let found = result(&path_of(postcode));
        let own = SERVER.locate(&[("postcode", postcode)]).expect(200).json();
        assert_eq!(found["catchment"], own, "{postcode}");
        let location = &own["location"];
        for (field, expected) in [
            ("eastings", &location["easting"]),
            ("northings", &location["northing"]),
            ("longitude", &location["longitude"]),
            ("latitude", &location["latitude"]),
        ] {
            assert_eq!(&found[field], expected, "{postcode} {field}");
        }
        for (field, layer) in [
            ("admin_district", "council"),
            ("lsoa", "lsoa11"),
            ("lsoa11", "lsoa11"),
            ("lsoa21", "lsoa21"),
            ("icb", "icb"),
            ("ccg", "sub-icb"),
        ] {
            let area = &own["residence"][layer][0];
            assert_eq!(found[field], area["name"], "{postcode} {field}");
            let codes = &found["codes"];
            assert_eq!(codes[field], area["codes"]["gss"], "{postcode} {field}");
            if field == "ccg" {
                assert_eq!(codes["ccg_id"], area["codes"]["ods"], "{postcode}");
            }
        }
    }
}

#[test]
fn postcodes_that_are_not_in_use_are_errors() {
    for (path, status, error) in [
        ("/postcodes/nonsense", 404, "Invalid postcode"),
        ("/postcodes/AA1%201AA", 404, "Postcode not found"),
        ("/postcodes/LA18%209ZZ", 404, "Postcode not found"),
        ("/postcodes/ZZ99%203VZ", 404, "Postcode not found"),
        ("/postcodes/LA18%209ZZ/nearest", 404, "Postcode not found"),
        ("/postcodes/LA18%204BF/nearest", 404, "Postcode not found"),
        ("/terminated_postcodes/nonsense", 404, "Invalid postcode"),
        (
            "/terminated_postcodes/LA18%204DB",
            404,
            "Terminated postcode not found",
        ),
        ("/outcodes/LA99", 404, "Outcode not found"),
        ("/outcodes/nonsense/nearest", 404, "Outcode not found"),
    ] {
        check_error(&SERVER.get(path), status, error);
    }
    let terminated = json!({
        "postcode": "LA18 4BF", "year_terminated": 2013, "month_terminated": 8,
        "longitude": result("/terminated_postcodes/la184bf")["longitude"],
        "latitude": result("/terminated_postcodes/la184bf")["latitude"],
    });
    let reply = SERVER.get("/postcodes/LA18%204BF");
    let expected =
        json!({ "status": 404, "error": "Postcode not found", "terminated": terminated });
    assert_eq!(reply.expect(404).json(), expected);
    assert_eq!(result("/terminated_postcodes/LA18%204BF"), terminated);
    // The month in which this postcode was terminated is not known.
    let undated = result("/terminated_postcodes/LA1%201BZ");
    assert_eq!(undated["year_terminated"], Value::Null, "{undated}");
    for (text, expected) in [
        ("LA18%204DB", true),
        ("%20la184db%20", true),
        ("LA18%204BF", false),
        ("LA18%209ZZ", false),
        ("nonsense", false),
        // A postcode whose status is not known.
        ("BB1%202FH", true),
    ] {
        assert_eq!(result(&format!("/postcodes/{text}/validate")), expected);
    }
    let country = result("/postcodes/BB1%202FH?strict")["country"].clone();
    assert_eq!(country, "England");
}

#[test]
fn bulk_look_ups_keep_order_and_null_unknown_postcodes() {
    let items = json!([KENDAL, "nonsense", "LA18 4BF", 7, null, "la184db"]);
    let reply = bulk("", &json!({ "postcodes": items })).expect(200);
    let found = reply.json()["result"].clone();
    let queries = [KENDAL, "nonsense", "LA18 4BF", "la184db"];
    assert_eq!(texts(&found, "query"), queries);
    assert_eq!(found[0]["result"], result(&path_of(KENDAL)));
    assert_eq!(found[1]["result"], Value::Null);
    assert_eq!(found[2]["result"], Value::Null);
    assert_eq!(found[3]["result"], result(&path_of(MILLOM)));
    let strict = bulk("?strict", &json!({ "postcodes": [MILLOM] })).expect(200);
    let expected = result(&format!("{}?strict", path_of(MILLOM)));
    assert_eq!(strict.json()["result"][0]["result"], expected);
    let filtered = bulk(
        "?filter=postcode,%20ICB,codes,other",
        &json!({ "postcodes": [MILLOM] }),
    );
    let filtered = filtered.expect(200).json()["result"][0]["result"].clone();
    let names: Vec<&String> = filtered.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["codes", "icb", "postcode"]);
    let catchment = bulk("?filter=catchment", &json!({ "postcodes": [MILLOM] })).expect(200);
    let own = SERVER.locate(&[("postcode", MILLOM)]).json();
    let found = catchment.json()["result"][0]["result"].clone();
    assert_eq!(found, json!({ "catchment": own }));
    let empty = bulk("", &json!({ "postcodes": [] })).expect(200).json();
    assert_eq!(empty["result"], json!([]));
}

#[test]
fn bulk_locations_find_the_nearest_postcodes() {
    let locations = json!([
        { "longitude": -3.27, "latitude": 54.21, "limit": 2, "radius": 2000 },
        { "longitude": "-3.27", "latitude": "54.21", "other": 1 },
        { "longitude": 0, "latitude": 0 },
        { "longitude": -3.27, "latitude": 54.21, "wideSearch": true },
    ]);
    let reply = bulk("?limit=3", &json!({ "geolocations": locations })).expect(200);
    let found = reply.json()["result"].clone();
    let single = result("/postcodes?lon=-3.27&lat=54.21&limit=2&radius=2000");
    let mut expected = single.clone();
    expected[1]
        .as_object_mut()
        .expect("an object")
        .remove("catchment");
    assert_eq!(found[0]["result"], expected);
    let query = json!({ "longitude": -3.27, "latitude": 54.21, "limit": 2, "radius": 2000 });
    assert_eq!(found[0]["query"], query);
    let query = json!({ "longitude": "-3.27", "latitude": "54.21", "limit": "3" });
    assert_eq!(found[1]["query"], query);
    assert_eq!(found[2]["result"], Value::Null);
    assert_eq!(found[3]["result"].as_array().map(Vec::len), Some(3));
    assert_eq!(found[3]["result"][0]["postcode"], single[0]["postcode"]);
}

#[test]
fn invalid_bulk_requests_are_errors() {
    let invalid_json = "Invalid JSON submitted.\nYou need to submit a JSON object with an array of postcodes or geolocation objects.\nAlso ensure that Content-Type is set to application/json\n";
    let invalid_query = "Invalid JSON query submitted. \nYou need to submit a JSON object with an array of postcodes or geolocation objects.\nAlso ensure that Content-Type is set to application/json\n";
    let array = "Invalid data submitted. You need to provide a JSON array";
    let point = "Invalid longitude/latitude submitted";
    for (body, error) in [
        ("{\"postcodes\":", invalid_json),
        ("\"LA18 4DB\"", invalid_json),
        ("", invalid_query),
        ("{}", invalid_query),
        ("[\"LA18 4DB\"]", invalid_query),
        ("{\"postcodes\":\"\"}", invalid_query),
        ("{\"postcodes\":\"LA18 4DB\"}", array),
        ("{\"geolocations\":{\"longitude\":1}}", array),
        ("{\"geolocations\":[{}]}", point),
        ("{\"geolocations\":[null]}", point),
        (
            "{\"geolocations\":[{\"longitude\":\"west\",\"latitude\":54}]}",
            point,
        ),
        (
            "{\"geolocations\":[{\"longitude\":-3,\"latitude\":54,\"limit\":\"many\"}]}",
            "Invalid result limit submitted",
        ),
        (
            "{\"geolocations\":[{\"longitude\":-3,\"latitude\":54,\"radius\":true}]}",
            "Invalid lookup radius submitted",
        ),
    ] {
        check_error(&SERVER.post("/postcodes", JSON, body), 400, error);
    }
    let body = json!({ "postcodes": [MILLOM] }).to_string();
    check_error(
        &SERVER.post("/postcodes", "text/plain", &body),
        400,
        invalid_query,
    );
    bulk("", &json!({ "postcodes": vec![MILLOM; 100] })).expect(200);
    check_error(
        &bulk("", &json!({ "postcodes": vec![MILLOM; 101] })),
        400,
        "Too many postcodes submitted. Up to 100 postcodes can be bulk requested at a time",
    );
    let location = json!({ "longitude": -3.27, "latitude": 54.21 });
    check_error(
        &bulk("", &json!({ "geolocations": vec![location; 101] })),
        400,
        "Too many locations submitted. Up to 100 locations can be bulk requested at a time",
    );
    let long = SERVER.post("/postcodes", JSON, &" ".repeat(200_000));
    assert_eq!(long.status, 413, "{long}");
    assert!(long.json()["error"].is_string(), "{long}");
}

#[test]
fn searches_near_a_point_are_sorted_and_limited() {
    let path = "/postcodes?lon=-3.27&lat=54.21&radius=2000&limit=100";
    let found = result(path);
    let distances = found.as_array().expect("a list").iter();
    let distances: Vec<f64> = distances
        .map(|postcode| postcode["distance"].as_f64().expect("a distance"))
        .collect();
    assert!(
        distances.len() > 20 && distances.is_sorted(),
        "{distances:?}"
    );
    assert!(distances.iter().all(|metres| *metres <= 2_000.0));
    for other in [
        "/postcodes?longitude=-3.27&latitude=54.21&radius=99999&limit=500",
        "/postcodes/lon/-3.27/lat/54.21?radius=2000&limit=100",
        "/postcodes/lat/54.21/lon/-3.27?radius=2000m&limit=100",
    ] {
        assert_eq!(result(other), found, "{other}");
    }
    let own = SERVER
        .get("/api/v1/postcodes?lon=-3.27&lat=54.21&limit=100")
        .json();
    let own = texts(&own["postcodes"], "postcode");
    assert_eq!(texts(&found, "postcode"), own[..distances.len()]);
    let nearest = result(&format!("{}/nearest?radius=500", path_of(MILLOM)));
    assert_eq!(nearest[0]["postcode"], MILLOM);
    assert_eq!(nearest[0]["distance"], 0);
    assert_eq!(nearest.as_array().map(Vec::len), Some(10));
    let at_sea = "/postcodes?lon=-3.45&lat=54.15";
    assert_eq!(result(at_sea), Value::Null);
    let wide = result(&format!("{at_sea}&wideSearch=true&limit=50"));
    assert_eq!(wide.as_array().map(Vec::len), Some(10));
    assert_eq!(result("/postcodes?lon=2.35&lat=48.85"), Value::Null);
    assert_eq!(result(&format!("{path}&limit=0")), found);
    let zero = result("/postcodes?lon=-3.27&lat=54.21&limit=0");
    assert_eq!(zero, Value::Null);
    let point = "Invalid longitude/latitude submitted";
    for (path, error) in [
        ("/postcodes?lon=west&lat=54", point),
        ("/postcodes?lon=-3&lat=95", point),
        ("/postcodes/lon/-3/lat/north", point),
        ("/outcodes", point),
        ("/outcodes?lon=-3", point),
        (
            "/postcodes?lon=-3&lat=54&limit=many",
            "Invalid result limit submitted",
        ),
        (
            "/postcodes?lon=-3&lat=54&radius=far",
            "Invalid lookup radius submitted",
        ),
        (
            "/outcodes/LA18/nearest?limit=many",
            "Invalid result limit submitted",
        ),
        (
            "/postcodes?lon=-3",
            "No postcode query submitted. Remember to include query parameter",
        ),
        (
            "/postcodes?q=+",
            "No postcode query submitted. Remember to include query parameter",
        ),
    ] {
        check_error(&SERVER.get(path), 400, error);
    }
}

#[test]
fn searches_by_text_find_the_beginning_of_postcodes() {
    let completed = |text: &str| result(&format!("/postcodes/{text}/autocomplete?limit=100"));
    let la1 = completed("la1");
    let la1 = la1.as_array().expect("a list");
    assert_eq!(la1.len(), 100);
    let is_in_la1 = |text: &Value| text.as_str().is_some_and(|text| text.starts_with("LA1 "));
    assert!(la1.iter().all(is_in_la1), "{la1:?}");
    assert_eq!(completed("LA18%204DB"), json!(["LA18 4DB"]));
    assert_eq!(completed("LA184DB"), json!(["LA18 4DB"]));
    // A postcode that is no longer in use.
    assert_eq!(completed("LA18%204BF"), Value::Null);
    assert_eq!(completed("nonsense"), Value::Null);
    let first = result("/postcodes/L/autocomplete");
    assert_eq!(first.as_array().map(Vec::len), Some(10));
    for limit in ["", "0", "-1", "many"] {
        let path = format!("/postcodes/LA1/autocomplete?limit={limit}");
        assert_eq!(result(&path).as_array().map(Vec::len), Some(10), "{limit}");
    }
    let found = result("/postcodes?q=LA18+4&limit=5");
    assert_eq!(
        json!(texts(&found, "postcode")),
        result("/postcodes/LA18%204/autocomplete?limit=5")
    );
    assert_eq!(found, result("/postcodes?query=LA18+4&limit=5"));
    assert_eq!(
        result(&format!("/postcodes?q={}", MILLOM.replace(' ', "")))[0],
        result(&path_of(MILLOM))
    );
    assert_eq!(result("/postcodes?q=nonsense"), Value::Null);
}

#[test]
fn outcodes_have_the_published_fields_in_order() {
    let reply = SERVER.get("/outcodes/la18%20").expect(200);
    check_order(reply.text(), OUTCODE_FIELDS);
    let outcode = reply.json()["result"].clone();
    let count = outcode.as_object().map(serde_json::Map::len);
    assert_eq!(count, Some(member_count(OUTCODE_FIELDS)));
    assert_eq!(outcode["admin_district"], json!(["Cumberland"]));
    assert_eq!(outcode["country"], json!(["England"]));
    assert_eq!(outcode["parish"], json!([]));
    let nearest = result("/outcodes/LA18/nearest?radius=25000&limit=3");
    let mut first = nearest[0].clone();
    let distance = first.as_object_mut().expect("an object").remove("distance");
    assert_eq!((first, distance), (outcode.clone(), Some(json!(0))));
    let (lon, lat) = (&outcode["longitude"], &outcode["latitude"]);
    let near = result(&format!(
        "/outcodes?lon={lon}&lat={lat}&radius=99999&limit=3"
    ));
    assert_eq!(texts(&near, "outcode"), texts(&nearest, "outcode"));
    assert_eq!(result("/outcodes?lon=2.35&lat=48.85"), Value::Null);
    for _ in 0..5 {
        let random = result("/random/postcodes?outcode=la18&strict");
        assert_eq!(random["outcode"], "LA18", "{random}");
        let path = format!(
            "{}?strict",
            path_of(random["postcode"].as_str().expect("text"))
        );
        assert_eq!(result(&path), random);
    }
    assert!(result("/random/postcodes")["catchment"].is_object());
    assert_eq!(result("/random/postcodes?outcode=AB1"), Value::Null);
    assert_eq!(result("/ping"), "pong");
}

#[test]
fn other_errors_have_the_same_form() {
    let reply = SERVER.send("DELETE", "/postcodes/LA18%204DB", &[], None);
    assert_eq!(reply.status, 405, "{reply}");
    assert_eq!(reply.json()["status"], 405, "{reply}");
    assert!(reply.json()["error"].is_string(), "{reply}");
    let path = SERVER.get("/postcodes/%ff");
    assert_eq!((path.status, &path.json()["status"]), (400, &json!(400)));
    let access = AccessConfig {
        scopes_requiring_key: vec![Scope::Postcodes],
        ..AccessConfig::default()
    };
    let (limits, batch_limits) = (ServerLimits::default(), BatchLimits::default());
    let server = Server::with_access(embedded(), limits, batch_limits, access);
    for path in [
        "/postcodes/LA18%204DB",
        "/outcodes/LA18",
        "/random/postcodes",
        "/terminated_postcodes/LA18%204BF",
    ] {
        let reply = server.get(path);
        assert_eq!(reply.status, 401, "{reply}");
        assert_eq!(reply.json()["status"], 401, "{reply}");
        assert!(reply.json()["error"].is_string(), "{reply}");
        assert!(!reply.header("www-authenticate").is_empty(), "{reply}");
    }
    server.get("/ping").expect(200);
}

#[test]
fn any_origin_may_read_the_responses() {
    let origin = ("origin", "https://a.example");
    for path in ["/postcodes/LA18%204DB", "/postcodes/nonsense", "/ping"] {
        let reply = SERVER.send("GET", path, &[origin], None);
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{reply}");
    }
    let method = ("access-control-request-method", "POST");
    let preflight = SERVER.send("OPTIONS", "/postcodes", &[origin, method], None);
    let preflight = preflight.expect(200);
    let methods = preflight.header("access-control-allow-methods");
    assert!(methods.contains("POST"), "{preflight}");
}

#[test]
fn attributes_fill_the_fields_with_their_name() {
    let mut dataset = embedded();
    for (id, value) in [
        ("admin-ward", "Millom"),
        ("region", "E12000002"),
        ("imd", "1"),
    ] {
        let attribute = Attribute::declare(id).expect("an id");
        dataset.manifest.attributes.push(AttributeEntry {
            id: attribute,
            title: id.into(),
            by: AttributeKey::Postcode,
            data_date: None,
        });
        dataset.facts.attributes.push(AttributeValues {
            attribute,
            values: vec![(MILLOM.into(), value.into())],
        });
    }
    let server = Server::with(dataset, ServerLimits::default());
    let find = |postcode| {
        let path = format!("{}?strict", path_of(postcode));
        server.get(&path).expect(200).json()["result"].clone()
    };
    let found = find(MILLOM);
    assert_eq!(found["admin_ward"], "Millom");
    assert_eq!(found["codes"]["admin_ward"], Value::Null);
    assert_eq!(found["region"], Value::Null);
    assert_eq!(found["imd"], Value::Null);
    assert_eq!(find(KENDAL)["admin_ward"], Value::Null);
    let outcode = server.get("/outcodes/LA18").expect(200).json();
    assert_eq!(outcode["result"]["admin_ward"], json!(["Millom"]));
}

fn server_with(compat: Option<CompatLimits>) -> Server {
    let index = Index::build(embedded()).expect("the dataset is valid");
    let app = App::new(Arc::new(DatasetStore::fixed(index))).with_compat(compat);
    Server::for_app(app, ServerLimits::default())
}

#[test]
fn the_routes_can_be_turned_off() {
    let server = server_with(None);
    for path in ["/postcodes/LA18%204DB", "/outcodes/LA18", "/ping"] {
        server.get(path).expect_problem(404, "not_found");
    }
    let body = json!({ "postcodes": [MILLOM] }).to_string();
    let reply = server.post("/postcodes", JSON, &body);
    reply.expect_problem(404, "not_found");
    let document = server.get("/openapi.json").expect(200).json();
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.contains_key("/api/v1/postcodes"));
    assert!(!paths.contains_key("/postcodes") && !paths.contains_key("/ping"));
    let docs = server.get("/docs").expect(200);
    assert!(!docs.text().contains("/outcodes/{outcode}"));
}

#[test]
fn bulk_requests_may_have_another_limit() {
    let server = server_with(Some(CompatLimits {
        bulk_items_max: 150,
    }));
    let post = |count| {
        let body = json!({ "postcodes": vec![MILLOM; count] }).to_string();
        server.post("/postcodes?filter=postcode", JSON, &body)
    };
    let body = post(150).expect(200).json();
    assert_eq!(body["result"].as_array().map(Vec::len), Some(150));
    let error = "Too many postcodes submitted. Up to 150 postcodes can be bulk requested at a time";
    check_error(&post(151), 400, error);
}

/// Compares outward codes and searches with the file of the postcode directory, in pandas.
#[test]
fn results_agree_with_the_postcode_directory() {
    let Some(mut python) = python("results of the routes of postcodes.io") else {
        return;
    };
    python.args([
        "tests/oracle/postcodes_io.py",
        &SERVER.origin(),
        "data/lancashire-and-cumbria",
    ]);
    let output = stdout_of(&mut python);
    assert!(output.contains("results agree"), "{output}");
}
